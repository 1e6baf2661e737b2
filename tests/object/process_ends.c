/* How a process may end, and what the others see of it: codes, signals, the loss of ranks one after
 * another until none is left. Runs on six ranks of one node; the cases follow each other in one
 * world, which loses a rank in most of them. */
#include "world/harness.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

static int return_code(const void *argument, size_t bytes)
{
    (void)bytes;
    return *(const int *)argument;
}

static int call_exit(const void *argument, size_t bytes)
{
    (void)bytes;
    exit(*(const int *)argument);
}

/* What a blocked process needs: where it says that it is ready, and where it waits. */
struct wait_places {
    troupe_queue ready, gate;
};

static int wait_at_gate(const void *argument, size_t bytes)
{
    const struct wait_places *places = argument;
    int value = 1;

    (void)bytes;
    if (troupe_queue_put(places->ready, &value, sizeof value, TROUPE_FOREVER) != TROUPE_OK)
        return 1;
    return troupe_queue_get(places->gate, &value, sizeof value, NULL, TROUPE_FOREVER) == TROUPE_OK
               ? 0
               : 2;
}

/* Some other rank still runs what it is given. */
static void assert_world_goes_on(void)
{
    int code = 42;

    harness_done(harness_start(return_code, &code, sizeof code, NULL), code);
}

static void test_codes(void **state)
{
    static const int codes[] = { 0, 1, 7, 255 };

    (void)state;
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        harness_done(harness_start(return_code, &codes[i], sizeof codes[i], NULL), codes[i]);
    harness_done(harness_start(return_code, &(int){ 256 + 3 }, sizeof(int), NULL), 3);
}

static void test_status_while_it_runs(void **state)
{
    struct wait_places places = { harness_queue(), harness_queue() };
    troupe_process_options options = { .name = "gatekeeper", .where = TROUPE_ON_RANK, .place = 2 };
    troupe_process process = harness_start(wait_at_gate, &places, sizeof places, &options);
    troupe_process_status status;
    char name[TROUPE_NAME_SIZE];

    (void)state;
    harness_get_int(places.ready);
    assert_int_equal(troupe_process_status_get(process, &status), TROUPE_OK);
    assert_int_equal(status.state, TROUPE_STATE_RUNNING);
    assert_int_equal(status.exit_code, -1);
    assert_int_equal(status.rank, 2);
    assert_int_equal(status.method, TROUPE_METHOD_RANK);
    assert_int_equal(status.attempt, 1);
    assert_int_equal(kill(status.pid, 0), 0);
    assert_string_not_equal(status.host, "");
    assert_int_equal(troupe_process_name(process, name), TROUPE_OK);
    assert_string_equal(name, "gatekeeper");
    assert_int_equal(troupe_process_join(process, TROUPE_NO_WAIT), TROUPE_TIMEOUT);
    assert_int_equal(troupe_process_join(process, 20), TROUPE_TIMEOUT);
    assert_non_null(strstr(troupe_last_error(), "gatekeeper"));
    harness_put_int(places.gate, 0);
    harness_done(process, 0);
    assert_int_equal(troupe_process_join(process, TROUPE_NO_WAIT), TROUPE_BAD_HANDLE);
    troupe_queue_destroy(places.ready);
    troupe_queue_destroy(places.gate);
}

/* A process closed while it runs ends all the same, and its record goes. */
static void test_closed_while_it_runs(void **state)
{
    struct wait_places places = { harness_queue(), harness_queue() };
    troupe_process process = harness_start(wait_at_gate, &places, sizeof places, NULL);

    (void)state;
    harness_get_int(places.ready);
    assert_int_equal(troupe_process_close(process), TROUPE_OK);
    harness_put_int(places.gate, 0);
    assert_int_equal(troupe_queue_destroy(places.ready), TROUPE_OK);
    assert_world_goes_on();
}

static void assert_killed_by(int rank, int number)
{
    troupe_process process = harness_start_on(rank, harness_raise, &number, sizeof number);
    troupe_process_status status = harness_end(process);

    assert_int_equal(status.state, TROUPE_STATE_KILLED);
    assert_int_equal(status.signal, number);
    assert_int_equal(status.exit_code, -1);
    assert_int_equal(status.rank, rank);
    assert_non_null(strstr(status.reason, strsignal(number)));
    assert_world_goes_on();
}

static void test_signals(void **state)
{
    (void)state;
    assert_killed_by(1, SIGKILL);
    assert_killed_by(2, SIGSEGV);
    assert_killed_by(3, SIGABRT);
}

static void test_rank_that_is_gone(void **state)
{
    troupe_process_options options = { .where = TROUPE_ON_RANK, .place = 1 };
    troupe_process process = { 77 };

    (void)state;
    assert_int_equal(
        troupe_process_start(return_code, &(int){ 0 }, sizeof(int), &options, &process),
        TROUPE_NO_RANK);
    assert_int_equal(process.id, 77);
    assert_string_equal(troupe_last_error(), "rank 1 has ended; choose another");
}

/* exit() in a target ends the rank, as it would end a Python process; the code is the process's. */
static void test_exit_in_a_target(void **state)
{
    troupe_process_status status;

    (void)state;
    status = harness_end(harness_start_on(4, call_exit, &(int){ 3 }, sizeof(int)));
    assert_int_equal(status.state, TROUPE_STATE_DONE);
    assert_int_equal(status.exit_code, 3);
    assert_world_goes_on();
}

/* Rank 5 dies blocked in a get; one that waits for that rank cannot run; the message stays. */
static void test_killed_in_a_get(void **state)
{
    struct wait_places places = { harness_queue(), harness_queue() };
    troupe_process blocked = harness_start_on(5, wait_at_gate, &places, sizeof places);
    troupe_process waiting = harness_start_on(5, return_code, &(int){ 0 }, sizeof(int));
    troupe_process_status status;
    uint64_t messages;

    (void)state;
    harness_get_int(places.ready);
    assert_int_equal(troupe_process_status_get(waiting, &status), TROUPE_OK);
    assert_int_equal(status.state, TROUPE_STATE_WAITING);
    assert_int_equal(status.rank, -1);
    assert_int_equal(troupe_process_status_get(blocked, &status), TROUPE_OK);
    assert_int_equal(kill(status.pid, SIGKILL), 0);
    status = harness_end(blocked);
    assert_int_equal(status.state, TROUPE_STATE_KILLED);
    assert_int_equal(status.signal, SIGKILL);
    status = harness_end(waiting);
    assert_int_equal(status.state, TROUPE_STATE_FAILED);
    assert_string_equal(status.reason, "the rank that it waited for has ended");
    harness_put_int(places.gate, 9);
    assert_int_equal(troupe_queue_size(places.gate, &messages), TROUPE_OK);
    assert_int_equal(messages, 1);
    assert_int_equal(harness_get_int(places.gate), 9);
}

/* Rank 0, the last one and the leader. Then only fresh processes are left. */
static void test_no_rank_left(void **state)
{
    troupe_process_options on_a_rank = { .method = TROUPE_METHOD_RANK };
    troupe_process_status status;
    troupe_process process;
    int code = 5;

    (void)state;
    status = harness_end(harness_start_on(0, harness_raise, &(int){ SIGKILL }, sizeof(int)));
    assert_int_equal(status.state, TROUPE_STATE_KILLED);
    assert_int_equal(troupe_process_start(return_code, &code, sizeof code, &on_a_rank, &process),
                     TROUPE_NO_RANK);
    process = harness_start(return_code, &code, sizeof code, NULL);
    status = harness_end(process);
    assert_int_equal(status.state, TROUPE_STATE_DONE);
    assert_int_equal(status.exit_code, code);
    assert_int_equal(status.method, TROUPE_METHOD_SPAWN);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_codes),
        cmocka_unit_test(test_status_while_it_runs),
        cmocka_unit_test(test_closed_while_it_runs),
        cmocka_unit_test(test_signals),
        cmocka_unit_test(test_rank_that_is_gone),
        cmocka_unit_test(test_exit_in_a_target),
        cmocka_unit_test(test_killed_in_a_get),
        cmocka_unit_test(test_no_rank_left),
    };

    if (troupe_init(&argc, &argv) != TROUPE_OK)
        return 1;
    harness_watch(90);
    return troupe_finalize(cmocka_run_group_tests(tests, NULL, NULL));
}
