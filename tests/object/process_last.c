/* What the end of a world does to processes that would not end by themselves: daemons by every
 * method are ended, deaf ones too, and so is what they started; others are waited for. And the ways
 * in which a target ends its own process. */
#include "world/harness.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define DAEMONS_MOST 16
#define WITNESS "witness"

static const int methods[] = { TROUPE_METHOD_RANK, TROUPE_METHOD_FORK, TROUPE_METHOD_SPAWN };
enum { METHODS = sizeof methods / sizeof *methods };

static int daemon_pids[DAEMONS_MOST], daemons;
static int witness_pipe[2];

static troupe_process start_by(int method, int is_daemon, troupe_target target,
                               const void *argument, size_t bytes)
{
    return harness_start(
        target, argument, bytes,
        &(troupe_process_options){ .method = method, .with_threads = 1, .is_daemon = is_daemon });
}

/* ---- ends of a target's own ---------------------------------------------------------------- */

static int call_abort(const void *argument, size_t bytes)
{
    (void)argument, (void)bytes;
    signal(SIGABRT, SIG_DFL); /* past what MPI or a sanitizer installed */
    close(STDERR_FILENO);
    abort();
}

static int call_quick_exit(const void *argument, size_t bytes)
{
    (void)bytes;
    _exit(*(const int *)argument);
}

static void test_abort_and_exit(void **state)
{
    troupe_process_status status;

    (void)state;
    for (int i = 0; i < METHODS; i++) {
        status = harness_end(start_by(methods[i], 0, call_abort, NULL, 0));
        assert_int_equal(status.state, TROUPE_STATE_KILLED);
        assert_int_equal(status.signal, SIGABRT);
        status = harness_end(start_by(methods[i], 0, call_quick_exit, &(int){ 40 + i }, sizeof i));
        assert_int_equal(status.state, TROUPE_STATE_DONE);
        assert_int_equal(status.exit_code, 40 + i);
    }
}

/* ---- daemons ------------------------------------------------------------------------------- */

static int say_pid(troupe_queue ready)
{
    int pid = (int)getpid();

    return troupe_queue_put(ready, &pid, sizeof pid, TROUPE_FOREVER);
}

/* Ends when it is asked to, and not before. */
static int wait_in_vain(const void *argument, size_t bytes)
{
    troupe_queue ready, never;

    (void)bytes;
    memcpy(&ready, argument, sizeof ready);
    if (troupe_queue_create(NULL, &never) != TROUPE_OK || say_pid(ready) != TROUPE_OK)
        return 1;
    return troupe_queue_get(never, NULL, 0, NULL, TROUPE_FOREVER) == TROUPE_CANCELLED ? 0 : 2;
}

static int be_deaf(const void *argument, size_t bytes)
{
    troupe_queue ready;

    (void)bytes;
    memcpy(&ready, argument, sizeof ready);
    signal(SIGTERM, SIG_IGN);
    say_pid(ready);
    while (ready.id != 0)
        pause();
    return 0;
}

/* Its child is a daemon, too, though nobody says so. */
static int have_a_child(const void *argument, size_t bytes)
{
    troupe_process_options options = { .method = TROUPE_METHOD_SPAWN };
    troupe_process child;

    if (troupe_process_start(be_deaf, argument, bytes, &options, &child) != TROUPE_OK)
        return 1;
    return be_deaf(argument, bytes);
}

static void daemons_meet(troupe_queue ready, int count)
{
    while (count-- > 0)
        daemon_pids[daemons++] = harness_get_int(ready);
}

static void test_daemons(void **state)
{
    troupe_queue ready = harness_queue();

    (void)state;
    for (int i = 0; i < METHODS; i++) {
        start_by(methods[i], 1, wait_in_vain, &ready, sizeof ready);
        start_by(methods[i], 1, be_deaf, &ready, sizeof ready);
    }
    start_by(TROUPE_METHOD_FORK, 1, have_a_child, &ready, sizeof ready);
    daemons_meet(ready, 2 * METHODS + 2);
}

/* ---- others -------------------------------------------------------------------------------- */

/* Is still at it when main is over. */
static int write_late(const void *argument, size_t bytes)
{
    const int *ends = argument;

    (void)bytes;
    usleep(300000);
    return write(ends[1], WITNESS, sizeof WITNESS) == sizeof WITNESS ? 0 : 1;
}

static void test_others_are_waited_for(void **state)
{
    (void)state;
    assert_int_equal(pipe(witness_pipe), 0);
    start_by(TROUPE_METHOD_FORK, 0, write_late, witness_pipe, sizeof witness_pipe);
}

/* After the end, without the harness's help: the number of what is wrong. */
static int judge_after_the_end(void)
{
    char text[sizeof WITNESS] = "";
    int wrong = 0;

    for (int i = 0; i < daemons; i++)
        if (kill(daemon_pids[i], 0) == 0 || errno != ESRCH) {
            fprintf(stderr, "the daemon %d lives\n", daemon_pids[i]);
            wrong++;
        }
    if (read(witness_pipe[0], text, sizeof text) != sizeof text || strcmp(text, WITNESS) != 0) {
        fputs("an ordinary process was not waited for\n", stderr);
        wrong++;
    }
    return wrong;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_abort_and_exit),
        cmocka_unit_test(test_daemons),
        cmocka_unit_test(test_others_are_waited_for),
    };
    int failed;

    if (troupe_init(&argc, &argv) != TROUPE_OK)
        return 1;
    harness_watch(100);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    return troupe_finalize(failed) + judge_after_the_end();
}
