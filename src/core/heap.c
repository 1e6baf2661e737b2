/* Small blocks: classes, the search for a free one, and settling what is in flight.
 *
 * Memory orders. Taking a block is a compare-and-swap of its state followed by a look at its span's
 * descriptor; retiring a span is a store to its descriptor followed by a look at all states. Both
 * pairs are sequentially consistent, so at least one side sees the other: either the taker finds
 * the span no longer of its class and lets go, or the retirer finds the block taken and gives up.
 * Freeing stores the state with release, and taking it acquires, so the new owner sees whatever the
 * old one's readers were done with. */
#include "core/heap_private.h"

#include "base/error.h"
#include "core/bell.h"
#include "core/futex.h"

#include <assert.h>
#include <string.h>

/* Steps of at most a quarter: 64 … 512 by 64, then four to a doubling, then thirds and a half of a
 * span. index = place * reciprocal >> 32 is exact for multiples of bytes below a span. */
static const uint32_t class_bytes[] = { 64,    128,   192,   256,   320,  384,  448,  512,
                                        640,   768,   896,   1024,  1280, 1536, 1792, 2048,
                                        2560,  3072,  3584,  4096,  5120, 6144, 7168, 8192,
                                        10880, 13056, 16384, 21824, 32768 };
#define CLASSES ((uint32_t)(sizeof class_bytes / sizeof *class_bytes))
_Static_assert(sizeof class_bytes / sizeof *class_bytes <= HEAP_CLASSES, "a map for each class");

uint32_t heap_class_count(void)
{
    return CLASSES;
}

uint32_t heap_class_bytes(uint32_t klass)
{
    return class_bytes[klass];
}

uint32_t heap_class_blocks(uint32_t klass)
{
    return SPAN_BYTES / class_bytes[klass];
}

static uint32_t class_of(uint64_t bytes)
{
    uint32_t low = 0, high = CLASSES - 1;

    if (bytes <= 512)
        return bytes == 0 ? 0 : (uint32_t)(bytes - 1) / 64;
    while (low < high) {
        uint32_t middle = (low + high) / 2;

        if (class_bytes[middle] < bytes)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* ---- where a block is ------------------------------------------------------------------- */

static uint64_t block_offset(const struct arena *arena, uint32_t span, uint32_t block,
                             uint32_t klass)
{
    return arena->header->heap + (uint64_t)span * SPAN_BYTES + (uint64_t)block * class_bytes[klass];
}

/* The note of the block at an offset. The caller owns the block, so its span stays what it is. */
static uint64_t note_locate(const struct arena *arena, enum block_role role, uint64_t offset)
{
    uint64_t place = offset - arena->header->heap;
    uint32_t span = (uint32_t)(place >> SPAN_SHIFT);
    uint64_t word = atomic_load_explicit(span_at(arena, span), memory_order_relaxed);

    if (span_kind_of(word) == SPAN_LARGE)
        return NOTE_RUN | note_make(role, span, 0);
    return note_make(role, span,
                     (uint32_t)(place & (SPAN_BYTES - 1)) / class_bytes[span_class_of(word)]);
}

uint64_t heap_block_bytes(const struct arena *arena, uint64_t offset)
{
    uint32_t span = (uint32_t)((offset - arena->header->heap) >> SPAN_SHIFT);
    uint64_t word = atomic_load_explicit(span_at(arena, span), memory_order_relaxed);

    return span_kind_of(word) == SPAN_LARGE ? (uint64_t)span_run_of(word) * SPAN_BYTES
                                            : class_bytes[span_class_of(word)];
}

_Atomic uint64_t *heap_note_free(struct slot *slot)
{
    for (int i = 0; i < SLOT_BLOCKS; i++)
        if (atomic_load_explicit(&slot->blocks[i], memory_order_relaxed) == 0)
            return &slot->blocks[i];
    return NULL;
}

_Atomic uint64_t *heap_note_find(struct slot *slot, uint32_t span, uint32_t block)
{
    for (int i = 0; i < SLOT_BLOCKS; i++) {
        uint64_t note = atomic_load_explicit(&slot->blocks[i], memory_order_relaxed);

        if (note != 0 && note_span(note) == span && note_block(note) == block)
            return &slot->blocks[i];
    }
    return NULL;
}

/* ---- finding one ------------------------------------------------------------------------ */

/* Tries to put one block in flight. The note precedes the state, so that recovery finds the block.
 */
static bool block_take(struct actor *actor, _Atomic uint64_t *note, uint32_t klass, uint32_t span,
                       uint32_t block)
{
    _Atomic uint16_t *state = state_at(&actor->arena, span, block);
    uint16_t expected = BLOCK_FREE;
    uint64_t word;

    if (atomic_load_explicit(state, memory_order_relaxed) != BLOCK_FREE)
        return false;
    atomic_store_explicit(note, note_make(ROLE_NEW, span, block), memory_order_release);
    if (!atomic_compare_exchange_strong(state, &expected, (uint16_t)actor->number))
        return false;
    word = atomic_load(span_at(&actor->arena, span));
    if (span_kind_of(word) == SPAN_SMALL && span_class_of(word) == klass)
        return true;
    /* The span changed hands under us. Its new owner may have overwritten the state: then it stays.
     */
    expected = (uint16_t)actor->number;
    atomic_compare_exchange_strong(state, &expected, BLOCK_FREE);
    return false;
}

/* Looks through one span from a position on, round once. */
static bool span_search(struct actor *actor, _Atomic uint64_t *note, uint32_t klass, uint32_t span)
{
    struct heap_warm *warm = &actor->warm[klass];
    uint64_t word = atomic_load_explicit(span_at(&actor->arena, span), memory_order_relaxed);
    uint32_t blocks = heap_class_blocks(klass);
    uint32_t from = warm->span == span ? warm->position : 0;

    if (span_kind_of(word) != SPAN_SMALL || span_class_of(word) != klass)
        return false;
    for (uint32_t step = 0; step < blocks; step++) {
        uint32_t block = from + step < blocks ? from + step : from + step - blocks;

        if (block_take(actor, note, klass, span, block)) {
            warm->span = span;
            warm->position = block + 1 < blocks ? block + 1 : 0;
            return true;
        }
    }
    return false;
}

static bool warm_search(struct actor *actor, _Atomic uint64_t *note, uint32_t klass)
{
    struct heap_warm *warm = &actor->warm[klass];

    while (warm->count > 0) {
        uint64_t hint = warm->blocks[--warm->count];

        if (block_take(actor, note, klass, note_span(hint), note_block(hint)))
            return true;
    }
    return false;
}

/* Follows the class's map of spans that may have room. A span found full leaves the map first and
 * is looked through once more after that, so a block freed in between is not forgotten. */
static bool map_search(struct actor *actor, _Atomic uint64_t *note, uint32_t klass)
{
    uint32_t words = (spans_ready(&actor->arena) + 63) / 64;
    uint32_t first = words > 0 ? actor->number % words : 0;

    for (uint32_t step = 0; step < words; step++) {
        uint32_t at = (first + step) % words;
        _Atomic uint64_t *map = map_at(&actor->arena, klass, at);
        uint64_t bits = atomic_load_explicit(map, memory_order_relaxed);

        for (; bits != 0; bits &= bits - 1) {
            uint32_t span = at * 64 + (uint32_t)__builtin_ctzll(bits);

            if (span_search(actor, note, klass, span))
                return true;
            atomic_fetch_and(map, ~(bits & -bits));
            if (span_search(actor, note, klass, span)) {
                map_hint(&actor->arena, klass, span);
                return true;
            }
        }
    }
    return false;
}

/* Makes a free span one of the class, and searches it. */
static bool span_open(struct actor *actor, _Atomic uint64_t *note, uint32_t klass)
{
    uint32_t ready = spans_ready(&actor->arena);

    for (uint32_t at = 0; at * 64 < ready; at++) {
        _Atomic uint64_t *map = map_at(&actor->arena, MAP_FREE_SPANS, at);
        uint64_t bits = atomic_load_explicit(map, memory_order_relaxed);

        for (; bits != 0; bits &= bits - 1) {
            uint32_t span = at * 64 + (uint32_t)__builtin_ctzll(bits);
            uint64_t expected = span_word(SPAN_FREE, 0, 0, 0);

            if (!atomic_compare_exchange_strong(span_at(&actor->arena, span), &expected,
                                                span_word(SPAN_SMALL, klass, 0, 0))) {
                atomic_fetch_and(map, ~(bits & -bits));
                continue;
            }
            map_hint(&actor->arena, klass, span);
            atomic_fetch_and(map, ~(bits & -bits));
            if (span_search(actor, note, klass, span))
                return true;
        }
    }
    return false;
}

/* A dead process may have left a map without a hint that it should have. */
static void hints_renew(const struct arena *arena)
{
    uint32_t ready = spans_ready(arena);

    for (uint32_t span = 0; span < ready; span++) {
        uint64_t word = atomic_load_explicit(span_at(arena, span), memory_order_relaxed);

        if (span_kind_of(word) == SPAN_FREE)
            map_hint(arena, MAP_FREE_SPANS, span);
        else if (span_kind_of(word) == SPAN_SMALL)
            map_hint(arena, span_class_of(word), span);
    }
}

static bool small_search(struct actor *actor, uint32_t klass, _Atomic uint64_t *note)
{
    return warm_search(actor, note, klass) ||
           (actor->warm[klass].span < spans_ready(&actor->arena) &&
            span_search(actor, note, klass, actor->warm[klass].span)) ||
           map_search(actor, note, klass) || span_open(actor, note, klass);
}

static int small_alloc(struct actor *actor, uint32_t klass, uint64_t bytes, _Atomic uint64_t *note)
{
    int result = TROUPE_OK;

    while (result == TROUPE_OK) {
        if (small_search(actor, klass, note))
            return TROUPE_OK;
        result = heap_grow(actor, 1, bytes);
    }
    heap_retire_empty(actor);
    hints_renew(&actor->arena);
    if (small_search(actor, klass, note))
        return TROUPE_OK;
    atomic_store_explicit(note, 0, memory_order_release);
    return result;
}

int heap_alloc(struct actor *actor, uint64_t bytes, uint64_t *offset)
{
    _Atomic uint64_t *note = heap_note_free(actor->slot);
    uint32_t klass;
    uint64_t found;
    int result;

    if (note == NULL)
        return fail(TROUPE_SYSTEM,
                    "arena: more than %d blocks in flight in one operation; this is "
                    "a fault of Troupe, please report it",
                    SLOT_BLOCKS);
    if (bytes > HEAP_SMALL_MOST)
        return large_alloc(actor, bytes, offset);
    klass = class_of(bytes);
    result = small_alloc(actor, klass, bytes, note);
    if (result != TROUPE_OK)
        return result;
    found = atomic_load_explicit(note, memory_order_relaxed);
    *offset = block_offset(&actor->arena, note_span(found), note_block(found), klass);
    return TROUPE_OK;
}

/* ---- growing and giving back ------------------------------------------------------------ */

uint32_t heap_retire_empty(struct actor *actor)
{
    const struct arena *arena = &actor->arena;
    uint32_t ready = spans_ready(arena), retired = 0;

    for (uint32_t span = 0; span < ready; span++) {
        uint64_t word = atomic_load(span_at(arena, span));
        uint32_t klass = span_class_of(word), blocks, used = 0;

        if (span_kind_of(word) != SPAN_SMALL)
            continue;
        atomic_store(&actor->slot->run, (uint64_t)span << 32 | 1);
        if (!atomic_compare_exchange_strong(span_at(arena, span), &word,
                                            span_word(SPAN_RETIRING, klass, actor->number, 0)))
            continue;
        blocks = heap_class_blocks(klass);
        for (uint32_t block = 0; block < blocks && used == 0; block++)
            used += atomic_load(state_at(arena, span, block)) != BLOCK_FREE;
        atomic_store(span_at(arena, span),
                     used > 0 ? span_word(SPAN_SMALL, klass, 0, 0) : span_word(SPAN_FREE, 0, 0, 0));
        if (used == 0) {
            map_hint(arena, MAP_FREE_SPANS, span);
            retired++;
        }
    }
    atomic_store(&actor->slot->run, 0);
    return retired;
}

/* ---- settling --------------------------------------------------------------------------- */

/* Whoever waits for room has set `starved` before its last look, and we have freed before this one,
 * all sequentially consistent: one of the two sees the other. */
static void room_announce(const struct arena *arena)
{
    if (atomic_load(&arena->header->starved) != 0)
        bell_ring(arena, &arena->header->room, FUTEX_ALL);
}

/* Frees a block in flight with slot number. The state is swapped, not stored: after a take that
 * came too late, the span's new owner may be writing it. */
static void block_free(struct actor *actor, uint64_t note, uint32_t number)
{
    const struct arena *arena = &actor->arena;
    uint32_t span = note_span(note), block = note_block(note), klass;
    uint16_t expected = (uint16_t)number;
    uint64_t word;
    struct heap_warm *warm;

    if (note & NOTE_RUN)
        large_free(arena, span, number);
    atomic_compare_exchange_strong(state_at(arena, span, block), &expected, BLOCK_FREE);
    room_announce(arena);
    word = atomic_load_explicit(span_at(arena, span), memory_order_relaxed);
    if (span_kind_of(word) != SPAN_SMALL && span_kind_of(word) != SPAN_RETIRING)
        return;
    klass = span_class_of(word);
    map_hint(arena, klass, span);
    warm = &actor->warm[klass];
    if (warm->count < WARM_BLOCKS)
        warm->blocks[warm->count++] = note_make(ROLE_NONE, span, block);
}

/* Does to one noted block what its role says, if it is still in flight with the slot. */
static void note_settle(struct actor *actor, _Atomic uint64_t *note, uint32_t number,
                        bool committed)
{
    uint64_t seen = atomic_load_explicit(note, memory_order_relaxed);
    uint32_t span = note_span(seen), block = note_block(seen);
    _Atomic uint16_t *state = state_at(&actor->arena, span, block);
    enum block_role role = note_role(seen);
    bool link = committed ? role == ROLE_NEW : role == ROLE_OLD || role == ROLE_TAKE;

    if (atomic_load_explicit(state, memory_order_relaxed) == number) {
        if (committed && role == ROLE_TAKE) {
            atomic_store_explicit(note, note_with_role(seen, ROLE_ALONE), memory_order_release);
            return;
        }
        if (role == ROLE_ALONE && committed)
            return;
        if (link)
            atomic_store_explicit(state, BLOCK_LINKED, memory_order_release);
        else
            block_free(actor, seen, number);
    }
    atomic_store_explicit(note, 0, memory_order_release);
}

void heap_settle(struct actor *actor, struct slot *slot, uint32_t number, bool committed)
{
    for (int i = 0; i < SLOT_BLOCKS; i++)
        if (atomic_load_explicit(&slot->blocks[i], memory_order_relaxed) != 0)
            note_settle(actor, &slot->blocks[i], number, committed);
}

void heap_claim_linked(struct actor *actor, uint64_t offset, enum block_role role)
{
    _Atomic uint64_t *note = heap_note_free(actor->slot);
    uint64_t value = note_locate(&actor->arena, role, offset);

    assert(note != NULL);
    atomic_store_explicit(note, value, memory_order_release);
    atomic_store_explicit(state_at(&actor->arena, note_span(value), note_block(value)),
                          (uint16_t)actor->number, memory_order_release);
}

void heap_role_set(struct actor *actor, uint64_t offset, enum block_role role)
{
    uint64_t value = note_locate(&actor->arena, role, offset);
    _Atomic uint64_t *note = heap_note_find(actor->slot, note_span(value), note_block(value));

    if (note != NULL)
        atomic_store_explicit(note, value, memory_order_release);
}

void heap_release(struct actor *actor, uint64_t offset)
{
    uint64_t value = note_locate(&actor->arena, ROLE_NONE, offset);
    _Atomic uint64_t *note = heap_note_find(actor->slot, note_span(value), note_block(value));

    if (note == NULL)
        return;
    block_free(actor, value, actor->number);
    atomic_store_explicit(note, 0, memory_order_release);
}

void heap_usage_get(const struct arena *arena, struct heap_usage *usage)
{
    uint32_t ready = spans_ready(arena);

    memset(usage, 0, sizeof *usage);
    usage->committed_bytes = (uint64_t)ready * SPAN_BYTES;
    usage->free_bytes = (uint64_t)arena->header->span_count * SPAN_BYTES;
    for (uint32_t span = 0; span < ready; span++) {
        uint64_t word = atomic_load_explicit(span_at(arena, span), memory_order_relaxed);
        bool large = span_kind_of(word) == SPAN_LARGE;
        uint32_t klass = span_class_of(word);
        uint32_t blocks = large ? 1 : heap_class_blocks(klass);
        uint64_t bytes = large ? (uint64_t)span_run_of(word) * SPAN_BYTES : class_bytes[klass];

        if (!large && span_kind_of(word) != SPAN_SMALL)
            continue;
        for (uint32_t block = 0; block < blocks; block++) {
            uint16_t state =
                atomic_load_explicit(state_at(arena, span, block), memory_order_relaxed);

            usage->linked_blocks += state == BLOCK_LINKED;
            usage->linked_bytes += state == BLOCK_LINKED ? bytes : 0;
            usage->flight_blocks += state > BLOCK_LINKED;
            usage->flight_bytes += state > BLOCK_LINKED ? bytes : 0;
        }
    }
    usage->free_bytes -= usage->linked_bytes + usage->flight_bytes;
}
