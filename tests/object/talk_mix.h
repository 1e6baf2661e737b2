/* The running mix of talk_mix.c: who is in it, and what all of them write down in a file that every
 * process maps and that survives them. */
#ifndef TROUPE_TESTS_TALK_MIX_H
#define TROUPE_TESTS_TALK_MIX_H

#include <limits.h>
#include <stdatomic.h>
#include <stdint.h>

#include "troupe/troupe.h"

/* Two of each, so that a killed one leaves one that goes on, and three that meet. What they wait
 * for makes no circle: meeters for talkers, talkers for answerers, leasers and, through them,
 * getters. */
enum role { TALKER, ANSWERER, LEASER, GETTER, MEETER, ROLES };

enum {
    PLACES = 11,
    MEETERS = 3,
    KILLS_MOST = 500,
    LIVES = PLACES + KILLS_MOST + 1, /* a life is one process; there is no life 0 */
    PUTS_MOST = 1 << 20,
    TOKENS = 2 /* of a semaphore at first */
};

/* What a place is at, for the sentence about one that hangs. */
#define DOINGS(X)                                                                                  \
    X(DO_BEGIN), X(DO_LOCK), X(DO_RLOCK), X(DO_SEMAPHORE), X(DO_PUT), X(DO_PUT_MANY), X(DO_CALL),  \
        X(DO_SEND), X(DO_RECEIVE), X(DO_NOTIFY), X(DO_PULSE), X(DO_WAIT), X(DO_ANSWER),            \
        X(DO_LEASE), X(DO_DONE), X(DO_FORWARD), X(DO_GET), X(DO_BARRIER), X(DO_CONDITION),         \
        X(DO_EVENT)
#define DOING_ENUM(name) name
enum doing { DOINGS(DOING_ENUM) };

/* What a lock guards: its holder's life, and two numbers that are equal when it is whole. */
struct guard {
    _Atomic int holder;
    _Atomic uint64_t first, second;
};

/* A place's way with its semaphore. */
enum token { TOKEN_NONE, TOKEN_UNSURE, TOKEN_HELD };

struct post {
    _Atomic int doing, operations;
    _Atomic int answered; /* the last kill after which it began and ended something */
    _Atomic uint64_t answered_ns;
    _Atomic int token, token_of;      /* which semaphore */
    _Atomic int attended, broken_for; /* a meeter's generation of the barrier */
};

/* Of the messages that one life has put. */
struct tally {
    _Atomic int accepted;
    _Atomic unsigned char seen[PUTS_MOST];
    _Atomic unsigned char begun[PUTS_MOST];   /* somebody is about to say done */
    _Atomic unsigned char attempt[PUTS_MOST]; /* the last that somebody had on lease */
};

struct mix {
    troupe_queue tasks, results, calls;
    troupe_lock lock, rlock;
    troupe_semaphore semaphores[KILLS_MOST + 1];
    troupe_condition condition;
    troupe_event event;
    troupe_barrier barrier;
    _Atomic int semaphore; /* the one in use */
    _Atomic int stock;     /* guarded by the condition */
    _Atomic int generation;
    _Atomic int stop[ROLES];
    _Atomic int kills;         /* that have been done */
    _Atomic int killed[ROLES]; /* counted just before, like the dead */
    _Atomic int ended[ROLES];  /* of these, whose end is known */
    _Atomic int dead[LIVES];   /* 1 */
    _Atomic int owners_died;   /* what was seen of deaths, */
    _Atomic int leases_back;   /* each by somebody who lives */
    _Atomic int ends_of_file;
    struct guard guards[3]; /* of the lock, the recursive lock, the condition */
    struct post posts[PLACES];
    struct tally tallies[LIVES];
};

/* What a process of the mix is told. */
struct errand {
    char path[PATH_MAX];
    enum role role;
    int place, life, generation;
    unsigned seed;
};

struct message {
    int life, sequence;
    unsigned char filling[3000];
};

struct mix *mix_map(const char *path);

/* Makes the objects that live on the caller's node: half of them with one, the others with 0. */
int mix_objects_make(struct mix *mix, int half);

/* The targets; each returns 0, or says on stderr what was wrong. */
int mix_half(const void *errand, size_t bytes);
int mix_live(const void *errand, size_t bytes);

#endif
