/* Arrays for the kernels' tests: poisoned, with poison before and after that has to stay. */
#ifndef TESTS_KERNELS_GUARDED_H
#define TESTS_KERNELS_GUARDED_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <math.h>

enum { GUARD_BYTES = 64, GUARD_POISON = 0xa5 };

struct guarded {
    unsigned char *room;
    size_t bytes, offset;
};

/* bytes at an address that is offset beyond a multiple of GUARD_BYTES. */
static inline void *guarded_new(struct guarded *guarded, size_t bytes, size_t offset)
{
    size_t whole = (2 * GUARD_BYTES + offset + bytes) / GUARD_BYTES * GUARD_BYTES + GUARD_BYTES;

    guarded->room = aligned_alloc(GUARD_BYTES, whole);
    assert_non_null(guarded->room);
    memset(guarded->room, GUARD_POISON, whole);
    guarded->bytes = bytes;
    guarded->offset = GUARD_BYTES + offset;
    return guarded->room + guarded->offset;
}

/* Fails when something was written outside; frees the room. */
static inline void guarded_end(struct guarded *guarded)
{
    for (size_t i = 0; i < guarded->offset; i++)
        assert_int_equal(guarded->room[i], GUARD_POISON);
    for (size_t i = 0; i < GUARD_BYTES; i++)
        assert_int_equal(guarded->room[guarded->offset + guarded->bytes + i], GUARD_POISON);
    free(guarded->room);
}

/* Random numbers that are the same in every run: splitmix64. */
static inline uint64_t random_next(uint64_t *state)
{
    uint64_t value = *state += UINT64_C(0x9e3779b97f4a7c15);

    value = (value ^ (value >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ (value >> 27)) * UINT64_C(0x94d049bb133111eb);
    return value ^ (value >> 31);
}

static inline double random_between(uint64_t *state, double least, double most)
{
    return least + (most - least) * (double)(random_next(state) >> 11) / 9007199254740992.0;
}

/* Sizes around a warp, around the stretches of the kernels, and larger than a block's share. */
static const uint64_t guarded_sizes[] = { 0, 1, 31, 32, 33, 1020, 1021, 1022, 100003 };
enum { GUARDED_SIZES = sizeof guarded_sizes / sizeof *guarded_sizes };

#endif
