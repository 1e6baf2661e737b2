/* One rank's operations on a dict that another process made: keys in random order, and each value
 * read into the caller's buffer. */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>

enum { KEYS = 40000, KEY_BYTES = 16, KEY_TEXT_BYTES = KEY_BYTES + 1 };

enum operation { OPERATION_GET, OPERATION_SET, OPERATION_MISS };

struct work {
    struct world_task task;
    enum operation operation;
    troupe_dict dict;
    troupe_queue report; /* microseconds an operation, one double */
};

/* Keys of a bench, made before the clock runs. */
struct keys {
    char (*texts)[KEY_TEXT_BYTES];
    char *value;
};

/* Absent keys have another first letter. */
static int keys_make(const struct work *work, struct keys *keys)
{
    char letter = work->operation == OPERATION_MISS ? 'm' : 'k';

    keys->texts = malloc(KEYS * sizeof *keys->texts);
    keys->value = calloc(1, work->task.bytes + 1);
    if (keys->texts == NULL || keys->value == NULL) {
        free(keys->texts);
        free(keys->value);
        return TROUPE_NO_MEMORY;
    }
    for (int i = 0; i < KEYS; i++)
        snprintf(keys->texts[i], KEY_TEXT_BYTES, "%c%0*d", letter, KEY_BYTES - 1, i);
    return TROUPE_OK;
}

static void keys_free(struct keys *keys)
{
    free(keys->texts);
    free(keys->value);
}

/* The next number of a xorshift generator: cheap beside the operation, and the same in each run. */
static uint32_t random_next(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

/* TROUPE_OK when the operation did what it should: a miss misses. */
static int operate(const struct work *work, struct keys *keys, const char *text)
{
    troupe_bytes key = troupe_bytes_of(text, KEY_BYTES);
    int result;

    if (work->operation == OPERATION_SET)
        return troupe_dict_set(work->dict, key, troupe_bytes_of(keys->value, work->task.bytes));
    result = troupe_dict_get(work->dict, key, keys->value, work->task.bytes, NULL);
    if (work->operation == OPERATION_GET)
        return result;
    return result == TROUPE_NOT_FOUND ? TROUPE_OK : TROUPE_MISMATCH;
}

static int operate_many(const struct work *work, struct keys *keys, long count, uint32_t *state)
{
    int result = TROUPE_OK;

    for (long i = 0; i < count && result == TROUPE_OK; i++)
        result = operate(work, keys, keys->texts[random_next(state) % KEYS]);
    return result;
}

static int worker(const void *argument, size_t bytes)
{
    const struct work *work = argument;
    uint32_t state = 2463534242; /* any but zero */
    struct keys keys;
    int64_t begin;
    double us;
    int result = keys_make(work, &keys);

    (void)bytes;
    if (result != TROUPE_OK)
        return EXIT_FAILURE;
    result = operate_many(work, &keys, work->task.count / WORLD_WARM_UP_PART, &state);
    begin = world_now();
    if (result == TROUPE_OK)
        result = operate_many(work, &keys, work->task.count, &state);
    us = world_us_each(begin, work->task.count);
    if (result == TROUPE_OK)
        result = troupe_queue_put(work->report, &us, sizeof us, TROUPE_FOREVER);
    keys_free(&keys);
    return result == TROUPE_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int dict_fill(const struct work *work)
{
    struct work fill = *work;
    struct keys keys;
    int result;

    fill.operation = OPERATION_SET;
    result = keys_make(&fill, &keys);
    if (result != TROUPE_OK)
        return result;
    for (int i = 0; i < KEYS && result == TROUPE_OK; i++)
        result = operate(&fill, &keys, keys.texts[i]);
    keys_free(&keys);
    return result;
}

/* The parent fills the dict, the last rank works on it. */
static int dict_measure(const struct world_task *task, enum operation operation, double *value)
{
    struct work work = { .task = *task, .operation = operation };
    troupe_process process;
    int result = troupe_dict_create(NULL, &work.dict);

    if (result == TROUPE_OK)
        result = troupe_queue_create(NULL, &work.report);
    if (result == TROUPE_OK)
        result = dict_fill(&work);
    if (result == TROUPE_OK)
        result = world_start_on(troupe_world_size() - 1, worker, &work, sizeof work, &process);
    if (result == TROUPE_OK)
        result = world_end(process);
    if (result == TROUPE_OK)
        result = troupe_queue_get(work.report, value, sizeof *value, NULL, TROUPE_NO_WAIT);
    return result;
}

int world_dict_get(const struct world_task *task, double *value)
{
    return dict_measure(task, OPERATION_GET, value);
}

int world_dict_set(const struct world_task *task, double *value)
{
    return dict_measure(task, OPERATION_SET, value);
}

int world_dict_miss(const struct world_task *task, double *value)
{
    return dict_measure(task, OPERATION_MISS, value);
}
