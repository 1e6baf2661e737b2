/* The node's table of objects: processes, queues, dicts and whatever comes.
 *
 * What always holds: a record is reused as a record only, never as anything else, and its lock
 * stays its lock; a handle names a record by kind, node, index and generation, and the record's
 * handle word says whether that handle still lives. So an operation on a stale handle is noticed:
 * it looks at the handle word before, and again under the record's lock. Records are reused in the
 * order in which they were freed, not before TABLE_REUSE others are free, so a generation comes
 * back late.
 *
 * A record may stand for an object that another node made (a dict's share): then its handle is that
 * object's, and a chain of the node's `foreign` buckets leads to it. */
#ifndef TROUPE_CORE_TABLE_H
#define TROUPE_CORE_TABLE_H

#include "core/bell.h"
#include "core/slot.h"
#include "troupe/types.h"

/* A handle has room for 15. */
enum object_kind {
    OBJECT_NONE = 0,
    OBJECT_PROCESS = 1,
    OBJECT_QUEUE = 2,
    OBJECT_DICT = 3,
    OBJECT_LIST = 4,
    OBJECT_ARRAY = 5,
    OBJECT_LOCK = 6,
    OBJECT_SEMAPHORE = 7,
    OBJECT_EVENT = 8,
    OBJECT_CONDITION = 9,
    OBJECT_BARRIER = 10,
    OBJECT_PIPE = 11,
    OBJECT_POOL = 12,
    OBJECT_GROUP = 13,
    OBJECT_JOB = 14,
    OBJECT_KINDS = 16
};

#define GENERATION_MASK 0xfffffu
#define RECORD_BYTES 1024
#define RECORD_ROOM (RECORD_BYTES - 4 * ARENA_LINE)

/* handle: kind (4) | node (16) | generation (20) | index + 1 (24). */
struct record {
    /* A line that everybody reads, and only its making and its end write. */
    _Atomic uint64_t handle;     /* 0 while free */
    _Atomic uint64_t generation; /* of the next handle */
    _Atomic uint64_t next;       /* free list, or chain of foreign records: offset */
    _Atomic uint64_t orphan;     /* the handle under which it is one; others do not count */
    /* Lines that operations write: the lock of an object, or of one end of an object that has two,
     * and that of the other end. What a record holds later, they stay locks. */
    _Alignas(ARENA_LINE) struct lock lock; /* guards what the object's file says */
    _Atomic uint64_t word; /* what changes by a compare-and-swap alone; 0 while free */
    _Alignas(ARENA_LINE) struct lock other_lock;
    /* A line that only those who sleep write, and those who wake them. */
    _Alignas(ARENA_LINE) struct bell bell; /* what waiters of the object sleep on */
    struct bell room;                      /* for those who wait for the opposite */
    struct bell idle;                      /* for those who wait until nothing is left to do */
    _Alignas(ARENA_LINE) unsigned char body[RECORD_ROOM]; /* the object's, by kind */
};
_Static_assert(sizeof(struct record) == RECORD_BYTES, "records pack");

static inline enum object_kind handle_kind(uint64_t handle)
{
    return (enum object_kind)(handle >> 60);
}

static inline uint64_t handle_generation(uint64_t handle)
{
    return handle >> 24 & GENERATION_MASK;
}

static inline int handle_node(uint64_t handle)
{
    return (int)(handle >> 44 & 0xffff);
}

/* Makes the node's table; once, by whoever formats the arena. */
int table_format(struct actor *actor, int node);

/* The number of the node whose table this is. */
int table_node(const struct arena *arena);

/* Finds a free record; its body is zero. The caller fills it and calls table_publish, or
 * table_drop; until then the table is locked, no handle leads to the record, and the caller's
 * death gives it back. The caller has no open transaction before, and allocates what belongs to
 * the record after. */
int table_reserve(struct actor *actor, struct record **record);

/* Makes the record live under a new handle of this node, or, when foreign is not 0, under that
 * handle of another node; commits the actor's transaction with it, and unlocks the record. */
void table_publish(struct actor *actor, struct record *record, enum object_kind kind,
                   uint64_t foreign, uint64_t *handle);
void table_drop(struct actor *actor, struct record *record);

/* ---- orphans --------------------------------------------------------------------------- */

/* Who opens an object by its name makes it and then gives it the name. Between table_open_begin and
 * table_open_end the slot names what it has made of that kind, from the very transaction that makes
 * it live. If the slot dies in between, its recovery notes the object as an orphan, and whoever
 * opens the next one of that kind finds out whether it has its name. */
void table_open_begin(struct actor *actor, enum object_kind kind);
void table_open_end(struct actor *actor);

/* For recovery. */
void table_open_bury(const struct arena *arena, struct slot *slot);

/* Looks for orphans of a kind. Call table_orphans_any first, after table_open_begin: it forgets
 * that there are any, and if the caller dies before it has seen to all of them, recovery notes that
 * again. table_orphan_next walks; 0 at the end. */
bool table_orphans_any(struct actor *actor, enum object_kind kind);
uint64_t table_orphan_next(struct actor *actor, enum object_kind kind, uint64_t *index);

/* It has its name. */
void table_orphan_settle(struct actor *actor, uint64_t handle);

/* Finds the record of a live handle.
 *
 * Returns     TROUPE_OK; TROUPE_BAD_HANDLE with the sentence: of another kind, destroyed, never
 * made */
int table_find_slowly(struct actor *actor, uint64_t handle, enum object_kind kind,
                      struct record **record);

static inline int table_find(struct actor *actor, uint64_t handle, enum object_kind kind,
                             struct record **record)
{
    const struct actor_seen *seen = &actor->seen[handle % ACTOR_SEEN];
    struct record *found = (struct record *)arena_at(&actor->arena, seen->place);

    if (seen->handle != handle || handle_kind(handle) != kind ||
        atomic_load_explicit(&found->handle, memory_order_acquire) != handle)
        return table_find_slowly(actor, handle, kind, record);
    *record = found;
    return TROUPE_OK;
}

/* The failure of a call that was given a handle of another kind. */
int table_refuse(uint64_t handle, enum object_kind kind);

/* The same as table_find, and takes the record's lock. */
int table_lock(struct actor *actor, uint64_t handle, enum object_kind kind, struct record **record);

/* Ends the handle's life and frees the record; the caller holds its lock, has freed what the body
 * held, and has no open transaction. Unlocks. Waiters on both bells are woken. */
void table_retire(struct actor *actor, struct record *record);

/* A slot died that watched bells, which ones is not known: see bell.h. */
void table_bells_doubt(const struct arena *arena);

/* The next live record after index, for walks over all objects; NULL at the end. */
struct record *table_next(const struct arena *arena, uint64_t *index);

#endif
