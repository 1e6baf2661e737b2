/* What a dead process left half done is finished or undone here.
 *
 * Recovery of a slot is idempotent and may itself die: the next one begins again. Order: the
 * transaction's writes (if committed), its blocks, claims of spans, the locks, the bell, and last
 * the work of several transactions that the slot was in the middle of (resume), which the recoverer
 * does as its own; then what the process held is given up (party.h). Only then is the slot free. */
#ifndef TROUPE_CORE_RECOVER_H
#define TROUPE_CORE_RECOVER_H

#include "core/slot.h"

/* Work of several transactions names itself in slot->resume: kind (8) | record offset (56). Its
 * handler does what is left, knowing only the arena; it runs with the recoverer's actor. */
typedef void (*recover_handler)(struct actor *actor, uint64_t place);
enum { RESUME_KINDS = 128 };

/* Kind 1 to RESUME_KINDS-1; called before any process of the node can die. */
void recover_register(int kind, recover_handler handler);

void resume_begin(struct actor *actor, int kind, uint64_t place);
void resume_end(struct actor *actor);

/* Whether a living slot other than the actor's names this work. Sequentially consistent, as
 * resume_begin: who names the work first and then looks for a sign that it is called off, and who
 * gives that sign first and then asks here, cannot miss each other. */
bool resume_is_named(const struct actor *actor, int kind, uint64_t place);

/* Settles the transaction of one slot and releases its locks, if it is DEAD and nobody living is at
 * it. For a thread that waits for a lock and may itself be in the middle of a transaction: the rest
 * is left to recover_all. */
void recover_locks(struct actor *actor, uint32_t number);

/* Recovers every DEAD slot and frees it; returns how many there were. The caller holds no lock and
 * has no open transaction. */
int recover_all(struct actor *actor);

#endif
