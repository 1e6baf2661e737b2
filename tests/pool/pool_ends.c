/* How pools end: terminated in the middle of tasks that do not end by themselves, and forgotten
 * with such tasks until the world ends; and pools by fork, whose workers see what their maker
 * had. */
#include "world/harness.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define WATCH_S 100

static troupe_queue ready; /* tasks say that they are in */
static int global = 1;

static troupe_pool pool_by(int method, int workers)
{
    const troupe_pool_options options = { .workers = workers, .method = method, .with_threads = 1 };
    troupe_pool pool = { 0 };

    assert_int_equal(troupe_pool_create(&options, &pool), TROUPE_OK);
    return pool;
}

/* ---- tasks -------------------------------------------------------------------------------- */

static int say_ready(const void *input)
{
    troupe_queue queue;
    int value = 1;

    memcpy(&queue, input, sizeof queue);
    return troupe_queue_put(queue, &value, sizeof value, TROUPE_FOREVER);
}

static int hang(const void *input, size_t input_bytes, void *output, size_t output_bytes)
{
    (void)input_bytes, (void)output, (void)output_bytes;
    say_ready(input);
    while (global != 0)
        pause();
    return 0;
}

static int hang_deaf(const void *input, size_t input_bytes, void *output, size_t output_bytes)
{
    signal(SIGTERM, SIG_IGN);
    return hang(input, input_bytes, output, output_bytes);
}

/* Waits for what never comes, in Troupe. */
static int wait_in_vain(const void *input, size_t input_bytes, void *output, size_t output_bytes)
{
    troupe_queue never;

    (void)input_bytes, (void)output, (void)output_bytes;
    if (troupe_queue_create(NULL, &never) != TROUPE_OK)
        return 1;
    say_ready(input);
    while (troupe_queue_get(never, NULL, 0, NULL, TROUPE_FOREVER) != TROUPE_CANCELLED)
        ;
    return troupe_queue_destroy(never) == TROUPE_OK ? 0 : 2;
}

static int see_global(const void *input, size_t input_bytes, void *output, size_t output_bytes)
{
    (void)input, (void)input_bytes, (void)output_bytes;
    memcpy(output, &global, sizeof global);
    global++;
    return 0;
}

static int die_once(const void *input, size_t input_bytes, void *output, size_t output_bytes)
{
    if (troupe_task_attempt() == 1)
        raise(SIGKILL);
    return see_global(input, input_bytes, output, output_bytes);
}

/* ---- terminate ---------------------------------------------------------------------------- */

/* All workers are in a task, more wait; terminated, the pool ends and says so. */
static void terminated_ends(int method, troupe_task task)
{
    enum { WORKERS = 2, TASKS = 5 };
    troupe_queue inputs[TASKS];
    troupe_pool pool = pool_by(method, WORKERS);
    troupe_task_status status;
    troupe_result result;

    for (int i = 0; i < TASKS; i++)
        inputs[i] = ready;
    assert_int_equal(
        troupe_pool_map_async(pool, task, inputs, sizeof *inputs, TASKS, 0, NULL, &result),
        TROUPE_OK);
    for (int i = 0; i < WORKERS; i++)
        harness_get_int(ready);
    assert_int_equal(troupe_pool_terminate(pool), TROUPE_OK);
    assert_int_equal(troupe_pool_join(pool, HARNESS_LIMIT_MS), TROUPE_OK);
    assert_int_equal(troupe_result_get(result, NULL, 0, HARNESS_LIMIT_MS), TROUPE_CLOSED);
    assert_int_equal(troupe_result_task(result, TASKS - 1, &status), TROUPE_OK);
    assert_int_equal(status.state, TROUPE_TASK_DROPPED);
    assert_int_equal(status.attempts, 0);
    assert_int_equal(troupe_pool_destroy(pool), TROUPE_OK);
}

static void terminate_ends_tasks(void **state)
{
    (void)state;
    terminated_ends(TROUPE_METHOD_SPAWN, hang);
    terminated_ends(TROUPE_METHOD_FORK, hang);
    terminated_ends(TROUPE_METHOD_RANK, wait_in_vain); /* the ranks live on */
    terminated_ends(TROUPE_METHOD_RANK, wait_in_vain);
}

static void join_kills_the_deaf(void **state)
{
    (void)state;
    terminated_ends(TROUPE_METHOD_SPAWN, hang_deaf);
}

/* Workers that are in no task leave in order: what they registered for their exit is done. */
static char witness[] = "/tmp/pool-XXXXXX";

static void tell_at_exit(void)
{
    FILE *file = fopen(witness, "w");

    if (file == NULL)
        return;
    fputs("left", file);
    fclose(file);
}

static int arrange_to_tell(const void *argument, size_t bytes)
{
    memcpy(witness, argument, bytes);
    return atexit(tell_at_exit);
}

static void idle_workers_leave_in_order(void **state)
{
    int descriptor = mkstemp(witness), output = 0;
    const troupe_pool_options options = { .workers = 1,
                                          .method = TROUPE_METHOD_SPAWN,
                                          .initializer = arrange_to_tell,
                                          .argument = witness,
                                          .argument_bytes = sizeof witness };
    troupe_pool pool = { 0 };
    char text[8] = "";

    (void)state;
    assert_true(descriptor >= 0);
    assert_int_equal(troupe_pool_create(&options, &pool), TROUPE_OK);
    assert_int_equal(troupe_pool_apply(pool, see_global, NULL, 0, &output, sizeof output),
                     TROUPE_OK);
    assert_int_equal(troupe_pool_terminate(pool), TROUPE_OK);
    assert_int_equal(troupe_pool_join(pool, HARNESS_LIMIT_MS), TROUPE_OK);
    assert_int_equal(pread(descriptor, text, sizeof text - 1, 0), 4);
    assert_string_equal(text, "left");
    assert_int_equal(troupe_pool_destroy(pool), TROUPE_OK);
    unlink(witness);
    close(descriptor);
}

/* ---- fork --------------------------------------------------------------------------------- */

static void fork_sees_the_maker(void **state)
{
    enum { N = 50 };
    int outputs[N] = { 0 }, sum = 0;
    troupe_pool pool;

    (void)state;
    global = 1000;
    pool = pool_by(TROUPE_METHOD_FORK, 2);
    assert_int_equal(troupe_pool_map(pool, see_global, NULL, 0, N, outputs, sizeof *outputs),
                     TROUPE_OK);
    for (int i = 0; i < N; i++) {
        assert_in_range(outputs[i], 1000, 1000 + N - 1);
        sum += outputs[i];
    }
    assert_true(sum >= 2 * (N / 2 * 1000 + N / 2 * (N / 2 - 1) / 2)); /* by two at most */
    assert_int_equal(global, 1000);
    assert_int_equal(troupe_pool_close(pool), TROUPE_OK);
    assert_int_equal(troupe_pool_join(pool, HARNESS_LIMIT_MS), TROUPE_OK);
    assert_int_equal(troupe_pool_destroy(pool), TROUPE_OK);
}

static void fork_is_replaced(void **state)
{
    const troupe_pool_options options = {
        .workers = 1, .method = TROUPE_METHOD_FORK, .with_threads = 1, .max_tasks = 2
    };
    int outputs[5] = { 0 };
    troupe_pool pool = { 0 };

    (void)state;
    global = 10;
    assert_int_equal(troupe_pool_create(&options, &pool), TROUPE_OK);
    assert_int_equal(troupe_pool_map(pool, die_once, NULL, 0, 5, outputs, sizeof *outputs),
                     TROUPE_OK);
    for (int i = 0; i < 5; i++)
        assert_in_range(outputs[i], 10, 15);
    assert_int_equal(troupe_pool_destroy(pool), TROUPE_OK);
}

/* ---- the world's end ---------------------------------------------------------------------- */

/* Last: the world ends all the same. The deaf one on a rank takes that along. */
static void forgotten(void **state)
{
    troupe_result result;

    (void)state;
    troupe_pool_apply_async(pool_by(TROUPE_METHOD_SPAWN, 1), hang_deaf, &ready, sizeof ready, 0,
                            &result);
    troupe_pool_apply_async(pool_by(TROUPE_METHOD_RANK, 1), hang_deaf, &ready, sizeof ready, 0,
                            &result);
    harness_get_int(ready);
    harness_get_int(ready);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(terminate_ends_tasks),
        cmocka_unit_test(join_kills_the_deaf),
        cmocka_unit_test(idle_workers_leave_in_order),
        cmocka_unit_test(fork_sees_the_maker),
        cmocka_unit_test(fork_is_replaced),
        cmocka_unit_test(forgotten),
    };

    if (troupe_init(&argc, &argv) != TROUPE_OK)
        return 1;
    harness_watch(WATCH_S);
    ready = harness_queue();
    return troupe_finalize(cmocka_run_group_tests(tests, NULL, NULL));
}
