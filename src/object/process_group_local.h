/* A group's record on its starter's node. */
#ifndef TROUPE_OBJECT_PROCESS_GROUP_LOCAL_H
#define TROUPE_OBJECT_PROCESS_GROUP_LOCAL_H

#include "object/process_group.h"

enum group_state { GROUP_FORMING = 0, GROUP_RUNS = 1, GROUP_OFF = 2 };

struct group_member {
    uint64_t handle;
    int64_t rank;
};

/* All but `members` changes under the record's lock. */
struct group {
    _Atomic uint64_t state;    /* enum group_state; members wait for it at the record's bell */
    _Atomic uint64_t forming;  /* 1 until the starter, or its recovery, has taken its count away */
    _Atomic uint64_t left;     /* counts, see process_group.h */
    _Atomic uint64_t bereaved; /* a member died */
    _Atomic uint64_t members;  /* offset of [n]; the starter's until the decision, then constant */
    uint64_t n;
};

static inline struct group *group_of(struct record *record)
{
    return (struct group *)record->body;
}

static inline struct group_member *group_members(const struct arena *arena,
                                                 const struct group *group)
{
    return arena_at(arena, atomic_load(&group->members));
}

/* Makes a group of n that forms. If the caller dies before group_decide, it is called off. */
int group_make(struct actor *actor, uint64_t n, struct record **record, uint64_t *handle);

/* Ends the forming: all run if `complete` and nobody has died so far; else the group is off.
 * Returns whether they run. */
bool group_decide(struct actor *actor, struct record *record, bool complete);

/* Ends a member of a group that is called off: nobody has its handle. */
void group_member_drop(struct actor *actor, uint64_t handle);

/* How many ranks of this node are idle, and how many there are. Also a waiter's last look. */
struct group_ranks {
    uint64_t idle, living;
};
void group_ranks_count(struct actor *actor, struct group_ranks *ranks);

#endif
