/* Pools in a running world of one node: maps in order, errors, results one by one, the end. */
#include "world/harness.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define WATCH_S 100

static troupe_pool pool_of_two(void)
{
    const troupe_pool_options options = { .workers = 2 };
    troupe_pool pool = { 0 };

    assert_int_equal(troupe_pool_create(&options, &pool), TROUPE_OK);
    return pool;
}

static void pool_end(troupe_pool pool)
{
    assert_int_equal(troupe_pool_close(pool), TROUPE_OK);
    assert_int_equal(troupe_pool_join(pool, HARNESS_LIMIT_MS), TROUPE_OK);
    assert_int_equal(troupe_pool_destroy(pool), TROUPE_OK);
}

/* ---- tasks --------------------------------------------------------------------------------- */

static int square(const void *input, size_t input_bytes, void *output, size_t output_bytes)
{
    long value;

    if (input_bytes != sizeof value || output_bytes != sizeof value)
        return 1;
    memcpy(&value, input, sizeof value);
    value *= value;
    memcpy(output, &value, sizeof value);
    return 0;
}

static int index_of_task(const void *input, size_t input_bytes, void *output, size_t output_bytes)
{
    uint64_t index = troupe_task_index();

    (void)input, (void)input_bytes, (void)output_bytes;
    memcpy(output, &index, sizeof index);
    return troupe_task_attempt() == 1 ? 0 : 1;
}

/* Fails for every third input, with its sentence for every sixth. */
static int third_fails(const void *input, size_t input_bytes, void *output, size_t output_bytes)
{
    int value;

    (void)input_bytes, (void)output_bytes;
    memcpy(&value, input, sizeof value);
    memcpy(output, &value, sizeof value);
    if (value % 6 == 3)
        return troupe_task_fail(7, "the value %d is odd", value);
    return value % 3 == 0 ? 5 : 0;
}

static int waits_for_own_pool(const void *input, size_t input_bytes, void *output,
                              size_t output_bytes)
{
    troupe_pool pool;
    long value = 2;
    int result;

    (void)input_bytes, (void)output_bytes;
    memcpy(&pool, input, sizeof pool);
    result = troupe_pool_apply(pool, square, &value, sizeof value, &value, sizeof value);
    memcpy(output, &result, sizeof result);
    return 0;
}

static int makes_a_pool(const void *input, size_t input_bytes, void *output, size_t output_bytes)
{
    const troupe_pool_options options = { .workers = 1 };
    troupe_pool pool;
    int result = troupe_pool_create(&options, &pool);

    if (result == TROUPE_OK)
        result = troupe_pool_apply(pool, square, input, input_bytes, output, output_bytes);
    return result == TROUPE_OK ? troupe_pool_destroy(pool) : result;
}

/* A target that leaves its pool, in mid-run, to whoever cleans up. */
static int forgets_a_pool(const void *argument, size_t bytes)
{
    const troupe_pool_options options = { .workers = 1 };
    troupe_pool pool;
    troupe_result result;

    (void)bytes;
    if (troupe_pool_create(&options, &pool) != TROUPE_OK)
        return 1;
    return troupe_pool_map_async(pool, index_of_task, argument, 0, 10, sizeof(uint64_t), NULL,
                                 &result) == TROUPE_OK
               ? 0
               : 1;
}

/* Waits until the queue in its input has a message. */
static int waits_for_word(const void *input, size_t input_bytes, void *output, size_t output_bytes)
{
    troupe_queue queue;

    (void)input_bytes;
    memcpy(&queue, input, sizeof queue);
    return troupe_queue_get(queue, output, output_bytes, NULL, HARNESS_LIMIT_MS);
}

/* ---- maps ---------------------------------------------------------------------------------- */

static void maps_in_order(void **state)
{
    enum { MOST = 5000 };
    static const size_t sizes[] = { 0, 1, 2, 3, 31, 1000, MOST };
    static long inputs[MOST], outputs[MOST];
    troupe_pool pool = pool_of_two();

    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        for (size_t j = 0; j < sizes[i]; j++) {
            inputs[j] = (long)(j + i);
            outputs[j] = -1;
        }
        assert_int_equal(troupe_pool_map(pool, square, inputs, sizeof *inputs, sizes[i], outputs,
                                         sizeof *outputs),
                         TROUPE_OK);
        for (size_t j = 0; j < sizes[i]; j++)
            assert_int_equal(outputs[j], inputs[j] * inputs[j]);
    }
    pool_end(pool);
}

static void maps_by_index(void **state)
{
    enum { N = 777 };
    static uint64_t outputs[N];
    static const size_t chunks[] = { 1, 7, 1000 };
    troupe_pool pool = pool_of_two();

    (void)state;
    for (size_t c = 0; c < sizeof chunks / sizeof *chunks; c++) {
        const troupe_map_options options = { .chunksize = chunks[c] };
        troupe_result result;

        memset(outputs, 0xff, sizeof outputs);
        assert_int_equal(troupe_pool_map_async(pool, index_of_task, NULL, 0, N, sizeof *outputs,
                                               &options, &result),
                         TROUPE_OK);
        assert_int_equal(troupe_result_get(result, outputs, sizeof outputs, HARNESS_LIMIT_MS),
                         TROUPE_OK);
        for (uint64_t i = 0; i < N; i++)
            assert_int_equal(outputs[i], i);
        assert_int_equal(troupe_result_close(result), TROUPE_OK);
        assert_int_equal(troupe_result_close(result), TROUPE_BAD_HANDLE);
    }
    pool_end(pool);
}

static void failures_in_order(void **state)
{
    enum { N = 20 };
    int inputs[N], outputs[N];
    troupe_pool pool = pool_of_two();
    troupe_task_status status;
    troupe_result result;

    (void)state;
    for (int i = 0; i < N; i++) {
        inputs[i] = i + 1;
        outputs[i] = -1;
    }
    assert_int_equal(
        troupe_pool_map(pool, third_fails, inputs, sizeof *inputs, N, outputs, sizeof *outputs),
        TROUPE_FAILED);
    assert_string_equal(troupe_last_error(), "the value 3 is odd");
    for (int i = 0; i < N; i++)
        assert_int_equal(outputs[i], (i + 1) % 3 == 0 ? -1 : i + 1);
    assert_int_equal(troupe_pool_map_async(pool, third_fails, inputs, sizeof *inputs, N,
                                           sizeof *outputs, NULL, &result),
                     TROUPE_OK);
    assert_int_equal(troupe_result_wait(result, HARNESS_LIMIT_MS), TROUPE_OK);
    assert_int_equal(troupe_result_task(result, 5, &status), TROUPE_OK);
    assert_int_equal(status.state, TROUPE_TASK_FAILED);
    assert_int_equal(status.code, 5);
    assert_int_equal(status.attempts, 1);
    assert_string_equal(status.reason, "task 5 returned 5");
    assert_int_equal(troupe_result_task(result, 6, &status), TROUPE_OK);
    assert_int_equal(status.state, TROUPE_TASK_DONE);
    assert_int_equal(troupe_result_task(result, N, &status), TROUPE_BAD_ARGUMENT);
    assert_int_equal(troupe_result_get(result, outputs, 1, TROUPE_NO_WAIT), TROUPE_TOO_LONG);
    troupe_result_close(result);
    pool_end(pool);
}

static void stops_at_failure(void **state)
{
    enum { N = 100000 };
    static int inputs[N];
    const troupe_map_options options = { .stop_at_failure = 1 };
    troupe_pool pool = pool_of_two();
    troupe_task_status status;
    troupe_result result;
    int dropped = 0, three = 3;

    (void)state;
    for (int i = 0; i < N; i++)
        inputs[i] = 3;
    assert_int_equal(troupe_pool_map_async(pool, third_fails, inputs, sizeof *inputs, N,
                                           sizeof *inputs, &options, &result),
                     TROUPE_OK);
    assert_int_equal(troupe_result_get(result, inputs, sizeof inputs, HARNESS_LIMIT_MS),
                     TROUPE_FAILED);
    for (int i = 0; i < N; i++) {
        assert_int_equal(troupe_result_task(result, (uint64_t)i, &status), TROUPE_OK);
        dropped += status.state == TROUPE_TASK_DROPPED;
    }
    assert_true(dropped >= N - 2);
    troupe_result_close(result);
    assert_int_equal(
        troupe_pool_apply(pool, third_fails, &three, sizeof three, &three, sizeof three),
        TROUPE_FAILED);
    pool_end(pool);
}

/* ---- without waiting ----------------------------------------------------------------------- */

static void applies(void **state)
{
    enum { N = 200 };
    troupe_pool pool = pool_of_two();
    troupe_result results[N];
    long value;

    (void)state;
    for (long i = 0; i < N; i++)
        assert_int_equal(troupe_pool_apply_async(pool, square, &i, sizeof i, sizeof i, &results[i]),
                         TROUPE_OK);
    for (long i = N - 1; i >= 0; i--) {
        assert_int_equal(troupe_result_get(results[i], &value, sizeof value, HARNESS_LIMIT_MS),
                         TROUPE_OK);
        assert_int_equal(value, i * i);
        troupe_result_close(results[i]);
    }
    for (long i = 0; i < N; i++) {
        assert_int_equal(troupe_pool_apply(pool, square, &i, sizeof i, &value, sizeof value),
                         TROUPE_OK);
        assert_int_equal(value, i * i);
    }
    pool_end(pool);
}

static void results_one_by_one(void **state)
{
    enum { N = 300 };
    long inputs[N], value;
    bool seen[N] = { false };
    troupe_pool pool = pool_of_two();
    troupe_result result;
    uint64_t index;

    (void)state;
    for (long i = 0; i < N; i++)
        inputs[i] = i;
    assert_int_equal(
        troupe_pool_imap(pool, square, inputs, sizeof *inputs, N, sizeof value, NULL, &result),
        TROUPE_OK);
    for (long i = 0; i < N; i++) {
        assert_int_equal(troupe_result_next(result, &index, &value, sizeof value, HARNESS_LIMIT_MS),
                         TROUPE_OK);
        assert_int_equal(index, i);
        assert_int_equal(value, i * i);
    }
    assert_int_equal(troupe_result_next(result, &index, &value, sizeof value, HARNESS_LIMIT_MS),
                     TROUPE_CLOSED);
    troupe_result_close(result);
    assert_int_equal(troupe_pool_imap_unordered(pool, square, inputs, sizeof *inputs, N,
                                                sizeof value, NULL, &result),
                     TROUPE_OK);
    for (long i = 0; i < N; i++) {
        assert_int_equal(troupe_result_next(result, &index, &value, sizeof value, HARNESS_LIMIT_MS),
                         TROUPE_OK);
        assert_int_equal(value, (long)(index * index));
        assert_false(seen[index]);
        seen[index] = true;
    }
    assert_int_equal(troupe_result_next(result, &index, &value, sizeof value, HARNESS_LIMIT_MS),
                     TROUPE_CLOSED);
    troupe_result_close(result);
    pool_end(pool);
}

static void unordered_passes_a_slow_one(void **state)
{
    troupe_pool pool = pool_of_two();
    troupe_queue queues[2] = { harness_queue(), harness_queue() };
    troupe_result result;
    uint64_t index = 9;
    int value = 0;

    (void)state;
    assert_int_equal(troupe_pool_imap_unordered(pool, waits_for_word, queues, sizeof *queues, 2,
                                                sizeof value, NULL, &result),
                     TROUPE_OK);
    assert_int_equal(troupe_result_next(result, &index, &value, sizeof value, 20), TROUPE_TIMEOUT);
    harness_put_int(queues[1], 11);
    assert_int_equal(troupe_result_next(result, &index, &value, sizeof value, HARNESS_LIMIT_MS),
                     TROUPE_OK);
    assert_int_equal(index, 1);
    assert_int_equal(value, 11);
    harness_put_int(queues[0], 10);
    assert_int_equal(troupe_result_next(result, &index, &value, sizeof value, HARNESS_LIMIT_MS),
                     TROUPE_OK);
    assert_int_equal(index, 0);
    troupe_result_close(result);
    pool_end(pool);
}

struct heard {
    uint64_t ended, tasks;
    int ends;
};

static void hear_progress(uint64_t ended, uint64_t tasks, void *context)
{
    struct heard *heard = context;

    assert_true(ended >= heard->ended);
    heard->ended = ended;
    heard->tasks = tasks;
}

static void hear_end(troupe_result result, void *context)
{
    int ready = 0;

    assert_int_equal(troupe_result_ready(result, &ready), TROUPE_OK);
    assert_int_equal(ready, 1);
    ((struct heard *)context)->ends++;
}

static void timeouts_and_callbacks(void **state)
{
    struct heard heard = { 0, 0, 0 };
    const troupe_map_options options = { .progress = hear_progress,
                                         .ended = hear_end,
                                         .context = &heard };
    troupe_pool pool = pool_of_two();
    troupe_queue queue = harness_queue();
    troupe_result result;
    int value, ready = 1;

    (void)state;
    assert_int_equal(troupe_pool_map_async(pool, waits_for_word, &queue, sizeof queue, 1,
                                           sizeof value, &options, &result),
                     TROUPE_OK);
    assert_int_equal(troupe_result_ready(result, &ready), TROUPE_OK);
    assert_int_equal(ready, 0);
    assert_int_equal(troupe_result_wait(result, TROUPE_NO_WAIT), TROUPE_TIMEOUT);
    assert_int_equal(troupe_result_get(result, &value, sizeof value, 120), TROUPE_TIMEOUT);
    assert_int_equal(heard.ends, 0);
    harness_put_int(queue, 5);
    assert_int_equal(troupe_result_get(result, &value, sizeof value, HARNESS_LIMIT_MS), TROUPE_OK);
    assert_int_equal(value, 5);
    assert_int_equal(heard.ended, 1);
    assert_int_equal(heard.tasks, 1);
    assert_int_equal(troupe_result_wait(result, TROUPE_NO_WAIT), TROUPE_OK);
    assert_int_equal(heard.ends, 1);
    troupe_result_close(result);
    pool_end(pool);
}

/* ---- pools --------------------------------------------------------------------------------- */

static void pools_in_tasks(void **state)
{
    troupe_pool pool = pool_of_two();
    long value = 6;
    int result = 0;

    (void)state;
    assert_int_equal(
        troupe_pool_apply(pool, waits_for_own_pool, &pool, sizeof pool, &result, sizeof result),
        TROUPE_OK);
    assert_int_equal(result, TROUPE_DEADLOCK);
    assert_int_equal(
        troupe_pool_apply(pool, makes_a_pool, &value, sizeof value, &value, sizeof value),
        TROUPE_OK);
    assert_int_equal(value, 36);
    pool_end(pool);
}

/* Else the world would wait for its worker at the end. */
static void forgotten_by_a_target(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++)
        harness_done(harness_start_on(0, forgets_a_pool, NULL, 0), 0);
}

static void terminates_in_mid_run(void **state)
{
    enum { N = 10 };
    troupe_pool pool = pool_of_two();
    troupe_queue queue = harness_queue(), queues[N];
    troupe_result result;
    int outputs[N];

    (void)state;
    for (int i = 0; i < N; i++)
        queues[i] = queue;
    assert_int_equal(troupe_pool_map_async(pool, waits_for_word, queues, sizeof *queues, N,
                                           sizeof *outputs, NULL, &result),
                     TROUPE_OK);
    harness_put_int(queue, 1);
    assert_int_equal(troupe_pool_join(pool, 0), TROUPE_BAD_ARGUMENT);
    assert_int_equal(troupe_pool_terminate(pool), TROUPE_OK);
    assert_int_equal(troupe_pool_map(pool, square, NULL, 0, 1, NULL, 0), TROUPE_CLOSED);
    for (int i = 0; i < N; i++)
        harness_put_int(queue, i);
    assert_int_equal(troupe_result_get(result, outputs, sizeof outputs, HARNESS_LIMIT_MS),
                     TROUPE_CLOSED);
    assert_int_equal(troupe_pool_join(pool, HARNESS_LIMIT_MS), TROUPE_OK);
    assert_int_equal(troupe_pool_destroy(pool), TROUPE_OK);
    assert_int_equal(troupe_result_wait(result, 0), TROUPE_BAD_HANDLE);
    assert_int_equal(troupe_pool_close(pool), TROUPE_BAD_HANDLE);
}

static void bad_arguments(void **state)
{
    const troupe_pool_options tries = { .tries = 32 }, workers = { .workers = -1 };
    troupe_pool pool = pool_of_two(), unknown = { 4711 };

    (void)state;
    assert_int_equal(troupe_pool_create(&tries, &unknown), TROUPE_BAD_ARGUMENT);
    assert_int_equal(troupe_pool_create(&workers, &unknown), TROUPE_BAD_ARGUMENT);
    assert_int_equal(troupe_pool_map(unknown, square, NULL, 0, 1, NULL, 0), TROUPE_BAD_HANDLE);
    assert_int_equal(troupe_pool_map(pool, square, NULL, 8, 1, NULL, 0), TROUPE_BAD_ARGUMENT);
    assert_int_equal(troupe_pool_map(pool, NULL, NULL, 0, 1, NULL, 0), TROUPE_BAD_ARGUMENT);
    assert_int_equal(troupe_pool_map(pool, square, NULL, 0, SIZE_MAX, NULL, 0), TROUPE_TOO_LONG);
    assert_int_equal(troupe_task_index(), 0);
    assert_int_equal(troupe_task_attempt(), 0);
    pool_end(pool);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(maps_in_order),
        cmocka_unit_test(maps_by_index),
        cmocka_unit_test(failures_in_order),
        cmocka_unit_test(stops_at_failure),
        cmocka_unit_test(applies),
        cmocka_unit_test(results_one_by_one),
        cmocka_unit_test(unordered_passes_a_slow_one),
        cmocka_unit_test(timeouts_and_callbacks),
        cmocka_unit_test(pools_in_tasks),
        cmocka_unit_test(forgotten_by_a_target),
        cmocka_unit_test(terminates_in_mid_run),
        cmocka_unit_test(bad_arguments),
    };
    int result = troupe_init(&argc, &argv);

    if (result != TROUPE_OK)
        return 1;
    harness_watch(WATCH_S);
    return troupe_finalize(cmocka_run_group_tests(tests, NULL, NULL));
}
