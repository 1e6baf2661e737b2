/* Workers that are killed, by somebody else at any moment and by their own tasks: every task ends,
 * every result is right and comes once, nobody waits for ever. */
#include "deaths.h"

#include "counts.h"
#include "world/harness.h"

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define WATCH_S 100
#define WATCH_FULL_S 3000
#define WORKERS 4

/* ---- workers and tasks --------------------------------------------------------------------- */

/* Where a worker is to be found. */
struct worker {
    int node, pid;
};

/* Each worker tells that before its first task. */
static int tell_self(const void *argument, size_t bytes)
{
    troupe_queue queue;
    struct worker self = { troupe_node(), (int)getpid() };

    (void)bytes;
    memcpy(&queue, argument, sizeof queue);
    return troupe_queue_put(queue, &self, sizeof self, HARNESS_LIMIT_MS) == TROUPE_OK ? 0 : 1;
}

/* Ends its worker so often as the input says, then returns the number of the attempt. */
static int poison(const void *input, size_t input_bytes, void *output, size_t output_bytes)
{
    int deaths, attempt = troupe_task_attempt();

    (void)input_bytes, (void)output_bytes;
    memcpy(&deaths, input, sizeof deaths);
    if (attempt <= deaths)
        raise(SIGKILL);
    memcpy(output, &attempt, sizeof attempt);
    return 0;
}

static int leave(const void *input, size_t input_bytes, void *output, size_t output_bytes)
{
    (void)input, (void)input_bytes, (void)output, (void)output_bytes;
    exit(0);
}

static int refuse(const void *argument, size_t bytes)
{
    (void)argument, (void)bytes;
    return 1;
}

/* ---- kills at random moments --------------------------------------------------------------- */

struct crew {
    troupe_queue told;
    struct worker worker[WORKERS];
    int count;
};

static void crew_meet(struct crew *crew)
{
    while (crew->count < WORKERS)
        assert_int_equal(troupe_queue_get(crew->told, &crew->worker[crew->count++],
                                          sizeof(struct worker), NULL, HARNESS_LIMIT_MS),
                         TROUPE_OK);
}

/* Kills so many of the crew, at random moments. */
static void crew_kill(struct crew *crew, int kills)
{
    for (int i = 0; i < kills; i++) {
        int victim = (int)(random_next() % (unsigned)crew->count);
        struct worker aim = crew->worker[victim];

        random_pause(3000);
        assert_int_equal(harness_signal_at(aim.node, aim.pid, SIGKILL), 0);
        crew->worker[victim] = crew->worker[--crew->count];
    }
}

/* Each run has a queue of its own: successors of the killed tell their pids, too. */
static void run_once(const troupe_pool_options *like, int kills)
{
    struct crew crew = { .told = harness_queue() };
    static uint64_t inputs[TASKS], outputs[TASKS];
    troupe_pool_options options = *like;
    troupe_pool pool = { 0 };
    troupe_result result;
    troupe_task_status status;

    options.workers = WORKERS;
    options.initializer = tell_self;
    options.argument = &crew.told;
    options.argument_bytes = sizeof crew.told;
    assert_int_equal(troupe_pool_create(&options, &pool), TROUPE_OK);
    crew_meet(&crew);
    for (uint64_t i = 0; i < TASKS; i++)
        inputs[i] = i;
    assert_int_equal(troupe_pool_map_async(pool, work, inputs, sizeof *inputs, TASKS,
                                           sizeof *outputs, NULL, &result),
                     TROUPE_OK);
    crew_kill(&crew, kills);
    assert_int_equal(troupe_result_get(result, outputs, sizeof outputs, HARNESS_LIMIT_MS),
                     TROUPE_OK);
    for (uint64_t i = 0; i < TASKS; i++) {
        assert_int_equal(outputs[i], worked(i));
        assert_int_equal(troupe_result_task(result, i, &status), TROUPE_OK);
        assert_int_equal(status.state, TROUPE_TASK_DONE);
    }
    assert_int_equal(troupe_pool_close(pool), TROUPE_OK);
    assert_int_equal(troupe_pool_join(pool, HARNESS_LIMIT_MS), TROUPE_OK);
    assert_int_equal(troupe_pool_destroy(pool), TROUPE_OK);
    troupe_queue_destroy(crew.told);
}

/* Over several nodes fresh processes alone are killed: each node has one rank, and goes with it. */
static void runs(const troupe_pool_options *like, long count, int kills)
{
    troupe_pool_options options = *like;

    if (troupe_world_nodes() > 1)
        options.method = TROUPE_METHOD_SPAWN;
    for (long i = 0; i < count; i++)
        run_once(&options, kills);
}

/* The first runs lose ranks, the later ones fresh processes. */
static void one_is_killed(void **state)
{
    (void)state;
    runs(&(troupe_pool_options){ .workers = WORKERS }, test_count(6, 1000), 1);
}

static void all_but_one_are_killed(void **state)
{
    (void)state;
    runs(&(troupe_pool_options){ .workers = WORKERS }, test_count(3, 1000), WORKERS - 1);
}

static void all_are_killed(void **state)
{
    (void)state;
    runs(&(troupe_pool_options){ .method = TROUPE_METHOD_SPAWN }, test_count(2, 100), WORKERS);
}

/* ---- tasks that kill ----------------------------------------------------------------------- */

static void poison_is_given_up(void **state)
{
    enum { N = 40 };
    int inputs[N] = { 0 }, outputs[N] = { 0 };
    const troupe_pool_options options = { .workers = 2, .method = TROUPE_METHOD_SPAWN };
    const troupe_map_options chunks = { .chunksize = 8 };
    troupe_pool pool = { 0 };
    troupe_result result;
    troupe_task_status status;

    (void)state;
    inputs[7] = 2;
    inputs[12] = 99;
    inputs[30] = 1;
    assert_int_equal(troupe_pool_create(&options, &pool), TROUPE_OK);
    assert_int_equal(troupe_pool_map_async(pool, poison, inputs, sizeof *inputs, N, sizeof *outputs,
                                           &chunks, &result),
                     TROUPE_OK);
    assert_int_equal(troupe_result_get(result, outputs, sizeof outputs, HARNESS_LIMIT_MS),
                     TROUPE_GIVEN_UP);
    assert_string_equal(troupe_last_error(),
                        "task 12 was given up: 3 workers ended while they ran it");
    for (int i = 0; i < N; i++)
        assert_int_equal(outputs[i], i == 7 ? 3 : i == 12 ? 0 : i == 30 ? 2 : 1);
    assert_int_equal(troupe_result_task(result, 12, &status), TROUPE_OK);
    assert_int_equal(status.state, TROUPE_TASK_GIVEN_UP);
    assert_int_equal(status.attempts, 3);
    assert_int_equal(troupe_result_task(result, 7, &status), TROUPE_OK);
    assert_int_equal(status.attempts, 3);
    troupe_result_close(result);
    assert_int_equal(troupe_pool_apply(pool, leave, NULL, 0, NULL, 0), TROUPE_GIVEN_UP);
    assert_int_equal(troupe_pool_destroy(pool), TROUPE_OK);
}

static void tries_are_counted(void **state)
{
    const troupe_pool_options options = { .workers = 1, .method = TROUPE_METHOD_SPAWN, .tries = 1 };
    troupe_pool pool = { 0 };
    int input = 1, output = 0;

    (void)state;
    assert_int_equal(troupe_pool_create(&options, &pool), TROUPE_OK);
    assert_int_equal(troupe_pool_apply(pool, poison, &input, sizeof input, &output, sizeof output),
                     TROUPE_GIVEN_UP);
    input = 0;
    assert_int_equal(troupe_pool_apply(pool, poison, &input, sizeof input, &output, sizeof output),
                     TROUPE_OK);
    assert_int_equal(output, 1);
    assert_int_equal(troupe_pool_destroy(pool), TROUPE_OK);
}

static void workers_wear_out(void **state)
{
    enum { N = 10 };
    int inputs[N] = { 0 }, outputs[N] = { 0 };
    struct crew crew = { .told = harness_queue() };
    const troupe_pool_options options = { .workers = 1,
                                          .method = TROUPE_METHOD_SPAWN,
                                          .max_tasks = 3,
                                          .initializer = tell_self,
                                          .argument = &crew.told,
                                          .argument_bytes = sizeof crew.told };
    troupe_pool pool = { 0 };

    (void)state;
    assert_int_equal(troupe_pool_create(&options, &pool), TROUPE_OK);
    assert_int_equal(
        troupe_pool_map(pool, poison, inputs, sizeof *inputs, N, outputs, sizeof *outputs),
        TROUPE_OK);
    crew_meet(&crew);
    assert_true(crew.worker[0].pid != crew.worker[1].pid &&
                crew.worker[1].pid != crew.worker[2].pid);
    assert_int_equal(troupe_pool_destroy(pool), TROUPE_OK);
}

static void nobody_can_begin(void **state)
{
    const troupe_pool_options options = { .workers = 1,
                                          .method = TROUPE_METHOD_SPAWN,
                                          .initializer = refuse };
    troupe_pool pool = { 0 };
    int value = 0;

    (void)state;
    assert_int_equal(troupe_pool_create(&options, &pool), TROUPE_OK);
    assert_int_equal(troupe_pool_apply(pool, poison, &value, sizeof value, &value, sizeof value),
                     TROUPE_GIVEN_UP);
    assert_non_null(strstr(troupe_last_error(), "code 121"));
    assert_int_equal(troupe_pool_apply(pool, poison, &value, sizeof value, &value, sizeof value),
                     TROUPE_GIVEN_UP);
    assert_int_equal(troupe_pool_destroy(pool), TROUPE_OK);
}

/* Only ranks, and none is left. Last: it takes all of the node's. */
static void no_rank_is_left(void **state)
{
    const troupe_pool_options options = { .workers = 2, .method = TROUPE_METHOD_RANK, .tries = 31 };
    troupe_pool pool = { 0 };
    int input = 99, result;

    (void)state;
    if (troupe_world_nodes() > 1)
        skip();
    result = troupe_pool_create(&options, &pool);
    if (result == TROUPE_OK) {
        result = troupe_pool_apply(pool, poison, &input, sizeof input, &input, sizeof input);
        assert_int_equal(troupe_pool_destroy(pool), TROUPE_OK);
    }
    assert_int_equal(result, TROUPE_NO_RANK);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_is_killed),     cmocka_unit_test(all_but_one_are_killed),
        cmocka_unit_test(all_are_killed),    cmocka_unit_test(poison_is_given_up),
        cmocka_unit_test(tries_are_counted), cmocka_unit_test(workers_wear_out),
        cmocka_unit_test(nobody_can_begin),  cmocka_unit_test(no_rank_is_left),
    };
    int result = troupe_init(&argc, &argv);

    if (result != TROUPE_OK)
        return 1;
    harness_watch((unsigned)test_count(WATCH_S, WATCH_FULL_S));
    return troupe_finalize(cmocka_run_group_tests(tests, NULL, NULL));
}
