/* Calls between two nodes: the last rank works on what the parent's node holds. */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEYS = 40000, LOOKED_AT = 4000, KEY_BYTES = 16, KEY_TEXT_BYTES = KEY_BYTES + 1, TRIES = 3 };

enum { MANY = 64 }; /* keys of one call */

enum operation {
    OPERATION_SIZE,
    OPERATION_GET,
    OPERATION_READ, /* the same, where gets read the other node's memory themselves */
    OPERATION_SET,
    OPERATION_GET_MANY
};

struct remote {
    struct world_task task;
    enum operation operation;
    troupe_dict dict;
    troupe_queue report; /* lives on the parent's node; its size is the least that can be asked */
    bool is_busy;        /* the other node's ranks compute */
    long at_once;        /* operations of one call */
};

/* What the measuring rank works with. */
struct desk {
    char (*texts)[KEY_TEXT_BYTES]; /* of keys that the other node holds */
    int keys;
    char *value;
    char *values; /* [MANY] */
};

/* MANY keys in a row, from a number on. */
static int get_many(const struct remote *remote, const struct desk *desk, size_t number)
{
    size_t bytes = remote->task.bytes;
    troupe_dict_value values[MANY];
    troupe_bytes keys[MANY];
    int result;

    for (size_t i = 0; i < MANY; i++) {
        keys[i] = troupe_bytes_of(desk->texts[(number + i) % (size_t)desk->keys], KEY_BYTES);
        values[i] = (troupe_dict_value){ .data = desk->values + i * bytes, .capacity = bytes };
    }
    result = troupe_dict_get_many(remote->dict, keys, MANY, values);
    return result == TROUPE_OK ? values[MANY - 1].result : result;
}

static int operate(const struct remote *remote, const struct desk *desk, size_t number)
{
    troupe_bytes key = troupe_bytes_of(desk->texts[number], KEY_BYTES);
    uint64_t messages;

    if (remote->operation == OPERATION_GET_MANY)
        return get_many(remote, desk, number);

    if (remote->operation == OPERATION_SIZE)
        return troupe_queue_size(remote->report, &messages);
    if (remote->operation == OPERATION_SET)
        return troupe_dict_set(remote->dict, key, troupe_bytes_of(desk->value, remote->task.bytes));
    return troupe_dict_get(remote->dict, key, desk->value, remote->task.bytes, NULL);
}

static void key_write(int number, char *text)
{
    snprintf(text, KEY_TEXT_BYTES, "k%0*d", KEY_BYTES - 1, number);
}

/* The fastest of a few gets: what is in our own node's memory takes a fraction of a message. A get
 * that reads was a message the first time. */
static int64_t fastest_get(const struct remote *remote, char *value, const char *text)
{
    int64_t fastest = INT64_MAX;

    for (int i = 0; i < (remote->operation == OPERATION_READ ? 1 : TRIES); i++) {
        int64_t begin = world_now(), took;

        troupe_dict_get(remote->dict, troupe_bytes_of(text, KEY_BYTES), value, remote->task.bytes,
                        NULL);
        took = world_now() - begin;
        fastest = took < fastest ? took : fastest;
    }
    return fastest;
}

static int compare(const void *one, const void *other)
{
    int64_t a = *(const int64_t *)one, b = *(const int64_t *)other;

    return (a > b) - (a < b);
}

/* Half of the keys are the other node's: above the geometric mean of a low and a high tenth, which
 * a few that were held up do not move. */
static int keys_choose(const struct remote *remote, struct desk *desk)
{
    int64_t *took = malloc(2 * LOOKED_AT * sizeof *took), *sorted = took + LOOKED_AT, square;

    if (took == NULL)
        return TROUPE_NO_MEMORY;
    for (int i = 0; i < LOOKED_AT; i++) {
        key_write(i * (KEYS / LOOKED_AT), desk->texts[i]);
        took[i] = fastest_get(remote, desk->value, desk->texts[i]);
    }
    memcpy(sorted, took, LOOKED_AT * sizeof *took);
    qsort(sorted, LOOKED_AT, sizeof *sorted, compare);
    square = sorted[LOOKED_AT / 10] * sorted[LOOKED_AT - LOOKED_AT / 10];
    for (int i = 0; i < LOOKED_AT; i++)
        if (took[i] * took[i] > square)
            memmove(desk->texts[desk->keys++], desk->texts[i], KEY_TEXT_BYTES);
    free(took);
    return desk->keys > 0 ? TROUPE_OK : TROUPE_NOT_FOUND;
}

static int desk_make(const struct remote *remote, struct desk *desk)
{
    desk->keys = 1;
    desk->texts = calloc(LOOKED_AT, sizeof *desk->texts);
    desk->value = calloc(1, remote->task.bytes + 1);
    desk->values = calloc(MANY, remote->task.bytes + 1);
    if (desk->texts == NULL || desk->value == NULL || desk->values == NULL)
        return TROUPE_NO_MEMORY;
    if (remote->operation == OPERATION_SIZE)
        return TROUPE_OK;
    desk->keys = 0;
    return keys_choose(remote, desk);
}

static int operate_many(const struct remote *remote, const struct desk *desk, long count)
{
    int result = TROUPE_OK;

    for (long i = 0; i < count && result == TROUPE_OK; i += remote->at_once)
        result = operate(remote, desk, (size_t)i * 7919 % (size_t)desk->keys);
    return result;
}

static int caller(const void *argument, size_t bytes)
{
    const struct remote *remote = argument;
    struct desk desk;
    int64_t begin;
    double us;
    int result = desk_make(remote, &desk);

    (void)bytes;
    if (result == TROUPE_OK)
        result = operate_many(remote, &desk, remote->task.count / WORLD_WARM_UP_PART);
    begin = world_now();
    if (result == TROUPE_OK)
        result = operate_many(remote, &desk, remote->task.count);
    us = world_us_each(begin, remote->task.count);
    free(desk.texts);
    free(desk.value);
    free(desk.values);
    if (result == TROUPE_OK)
        result = troupe_queue_put(remote->report, &us, sizeof us, TROUPE_FOREVER);
    return result == TROUPE_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* Computes until the caller's report is there: a look into its own node's memory now and then. */
static int computer(const void *argument, size_t bytes)
{
    const struct remote *remote = argument;
    volatile uint64_t sum = 0;
    uint64_t messages = 0;

    (void)bytes;
    while (troupe_queue_size(remote->report, &messages) == TROUPE_OK && messages == 0)
        for (int i = 0; i < 10000000; i++)
            sum += (uint64_t)i;
    return EXIT_SUCCESS;
}

static int dict_fill(const struct remote *remote)
{
    char text[KEY_TEXT_BYTES], *value = calloc(1, remote->task.bytes + 1);
    int result = value != NULL ? TROUPE_OK : TROUPE_NO_MEMORY;

    for (int i = 0; i < KEYS && result == TROUPE_OK; i++) {
        key_write(i, text);
        result = troupe_dict_set(remote->dict, troupe_bytes_of(text, KEY_BYTES),
                                 troupe_bytes_of(value, remote->task.bytes));
    }
    free(value);
    return result;
}

static int remote_run(const struct remote *remote)
{
    troupe_process process, busy;
    int result = TROUPE_OK;

    if (remote->is_busy)
        result = world_start_on(0, computer, remote, sizeof *remote, &busy);
    if (result == TROUPE_OK)
        result = world_start_on(troupe_world_size() - 1, caller, remote, sizeof *remote, &process);
    if (result == TROUPE_OK)
        result = world_end(process);
    if (result == TROUPE_OK && remote->is_busy)
        result = world_end(busy);
    return result;
}

static int remote_measure(const struct world_task *task, enum operation operation, bool is_busy,
                          double *value)
{
    struct remote remote = { .task = *task,
                             .operation = operation,
                             .is_busy = is_busy,
                             .at_once = operation == OPERATION_GET_MANY ? MANY : 1 };
    int result = troupe_dict_create(NULL, &remote.dict);

    if (result == TROUPE_OK)
        result = troupe_queue_create(NULL, &remote.report);
    if (result == TROUPE_OK && operation != OPERATION_SIZE)
        result = dict_fill(&remote);
    if (result == TROUPE_OK)
        result = remote_run(&remote);
    if (result == TROUPE_OK)
        result = troupe_queue_get(remote.report, value, sizeof *value, NULL, TROUPE_NO_WAIT);
    return result;
}

int world_am_rtt(const struct world_task *task, double *value)
{
    return remote_measure(task, OPERATION_SIZE, false, value);
}

int world_am_rtt_busy(const struct world_task *task, double *value)
{
    return remote_measure(task, OPERATION_SIZE, true, value);
}

int world_remote_get(const struct world_task *task, double *value)
{
    return remote_measure(task, OPERATION_GET, false, value);
}

int world_remote_get_busy(const struct world_task *task, double *value)
{
    return remote_measure(task, OPERATION_GET, true, value);
}

int world_remote_read(const struct world_task *task, double *value)
{
    return remote_measure(task, OPERATION_READ, false, value);
}

int world_remote_read_busy(const struct world_task *task, double *value)
{
    return remote_measure(task, OPERATION_READ, true, value);
}

int world_remote_set(const struct world_task *task, double *value)
{
    return remote_measure(task, OPERATION_SET, false, value);
}

int world_remote_get_many(const struct world_task *task, double *value)
{
    return remote_measure(task, OPERATION_GET_MANY, false, value);
}
