/* Locks, semaphores, events, conditions and barriers, for any processes of the world.
 *
 * Each lives on its creator's node; others reach it by calls to that node. Whoever waits uses no
 * CPU. A process may be killed at any moment: nobody then waits for it longer than a second. Only
 * a process that has been stopped (SIGSTOP, a debugger) is waited for: it is slow, not dead.
 *
 * A *process* here is what troupe_process_start started, or the parent. What it holds when its
 * target returns is given up as if it had been killed.
 *
 * The _open calls find the object of a name, the same in the whole world, or make it on the
 * caller's node: of several callers at once one makes it. What else they are given counts only for
 * whoever makes it. The object's destroy releases the name. TROUPE_BAD_ARGUMENT for no name, or one
 * that is too long. */
#ifndef TROUPE_SYNC_H
#define TROUPE_SYNC_H

#include "troupe/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- locks ------------------------------------------------------------------------------ */

typedef struct troupe_lock {
    uint64_t id;
} troupe_lock;

typedef struct troupe_lock_options {
    int recursive; /* 1: Python's RLock; its owner, a thread, may take it again */
} troupe_lock_options;

/* Makes a lock that nobody holds, on the caller's node. options may be NULL. */
TROUPE_API int troupe_lock_create(const troupe_lock_options *options, troupe_lock *lock);

TROUPE_API int troupe_lock_open(const char *name, const troupe_lock_options *options,
                                troupe_lock *lock);

/* Takes the lock.
 *
 * timeout_ms  TROUPE_NO_WAIT, TROUPE_FOREVER, or milliseconds
 * Returns     TROUPE_OK          it is the caller's
 *             TROUPE_OWNER_DIED  it is the caller's, too; its last holder died with it, so look at
 *                                what it guards before use. The next taker gets TROUPE_OK again
 *             TROUPE_TIMEOUT     somebody else holds it
 * Threads     any; blocks without using the CPU */
TROUPE_API int troupe_lock_acquire(troupe_lock lock, long timeout_ms);

/* Gives the lock back and lets one waiter have it.
 *
 * A plain lock may be released by any process, not only by its holder, as in Python; a recursive
 * one only by the thread that holds it, as often as it took it.
 *
 * Returns     TROUPE_OK
 *             TROUPE_BAD_ARGUMENT  nobody holds it, or, if recursive, another thread does
 * Threads     any */
TROUPE_API int troupe_lock_release(troupe_lock lock);

/* Ends the lock. Blocked callers return TROUPE_BAD_HANDLE. */
TROUPE_API int troupe_lock_destroy(troupe_lock lock);

/* ---- semaphores ------------------------------------------------------------------------- */

typedef struct troupe_semaphore {
    uint64_t id;
} troupe_semaphore;

typedef struct troupe_semaphore_options {
    int bounded; /* 1: Python's BoundedSemaphore; its value never exceeds the first one */
} troupe_semaphore_options;

#define TROUPE_SEMAPHORE_MOST 0x7fffffffu

/* Makes a semaphore on the caller's node.
 *
 * value       how many may take it before somebody waits; at most TROUPE_SEMAPHORE_MOST
 * options     may be NULL */
TROUPE_API int troupe_semaphore_create(uint32_t value, const troupe_semaphore_options *options,
                                       troupe_semaphore *semaphore);

TROUPE_API int troupe_semaphore_open(const char *name, uint32_t value,
                                     const troupe_semaphore_options *options,
                                     troupe_semaphore *semaphore);

/* Takes one from the value. A semaphore has no owner: what a killed process took is gone with it.
 *
 * Returns     TROUPE_OK
 *             TROUPE_TIMEOUT  the value was 0 all the time
 * Threads     any; blocks without using the CPU */
TROUPE_API int troupe_semaphore_acquire(troupe_semaphore semaphore, long timeout_ms);

/* Adds n to the value at once and lets as many waiters have it.
 *
 * Returns     TROUPE_OK
 *             TROUPE_BAD_ARGUMENT  the value would exceed its bound; nothing was added */
TROUPE_API int troupe_semaphore_release(troupe_semaphore semaphore, uint32_t n);

/* The value at the moment of looking. */
TROUPE_API int troupe_semaphore_value(troupe_semaphore semaphore, uint32_t *value);

/* Ends the semaphore. Blocked callers return TROUPE_BAD_HANDLE. */
TROUPE_API int troupe_semaphore_destroy(troupe_semaphore semaphore);

/* ---- events ----------------------------------------------------------------------------- */

typedef struct troupe_event {
    uint64_t id;
} troupe_event;

/* Makes an event that is not set, on the caller's node. */
TROUPE_API int troupe_event_create(troupe_event *event);

TROUPE_API int troupe_event_open(const char *name, troupe_event *event);

/* Sets it: everybody who waits, and who comes before it is cleared, goes on. Whoever was waiting
 * goes on even if it is cleared at once. */
TROUPE_API int troupe_event_set(troupe_event event);

TROUPE_API int troupe_event_clear(troupe_event event);

/* Whether it is set, 1 or 0. */
TROUPE_API int troupe_event_is_set(troupe_event event, int *is_set);

/* Waits until it is set.
 *
 * Returns     TROUPE_OK
 *             TROUPE_TIMEOUT  it was not set in time
 * Threads     any; blocks without using the CPU */
TROUPE_API int troupe_event_wait(troupe_event event, long timeout_ms);

/* Ends the event. Blocked callers return TROUPE_BAD_HANDLE. */
TROUPE_API int troupe_event_destroy(troupe_event event);

/* ---- conditions ------------------------------------------------------------------------- */

typedef struct troupe_condition {
    uint64_t id;
} troupe_condition;

typedef struct troupe_condition_options {
    troupe_lock lock; /* of either kind; none: a recursive one of its own */
} troupe_condition_options;

/* Makes a condition on its lock's node, or on the caller's. options may be NULL. */
TROUPE_API int troupe_condition_create(const troupe_condition_options *options,
                                       troupe_condition *condition);

/* With a lock of its own. */
TROUPE_API int troupe_condition_open(const char *name, troupe_condition *condition);

/* Take and give back the condition's lock: as troupe_lock_acquire and troupe_lock_release. */
TROUPE_API int troupe_condition_acquire(troupe_condition condition, long timeout_ms);
TROUPE_API int troupe_condition_release(troupe_condition condition);

/* Gives the lock back, however often it was taken, waits to be notified, and takes the lock again,
 * as often. Whoever waits longest is notified first; a notification whose receiver dies before it
 * has the lock goes to the next. Look at what you wait for in a loop: between the notification and
 * the lock others may have had it.
 *
 * timeout_ms  for the notification; the lock is then waited for as long as it takes
 * Returns     TROUPE_OK            notified; the caller holds the lock
 *             TROUPE_TIMEOUT       not notified; the caller holds the lock
 *             TROUPE_OWNER_DIED    the caller holds the lock, whose last holder died with it
 *             TROUPE_BAD_ARGUMENT  the caller does not hold the lock
 *             TROUPE_BAD_HANDLE    destroyed meanwhile; the caller holds nothing
 *             TROUPE_CANCELLED     troupe_process_cancel woke the call; the caller holds nothing
 * Threads     any; blocks without using the CPU */
TROUPE_API int troupe_condition_wait(troupe_condition condition, long timeout_ms);

/* Notifies the n that wait longest, or all. The caller holds the lock.
 *
 * Returns     TROUPE_OK            also when nobody waits
 *             TROUPE_BAD_ARGUMENT  the caller does not hold the lock */
TROUPE_API int troupe_condition_notify(troupe_condition condition, uint32_t n);
TROUPE_API int troupe_condition_notify_all(troupe_condition condition);

/* Ends the condition, and the lock if it is its own. Blocked callers return TROUPE_BAD_HANDLE. */
TROUPE_API int troupe_condition_destroy(troupe_condition condition);

/* ---- barriers --------------------------------------------------------------------------- */

typedef struct troupe_barrier {
    uint64_t id;
} troupe_barrier;

typedef struct troupe_barrier_status {
    uint32_t parties;
    uint32_t waiting; /* Python's n_waiting */
    int broken;       /* 1 or 0 */
} troupe_barrier_status;

#define TROUPE_BARRIER_MOST 4096u

/* Makes a barrier for so many parties, 1 to TROUPE_BARRIER_MOST, on the caller's node. */
TROUPE_API int troupe_barrier_create(uint32_t parties, troupe_barrier *barrier);

TROUPE_API int troupe_barrier_open(const char *name, uint32_t parties, troupe_barrier *barrier);

/* Waits until as many as the barrier has parties wait at it; then it is ready for the next round.
 *
 * It breaks when a party dies: one that waits, one that was in the last round, or one that has said
 * with troupe_barrier_attend that it will come. A process whose target returned is no party any
 * more. It also breaks when somebody's time is over, and by troupe_barrier_abort. Then all who wait
 * and all who come return TROUPE_BROKEN until troupe_barrier_reset.
 *
 * timeout_ms  TROUPE_NO_WAIT passes as the last party, and breaks the barrier otherwise
 * index       0 to parties - 1, another one for each party of a round, in the order in which they
 *             came; may be NULL
 * Returns     TROUPE_OK
 *             TROUPE_TIMEOUT  not all came in time; the barrier is broken
 *             TROUPE_CANCELLED  troupe_process_cancel woke the call; the barrier is broken
 *             TROUPE_BROKEN
 * Threads     any, and each may be a party; blocks without using the CPU */
TROUPE_API int troupe_barrier_wait(troupe_barrier barrier, long timeout_ms, uint32_t *index);

/* Says that the calling process will come: its death breaks the barrier from now on, not only after
 * its first round. */
TROUPE_API int troupe_barrier_attend(troupe_barrier barrier);

/* Breaks the barrier. */
TROUPE_API int troupe_barrier_abort(troupe_barrier barrier);

/* Makes it as new: whoever waits returns TROUPE_BROKEN, whoever comes begins a round. */
TROUPE_API int troupe_barrier_reset(troupe_barrier barrier);

TROUPE_API int troupe_barrier_status_get(troupe_barrier barrier, troupe_barrier_status *status);

/* Ends the barrier. Blocked callers return TROUPE_BAD_HANDLE. */
TROUPE_API int troupe_barrier_destroy(troupe_barrier barrier);

#ifdef __cplusplus
}
#endif

#endif
