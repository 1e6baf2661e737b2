/* Whole spans: commitment of more of them, and runs for blocks larger than a class.
 *
 * A run is claimed under the header's large_lock, span by span, since single spans are taken
 * without it. The slot's `run` entry names the claim first; recovery frees the spans that are
 * CLAIMED by the dead slot within it, or, if the head became LARGE, finishes the conversion of the
 * rest. A body names its head, so that a free that is done twice never touches a span that has a
 * new owner. */
#include "core/heap_private.h"

#include "base/error.h"
#include "core/lock.h"

#define GROW_LEAST 16u  /* spans: 1 MiB */
#define GROW_MOST 1024u /* 64 MiB */

static int full(const struct arena *arena, uint64_t bytes)
{
    struct heap_usage usage;

    heap_usage_get(arena, &usage);
    return fail(
        TROUPE_FULL,
        "arena: %llu bytes are asked, %llu KiB of %llu KiB are free, in pieces that are too "
        "small; free entries, or start with a larger arena (TROUPE_ARENA)",
        (unsigned long long)bytes, (unsigned long long)usage.free_bytes >> 10,
        (unsigned long long)arena->header->span_count * (SPAN_BYTES >> 10));
}

/* Commits the spans [from, from + count) with their descriptors, states and maps, of which all of
 * them together are a twentieth: one look at the memory serves for all. */
static int spans_commit(const struct arena *arena, uint32_t from, uint32_t count)
{
    const struct arena_header *header = arena->header;
    uint64_t group = HEAP_MAPS * sizeof(uint64_t), data = (uint64_t)count * SPAN_BYTES;
    uint64_t groups = (uint64_t)(from + count - 1) / 64 - from / 64 + 1;
    int result = arena_room(data + data / 16);

    if (result == TROUPE_OK)
        result = arena_populate(arena, header->heap + (uint64_t)from * SPAN_BYTES, data);
    if (result == TROUPE_OK)
        result = arena_populate(arena, arena_offset(arena, state_at(arena, from, 0)),
                                (uint64_t)count * SPAN_BLOCKS_MAX * sizeof(uint16_t));
    if (result == TROUPE_OK)
        result = arena_populate(arena, arena_offset(arena, span_at(arena, from)),
                                count * sizeof(struct span));
    if (result == TROUPE_OK)
        result = arena_populate(arena, header->maps + from / 64 * group, groups * group);
    return result;
}

static int grow_locked(struct actor *actor, uint32_t seen, uint32_t wanted, uint64_t bytes)
{
    struct arena_header *header = actor->arena.header;
    uint32_t ready = spans_ready(&actor->arena), left = header->span_count - ready;
    uint32_t step = ready / 8 < GROW_LEAST ? GROW_LEAST : ready / 8;
    int result;

    if (ready > seen)
        return TROUPE_OK; /* somebody else grew it while we waited */
    if (wanted > left)
        return full(&actor->arena, bytes);
    step = step > GROW_MOST ? GROW_MOST : step;
    step = step < wanted ? wanted : step;
    step = step > left ? left : step;
    result = spans_commit(&actor->arena, ready, step);
    if (result != TROUPE_OK && step > wanted) {
        step = wanted;
        result = spans_commit(&actor->arena, ready, step);
    }
    if (result != TROUPE_OK)
        return result;
    for (uint32_t span = ready; span < ready + step; span++)
        map_hint(&actor->arena, MAP_FREE_SPANS, span);
    atomic_store_explicit(&header->spans_ready, ready + step, memory_order_release);
    return TROUPE_OK;
}

int heap_grow(struct actor *actor, uint32_t spans_wanted, uint64_t bytes)
{
    uint32_t seen = spans_ready(&actor->arena);
    int result;

    lock_take(actor, &actor->arena.header->commit_lock);
    result = grow_locked(actor, seen, spans_wanted, bytes);
    lock_give(actor, &actor->arena.header->commit_lock);
    return result;
}

/* ---- runs ------------------------------------------------------------------------------- */

/* Finds count free neighbours. tail: the free spans at the end of what is committed. */
static bool run_find(const struct arena *arena, uint32_t count, uint32_t *first, uint32_t *tail)
{
    uint32_t ready = spans_ready(arena), length = 0;

    for (uint32_t span = 0; span < ready; span++) {
        uint64_t word = atomic_load_explicit(span_at(arena, span), memory_order_relaxed);

        length = span_kind_of(word) == SPAN_FREE ? length + 1 : 0;
        if (length == count) {
            *first = span + 1 - count;
            return true;
        }
    }
    *tail = length;
    return false;
}

static void claim_undo(const struct arena *arena, uint32_t first, uint32_t count, uint32_t number)
{
    for (uint32_t span = first; span < first + count; span++) {
        uint64_t claimed = span_word(SPAN_CLAIMED, 0, number, first);

        if (atomic_compare_exchange_strong(span_at(arena, span), &claimed,
                                           span_word(SPAN_FREE, 0, 0, 0)))
            map_hint(arena, MAP_FREE_SPANS, span);
    }
}

static void claim_finish(const struct arena *arena, uint32_t first, uint32_t count, uint32_t number)
{
    for (uint32_t span = first + 1; span < first + count; span++) {
        uint64_t claimed = span_word(SPAN_CLAIMED, 0, number, first);

        atomic_compare_exchange_strong(span_at(arena, span), &claimed,
                                       span_word(SPAN_BODY, 0, 0, first));
    }
}

/* Claims a run that was seen free; false when a single-span claim came in between. */
static bool run_claim(struct actor *actor, uint32_t first, uint32_t count)
{
    const struct arena *arena = &actor->arena;
    _Atomic uint64_t *note = heap_note_free(actor->slot);

    atomic_store(&actor->slot->run, (uint64_t)first << 32 | count);
    for (uint32_t span = first; span < first + count; span++) {
        uint64_t expected = span_word(SPAN_FREE, 0, 0, 0);

        if (atomic_compare_exchange_strong(span_at(arena, span), &expected,
                                           span_word(SPAN_CLAIMED, 0, actor->number, first)))
            continue;
        claim_undo(arena, first, count, actor->number);
        atomic_store(&actor->slot->run, 0);
        return false;
    }
    atomic_store(note, NOTE_RUN | note_make(ROLE_NEW, first, 0));
    atomic_store(state_at(arena, first, 0), (uint16_t)actor->number);
    atomic_store(span_at(arena, first), span_word(SPAN_LARGE, 0, 0, count));
    claim_finish(arena, first, count, actor->number);
    atomic_store(&actor->slot->run, 0);
    return true;
}

void large_settle_claim(const struct arena *arena, struct slot *slot, uint32_t number)
{
    uint64_t run = atomic_load(&slot->run), word;
    uint32_t first = (uint32_t)(run >> 32), count = (uint32_t)run;

    if (run == 0)
        return;
    word = atomic_load(span_at(arena, first));
    if (span_kind_of(word) == SPAN_RETIRING && span_slot_of(word) == number)
        atomic_store(span_at(arena, first), span_word(SPAN_SMALL, span_class_of(word), 0, 0));
    else if (span_kind_of(word) == SPAN_LARGE &&
             atomic_load(state_at(arena, first, 0)) == (uint16_t)number)
        claim_finish(arena, first, count, number);
    else {
        uint16_t state = (uint16_t)number;

        if (span_kind_of(word) == SPAN_CLAIMED && span_slot_of(word) == number)
            atomic_compare_exchange_strong(state_at(arena, first, 0), &state, BLOCK_FREE);
        claim_undo(arena, first, count, number);
    }
    atomic_store(&slot->run, 0);
}

static int run_alloc_locked(struct actor *actor, uint32_t count, uint64_t bytes, uint32_t *first)
{
    bool tried = false;
    uint32_t tail;

    for (;;) {
        if (run_find(&actor->arena, count, first, &tail)) {
            if (run_claim(actor, *first, count))
                return TROUPE_OK;
            continue;
        }
        if (heap_grow(actor, count - tail, bytes) == TROUPE_OK)
            continue;
        if (tried || heap_retire_empty(actor) == 0)
            return full(&actor->arena, bytes);
        tried = true;
    }
}

int large_alloc(struct actor *actor, uint64_t bytes, uint64_t *offset)
{
    struct arena_header *header = actor->arena.header;
    uint64_t count = (bytes - 1) / SPAN_BYTES + 1;
    uint32_t first = 0;
    int result;

    if (count > header->span_count)
        return full(&actor->arena, bytes);
    lock_take(actor, &header->large_lock);
    result = run_alloc_locked(actor, (uint32_t)count, bytes, &first);
    lock_give(actor, &header->large_lock);
    if (result == TROUPE_OK)
        *offset = header->heap + (uint64_t)first * SPAN_BYTES;
    return result;
}

/* Frees the spans of a run whose block is in flight with slot number, which afterwards sets the
 * block's state free; nothing when that was done already. The head goes last: while it stands, no
 * new run can have the same head, so a body that names it is this run's. The state goes after the
 * head, for only a run that still stands and is still in flight with the slot is to be freed: a new
 * owner of the head writes the state before it calls the span LARGE, so the state is read second.
 */
void large_free(const struct arena *arena, uint32_t head, uint32_t number)
{
    uint64_t word = atomic_load(span_at(arena, head));

    if (span_kind_of(word) != SPAN_LARGE || atomic_load(state_at(arena, head, 0)) != number)
        return;
    for (uint32_t span = head + span_run_of(word) - 1; span > head; span--) {
        uint64_t body = span_word(SPAN_BODY, 0, 0, head);

        if (atomic_compare_exchange_strong(span_at(arena, span), &body,
                                           span_word(SPAN_FREE, 0, 0, 0)))
            map_hint(arena, MAP_FREE_SPANS, span);
    }
    atomic_store(span_at(arena, head), span_word(SPAN_FREE, 0, 0, 0));
    map_hint(arena, MAP_FREE_SPANS, head);
}
