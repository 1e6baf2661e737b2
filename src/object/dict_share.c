/* A share's beginning and end.
 *
 * Its end takes many transactions. The first makes the state ENDING: from then on nobody adds or
 * believes anything. Then the buckets are emptied from the last to the first, each under its
 * stripe's lock, so that whoever locked it earlier is done; a chunk that is empty is freed, and the
 * state remembers how many buckets are left. The record goes last. So it can be done again from
 * anywhere by whoever finds the state ENDING. */
#include "object/dict_share.h"

#include "base/error.h"
#include "core/futex.h"
#include "core/recover.h"
#include "object/dict_held.h"

#define ENTRIES_PER_BUCKET 4 /* what a bucket holds on average, see docs/decisions/dict-layout.md */

int dict_gone(const struct share *share)
{
    return fail(TROUPE_BAD_HANDLE, "the dict %016llx was destroyed; destroy it after its last use",
                (unsigned long long)share->handle);
}

static void share_view(struct actor *actor, struct record *record, uint64_t handle,
                       struct share *share)
{
    share->actor = actor;
    share->record = record;
    share->dict = (struct dict *)record->body;
    share->handle = handle;
}

int dict_share_find(struct actor *actor, uint64_t handle, struct share *share)
{
    struct record *record;
    int result = table_find(actor, handle, OBJECT_DICT, &record);

    if (result == TROUPE_OK)
        share_view(actor, record, handle, share);
    return result;
}

/* The lock says who may change the bucket; the handle and the state, read under it, whether it is
 * still the right one. */
int dict_hold(const struct share *share, uint64_t hash, uint64_t *index, struct lock **lock)
{
    uint64_t state = atomic_load_explicit(&share->dict->state, memory_order_acquire);

    while (dict_lives(state)) {
        *index = dict_index(state, hash);
        *lock = dict_lock_of(share, *index);
        lock_take(share->actor, *lock);
        state = atomic_load_explicit(&share->dict->state, memory_order_acquire);
        if (atomic_load_explicit(&share->record->handle, memory_order_acquire) != share->handle)
            state = 0;
        if (dict_lives(state) && dict_index(state, hash) == *index)
            return TROUPE_OK;
        lock_give(share->actor, *lock);
    }
    return dict_gone(share);
}

/* ---- the beginning ---------------------------------------------------------------------- */

static int zeroed_alloc(struct actor *actor, uint64_t bytes, uint64_t *offset)
{
    int result = tx_alloc(actor, bytes, offset);

    if (result == TROUPE_OK)
        words_zero(arena_at(&actor->arena, *offset), bytes);
    return result;
}

/* The node's first dict brings the locks and the bells. The table's lock is held, so there is one
 * such. */
static int locks_ensure(struct actor *actor)
{
    _Atomic uint64_t *root = &actor->arena.header->roots[ROOT_DICT_LOCKS];
    uint64_t offset;
    int result;

    if (atomic_load_explicit(root, memory_order_acquire) != 0)
        return TROUPE_OK;
    result = zeroed_alloc(actor, DICT_LOCKS * (sizeof(struct lock) + sizeof(struct bell)), &offset);
    if (result == TROUPE_OK)
        tx_write(actor, root, offset);
    return result;
}

int dict_chunk_add(const struct share *share, uint64_t chunk, uint64_t *place)
{
    struct actor *actor = share->actor;
    uint32_t page = dict_page_of(chunk);
    uint64_t offset;
    int result;

    if (page >= DICT_PAGES)
        return fail(TROUPE_FULL, "a dict of %llu buckets cannot grow further; use several",
                    (unsigned long long)(chunk * DICT_CHUNK));
    if (chunk == dict_page_first(page)) {
        result = tx_alloc(actor, dict_page_bytes(page), &offset);
        if (result != TROUPE_OK)
            return result;
        tx_write(actor, &share->dict->pages[page], offset);
    } else
        offset = atomic_load_explicit(&share->dict->pages[page], memory_order_acquire);
    result = zeroed_alloc(actor, DICT_CHUNK * sizeof(struct bucket), place);
    if (result != TROUPE_OK)
        return result;
    tx_write(actor,
             (_Atomic uint64_t *)arena_at(&actor->arena, offset) + (chunk - dict_page_first(page)),
             *place);
    return TROUPE_OK;
}

static int share_fill(const struct share *share)
{
    struct actor *actor = share->actor;
    uint64_t counts, chunk;
    int result = locks_ensure(actor);

    if (result == TROUPE_OK)
        result = zeroed_alloc(actor, DICT_STRIPES * sizeof(uint64_t), &counts);
    if (result == TROUPE_OK)
        result = dict_chunk_add(share, 0, &chunk);
    if (result != TROUPE_OK)
        return result;
    tx_write(actor, &share->dict->counts, counts);
    tx_write(actor, &share->dict->state, DICT_CHUNK);
    return TROUPE_OK;
}

/* Makes room ahead, chunk by chunk: in an empty dict every number of buckets is right. Nobody knows
 * the handle yet. Without memory the dict grows later, or not. */
static void share_expect(const struct share *share, uint64_t expected)
{
    uint64_t buckets = DICT_CHUNK, chunk;

    while (buckets < expected / ENTRIES_PER_BUCKET) {
        if (dict_chunk_add(share, buckets / DICT_CHUNK, &chunk) != TROUPE_OK) {
            tx_abort(share->actor);
            return;
        }
        buckets += DICT_CHUNK;
        tx_write(share->actor, &share->dict->state, buckets);
        tx_commit(share->actor);
    }
}

int dict_share_create(struct actor *actor, uint64_t foreign, uint64_t expected, uint64_t *handle)
{
    struct record *record;
    struct share share;
    int result = table_reserve(actor, &record);

    if (result != TROUPE_OK)
        return result;
    share_view(actor, record, 0, &share);
    result = share_fill(&share);
    if (result != TROUPE_OK) {
        tx_abort(actor);
        table_drop(actor, record);
        return result;
    }
    table_publish(actor, record, OBJECT_DICT, foreign, handle);
    share_expect(&share, expected);
    return TROUPE_OK;
}

/* ---- the end ---------------------------------------------------------------------------- */

static void bucket_empty(const struct share *share, uint64_t index)
{
    struct lock *lock = dict_lock_of(share, index);
    struct held held;

    lock_take(share->actor, lock);
    for (held_view(share, index, lock, &held); held.entries > 0;
         held_view(share, index, lock, &held))
        held_shorten(&held);
    lock_give(share->actor, lock);
}

/* Empties and frees the last chunk. */
static void chunk_end(const struct share *share, uint64_t buckets)
{
    struct actor *actor = share->actor;
    uint64_t chunk = (buckets - 1) / DICT_CHUNK;
    uint32_t page = dict_page_of(chunk);

    for (uint64_t index = chunk * DICT_CHUNK; index < buckets; index++)
        bucket_empty(share, index);
    tx_retire(actor, atomic_load(dict_chunk(share, chunk)));
    if (chunk == dict_page_first(page))
        tx_retire(actor, atomic_load(&share->dict->pages[page]));
    tx_write(actor, &share->dict->state, DICT_ENDING | chunk * DICT_CHUNK);
    tx_commit(actor);
}

/* Whoever waits for a key learns that there will be none. The stripes' locks were all taken since
 * the state is ENDING, so nobody comes to wait any more. */
static void waiters_wake(const struct share *share)
{
    struct actor *actor = share->actor;
    const _Atomic uint64_t *counts = arena_at(&actor->arena, atomic_load(&share->dict->counts));

    for (uint32_t stripe = 0; stripe < DICT_STRIPES; stripe++)
        if ((atomic_load(&counts[stripe]) & COUNT_AWAITED) != 0)
            bell_ring(&actor->arena, dict_bell_of(share, dict_lock_of(share, stripe)), FUTEX_ALL);
}

/* The caller holds the record's lock, and the state is ENDING. */
static void share_end(const struct share *share)
{
    struct dict *dict = share->dict;
    uint64_t buckets = atomic_load(&dict->state) & ~DICT_ENDING;

    for (; buckets > 0; buckets = (buckets - 1) / DICT_CHUNK * DICT_CHUNK)
        chunk_end(share, buckets);
    if (atomic_load(&dict->counts) != 0) {
        waiters_wake(share);
        tx_retire(share->actor, atomic_load(&dict->counts));
        tx_write(share->actor, &dict->counts, 0);
        tx_commit(share->actor);
    }
    table_retire(share->actor, share->record);
}

int dict_share_destroy(struct actor *actor, uint64_t handle)
{
    struct record *record;
    struct share share;
    uint64_t state;
    int result = table_lock(actor, handle, OBJECT_DICT, &record);

    if (result != TROUPE_OK)
        return result;
    share_view(actor, record, handle, &share);
    state = atomic_load(&share.dict->state);
    if (!dict_lives(state)) {
        lock_give(actor, &record->lock);
        return dict_gone(&share);
    }
    resume_begin(actor, RESUME_DICT_END, arena_offset(&actor->arena, record));
    tx_write(actor, &share.dict->state, DICT_ENDING | state);
    tx_commit(actor);
    share_end(&share);
    resume_end(actor);
    return TROUPE_OK;
}

/* The record may be another object's by now: then that one is not ENDING, or its own ender holds
 * the lock and is done when we get it. */
void dict_share_end(struct actor *actor, uint64_t place)
{
    struct record *record = arena_at(&actor->arena, place);
    struct share share;
    uint64_t handle;

    lock_take(actor, &record->lock);
    handle = atomic_load(&record->handle);
    share_view(actor, record, handle, &share);
    if (handle_kind(handle) == OBJECT_DICT && (atomic_load(&share.dict->state) & DICT_ENDING) != 0)
        share_end(&share);
    else
        lock_give(actor, &record->lock);
}
