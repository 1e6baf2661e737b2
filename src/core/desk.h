/* What a node does for the others: applies their requests, parks those that have to wait, answers.
 *
 * What always holds: only the rank that leads the node has a desk, and one thread at a time, which
 * has the engine's turn, works in it, with the service's actor. A request that is parked answers to
 * the rank that sent it at first, which polls for it; one that is parked for longer is handed to
 * that rank's leader, which wakes a sleeper, and the rank is told. So exactly one of the two, an
 * answer or MAIL_HANDED, comes to a rank that sent for itself. What is parked is in this process
 * alone: when it dies, the callers send again (leader.h), and what had been applied is answered
 * from the ledger. */
#ifndef TROUPE_CORE_DESK_H
#define TROUPE_CORE_DESK_H

#include "core/post.h"

struct parked;

/* A slot that died lately: what it sent itself may come after the news of its death. */
struct desk_dead {
    int node;
    uint32_t slot, incarnation;
};
#define DESK_DEAD 256u

/* A request that was called back before it came: bulk is overtaken. */
struct desk_cancelled {
    int node;
    struct call_name name;
};
#define DESK_CANCELLED 64u

struct desk {
    struct actor *actor;
    struct post *post;
    struct parked *parked, **parked_end; /* oldest first; where the next one goes */
    uint64_t next_look;                  /* when the first deadline of a parked one passes */
    struct desk_dead dead[DESK_DEAD];
    uint32_t deaths; /* ever */
    struct desk_cancelled cancelled[DESK_CANCELLED];
    uint32_t cancels; /* ever that were not found */
};

void desk_open(struct desk *desk, struct actor *actor, struct post *post);
void desk_close(struct desk *desk);

/* Applies a request and frees it in time. */
void desk_request(struct desk *desk, struct mail *mail);

/* Forgets what a caller that has died waits for here, and what it still sends. */
void desk_withdraw(struct desk *desk, const struct mail *mail);

/* Answers a request that is parked here, or still comes and would be, with TROUPE_CANCELLED. */
void desk_cancel(struct desk *desk, const struct mail *mail);

/* Forgets as desk_withdraw, and gives up what its party holds. */
void desk_farewell(struct desk *desk, const struct mail *mail);

/* The node has another leader, or none: drops what is parked for callers of its former epochs. Who
 * of them lives sends again. */
void desk_forget_node(struct desk *desk, int node);

/* Tries the parked again whose bells rang, if any did, and those whose time has come. */
void desk_look(struct desk *desk, bool rung);

#endif
