/* Locks, bells and resumed work, by threads that truly sleep. */
#include "sandbox.h"

#include "base/clock.h"
#include "core/bell.h"
#include "core/heap.h"
#include "core/lock.h"
#include "core/recover.h"
#include "core/tx.h"

#include <pthread.h>

#define ARENA_BYTES (2u << 20)
#define COUNTERS 4
#define COUNTS 20000
#define ITEMS 3000
#define SHORT_MS 30
#define RESUME_KIND 3

struct common {
    struct lock lock;
    struct bell bell;
    _Atomic uint64_t items; /* to be taken */
    _Atomic uint64_t taken;
    uint64_t count; /* guarded by lock */
};

struct side {
    struct actor actor;
    struct common *common;
    pthread_t thread;
};

static struct common *common_make(struct sandbox *sandbox)
{
    uint64_t offset;

    assert_int_equal(tx_alloc(&sandbox->actor, sizeof(struct common), &offset), TROUPE_OK);
    tx_commit(&sandbox->actor);
    return arena_at(&sandbox->arena, offset);
}

static void side_start(struct sandbox *sandbox, struct common *common, void *(*run)(void *),
                       struct side *side)
{
    side->common = common;
    assert_int_equal(actor_open(&sandbox->arena, SLOT_NONE, &side->actor), TROUPE_OK);
    assert_int_equal(pthread_create(&side->thread, NULL, run, side), 0);
}

static void *count_up(void *context)
{
    struct side *side = context;

    for (int i = 0; i < COUNTS; i++) {
        lock_take(&side->actor, &side->common->lock);
        side->common->count++;
        lock_give(&side->actor, &side->common->lock);
    }
    return NULL;
}

static void a_lock_excludes(void **state)
{
    struct sandbox sandbox;
    struct side sides[COUNTERS];
    struct common *common;

    (void)state;
    sandbox_open(&sandbox, ARENA_BYTES);
    common = common_make(&sandbox);
    for (int i = 0; i < COUNTERS; i++)
        side_start(&sandbox, common, count_up, &sides[i]);
    for (int i = 0; i < COUNTERS; i++)
        pthread_join(sides[i].thread, NULL);
    assert_int_equal(common->count, COUNTERS * COUNTS);
    assert_true(lock_try(&sandbox.actor, &common->lock));
    assert_false(lock_try(&sides[0].actor, &common->lock));
    lock_give(&sandbox.actor, &common->lock);
    assert_int_equal(atomic_load(&common->lock.word), 0);
    sandbox_close(&sandbox);
}

/* Waiters of a lock release it themselves when its holder was buried, without a recovery. */
static void the_holder_dies(void **state)
{
    struct sandbox sandbox;
    struct side side;
    struct actor dead;
    struct common *common;

    (void)state;
    sandbox_open(&sandbox, ARENA_BYTES);
    common = common_make(&sandbox);
    assert_int_equal(actor_open(&sandbox.arena, SLOT_NONE, &dead), TROUPE_OK);
    lock_take(&dead, &common->lock);
    side_start(&sandbox, common, count_up, &side);
    assert_int_equal(slots_bury(&sandbox.arena, dead.party), 1);
    pthread_join(side.thread, NULL);
    assert_int_equal(common->count, COUNTS);
    assert_int_equal(recover_all(&sandbox.actor), 1);
    sandbox_close(&sandbox);
}

/* ---- bells ------------------------------------------------------------------------------- */

static int take_item(struct actor *actor, void *context)
{
    struct common *common = context;
    uint64_t items = atomic_load(&common->items);

    (void)actor;
    while (items > 0)
        if (atomic_compare_exchange_weak(&common->items, &items, items - 1)) {
            atomic_fetch_add(&common->taken, 1);
            return TROUPE_OK;
        }
    return TROUPE_EMPTY;
}

static void nothing_comes_in_time(void **state)
{
    struct sandbox sandbox;
    struct common *common;
    uint64_t deadline;

    (void)state;
    sandbox_open(&sandbox, ARENA_BYTES);
    common = common_make(&sandbox);
    assert_int_equal(
        bell_await(&sandbox.actor, &common->bell, BELL_NO_WAIT, TROUPE_EMPTY, take_item, common),
        TROUPE_EMPTY);
    deadline = clock_deadline(SHORT_MS);
    assert_int_equal(
        bell_await(&sandbox.actor, &common->bell, deadline, TROUPE_EMPTY, take_item, common),
        TROUPE_EMPTY);
    assert_int_equal(clock_left(deadline), 0);
    assert_int_equal(atomic_load(&sandbox.actor.slot->bell), 0);
    atomic_store(&common->items, 1);
    assert_int_equal(
        bell_await(&sandbox.actor, &common->bell, deadline, TROUPE_EMPTY, take_item, common),
        TROUPE_OK);
    sandbox_close(&sandbox);
}

static void *take_all(void *context)
{
    struct side *side = context;

    for (int i = 0; i < ITEMS; i++)
        bell_await(&side->actor, &side->common->bell, CLOCK_FOREVER, TROUPE_EMPTY, take_item,
                   side->common);
    return NULL;
}

static void *give_all(void *context)
{
    struct side *side = context;

    for (int i = 0; i < ITEMS; i++) {
        bell_promise(&side->actor, &side->common->bell);
        atomic_fetch_add(&side->common->items, 1);
        bell_redeem(&side->actor, 1);
    }
    return NULL;
}

/* As many items as takes, each rung for one waiter: a lost wake leaves a taker asleep for ever. */
static void no_wake_is_lost(void **state)
{
    struct sandbox sandbox;
    struct side takers[COUNTERS], givers[COUNTERS];
    struct common *common;

    (void)state;
    sandbox_open(&sandbox, ARENA_BYTES);
    common = common_make(&sandbox);
    for (int i = 0; i < COUNTERS; i++) {
        side_start(&sandbox, common, take_all, &takers[i]);
        side_start(&sandbox, common, give_all, &givers[i]);
    }
    for (int i = 0; i < COUNTERS; i++) {
        pthread_join(givers[i].thread, NULL);
        pthread_join(takers[i].thread, NULL);
    }
    assert_int_equal(atomic_load(&common->taken), COUNTERS * ITEMS);
    assert_int_equal(atomic_load(&common->items), 0);
    sandbox_close(&sandbox);
}

/* A giver died between its change and its ring. */
static void the_dead_ring_too(void **state)
{
    struct sandbox sandbox;
    struct side taker;
    struct actor dead;
    struct common *common;

    (void)state;
    sandbox_open(&sandbox, ARENA_BYTES);
    common = common_make(&sandbox);
    assert_int_equal(actor_open(&sandbox.arena, SLOT_NONE, &dead), TROUPE_OK);
    side_start(&sandbox, common, take_all, &taker);
    bell_promise(&dead, &common->bell);
    atomic_fetch_add(&common->items, ITEMS);
    assert_int_equal(slots_bury(&sandbox.arena, dead.party), 1);
    assert_int_equal(recover_all(&sandbox.actor), 1);
    pthread_join(taker.thread, NULL);
    assert_int_equal(atomic_load(&common->taken), ITEMS);
    sandbox_close(&sandbox);
}

/* ---- resumed work ------------------------------------------------------------------------ */

static void finish(struct actor *actor, uint64_t place)
{
    struct common *common = arena_at(&actor->arena, place);

    atomic_store(&common->items, atomic_load(&common->items) + 1);
}

static void work_is_resumed_once(void **state)
{
    struct sandbox sandbox;
    struct actor dead;
    struct common *common;

    (void)state;
    recover_register(RESUME_KIND, finish);
    sandbox_open(&sandbox, ARENA_BYTES);
    common = common_make(&sandbox);
    for (uint64_t died = 0; died < 2; died++) {
        assert_int_equal(actor_open(&sandbox.arena, SLOT_NONE, &dead), TROUPE_OK);
        resume_begin(&dead, RESUME_KIND, arena_offset(&sandbox.arena, common));
        if (died == 1)
            resume_end(&dead);
        slots_bury(&sandbox.arena, dead.party);
        assert_int_equal(recover_all(&sandbox.actor), 1);
        assert_int_equal(recover_all(&sandbox.actor), 0);
        assert_int_equal(atomic_load(&common->items), 1);
    }
    sandbox_close(&sandbox);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lock_excludes),       cmocka_unit_test(the_holder_dies),
        cmocka_unit_test(nothing_comes_in_time), cmocka_unit_test(no_wake_is_lost),
        cmocka_unit_test(the_dead_ring_too),     cmocka_unit_test(work_is_resumed_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
