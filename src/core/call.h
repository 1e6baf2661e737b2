/* The mailbox of a slot: where a thread leaves a request for another node and finds the answer.
 *
 * What always holds: call_state is sequence << 8 | phase, changed under call_lock together with the
 * blocks that call_request and call_reply name; only the owner's step from IDLE, which nobody else
 * takes, needs no lock. Either the caller posts and the service takes a copy and marks it SENT; or
 * the caller, a rank, sends the request itself, and the mailbox is SENT from the beginning, since
 * the answer may come through the service all the same (engine.h). The service leaves the answer;
 * the caller takes it. A caller's death frees both blocks and makes the sequence stale, so an
 * answer that comes later is dropped; if its request may be parked, the node's list of withdrawals
 * names it from then on. */
#ifndef TROUPE_CORE_CALL_H
#define TROUPE_CORE_CALL_H

#include "core/service.h"

#include <stdbool.h>

enum call_phase { CALL_IDLE = 0, CALL_POSTED = 1, CALL_SENT = 2, CALL_ANSWERED = 3 };

/* What lies in the arena, followed by `size` bytes of data. */
struct call_request {
    uint64_t node, op, object,
        wait_ns; /* wait_ns: how long it may be parked, UINT64_MAX for ever */
    uint64_t words[SERVICE_WORDS];
    uint64_t size;
    unsigned char data[];
};

/* The same for the answer, followed by `size` bytes of data and the sentence with its zero. */
struct call_reply {
    int64_t result;
    uint64_t words[SERVICE_WORDS];
    uint64_t size, sentence_size;
    unsigned char data[];
};

/* Names a call in the world, together with the node that made it. */
struct call_name {
    uint32_t slot;
    uint32_t incarnation;
    uint64_t sequence;
};

static inline bool call_is_same(const struct call_name *left, const struct call_name *right)
{
    return left->slot == right->slot && left->incarnation == right->incarnation &&
           left->sequence == right->sequence;
}

/* ---- the caller's side ---------------------------------------------------------------------- */

/* Leaves the request for the service; the answer is taken by call_await. */
int call_post(struct actor *actor, int node, const struct request *request, uint64_t deadline);

/* Sleeps until the answer is there and takes it out. */
int call_await(struct actor *actor, struct answer *answer);

/* Opens the mailbox for a request that the caller sends itself, and names the call. may_park: the
 * request may wait at the other node. */
void call_begin(struct actor *actor, int node, bool may_park, struct call_name *name);

/* The caller sends its request once more, under a new sequence. False: the answer has come to the
 * mailbox meanwhile, and is to be taken from there. */
bool call_again(struct actor *actor, struct call_name *name);

/* As call_await, for a caller that sends for itself: CALL_AGAIN when leaders have changed since
 * that count (leader.h), and the answer may have been lost with one. */
#define CALL_AGAIN 3
int call_await_here(struct actor *actor, uint64_t changes, struct answer *answer);

/* Empties the mailbox after the answer came to the caller itself. */
void call_end(struct actor *actor);

/* ---- the service's side --------------------------------------------------------------------- */

/* Copies the next posted request and marks it sent; NULL when there is none. The copy is the
 * caller's, from malloc. first is the sequence of its first sending, party its process. */
struct call_request *call_take(struct actor *actor, struct call_name *name, uint64_t *first,
                               uint32_t *party);

/* Has the requests that were sent to that node, or to any (CALL_ANYWHERE), sent again: those in the
 * mailboxes are posted again, and who sends for itself, or waits for a ring, is woken. */
#define CALL_ANYWHERE (-1)
void call_post_again(struct actor *actor, int node);

/* Leaves an answer; nothing happens when nobody waits for it any more. */
void call_answer(struct actor *actor, const struct call_name *name, int result,
                 const struct answer *answer, const char *sentence);

/* Rings the doorbell of a slot that watches something at another node, and notes in its `rung`
 * which thing: the bit of the item's number, modulo the bits there are. */
void call_ring(struct actor *actor, const struct call_name *name, uint64_t item);

/* Frees what a dead slot's mailbox holds, and notes its call to be withdrawn; for recover.c. */
void call_bury(struct actor *actor, struct slot *slot);

/* Takes the next call whose caller was cancelled, and the node that has it; false when there is
 * none. */
bool call_next_cancelled(struct actor *actor, struct call_name *name, int *node);

/* Takes the next call that is to be withdrawn, and the node that has it; false when there is none.
 */
bool call_next_withdrawn(struct actor *actor, struct call_name *name, int *node);

#endif
