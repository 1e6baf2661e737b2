#include "core/bell.h"

#include "base/clock.h"
#include "base/error.h"
#include "core/futex.h"

#include <assert.h>

#define BELL_WAITED 1u
#define BELL_STEP 2u
#define BELL_SPIN_NS 20000u /* two context switches: a wait that ends within it costs no sleep */
#define BELL_SPIN_LEAST 1000u
#define BELL_SPIN_AGAIN 16u /* waits without a spin, then one with */
#define BELL_SPIN_ROUND 64
#define WATCH_SERVICE 0x80000000u
#define WATCH_DOUBT 0x8000u
#define WATCH_COUNT_SHIFT 16
#define WATCH_SLOTS 0x7fffu
#define WATCH_NOW 0xffffffffull
#define WATCH_CHANGE (WATCH_NOW + 1)
_Static_assert(SLOT_COUNT_MAX <= WATCH_SLOTS + 1, "a bell can count all slots, and name each");

static _Atomic bell_driver drive;

void bell_drive_with(bell_driver driver)
{
    atomic_store(&drive, driver);
}

static struct {
    void (*begin)(const char *name);
    void (*end)(void);
} marks;

void bell_mark_with(void (*begin)(const char *name), void (*end)(void))
{
    marks.begin = begin;
    marks.end = end;
}

static bool sleep_on(struct bell *bell, uint32_t ticket, uint64_t deadline)
{
    bool in_time;

    if (marks.begin != NULL)
        marks.begin("waits");
    in_time = futex_wait(&bell->word, ticket, deadline);
    if (marks.end != NULL)
        marks.end();
    return in_time;
}

/* How long the actor spins this time. On a core that it shares with whomever it waits for, spinning
 * only keeps the other one off: each spin in vain halves the next, down to none, and now and then
 * one is tried. */
static uint64_t spin_choose(struct actor *actor)
{
    if (actor->spin_ns == 0 && ++actor->spins_left_out >= BELL_SPIN_AGAIN) {
        actor->spins_left_out = 0;
        actor->spin_ns = BELL_SPIN_NS;
    }
    return actor->spin_ns;
}

static void spin_learn(struct actor *actor, bool in_vain)
{
    if (!in_vain)
        actor->spin_ns = BELL_SPIN_NS;
    else
        actor->spin_ns = actor->spin_ns > BELL_SPIN_LEAST ? actor->spin_ns / 2 : 0;
}

/* One call of bell_await: what it waits for. */
struct wait {
    struct bell *bell;
    uint64_t deadline;
    int again;
    bell_attempt attempt;
    bell_peek peek; /* NULL: the word tells of every change */
    void *context;
};

static bool word_changed(const struct wait *wait, uint32_t seen)
{
    return atomic_load_explicit(&wait->bell->word, memory_order_acquire) != seen;
}

/* What a driver looks at between two turns. */
struct sight {
    struct actor *actor;
    const struct wait *wait;
    uint32_t seen;
};

static bool sight_changed(const void *context)
{
    const struct sight *sight = context;
    const struct wait *wait = sight->wait;

    return word_changed(wait, sight->seen) ||
           (wait->peek != NULL && wait->peek(sight->actor, wait->context));
}

static bool driven(struct actor *actor, const struct wait *wait, uint32_t seen)
{
    bell_driver driver = atomic_load_explicit(&drive, memory_order_acquire);
    struct sight sight = { actor, wait, seen };
    enum bell_driven outcome = driver != NULL ? driver(sight_changed, &sight) : BELL_NOTHING;

    actor->was_brought = outcome == BELL_BROUGHT;
    return outcome != BELL_NOTHING;
}

bool bell_drive_once(void)
{
    bell_driver driver = atomic_load_explicit(&drive, memory_order_acquire);

    return driver != NULL && driver(NULL, NULL) == BELL_NOTHING;
}

/* Spins while the word stays as seen, and there is nothing to see; true when that changed. */
static bool spin_for(struct actor *actor, const struct wait *wait, uint32_t seen,
                     uint64_t nanoseconds)
{
    uint64_t until = clock_now() + nanoseconds;

    do {
        for (int i = 0; i < BELL_SPIN_ROUND; i++) {
            if (wait->peek != NULL ? wait->peek(actor, wait->context) : word_changed(wait, seen))
                return true;
            futex_spin_pause();
        }
        if (word_changed(wait, seen))
            return true;
    } while (clock_now() < until);
    return false;
}

static bool spin(struct actor *actor, const struct wait *wait, uint32_t seen)
{
    uint64_t nanoseconds = spin_choose(actor);
    bool changed = nanoseconds > 0 && spin_for(actor, wait, seen, nanoseconds);

    if (nanoseconds > 0)
        spin_learn(actor, !changed);
    return changed;
}

/* Sets the bit and changes the count, so that a ringer that is about to clear the bit, because it
 * found nobody asleep, fails. Returns the word to sleep on. */
uint32_t bell_announce(struct bell *bell)
{
    uint32_t seen = atomic_load_explicit(&bell->word, memory_order_relaxed);

    while (!atomic_compare_exchange_weak(&bell->word, &seen, (seen + BELL_STEP) | BELL_WAITED))
        ;
    return (seen + BELL_STEP) | BELL_WAITED;
}

static const _Atomic uint64_t *_Atomic cancel_word;

void bell_cancel_by(const _Atomic uint64_t *word)
{
    atomic_store(&cancel_word, word);
}

bool bell_is_cancelled(const struct actor *actor)
{
    const _Atomic uint64_t *word = atomic_load_explicit(&cancel_word, memory_order_acquire);

    return word != NULL && !actor->is_steady && atomic_load(word) != 0;
}

/* The canceller sets its word and then reads which bell the slot names; we name the bell and then
 * read the word, all sequentially consistent: one of the two sees the other. */
void bell_ring_party(const struct arena *arena, uint32_t party)
{
    uint32_t high = atomic_load(&arena->header->slot_high);

    for (uint32_t number = SLOT_FIRST; number < high; number++) {
        struct slot *slot = slot_at(arena, number);
        uint64_t identity = atomic_load(&slot->identity), place;

        if (slot_state_of(identity) != SLOT_LIVE || slot_party_of(identity) != party)
            continue;
        place = atomic_load(&slot->bell);
        if (place != 0)
            bell_ring(arena, arena_at(arena, place), FUTEX_ALL);
    }
}

static int cancelled(void)
{
    return fail(TROUPE_CANCELLED, "the process was cancelled (troupe_process_cancel) and waits for "
                                  "nothing any more; end it");
}

/* Announces, looks once more, sleeps. in_time is false when the deadline passed. */
static int sleep_once(struct actor *actor, const struct wait *wait, bool *in_time)
{
    uint32_t ticket;
    int result;

    atomic_store(&actor->slot->bell, arena_offset(&actor->arena, wait->bell));
    ticket = bell_announce(wait->bell);
    result = wait->attempt(actor, wait->context);
    if (result == wait->again && bell_is_cancelled(actor))
        return cancelled();
    if (result == wait->again)
        *in_time = sleep_on(wait->bell, ticket, wait->deadline);
    return result;
}

/* The slot goes on naming the bell after a sleep, until the attempt that follows is over: who dies
 * between the wake and the attempt has used up a wake, too. */
static int await(struct actor *actor, const struct wait *wait)
{
    bool in_time = true;
    int result;

    for (;;) {
        uint32_t seen = atomic_load(&wait->bell->word);

        result = wait->attempt(actor, wait->context);
        if (result != wait->again || wait->deadline == BELL_NO_WAIT || !in_time)
            break;
        if (driven(actor, wait, seen) || spin(actor, wait, seen))
            continue;
        result = sleep_once(actor, wait, &in_time);
        if (result != wait->again)
            break;
    }
    atomic_store_explicit(&actor->slot->bell, 0, memory_order_release);
    return result;
}

int bell_await(struct actor *actor, struct bell *bell, uint64_t deadline, int again,
               bell_attempt attempt, void *context)
{
    struct wait wait = { bell, deadline, again, attempt, NULL, context };

    return await(actor, &wait);
}

int bell_await_peek(struct actor *actor, struct bell *bell, uint64_t deadline, int again,
                    bell_attempt attempt, bell_peek peek, void *context)
{
    struct wait wait = { bell, deadline, again, attempt, peek, context };

    return await(actor, &wait);
}

void bell_promise(struct actor *actor, struct bell *bell)
{
    int i = 0;

    while (i < SLOT_PROMISES - 1 &&
           atomic_load_explicit(&actor->slot->promises[i], memory_order_relaxed) != 0)
        i++;
    assert(atomic_load(&actor->slot->promises[i]) == 0);
    atomic_store_explicit(&actor->slot->promises[i], arena_offset(&actor->arena, bell),
                          memory_order_release);
}

void bell_redeem(struct actor *actor, int count)
{
    for (int i = 0; i < SLOT_PROMISES; i++) {
        _Atomic uint64_t *promise = &actor->slot->promises[i];
        uint64_t place = atomic_load_explicit(promise, memory_order_relaxed);

        if (place == 0)
            continue;
        bell_ring(&actor->arena, arena_at(&actor->arena, place), count);
        atomic_store_explicit(promise, 0, memory_order_release);
    }
}

/* The bit stays while anybody may sleep; it goes when a wake finds nobody. A waiter that comes at
 * that very moment finds the word changed and does not sleep. */
static void ring_one(struct bell *bell, int count)
{
    uint32_t seen = atomic_fetch_add(&bell->word, BELL_STEP) + BELL_STEP;

    if ((seen & BELL_WAITED) == 0)
        return;
    if (futex_wake(&bell->word, count) < count)
        atomic_compare_exchange_strong(&bell->word, &seen, seen & ~BELL_WAITED);
}

void bell_pass(struct bell *bell)
{
    if ((atomic_load_explicit(&bell->word, memory_order_acquire) & BELL_WAITED) != 0)
        ring_one(bell, 1);
}

/* ---- watching --------------------------------------------------------------------------- */

static uint32_t watch_count(uint64_t watched)
{
    return (uint32_t)watched >> WATCH_COUNT_SHIFT & WATCH_SLOTS;
}

static void watch_change(struct actor *actor, struct bell *bell, uint32_t more)
{
    uint64_t seen = atomic_load(&bell->watched), next;

    do {
        next = ((seen & ~WATCH_NOW) + WATCH_CHANGE) | (seen & (WATCH_SERVICE | WATCH_DOUBT)) |
               ((watch_count(seen) + more) & WATCH_SLOTS) << WATCH_COUNT_SHIFT |
               ((seen ^ actor->number) & WATCH_SLOTS);
    } while (!atomic_compare_exchange_weak(&bell->watched, &seen, next));
}

void bell_watch(struct actor *actor, struct bell *bell)
{
    watch_change(actor, bell, 1);
}

void bell_unwatch(struct actor *actor, struct bell *bell)
{
    watch_change(actor, bell, WATCH_SLOTS);
}

void bell_service_watch(struct bell *bell)
{
    atomic_fetch_or(&bell->watched, WATCH_SERVICE);
}

void bell_service_unwatch(struct bell *bell)
{
    atomic_fetch_and(&bell->watched, ~(uint64_t)WATCH_SERVICE);
}

void bell_doubt(struct bell *bell)
{
    if (watch_count(atomic_load(&bell->watched)) > 0)
        atomic_fetch_or(&bell->watched, WATCH_DOUBT);
}

/* Several watch, or some may be dead. If nobody is watching anything, the counts are of the dead;
 * who comes to watch meanwhile, or came again, has changed the word for good, and the swap
 * fails. */
static void doorbells_ring(const struct arena *arena, struct bell *bell, uint64_t watched)
{
    uint32_t high = atomic_load(&arena->header->slot_high);
    bool any = false;

    for (uint32_t number = SLOT_FIRST; number < high; number++) {
        struct slot *slot = slot_at(arena, number);

        if (atomic_load(&slot->watching) == 0)
            continue;
        ring_one(&slot->doorbell, FUTEX_ALL);
        any = true;
    }
    if (!any && (watched & WATCH_DOUBT) != 0)
        atomic_compare_exchange_strong(&bell->watched, &watched,
                                       watched & (~WATCH_NOW | WATCH_SERVICE));
}

static void watchers_ring(const struct arena *arena, struct bell *bell, uint64_t watched)
{
    if ((watched & WATCH_SERVICE) != 0)
        ring_one(&arena->header->service_bell, FUTEX_ALL);
    if (watch_count(watched) == 1 && (watched & WATCH_DOUBT) == 0)
        ring_one(&slot_at(arena, (uint32_t)watched & WATCH_SLOTS)->doorbell, FUTEX_ALL);
    else if (watch_count(watched) > 0)
        doorbells_ring(arena, bell, watched);
}

void bell_ring(const struct arena *arena, struct bell *bell, int count)
{
    uint64_t watched;

    ring_one(bell, count);
    watched = atomic_load(&bell->watched);
    if ((watched & WATCH_NOW) != 0)
        watchers_ring(arena, bell, watched);
}

/* Promises stand at the beginning of their places: they are made in order, and all redeemed. */
void bell_redeem_asleep(struct actor *actor, int count)
{
    for (int i = 0; i < SLOT_PROMISES; i++) {
        _Atomic uint64_t *promise = &actor->slot->promises[i];
        uint64_t place = atomic_load_explicit(promise, memory_order_relaxed);
        struct bell *bell = arena_at(&actor->arena, place);

        if (place == 0)
            return;
        if ((atomic_load_explicit(&bell->word, memory_order_acquire) & BELL_WAITED) != 0 ||
            (atomic_load_explicit(&bell->watched, memory_order_acquire) & WATCH_NOW) != 0)
            bell_ring(&actor->arena, bell, count);
        atomic_store_explicit(promise, 0, memory_order_release);
    }
}
