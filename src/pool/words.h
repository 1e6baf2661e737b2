/* How the pool's words are packed: each is changed by one store or one compare-and-swap.
 *
 *   range  low (32) | high (31) | held (1)        the tasks [low, high) that a seat has before it
 *   claim  attempt (8) | count (24) | low (32)    the tasks [low, low + count) that its worker has
 *                                                 taken; it runs low; 0: none
 *   state  deaths (5) | taken (1) | outcome (2)   of one task, a byte
 *
 * A range that is held changes only under the pool's lock. */
#ifndef TROUPE_POOL_WORDS_H
#define TROUPE_POOL_WORDS_H

#include <stdbool.h>
#include <stdint.h>

#define POOL_TASKS_MOST 0x7fffffffu /* in one map */
#define POOL_CHUNK_MOST 0xffffffu
#define POOL_TRIES_MOST 31

#define RANGE_HELD 1u

static inline uint64_t range_make(uint64_t low, uint64_t high)
{
    return low << 32 | high << 1;
}

static inline uint64_t range_low(uint64_t range)
{
    return range >> 32;
}

static inline uint64_t range_high(uint64_t range)
{
    return range >> 1 & POOL_TASKS_MOST;
}

static inline uint64_t range_left(uint64_t range)
{
    return range_high(range) - range_low(range);
}

static inline uint64_t claim_make(uint64_t low, uint64_t count, unsigned attempt)
{
    return (uint64_t)attempt << 56 | count << 32 | low;
}

static inline uint64_t claim_low(uint64_t claim)
{
    return claim & 0xffffffffu;
}

static inline unsigned claim_attempt(uint64_t claim)
{
    return (unsigned)(claim >> 56);
}

enum outcome { OUTCOME_NONE = 0, OUTCOME_DONE = 1, OUTCOME_FAILED = 2, OUTCOME_GIVEN_UP = 3 };

#define STATE_OUTCOME 3u
#define STATE_TAKEN 4u /* an iterator has given it out */
#define STATE_DEATHS_SHIFT 3

static inline enum outcome state_outcome(unsigned state)
{
    return (enum outcome)(state & STATE_OUTCOME);
}

static inline unsigned state_deaths(unsigned state)
{
    return state >> STATE_DEATHS_SHIFT;
}

/* A task that runs, or waits, for the time after so many of its workers have died. */
static inline unsigned char state_make(unsigned deaths, enum outcome outcome)
{
    return (unsigned char)(deaths << STATE_DEATHS_SHIFT | outcome);
}

#endif
