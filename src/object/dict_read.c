/* Reading a share without locks: looks that were in vain, get, size. */
#include "object/dict_read.h"

#include "core/futex.h"

#define LOOKS 16 /* in vain, before the lock is taken: longer than a change takes */

/* Under the lock a look is whole at once, unless the dict ends meanwhile. */
static int look_locked(const struct share *share, uint64_t hash, dict_look_at look, void *context)
{
    struct reading reading;
    struct lock *lock;
    uint64_t index, state;
    int result = dict_hold(share, hash, &index, &lock);

    if (result != TROUPE_OK)
        return result;
    result = LOOK_AGAIN;
    state = atomic_load_explicit(&share->dict->state, memory_order_acquire);
    if (dict_lives(state) && reading_open(share, state, hash, &reading))
        result = look(&reading, context);
    if (!dict_lives(atomic_load_explicit(&share->dict->state, memory_order_acquire)))
        result = LOOK_AGAIN;
    lock_give(share->actor, lock);
    return result != LOOK_AGAIN ? result : dict_gone(share);
}

int dict_look(const struct share *share, uint64_t hash, dict_look_at look, void *context)
{
    for (int i = 0; i < LOOKS; i++) {
        int result = reading_try(share, hash, look, context);

        if (result != LOOK_AGAIN)
            return result;
        futex_spin_pause();
    }
    return look_locked(share, hash, look, context);
}

/* ---- get -------------------------------------------------------------------------------- */

struct get {
    const struct dict_key *key;
    struct dict_buffer *value;
};

/* The caller's buffer is touched only once the entry is known to be the key's. */
static int value_copy(const struct reading *reading, const struct entry *entry, uint64_t sizes,
                      const struct get *get)
{
    get->value->size = sizes_value(sizes);
    if (get->value->size > get->value->capacity)
        return TROUPE_TOO_LONG;
    if (!reading_holds(reading))
        return LOOK_AGAIN;
    words_load(get->value->data, entry->words + words_for(get->key->size), get->value->size);
    return TROUPE_OK;
}

static int get_look(const struct reading *reading, void *context)
{
    const struct get *get = context;
    const struct entry *entry;
    uint64_t place, sizes;
    int result = reading_find(reading, get->key, &entry, &place, &sizes);

    return result == TROUPE_OK ? value_copy(reading, entry, sizes, get) : result;
}

/* The first look is compiled into this call: it is all but always the only one. */
int dict_share_get(const struct share *share, const struct dict_key *key, struct dict_buffer *value)
{
    struct get get = { key, value };
    int result = reading_try(share, key->hash, get_look, &get);

    return result != LOOK_AGAIN ? result : dict_look(share, key->hash, get_look, &get);
}

int dict_share_fetch(const struct share *share, const struct dict_key *key,
                     struct dict_buffer *value)
{
    return dict_buffer_fill(share, key, value, dict_share_get);
}

/* ---- size ------------------------------------------------------------------------------- */

/* Entries may be counted in under one stripe and, after a split, out under another: the sum alone
 * means something. Taken while others write, it may miss what came in under a stripe read before,
 * and see it go: hence the guard against less than nothing. */
int dict_share_size(const struct share *share, uint64_t *entries)
{
    uint64_t place = atomic_load_explicit(&share->dict->counts, memory_order_acquire);
    int64_t sum = 0;
    const _Atomic uint64_t *counts =
        words_readable(&share->actor->arena, place, DICT_STRIPES * sizeof(uint64_t));

    for (uint32_t stripe = 0; counts != NULL && stripe < DICT_STRIPES; stripe++)
        sum += count_entries(atomic_load_explicit(&counts[stripe], memory_order_acquire));
    if (!dict_lives(atomic_load_explicit(&share->dict->state, memory_order_acquire)) ||
        atomic_load_explicit(&share->record->handle, memory_order_acquire) != share->handle)
        return dict_gone(share);
    *entries = sum > 0 ? (uint64_t)sum : 0;
    return TROUPE_OK;
}
