/* Fresh processes (TROUPE_METHOD_SPAWN): what they inherit, how they end, many of them at once,
 * processes that start processes, and that nothing is left of ten thousand. */
#include "world/harness.h"

#include "counts.h"
#include "world/footprint.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

extern char **environ;

static int global = 1;

/* ---- what is inherited -------------------------------------------------------------------- */

static int look_at_global(const void *argument, size_t bytes)
{
    (void)argument, (void)bytes;
    return global;
}

static int set_global(const void *argument, size_t bytes)
{
    (void)bytes;
    global = *(const int *)argument;
    return 0;
}

/* A rank's memory is older targets', a fresh process's is its own. */
static void test_fresh_globals(void **state)
{
    (void)state;
    global = 2;
    harness_done(harness_start_on(0, set_global, &(int){ 3 }, sizeof(int)), 0);
    harness_done(harness_start_on(0, look_at_global, NULL, 0), 3);
    harness_done(harness_spawn(look_at_global, NULL, 0), 1);
    harness_done(harness_spawn(look_at_global, NULL, 0), 1);
}

static int count_launcher_variables(const void *argument, size_t bytes)
{
    static const char *const prefixes[] = { "OMPI_", "PMIX_", "PMI_", "PRTE_", "TROUPE_FRESH" };
    int count = 0;

    (void)argument, (void)bytes;
    for (char **variable = environ; *variable != NULL; variable++)
        for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
            count += strncmp(*variable, prefixes[i], strlen(prefixes[i])) == 0;
    return count < 255 ? count : 255;
}

static void test_environment(void **state)
{
    troupe_process_status status;

    (void)state;
    harness_done(harness_spawn(count_launcher_variables, NULL, 0), 0);
    status = harness_end(harness_start_on(0, count_launcher_variables, NULL, 0));
    assert_int_not_equal(status.exit_code, 0); /* so the count can see them */
}

/* Whether the caller's open file and locked lock are here: 1 and 2. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static int see_open_and_locked(const void *argument, size_t bytes)
{
    char text[8] = "";
    int seen = pread(*(const int *)argument, text, 5, 0) == 5 && strcmp(text, "hello") == 0;

    (void)bytes;
    if (pthread_mutex_trylock(&lock) != 0)
        return seen + 2;
    pthread_mutex_unlock(&lock);
    return seen;
}

static void test_neither_files_nor_locks(void **state)
{
    char path[] = "/tmp/spawn-XXXXXX";
    int opened = mkstemp(path); /* not closed by exec */
    troupe_process_options fork = { .method = TROUPE_METHOD_FORK, .with_threads = 1 };

    (void)state;
    assert_true(opened >= 0);
    unlink(path);
    assert_int_equal(write(opened, "hello", 5), 5);
    pthread_mutex_lock(&lock);
    for (int keeper = 0; keeper < troupe_world_size(); keeper++) /* they take turns */
        harness_done(harness_spawn(see_open_and_locked, &opened, sizeof opened), 0);
    harness_done(harness_start(see_open_and_locked, &opened, sizeof opened, &fork), 3);
    pthread_mutex_unlock(&lock);
    close(opened);
}

static int is_whole(const void *argument, size_t bytes)
{
    const unsigned char *data = argument;

    for (size_t i = 0; i < bytes; i++)
        if (data[i] != (unsigned char)(i * 31 + i / 256))
            return 1;
    return bytes == 0 && argument != NULL ? 2 : (int)(bytes % 200) + 3;
}

static void test_arguments(void **state)
{
    static const size_t sizes[] = { 0, 1, 4096, (size_t)1 << 20, (size_t)20 << 20 };
    unsigned char *data = malloc((size_t)20 << 20);

    (void)state;
    assert_non_null(data);
    for (size_t i = 0; i < (size_t)20 << 20; i++)
        data[i] = (unsigned char)(i * 31 + i / 256);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        harness_done(harness_spawn(is_whole, data, sizes[i]), (int)(sizes[i] % 200) + 3);
        harness_done(harness_start_on(1, is_whole, data, sizes[i]), (int)(sizes[i] % 200) + 3);
    }
    free(data);
}

/* ---- ends --------------------------------------------------------------------------------- */

static int call_exit(const void *argument, size_t bytes)
{
    (void)bytes;
    exit(*(const int *)argument);
}

static void test_ends(void **state)
{
    static const int signals[] = { SIGKILL, SIGSEGV, SIGABRT, SIGTERM };
    troupe_process_status status;

    (void)state;
    harness_done(harness_spawn(call_exit, &(int){ 0 }, sizeof(int)), 0);
    status = harness_end(harness_spawn(call_exit, &(int){ 9 }, sizeof(int)));
    assert_int_equal(status.state, TROUPE_STATE_DONE);
    assert_int_equal(status.exit_code, 9);
    assert_int_equal(kill(status.pid, 0), -1); /* joined is gone, with what it held */
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        status = harness_end(harness_spawn(harness_raise, &signals[i], sizeof signals[i]));
        assert_int_equal(status.state, TROUPE_STATE_KILLED);
        assert_int_equal(status.signal, signals[i]);
        assert_int_equal(status.method, TROUPE_METHOD_SPAWN);
        assert_non_null(strstr(status.reason, strsignal(signals[i])));
    }
}

/* ---- many --------------------------------------------------------------------------------- */

enum { MANY = 100, PARTIES = 10, ROUNDS = 10000, WARM_ROUNDS = 500 };

static int return_number(const void *argument, size_t bytes)
{
    (void)bytes;
    return *(const int *)argument;
}

static void test_a_hundred_at_once(void **state)
{
    troupe_process crew[MANY];

    (void)state;
    for (int i = 0; i < MANY; i++)
        crew[i] = harness_spawn(return_number, &i, sizeof i);
    for (int i = 0; i < MANY; i++)
        harness_done(crew[i], i);
}

struct party {
    troupe_queue arrived, leave;
};

/* Ends only when all have come: nobody does if one of them waits for a free rank. */
static int meet(const void *argument, size_t bytes)
{
    const struct party *party = argument;
    int value = 1;

    (void)bytes;
    if (troupe_queue_put(party->arrived, &value, sizeof value, TROUPE_FOREVER) != TROUPE_OK)
        return 1;
    return troupe_queue_get(party->leave, &value, sizeof value, NULL, TROUPE_FOREVER) == TROUPE_OK
               ? 0
               : 2;
}

static void test_more_than_ranks(void **state)
{
    struct party party = { harness_queue(), harness_queue() };
    troupe_process crew[PARTIES];
    troupe_process_status status;
    int fresh = 0;

    (void)state;
    for (int i = 0; i < PARTIES; i++)
        crew[i] = harness_start(meet, &party, sizeof party, NULL);
    for (int i = 0; i < PARTIES; i++)
        harness_get_int(party.arrived);
    for (int i = 0; i < PARTIES; i++)
        harness_put_int(party.leave, 0);
    for (int i = 0; i < PARTIES; i++) {
        status = harness_end(crew[i]);
        assert_int_equal(status.state, TROUPE_STATE_DONE);
        assert_int_equal(status.exit_code, 0);
        fresh += status.method == TROUPE_METHOD_SPAWN;
    }
    assert_int_equal(fresh, PARTIES - troupe_world_size());
    troupe_queue_destroy(party.arrived);
    troupe_queue_destroy(party.leave);
}

/* ---- nesting ------------------------------------------------------------------------------ */

struct nest {
    int depth, method;
};

/* Starts two of its kind, and answers how many processes there are below and with itself. */
static int nest(const void *argument, size_t bytes)
{
    struct nest below = *(const struct nest *)argument;
    troupe_process_options options = { .method = below.method };
    troupe_process children[2], self;
    troupe_process_status status;
    int count = 1;

    if (troupe_process_current(&self) != TROUPE_OK || below.depth-- == 0)
        return count;
    for (int i = 0; i < 2; i++)
        if (troupe_process_start(nest, &below, bytes, &options, &children[i]) != TROUPE_OK)
            return 0;
    for (int i = 0; i < 2; i++) {
        if (troupe_process_join(children[i], HARNESS_LIMIT_MS) != TROUPE_OK ||
            troupe_process_status_get(children[i], &status) != TROUPE_OK ||
            troupe_process_close(children[i]) != TROUPE_OK || status.state != TROUPE_STATE_DONE)
            return 0;
        count += status.exit_code;
    }
    return count;
}

static void test_nested(void **state)
{
    static const int methods[] = { TROUPE_METHOD_DEFAULT, TROUPE_METHOD_SPAWN };
    troupe_process self;

    (void)state;
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        struct nest top = { 4, methods[i] };

        harness_done(harness_start(nest, &top, sizeof top, NULL), 31);
        harness_done(harness_spawn(nest, &top, sizeof top), 31);
    }
    assert_int_equal(troupe_process_current(&self), TROUPE_NOT_FOUND);
}

/* ---- leaks -------------------------------------------------------------------------------- */

static void rounds_run(int rounds, int method)
{
    troupe_process_options options = { .method = method };
    char argument[300] = "";

    for (int i = 0; i < rounds; i++)
        harness_done(harness_start(look_at_global, argument, sizeof argument, &options),
                     method == TROUPE_METHOD_SPAWN ? 1 : 3);
}

/* The first rounds may grow the table of records; then nothing grows. */
static void test_nothing_is_left_of_ten_thousand(void **state)
{
    struct footprint before, after;

    (void)state;
    for (int rank = 0; rank < troupe_world_size(); rank++)
        harness_done(harness_start_on(rank, set_global, &(int){ 3 }, sizeof(int)), 0);
    rounds_run(WARM_ROUNDS, TROUPE_METHOD_RANK);
    before = footprint_take();
    rounds_run(ROUNDS, TROUPE_METHOD_RANK);
    after = footprint_take();
    footprint_assert_same(&before, &after);
}

static void test_nothing_is_left_of_fresh_ones(void **state)
{
    struct footprint before = footprint_take(), after;

    (void)state;
    rounds_run((int)test_count(MANY, ROUNDS), TROUPE_METHOD_SPAWN);
    after = footprint_take();
    footprint_assert_same(&before, &after);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fresh_globals),
        cmocka_unit_test(test_environment),
        cmocka_unit_test(test_neither_files_nor_locks),
        cmocka_unit_test(test_arguments),
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_a_hundred_at_once),
        cmocka_unit_test(test_more_than_ranks),
        cmocka_unit_test(test_nested),
        cmocka_unit_test(test_nothing_is_left_of_ten_thousand),
        cmocka_unit_test(test_nothing_is_left_of_fresh_ones),
    };

    if (troupe_init(&argc, &argv) != TROUPE_OK)
        return 1;
    harness_watch(180);
    return troupe_finalize(cmocka_run_group_tests(tests, NULL, NULL));
}
