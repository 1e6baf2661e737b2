/* What can be done to a process from outside, what its options do, and what its status says of a
 * target that failed. On several ranks; on two simulated nodes, too, where rank targets run on the
 * other one. */
#include "world/harness.h"

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define SMALL_MEMORY ((size_t)64 << 20)

static const int methods[] = { TROUPE_METHOD_RANK, TROUPE_METHOD_FORK, TROUPE_METHOD_SPAWN };
enum { METHODS = sizeof methods / sizeof *methods };

struct places {
    troupe_queue ready, gate;
};

static int last_rank(void)
{
    return troupe_world_size() - 1;
}

/* The harness has a thread in the parent, which holds no lock. A rank is the last one, which is on
 * another node where there are two. */
static troupe_process start_by(int method, troupe_target target, const void *argument, size_t bytes)
{
    troupe_process_options options = { .method = method, .with_threads = 1 };

    if (method == TROUPE_METHOD_RANK) {
        options.where = TROUPE_ON_RANK;
        options.place = last_rank();
    }
    return harness_start(target, argument, bytes, &options);
}

static struct places places_make(void)
{
    return (struct places){ harness_queue(), harness_queue() };
}

static void places_destroy(const struct places *places)
{
    troupe_queue_destroy(places->ready);
    troupe_queue_destroy(places->gate);
}

static int say_ready(const struct places *places)
{
    int value = 1;

    return troupe_queue_put(places->ready, &value, sizeof value, TROUPE_FOREVER);
}

/* ---- cancel ------------------------------------------------------------------------------- */

/* Blocks in a get for ever, and again after it was cancelled: 0 when both calls say so. */
static int block(const void *argument, size_t bytes)
{
    const struct places *places = argument;
    char text[8];

    (void)bytes;
    if (troupe_process_cancelled() != 0 || say_ready(places) != TROUPE_OK)
        return 1;
    if (troupe_queue_get(places->gate, text, sizeof text, NULL, TROUPE_FOREVER) != TROUPE_CANCELLED)
        return 2;
    if (strstr(troupe_last_error(), "cancelled") == NULL)
        return 3;
    if (troupe_queue_get(places->gate, text, sizeof text, NULL, 60000) != TROUPE_CANCELLED)
        return 4;
    return troupe_process_cancelled() == 1 ? 0 : 5;
}

/* Never blocks. */
static int compute(const void *argument, size_t bytes)
{
    (void)bytes;
    if (say_ready(argument) != TROUPE_OK)
        return 1;
    while (!troupe_process_cancelled())
        ;
    return 0;
}

static void cancelled_ends(int method, troupe_target target)
{
    struct places places = places_make();
    troupe_process process = start_by(method, target, &places, sizeof places);

    harness_get_int(places.ready);
    assert_int_equal(troupe_process_cancel(process), TROUPE_OK);
    harness_done(process, 0);
    places_destroy(&places);
}

static void test_cancel(void **state)
{
    (void)state;
    for (int i = 0; i < METHODS; i++) {
        cancelled_ends(methods[i], block);
        cancelled_ends(methods[i], compute);
    }
}

/* What is there is still to be had: only a wait is cancelled. */
static int take_after_cancel(const void *argument, size_t bytes)
{
    const struct places *places = argument;
    int value;

    (void)bytes;
    if (say_ready(places) != TROUPE_OK)
        return 1;
    while (!troupe_process_cancelled())
        ;
    return troupe_queue_get(places->gate, &value, sizeof value, NULL, TROUPE_FOREVER) == TROUPE_OK
               ? value
               : 2;
}

static int return_zero(const void *argument, size_t bytes)
{
    (void)argument, (void)bytes;
    return 0;
}

static void test_cancel_ends_waits_alone(void **state)
{
    struct places places = places_make();
    troupe_process process;

    (void)state;
    for (int i = 0; i < METHODS; i++) {
        process = start_by(methods[i], take_after_cancel, &places, sizeof places);
        harness_get_int(places.ready);
        harness_put_int(places.gate, 17);
        assert_int_equal(troupe_process_cancel(process), TROUPE_OK);
        harness_done(process, 17);
    }
    process = start_by(TROUPE_METHOD_RANK, return_zero, NULL, 0); /* the next one is another */
    harness_done(process, 0);
    assert_int_equal(troupe_process_cancel(process), TROUPE_BAD_HANDLE);
    places_destroy(&places);
}

/* Behind a busy rank: it never begins, and the rank's list goes on without it. */
static void test_ended_before_it_began(void **state)
{
    static int (*const ways[])(troupe_process) = { troupe_process_cancel, troupe_process_terminate,
                                                   troupe_process_kill };
    static const int signals[] = { 0, SIGTERM, SIGKILL };
    enum { WAYS = sizeof ways / sizeof *ways };
    struct places places = places_make();
    troupe_process blocker = start_by(TROUPE_METHOD_RANK, block, &places, sizeof places);
    troupe_process waiting[WAYS + 1];
    troupe_process_status status;

    (void)state;
    harness_get_int(places.ready);
    for (int i = 0; i <= WAYS; i++)
        waiting[i] = start_by(TROUPE_METHOD_RANK, return_zero, NULL, 0);
    for (int i = 0; i < WAYS; i++) {
        assert_int_equal(ways[i](waiting[i]), TROUPE_OK);
        status = harness_end(waiting[i]);
        assert_int_equal(status.state, signals[i] != 0 ? TROUPE_STATE_KILLED : TROUPE_STATE_FAILED);
        assert_int_equal(status.signal, signals[i]);
        assert_non_null(strstr(status.reason, "before it began"));
    }
    assert_int_equal(troupe_process_cancel(blocker), TROUPE_OK);
    harness_done(blocker, 0);
    harness_done(waiting[WAYS], 0);
    places_destroy(&places);
}

/* ---- terminate and kill ------------------------------------------------------------------- */

static void test_terminate(void **state)
{
    struct places places = places_make();
    troupe_process_status status;
    troupe_process process;

    (void)state;
    for (int i = 0; i < METHODS; i++) {
        process = start_by(methods[i], block, &places, sizeof places);
        harness_get_int(places.ready);
        assert_int_equal(troupe_process_terminate(process), TROUPE_OK);
        if (methods[i] == TROUPE_METHOD_RANK) {
            harness_done(process, 0); /* the rank lives on */
            continue;
        }
        status = harness_end(process);
        assert_int_equal(status.state, TROUPE_STATE_KILLED);
        assert_int_equal(status.signal, SIGTERM);
    }
    places_destroy(&places);
}

/* Listens to nobody. */
static int run_for_ever(const void *argument, size_t bytes)
{
    (void)bytes;
    signal(SIGTERM, SIG_IGN);
    if (say_ready(argument) != TROUPE_OK)
        return 1;
    for (;;)
        pause();
}

static void killed_ends(int method)
{
    struct places places = places_make();
    troupe_process process = start_by(method, run_for_ever, &places, sizeof places);
    troupe_process_status status;

    harness_get_int(places.ready);
    if (method != TROUPE_METHOD_RANK) {
        assert_int_equal(troupe_process_terminate(process), TROUPE_OK);
        assert_int_equal(troupe_process_join(process, 20), TROUPE_TIMEOUT);
    }
    assert_int_equal(troupe_process_kill(process), TROUPE_OK);
    assert_int_equal(troupe_process_join(process, HARNESS_LIMIT_MS), TROUPE_OK);
    assert_int_equal(troupe_process_kill(process), TROUPE_OK); /* it has ended: nothing happens */
    status = harness_end(process);
    assert_int_equal(status.state, TROUPE_STATE_KILLED);
    assert_int_equal(status.signal, SIGKILL);
    assert_non_null(strstr(status.reason, "troupe_process_kill"));
    places_destroy(&places);
}

static void test_kill(void **state)
{
    (void)state;
    killed_ends(TROUPE_METHOD_FORK);
    killed_ends(TROUPE_METHOD_SPAWN);
}

/* The case comes last: it costs a rank. */
static void test_kill_on_a_rank(void **state)
{
    (void)state;
    killed_ends(TROUPE_METHOD_RANK);
    harness_done(harness_start(return_zero, NULL, 0, NULL), 0);
}

/* ---- what the status says ----------------------------------------------------------------- */

static int fail_with_a_sentence(const void *argument, size_t bytes)
{
    (void)bytes;
    return troupe_process_fail("no model in %s", (const char *)argument);
}

/* Fails because of a call of ours. */
static int fail_without(const void *argument, size_t bytes)
{
    char text[8];

    (void)bytes;
    return troupe_queue_get(*(const troupe_queue *)argument, text, sizeof text, NULL, 0) ==
                   TROUPE_CLOSED
               ? 4
               : 0;
}

static int fail_silently(const void *argument, size_t bytes)
{
    (void)argument, (void)bytes;
    return 5;
}

static void reason_is(troupe_process process, int code, const char *reason)
{
    troupe_process_status status = harness_end(process);

    assert_int_equal(status.state, TROUPE_STATE_DONE);
    assert_int_equal(status.exit_code, code);
    assert_string_equal(status.reason, reason);
}

static void test_reasons(void **state)
{
    troupe_queue closed = harness_queue();

    (void)state;
    assert_int_equal(troupe_queue_close(closed), TROUPE_OK);
    for (int i = 0; i < METHODS; i++) {
        reason_is(start_by(methods[i], fail_with_a_sentence, "/data", 6), 1, "no model in /data");
        reason_is(start_by(methods[i], fail_without, &closed, sizeof closed), 4,
                  "its last failed call said: the queue is closed and drained");
        reason_is(start_by(methods[i], fail_silently, NULL, 0), 5, "");
        reason_is(start_by(methods[i], return_zero, NULL, 0), 0, "");
    }
    troupe_queue_destroy(closed);
}

static int overflow_stack(const void *argument, size_t bytes)
{
    volatile char deep[4096];
    struct rlimit none = { 0, 0 };

    setrlimit(RLIMIT_CORE, &none);
    signal(SIGSEGV, SIG_DFL);
    memset((char *)deep, 1, sizeof deep);
    return getpid() > 0 ? overflow_stack(argument, bytes) + deep[bytes] : 0;
}

static void test_stack_overflow(void **state)
{
    troupe_process_status status;

    (void)state;
    for (int i = 1; i < METHODS; i++) {
        status = harness_end(start_by(methods[i], overflow_stack, NULL, 0));
        assert_int_equal(status.state, TROUPE_STATE_KILLED);
        assert_int_equal(status.signal, SIGSEGV);
    }
}

/* ---- options ------------------------------------------------------------------------------ */

static int start_result(const troupe_process_options *options)
{
    troupe_process process;

    return troupe_process_start(return_zero, NULL, 0, options, &process);
}

static void test_when_busy(void **state)
{
    int ranks = troupe_world_size();
    struct places places = places_make();
    troupe_process blockers[16], waiting, fresh;
    troupe_process_options options = { .when_busy = TROUPE_BUSY_ERROR };

    (void)state;
    for (int rank = 0; rank < ranks; rank++)
        blockers[rank] = harness_start_on(rank, block, &places, sizeof places);
    for (int rank = 0; rank < ranks; rank++)
        harness_get_int(places.ready);
    assert_int_equal(start_result(&options), TROUPE_BUSY);
    options.method = TROUPE_METHOD_RANK;
    assert_int_equal(start_result(&options), TROUPE_BUSY);
    options.where = TROUPE_ON_RANK;
    options.place = last_rank();
    assert_int_equal(start_result(&options), TROUPE_BUSY);
    options = (troupe_process_options){ .when_busy = TROUPE_BUSY_WAIT };
    waiting = harness_start(return_zero, NULL, 0, &options);
    options =
        (troupe_process_options){ .method = TROUPE_METHOD_RANK, .when_busy = TROUPE_BUSY_SPAWN };
    fresh = harness_start(return_zero, NULL, 0, &options);
    assert_int_equal(harness_end(fresh).method, TROUPE_METHOD_SPAWN);
    assert_int_equal(troupe_process_join(waiting, 20), TROUPE_TIMEOUT);
    for (int rank = 0; rank < ranks; rank++) {
        assert_int_equal(troupe_process_cancel(blockers[rank]), TROUPE_OK);
        harness_done(blockers[rank], 0);
    }
    assert_int_equal(harness_end(waiting).method, TROUPE_METHOD_RANK);
    places_destroy(&places);
}

static int burn(const void *argument, size_t bytes)
{
    struct rlimit none = { 0, 0 };

    (void)argument, (void)bytes;
    setrlimit(RLIMIT_CORE, &none);
    while (getpid() > 0)
        ;
    return 0;
}

/* 0 when half of the limit can be had and the double cannot. */
static int allocate(const void *argument, size_t bytes)
{
    void *half = malloc(SMALL_MEMORY / 2), *twice = malloc(SMALL_MEMORY * 2);
    int code = (half == NULL) + 2 * (twice != NULL);

    (void)argument, (void)bytes;
    free(half);
    free(twice);
    return code;
}

static void test_limits(void **state)
{
    troupe_process_options options = { .with_threads = 1 };
    troupe_process_status status;

    (void)state;
    for (int i = 1; i < METHODS; i++) {
        options.method = methods[i];
        options.cpu_seconds = 1;
        status = harness_end(harness_start(burn, NULL, 0, &options));
        assert_int_equal(status.state, TROUPE_STATE_KILLED);
        assert_int_equal(status.signal, SIGXCPU);
        assert_non_null(strstr(status.reason, "1 s of processor time"));
        options.cpu_seconds = 0;
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) /* they need terabytes */
        options.memory_bytes = SMALL_MEMORY;
        harness_done(harness_start(allocate, NULL, 0, &options), 0);
        options.memory_bytes = 0;
        harness_done(harness_start(allocate, NULL, 0, &options), 2);
#else
        (void)allocate;
#endif
    }
}

static int look_around(const void *argument, size_t bytes)
{
    char directory[PATH_MAX];

    (void)argument, (void)bytes;
    if (getcwd(directory, sizeof directory) == NULL || strcmp(directory, "/tmp") != 0)
        return troupe_process_fail("it works in %s", directory);
    if (getenv("CONTROL_NEW") == NULL || strcmp(getenv("CONTROL_NEW"), "a=b") != 0)
        return 2;
    if (getenv("CONTROL_OLD") != NULL)
        return 3;
    return 0;
}

static void test_directory_and_environment(void **state)
{
    static const char *const lines[] = { "CONTROL_NEW=no", "CONTROL_OLD", "CONTROL_NEW=a=b", NULL };
    troupe_process_options options = { .method = TROUPE_METHOD_SPAWN,
                                       .directory = "/tmp",
                                       .environment = lines };
    troupe_process_status status;

    (void)state;
    setenv("CONTROL_OLD", "1", 1);
    harness_done(harness_start(look_around, NULL, 0, &options), 0);
    unsetenv("CONTROL_OLD");
#ifndef __SANITIZE_THREAD__ /* it makes a fork of vfork, and the child's errno stays there */
    options.directory = "/no/such/folder";
    status = harness_end(harness_start(look_around, NULL, 0, &options));
    assert_int_equal(status.state, TROUPE_STATE_FAILED);
    assert_non_null(strstr(status.reason, "/no/such/folder"));
#else
    (void)status;
#endif
}

static void test_options_that_contradict(void **state)
{
    static const char *const no_line[] = { "=x", NULL };
    const troupe_process_options wrong[] = {
        { .method = TROUPE_METHOD_RANK, .cpu_seconds = 1 },
        { .memory_bytes = SMALL_MEMORY },
        { .method = TROUPE_METHOD_FORK, .directory = "/" },
        { .method = TROUPE_METHOD_SPAWN, .environment = no_line },
        { .method = TROUPE_METHOD_SPAWN, .when_busy = TROUPE_BUSY_WAIT },
        { .method = TROUPE_METHOD_SPAWN, .where = TROUPE_ON_RANK },
        { .method = TROUPE_METHOD_FORK, .where = TROUPE_ON_RANK },
        { .when_busy = TROUPE_BUSY_SPAWN, .where = TROUPE_ON_RANK },
        { .when_busy = 4 },
        { .method = 4 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(start_result(&wrong[i]), TROUPE_BAD_ARGUMENT);
}

/* ---- start method, family ----------------------------------------------------------------- */

static int tell_start_method(const void *argument, size_t bytes)
{
    (void)argument, (void)bytes;
    return troupe_get_start_method();
}

static void test_start_method(void **state)
{
    troupe_process_options options = { .with_threads = 1 };

    (void)state;
    for (int i = 0; i < METHODS; i++) {
        troupe_process_status status;

        assert_int_equal(troupe_set_start_method(methods[i]), TROUPE_OK);
        status = harness_end(harness_start(tell_start_method, NULL, 0, &options));
        assert_int_equal(status.method, methods[i]);
        assert_int_equal(status.exit_code, methods[i]);
    }
    assert_int_equal(troupe_set_start_method(TROUPE_METHOD_DEFAULT), TROUPE_OK);
    harness_done(start_by(TROUPE_METHOD_RANK, tell_start_method, NULL, 0), TROUPE_METHOD_DEFAULT);
    assert_int_equal(troupe_set_start_method(9), TROUPE_BAD_ARGUMENT);
    assert_true(troupe_cpu_count() >= 1);
}

/* The grandchild tells its parent's handle and waits; the parent walks over its children. */
static int tell_parent(const void *argument, size_t bytes)
{
    const struct places *places = argument;
    troupe_process parent;
    int value;

    (void)bytes;
    if (troupe_process_parent(&parent) != TROUPE_OK ||
        troupe_queue_put(places->ready, &parent, sizeof parent, TROUPE_FOREVER) != TROUPE_OK)
        return 1;
    return troupe_queue_get(places->gate, &value, sizeof value, NULL, TROUPE_FOREVER) == TROUPE_OK
               ? 0
               : 2;
}

static int count_children(void)
{
    troupe_cursor cursor = { { 0 } };
    troupe_process child;
    int count = 0;

    while (troupe_process_children(&cursor, &child) == TROUPE_OK)
        count++;
    return count;
}

static int have_children(const void *argument, size_t bytes)
{
    const struct places *places = argument;
    troupe_process_options options = { .method = TROUPE_METHOD_SPAWN };
    troupe_process children[2], self, parent;
    int value = 0;

    if (troupe_process_parent(&parent) != TROUPE_NOT_FOUND || count_children() != 0 ||
        troupe_process_current(&self) != TROUPE_OK)
        return 1;
    for (int i = 0; i < 2; i++)
        if (troupe_process_start(tell_parent, places, bytes, &options, &children[i]) != TROUPE_OK ||
            troupe_queue_get(places->ready, &parent, sizeof parent, NULL, TROUPE_FOREVER) !=
                TROUPE_OK ||
            parent.id != self.id)
            return 2;
    if (count_children() != 2)
        return 3;
    for (int i = 0; i < 2; i++)
        if (troupe_queue_put(places->gate, &value, sizeof value, TROUPE_FOREVER) != TROUPE_OK)
            return 4;
    for (int i = 0; i < 2; i++)
        if (troupe_process_join(children[i], TROUPE_FOREVER) != TROUPE_OK)
            return 5;
    return count_children() == 0 ? 0 : 6;
}

static void test_family(void **state)
{
    struct places places = places_make();
    troupe_process none;

    (void)state;
    assert_int_equal(count_children(), 0);
    for (int i = 0; i < METHODS; i++)
        harness_done(start_by(methods[i], have_children, &places, sizeof places), 0);
    assert_int_equal(troupe_process_parent(&none), TROUPE_NOT_FOUND);
    places_destroy(&places);
}

/* ---- deadlock ----------------------------------------------------------------------------- */

/* Starts another on a rank and joins it: when every rank does so, nobody could ever run it. */
static int wait_for_a_rank(const void *argument, size_t bytes)
{
    troupe_process_options options = { .method = TROUPE_METHOD_RANK,
                                       .where = TROUPE_ON_NODE,
                                       .place = troupe_node() };
    troupe_process process;
    int result;

    (void)bytes;
    if (say_ready(argument) != TROUPE_OK ||
        troupe_queue_get(((const struct places *)argument)->gate, &result, sizeof result, NULL,
                         TROUPE_FOREVER) != TROUPE_OK ||
        troupe_process_start(return_zero, NULL, 0, &options, &process) != TROUPE_OK)
        return 1;
    result = troupe_process_join(process, TROUPE_FOREVER);
    return result == TROUPE_OK ? 0 : result == TROUPE_DEADLOCK ? 2 : 3;
}

/* On every rank at once. Whoever closes the circle is told; the others then go on, or are told. */
static void test_deadlock(void **state)
{
    struct places places = places_make();
    troupe_process crew[16];
    int ranks = troupe_world_size(), told = 0;

    (void)state;
    for (int rank = 0; rank < ranks; rank++)
        crew[rank] = harness_start_on(rank, wait_for_a_rank, &places, sizeof places);
    for (int rank = 0; rank < ranks; rank++)
        harness_get_int(places.ready);
    for (int rank = 0; rank < ranks; rank++)
        harness_put_int(places.gate, 0);
    for (int rank = 0; rank < ranks; rank++) {
        troupe_process_status status = harness_end(crew[rank]);

        assert_int_equal(status.state, TROUPE_STATE_DONE);
        assert_true(status.exit_code == 0 || status.exit_code == 2);
        told += status.exit_code == 2;
    }
    assert_true(told >= 1);
    places_destroy(&places);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_cancel_ends_waits_alone),
        cmocka_unit_test(test_ended_before_it_began),
        cmocka_unit_test(test_terminate),
        cmocka_unit_test(test_kill),
        cmocka_unit_test(test_reasons),
        cmocka_unit_test(test_stack_overflow),
        cmocka_unit_test(test_when_busy),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_directory_and_environment),
        cmocka_unit_test(test_options_that_contradict),
        cmocka_unit_test(test_start_method),
        cmocka_unit_test(test_family),
        cmocka_unit_test(test_deadlock),
        cmocka_unit_test(test_kill_on_a_rank),
    };

    if (troupe_init(&argc, &argv) != TROUPE_OK)
        return 1;
    harness_watch(120);
    return troupe_finalize(cmocka_run_group_tests(tests, NULL, NULL));
}
