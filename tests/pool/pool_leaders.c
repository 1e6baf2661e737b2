/* One world of pool_leaders.bats: a pool on the ranks of two nodes works on 10 000 tasks, and its
 * workers are killed at random moments, the nodes' leaders with preference.
 *
 * usage: test_pool_leaders one|most SEED RUNS
 *   one   each run loses one rank, so a world has as many runs as ranks it can miss
 *   most  the run loses all workers but one; on each node a rank that is no worker stays
 * Its last line says how many ranks it has killed. A node always keeps a rank: one that has none
 * is lost, which node_lost.c is about. */
#include "deaths.h"

#include "world/harness.h"

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define WATCH_S 240
#define KILL_WITHIN_US 4000

enum { NODES = 2, RANKS_MAX = 32 };

struct worker {
    int pid, rank, method;
};

static bool is_dead[RANKS_MAX];
static int killed;

/* ---- nodes --------------------------------------------------------------------------------- */

static int node_size(void)
{
    return troupe_world_size() / NODES;
}

static int living_on(int node)
{
    int living = 0;

    for (int i = 0; i < node_size(); i++)
        living += !is_dead[node * node_size() + i];
    return living;
}

/* The lowest rank of a node that lives. */
static bool is_leader(int rank)
{
    for (int i = rank / node_size() * node_size(); i < rank; i++)
        if (!is_dead[i])
            return false;
    return true;
}

/* ---- workers and tasks --------------------------------------------------------------------- */

/* Each worker tells who it is before its first task. */
static int tell(const void *argument, size_t bytes)
{
    troupe_process self;
    troupe_process_status status;
    struct worker worker;
    troupe_queue queue;

    memcpy(&queue, argument, bytes);
    if (troupe_process_current(&self) != TROUPE_OK ||
        troupe_process_status_get(self, &status) != TROUPE_OK)
        return 1;
    worker = (struct worker){ (int)getpid(), status.rank, status.method };
    return troupe_queue_put(queue, &worker, sizeof worker, HARNESS_LIMIT_MS) == TROUPE_OK ? 0 : 1;
}

/* Keeps its rank out of the pool. */
static int stay(const void *argument, size_t bytes)
{
    troupe_event event;

    memcpy(&event, argument, bytes);
    return troupe_event_wait(event, TROUPE_FOREVER) == TROUPE_OK ? 0 : 1;
}

/* ---- a run --------------------------------------------------------------------------------- */

struct crew {
    troupe_queue tells;
    struct worker worker[RANKS_MAX];
    int count;
};

static troupe_pool crew_make(struct crew *crew, int workers)
{
    const troupe_pool_options options = { .workers = workers,
                                          .tries = 31,
                                          .initializer = tell,
                                          .argument = &crew->tells,
                                          .argument_bytes = sizeof crew->tells };
    troupe_pool pool = { 0 };

    assert_int_equal(troupe_pool_create(&options, &pool), TROUPE_OK);
    for (crew->count = 0; crew->count < workers; crew->count++)
        assert_int_equal(troupe_queue_get(crew->tells, &crew->worker[crew->count],
                                          sizeof *crew->worker, NULL, HARNESS_LIMIT_MS),
                         TROUPE_OK);
    return pool;
}

static bool may_die(const struct worker *worker)
{
    return worker->method != TROUPE_METHOD_RANK || living_on(worker->rank / node_size()) > 1;
}

/* Every other time a leader, if one is there. Returns -1 when nobody may die. */
static int victim_choose(const struct crew *crew)
{
    bool leader = random_next() % 2 == 0;
    int first = (int)(random_next() % (unsigned)crew->count), found = -1;

    for (int i = 0; i < crew->count; i++) {
        int at = (first + i) % crew->count;
        const struct worker *worker = &crew->worker[at];

        if (!may_die(worker))
            continue;
        if (found < 0)
            found = at;
        if (leader && worker->method == TROUPE_METHOD_RANK && is_leader(worker->rank))
            return at;
    }
    return found;
}

static void crew_kill(struct crew *crew, int kills)
{
    for (int i = 0; i < kills; i++) {
        int at = victim_choose(crew);
        struct worker victim = crew->worker[at];

        assert_true(at >= 0);
        random_pause(KILL_WITHIN_US);
        assert_int_equal(kill(victim.pid, SIGKILL), 0);
        if (victim.method == TROUPE_METHOD_RANK) {
            is_dead[victim.rank] = true;
            killed++;
        }
        crew->worker[at] = crew->worker[--crew->count];
    }
}

/* Each result comes, comes once, and is right. */
static void results_take(troupe_result result)
{
    static bool came[TASKS];
    uint64_t index, output;

    memset(came, 0, sizeof came);
    for (int i = 0; i < TASKS; i++) {
        int next = troupe_result_next(result, &index, &output, sizeof output, HARNESS_LIMIT_MS);

        if (next != TROUPE_OK)
            fail_msg("result %d: %s: %s", i, troupe_result_name(next), troupe_last_error());
        assert_true(index < TASKS && !came[index]);
        assert_int_equal(output, worked(index));
        came[index] = true;
    }
    assert_int_equal(troupe_result_next(result, &index, &output, sizeof output, HARNESS_LIMIT_MS),
                     TROUPE_CLOSED);
}

static void states_look(troupe_result result)
{
    troupe_task_status status;

    for (uint64_t i = 0; i < TASKS; i++) {
        assert_int_equal(troupe_result_task(result, i, &status), TROUPE_OK);
        assert_int_equal(status.state, TROUPE_TASK_DONE);
        assert_true(status.attempts >= 1);
    }
}

static void run_once(int workers, int kills)
{
    struct crew crew = { .tells = harness_queue() };
    static uint64_t inputs[TASKS];
    troupe_pool pool = crew_make(&crew, workers);
    troupe_result result;

    for (uint64_t i = 0; i < TASKS; i++)
        inputs[i] = i;
    assert_int_equal(troupe_pool_imap_unordered(pool, work, inputs, sizeof *inputs, TASKS,
                                                sizeof *inputs, NULL, &result),
                     TROUPE_OK);
    crew_kill(&crew, kills);
    results_take(result);
    states_look(result);
    assert_int_equal(troupe_result_close(result), TROUPE_OK);
    assert_int_equal(troupe_pool_close(pool), TROUPE_OK);
    assert_int_equal(troupe_pool_join(pool, HARNESS_LIMIT_MS), TROUPE_OK);
    assert_int_equal(troupe_pool_destroy(pool), TROUPE_OK);
    assert_int_equal(troupe_queue_destroy(crew.tells), TROUPE_OK);
}

static void one_each(int runs)
{
    for (int i = 0; i < runs; i++)
        run_once(living_on(0) + living_on(1), 1);
}

static void most_at_once(void)
{
    troupe_process stays[NODES];
    troupe_event over;
    int workers = troupe_world_size() - NODES;

    assert_int_equal(troupe_event_create(&over), TROUPE_OK);
    for (int node = 0; node < NODES; node++)
        stays[node] = harness_start_on((node + 1) * node_size() - 1, stay, &over, sizeof over);
    run_once(workers, workers - 1);
    assert_int_equal(troupe_event_set(over), TROUPE_OK);
    for (int node = 0; node < NODES; node++)
        harness_done(stays[node], 0);
}

static const char *mode;
static int runs;

static void every_result_comes_once(void **state)
{
    (void)state;
    assert_int_equal(troupe_world_nodes(), NODES);
    if (strcmp(mode, "most") == 0)
        most_at_once();
    else
        one_each(runs);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(every_result_comes_once) };
    int failed;

    if (troupe_init(&argc, &argv) != TROUPE_OK || argc != 4)
        return troupe_finalize(1);
    mode = argv[1];
    seed = strtoull(argv[2], NULL, 10) * 2 + 88172645463325253u;
    runs = atoi(argv[3]);
    harness_watch(WATCH_S);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    printf("killed %d ranks\n", killed);
    return troupe_finalize(failed);
}
