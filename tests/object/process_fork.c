/* TROUPE_METHOD_FORK: a copy of the caller, whoever that is: what it sees, what is its own, how it
 * ends, whom it outlives, and when it is refused. */
#include "world/harness.h"

#include "counts.h"
#include "world/footprint.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <mpi.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int global = 1;
static void *library; /* what the caller has loaded */
static int opened = -1;

/* The harness has a thread in the parent, which holds no lock. */
static troupe_process harness_fork(troupe_target target, const void *argument, size_t bytes)
{
    return harness_start(
        target, argument, bytes,
        &(troupe_process_options){ .method = TROUPE_METHOD_FORK, .with_threads = 1 });
}

/* In a target: starts by fork and returns the exit code, or -1. */
static int fork_and_join(troupe_target target, const void *argument, size_t bytes)
{
    troupe_process_options options = { .method = TROUPE_METHOD_FORK };
    troupe_process process;
    troupe_process_status status;

    if (troupe_process_start(target, argument, bytes, &options, &process) != TROUPE_OK ||
        troupe_process_join(process, HARNESS_LIMIT_MS) != TROUPE_OK ||
        troupe_process_status_get(process, &status) != TROUPE_OK ||
        troupe_process_close(process) != TROUPE_OK)
        return -1;
    return status.state == TROUPE_STATE_DONE && status.method == TROUPE_METHOD_FORK
               ? status.exit_code
               : -1;
}

/* ---- what it sees ------------------------------------------------------------------------- */

static int look_and_change(const void *argument, size_t bytes)
{
    int seen = global;

    (void)argument, (void)bytes;
    global = 99;
    return seen;
}

/* Sets its own, and its fork sees that and nobody else's; what the fork does stays with it. */
static int caller_in_the_middle(const void *argument, size_t bytes)
{
    int saved = global, result;

    (void)bytes;
    global = *(const int *)argument;
    result = fork_and_join(look_and_change, NULL, 0);
    if (global != *(const int *)argument)
        result = -2;
    global = saved;
    return result;
}

static int forks_a_caller(const void *argument, size_t bytes)
{
    return fork_and_join(caller_in_the_middle, argument, bytes);
}

static void test_sees_what_its_caller_had_set(void **state)
{
    (void)state;
    global = 5;
    harness_done(harness_fork(look_and_change, NULL, 0), 5);
    assert_int_equal(global, 5);
    global = 6;
    harness_done(harness_fork(look_and_change, NULL, 0), 6);
    for (int rank = 0; rank < troupe_world_size(); rank++)
        harness_done(harness_start_on(rank, caller_in_the_middle, &(int){ 40 + rank }, sizeof(int)),
                     40 + rank);
    harness_done(harness_spawn(caller_in_the_middle, &(int){ 50 }, sizeof(int)), 50);
    harness_done(harness_fork(forks_a_caller, &(int){ 60 }, sizeof(int)), 60);
}

/* Loaded, opened and set before the fork, and here without a load, an open or a set. */
static int use_what_is_there(const void *argument, size_t bytes)
{
    double (*cosine)(double) = NULL;
    char text[8] = "";

    (void)argument, (void)bytes;
    *(void **)&cosine = dlsym(library, "cos");
    if (cosine == NULL || cosine(0) < 0.99)
        return 1;
    if (pread(opened, text, sizeof text - 1, 0) != 5 || strcmp(text, "hello") != 0)
        return 2;
    if (getenv("FORK_TEST") == NULL || strcmp(getenv("FORK_TEST"), "set") != 0)
        return 3;
    return 0;
}

static void test_sees_what_was_loaded_and_opened(void **state)
{
    char path[] = "/tmp/fork-XXXXXX";

    (void)state;
    library = dlopen("libm.so.6", RTLD_NOW);
    assert_non_null(library);
    opened = mkstemp(path);
    assert_true(opened >= 0);
    unlink(path);
    assert_int_equal(write(opened, "hello", 5), 5);
    setenv("FORK_TEST", "set", 1);
    harness_done(harness_fork(use_what_is_there, NULL, 0), 0);
    close(opened);
    opened = -1;
    unsetenv("FORK_TEST");
    assert_int_equal(dlclose(library), 0);
    library = NULL;
}

static int is_whole(const void *argument, size_t bytes)
{
    const unsigned char *data = argument;

    for (size_t i = 0; i < bytes; i++)
        if (data[i] != (unsigned char)(i * 31 + i / 256))
            return 1;
    return bytes == 0 && argument != NULL ? 2 : (int)(bytes % 200) + 3;
}

/* Its own argument, which is gone when this target ends, goes on to a fork that lives longer. */
static int pass_on(const void *argument, size_t bytes)
{
    troupe_process_options options = { .method = TROUPE_METHOD_FORK };
    troupe_process process;

    return troupe_process_start(is_whole, argument, bytes, &options, &process) == TROUPE_OK ? 0 : 1;
}

static void test_arguments(void **state)
{
    static const size_t sizes[] = { 0, 1, 4096, (size_t)20 << 20 };
    size_t most = (size_t)20 << 20;
    unsigned char *data = malloc(most);

    (void)state;
    assert_non_null(data);
    for (size_t i = 0; i < most; i++)
        data[i] = (unsigned char)(i * 31 + i / 256);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        harness_done(harness_fork(is_whole, data, sizes[i]), (int)(sizes[i] % 200) + 3);
    harness_done(harness_start_on(1, pass_on, data, 4096), 0);
    free(data);
}

/* ---- a party of the world ----------------------------------------------------------------- */

struct places {
    troupe_queue ready, gate;
};

static int meet(const void *argument, size_t bytes)
{
    const struct places *places = argument;
    int value = (int)getpid();

    (void)bytes;
    if (troupe_queue_put(places->ready, &value, sizeof value, TROUPE_FOREVER) != TROUPE_OK)
        return 1;
    return troupe_queue_get(places->gate, &value, sizeof value, NULL, TROUPE_FOREVER) == TROUPE_OK
               ? value
               : 2;
}

#ifdef __SANITIZE_ADDRESS__
/* A fork beside a thread that allocates, here the one that tends the child before, leaves the child
 * the lock of libasan's allocator (GCC 12), and it waits for ever: so one after the other. */
#define ONE_BY_ONE 1
#else
#define ONE_BY_ONE 0
#endif

static void test_many_parties(void **state)
{
    enum { PARTIES = 10 };
    struct places places = { harness_queue(), harness_queue() };
    troupe_process crew[PARTIES];
    troupe_process_status status;

    (void)state;
    for (int i = 0; i < PARTIES; i++) {
        crew[i] = harness_fork(meet, &places, sizeof places);
        if (ONE_BY_ONE)
            assert_int_not_equal(harness_get_int(places.ready), (int)getpid());
    }
    for (int i = 0; i < PARTIES && !ONE_BY_ONE; i++)
        assert_int_not_equal(harness_get_int(places.ready), (int)getpid());
    assert_int_equal(troupe_process_status_get(crew[0], &status), TROUPE_OK);
    assert_int_equal(status.state, TROUPE_STATE_RUNNING);
    assert_int_equal(status.method, TROUPE_METHOD_FORK);
    assert_int_equal(kill(status.pid, 0), 0);
    for (int i = 0; i < PARTIES; i++)
        harness_put_int(places.gate, 7);
    for (int i = 0; i < PARTIES; i++)
        harness_done(crew[i], 7);
    troupe_queue_destroy(places.ready);
    troupe_queue_destroy(places.gate);
}

/* ---- ends --------------------------------------------------------------------------------- */

static int call_exit(const void *argument, size_t bytes)
{
    (void)bytes;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    _exit(*(const int *)argument); /* their judgement at exit is of the caller's memory, too */
#endif
    exit(*(const int *)argument);
}

static void test_ends(void **state)
{
    static const int signals[] = { SIGKILL, SIGSEGV, SIGABRT, SIGTERM };
    troupe_process_status status;

    (void)state;
    status = harness_end(harness_fork(call_exit, &(int){ 9 }, sizeof(int)));
    assert_int_equal(status.state, TROUPE_STATE_DONE);
    assert_int_equal(status.exit_code, 9);
    assert_int_equal(kill(status.pid, 0), -1); /* joined is gone */
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        status = harness_end(harness_fork(harness_raise, &signals[i], sizeof signals[i]));
        assert_int_equal(status.state, TROUPE_STATE_KILLED);
        assert_int_equal(status.signal, signals[i]);
        assert_int_equal(status.method, TROUPE_METHOD_FORK);
        assert_non_null(strstr(status.reason, strsignal(signals[i])));
    }
}

/* A fresh process forks, tells the handle, and is killed; the fork goes on and its end is known. */
static int fork_and_die(const void *argument, size_t bytes)
{
    const struct places *places = argument;
    troupe_process_options options = { .method = TROUPE_METHOD_FORK };
    troupe_process process;

    if (troupe_process_start(meet, places, bytes, &options, &process) != TROUPE_OK ||
        troupe_queue_put(places->ready, &process, sizeof process, TROUPE_FOREVER) != TROUPE_OK)
        return 1;
    return raise(SIGKILL);
}

static void test_outlives_its_caller(void **state)
{
    struct places places = { harness_queue(), harness_queue() };
    unsigned char message[sizeof(troupe_process)];
    troupe_process made = { 0 };
    size_t size = 0;

    (void)state;
    assert_int_equal(harness_end(harness_spawn(fork_and_die, &places, sizeof places)).signal,
                     SIGKILL);
    for (int i = 0; i < 2; i++) { /* the handle, and that it has begun, in any order */
        assert_int_equal(
            troupe_queue_get(places.ready, message, sizeof message, &size, HARNESS_LIMIT_MS),
            TROUPE_OK);
        if (size == sizeof made)
            memcpy(&made, message, sizeof made);
    }
    assert_int_equal(troupe_process_join(made, TROUPE_NO_WAIT), TROUPE_TIMEOUT);
    harness_put_int(places.gate, 21);
    harness_done(made, 21);
    troupe_queue_destroy(places.ready);
    troupe_queue_destroy(places.gate);
}

/* ---- refusals ----------------------------------------------------------------------------- */

static pthread_mutex_t idle_lock = PTHREAD_MUTEX_INITIALIZER;

static void *idle(void *unused)
{
    pthread_mutex_lock(&idle_lock);
    pthread_mutex_unlock(&idle_lock);
    return unused;
}

static int return_three(const void *argument, size_t bytes)
{
    (void)argument, (void)bytes;
    return 3;
}

/* With a thread of its own (the harness has one, too); returns what start returned. */
static int start_beside_a_thread(int with_threads, troupe_process *process)
{
    troupe_process_options options = { .method = TROUPE_METHOD_FORK, .with_threads = with_threads };
    pthread_t thread;
    int result;

    pthread_mutex_lock(&idle_lock);
    pthread_create(&thread, NULL, idle, NULL);
    pthread_setname_np(thread, "solver");
    result = troupe_process_start(return_three, NULL, 0, &options, process);
    pthread_mutex_unlock(&idle_lock);
    pthread_join(thread, NULL);
    return result;
}

static int refused_beside_a_thread(const void *argument, size_t bytes)
{
    troupe_process process;
    int result = start_beside_a_thread(0, &process);

    (void)argument, (void)bytes;
    if (result != TROUPE_BAD_ARGUMENT || strstr(troupe_last_error(), "with_threads") == NULL ||
        strstr(troupe_last_error(), "(solver)") == NULL)
        return 1;
    if (start_beside_a_thread(1, &process) != TROUPE_OK ||
        troupe_process_join(process, TROUPE_FOREVER) != TROUPE_OK)
        return 2;
    return fork_and_join(return_three, NULL, 0) == 3 ? 0 : 3;
}

static void test_foreign_threads(void **state)
{
    (void)state;
#ifdef __SANITIZE_THREAD__
    skip(); /* it has a thread of its own in some processes, and takes none after a fork */
#endif
    harness_done(harness_start_on(0, refused_beside_a_thread, NULL, 0), 0);
    harness_done(harness_spawn(refused_beside_a_thread, NULL, 0), 0);
    harness_done(harness_fork(refused_beside_a_thread, NULL, 0), 0);
}

static int call_mpi(const void *argument, size_t bytes)
{
    int size;

    (void)argument, (void)bytes;
    close(STDERR_FILENO); /* MPI's own words */
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    return 0;
}

static int init_mpi(const void *argument, size_t bytes)
{
    (void)argument, (void)bytes;
    close(STDERR_FILENO);
    MPI_Init(NULL, NULL);
    return 0;
}

/* In a rank MPI works; in its fork it is over, and the rank goes on. */
static int mpi_here_and_in_a_fork(const void *argument, size_t bytes)
{
    int size = 0;

    (void)argument, (void)bytes;
    if (fork_and_join(call_mpi, NULL, 0) == 0)
        return 1;
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    return size == troupe_world_size() ? 0 : 2;
}

static void test_mpi_is_refused(void **state)
{
    troupe_process_status status;

    (void)state;
    harness_done(harness_start_on(1, mpi_here_and_in_a_fork, NULL, 0), 0);
    status = harness_end(harness_fork(init_mpi, NULL, 0));
    assert_false(status.state == TROUPE_STATE_DONE && status.exit_code == 0);
    status = harness_end(harness_spawn(init_mpi, NULL, 0));
    assert_false(status.state == TROUPE_STATE_DONE && status.exit_code == 0);
}

/* ---- stdio -------------------------------------------------------------------------------- */

static int print_to(const void *argument, size_t bytes)
{
    (void)bytes;
    fprintf(*(FILE *const *)argument, "child\n");
    return 0;
}

/* What the caller has not flushed is written once, before what the child writes. */
static void test_stdio_is_written_once(void **state)
{
    char path[] = "/tmp/fork-XXXXXX", text[64] = "";
    int descriptor = mkstemp(path);
    FILE *file = fdopen(descriptor, "w+");

    (void)state;
    assert_non_null(file);
    unlink(path);
    fprintf(file, "caller\n");
    harness_done(harness_fork(print_to, &file, sizeof file), 0);
    fprintf(file, "end\n");
    fflush(file);
    assert_true(pread(descriptor, text, sizeof text - 1, 0) > 0);
    assert_string_equal(text, "caller\nchild\nend\n");
    fclose(file);
}

/* ---- leaks -------------------------------------------------------------------------------- */

static int fork_rounds(const void *argument, size_t bytes)
{
    (void)bytes;
    for (long i = 0; i < *(const long *)argument; i++)
        if (fork_and_join(return_three, NULL, 0) != 3)
            return 1;
    return 0;
}

/* Half of them by the parent, half by a rank. */
static void test_nothing_is_left(void **state)
{
    long rounds = test_count(100, 5000);
    struct footprint before, after;

    (void)state;
    harness_done(harness_start_on(0, fork_rounds, &(long){ 40 }, sizeof(long)), 0);
    before = footprint_take();
    for (long i = 0; i < rounds; i++)
        harness_done(harness_fork(return_three, NULL, 0), 3);
    harness_done(harness_start_on(0, fork_rounds, &rounds, sizeof rounds), 0);
    after = footprint_take();
    footprint_assert_same(&before, &after);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sees_what_its_caller_had_set),
        cmocka_unit_test(test_sees_what_was_loaded_and_opened),
        cmocka_unit_test(test_arguments),
        cmocka_unit_test(test_many_parties),
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_outlives_its_caller),
        cmocka_unit_test(test_foreign_threads),
        cmocka_unit_test(test_mpi_is_refused),
        cmocka_unit_test(test_stdio_is_written_once),
        cmocka_unit_test(test_nothing_is_left),
    };

    if (troupe_init(&argc, &argv) != TROUPE_OK)
        return 1;
    harness_watch(180);
    return troupe_finalize(cmocka_run_group_tests(tests, NULL, NULL));
}
