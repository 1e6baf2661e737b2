/* One rank's operations on a dict that another process made: keys in random order, and each value
 * read into the caller's buffer. */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEYS = 40000, LARGE_KEYS = 16, KEY_BYTES = 16, KEY_TEXT_BYTES = KEY_BYTES + 1 };
#define LARGE_BYTES ((size_t)256 << 10) /* values from this size on: few, for they fill the arena */

enum operation { OPERATION_GET, OPERATION_SET, OPERATION_MISS, OPERATION_ADD, OPERATION_COPY };

/* What a mode measures. */
struct mode {
    enum operation operation;
    bool is_busy;  /* the other rank computes meanwhile */
    bool is_crowd; /* each rank works, not the last one alone */
    int percent;   /* of the operations are faster than the value; 0: the mean */
};

struct work {
    struct world_task task;
    struct mode mode;
    int keys;
    troupe_dict dict;
    troupe_queue report; /* microseconds an operation, a double of each that works */
};

/* Keys of a bench, made before the clock runs. */
struct keys {
    char (*texts)[KEY_TEXT_BYTES];
    char *value;   /* where one goes to, or comes from */
    char *sources; /* [keys * bytes] of a copy, else NULL */
};

/* ---- operations --------------------------------------------------------------------------- */

static void keys_free(struct keys *keys)
{
    free(keys->texts);
    free(keys->value);
    free(keys->sources);
}

/* Absent keys have another first letter. */
static int keys_make(const struct work *work, struct keys *keys)
{
    char letter = work->mode.operation == OPERATION_MISS ? 'm' : 'k';
    bool is_copy = work->mode.operation == OPERATION_COPY;
    size_t count = (size_t)work->keys;

    keys->texts = malloc(count * sizeof *keys->texts);
    keys->value = calloc(1, work->task.bytes + 1);
    keys->sources = is_copy ? malloc(count * work->task.bytes) : NULL;
    if (keys->texts == NULL || keys->value == NULL || (is_copy && keys->sources == NULL)) {
        keys_free(keys);
        return TROUPE_NO_MEMORY;
    }
    if (is_copy)
        memset(keys->sources, letter, count * work->task.bytes);
    for (int i = 0; i < work->keys; i++)
        snprintf(keys->texts[i], KEY_TEXT_BYTES, "%c%0*d", letter, KEY_BYTES - 1, i);
    return TROUPE_OK;
}

/* The next number of a xorshift generator: cheap beside the operation, and the same in each run. */
static uint32_t random_next(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

/* TROUPE_OK when the operation did what it should: a miss misses, and all add to one counter. */
static int operate(const struct work *work, struct keys *keys, uint32_t number)
{
    troupe_bytes key = troupe_bytes_of(keys->texts[number], KEY_BYTES);
    int result;

    switch (work->mode.operation) {
    case OPERATION_SET:
        return troupe_dict_set(work->dict, key, troupe_bytes_of(keys->value, work->task.bytes));
    case OPERATION_ADD:
        return troupe_dict_add(work->dict, troupe_text("counter"), 1, NULL);
    case OPERATION_COPY:
        memcpy(keys->value, keys->sources + number * work->task.bytes, work->task.bytes);
        return keys->value[work->task.bytes - 1] != 0 ? TROUPE_OK : TROUPE_MISMATCH;
    case OPERATION_GET:
    case OPERATION_MISS:
        break;
    }
    result = troupe_dict_get(work->dict, key, keys->value, work->task.bytes, NULL);
    if (work->mode.operation == OPERATION_GET)
        return result;
    return result == TROUPE_NOT_FOUND ? TROUPE_OK : TROUPE_MISMATCH;
}

static int operate_many(const struct work *work, struct keys *keys, long count, uint32_t *state)
{
    int result = TROUPE_OK;

    for (long i = 0; i < count && result == TROUPE_OK; i++)
        result = operate(work, keys, random_next(state) % (uint32_t)work->keys);
    return result;
}

/* ---- one rank ----------------------------------------------------------------------------- */

static int mean_measure(const struct work *work, struct keys *keys, uint32_t *state, double *us)
{
    int64_t begin = world_now();
    int result = operate_many(work, keys, work->task.count, state);

    *us = world_us_each(begin, work->task.count);
    return result;
}

static int by_value(const void *left, const void *right)
{
    const double *one = left, *other = right;

    return (*one > *other) - (*one < *other);
}

/* Each operation is timed alone: the two looks at the clock are in the figure. */
static int percentile_measure(const struct work *work, struct keys *keys, uint32_t *state,
                              double *us)
{
    double *all = malloc((size_t)work->task.count * sizeof *all);
    int result = all != NULL ? TROUPE_OK : TROUPE_NO_MEMORY;

    for (long i = 0; i < work->task.count && result == TROUPE_OK; i++) {
        int64_t begin = world_now();

        result = operate_many(work, keys, 1, state);
        all[i] = world_us_each(begin, 1);
    }
    if (result == TROUPE_OK) {
        qsort(all, (size_t)work->task.count, sizeof *all, by_value);
        *us = all[work->task.count * work->mode.percent / 100];
    }
    free(all);
    return result;
}

static int worker(const void *argument, size_t bytes)
{
    const struct work *work = argument;
    uint32_t state = 2463534242; /* any but zero */
    struct keys keys;
    double us = 0;
    int result = keys_make(work, &keys);

    (void)bytes;
    if (result != TROUPE_OK)
        return EXIT_FAILURE;
    result = operate_many(work, &keys, work->task.count / WORLD_WARM_UP_PART, &state);
    if (result == TROUPE_OK)
        result = work->mode.percent > 0 ? percentile_measure(work, &keys, &state, &us)
                                        : mean_measure(work, &keys, &state, &us);
    if (result == TROUPE_OK)
        result = troupe_queue_put(work->report, &us, sizeof us, TROUPE_FOREVER);
    keys_free(&keys);
    return result == TROUPE_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* Computes until the report is there; it looks now and then. */
static int computer(const void *argument, size_t bytes)
{
    enum { ROUND = 10000000 };
    const struct work *work = argument;
    volatile uint64_t sum = 0;
    uint64_t messages = 0;

    (void)bytes;
    while (troupe_queue_size(work->report, &messages) == TROUPE_OK && messages == 0)
        for (int i = 0; i < ROUND; i++)
            sum += (uint64_t)i;
    return EXIT_SUCCESS;
}

/* ---- the parent --------------------------------------------------------------------------- */

static int dict_fill(const struct work *work)
{
    struct work fill = *work;
    struct keys keys;
    int result;

    fill.mode.operation = OPERATION_SET;
    result = keys_make(&fill, &keys);
    if (result != TROUPE_OK)
        return result;
    for (int i = 0; i < work->keys && result == TROUPE_OK; i++)
        result = operate(&fill, &keys, (uint32_t)i);
    keys_free(&keys);
    return result;
}

/* Each rank works at once. */
static int crowd_run(const struct work *work)
{
    int size = troupe_world_size(), started = 0, result = TROUPE_OK;
    troupe_process *crowd = calloc((size_t)size, sizeof *crowd);

    if (crowd == NULL)
        return TROUPE_NO_MEMORY;
    while (started < size && result == TROUPE_OK) {
        result = world_start_on(started, worker, work, sizeof *work, &crowd[started]);
        started += result == TROUPE_OK;
    }
    while (started > 0) {
        int end = world_end(crowd[--started]);

        result = result == TROUPE_OK ? end : result;
    }
    free(crowd);
    return result;
}

static int ranks_run(const struct work *work)
{
    int last = troupe_world_size() - 1, result = TROUPE_OK;
    troupe_process process, busy;

    if (work->mode.is_crowd)
        return crowd_run(work);
    if (work->mode.is_busy)
        result = world_start_on(0, computer, work, sizeof *work, &busy);
    if (result == TROUPE_OK)
        result = world_start_on(last, worker, work, sizeof *work, &process);
    if (result == TROUPE_OK)
        result = world_end(process);
    if (result == TROUPE_OK && work->mode.is_busy)
        result = world_end(busy);
    return result;
}

/* The largest of what the ranks measured. */
static int report_read(const struct work *work, double *value)
{
    int result = troupe_queue_get(work->report, value, sizeof *value, NULL, TROUPE_NO_WAIT);
    double other;

    while (result == TROUPE_OK &&
           troupe_queue_get(work->report, &other, sizeof other, NULL, TROUPE_NO_WAIT) == TROUPE_OK)
        *value = other > *value ? other : *value;
    return result;
}

/* The parent fills the dict, the last rank, or each one, works on it. */
static int dict_measure(const struct world_task *task, struct mode mode, double *value)
{
    struct work work = { .task = *task,
                         .mode = mode,
                         .keys = task->bytes < LARGE_BYTES ? KEYS : LARGE_KEYS };
    int result = troupe_dict_create(NULL, &work.dict);

    if (result == TROUPE_OK)
        result = troupe_queue_create(NULL, &work.report);
    if (result == TROUPE_OK)
        result = dict_fill(&work);
    if (result == TROUPE_OK)
        result = ranks_run(&work);
    if (result == TROUPE_OK)
        result = report_read(&work, value);
    return result;
}

int world_dict_get(const struct world_task *task, double *value)
{
    return dict_measure(task, (struct mode){ .operation = OPERATION_GET }, value);
}

int world_dict_set(const struct world_task *task, double *value)
{
    return dict_measure(task, (struct mode){ .operation = OPERATION_SET }, value);
}

int world_dict_miss(const struct world_task *task, double *value)
{
    return dict_measure(task, (struct mode){ .operation = OPERATION_MISS }, value);
}

int world_dict_add(const struct world_task *task, double *value)
{
    return dict_measure(task, (struct mode){ .operation = OPERATION_ADD }, value);
}

int world_dict_copy(const struct world_task *task, double *value)
{
    return dict_measure(task, (struct mode){ .operation = OPERATION_COPY }, value);
}

int world_dict_get_busy(const struct world_task *task, double *value)
{
    return dict_measure(task, (struct mode){ .operation = OPERATION_GET, .is_busy = true }, value);
}

int world_dict_get_p99(const struct world_task *task, double *value)
{
    return dict_measure(task, (struct mode){ .operation = OPERATION_GET, .percent = 99 }, value);
}

int world_dict_set_p99(const struct world_task *task, double *value)
{
    return dict_measure(task, (struct mode){ .operation = OPERATION_SET, .percent = 99 }, value);
}

int world_dict_get_crowd(const struct world_task *task, double *value)
{
    return dict_measure(
        task, (struct mode){ .operation = OPERATION_GET, .percent = 99, .is_crowd = true }, value);
}

int world_dict_set_crowd(const struct world_task *task, double *value)
{
    return dict_measure(
        task, (struct mode){ .operation = OPERATION_SET, .percent = 99, .is_crowd = true }, value);
}

/* ---- memory ------------------------------------------------------------------------------- */

/* The shared memory that this process has touched; 0 when the kernel does not tell. */
static long shared_kib(void)
{
    FILE *file = fopen("/proc/self/status", "re");
    char line[256];
    long kib = 0;

    if (file == NULL)
        return 0;
    while (kib == 0 && fgets(line, sizeof line, file) != NULL)
        if (sscanf(line, "RssShmem: %ld", &kib) != 1)
            kib = 0;
    fclose(file);
    return kib;
}

/* The parent makes and touches all of it, so what it has touched is what the entries take. */
int world_dict_memory(const struct world_task *task, double *value)
{
    char text[KEY_TEXT_BYTES], *bytes = calloc(1, task->bytes + 1);
    long before = shared_kib();
    troupe_dict dict;
    int result = bytes != NULL ? troupe_dict_create(NULL, &dict) : TROUPE_NO_MEMORY;

    for (long i = 0; i < task->count && result == TROUPE_OK; i++) {
        snprintf(text, sizeof text, "k%0*d", KEY_BYTES - 1, (int)i);
        result = troupe_dict_set(dict, troupe_bytes_of(text, KEY_BYTES),
                                 troupe_bytes_of(bytes, task->bytes));
    }
    free(bytes);
    if (result == TROUPE_OK)
        *value = (double)(shared_kib() - before) * 1024.0 / (double)task->count;
    return result;
}
