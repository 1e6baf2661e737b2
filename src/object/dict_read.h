/* Looking at one bucket without its lock.
 *
 * A look finds the bucket by the state, reads its version, and looks at the state again: if the
 * bucket is still the hash's, a later split changes the version. What it then reads may be
 * anything, for blocks are used again: so offsets and sizes are checked against what is committed,
 * which never shrinks. In the end version, handle and state are compared. The orders are told in
 * dict_share.h.
 *
 * All of it is inline: a get is three or four cache misses, and the fewer instructions there are
 * around them, the more of the next get the processor does meanwhile. */
#ifndef TROUPE_OBJECT_DICT_READ_H
#define TROUPE_OBJECT_DICT_READ_H

#include "object/dict_share.h"

/* A bucket as it was found. Nothing read through it is true before the whole look is. */
struct reading {
    const struct share *share;
    const struct bucket *bucket;
    uint64_t buckets; /* the state at the time */
    uint64_t version;
    uint64_t more;
};

/* What a look returns when it met something that no whole bucket holds. */
#define LOOK_AGAIN 1

/* Looks at a bucket: returns LOOK_AGAIN or anything that makes sense to its caller. It may run
 * several times and sets nothing that the next run does not set anew. */
typedef int (*dict_look_at)(const struct reading *reading, void *context);

/* Looks at the bucket of a hash until what was seen is whole, and returns what the look returned;
 * or TROUPE_BAD_HANDLE when the dict is gone. After some vain looks it takes the bucket's lock,
 * which also recovers a writer that died. */
int dict_look(const struct share *share, uint64_t hash, dict_look_at look, void *context);

/* ---- one look --------------------------------------------------------------------------- */

static inline uint64_t reading_word(const struct arena *arena, uint64_t block, uint64_t index)
{
    const _Atomic uint64_t *words = words_readable(arena, block, (index + 1) * sizeof(uint64_t));

    return words != NULL ? atomic_load_explicit(&words[index], memory_order_acquire) : 0;
}

static inline const struct bucket *reading_bucket(const struct share *share, uint64_t index)
{
    const struct arena *arena = &share->actor->arena;
    uint64_t chunk = index / DICT_CHUNK, place;
    uint32_t page = dict_page_of(chunk);
    const struct bucket *buckets;

    if (page >= DICT_PAGES)
        return NULL;
    place = atomic_load_explicit(&share->dict->pages[page], memory_order_acquire);
    place = reading_word(arena, place, chunk - dict_page_first(page));
    buckets = words_readable(arena, place, DICT_CHUNK * sizeof *buckets);
    return buckets != NULL ? &buckets[index % DICT_CHUNK] : NULL;
}

static inline bool reading_open(const struct share *share, uint64_t state, uint64_t hash,
                                struct reading *reading)
{
    uint64_t index = dict_index(state, hash);

    reading->share = share;
    reading->bucket = reading_bucket(share, index);
    if (reading->bucket == NULL)
        return false;
    reading->version = atomic_load_explicit(&reading->bucket->version, memory_order_acquire);
    reading->buckets = atomic_load_explicit(&share->dict->state, memory_order_acquire);
    if (reading->version % 2 != 0 || !dict_lives(reading->buckets) ||
        dict_index(reading->buckets, hash) != index)
        return false;
    reading->more = atomic_load_explicit(&reading->bucket->more, memory_order_acquire);
    return true;
}

/* Whether all that was read so far is whole. */
static inline bool reading_holds(const struct reading *reading)
{
    const struct share *share = reading->share;

    return atomic_load_explicit(&reading->bucket->version, memory_order_acquire) ==
               reading->version &&
           dict_lives(atomic_load_explicit(&share->dict->state, memory_order_acquire)) &&
           atomic_load_explicit(&share->record->handle, memory_order_acquire) == share->handle;
}

/* The word of a cell, or 0. */
static inline uint64_t reading_cell(const struct reading *reading, uint32_t at)
{
    if (at < DICT_INLINE)
        return atomic_load_explicit(&reading->bucket->cells[at], memory_order_acquire);
    return reading_word(&reading->share->actor->arena, more_cells(reading->more), at - DICT_INLINE);
}

/* The entry of a cell with its sizes, or NULL when there cannot be one. */
static inline const struct entry *reading_entry(const struct reading *reading, uint64_t cell,
                                                uint64_t *sizes)
{
    const struct arena *arena = &reading->share->actor->arena;
    uint64_t offset = cell_entry(cell);
    const struct entry *entry = words_readable(arena, offset, ENTRY_HEADER);

    if (entry == NULL)
        return NULL;
    *sizes = atomic_load_explicit(&entry->sizes, memory_order_acquire);
    return words_readable(arena, offset, entry_bytes(sizes_key(*sizes), sizes_value(*sizes)));
}

/* The key's entry among the bucket's cells. TROUPE_NOT_FOUND, or LOOK_AGAIN. The outputs are set
 * when it is there. */
static inline __attribute__((always_inline)) int reading_find(const struct reading *reading,
                                                              const struct dict_key *key,
                                                              const struct entry **entry,
                                                              uint64_t *place, uint64_t *sizes)
{
    uint32_t count = more_count(reading->more);

    for (uint32_t at = 0; at < count; at++) {
        uint64_t cell = reading_cell(reading, at);

        if (cell >> DICT_OFFSET_BITS != cell_tag(key->hash))
            continue;
        *entry = reading_entry(reading, cell, sizes);
        if (*entry == NULL)
            return LOOK_AGAIN;
        *place = cell_entry(cell);
        if (atomic_load_explicit(&(*entry)->hash, memory_order_acquire) == key->hash &&
            sizes_key(*sizes) == key->size && words_equal((*entry)->words, key->data, key->size))
            return TROUPE_OK;
    }
    return TROUPE_NOT_FOUND;
}

/* Looks once; LOOK_AGAIN when what was seen was not whole. */
static inline __attribute__((always_inline)) int reading_try(const struct share *share,
                                                             uint64_t hash, dict_look_at look,
                                                             void *context)
{
    uint64_t state = atomic_load_explicit(&share->dict->state, memory_order_acquire);
    struct reading reading;
    int result;

    if (!dict_lives(state))
        return dict_gone(share);
    if (!reading_open(share, state, hash, &reading))
        return LOOK_AGAIN;
    result = look(&reading, context);
    return result != LOOK_AGAIN && reading_holds(&reading) ? result : LOOK_AGAIN;
}

#endif
