/* Pipes, and waiting for any of several things, in one process: what each call answers, and threads
 * at them, also under ThreadSanitizer. Other processes and nodes: talk_ends.c. */
#include "solo.h"

#include "core/recover.h"
#include "counts.h"
#include "object/queue.h"
#include "object/queue_local.h"
#include "object/sync.h"

#include <pthread.h>
#include <sched.h>

#define ARENA_BYTES (16u << 20)
#define SHORT_MS 5L

static struct solo solo;

static int begin(void **state)
{
    (void)state;
    solo_begin(&solo, ARENA_BYTES);
    queue_register();
    sync_register();
    return 0;
}

static int end(void **state)
{
    (void)state;
    solo_end(&solo);
    return 0;
}

/* ---- pipes ------------------------------------------------------------------------------ */

static int receive_int(troupe_pipe end, int *value, long timeout_ms)
{
    return troupe_pipe_receive(end, value, sizeof *value, NULL, timeout_ms);
}

static void pipe_talks_both_ways(void **state)
{
    troupe_pipe first, second;
    int value = 3;
    size_t size;

    (void)state;
    assert_int_equal(troupe_pipe_create(NULL, &first, &second), TROUPE_OK);
    assert_int_equal(troupe_pipe_poll(first, TROUPE_NO_WAIT), TROUPE_EMPTY);
    assert_int_equal(receive_int(first, &value, SHORT_MS), TROUPE_EMPTY);
    assert_int_equal(troupe_pipe_send(second, &value, sizeof value, TROUPE_FOREVER), TROUPE_OK);
    value = 4;
    assert_int_equal(troupe_pipe_send(first, &value, sizeof value, TROUPE_FOREVER), TROUPE_OK);
    assert_int_equal(troupe_pipe_poll(first, TROUPE_FOREVER), TROUPE_OK);
    assert_int_equal(troupe_pipe_receive(first, NULL, 0, &size, 0), TROUPE_TOO_LONG);
    assert_int_equal(size, sizeof value);
    assert_int_equal(receive_int(first, &value, TROUPE_NO_WAIT), TROUPE_OK);
    assert_int_equal(value, 3);
    assert_int_equal(receive_int(second, &value, TROUPE_NO_WAIT), TROUPE_OK);
    assert_int_equal(value, 4);
    assert_int_equal(troupe_pipe_destroy(first), TROUPE_OK);
    assert_int_equal(troupe_pipe_send(second, &value, sizeof value, 0), TROUPE_BAD_HANDLE);
}

static void one_way_is_one_way(void **state)
{
    troupe_pipe_options options = { .one_way = 1, .max_messages = 1 };
    troupe_pipe receiver, sender;
    int value = 5;

    (void)state;
    assert_int_equal(troupe_pipe_create(&options, &receiver, &sender), TROUPE_OK);
    assert_int_equal(troupe_pipe_send(receiver, &value, sizeof value, 0), TROUPE_BAD_ARGUMENT);
    assert_int_equal(receive_int(sender, &value, 0), TROUPE_BAD_ARGUMENT);
    assert_int_equal(troupe_pipe_poll(sender, 0), TROUPE_BAD_ARGUMENT);
    assert_int_equal(troupe_pipe_send(sender, &value, sizeof value, 0), TROUPE_OK);
    assert_int_equal(troupe_pipe_send(sender, &value, sizeof value, SHORT_MS), TROUPE_FULL);
    assert_int_equal(receive_int(receiver, &value, 0), TROUPE_OK);
    assert_int_equal(troupe_pipe_destroy(sender), TROUPE_OK);
}

static void closed_end_is_end_of_file(void **state)
{
    uint64_t before = solo_linked(&solo);
    troupe_pipe first, second;
    int value = 6;

    (void)state;
    assert_int_equal(troupe_pipe_create(NULL, &first, &second), TROUPE_OK);
    assert_int_equal(troupe_pipe_close(second), TROUPE_OK); /* held by nobody: stays open */
    assert_int_equal(troupe_pipe_send(second, &value, sizeof value, 0), TROUPE_OK);
    assert_int_equal(troupe_pipe_send(second, NULL, 0, 0), TROUPE_OK);
    assert_int_equal(troupe_pipe_close(second), TROUPE_OK);
    assert_int_equal(troupe_pipe_send(second, &value, sizeof value, 0), TROUPE_CLOSED);
    assert_int_equal(troupe_pipe_send(first, &value, sizeof value, 0), TROUPE_CLOSED);
    assert_int_equal(receive_int(first, &value, TROUPE_FOREVER), TROUPE_OK);
    assert_int_equal(receive_int(first, &value, TROUPE_FOREVER), TROUPE_OK);
    assert_int_equal(troupe_pipe_poll(first, TROUPE_FOREVER), TROUPE_OK);
    assert_int_equal(receive_int(first, &value, TROUPE_FOREVER), TROUPE_CLOSED);
    assert_int_equal(troupe_pipe_close(first), TROUPE_OK);
    assert_int_equal(troupe_pipe_hold(first), TROUPE_BAD_HANDLE);
    assert_int_equal(solo_linked(&solo), before);
}

struct echo {
    troupe_pipe end;
    long times;
};

static void *echo_all(void *argument)
{
    const struct echo *echo = argument;
    int value;

    while (receive_int(echo->end, &value, TROUPE_FOREVER) == TROUPE_OK && value >= 0)
        assert_int_equal(troupe_pipe_send(echo->end, &value, sizeof value, TROUPE_FOREVER),
                         TROUPE_OK);
    return NULL;
}

static void echo_comes_back(void **state)
{
    long times = test_count(3000, 200000);
    troupe_pipe first;
    struct echo echo;
    pthread_t thread;
    int value;

    (void)state;
    assert_int_equal(troupe_pipe_create(NULL, &first, &echo.end), TROUPE_OK);
    assert_int_equal(pthread_create(&thread, NULL, echo_all, &echo), 0);
    for (int i = 0; i < times; i++) {
        assert_int_equal(troupe_pipe_send(first, &i, sizeof i, TROUPE_FOREVER), TROUPE_OK);
        assert_int_equal(receive_int(first, &value, TROUPE_FOREVER), TROUPE_OK);
        assert_int_equal(value, i);
    }
    value = -1;
    assert_int_equal(troupe_pipe_send(first, &value, sizeof value, TROUPE_FOREVER), TROUPE_OK);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(troupe_pipe_destroy(first), TROUPE_OK);
}

static void pipes_leave_nothing(void **state)
{
    long times = test_count(500, 100000);
    uint64_t before;

    (void)state;
    solo_warm();
    for (long i = 0; i < times; i++) {
        troupe_pipe first, second;

        if (i == times / 2)
            before = solo_linked(&solo);
        assert_int_equal(troupe_pipe_create(NULL, &first, &second), TROUPE_OK);
        assert_int_equal(troupe_pipe_send(first, &i, sizeof i, 0), TROUPE_OK);
        assert_int_equal(troupe_pipe_hold(second), TROUPE_OK);
        assert_int_equal(troupe_pipe_close(first), TROUPE_OK);
        assert_int_equal(troupe_pipe_close(second), TROUPE_OK);
    }
    assert_int_equal(solo_linked(&solo), before);
}

/* ---- waiting ---------------------------------------------------------------------------- */

enum { QUEUES = 3 };

struct scene {
    troupe_queue queues[QUEUES];
    troupe_event event;
    troupe_pipe first, second;
    uint64_t items[QUEUES + 2];
    size_t count;
};

static void scene_make(struct scene *scene)
{
    scene->count = 0;
    for (int i = 0; i < QUEUES; i++) {
        assert_int_equal(troupe_queue_create(NULL, &scene->queues[i]), TROUPE_OK);
        scene->items[scene->count++] = scene->queues[i].id;
    }
    assert_int_equal(troupe_event_create(&scene->event), TROUPE_OK);
    assert_int_equal(troupe_pipe_create(NULL, &scene->first, &scene->second), TROUPE_OK);
    scene->items[scene->count++] = scene->event.id;
    scene->items[scene->count++] = scene->first.id;
}

static void scene_end(struct scene *scene)
{
    for (int i = 0; i < QUEUES; i++)
        assert_int_equal(troupe_queue_destroy(scene->queues[i]), TROUPE_OK);
    assert_int_equal(troupe_event_destroy(scene->event), TROUPE_OK);
    assert_int_equal(troupe_pipe_destroy(scene->first), TROUPE_OK);
}

static void wait_tells_which(void **state)
{
    struct scene scene;
    size_t index = 77;
    int value = 1;

    (void)state;
    scene_make(&scene);
    assert_int_equal(troupe_wait(scene.items, scene.count, TROUPE_NO_WAIT, &index), TROUPE_TIMEOUT);
    assert_int_equal(troupe_wait(scene.items, scene.count, SHORT_MS, &index), TROUPE_TIMEOUT);
    assert_int_equal(troupe_wait(scene.items, 0, SHORT_MS, &index), TROUPE_BAD_ARGUMENT);
    assert_int_equal(index, 77);
    assert_int_equal(troupe_pipe_send(scene.second, &value, sizeof value, 0), TROUPE_OK);
    assert_int_equal(troupe_wait(scene.items, scene.count, TROUPE_FOREVER, &index), TROUPE_OK);
    assert_int_equal(index, QUEUES + 1);
    assert_int_equal(troupe_event_set(scene.event), TROUPE_OK);
    assert_int_equal(troupe_wait(scene.items, scene.count, TROUPE_FOREVER, &index), TROUPE_OK);
    assert_int_equal(index, QUEUES);
    assert_int_equal(troupe_queue_close(scene.queues[1]), TROUPE_OK);
    assert_int_equal(troupe_wait(scene.items, scene.count, TROUPE_NO_WAIT, &index), TROUPE_OK);
    assert_int_equal(index, 1);
    assert_int_equal(troupe_wait(&scene.items[2], 1, SHORT_MS, &index), TROUPE_TIMEOUT);
    scene_end(&scene);
    assert_int_equal(troupe_wait(scene.items, scene.count, TROUPE_FOREVER, &index),
                     TROUPE_BAD_HANDLE);
    assert_int_equal(index, 0);
    assert_int_equal(troupe_wait(&scene.items[3], 1, TROUPE_FOREVER, &index), TROUPE_BAD_HANDLE);
}

/* The slots whose actors are at the queue's bell, asleep or about to be. */
static int sleepers(troupe_queue queue)
{
    struct bell *bell = queue_arrivals(solo.actor, queue.id);
    uint64_t place = arena_offset(&solo.actor->arena, bell);
    uint32_t high = atomic_load(&solo.actor->arena.header->slot_high);
    int found = 0;

    for (uint32_t number = SLOT_FIRST; number < high; number++)
        found += atomic_load(&slot_at(&solo.actor->arena, number)->bell) == place;
    return found;
}

struct takers {
    struct scene scene;
    _Atomic long taken;
    _Atomic int stop;
};

/* Whoever waits may find that another took it: then it waits again. */
static void *take_any(void *argument)
{
    struct takers *takers = argument;
    size_t index;

    while (troupe_wait(takers->scene.items, takers->scene.count, TROUPE_FOREVER, &index) ==
               TROUPE_OK &&
           index < QUEUES)
        if (troupe_queue_get(takers->scene.queues[index], NULL, 0, NULL, TROUPE_NO_WAIT) ==
            TROUPE_OK)
            atomic_fetch_add(&takers->taken, 1);
    return NULL;
}

/* Several threads wait for the same things: none is missed, and all see the event at last. */
static void takers_take_all(void **state)
{
    enum { TAKERS = 3 };
    long times = test_count(3000, 100000);
    static struct takers takers;
    pthread_t threads[TAKERS];
    uint64_t messages = 1;

    (void)state;
    scene_make(&takers.scene);
    for (int i = 0; i < TAKERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, take_any, &takers), 0);
    for (long i = 0; i < times; i++)
        assert_int_equal(troupe_queue_put(takers.scene.queues[i % QUEUES], NULL, 0, TROUPE_FOREVER),
                         TROUPE_OK);
    for (int i = 0; i < QUEUES; i++)
        while (troupe_queue_size(takers.scene.queues[i], &messages) == TROUPE_OK && messages > 0)
            ;
    assert_int_equal(troupe_event_set(takers.scene.event), TROUPE_OK);
    for (int i = 0; i < TAKERS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(takers.taken, times);
    scene_end(&takers.scene);
}

struct looker {
    troupe_queue queue;
    _Atomic int looks; /* 0: rest, 1: look once, 2: end */
    _Atomic long seen;
};

/* Looks whether something is there, and leaves it. */
static void *look_only(void *argument)
{
    struct looker *looker = argument;
    size_t index;

    while (atomic_load(&looker->looks) != 2) {
        if (atomic_exchange(&looker->looks, 0) != 1) {
            sched_yield();
            continue;
        }
        assert_int_equal(troupe_wait(&looker->queue.id, 1, TROUPE_FOREVER, &index), TROUPE_OK);
        atomic_fetch_add(&looker->seen, 1);
    }
    return NULL;
}

static void *take_one(void *argument)
{
    struct looker *looker = argument;

    return troupe_queue_get(looker->queue, NULL, 0, NULL, 20000) == TROUPE_OK ? looker : NULL;
}

/* Who was woken, looks and takes nothing hands the wake on: another one sleeps at the queue. */
static void looking_takes_no_wake(void **state)
{
    static struct looker looker;
    long times = test_count(200, 5000);
    pthread_t thread, taker;
    void *taken;

    (void)state;
    assert_int_equal(troupe_queue_create(NULL, &looker.queue), TROUPE_OK);
    assert_int_equal(pthread_create(&thread, NULL, look_only, &looker), 0);
    for (long i = 0; i < times; i++) {
        atomic_store(&looker.looks, 1);
        while (sleepers(looker.queue) < 1)
            sched_yield();
        assert_int_equal(pthread_create(&taker, NULL, take_one, &looker), 0);
        while (sleepers(looker.queue) < 2)
            sched_yield();
        assert_int_equal(troupe_queue_put(looker.queue, NULL, 0, 0), TROUPE_OK);
        assert_int_equal(pthread_join(taker, &taken), 0);
        assert_non_null(taken);
        while (atomic_load(&looker.seen) == i) { /* it came too late: something to see for it */
            assert_int_equal(troupe_queue_put(looker.queue, NULL, 0, 0), TROUPE_OK);
            while (atomic_load(&looker.seen) == i)
                sched_yield();
            assert_int_equal(troupe_queue_get(looker.queue, NULL, 0, NULL, 0), TROUPE_OK);
        }
    }
    atomic_store(&looker.looks, 2);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(troupe_queue_destroy(looker.queue), TROUPE_OK);
}

/* One put, one wait, in turn: each wake comes through the doorbell. */
static void *answer_each(void *argument)
{
    struct scene *scene = argument;
    size_t index;

    while (troupe_wait(scene->items, scene->count, TROUPE_FOREVER, &index) == TROUPE_OK &&
           index < QUEUES) {
        assert_int_equal(troupe_queue_get(scene->queues[index], NULL, 0, NULL, 0), TROUPE_OK);
        assert_int_equal(troupe_pipe_send(scene->first, &index, sizeof index, 0), TROUPE_OK);
    }
    return NULL;
}

static void each_wake_comes(void **state)
{
    long times = test_count(2000, 100000);
    struct scene scene;
    pthread_t thread;
    size_t index;

    (void)state;
    scene_make(&scene);
    assert_int_equal(pthread_create(&thread, NULL, answer_each, &scene), 0);
    for (long i = 0; i < times; i++) {
        assert_int_equal(troupe_queue_put(scene.queues[i % QUEUES], NULL, 0, 0), TROUPE_OK);
        assert_int_equal(
            troupe_pipe_receive(scene.second, &index, sizeof index, NULL, TROUPE_FOREVER),
            TROUPE_OK);
        assert_int_equal(index, i % QUEUES);
    }
    assert_int_equal(troupe_event_set(scene.event), TROUPE_OK);
    assert_int_equal(pthread_join(thread, NULL), 0);
    scene_end(&scene);
}

/* A waiter died that watched: its bells ring all, until nobody watches. */
static void dead_watcher_is_forgotten(void **state)
{
    struct scene scene;
    struct record *record;
    struct actor dead;

    (void)state;
    scene_make(&scene);
    assert_int_equal(actor_open(&solo.actor->arena, SLOT_NONE, &dead), TROUPE_OK);
    assert_int_equal(table_find(solo.actor, scene.event.id, OBJECT_EVENT, &record), TROUPE_OK);
    atomic_store(&dead.slot->watching, 1);
    bell_watch(&dead, &record->bell);
    assert_int_not_equal(atomic_load(&record->bell.watched), 0);
    slots_bury(&solo.actor->arena, dead.party);
    assert_int_equal(recover_all(solo.actor), 1);
    assert_int_not_equal(atomic_load(&record->bell.watched), 0);
    assert_int_equal(troupe_event_set(scene.event), TROUPE_OK);
    assert_int_equal((uint32_t)atomic_load(&record->bell.watched), 0);
    scene_end(&scene);
}

/* Counts that come back to what they were are told from those that stayed: a ringer that found
 * nobody watching must not clear those of one that has come again meanwhile. */
static void counts_that_come_again_differ(void **state)
{
    struct bell bell = { .word = 0 };
    uint64_t seen;

    (void)state;
    bell_watch(solo.actor, &bell);
    seen = atomic_load(&bell.watched);
    bell_unwatch(solo.actor, &bell);
    bell_watch(solo.actor, &bell);
    assert_int_equal((uint32_t)atomic_load(&bell.watched), (uint32_t)seen);
    assert_true(atomic_load(&bell.watched) != seen);
    bell_unwatch(solo.actor, &bell);
    assert_int_equal((uint32_t)atomic_load(&bell.watched), 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(pipe_talks_both_ways),
        cmocka_unit_test(one_way_is_one_way),
        cmocka_unit_test(closed_end_is_end_of_file),
        cmocka_unit_test(echo_comes_back),
        cmocka_unit_test(pipes_leave_nothing),
        cmocka_unit_test(wait_tells_which),
        cmocka_unit_test(takers_take_all),
        cmocka_unit_test(each_wake_comes),
        cmocka_unit_test(dead_watcher_is_forgotten),
        cmocka_unit_test(looking_takes_no_wake),
        cmocka_unit_test(counts_that_come_again_differ),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
