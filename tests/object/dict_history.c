/* Four ranks of two nodes work on the same few keys of a dict that grows meanwhile; what each call
 * saw is recorded with its times, and each key's history must be linearisable. With one-sided
 * reads, some of the gets are such. */
#include "world/harness.h"

#include "counts.h"
#include "history.h"
#include "reads.h"

#include <time.h>

enum { KEYS = 3, OPERATIONS = 150, ROUNDS = 10, ROUNDS_FULL = 300, FILLERS = 2, LIMIT_S = 600 };
#define NANOSECONDS 1000000000u
#define AMOUNT ((uint64_t)1 << 40) /* of an addition: no value that is set looks like a sum */

struct task {
    troupe_dict dict;
    troupe_queue reports;
    int worker;
};

struct report {
    int worker;
    int failures;   /* calls that returned what no call may */
    uint64_t reads; /* of this worker's process until now */
    uint32_t counts[KEYS];
    struct history_entry entries[KEYS][OPERATIONS];
};

/* ---- the checker itself ------------------------------------------------------------------- */

#define SET(b, e, v)                                                                               \
    (struct history_entry)                                                                         \
    {                                                                                              \
        .begin = b, .end = e, .kind = HISTORY_SET, .gave = v                                       \
    }
#define GET(b, e, v)                                                                               \
    (struct history_entry)                                                                         \
    {                                                                                              \
        .begin = b, .end = e, .kind = HISTORY_GET, .saw = v                                        \
    }

static bool judge(const struct history_entry *one, size_t ones, const struct history_entry *other,
                  size_t others)
{
    const struct history_client clients[HISTORY_CLIENTS] = { { one, ones }, { other, others } };

    return history_is_linearisable(clients);
}

static void the_checker_tells(void **state)
{
    const struct history_entry sets[] = { SET(1, 2, 7), SET(5, 9, 8) };
    const struct history_entry fresh[] = { GET(3, 4, 7), GET(6, 7, 8) };
    const struct history_entry early[] = { GET(3, 4, 8) };              /* before it was set */
    const struct history_entry stale[] = { GET(10, 11, 7) };            /* after it was replaced */
    const struct history_entry back[] = { GET(6, 7, 8), GET(7, 8, 7) }; /* new, then old again */
    const struct history_entry lost[] = { SET(1, 4, 7), GET(5, 6, 0) };
    const struct history_entry adds[] = {
        { .begin = 1, .end = 5, .kind = HISTORY_ADD, .gave = 1, .saw = 1 },
        { .begin = 6, .end = 7, .kind = HISTORY_GET, .saw = 1 },
    };
    const struct history_entry lost_add[] = {
        { .begin = 2, .end = 4, .kind = HISTORY_ADD, .gave = 1, .saw = 1 },
    };

    (void)state;
    assert_true(judge(sets, 2, fresh, 2));
    assert_false(judge(sets, 2, early, 1));
    assert_false(judge(sets, 2, stale, 1));
    assert_false(judge(sets, 2, back, 2));
    assert_false(judge(lost, 2, NULL, 0));
    assert_true(judge(adds, 2, NULL, 0));
    assert_false(judge(adds, 2, lost_add, 1));
}

/* ---- recording ---------------------------------------------------------------------------- */

static uint64_t now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * NANOSECONDS + (uint64_t)time.tv_nsec;
}

static int compare(troupe_dict dict, troupe_bytes key, struct history_entry *entry)
{
    int result =
        troupe_dict_compare_and_set(dict, key, troupe_bytes_of(&entry->expected, sizeof(uint64_t)),
                                    troupe_bytes_of(&entry->gave, sizeof(uint64_t)));

    entry->done = result == TROUPE_OK;
    return result == TROUPE_DIFFERS || result == TROUPE_NOT_FOUND ? TROUPE_OK : result;
}

/* Does one operation; what it saw of a key that was not there is 0. */
static int operate(troupe_dict dict, troupe_bytes key, struct history_entry *entry)
{
    troupe_bytes gave = troupe_bytes_of(&entry->gave, sizeof entry->gave);
    int result = TROUPE_BAD_ARGUMENT;
    int64_t sum = 0;

    switch (entry->kind) {
    case HISTORY_GET:
        result = troupe_dict_get(dict, key, &entry->saw, sizeof entry->saw, NULL);
        break;
    case HISTORY_SET:
        result = troupe_dict_set(dict, key, gave);
        break;
    case HISTORY_POP:
        result = troupe_dict_pop(dict, key, &entry->saw, sizeof entry->saw, NULL);
        break;
    case HISTORY_DEFAULT:
        result =
            troupe_dict_set_default(dict, key, gave, &entry->saw, sizeof entry->saw, NULL, NULL);
        break;
    case HISTORY_COMPARE:
        result = compare(dict, key, entry);
        break;
    case HISTORY_ADD:
        result = troupe_dict_add(dict, key, (int64_t)entry->gave, &sum);
        entry->saw = (uint64_t)sum;
        break;
    }
    return result == TROUPE_NOT_FOUND ? TROUPE_OK : result;
}

static void record(const struct task *task, int number, uint64_t drawn, uint64_t *last,
                   struct report *report)
{
    static const enum history_kind kinds[] = { HISTORY_GET,     HISTORY_GET, HISTORY_SET,
                                               HISTORY_POP,     HISTORY_ADD, HISTORY_DEFAULT,
                                               HISTORY_COMPARE, HISTORY_GET };
    uint64_t key = drawn % KEYS;
    struct history_entry *entry = &report->entries[key][report->counts[key]++];

    *entry = (struct history_entry){ .kind = kinds[drawn >> 40 & 7], .expected = last[key] };
    entry->gave = entry->kind == HISTORY_ADD
                      ? AMOUNT
                      : (uint64_t)(task->worker + 1) << 20 | (uint64_t)(number + 1);
    entry->begin = now();
    if (operate(task->dict, troupe_bytes_of(&key, sizeof key), entry) != TROUPE_OK)
        report->failures++;
    entry->end = now();
    if (entry->saw != 0)
        last[key] = entry->saw;
}

/* Entries of its own keep the dict growing. */
static int fillers_set(const struct task *task, int number)
{
    int result = TROUPE_OK;

    for (int i = 0; i < FILLERS && result == TROUPE_OK; i++) {
        int filler[3] = { task->worker, number, i };

        result = troupe_dict_set(task->dict, troupe_bytes_of(filler, sizeof filler),
                                 troupe_text("filler"));
    }
    return result;
}

/* All begin together: whoever comes last tells the others. */
static int gather(const struct task *task)
{
    int64_t ready = 0;
    int result = troupe_dict_add(task->dict, troupe_text("ready"), 1, &ready);

    if (result == TROUPE_OK && ready == HISTORY_CLIENTS)
        result = troupe_dict_set(task->dict, troupe_text("go"), troupe_text(""));
    if (result == TROUPE_OK)
        result = troupe_dict_wait(task->dict, troupe_text("go"), HARNESS_LIMIT_MS);
    return result;
}

static int recorder(const void *argument, size_t bytes)
{
    const struct task *task = argument;
    struct report *report = calloc(1, sizeof *report);
    uint64_t random = 88172645463325252u * (uint64_t)(task->worker + 1) + task->dict.id;
    uint64_t last[KEYS] = { 0 };
    int result = report != NULL ? gather(task) : TROUPE_NO_MEMORY;

    (void)bytes;
    for (int i = 0; result == TROUPE_OK && i < OPERATIONS; i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        record(task, i, random >> 8, last, report);
        result = fillers_set(task, i);
    }
    if (result == TROUPE_OK) {
        report->worker = task->worker;
        report->reads = reads_made();
        result = troupe_queue_put(task->reports, report, sizeof *report, HARNESS_LIMIT_MS);
    }
    free(report);
    return result == TROUPE_OK ? 0 : 1;
}

/* ---- rounds ------------------------------------------------------------------------------- */

static void reports_judge(const struct report *reports)
{
    for (int key = 0; key < KEYS; key++) {
        struct history_client clients[HISTORY_CLIENTS];

        for (int i = 0; i < HISTORY_CLIENTS; i++)
            clients[i] = (struct history_client){ reports[i].entries[key], reports[i].counts[key] };
        assert_true(history_is_linearisable(clients));
    }
}

static void play(troupe_queue queue, struct report *reports)
{
    struct task task = { .reports = queue };
    troupe_process recorders[HISTORY_CLIENTS];

    assert_int_equal(troupe_dict_create(NULL, &task.dict), TROUPE_OK);
    for (task.worker = 0; task.worker < HISTORY_CLIENTS; task.worker++)
        recorders[task.worker] = harness_start_on(task.worker, recorder, &task, sizeof task);
    for (int i = 0; i < HISTORY_CLIENTS; i++)
        harness_done(recorders[i], 0);
    for (int i = 0; i < HISTORY_CLIENTS; i++) {
        assert_int_equal(
            troupe_queue_get(queue, &reports[i], sizeof *reports, NULL, HARNESS_LIMIT_MS),
            TROUPE_OK);
        assert_int_equal(reports[i].failures, 0);
    }
    assert_int_equal(troupe_dict_destroy(task.dict), TROUPE_OK);
}

static void histories_are_linearisable(void **state)
{
    long rounds = test_count(ROUNDS, ROUNDS_FULL);
    static struct report reports[HISTORY_CLIENTS];
    troupe_queue queue = harness_queue();
    uint64_t reads = 0;

    (void)state;
    for (long round = 0; round < rounds; round++) {
        play(queue, reports);
        reports_judge(reports);
    }
    for (int i = 0; i < HISTORY_CLIENTS; i++)
        reads += reports[i].reads;
    assert_int_equal(reads > 0, reads_are_wanted());
    assert_int_equal(troupe_queue_destroy(queue), TROUPE_OK);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_checker_tells),
        cmocka_unit_test(histories_are_linearisable),
    };

    if (troupe_init(&argc, &argv) != TROUPE_OK)
        return troupe_finalize(1);
    harness_watch(LIMIT_S);
    return troupe_finalize(cmocka_run_group_tests(tests, NULL, NULL));
}
