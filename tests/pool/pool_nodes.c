/* Pools over several nodes: who runs what, failures and deaths elsewhere, the end. */
#include "world/harness.h"

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define WATCH_S 100

static troupe_pool pool_of(int workers, int method)
{
    const troupe_pool_options options = { .workers = workers, .method = method };
    troupe_pool pool = { 0 };

    if (troupe_pool_create(&options, &pool) != TROUPE_OK)
        fail_msg("create: %s", troupe_last_error());
    return pool;
}

static void pool_end(troupe_pool pool)
{
    assert_int_equal(troupe_pool_close(pool), TROUPE_OK);
    assert_int_equal(troupe_pool_join(pool, HARNESS_LIMIT_MS), TROUPE_OK);
    assert_int_equal(troupe_pool_destroy(pool), TROUPE_OK);
}

/* ---- tasks --------------------------------------------------------------------------------- */

struct seen {
    uint64_t index;
    int node, attempt;
};

static int look_around(const void *input, size_t input_bytes, void *output, size_t output_bytes)
{
    struct seen seen = { troupe_task_index(), troupe_node(), troupe_task_attempt() };
    struct timespec moment = { 0, 200000 };
    uint64_t wanted;

    (void)output_bytes;
    memcpy(&wanted, input, input_bytes);
    nanosleep(&moment, NULL);
    memcpy(output, &seen, sizeof seen);
    return wanted == seen.index ? 0 : 1;
}

/* Fails for every seventh input. */
static int seventh_fails(const void *input, size_t input_bytes, void *output, size_t output_bytes)
{
    uint64_t value;

    (void)output_bytes;
    memcpy(&value, input, input_bytes);
    if (value % 7 == 3)
        return troupe_task_fail(3, "no %llu", (unsigned long long)value);
    memcpy(output, &value, sizeof value);
    return 0;
}

/* Ends its worker on every node but the first, the first time. */
static int dies_abroad(const void *input, size_t input_bytes, void *output, size_t output_bytes)
{
    uint64_t value;

    (void)output_bytes;
    memcpy(&value, input, input_bytes);
    if (value == 50 && troupe_node() > 0 && troupe_task_attempt() == 1)
        raise(SIGKILL);
    memcpy(output, &value, sizeof value);
    return 0;
}

/* Ends the two ranks that lead the second node one after the other, each at its first such task. */
static int dies_leading(const void *input, size_t input_bytes, void *output, size_t output_bytes)
{
    int first = troupe_world_size() / troupe_world_nodes();
    struct timespec moment = { 0, 200000 }; /* so that the other node gets its part */
    uint64_t value;

    (void)output_bytes;
    memcpy(&value, input, input_bytes);
    nanosleep(&moment, NULL);
    if (troupe_rank() == first || (troupe_rank() == first + 1 && value % 10 == 9))
        raise(SIGKILL);
    memcpy(output, &value, sizeof value);
    return 0;
}

static int own_pid(const void *input, size_t input_bytes, void *output, size_t output_bytes)
{
    int pid = (int)getpid();

    (void)input, (void)input_bytes, (void)output_bytes;
    memcpy(output, &pid, sizeof pid);
    return 0;
}

/* ---- tests --------------------------------------------------------------------------------- */

static void every_node_works(void **state)
{
    enum { N = 3000 };
    static uint64_t inputs[N];
    static struct seen outputs[N];
    int on[8] = { 0 };
    troupe_pool pool = pool_of(0, TROUPE_METHOD_DEFAULT);

    (void)state;
    for (uint64_t i = 0; i < N; i++)
        inputs[i] = i;
    for (int round = 0; round < 2; round++) {
        memset(outputs, 0, sizeof outputs);
        assert_int_equal(
            troupe_pool_map(pool, look_around, inputs, sizeof *inputs, N, outputs, sizeof *outputs),
            TROUPE_OK);
        for (uint64_t i = 0; i < N; i++) {
            assert_int_equal(outputs[i].index, i);
            assert_int_equal(outputs[i].attempt, 1);
            on[outputs[i].node]++;
        }
    }
    for (int node = 0; node < troupe_world_nodes(); node++)
        assert_true(on[node] > N / 4);
    pool_end(pool);
}

static void failures_come_home(void **state)
{
    enum { N = 2000 };
    static uint64_t inputs[N], outputs[N];
    troupe_pool pool = pool_of(0, TROUPE_METHOD_DEFAULT);
    troupe_task_status status;
    troupe_result result;
    char sentence[32];

    (void)state;
    for (uint64_t i = 0; i < N; i++)
        inputs[i] = i;
    assert_int_equal(troupe_pool_map_async(pool, seventh_fails, inputs, sizeof *inputs, N,
                                           sizeof *outputs, NULL, &result),
                     TROUPE_OK);
    assert_int_equal(troupe_result_get(result, outputs, sizeof outputs, HARNESS_LIMIT_MS),
                     TROUPE_FAILED);
    assert_string_equal(troupe_last_error(), "no 3");
    for (uint64_t i = 0; i < N; i++) {
        assert_int_equal(troupe_result_task(result, i, &status), TROUPE_OK);
        assert_int_equal(status.state, i % 7 == 3 ? TROUPE_TASK_FAILED : TROUPE_TASK_DONE);
        if (i % 7 != 3)
            assert_int_equal(outputs[i], i);
        else {
            snprintf(sentence, sizeof sentence, "no %llu", (unsigned long long)i);
            assert_string_equal(status.reason, sentence);
        }
    }
    troupe_result_close(result);
    pool_end(pool);
}

static void iterates_over_nodes(void **state)
{
    enum { N = 500 };
    static uint64_t inputs[N];
    bool seen[N] = { false };
    troupe_pool pool = pool_of(0, TROUPE_METHOD_DEFAULT);
    troupe_result result;
    struct seen value;
    uint64_t index;

    (void)state;
    for (uint64_t i = 0; i < N; i++)
        inputs[i] = i;
    assert_int_equal(
        troupe_pool_imap(pool, look_around, inputs, sizeof *inputs, N, sizeof value, NULL, &result),
        TROUPE_OK);
    for (uint64_t i = 0; i < N; i++) {
        assert_int_equal(troupe_result_next(result, &index, &value, sizeof value, HARNESS_LIMIT_MS),
                         TROUPE_OK);
        assert_int_equal(index, i);
    }
    troupe_result_close(result);
    assert_int_equal(troupe_pool_imap_unordered(pool, look_around, inputs, sizeof *inputs, N,
                                                sizeof value, NULL, &result),
                     TROUPE_OK);
    for (int i = 0; i < N; i++) {
        assert_int_equal(troupe_result_next(result, &index, &value, sizeof value, HARNESS_LIMIT_MS),
                         TROUPE_OK);
        assert_false(seen[index]);
        seen[index] = true;
    }
    assert_int_equal(troupe_result_next(result, &index, &value, sizeof value, 0), TROUPE_CLOSED);
    troupe_result_close(result);
    pool_end(pool);
}

static void deaths_abroad(void **state)
{
    enum { N = 400 };
    static uint64_t inputs[N], outputs[N];
    troupe_pool pool = pool_of(4, TROUPE_METHOD_SPAWN);

    (void)state;
    for (int round = 0; round < 3; round++) {
        for (uint64_t i = 0; i < N; i++) {
            inputs[i] = i % 100;
            outputs[i] = N;
        }
        assert_int_equal(
            troupe_pool_map(pool, dies_abroad, inputs, sizeof *inputs, N, outputs, sizeof *outputs),
            TROUPE_OK);
        for (uint64_t i = 0; i < N; i++)
            assert_int_equal(outputs[i], i % 100);
    }
    pool_end(pool);
}

static void terminates_everywhere(void **state)
{
    enum { N = 20000 };
    static uint64_t inputs[N];
    static struct seen outputs[N];
    troupe_pool pool = pool_of(0, TROUPE_METHOD_DEFAULT);
    troupe_result result;

    (void)state;
    for (uint64_t i = 0; i < N; i++)
        inputs[i] = i;
    assert_int_equal(troupe_pool_map_async(pool, look_around, inputs, sizeof *inputs, N,
                                           sizeof *outputs, NULL, &result),
                     TROUPE_OK);
    assert_int_equal(troupe_result_wait(result, 20), TROUPE_TIMEOUT);
    assert_int_equal(troupe_pool_terminate(pool), TROUPE_OK);
    assert_int_equal(troupe_result_get(result, outputs, sizeof outputs, HARNESS_LIMIT_MS),
                     TROUPE_CLOSED);
    assert_int_equal(troupe_pool_join(pool, HARNESS_LIMIT_MS), TROUPE_OK);
    assert_int_equal(troupe_pool_destroy(pool), TROUPE_OK);
}

/* A pool that its maker forgets ends with the world. */
static void is_forgotten(void **state)
{
    troupe_pool pool = pool_of(2, TROUPE_METHOD_DEFAULT);
    int pid = 0;

    (void)state;
    assert_int_equal(troupe_pool_apply(pool, own_pid, NULL, 0, &pid, sizeof pid), TROUPE_OK);
    assert_true(pid > 0);
}

/* The last of the tests: the ranks stay away. */
static void leaders_die(void **state)
{
    enum { N = 2000 };
    static uint64_t inputs[N], outputs[N];
    troupe_pool pool = pool_of(0, TROUPE_METHOD_RANK);

    (void)state;
    for (int round = 0; round < 3; round++) {
        for (uint64_t i = 0; i < N; i++) {
            inputs[i] = i;
            outputs[i] = N;
        }
        assert_int_equal(troupe_pool_map(pool, dies_leading, inputs, sizeof *inputs, N, outputs,
                                         sizeof *outputs),
                         TROUPE_OK);
        for (uint64_t i = 0; i < N; i++)
            assert_int_equal(outputs[i], i);
    }
    pool_end(pool);
    for (int rank = troupe_world_size() / 2; rank <= troupe_world_size() / 2 + 1; rank++)
        assert_int_equal(troupe_process_start(
                             harness_raise, NULL, 0,
                             &(troupe_process_options){ .where = TROUPE_ON_RANK, .place = rank },
                             &(troupe_process){ 0 }),
                         TROUPE_NO_RANK);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_node_works),      cmocka_unit_test(failures_come_home),
        cmocka_unit_test(iterates_over_nodes),   cmocka_unit_test(deaths_abroad),
        cmocka_unit_test(terminates_everywhere), cmocka_unit_test(is_forgotten),
        cmocka_unit_test(leaders_die),
    };
    int result = troupe_init(&argc, &argv);

    if (result != TROUPE_OK)
        return 1;
    harness_watch(WATCH_S);
    return troupe_finalize(cmocka_run_group_tests(tests, NULL, NULL));
}
