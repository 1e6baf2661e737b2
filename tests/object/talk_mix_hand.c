#include "talk_mix_hand.h"

#include "base/clock.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define YIELD_NS 100000

#define DOING_NAME(name) #name
static const char *const doing_names[] = { DOINGS(DOING_NAME) };

int hand_complain(struct hand *hand, const char *what, int result)
{
    fprintf(stderr, "life %d at place %d, %s: %s: %s: %s\n", hand->errand->life,
            hand->errand->place, doing_names[atomic_load(&hand->post->doing)], what,
            troupe_result_name(result), troupe_last_error());
    return TROUPE_DIFFERS;
}

void hand_begin(struct hand *hand, enum doing doing)
{
    hand->begun_at = atomic_load(&hand->mix->kills);
    atomic_store(&hand->post->doing, (int)doing);
}

void hand_end(struct hand *hand)
{
    atomic_fetch_add(&hand->post->operations, 1);
    if (atomic_load(&hand->post->answered) < hand->begun_at) {
        atomic_store(&hand->post->answered_ns, clock_now());
        atomic_store(&hand->post->answered, hand->begun_at);
    }
}

bool hand_yields(const struct hand *hand)
{
    const struct post *other = &hand->mix->posts[hand->errand->place ^ 1];
    int kills = atomic_load(&hand->mix->kills);

    return atomic_load(&hand->post->answered) >= kills && atomic_load(&other->answered) < kills;
}

void hand_yield(const struct hand *hand)
{
    while (hand_yields(hand))
        nanosleep(&(struct timespec){ 0, YIELD_NS }, NULL);
}

unsigned hand_random(struct hand *hand)
{
    return (unsigned)rand_r(&hand->random);
}

/* ---- locks ------------------------------------------------------------------------------ */

/* A holder that died is always told, and nobody is called dead who lives. */
int guard_enter(struct hand *hand, struct guard *guard, int result)
{
    int holder = atomic_load(&guard->holder);

    if (result == TROUPE_OWNER_DIED) {
        if (holder != 0 && !atomic_load(&hand->mix->dead[holder]))
            return hand_complain(hand, "a holder that lives was called dead", result);
        atomic_fetch_add(&hand->mix->owners_died, 1);
        atomic_store(&guard->second, atomic_load(&guard->first));
    } else if (result != TROUPE_OK) {
        return hand_complain(hand, "not acquired", result);
    } else if (holder != 0 || atomic_load(&guard->first) != atomic_load(&guard->second)) {
        return hand_complain(hand, "somebody is inside, or died there and nobody says so", result);
    }
    atomic_store(&guard->holder, hand->errand->life);
    atomic_fetch_add(&guard->first, 1);
    sched_yield();
    atomic_fetch_add(&guard->second, 1);
    return TROUPE_OK;
}

void guard_leave(struct guard *guard)
{
    atomic_store(&guard->holder, 0);
}

static int lock_turn(struct hand *hand)
{
    struct guard *guard = &hand->mix->guards[0];
    int result;

    hand_begin(hand, DO_LOCK);
    if (guard_enter(hand, guard, troupe_lock_acquire(hand->mix->lock, TROUPE_FOREVER)) != TROUPE_OK)
        return TROUPE_DIFFERS;
    guard_leave(guard);
    result = troupe_lock_release(hand->mix->lock);
    if (result != TROUPE_OK)
        return hand_complain(hand, "not released", result);
    hand_end(hand);
    return TROUPE_OK;
}

static int rlock_turn(struct hand *hand)
{
    struct guard *guard = &hand->mix->guards[1];
    troupe_lock lock = hand->mix->rlock;

    hand_begin(hand, DO_RLOCK);
    if (guard_enter(hand, guard, troupe_lock_acquire(lock, TROUPE_FOREVER)) != TROUPE_OK)
        return TROUPE_DIFFERS;
    if (troupe_lock_acquire(lock, TROUPE_NO_WAIT) != TROUPE_OK ||
        troupe_lock_release(lock) != TROUPE_OK)
        return hand_complain(hand, "not taken again", TROUPE_DIFFERS);
    guard_leave(guard);
    if (troupe_lock_release(lock) != TROUPE_OK)
        return hand_complain(hand, "not released", TROUPE_DIFFERS);
    hand_end(hand);
    return TROUPE_OK;
}

/* What it has is noted, so that the parent can give it back for a dead one. */
static int semaphore_turn(struct hand *hand)
{
    int which = atomic_load(&hand->mix->semaphore), result;
    troupe_semaphore semaphore = hand->mix->semaphores[which];

    hand_begin(hand, DO_SEMAPHORE);
    atomic_store(&hand->post->token_of, which);
    atomic_store(&hand->post->token, TOKEN_UNSURE);
    result = troupe_semaphore_acquire(semaphore, TROUPE_FOREVER);
    if (result != TROUPE_OK)
        return hand_complain(hand, "not acquired", result);
    atomic_store(&hand->post->token, TOKEN_HELD);
    sched_yield();
    atomic_store(&hand->post->token, TOKEN_UNSURE);
    result = troupe_semaphore_release(semaphore, 1);
    if (result != TROUPE_OK)
        return hand_complain(hand, "not released", result);
    atomic_store(&hand->post->token, TOKEN_NONE);
    hand_end(hand);
    return TROUPE_OK;
}

int hand_turn(struct hand *hand)
{
    switch (hand_random(hand) % 3) {
    case 0:
        return lock_turn(hand);
    case 1:
        return rlock_turn(hand);
    default:
        return semaphore_turn(hand);
    }
}

/* ---- conditions ------------------------------------------------------------------------- */

int talker_notify(struct hand *hand)
{
    struct mix *mix = hand->mix;
    int result;

    hand_begin(hand, DO_NOTIFY);
    result = troupe_condition_acquire(mix->condition, TROUPE_FOREVER);
    if (guard_enter(hand, &mix->guards[2], result) != TROUPE_OK)
        return TROUPE_DIFFERS;
    atomic_fetch_add(&mix->stock, 1);
    result = troupe_condition_notify(mix->condition, 1);
    guard_leave(&mix->guards[2]);
    if (result != TROUPE_OK || troupe_condition_release(mix->condition) != TROUPE_OK)
        return hand_complain(hand, "not notified", result);
    hand_end(hand);
    return TROUPE_OK;
}

/* Takes one from the stock, which the talkers fill. */
static int condition_turn(struct hand *hand)
{
    struct mix *mix = hand->mix;
    int result;

    hand_begin(hand, DO_CONDITION);
    result = troupe_condition_acquire(mix->condition, TROUPE_FOREVER);
    if (guard_enter(hand, &mix->guards[2], result) != TROUPE_OK)
        return TROUPE_DIFFERS;
    while (atomic_load(&mix->stock) == 0) {
        guard_leave(&mix->guards[2]);
        result = troupe_condition_wait(mix->condition, TROUPE_FOREVER);
        if (guard_enter(hand, &mix->guards[2], result) != TROUPE_OK)
            return TROUPE_DIFFERS;
    }
    atomic_fetch_sub(&mix->stock, 1);
    guard_leave(&mix->guards[2]);
    result = troupe_condition_release(mix->condition);
    if (result != TROUPE_OK)
        return hand_complain(hand, "not released", result);
    hand_end(hand);
    return TROUPE_OK;
}

/* ---- meeting ---------------------------------------------------------------------------- */

/* One round at the barrier of this generation, unless it is broken already. A barrier breaks
 * because a party has died since it was made whole, or at the end. */
static int barrier_turn(struct hand *hand, int generation)
{
    struct mix *mix = hand->mix;
    struct post *post = hand->post;
    int result = TROUPE_OK;

    if (atomic_load(&post->broken_for) > generation)
        return TROUPE_OK;
    hand_begin(hand, DO_BARRIER);
    if (atomic_load(&post->attended) <= generation) {
        result = troupe_barrier_attend(mix->barrier);
        atomic_store(&post->attended, generation + 1);
    }
    if (result == TROUPE_OK)
        result = troupe_barrier_wait(mix->barrier, TROUPE_FOREVER, NULL);
    if (result == TROUPE_BROKEN &&
        (atomic_load(&mix->killed[MEETER]) > generation || atomic_load(&mix->stop[MEETER])))
        atomic_store(&post->broken_for, generation + 1);
    else if (result != TROUPE_OK)
        return hand_complain(hand, "did not meet", result);
    hand_end(hand);
    return TROUPE_OK;
}

/* A fresh process comes to the barrier when it is whole again. */
int meeter_round(struct hand *hand)
{
    int generation = atomic_load(&hand->mix->generation), result = TROUPE_OK;

    if (generation >= hand->errand->generation)
        result = barrier_turn(hand, generation);
    if (result == TROUPE_OK)
        result = condition_turn(hand);
    if (result != TROUPE_OK)
        return result;
    hand_begin(hand, DO_EVENT);
    result = troupe_event_wait(hand->mix->event, TROUPE_FOREVER);
    if (result != TROUPE_OK)
        return hand_complain(hand, "no event", result);
    hand_end(hand);
    return TROUPE_OK;
}
