/* One rank's operations on a list or a counter that another process made. */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>

enum { ITEMS = 40000 };

struct work {
    struct world_task task;
    troupe_list list;
    troupe_array counter;
    troupe_queue report; /* microseconds an operation, one double */
};

/* One operation; turn counts them. */
typedef int operation(const struct work *work, char *item, long turn);

static int append(const struct work *work, char *item, long turn)
{
    (void)turn;
    return troupe_list_append(work->list, troupe_bytes_of(item, work->task.bytes));
}

/* Of an item far from the last one: 7919 is prime to their number. */
static int get(const struct work *work, char *item, long turn)
{
    return troupe_list_get(work->list, turn * 7919 % ITEMS, item, work->task.bytes, NULL);
}

static int add(const struct work *work, char *item, long turn)
{
    (void)item, (void)turn;
    return troupe_array_add(work->counter, 0, 1, NULL);
}

static int operate_many(const struct work *work, operation *operate, char *item, long count)
{
    int result = TROUPE_OK;

    for (long i = 0; i < count && result == TROUPE_OK; i++)
        result = operate(work, item, i);
    return result;
}

static int worker(const struct work *work, operation *operate)
{
    char *item = calloc(1, work->task.bytes + 1);
    int64_t begin;
    double us;
    int result = TROUPE_NO_MEMORY;

    if (item != NULL)
        result = operate_many(work, operate, item, work->task.count / WORLD_WARM_UP_PART);
    begin = world_now();
    if (result == TROUPE_OK)
        result = operate_many(work, operate, item, work->task.count);
    us = world_us_each(begin, work->task.count);
    if (result == TROUPE_OK)
        result = troupe_queue_put(work->report, &us, sizeof us, TROUPE_FOREVER);
    free(item);
    return result == TROUPE_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int appender(const void *argument, size_t bytes)
{
    (void)bytes;
    return worker(argument, append);
}

static int getter(const void *argument, size_t bytes)
{
    (void)bytes;
    return worker(argument, get);
}

static int adder(const void *argument, size_t bytes)
{
    (void)bytes;
    return worker(argument, add);
}

static int list_fill(const struct work *work)
{
    char *item = calloc(1, work->task.bytes + 1);
    int result = item != NULL ? operate_many(work, append, item, ITEMS) : TROUPE_NO_MEMORY;

    free(item);
    return result;
}

/* The parent makes what the last rank works on. */
static int measure(const struct world_task *task, troupe_target target, bool filled, double *value)
{
    struct work work = { .task = *task };
    troupe_process process;
    int result = troupe_list_create(NULL, &work.list);

    if (result == TROUPE_OK)
        result = troupe_array_create(NULL, &work.counter);
    if (result == TROUPE_OK)
        result = troupe_queue_create(NULL, &work.report);
    if (result == TROUPE_OK && filled)
        result = list_fill(&work);
    if (result == TROUPE_OK)
        result = world_start_on(troupe_world_size() - 1, target, &work, sizeof work, &process);
    if (result == TROUPE_OK)
        result = world_end(process);
    if (result == TROUPE_OK)
        result = troupe_queue_get(work.report, value, sizeof *value, NULL, TROUPE_NO_WAIT);
    return result;
}

int world_list_append(const struct world_task *task, double *value)
{
    return measure(task, appender, false, value);
}

int world_list_get(const struct world_task *task, double *value)
{
    return measure(task, getter, true, value);
}

int world_array_add(const struct world_task *task, double *value)
{
    return measure(task, adder, false, value);
}
