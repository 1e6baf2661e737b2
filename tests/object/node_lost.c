/* A node loses all its ranks. With six ranks on two nodes, 3 to 5 are node 1, which the
 * others give up after TROUPE_SILENCE without a word. Whoever waits for the node is told that
 * it is lost; what its processes held comes back; the rest goes on, and main's status counts. */
#include "world/harness.h"

#include <signal.h>
#include <string.h>

#define WATCH_S 100
#define CALL_MS 40000

enum { HERE = 0, THERE = 1, FIRST_THERE = 3, LAST_THERE = 5, TASKS = 400 };

struct parts {
    troupe_queue told, work, there;
    troupe_lock lock;
};

/* Takes what is to come back, makes a queue on its node, and waits there for ever. */
static int holds_and_waits(const void *argument, size_t bytes)
{
    struct parts parts;
    troupe_queue own;
    troupe_lease lease;
    char message[8];

    memcpy(&parts, argument, bytes);
    if (troupe_lock_acquire(parts.lock, CALL_MS) != TROUPE_OK ||
        troupe_queue_lease(parts.work, message, sizeof message, NULL, &lease, CALL_MS) !=
            TROUPE_OK ||
        troupe_queue_create(NULL, &own) != TROUPE_OK ||
        troupe_queue_put(parts.told, &own, sizeof own, CALL_MS) != TROUPE_OK)
        return 1;
    troupe_queue_get(own, message, sizeof message, NULL, TROUPE_FOREVER);
    return 2;
}

/* Waits for a message of a queue of the other node; the exit code tells how that ended. */
static int waits_there(const void *argument, size_t bytes)
{
    struct parts parts;
    char message[8];

    memcpy(&parts, argument, bytes);
    return -troupe_queue_get(parts.there, message, sizeof message, NULL, CALL_MS);
}

static int doubles(const void *input, size_t input_bytes, void *output, size_t output_bytes)
{
    uint64_t value;

    (void)output_bytes;
    memcpy(&value, input, input_bytes);
    value *= 2;
    memcpy(output, &value, sizeof value);
    return 0;
}

static void ranks_die(int from, int to)
{
    static const int killed = SIGKILL;

    for (int rank = from; rank <= to; rank++)
        harness_start_on(rank, harness_raise, &killed, sizeof killed);
}

static void pool_works(void)
{
    static uint64_t inputs[TASKS], outputs[TASKS];
    troupe_pool pool;

    for (uint64_t i = 0; i < TASKS; i++)
        inputs[i] = i;
    assert_int_equal(troupe_pool_create(NULL, &pool), TROUPE_OK);
    assert_int_equal(
        troupe_pool_map(pool, doubles, inputs, sizeof *inputs, TASKS, outputs, sizeof *outputs),
        TROUPE_OK);
    for (uint64_t i = 0; i < TASKS; i++)
        assert_int_equal(outputs[i], 2 * i);
    assert_int_equal(troupe_pool_close(pool), TROUPE_OK);
    assert_int_equal(troupe_pool_join(pool, CALL_MS), TROUPE_OK);
}

static void node_is_lost(void **state)
{
    const troupe_process_options there = { .where = TROUPE_ON_NODE, .place = THERE };
    struct parts parts = { .told = harness_queue(), .work = harness_queue() };
    troupe_process holder, waiter, fresh;
    troupe_process_status status;
    char message[8] = "message";

    (void)state;
    assert_int_equal(troupe_lock_create(NULL, &parts.lock), TROUPE_OK);
    assert_int_equal(troupe_queue_put(parts.work, message, sizeof message, CALL_MS), TROUPE_OK);
    holder = harness_start_on(LAST_THERE, holds_and_waits, &parts, sizeof parts);
    assert_int_equal(troupe_queue_get(parts.told, &parts.there, sizeof parts.there, NULL, CALL_MS),
                     TROUPE_OK);
    waiter = harness_start_on(2, waits_there, &parts, sizeof parts);
    fresh = harness_spawn(waits_there, &parts, sizeof parts);
    ranks_die(FIRST_THERE, LAST_THERE - 1);
    assert_int_equal(troupe_process_kill(holder), TROUPE_OK);

    /* who waits for it */
    harness_done(waiter, -TROUPE_LOST);
    harness_done(fresh, -TROUPE_LOST);
    status = harness_end(holder);
    assert_int_equal(status.state, TROUPE_STATE_LOST);
    assert_string_not_equal(status.reason, "");

    /* who asks it from now on */
    assert_int_equal(troupe_queue_put(parts.there, message, sizeof message, CALL_MS), TROUPE_LOST);
    assert_int_equal(troupe_process_start(harness_raise, NULL, 0, &there, &holder), TROUPE_LOST);

    /* what it held */
    assert_int_equal(troupe_lock_acquire(parts.lock, CALL_MS), TROUPE_OWNER_DIED);
    assert_int_equal(troupe_queue_get(parts.work, message, sizeof message, NULL, CALL_MS),
                     TROUPE_OK);
    assert_string_equal(message, "message");

    pool_works();
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(node_is_lost) };

    if (troupe_init(&argc, &argv) != TROUPE_OK)
        return troupe_finalize(1);
    harness_watch(WATCH_S);
    return troupe_finalize(cmocka_run_group_tests(tests, NULL, NULL));
}
