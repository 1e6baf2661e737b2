/* Random operations of all kinds by four ranks of two nodes, equal to a reference; and a wait for a
 * key that another node sets. With one-sided reads, some of the gets are such. */
#include "world/harness.h"

#include "counts.h"
#include "dict_mix.h"
#include "reads.h"

enum { RANKS = 4, LIMIT_S = 900, OPERATIONS = 4000, OPERATIONS_FULL = 1250000 };

struct task {
    troupe_dict dict;
    troupe_queue reports;
    int worker;
    long operations;
};

/* What a worker tells in the end. */
struct report {
    long entries; /* of its own keys; -1: they are not what they should be */
    uint64_t added, faults, reads;
};

static int worker(const void *argument, size_t bytes)
{
    const struct task *task = argument;
    struct mix_reference *reference = calloc(1, sizeof *reference);
    struct report report = { .entries = -1 };
    struct mix mix;

    (void)bytes;
    if (reference == NULL || !mix_begin(&mix, task->dict, task->worker, reference))
        return 1;
    mix_run(&mix, task->operations);
    report.entries = mix_count(&mix);
    report.added = reference->added;
    report.faults = reference->faults;
    report.reads = reads_made();
    mix_end(&mix);
    free(reference);
    return troupe_queue_put(task->reports, &report, sizeof report, TROUPE_FOREVER) == TROUPE_OK ? 0
                                                                                                : 1;
}

static long entries_walked(troupe_dict dict)
{
    static unsigned char key[64], value[100000];
    troupe_cursor cursor = { { 0 } };
    long entries = 0;

    while (troupe_dict_next(dict, &cursor, key, sizeof key, NULL, value, sizeof value, NULL) ==
           TROUPE_OK)
        entries++;
    return entries;
}

static void four_ranks_against_a_reference(void **state)
{
    struct task task = { .reports = harness_queue(),
                         .operations = test_count(OPERATIONS, OPERATIONS_FULL) };
    troupe_process workers[RANKS];
    struct report report;
    uint64_t entries, added = 0, reads = 0;
    long counted = 0;

    (void)state;
    assert_int_equal(troupe_dict_create(NULL, &task.dict), TROUPE_OK);
    for (task.worker = 0; task.worker < RANKS; task.worker++)
        workers[task.worker] = harness_start_on(task.worker, worker, &task, sizeof task);
    for (int i = 0; i < RANKS; i++) {
        assert_int_equal(troupe_process_join(workers[i], LIMIT_S * 1000L), TROUPE_OK);
        harness_done(workers[i], 0);
    }
    for (int i = 0; i < RANKS; i++) {
        assert_int_equal(
            troupe_queue_get(task.reports, &report, sizeof report, NULL, HARNESS_LIMIT_MS),
            TROUPE_OK);
        assert_int_equal(report.faults, 0);
        assert_true(report.entries >= 0);
        counted += report.entries;
        added += report.added;
        reads += report.reads;
    }
    assert_int_equal(reads > 0, reads_are_wanted());
    assert_int_equal(mix_sum(task.dict), added);
    assert_int_equal(troupe_dict_size(task.dict, &entries), TROUPE_OK);
    assert_int_equal(entries, counted + mix_count_shared(task.dict));
    assert_int_equal(entries_walked(task.dict), entries);
    assert_int_equal(troupe_dict_clear(task.dict), TROUPE_OK);
    assert_int_equal(troupe_dict_size(task.dict, &entries), TROUPE_OK);
    assert_int_equal(entries, 0);
    assert_int_equal(troupe_dict_destroy(task.dict), TROUPE_OK);
}

/* ---- waiting ------------------------------------------------------------------------------ */

enum { KEYS = 40 };

static int waiter(const void *argument, size_t bytes)
{
    const struct task *task = argument;

    (void)bytes;
    for (int key = 0; key < KEYS; key++)
        if (troupe_dict_wait(task->dict, troupe_bytes_of(&key, sizeof key), HARNESS_LIMIT_MS) !=
            TROUPE_OK)
            return 1;
    return 0;
}

/* Keys of both nodes, set by the parent one by one, and waited for on both. */
static void a_key_wakes_the_other_node(void **state)
{
    troupe_process waiters[RANKS];
    struct task task = { .worker = 0 };

    (void)state;
    assert_int_equal(troupe_dict_create(NULL, &task.dict), TROUPE_OK);
    for (int i = 0; i < RANKS; i++)
        waiters[i] = harness_start_on(i, waiter, &task, sizeof task);
    for (int key = KEYS - 1; key >= 0; key--)
        assert_int_equal(troupe_dict_set(task.dict, troupe_bytes_of(&key, sizeof key),
                                         troupe_bytes_of(&key, sizeof key)),
                         TROUPE_OK);
    for (int i = 0; i < RANKS; i++)
        harness_done(waiters[i], 0);
    assert_int_equal(troupe_dict_wait(task.dict, troupe_text("never"), 1), TROUPE_TIMEOUT);
    assert_int_equal(troupe_dict_destroy(task.dict), TROUPE_OK);
}

/* ---- a name ------------------------------------------------------------------------------- */

static int opener(const void *argument, size_t bytes)
{
    troupe_dict dict;

    (void)argument, (void)bytes;
    if (troupe_dict_open("opened by all", NULL, &dict) != TROUPE_OK)
        return 1;
    return troupe_dict_add(dict, troupe_text("openers"), 1, NULL) == TROUPE_OK ? 0 : 1;
}

static void all_ranks_open_one_dict(void **state)
{
    troupe_process openers[RANKS];
    int64_t count = 0;
    troupe_dict dict;

    (void)state;
    for (int i = 0; i < RANKS; i++)
        openers[i] = harness_start_on(i, opener, NULL, 0);
    for (int i = 0; i < RANKS; i++)
        harness_done(openers[i], 0);
    assert_int_equal(troupe_dict_open("opened by all", NULL, &dict), TROUPE_OK);
    assert_int_equal(troupe_dict_get(dict, troupe_text("openers"), &count, sizeof count, NULL),
                     TROUPE_OK);
    assert_int_equal(count, RANKS);
    assert_int_equal(troupe_dict_destroy(dict), TROUPE_OK);
    assert_int_equal(troupe_dict_open("opened by all", NULL, &dict), TROUPE_OK);
    assert_int_equal(troupe_dict_get(dict, troupe_text("openers"), &count, sizeof count, NULL),
                     TROUPE_NOT_FOUND);
    assert_int_equal(troupe_dict_destroy(dict), TROUPE_OK);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_wakes_the_other_node),
        cmocka_unit_test(all_ranks_open_one_dict),
        cmocka_unit_test(four_ranks_against_a_reference),
    };

    if (troupe_init(&argc, &argv) != TROUPE_OK)
        return troupe_finalize(1);
    harness_watch(LIMIT_S);
    return troupe_finalize(cmocka_run_group_tests(tests, NULL, NULL));
}
