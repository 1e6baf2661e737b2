/* Workers as threads of one process, over a private mapping: what they do without locks, for
 * ThreadSanitizer, and against a reference. Every task runs once, whoever takes it from whom. */
#include "counts.h"
#include "object/solo.h"

#include "core/futex.h"
#include "core/lock.h"
#include "core/recover.h"
#include "core/root.h"
#include "pool/worker.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#define ARENA_BYTES (32u << 20)
#define WORKERS 4
#define TASKS_MOST 3000

static struct solo solo;
static uint64_t handle;
static _Atomic unsigned runs[TASKS_MOST];
static _Atomic bool leaving;

static int count_run(const void *input, size_t input_bytes, void *output, size_t output_bytes)
{
    uint64_t value;

    (void)output_bytes;
    memcpy(&value, input, input_bytes);
    atomic_fetch_add(&runs[value], 1);
    value = value * value + 1;
    memcpy(output, &value, sizeof value);
    return 0;
}

static struct record *pool_record(struct actor *actor)
{
    struct record *record = NULL;

    assert_int_equal(table_find(actor, handle, OBJECT_POOL, &record), TROUPE_OK);
    return record;
}

/* What a worker's process does, but for its waiting: it asks again. */
static void *worker_life(void *unused)
{
    struct actor own;
    struct worker worker = { .actor = &own, .handle = handle };

    assert_int_equal(actor_open(&solo.actor->arena, (uint32_t)getpid(), &own), TROUPE_OK);
    worker.record = pool_record(&own);
    worker.pool = pool_of(worker.record);
    lock_take(&own, &worker.record->lock);
    worker.seat = seat_take(&own, worker.record);
    lock_give(&own, &worker.record->lock);
    while (!atomic_load(&leaving))
        if (worker_next(&worker))
            worker_run(&worker);
        else
            futex_spin_pause();
    worker_stand_up(&worker);
    actor_close(&own);
    return unused;
}

static int done_look(struct actor *actor, void *context)
{
    (void)actor;
    return atomic_load(&job_of(context)->state) == JOB_DONE;
}

/* Waits for a map and compares it with what it should be. */
static void map_check(uint64_t job_handle, uint64_t n)
{
    struct record *record;
    const uint64_t *outputs;

    assert_int_equal(table_find(solo.actor, job_handle, OBJECT_JOB, &record), TROUPE_OK);
    assert_int_equal(bell_await(solo.actor, &record->bell, UINT64_MAX, 0, done_look, record), 1);
    outputs = arena_at(&solo.actor->arena, job_of(record)->outputs);
    for (uint64_t i = 0; i < n; i++) {
        assert_int_equal(state_outcome(job_states(&solo.actor->arena, job_of(record))[i]),
                         OUTCOME_DONE);
        assert_int_equal(outputs[i], i * i + 1);
    }
    assert_int_equal(troupe_result_close((troupe_result){ job_handle }), TROUPE_OK);
}

/* Two maps at a time of a random size, so that workers change between them. */
static void round_once(uint64_t *seed)
{
    uint64_t inputs[TASKS_MOST], jobs[2];
    struct job_order order = { .inputs = inputs, .input_bytes = sizeof *inputs };

    for (uint64_t i = 0; i < TASKS_MOST; i++) {
        inputs[i] = i;
        atomic_store(&runs[i], 0);
    }
    order.output_bytes = sizeof *inputs;
    order.n = 1 + solo_random(seed) % TASKS_MOST;
    order.chunk = 1 + solo_random(seed) % 5;
    assert_int_equal(target_name((troupe_target)(void (*)(void))count_run, &order.function),
                     TROUPE_OK);
    for (int i = 0; i < 2; i++)
        assert_int_equal(job_submit(solo.actor, handle, &order, &jobs[i]), TROUPE_OK);
    for (int i = 0; i < 2; i++)
        map_check(jobs[i], order.n);
    for (uint64_t i = 0; i < order.n; i++)
        assert_int_equal(atomic_load(&runs[i]), 2);
}

static void each_task_runs_once(void **state)
{
    pthread_t threads[WORKERS];
    struct pool made;
    uint64_t seed = 88172645463325252u, before = solo_linked(&solo);

    (void)state;
    memset(&made, 0, sizeof made);
    made.workers = WORKERS;
    made.seat_count = WORKERS;
    made.tries = 3;
    assert_int_equal(pool_make(solo.actor, &made, NULL, 0, &handle), TROUPE_OK);
    resume_end(solo.actor);
    for (int i = 0; i < WORKERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, worker_life, NULL), 0);
    for (long i = test_count(20, 2000); i > 0; i--)
        round_once(&seed);
    atomic_store(&leaving, true);
    for (int i = 0; i < WORKERS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(pool_destroy(solo.actor, handle), TROUPE_OK);
    assert_true(solo_linked(&solo) <= before + RECORD_BYTES * 64);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(each_task_runs_once) };
    int failed;

    solo_begin(&solo, ARENA_BYTES);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    solo_end(&solo);
    return failed;
}
