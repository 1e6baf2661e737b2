/* What the parent of the mix knows of it. */
#ifndef TROUPE_TESTS_TALK_MIX_CREW_H
#define TROUPE_TESTS_TALK_MIX_CREW_H

#include "talk_mix.h"

struct crew {
    struct mix *mix;
    struct errand errand; /* of the next one */
    troupe_process processes[PLACES];
    int lives[PLACES];
    enum role life_roles[LIVES];
    int extra[KILLS_MOST + 1]; /* that a semaphore may have by now beyond its first tokens */
    unsigned random;
    uint64_t lags[KILLS_MOST * PLACES], longest[KILLS_MOST];
    uint64_t longest_of[ROLES];
    size_t lag_count;
};

/* Checks what became of every message, of so many lives. */
void books_check(const struct crew *crew, int lives);

/* Tells how long the others took after a kill; the order of what was measured is lost. */
void lags_tell(struct crew *crew, int kills);

/* Of so many kills each kind was seen, unless the test has lost its teeth. */
void deaths_seen(const struct mix *mix);

#endif
