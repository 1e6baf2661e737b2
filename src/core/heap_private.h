/* What the two halves of the allocator and its tests share. */
#ifndef TROUPE_CORE_HEAP_PRIVATE_H
#define TROUPE_CORE_HEAP_PRIVATE_H

#include "core/heap.h"

#define HEAP_BLOCK_LEAST 64u
#define SPAN_BLOCKS_MAX (SPAN_BYTES / HEAP_BLOCK_LEAST)
#define HEAP_SMALL_MOST (32u << 10)
#define HEAP_MAPS (HEAP_CLASSES + 1) /* one for each class, and one for free spans */
#define MAP_FREE_SPANS HEAP_CLASSES

/* A span's descriptor: kind (8) | class (8) | slot (16) | run (32).
 *   FREE      in nobody's use; all its states are FREE
 *   SMALL     carved into blocks of its class
 *   RETIRING  its slot looks whether a SMALL span is empty
 *   CLAIMED   its slot gathers a run that starts at span `run`
 *   LARGE     the head of a run of `run` spans; block 0's state is the run's
 *   BODY      the rest of a run, whose head is span `run` */
enum span_kind { SPAN_FREE, SPAN_SMALL, SPAN_RETIRING, SPAN_CLAIMED, SPAN_LARGE, SPAN_BODY };

struct span {
    _Atomic uint64_t word;
};

static inline uint64_t span_word(enum span_kind kind, uint32_t klass, uint32_t slot, uint32_t run)
{
    return (uint64_t)kind << 56 | (uint64_t)klass << 48 | (uint64_t)slot << 32 | run;
}

static inline enum span_kind span_kind_of(uint64_t word)
{
    return (enum span_kind)(word >> 56);
}

static inline uint32_t span_class_of(uint64_t word)
{
    return (uint32_t)(word >> 48) & 0xff;
}

static inline uint32_t span_slot_of(uint64_t word)
{
    return (uint32_t)(word >> 32) & 0xffff;
}

static inline uint32_t span_run_of(uint64_t word)
{
    return (uint32_t)word;
}

/* A block as the slots note it: run (8) | role (8) | index in its span (16) | span (32). What was
 * noted as a small block is never freed as a run: its span may have changed hands before the swap
 * that was to take it. */
#define NOTE_RUN ((uint64_t)1 << 56)

static inline uint64_t note_make(enum block_role role, uint32_t span, uint32_t block)
{
    return (uint64_t)role << 48 | (uint64_t)block << 32 | span;
}

static inline enum block_role note_role(uint64_t note)
{
    return (enum block_role)(note >> 48 & 0xff);
}

static inline uint64_t note_with_role(uint64_t note, enum block_role role)
{
    return (note & ~((uint64_t)0xff << 48)) | (uint64_t)role << 48;
}

static inline uint32_t note_block(uint64_t note)
{
    return (uint32_t)(note >> 32) & 0xffff;
}

static inline uint32_t note_span(uint64_t note)
{
    return (uint32_t)note;
}

static inline _Atomic uint16_t *state_at(const struct arena *arena, uint32_t span, uint32_t block)
{
    return &arena->states[(uint64_t)span * SPAN_BLOCKS_MAX + block];
}

static inline _Atomic uint64_t *span_at(const struct arena *arena, uint32_t span)
{
    return &arena->spans[span].word;
}

/* The hint word that covers 64 spans, for a class or for free spans. */
static inline _Atomic uint64_t *map_at(const struct arena *arena, uint32_t map, uint32_t word)
{
    return &arena->maps[(uint64_t)word * HEAP_MAPS + map];
}

static inline void map_hint(const struct arena *arena, uint32_t map, uint32_t span)
{
    _Atomic uint64_t *word = map_at(arena, map, span / 64);
    uint64_t bit = (uint64_t)1 << (span % 64);

    if ((atomic_load_explicit(word, memory_order_relaxed) & bit) == 0)
        atomic_fetch_or(word, bit);
}

static inline uint32_t spans_ready(const struct arena *arena)
{
    return (uint32_t)atomic_load_explicit(&arena->header->spans_ready, memory_order_acquire);
}

uint32_t heap_class_bytes(uint32_t klass);
uint32_t heap_class_blocks(uint32_t klass);
uint32_t heap_class_count(void);

/* The slot's first unused note; a transaction that needs more than SLOT_BLOCKS is a mistake of this
 * library's and fails with TROUPE_SYSTEM. */
_Atomic uint64_t *heap_note_free(struct slot *slot);
_Atomic uint64_t *heap_note_find(struct slot *slot, uint32_t span, uint32_t block);

/* Commits more spans, for a block of so many bytes: the figure for the sentence. TROUPE_FULL
 * when the arena ends or memory does. */
int heap_grow(struct actor *actor, uint32_t spans_wanted, uint64_t bytes);

/* Turns SMALL spans without a block in use into FREE ones; returns how many. */
uint32_t heap_retire_empty(struct actor *actor);

/* Runs of whole spans. */
int large_alloc(struct actor *actor, uint64_t bytes, uint64_t *offset);
void large_free(const struct arena *arena, uint32_t head, uint32_t number);
void large_settle_claim(const struct arena *arena, struct slot *slot, uint32_t number);

#endif
