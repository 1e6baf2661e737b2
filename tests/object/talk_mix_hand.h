/* What every process of the mix does, whatever its role. */
#ifndef TROUPE_TESTS_TALK_MIX_HAND_H
#define TROUPE_TESTS_TALK_MIX_HAND_H

#include "talk_mix.h"

#include <stdbool.h>

/* One process at work. */
struct hand {
    const struct errand *errand;
    struct mix *mix;
    struct post *post;
    struct tally *tally;
    unsigned random;
    int begun_at; /* how many had been killed when the operation began */
};

/* Says that something is not as promised; returns a result that ends the process. */
int hand_complain(struct hand *hand, const char *what, int result);

/* Before and after each operation that may wait. */
void hand_begin(struct hand *hand, enum doing doing);
void hand_end(struct hand *hand);

/* Whether it has gone on since the last kill, and the other one of its role has not: then that one
 * gets what there is to take, so that one which hangs is not taken for one which is slower. */
bool hand_yields(const struct hand *hand);

/* Waits while it yields. */
void hand_yield(const struct hand *hand);

unsigned hand_random(struct hand *hand);

/* After a guard's lock was acquired with this result, and before it is released. */
int guard_enter(struct hand *hand, struct guard *guard, int result);
void guard_leave(struct guard *guard);

/* A turn with the lock, the recursive lock, or the semaphore. */
int hand_turn(struct hand *hand);

/* One round of what a role does. */
int meeter_round(struct hand *hand);
int getter_round(struct hand *hand);
int leaser_round(struct hand *hand);
int talker_notify(struct hand *hand);

#endif
