/* Sleeping until something may have changed: an event count in the arena.
 *
 * A waiter announces itself, looks at the condition once more, and sleeps; whoever changes the
 * condition rings afterwards. No wake is missed: announcing sets the word's lowest bit and adds
 * two, ringing adds two, both sequentially consistent, so either the ringer sees the bit and wakes,
 * or the waiter's second look sees the change. A waiter that dies after it was woken takes that
 * wake with it, and a changer that dies before it rings owes one: the slots name both bells, and
 * recovery rings them for all.
 *
 * A process whose target was cancelled no longer sleeps: every wait that would ends with
 * TROUPE_CANCELLED, but those of steady actors (the service, an answer that must be taken). */
#ifndef TROUPE_CORE_BELL_H
#define TROUPE_CORE_BELL_H

#include "core/slot.h"

/* A deadline that has always passed: look once, never wait. */
#define BELL_NO_WAIT 0

/* Looks for what the caller waits for. */
typedef int (*bell_attempt)(struct actor *actor, void *context);

/* Calls attempt until it returns something other than again, spinning briefly and then sleeping
 * between the calls, or until the deadline (base/clock.h) has passed: then again is returned. */
int bell_await(struct actor *actor, struct bell *bell, uint64_t deadline, int again,
               bell_attempt attempt, void *context);

/* The same for a change that can be seen at little cost without locks: the spin looks for that
 * itself, so whoever makes the change need not ring for those who spin (bell_redeem_asleep). */
typedef bool (*bell_peek)(struct actor *actor, void *context);
int bell_await_peek(struct actor *actor, struct bell *bell, uint64_t deadline, int again,
                    bell_attempt attempt, bell_peek peek, void *context);

/* For who sleeps by itself (futex.h): says that somebody will, and returns the word to sleep on,
 * before the last look at what may have changed. */
uint32_t bell_announce(struct bell *bell);

/* Whether the attempt under way is the last look before a sleep. */
static inline bool bell_announced(const struct actor *actor)
{
    return atomic_load_explicit(&actor->slot->bell, memory_order_relaxed) != 0;
}

/* The word that cancels this process's waits once it is not 0; NULL: none does. It lies in the
 * arena, and whoever sets it calls bell_ring_party afterwards. One target runs in a process at a
 * time, so one word is enough. */
void bell_cancel_by(const _Atomic uint64_t *word);

/* Whether that word says so, for this actor. */
bool bell_is_cancelled(const struct actor *actor);

/* Wakes all threads of a process wherever they sleep: each looks again. */
void bell_ring_party(const struct arena *arena, uint32_t party);

/* Promises to ring, before the change is committed. At most SLOT_PROMISES at a time. */
void bell_promise(struct actor *actor, struct bell *bell);

/* Rings what was promised, each bell for at most count waiters. */
void bell_redeem(struct actor *actor, int count);

/* The same for changes that spinning waiters peek at: each bell stays untouched unless somebody
 * sleeps on it or watches it. The caller has given the lock under which the change was made; the
 * waiter's last look begins with lock_touch of it. The two exchanges of one word have an order: if
 * the giver's is first, the waiter sees the change; if the waiter's is first, the giver sees that
 * it waits. So no wake is missed, without a fence on the giver's side. */
void bell_redeem_asleep(struct actor *actor, int count);

/* Wakes at most count waiters, and all who watch this bell. */
void bell_ring(const struct arena *arena, struct bell *bell, int count);

/* For an attempt that was woken and leaves what it was woken for: wakes another one that sleeps.
 * Watchers need no such thing, each of them is rung. */
void bell_pass(struct bell *bell);

/* Has every sleep of this process told to somebody, a profiler say: begin("waits") before it, end
 * after it, on the sleeping thread. Set before other threads exist. */
void bell_mark_with(void (*begin)(const char *name), void (*end)(void));

/* Has waiters of this process do other work before they sleep, until there is a change or nothing
 * more to do; without `changed`, for one turn. NULL: none. A waiter whose change came with that
 * work is likely to wait for more of it (actor.was_brought), and should not look elsewhere
 * first. */
enum bell_driven { BELL_NOTHING, BELL_CHANGED, BELL_BROUGHT };
typedef enum bell_driven (*bell_driver)(bool (*changed)(const void *context), const void *context);
void bell_drive_with(bell_driver driver);

/* One turn of that work, for who is busy for a while with something else; never in a handler, which
 * is part of such a turn. False: what goes on now needs nobody for a while. */
bool bell_drive_once(void);

/* ---- watching --------------------------------------------------------------------------- */

/* Who waits for several things watches the bell of each, and sleeps on its slot's doorbell: a ring
 * of a watched bell rings the doorbell, too. The node's service watches in the same way, and hears
 * its own bell.
 *
 * What always holds: the lower half of `watched` is WATCH_SERVICE, the count of the slots that
 * watch (15 bits), and their numbers, all xored (15 bits): so the only one of them is known by its
 * number. When there are more, all slots that are `watching` anything are rung. A slot is
 * `watching` before it is counted and until after it is not. One that dies in between leaves the
 * counts of its bells too high: its recovery sets WATCH_DOUBT in every bell that counts any, which
 * has all rung until nobody is watching at all. The upper half counts the changes: who finds that
 * nobody watches clears the counts only if they are still those that it saw, not the same again. */
void bell_watch(struct actor *actor, struct bell *bell);
void bell_unwatch(struct actor *actor, struct bell *bell);

void bell_service_watch(struct bell *bell);
void bell_service_unwatch(struct bell *bell);

/* For recovery: a slot died that was watching, maybe this bell. */
void bell_doubt(struct bell *bell);

#endif
