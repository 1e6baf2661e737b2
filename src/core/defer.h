/* Whether an answer waits for the request that its reader will send to the same rank, to travel
 * with it: two messages for the price of one.
 *
 * Who waits on its own node and drives (engine.h) may apply a request that brings what it waits
 * for. The answer could leave at once, which costs the waiter a send before it may go on; or wait
 * for a moment, since who was asked something often asks something back. Nobody can know, so it is
 * learned: only after several times in a row that a request followed soon, answers are kept back;
 * each time that none came, and the service had to send the answer, it takes twice as many. The one
 * who waits for the answer loses a nap of the service's (service.c) then.
 *
 * Belongs to the thread that has the engine's turn. */
#ifndef TROUPE_CORE_DEFER_H
#define TROUPE_CORE_DEFER_H

#include <stdbool.h>
#include <stdint.h>

struct defer {
    bool pending;    /* answers were ready, and it is open what followed */
    bool held;       /* these were kept back */
    int rank;        /* whom they are for */
    uint64_t at;     /* when they were ready */
    uint32_t soon;   /* requests in a row that followed soon */
    uint32_t needed; /* so many, and answers are kept back */
};

void defer_begin(struct defer *defer);

/* The waiter has what it waited for, and there are answers for a rank. Returns whether to keep them
 * back. */
bool defer_answers(struct defer *defer, int rank, uint64_t now);

/* The process asks a rank for something; kept: what was held for that rank is still there. */
void defer_request(struct defer *defer, int rank, bool kept, uint64_t now);

#endif
