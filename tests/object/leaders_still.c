/* Leaders that stand still, stopped by SIGSTOP: another rank of the node takes over, and who was
 * stopped does not come back; a node of which nobody goes on ends by itself. With six ranks on two
 * nodes, 3 to 5 are node 1. A leader has half of TROUPE_SILENCE, which is long
 * enough for a crowd here. */
#include "world/harness.h"

#include <signal.h>
#include <string.h>

#define WATCH_S 300
#define CALL_MS 60000

enum { FIRST_THERE = 3, LAST_THERE = 5 };

struct parts {
    troupe_queue told, there;
};

/* Makes a queue on its node, and tells it. */
static int makes_queue(const void *argument, size_t bytes)
{
    troupe_queue reply, own;

    memcpy(&reply, argument, bytes);
    return troupe_queue_create(NULL, &own) == TROUPE_OK &&
                   troupe_queue_put(reply, &own, sizeof own, CALL_MS) == TROUPE_OK
               ? 0
               : 1;
}

/* Stops its rank, all threads of it. */
static int stops(const void *argument, size_t bytes)
{
    struct parts parts;
    int ready = 1;

    memcpy(&parts, argument, bytes);
    if (troupe_queue_put(parts.told, &ready, sizeof ready, CALL_MS) != TROUPE_OK)
        return 1;
    raise(SIGSTOP);
    return 2;
}

static struct parts parts_make(void)
{
    struct parts parts = { .told = harness_queue() };

    harness_done(harness_start_on(LAST_THERE, makes_queue, &parts.told, sizeof parts.told), 0);
    assert_int_equal(troupe_queue_get(parts.told, &parts.there, sizeof parts.there, NULL, CALL_MS),
                     TROUPE_OK);
    return parts;
}

/* A process that stops that rank. */
static troupe_process stopped_on(int rank, const struct parts *parts)
{
    troupe_process process = harness_start_on(rank, stops, parts, sizeof *parts);

    assert_int_equal(harness_get_int(parts->told), 1);
    return process;
}

static void was_killed(troupe_process process)
{
    troupe_process_status status = harness_end(process);

    assert_int_equal(status.state, TROUPE_STATE_KILLED);
    assert_int_equal(status.signal, SIGKILL);
}

/* Calls that were made while nobody answers are answered by the successor. */
static void a_leader_is_replaced(void **state)
{
    struct parts parts = parts_make();
    troupe_process process = stopped_on(FIRST_THERE, &parts);
    int value = 7;

    (void)state;
    assert_int_equal(troupe_queue_put(parts.there, &value, sizeof value, CALL_MS), TROUPE_OK);
    was_killed(process);
    assert_int_equal(harness_get_int(parts.there), 7);
}

/* The other node hears nothing of the parent's until the successor speaks, and lives. */
static void the_parents_leader_is_replaced(void **state)
{
    struct parts parts = parts_make();
    troupe_process process = stopped_on(0, &parts);
    int value = 8;

    (void)state;
    assert_int_equal(troupe_queue_put(parts.there, &value, sizeof value, CALL_MS), TROUPE_OK);
    was_killed(process);
    harness_done(harness_start_on(LAST_THERE, makes_queue, &parts.told, sizeof parts.told), 0);
    assert_int_equal(harness_get_int(parts.there), 8);
}

/* The last rank of a node has nobody to take over: the node is lost, and the world goes on. */
static void a_node_that_stands_still_is_lost(void **state)
{
    struct parts parts = parts_make();
    troupe_process first = stopped_on(FIRST_THERE + 1, &parts);
    troupe_process last = stopped_on(LAST_THERE, &parts);
    troupe_process_status status;
    int value = 9, result;

    (void)state;
    do /* what comes before the stop is answered */
        result = troupe_queue_put(parts.there, &value, sizeof value, CALL_MS);
    while (result == TROUPE_OK);
    assert_int_equal(result, TROUPE_LOST);
    status = harness_end(first);
    assert_true(status.state == TROUPE_STATE_KILLED || status.state == TROUPE_STATE_LOST);
    assert_int_equal(harness_end(last).state, TROUPE_STATE_LOST);
    harness_done(harness_start_on(1, makes_queue, &parts.told, sizeof parts.told), 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_leader_is_replaced),
        cmocka_unit_test(the_parents_leader_is_replaced),
        cmocka_unit_test(a_node_that_stands_still_is_lost),
    };

    if (troupe_init(&argc, &argv) != TROUPE_OK)
        return troupe_finalize(1);
    harness_watch(WATCH_S);
    return troupe_finalize(cmocka_run_group_tests(tests, NULL, NULL));
}
