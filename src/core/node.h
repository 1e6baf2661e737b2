/* The node's part of the world: its ranks and keepers, and how the world stands.
 *
 * What always holds: a rank's job changes under the rank's lock only; 0 means idle. The ranks of
 * the node are numbered locally from 0, in the order of their world ranks. */
#ifndef TROUPE_CORE_NODE_H
#define TROUPE_CORE_NODE_H

#include "core/bell.h"
#include "core/lock.h"
#include "troupe/troupe.h"

#define NODE_OF_PARENT 0     /* rank 0's */
#define RANK_GONE UINT64_MAX /* ended, or runs the user's main itself */
#define RANK_STARTING (UINT64_MAX - 1)

enum node_state { NODE_RUNNING = 0, NODE_ENDING = 1, NODE_ABORTED = 2 };
enum keeper_state { KEEPER_NONE = 0, KEEPER_READY = 1, KEEPER_DONE = 2 };

/* A list of process records, chained through their `next`. */
struct process_list {
    _Atomic uint64_t first, last;
};

struct rank_record {
    _Alignas(ARENA_LINE) struct lock lock;
    _Atomic uint64_t job; /* the handle of the process it runs */
    struct process_list waiting;
    struct bell bell; /* the rank sleeps on it */
    uint32_t rank;
    _Atomic int32_t pid;
    _Atomic int32_t keeper_pid;
    _Alignas(ARENA_LINE) struct lock keeper_lock;
    struct process_list spawns; /* for the keeper to start */
    struct bell keeper_bell;
    _Atomic uint32_t keeper_state;
};

struct node {
    uint32_t number, nodes, world_size, local_size;
    _Atomic uint64_t state;      /* enum node_state */
    struct bell bell;            /* rings when state or a keeper's state changes */
    struct lock lock;            /* of the list below; taken inside a rank's lock */
    struct process_list waiting; /* for any rank of the node */
    struct bell idle_bell;       /* rings when a rank becomes idle */
    _Atomic uint32_t cursor;     /* whose turn it is to start a fresh process */
    _Atomic uint32_t lost;       /* ranks of this node that died */
    _Atomic uint32_t crashed;    /* other processes that a signal ended which nobody asked for */
    struct lock withdrawn_lock;  /* of the list below; taken inside a mailbox's lock */
    _Atomic uint64_t withdrawn;  /* offset: calls of the dead for the service to withdraw, call.c */
    uint64_t places;             /* offset: for each world rank node << 16 | local rank */
    _Atomic uint32_t cpus;       /* that the world may use here; 0: no keeper has looked */
    uint64_t leaders;            /* offset: a word for each node, see leader.h */
    _Atomic uint64_t leader_changes; /* news of them that came */
    struct lock leader_lock;         /* held by whoever names the next leader of this node */
    struct bell leader_bell;         /* rings when that has changed */
    _Atomic uint64_t leader_ticks;   /* grows as long as the leader runs */
    _Atomic uint64_t parent_heard;   /* how often the parent's node has answered it */
    _Atomic uint32_t given_up;       /* the world goes on without this node */
    uint64_t ledger;                 /* offset: heads of the chains of callers, see ledger.h */
    uint64_t ledger_chains;          /* their number, a power of two */
    char host[TROUPE_HOST_SIZE];
    struct rank_record ranks[];
};

/* Makes the node's record; once, by the leader, after table_format.
 *
 * places      [world_size] node << 16 | local rank, copied */
int node_format(struct actor *actor, uint32_t number, uint32_t nodes, uint32_t world_size,
                const uint32_t *places);

struct node *node_of(const struct arena *arena);

/* The node of a world rank, and its local number there; both -1 when there is no such rank. */
void node_place(const struct arena *arena, int rank, int *node, int *local);

/* Appends a process record's offset; `next` is that record's link, which the caller may set freely
 * until the commit. The caller holds the list's lock and commits. */
void list_append(struct actor *actor, struct process_list *list, uint64_t place,
                 _Atomic uint64_t *(*next)(const struct arena *, uint64_t));
void list_pop(struct actor *actor, struct process_list *list, _Atomic uint64_t *next);

/* Moves the node to a state and wakes everybody in it. */
void node_state_set(struct actor *actor, enum node_state state);

/* The world goes on without this node, so that its ranks end: NODE_ABORTED. */
void node_give_up(struct actor *actor);

#endif
