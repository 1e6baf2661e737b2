/* Random operations of all kinds by several threads, and by several processes, against a reference
 * (dict_mix.h); then the whole is walked through and compared once more. */
#include "solo.h"

#include "counts.h"
#include "dict_mix.h"

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WORKERS = 4, OPERATIONS = 12000, OPERATIONS_FULL = 200000 };
#define ARENA_BYTES (128u << 20)

static struct solo solo;

/* In memory that all processes share. */
static struct mix_reference *references;

struct worker {
    troupe_dict dict;
    int number;
};

static bool work(const struct worker *worker)
{
    struct mix mix;

    if (!mix_begin(&mix, worker->dict, worker->number, &references[worker->number]))
        return false;
    mix_run(&mix, test_count(OPERATIONS, OPERATIONS_FULL));
    mix_end(&mix);
    return true;
}

/* Every entry is shown once, and is counted. */
static uint64_t walk(troupe_dict dict)
{
    static unsigned char value[100000];
    unsigned char key[64];
    troupe_cursor cursor = { { 0 } };
    uint64_t walked = 0;

    while (troupe_dict_next(dict, &cursor, key, sizeof key, NULL, value, sizeof value, NULL) ==
           TROUPE_OK)
        walked++;
    return walked;
}

static void compare(troupe_dict dict)
{
    uint64_t entries, added = 0;
    long counted = 0;

    for (int i = 0; i < WORKERS; i++) {
        struct mix mix;
        long own;

        assert_int_equal(references[i].faults, 0);
        assert_true(mix_begin(&mix, dict, i, &references[i]));
        own = mix_count(&mix);
        assert_true(own >= 0);
        counted += own;
        added += references[i].added;
        mix_end(&mix);
    }
    assert_int_equal(mix_sum(dict), added);
    assert_int_equal(troupe_dict_size(dict, &entries), TROUPE_OK);
    assert_int_equal(entries, counted + mix_count_shared(dict));
    assert_int_equal(entries, walk(dict));
}

/* Starts the workers by begin, waits for them by end, and looks at what they left. */
static void run(void (*begin)(struct worker *workers), void (*end)(void))
{
    uint64_t nothing = solo_linked(&solo);
    struct worker workers[WORKERS];
    troupe_dict dict;

    references = mmap(NULL, WORKERS * sizeof *references, PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(references != MAP_FAILED);
    assert_int_equal(troupe_dict_create(NULL, &dict), TROUPE_OK);
    for (int i = 0; i < WORKERS; i++)
        workers[i] = (struct worker){ dict, i };
    begin(workers);
    end();
    compare(dict);
    assert_int_equal(troupe_dict_destroy(dict), TROUPE_OK);
    assert_int_equal(solo_linked(&solo), nothing);
    munmap(references, WORKERS * sizeof *references);
}

static pthread_t threads[WORKERS];

static void *work_as_thread(void *worker)
{
    return work(worker) ? worker : NULL;
}

static void threads_begin(struct worker *workers)
{
    for (int i = 0; i < WORKERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, work_as_thread, &workers[i]), 0);
}

static void threads_end(void)
{
    for (int i = 0; i < WORKERS; i++) {
        void *worker;

        assert_int_equal(pthread_join(threads[i], &worker), 0);
        assert_non_null(worker);
    }
}

static void by_threads(void **state)
{
    (void)state;
    run(threads_begin, threads_end);
}

static void child(const struct worker *worker)
{
    struct actor *actor;
    bool worked;

    if (solo_join_child(&actor) != TROUPE_OK)
        _exit(1);
    worked = work(worker);
    world_leave();
    _exit(worked ? 0 : 1);
}

static void processes_begin(struct worker *workers)
{
    for (int i = 0; i < WORKERS; i++) {
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid == 0)
            child(&workers[i]);
    }
}

static void processes_end(void)
{
    int status;

    while (wait(&status) > 0)
        assert_int_equal(status, 0);
}

static void by_processes(void **state)
{
    (void)state;
    run(processes_begin, processes_end);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_threads),
        cmocka_unit_test(by_processes),
    };
    int failed;

    solo_begin(&solo, ARENA_BYTES);
    solo_warm();
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    solo_end(&solo);
    return failed;
}
