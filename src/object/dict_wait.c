/* Waiting for a key.
 *
 * Who finds the key absent, under its stripe's lock, marks the stripe's count as awaited and sleeps
 * on the stripe's bell. Whoever adds an entry to the stripe, or splits a bucket of it, finds the
 * mark under the same lock, takes it away in its transaction and rings for all; they look again. So
 * an insertion that nobody waits for costs no more than before, and the mark of a waiter that dies
 * goes with the next insertion. A split may lead the key to another stripe: then the waiter goes on
 * at that one's bell. */
#include "object/dict_held.h"

#include "base/error.h"

enum { WAIT_ON = 2, WAIT_ELSEWHERE = 3 };

struct wait {
    const struct share *share;
    const struct dict_key *key;
    struct bell *bell; /* of the key's stripe, at the last look */
};

static void mark(struct held *held)
{
    atomic_store_explicit(held->count,
                          atomic_load_explicit(held->count, memory_order_relaxed) | COUNT_AWAITED,
                          memory_order_release);
}

static int wait_look(struct actor *actor, void *context)
{
    struct wait *wait = context;
    struct bell *bell;
    struct held held;
    bool there;
    int result = held_take(wait->share, wait->key->hash, &held);

    (void)actor;
    if (result != TROUPE_OK)
        return result;
    there = held_find(&held, wait->key) < held.entries;
    if (!there)
        mark(&held);
    bell = dict_bell_of(wait->share, held.lock);
    held_give(&held);
    if (there)
        return TROUPE_OK;
    result = bell == wait->bell ? WAIT_ON : WAIT_ELSEWHERE;
    wait->bell = bell;
    return result;
}

static int waited_in_vain(const struct share *share)
{
    return fail(TROUPE_TIMEOUT, "dict: the key did not appear in the dict %016llx in time",
                (unsigned long long)share->handle);
}

int dict_share_wait(const struct share *share, const struct dict_key *key, uint64_t deadline)
{
    struct wait wait = { .share = share, .key = key };
    int result = wait_look(share->actor, &wait);

    while (result == WAIT_ELSEWHERE && deadline != BELL_NO_WAIT)
        result = bell_await(share->actor, wait.bell, deadline, WAIT_ON, wait_look, &wait);
    return result == WAIT_ON || result == WAIT_ELSEWHERE ? waited_in_vain(share) : result;
}

int dict_share_wait_try(const struct share *share, const struct dict_key *key, struct bell **bell)
{
    struct wait wait = { .share = share, .key = key };
    int result = wait_look(share->actor, &wait);

    *bell = wait.bell;
    return result == WAIT_ELSEWHERE ? waited_in_vain(share) : result;
}
