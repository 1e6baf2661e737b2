/* Parties: the processes that hold something for longer than a call (a lock, an end of a pipe, a
 * place at a barrier), named in the world, and the news of their end.
 *
 * What always holds: an object that is held notes its holder as a party; when that party ends, the
 * object's handler is called with it, once or several times, so handlers are idempotent.
 * They are called before the party's pid can name another process: at its own node by recovery,
 * which buries it, and elsewhere by a message of its node's service. For that message a slot notes
 * the nodes at which its process may hold something (`abroad`); a slot that has such a note stays
 * MOURNED after its recovery until the service has told them.
 *
 * A party is a run of a target, whatever runs it: when a rank's target returns, what it still holds
 * is given up as if its process had ended, for in a process of its own it would have. */
#ifndef TROUPE_CORE_PARTY_H
#define TROUPE_CORE_PARTY_H

#include "core/slot.h"
#include "core/table.h"

#define PARTY_BITS 40 /* of a party's name: the process (24), its node (16) */

enum party_end {
    PARTY_LEFT = 1, /* its target returned */
    PARTY_DIED = 2
};

/* Gives up what the party holds of one object. Waits for nothing but locks; the caller holds none
 * and has no open transaction. The record may end its life meanwhile. */
typedef void (*party_handler)(struct actor *actor, struct record *record, uint64_t party,
                              enum party_end end);

/* For the objects of a kind; called before any process of the node can die. */
void party_register(enum object_kind kind, party_handler handler);

/* The name of a process of a node, of one of this node, and the calling one's. */
#define PARTY_NODE_BITS 16
static inline uint64_t party_name_at(int node, uint32_t process)
{
    return (uint64_t)process << PARTY_NODE_BITS | (uint32_t)node;
}
uint64_t party_name(const struct arena *arena, uint32_t process);
uint64_t party_of(const struct actor *actor);

/* Walks over the objects of this node and calls the handlers of their kinds. */
void party_ended(struct actor *actor, uint64_t party, enum party_end end);

/* The caller will ask that node for something to hold: comes before the request. */
void party_abroad(struct actor *actor, int node);

/* Counts, for party_leave, what the calling thread took to hold, and gave back. */
static inline void party_holds(struct actor *actor, int more)
{
    actor->holds += more;
}

/* A target has returned: what its run still holds anywhere is given up. Nothing to do, and no cost,
 * if it holds nothing. */
void party_leave(struct actor *actor);

/* The part of it that concerns this node; whether there was anything. */
bool party_leave_here(struct actor *actor);

/* Grows with every party_leave that gave something up: what a process remembers of its holdings is
 * worth nothing after that. */
uint64_t party_run(void);

/* A thread that ends leaves what it holds to its process. */
void party_inherit(struct actor *leaving, struct slot *process);

/* Whether that node is in a slot's note. */
bool party_is_abroad(uint64_t abroad, int node);

/* The end of a dead slot's party, for recover.c. */
void party_bury(struct actor *actor, struct slot *slot);

/* Registers the call between nodes. */
void party_calls_register(void);

#endif
