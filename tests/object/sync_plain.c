/* Locks, semaphores, events, conditions and barriers in one process: what each call answers, and
 * threads at them, also under ThreadSanitizer. Other processes and nodes: sync_ends.c. */
#include "solo.h"

#include "counts.h"
#include "object/sync.h"

#include <pthread.h>

#define ARENA_BYTES (16u << 20)
#define SHORT_MS 5L
enum { THREADS = 4 };

static struct solo solo;

static int begin(void **state)
{
    (void)state;
    solo_begin(&solo, ARENA_BYTES);
    sync_register();
    return 0;
}

static int end(void **state)
{
    (void)state;
    solo_end(&solo);
    return 0;
}

/* Runs body in THREADS threads with the argument, until all have ended. */
static void together(void *(*body)(void *), void *argument)
{
    pthread_t threads[THREADS];

    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, body, argument), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
}

static void *thread_do(pthread_t *thread, void *(*body)(void *), void *argument)
{
    assert_int_equal(pthread_create(thread, NULL, body, argument), 0);
    return NULL;
}

/* ---- locks ------------------------------------------------------------------------------ */

static void *release_elsewhere(void *argument)
{
    return (void *)(intptr_t)troupe_lock_release(*(troupe_lock *)argument);
}

static void *acquire_elsewhere(void *argument)
{
    return (void *)(intptr_t)troupe_lock_acquire(*(troupe_lock *)argument, TROUPE_NO_WAIT);
}

static int in_thread(void *(*body)(void *), void *argument)
{
    pthread_t thread;
    void *result;

    thread_do(&thread, body, argument);
    assert_int_equal(pthread_join(thread, &result), 0);
    return (int)(intptr_t)result;
}

static void lock_is_python_s(void **state)
{
    troupe_lock lock;

    (void)state;
    assert_int_equal(troupe_lock_create(NULL, &lock), TROUPE_OK);
    assert_int_equal(troupe_lock_release(lock), TROUPE_BAD_ARGUMENT);
    assert_int_equal(troupe_lock_acquire(lock, TROUPE_FOREVER), TROUPE_OK);
    assert_int_equal(troupe_lock_acquire(lock, TROUPE_NO_WAIT), TROUPE_TIMEOUT);
    assert_int_equal(troupe_lock_acquire(lock, SHORT_MS), TROUPE_TIMEOUT);
    assert_int_equal(in_thread(acquire_elsewhere, &lock), TROUPE_TIMEOUT);
    assert_int_equal(in_thread(release_elsewhere, &lock), TROUPE_OK);
    assert_int_equal(troupe_lock_acquire(lock, TROUPE_NO_WAIT), TROUPE_OK);
    assert_int_equal(troupe_lock_destroy(lock), TROUPE_OK);
    assert_int_equal(troupe_lock_acquire(lock, TROUPE_NO_WAIT), TROUPE_BAD_HANDLE);
    assert_int_equal(troupe_lock_destroy(lock), TROUPE_BAD_HANDLE);
}

static void recursive_lock_is_its_thread_s(void **state)
{
    troupe_lock_options options = { .recursive = 1 };
    troupe_lock lock;

    (void)state;
    assert_int_equal(troupe_lock_create(&options, &lock), TROUPE_OK);
    for (int i = 0; i < 3; i++)
        assert_int_equal(troupe_lock_acquire(lock, TROUPE_NO_WAIT), TROUPE_OK);
    assert_int_equal(in_thread(acquire_elsewhere, &lock), TROUPE_TIMEOUT);
    assert_int_equal(in_thread(release_elsewhere, &lock), TROUPE_BAD_ARGUMENT);
    for (int i = 0; i < 2; i++)
        assert_int_equal(troupe_lock_release(lock), TROUPE_OK);
    assert_int_equal(in_thread(acquire_elsewhere, &lock), TROUPE_TIMEOUT);
    assert_int_equal(troupe_lock_release(lock), TROUPE_OK);
    assert_int_equal(troupe_lock_release(lock), TROUPE_BAD_ARGUMENT);
    assert_int_equal(in_thread(acquire_elsewhere, &lock), TROUPE_OK);
    assert_int_equal(troupe_lock_acquire(lock, TROUPE_NO_WAIT), TROUPE_TIMEOUT);
    assert_int_equal(troupe_lock_destroy(lock), TROUPE_OK);
}

static struct {
    troupe_lock lock;
    uint64_t count; /* no atomic: the lock guards it, and TSan would tell */
} guarded;

static void *count_up(void *times)
{
    for (long i = 0; i < *(long *)times; i++) {
        assert_int_equal(troupe_lock_acquire(guarded.lock, TROUPE_FOREVER), TROUPE_OK);
        guarded.count++;
        assert_int_equal(troupe_lock_release(guarded.lock), TROUPE_OK);
    }
    return NULL;
}

static void lock_excludes(void **state)
{
    long times = test_count(20000, 1000000);

    (void)state;
    for (int recursive = 0; recursive < 2; recursive++) {
        troupe_lock_options options = { .recursive = recursive };

        guarded.count = 0;
        assert_int_equal(troupe_lock_create(&options, &guarded.lock), TROUPE_OK);
        together(count_up, &times);
        assert_int_equal(guarded.count, THREADS * times);
        assert_int_equal(troupe_lock_destroy(guarded.lock), TROUPE_OK);
    }
}

static void *wait_for_end(void *argument)
{
    return (void *)(intptr_t)troupe_lock_acquire(*(troupe_lock *)argument, TROUPE_FOREVER);
}

static void destroyed_lock_lets_go(void **state)
{
    troupe_lock lock;
    pthread_t thread;
    void *result;

    (void)state;
    assert_int_equal(troupe_lock_create(NULL, &lock), TROUPE_OK);
    assert_int_equal(troupe_lock_acquire(lock, TROUPE_NO_WAIT), TROUPE_OK);
    thread_do(&thread, wait_for_end, &lock);
    assert_int_equal(troupe_lock_destroy(lock), TROUPE_OK);
    assert_int_equal(pthread_join(thread, &result), 0);
    assert_int_equal((int)(intptr_t)result, TROUPE_BAD_HANDLE);
}

/* ---- semaphores ------------------------------------------------------------------------- */

static void semaphore_counts(void **state)
{
    troupe_semaphore_options bounded = { .bounded = 1 };
    troupe_semaphore semaphore;
    uint32_t value;

    (void)state;
    assert_int_equal(troupe_semaphore_create(2, &bounded, &semaphore), TROUPE_OK);
    assert_int_equal(troupe_semaphore_release(semaphore, 1), TROUPE_BAD_ARGUMENT);
    assert_int_equal(troupe_semaphore_acquire(semaphore, TROUPE_NO_WAIT), TROUPE_OK);
    assert_int_equal(troupe_semaphore_acquire(semaphore, TROUPE_FOREVER), TROUPE_OK);
    assert_int_equal(troupe_semaphore_acquire(semaphore, SHORT_MS), TROUPE_TIMEOUT);
    assert_int_equal(troupe_semaphore_release(semaphore, 3), TROUPE_BAD_ARGUMENT);
    assert_int_equal(troupe_semaphore_release(semaphore, 2), TROUPE_OK);
    assert_int_equal(troupe_semaphore_value(semaphore, &value), TROUPE_OK);
    assert_int_equal(value, 2);
    assert_int_equal(troupe_semaphore_destroy(semaphore), TROUPE_OK);
    assert_int_equal(troupe_semaphore_value(semaphore, &value), TROUPE_BAD_HANDLE);
    assert_int_equal(troupe_semaphore_create(0, NULL, &semaphore), TROUPE_OK);
    assert_int_equal(troupe_semaphore_release(semaphore, 7), TROUPE_OK);
    assert_int_equal(troupe_semaphore_value(semaphore, &value), TROUPE_OK);
    assert_int_equal(value, 7);
    assert_int_equal(troupe_semaphore_release(semaphore, TROUPE_SEMAPHORE_MOST),
                     TROUPE_BAD_ARGUMENT);
    assert_int_equal(troupe_semaphore_destroy(semaphore), TROUPE_OK);
    assert_int_equal(troupe_semaphore_create(TROUPE_SEMAPHORE_MOST + 1, NULL, &semaphore),
                     TROUPE_BAD_ARGUMENT);
}

struct pair {
    troupe_semaphore full, empty;
    long times;
    uint64_t cell; /* handed over by the semaphores */
};

static void *take_all(void *argument)
{
    struct pair *pair = argument;

    for (long i = 0; i < pair->times; i++) {
        assert_int_equal(troupe_semaphore_acquire(pair->full, TROUPE_FOREVER), TROUPE_OK);
        assert_int_equal(pair->cell, i);
        assert_int_equal(troupe_semaphore_release(pair->empty, 1), TROUPE_OK);
    }
    return NULL;
}

static void semaphores_hand_over(void **state)
{
    struct pair pair = { .times = test_count(3000, 100000) };
    pthread_t thread;

    (void)state;
    assert_int_equal(troupe_semaphore_create(0, NULL, &pair.full), TROUPE_OK);
    assert_int_equal(troupe_semaphore_create(1, NULL, &pair.empty), TROUPE_OK);
    thread_do(&thread, take_all, &pair);
    for (long i = 0; i < pair.times; i++) {
        assert_int_equal(troupe_semaphore_acquire(pair.empty, TROUPE_FOREVER), TROUPE_OK);
        pair.cell = (uint64_t)i;
        assert_int_equal(troupe_semaphore_release(pair.full, 1), TROUPE_OK);
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(troupe_semaphore_destroy(pair.full), TROUPE_OK);
    assert_int_equal(troupe_semaphore_destroy(pair.empty), TROUPE_OK);
}

static void *take_one(void *argument)
{
    return (void *)(intptr_t)troupe_semaphore_acquire(*(troupe_semaphore *)argument,
                                                      TROUPE_FOREVER);
}

/* One release of n lets n go that sleep. */
static void semaphore_wakes_as_many(void **state)
{
    troupe_semaphore semaphore;
    pthread_t threads[THREADS];
    void *result;
    uint32_t value;

    (void)state;
    assert_int_equal(troupe_semaphore_create(0, NULL, &semaphore), TROUPE_OK);
    for (int i = 0; i < THREADS; i++)
        thread_do(&threads[i], take_one, &semaphore);
    assert_int_equal(troupe_semaphore_release(semaphore, THREADS), TROUPE_OK);
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], &result), 0);
        assert_int_equal((int)(intptr_t)result, TROUPE_OK);
    }
    assert_int_equal(troupe_semaphore_value(semaphore, &value), TROUPE_OK);
    assert_int_equal(value, 0);
    assert_int_equal(troupe_semaphore_destroy(semaphore), TROUPE_OK);
}

/* ---- events ----------------------------------------------------------------------------- */

static void *wait_event(void *argument)
{
    return (void *)(intptr_t)troupe_event_wait(*(troupe_event *)argument, TROUPE_FOREVER);
}

static void event_lets_all_go(void **state)
{
    troupe_event event;
    pthread_t threads[THREADS];
    void *result;
    int is_set;

    (void)state;
    assert_int_equal(troupe_event_create(&event), TROUPE_OK);
    assert_int_equal(troupe_event_wait(event, TROUPE_NO_WAIT), TROUPE_TIMEOUT);
    assert_int_equal(troupe_event_wait(event, SHORT_MS), TROUPE_TIMEOUT);
    for (int i = 0; i < THREADS; i++)
        thread_do(&threads[i], wait_event, &event);
    assert_int_equal(troupe_event_set(event), TROUPE_OK);
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], &result), 0);
        assert_int_equal((int)(intptr_t)result, TROUPE_OK);
    }
    assert_int_equal(troupe_event_is_set(event, &is_set), TROUPE_OK);
    assert_int_equal(is_set, 1);
    assert_int_equal(troupe_event_wait(event, TROUPE_NO_WAIT), TROUPE_OK);
    assert_int_equal(troupe_event_clear(event), TROUPE_OK);
    assert_int_equal(troupe_event_is_set(event, &is_set), TROUPE_OK);
    assert_int_equal(is_set, 0);
    assert_int_equal(troupe_event_destroy(event), TROUPE_OK);
    assert_int_equal(troupe_event_set(event), TROUPE_BAD_HANDLE);
}

struct pulses {
    troupe_event event;
    troupe_semaphore ready;
    _Atomic int stop;
};

static void *wait_pulse(void *argument)
{
    struct pulses *pulses = argument;

    assert_int_equal(troupe_semaphore_release(pulses->ready, 1), TROUPE_OK);
    assert_int_equal(troupe_event_wait(pulses->event, TROUPE_FOREVER), TROUPE_OK);
    atomic_fetch_add(&pulses->stop, 1);
    return NULL;
}

/* Pulses come until the waiter has seen one; a wait that only looked at the flag could sleep
 * through each. */
static void event_pulse_is_seen(void **state)
{
    struct pulses pulses = { .stop = 0 };
    pthread_t thread;

    (void)state;
    assert_int_equal(troupe_event_create(&pulses.event), TROUPE_OK);
    assert_int_equal(troupe_semaphore_create(0, NULL, &pulses.ready), TROUPE_OK);
    thread_do(&thread, wait_pulse, &pulses);
    assert_int_equal(troupe_semaphore_acquire(pulses.ready, TROUPE_FOREVER), TROUPE_OK);
    while (atomic_load(&pulses.stop) == 0) {
        assert_int_equal(troupe_event_set(pulses.event), TROUPE_OK);
        assert_int_equal(troupe_event_clear(pulses.event), TROUPE_OK);
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(troupe_event_destroy(pulses.event), TROUPE_OK);
    assert_int_equal(troupe_semaphore_destroy(pulses.ready), TROUPE_OK);
}

/* ---- conditions ------------------------------------------------------------------------- */

static void condition_needs_its_lock(void **state)
{
    troupe_condition condition;

    (void)state;
    assert_int_equal(troupe_condition_create(NULL, &condition), TROUPE_OK);
    assert_int_equal(troupe_condition_wait(condition, TROUPE_NO_WAIT), TROUPE_BAD_ARGUMENT);
    assert_int_equal(troupe_condition_notify(condition, 1), TROUPE_BAD_ARGUMENT);
    assert_int_equal(troupe_condition_acquire(condition, TROUPE_FOREVER), TROUPE_OK);
    assert_int_equal(troupe_condition_acquire(condition, TROUPE_FOREVER), TROUPE_OK);
    assert_int_equal(troupe_condition_wait(condition, SHORT_MS), TROUPE_TIMEOUT);
    assert_int_equal(troupe_condition_notify_all(condition), TROUPE_OK);
    assert_int_equal(troupe_condition_wait(condition, TROUPE_NO_WAIT), TROUPE_TIMEOUT);
    assert_int_equal(troupe_condition_release(condition), TROUPE_OK);
    assert_int_equal(troupe_condition_release(condition), TROUPE_OK);
    assert_int_equal(troupe_condition_release(condition), TROUPE_BAD_ARGUMENT);
    assert_int_equal(troupe_condition_destroy(condition), TROUPE_OK);
    assert_int_equal(troupe_condition_acquire(condition, TROUPE_NO_WAIT), TROUPE_BAD_HANDLE);
}

struct cell {
    troupe_condition condition;
    long filled, taken, times; /* guarded by the condition's lock */
};

static void *drain_cell(void *argument)
{
    struct cell *cell = argument;
    bool more = true;

    while (more) {
        assert_int_equal(troupe_condition_acquire(cell->condition, TROUPE_FOREVER), TROUPE_OK);
        while (cell->filled == cell->taken && cell->taken < cell->times)
            assert_int_equal(troupe_condition_wait(cell->condition, TROUPE_FOREVER), TROUPE_OK);
        more = cell->taken < cell->times;
        cell->taken += more;
        if (cell->taken == cell->times)
            assert_int_equal(troupe_condition_notify_all(cell->condition), TROUPE_OK);
        assert_int_equal(troupe_condition_release(cell->condition), TROUPE_OK);
    }
    return NULL;
}

static void fill_cell(struct cell *cell)
{
    pthread_t threads[THREADS];

    for (int i = 0; i < THREADS; i++)
        thread_do(&threads[i], drain_cell, cell);
    for (long i = 0; i < cell->times; i++) {
        assert_int_equal(troupe_condition_acquire(cell->condition, TROUPE_FOREVER), TROUPE_OK);
        cell->filled++;
        assert_int_equal(troupe_condition_notify(cell->condition, 1), TROUPE_OK);
        assert_int_equal(troupe_condition_release(cell->condition), TROUPE_OK);
    }
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(cell->taken, cell->times);
}

/* With a lock of its own, and with one of either kind. */
static void condition_hands_over(void **state)
{
    struct cell cell = { .times = 0 };

    (void)state;
    for (int kind = 0; kind < 3; kind++) {
        troupe_lock_options options = { .recursive = kind == 1 };
        troupe_condition_options given = { .lock = { 0 } };

        cell = (struct cell){ .times = test_count(3000, 100000) };
        if (kind > 0)
            assert_int_equal(troupe_lock_create(&options, &given.lock), TROUPE_OK);
        assert_int_equal(troupe_condition_create(&given, &cell.condition), TROUPE_OK);
        fill_cell(&cell);
        assert_int_equal(troupe_condition_destroy(cell.condition), TROUPE_OK);
        if (kind > 0)
            assert_int_equal(troupe_lock_destroy(given.lock), TROUPE_OK);
    }
}

static void *wait_condition(void *argument)
{
    troupe_condition condition = *(troupe_condition *)argument;

    assert_int_equal(troupe_condition_acquire(condition, TROUPE_FOREVER), TROUPE_OK);
    return (void *)(intptr_t)troupe_condition_wait(condition, TROUPE_FOREVER);
}

static void destroyed_condition_lets_go(void **state)
{
    troupe_condition condition;
    pthread_t thread;
    void *result;
    uint64_t before = solo_linked(&solo);

    (void)state;
    assert_int_equal(troupe_condition_create(NULL, &condition), TROUPE_OK);
    thread_do(&thread, wait_condition, &condition);
    while (troupe_condition_acquire(condition, TROUPE_FOREVER) == TROUPE_OK &&
           solo_linked(&solo) == before)
        assert_int_equal(troupe_condition_release(condition), TROUPE_OK);
    assert_int_equal(troupe_condition_destroy(condition), TROUPE_OK);
    assert_int_equal(pthread_join(thread, &result), 0);
    assert_true((int)(intptr_t)result == TROUPE_BAD_HANDLE);
    assert_int_equal(solo_linked(&solo), before);
}

/* ---- barriers --------------------------------------------------------------------------- */

struct rounds {
    troupe_barrier barrier;
    long times;
    uint64_t cells[THREADS]; /* written before a round, read after it */
};

static void *go_rounds(void *argument)
{
    struct rounds *rounds = argument;
    uint32_t index;

    for (long i = 1; i <= rounds->times; i++) {
        assert_int_equal(troupe_barrier_wait(rounds->barrier, TROUPE_FOREVER, &index), TROUPE_OK);
        assert_in_range(index, 0, THREADS - 1);
        rounds->cells[index] = (uint64_t)i;
        assert_int_equal(troupe_barrier_wait(rounds->barrier, TROUPE_FOREVER, NULL), TROUPE_OK);
        for (int k = 0; k < THREADS; k++)
            assert_int_equal(rounds->cells[k], i);
    }
    return NULL;
}

static void barrier_keeps_rounds_apart(void **state)
{
    static struct rounds rounds;
    troupe_barrier_status status;

    (void)state;
    rounds.times = test_count(1000, 30000);
    assert_int_equal(troupe_barrier_create(0, &rounds.barrier), TROUPE_BAD_ARGUMENT);
    assert_int_equal(troupe_barrier_create(THREADS, &rounds.barrier), TROUPE_OK);
    together(go_rounds, &rounds);
    assert_int_equal(troupe_barrier_status_get(rounds.barrier, &status), TROUPE_OK);
    assert_int_equal(status.parties, THREADS);
    assert_int_equal(status.waiting, 0);
    assert_int_equal(status.broken, 0);
    assert_int_equal(troupe_barrier_destroy(rounds.barrier), TROUPE_OK);
}

static void *wait_barrier(void *argument)
{
    return (void *)(intptr_t)troupe_barrier_wait(*(troupe_barrier *)argument, TROUPE_FOREVER, NULL);
}

/* Waits until so many wait. */
static void barrier_await(troupe_barrier barrier, uint32_t waiting)
{
    troupe_barrier_status status;

    do
        assert_int_equal(troupe_barrier_status_get(barrier, &status), TROUPE_OK);
    while (status.waiting != waiting);
}

static void barrier_breaks(void **state)
{
    troupe_barrier barrier;
    pthread_t thread;
    void *result;

    (void)state;
    assert_int_equal(troupe_barrier_create(2, &barrier), TROUPE_OK);
    assert_int_equal(troupe_barrier_wait(barrier, SHORT_MS, NULL), TROUPE_TIMEOUT);
    assert_int_equal(troupe_barrier_wait(barrier, TROUPE_FOREVER, NULL), TROUPE_BROKEN);
    for (int reset = 0; reset < 2; reset++) {
        assert_int_equal(troupe_barrier_reset(barrier), TROUPE_OK);
        thread_do(&thread, wait_barrier, &barrier);
        barrier_await(barrier, 1);
        assert_int_equal(reset ? troupe_barrier_reset(barrier) : troupe_barrier_abort(barrier),
                         TROUPE_OK);
        assert_int_equal(pthread_join(thread, &result), 0);
        assert_int_equal((int)(intptr_t)result, TROUPE_BROKEN);
    }
    thread_do(&thread, wait_barrier, &barrier);
    barrier_await(barrier, 1);
    assert_int_equal(troupe_barrier_wait(barrier, TROUPE_NO_WAIT, NULL), TROUPE_OK);
    assert_int_equal(pthread_join(thread, &result), 0);
    assert_int_equal((int)(intptr_t)result, TROUPE_OK);
    thread_do(&thread, wait_barrier, &barrier);
    barrier_await(barrier, 1);
    assert_int_equal(troupe_barrier_destroy(barrier), TROUPE_OK);
    assert_int_equal(pthread_join(thread, &result), 0);
    assert_int_equal((int)(intptr_t)result, TROUPE_BAD_HANDLE);
}

/* ---- all -------------------------------------------------------------------------------- */

static void handles_of_other_kinds(void **state)
{
    troupe_event event;

    (void)state;
    assert_int_equal(troupe_event_create(&event), TROUPE_OK);
    assert_int_equal(troupe_lock_acquire((troupe_lock){ event.id }, 0), TROUPE_BAD_HANDLE);
    assert_int_equal(troupe_lock_destroy((troupe_lock){ event.id }), TROUPE_BAD_HANDLE);
    assert_int_equal(troupe_semaphore_acquire((troupe_semaphore){ event.id }, 0),
                     TROUPE_BAD_HANDLE);
    assert_int_equal(troupe_barrier_wait((troupe_barrier){ event.id }, 0, NULL), TROUPE_BAD_HANDLE);
    assert_int_equal(troupe_condition_acquire((troupe_condition){ event.id }, 0),
                     TROUPE_BAD_HANDLE);
    assert_int_equal(troupe_event_set((troupe_event){ 0 }), TROUPE_BAD_HANDLE);
    assert_int_equal(troupe_event_destroy(event), TROUPE_OK);
}

/* A second open finds the same object, until a destroy. */
static void names_lead_to_one(void **state)
{
    troupe_lock lock, same;
    troupe_semaphore semaphore;
    troupe_event event;
    troupe_condition condition;
    troupe_barrier barrier;

    (void)state;
    assert_int_equal(troupe_lock_open("one", NULL, &lock), TROUPE_OK);
    assert_int_equal(troupe_lock_open("one", NULL, &same), TROUPE_OK);
    assert_int_equal(lock.id, same.id);
    assert_int_equal(troupe_semaphore_open("one", 1, NULL, &semaphore), TROUPE_OK);
    assert_int_equal(troupe_event_open("one", &event), TROUPE_OK);
    assert_int_equal(troupe_condition_open("one", &condition), TROUPE_OK);
    assert_int_equal(troupe_barrier_open("one", 2, &barrier), TROUPE_OK);
    assert_int_equal(troupe_barrier_open("two", 0, &barrier), TROUPE_BAD_ARGUMENT);
    assert_int_equal(troupe_lock_destroy(lock), TROUPE_OK);
    assert_int_equal(troupe_lock_open("one", NULL, &lock), TROUPE_OK);
    assert_int_not_equal(lock.id, same.id);
    assert_int_equal(troupe_lock_destroy(lock), TROUPE_OK);
    assert_int_equal(troupe_semaphore_destroy(semaphore), TROUPE_OK);
    assert_int_equal(troupe_event_destroy(event), TROUPE_OK);
    assert_int_equal(troupe_condition_destroy(condition), TROUPE_OK);
    assert_int_equal(troupe_barrier_destroy(barrier), TROUPE_OK);
}

static void cycles_leave_nothing(void **state)
{
    long times = test_count(1000, 100000);
    uint64_t before;

    (void)state;
    solo_warm();
    before = solo_linked(&solo);
    for (long i = 0; i < times; i++) {
        troupe_lock lock;
        troupe_semaphore semaphore;
        troupe_event event;
        troupe_condition condition;
        troupe_barrier barrier;

        assert_int_equal(troupe_lock_create(NULL, &lock), TROUPE_OK);
        assert_int_equal(troupe_semaphore_create(1, NULL, &semaphore), TROUPE_OK);
        assert_int_equal(troupe_event_create(&event), TROUPE_OK);
        assert_int_equal(troupe_condition_create(NULL, &condition), TROUPE_OK);
        assert_int_equal(troupe_barrier_create(3, &barrier), TROUPE_OK);
        assert_int_equal(troupe_lock_destroy(lock), TROUPE_OK);
        assert_int_equal(troupe_semaphore_destroy(semaphore), TROUPE_OK);
        assert_int_equal(troupe_event_destroy(event), TROUPE_OK);
        assert_int_equal(troupe_condition_destroy(condition), TROUPE_OK);
        assert_int_equal(troupe_barrier_destroy(barrier), TROUPE_OK);
    }
    assert_int_equal(solo_linked(&solo), before);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(lock_is_python_s),
        cmocka_unit_test(recursive_lock_is_its_thread_s),
        cmocka_unit_test(lock_excludes),
        cmocka_unit_test(destroyed_lock_lets_go),
        cmocka_unit_test(semaphore_counts),
        cmocka_unit_test(semaphores_hand_over),
        cmocka_unit_test(semaphore_wakes_as_many),
        cmocka_unit_test(event_lets_all_go),
        cmocka_unit_test(event_pulse_is_seen),
        cmocka_unit_test(condition_needs_its_lock),
        cmocka_unit_test(condition_hands_over),
        cmocka_unit_test(destroyed_condition_lets_go),
        cmocka_unit_test(barrier_keeps_rounds_apart),
        cmocka_unit_test(barrier_breaks),
        cmocka_unit_test(handles_of_other_kinds),
        cmocka_unit_test(names_lead_to_one),
        cmocka_unit_test(cycles_leave_nothing),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
