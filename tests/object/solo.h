/* A world of one node over a private mapping, for tests of objects without MPI. */
#ifndef TROUPE_TESTS_OBJECT_SOLO_H
#define TROUPE_TESTS_OBJECT_SOLO_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/heap.h"
#include "core/table.h"
#include "core/world.h"
#include "object/names.h"
#include "troupe/troupe.h"

#include <sys/mman.h>

struct solo {
    void *base;
    size_t bytes;
    struct actor *actor;
};

/* Makes the mapping, its arena and table, and joins as the node's only process. */
static inline void solo_begin(struct solo *solo, size_t bytes)
{
    struct world world = { .role = WORLD_SPMD, .rank = 0, .size = 1, .node = 0, .nodes = 1 };

    solo->bytes = bytes;
    solo->base = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(solo->base != MAP_FAILED);
    assert_int_equal(arena_format(solo->base, bytes, NULL, &world.arena), TROUPE_OK);
    assert_int_equal(world_join(&world, &solo->actor), TROUPE_OK);
    assert_int_equal(table_format(solo->actor, 0), TROUPE_OK);
    assert_int_equal(names_format(solo->actor), TROUPE_OK);
}

static inline void solo_end(struct solo *solo)
{
    world_leave();
    munmap(solo->base, solo->bytes);
}

/* What a forked child does first: it takes a slot of its own. */
static inline int solo_join_child(struct actor **actor)
{
    struct world world = world_here;

    return world_join(&world, actor);
}

/* Uses so many records that the table reuses them from now on, instead of growing. */
static inline void solo_warm(void)
{
    enum { RECORDS = 200 };
    troupe_dict dict;

    for (int i = 0; i < RECORDS; i++) {
        assert_int_equal(troupe_dict_create(NULL, &dict), TROUPE_OK);
        assert_int_equal(troupe_dict_destroy(dict), TROUPE_OK);
    }
}

static inline uint64_t solo_linked(const struct solo *solo)
{
    struct heap_usage usage;

    heap_usage_get(&solo->actor->arena, &usage);
    assert_int_equal(usage.flight_blocks, 0);
    return usage.linked_bytes;
}

/* A generator of one's own: tests repeat. */
static inline uint64_t solo_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

#endif
