/* Bytes in blocks that are read without a lock, copied and compared word by word.
 *
 * Readers look at blocks that may be somebody else's by now, so they check where a block lies
 * before they look, and every word is an atomic: written with release, read with acquire. Whatever
 * is stored begins on a word and ends in one that is padded with zeros. */
#ifndef TROUPE_OBJECT_WORDS_H
#define TROUPE_OBJECT_WORDS_H

#include "core/arena.h"

#include <string.h>

/* The place of bytes that may be read, or NULL: what is committed never shrinks, and all blocks
 * begin on a line. */
static inline const void *words_readable(const struct arena *arena, uint64_t offset, uint64_t bytes)
{
    const struct arena_header *header = arena->header;
    uint64_t end = header->heap +
                   (atomic_load_explicit(&header->spans_ready, memory_order_acquire) << SPAN_SHIFT);

    if (offset < header->heap || offset % ARENA_LINE != 0 || offset > end || end - offset < bytes)
        return NULL;
    return arena_at(arena, offset);
}

static inline uint64_t words_for(uint64_t bytes)
{
    return (bytes + sizeof(uint64_t) - 1) / sizeof(uint64_t);
}

/* Copies go eight words a round, each through a register of its own: a large value moves as fast as
 * that lets the memory go. */
#define WORDS_ROUND 8

static inline void words_store(_Atomic uint64_t *to, const void *from, size_t bytes)
{
    const unsigned char *next = from;
    uint64_t last = 0;

    for (; bytes >= WORDS_ROUND * sizeof last; bytes -= WORDS_ROUND * sizeof last) {
#pragma GCC unroll 8
        for (int i = 0; i < WORDS_ROUND; i++, next += sizeof last) {
            uint64_t word;

            memcpy(&word, next, sizeof word);
            atomic_store_explicit(to++, word, memory_order_release);
        }
    }
    for (; bytes >= sizeof last; bytes -= sizeof last, next += sizeof last) {
        uint64_t word;

        memcpy(&word, next, sizeof word);
        atomic_store_explicit(to++, word, memory_order_release);
    }
    if (bytes == 0)
        return;
    memcpy(&last, next, bytes);
    atomic_store_explicit(to, last, memory_order_release);
}

static inline void words_load(void *to, const _Atomic uint64_t *from, size_t bytes)
{
    unsigned char *next = to;
    uint64_t last;

    for (; bytes >= WORDS_ROUND * sizeof last; bytes -= WORDS_ROUND * sizeof last) {
#pragma GCC unroll 8
        for (int i = 0; i < WORDS_ROUND; i++, next += sizeof last) {
            uint64_t word = atomic_load_explicit(from++, memory_order_acquire);

            memcpy(next, &word, sizeof word);
        }
    }
    for (; bytes >= sizeof last; bytes -= sizeof last, next += sizeof last) {
        uint64_t word = atomic_load_explicit(from++, memory_order_acquire);

        memcpy(next, &word, sizeof word);
    }
    if (bytes == 0)
        return;
    last = atomic_load_explicit(from, memory_order_acquire);
    memcpy(next, &last, bytes);
}

static inline bool words_equal(const _Atomic uint64_t *words, const void *bytes, size_t size)
{
    const unsigned char *next = bytes;
    uint64_t word;

    for (; size >= sizeof word; size -= sizeof word, next += sizeof word) {
        memcpy(&word, next, sizeof word);
        if (atomic_load_explicit(words++, memory_order_acquire) != word)
            return false;
    }
    if (size == 0)
        return true;
    word = 0;
    memcpy(&word, next, size);
    return atomic_load_explicit(words, memory_order_acquire) == word;
}

static inline void words_zero(_Atomic uint64_t *words, uint64_t bytes)
{
    for (uint64_t i = 0; i < bytes / sizeof *words; i++)
        atomic_store_explicit(&words[i], 0, memory_order_release);
}

#endif
