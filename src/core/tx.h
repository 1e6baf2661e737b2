/* Transactions: several words and blocks of the arena that change together or not at all.
 *
 * An operation takes the locks of what it will change, prepares new blocks out of place, notes what
 * will be written, and commits by one store (the slot's phase). After that store it is done for
 * ever: if the process dies, recovery writes the same absolute values again, which is harmless, and
 * settles the blocks; before it, recovery only gives the blocks back. Locks are given after the
 * commit.
 *
 *     lock_take(actor, &object->lock);
 *     tx_write(actor, &object->head, next);
 *     tx_retire(actor, old);
 *     tx_commit(actor);
 *     lock_give(actor, &object->lock);
 *
 * Writes appear in the order in which they were noted, each with release, so a reader without the
 * lock (a seqlock) may rely on that order. */
#ifndef TROUPE_CORE_TX_H
#define TROUPE_CORE_TX_H

#include "core/heap.h"

/* Puts a new block in flight: linked by the commit, freed by an abort. See heap_alloc. */
int tx_alloc(struct actor *actor, uint64_t bytes, uint64_t *offset);

/* Keeps a new block out of the commits to come, for an operation that commits something else before
 * it links the block, until tx_enlist makes it new again. An abort or a death frees it. */
void tx_set_aside(struct actor *actor, uint64_t offset);
void tx_enlist(struct actor *actor, uint64_t offset);

/* A linked block that the commit frees. */
void tx_retire(struct actor *actor, uint64_t offset);

/* A linked block that the commit unlinks and leaves to the caller, who reads it and calls
 * heap_release; if the caller dies before that, recovery frees it. */
void tx_take(struct actor *actor, uint64_t offset);

/* Notes that *word becomes value. At most SLOT_WRITES in one transaction. The word is guarded by a
 * lock that the actor holds, and lies in no block that the same transaction retires: recovery
 * writes it again, by when the block may be another's. */
void tx_write(struct actor *actor, _Atomic uint64_t *word, uint64_t value);

/* Makes all of it so. */
void tx_commit(struct actor *actor);

/* Gives the blocks back and forgets the writes. */
void tx_abort(struct actor *actor);

/* Writes a slot's committed list again; for recover.c. */
void tx_redo(const struct arena *arena, struct slot *slot);

#endif
