/* Groups: processes that begin together, each on a rank of its own, with a communicator for MPI.
 *
 * What always holds: a group's record lies on its starter's node, and so do its members' homes. A
 * member is a process like others, but its rank asks for the group's decision before it calls the
 * target; the decision is one store, made once each member has its rank. A starter that dies before
 * it leaves a group that recovery calls off. So all of them run, or none.
 *
 * The record counts its members that have not ended, and its starter until the decision; who takes
 * the last count away frees it. Lock order: a process's record, its group's, the table. */
#ifndef TROUPE_OBJECT_PROCESS_GROUP_H
#define TROUPE_OBJECT_PROCESS_GROUP_H

#include "object/process.h"

/* ---- on the starter's node: process_group.c ------------------------------------------------- */

/* Counts one more member in the open transaction; the caller holds the group's lock. */
void process_group_count(struct actor *actor, uint64_t group);

/* For the end of a process: takes its count away in the open transaction, and returns the group,
 * locked, for process_group_let_go after the commit. NULL when it has none here. */
struct record *process_group_hold(struct actor *actor, const struct process *process);
void process_group_let_go(struct actor *actor, struct record *group);

/* Whether all run, for a member on this node or another: waits for the decision. ranks is from
 * malloc, [n], in the order of the members; set when they do. */
int process_group_decision(struct actor *actor, uint64_t group, bool *runs, int **ranks, int *n);

/* Notes that a member died, and gets the handles of all: from malloc, [n]; NULL when they are told
 * by somebody else, or never began. */
int process_group_members(struct actor *actor, uint64_t group, uint64_t **handles, size_t *n);

/* Registers the handlers for calls from other nodes, and recovery. */
void process_group_register(void);

/* ---- where a member runs: process_member.c -------------------------------------------------- */

/* Before a target: false when its group was called off. True at once for one of no group. */
bool process_group_join(struct actor *actor, uint64_t handle);

/* After the target. */
void process_group_leave(void);

/* The process, if it is a member, has died with its rank: its siblings are told, before its end is
 * published. They are cancelled, or, where they use the group's communicator, killed. */
void process_group_bereave(struct actor *actor, uint64_t handle);

#endif
