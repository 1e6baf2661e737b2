/* The pool between nodes.
 *
 * Every other node has a share: a pool of its own kind, under the home's handle, whose jobs are
 * parts of the home's. A worker that finds its share dry asks the home for the next part; at home
 * the part is a seat without a worker, its lease. When the part has ended, one message brings all
 * its results, and the home's seat is free again.
 *
 * A share counts the leases it has (`held`) and tells their numbers with each question: what the
 * home has given and the share does not know is taken back, for the worker that asked has died. And
 * what a node has, once none of its workers lives, is taken back, too. Results of a lease that the
 * home does not know any more are ignored; so each task has one result. */
#ifndef TROUPE_POOL_SHARE_H
#define TROUPE_POOL_SHARE_H

#include "pool/pool_local.h"

struct worker;

/* How many seats a pool has for leases. */
static inline uint64_t share_leases_most(int nodes)
{
    return (uint64_t)(nodes - 1) * POOL_HELD_MOST;
}

/* ---- share.c: on the share's node ---------------------------------------------------------- */

/* Brings home the results of parts that have ended. */
void share_report(struct worker *worker);

/* Asks the home for another part. False when another worker is at it: then there is nothing to do
 * but to sleep. */
bool share_look(struct worker *worker);

/* Whether nobody is at it. */
bool share_may_ask(const struct worker *worker);

/* ---- lease.c: at home ---------------------------------------------------------------------- */

/* Makes the shares on all other nodes. */
int share_make_all(struct actor *actor, uint64_t handle);

/* Ends them. */
void share_end_all(struct actor *actor, uint64_t handle);

/* Takes back what nodes have on which no worker lives. */
void share_mend(struct actor *actor, uint64_t handle);

/* Registers the handlers of both sides. */
void share_register(void);
void share_register_local(void);

/* ---- what travels -------------------------------------------------------------------------- */

/* Of a pool, to its shares; followed by the initializer's argument. */
struct share_terms {
    uint64_t workers, tries, max_tasks, argument_bytes;
    struct target initializer;
    char name[TROUPE_NAME_SIZE];
};

/* Of a part, to the share; followed by the states, then the inputs. */
struct share_part {
    uint64_t lease, first, n, input_bytes, output_bytes, chunk, stop_at_failure;
    struct target function;
};

/* Of a part that has ended, to the home; followed by the states, the outputs, and the notes, each
 * with its sentence. */
struct share_ended {
    uint64_t lease, n, output_bytes, notes;
};

struct share_note {
    uint64_t index;
    int64_t code;
    uint32_t outcome, attempts;
    uint64_t size;
};

#endif
