/* Counting in a dict: numbers that change in place.
 *
 * A number is a value of 8 bytes, which is one word of its entry. It is written between the two
 * writes of the bucket's version, like everything that changes, so that a reader never believes a
 * number that it read while an entry of the bucket was replaced. */
#include "object/dict_held.h"

#include "base/error.h"
#include "core/ledger.h"
#include "object/dict_remote.h"
#include "object/dict_seal.h"

/* TROUPE_NOT_FOUND, with nothing done, when the key is not there. */
static int add_to(struct held *held, const struct dict_key *key, int64_t amount, int64_t *sum)
{
    uint32_t at = held_find(held, key);
    _Atomic uint64_t *number;
    struct entry *entry;
    uint64_t size, fresh;

    if (at == held->entries)
        return TROUPE_NOT_FOUND;
    number = held_value(held, at, &size);
    if (size != sizeof *sum)
        return fail(TROUPE_BAD_ARGUMENT,
                    "dict: the value has %llu bytes and is no number; add needs one of %zu",
                    (unsigned long long)size, sizeof *sum);
    fresh = atomic_load_explicit(number, memory_order_relaxed) + (uint64_t)amount;
    entry = held_entry(held, held_load(held, at));
    seal_kill(entry);
    change_begin(held);
    tx_write(held->share->actor, number, fresh);
    seal_renew(held->share, entry, fresh);
    ledger_word(held->share->actor, DICT_WORD_SUM, fresh);
    ledger_witness(held->share->actor);
    change_end(held);
    *sum = (int64_t)fresh;
    return TROUPE_OK;
}

int dict_share_add(const struct share *share, const struct dict_key *key, int64_t amount,
                   int64_t *sum)
{
    const struct dict_put first = { .key = key,
                                    .value = troupe_bytes_of(&amount, sizeof amount),
                                    .when = DICT_IF_ABSENT };
    struct held held;
    int result;

    do {
        result = held_take(share, key->hash, &held);
        if (result != TROUPE_OK)
            return result;
        result = add_to(&held, key, amount, sum);
        held_give(&held);
        if (result != TROUPE_NOT_FOUND)
            return result;
        ledger_word(share->actor, DICT_WORD_SUM, (uint64_t)amount);
        result = dict_share_put(share, &first);
    } while (result == TROUPE_DIFFERS);
    if (result == TROUPE_OK)
        *sum = amount;
    return result;
}
