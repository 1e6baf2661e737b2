/* The arena: a node's shared memory, mapped at another address in every process.
 *
 * What always holds: places in it are offsets, never pointers; its regions are laid out once by
 * arena_format and never move; a page is touched only after it was committed (arena_commit), so a
 * machine without memory gives TROUPE_FULL and not a signal. Everything a process may leave half
 * done is described by its slot (slot.h) and mended by recovery (recover.h).
 *
 *   header | slots | span descriptors | span maps | block states | spans (64 KiB each) …
 *          |<----------------- committed as they are used ------------------------->|
 */
#ifndef TROUPE_CORE_ARENA_H
#define TROUPE_CORE_ARENA_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARENA_LINE 64
#define ARENA_PAGE 4096u
#define SPAN_SHIFT 16
#define SPAN_BYTES (1u << SPAN_SHIFT)
#define HEAP_CLASSES 40 /* room for the small-block classes; heap.c has the table */
#define ARENA_ROOTS 32

struct slot;
struct span;

/* A lock word, see lock.h. */
struct lock {
    _Atomic uint32_t word;
    uint32_t unused;
};

/* A place to sleep, see bell.h. */
struct bell {
    _Atomic uint32_t word;
    _Atomic uint64_t watched; /* others that want to hear it, too; see bell.h */
};

struct arena_header {
    uint64_t magic;
    uint64_t bytes;
    uint32_t slot_count;
    uint32_t span_count;
    uint64_t slots, spans, maps, states, heap; /* offsets of the regions */
    uint64_t map_words;                        /* words of one span map */
    struct lock large_lock;                    /* claims of several spans */
    struct lock commit_lock;
    _Atomic uint64_t spans_ready; /* spans below are committed; a redo word under commit_lock */
    _Atomic uint32_t slot_high;   /* no slot at or above was ever taken */
    _Atomic uint32_t deaths;      /* counts buried slots */
    _Atomic uint32_t starved;     /* somebody waits, or waited, for blocks to be freed */
    struct bell room;             /* rings at every free once starved is set */
    _Alignas(ARENA_LINE) struct bell service_bell;
    _Alignas(ARENA_LINE) _Atomic uint64_t roots[ARENA_ROOTS]; /* what the upper floors hang up */
};

/* A process's view of an arena. The bytes belong to whoever mapped them. */
struct arena {
    unsigned char *base;
    struct arena_header *header;
    struct slot *slots;
    struct span *spans;
    _Atomic uint64_t *maps;
    _Atomic uint16_t *states;
};

struct arena_limits {
    uint32_t slots; /* 0: by size */
};

/* The least that arena_format accepts. */
#define ARENA_LEAST_BYTES (1u << 20)

/* Lays out a zeroed, page-aligned, uncommitted mapping. One process calls it, once.
 *
 * Returns     TROUPE_OK; TROUPE_BAD_ARGUMENT when bytes is too small; TROUPE_FULL without memory */
int arena_format(void *base, uint64_t bytes, const struct arena_limits *limits,
                 struct arena *arena);

/* Views an arena that was formatted. TROUPE_MISMATCH when it is none of this version's. */
int arena_view(void *base, struct arena *arena);

/* Whether the machine and our control groups would give so much more. TROUPE_FULL with the
 * figures. */
int arena_room(uint64_t bytes);

/* Makes [offset, offset + bytes) safe to touch, where arena_room has been asked. TROUPE_FULL
 * when the kernel refuses. */
int arena_populate(const struct arena *arena, uint64_t offset, uint64_t bytes);

/* Both. */
int arena_commit(const struct arena *arena, uint64_t offset, uint64_t bytes);

static inline void *arena_at(const struct arena *arena, uint64_t offset)
{
    return arena->base + offset;
}

static inline uint64_t arena_offset(const struct arena *arena, const void *place)
{
    return (uint64_t)((const unsigned char *)place - arena->base);
}

#endif
