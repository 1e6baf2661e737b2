/* A lock that nobody else wants, and round trips through a pipe, on one node. */
#include "world.h"

#include <stdlib.h>

struct bench {
    struct world_task task;
    troupe_lock lock;
    troupe_pipe end;
    troupe_queue report; /* microseconds each */
};

static int code_of(int result)
{
    return result == TROUPE_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int lock_turns(troupe_lock lock, long count)
{
    int result = TROUPE_OK;

    for (long i = 0; i < count && result == TROUPE_OK; i++) {
        result = troupe_lock_acquire(lock, TROUPE_FOREVER);
        if (result == TROUPE_OK)
            result = troupe_lock_release(lock);
    }
    return result;
}

static int locker(const void *argument, size_t bytes)
{
    const struct bench *bench = argument;
    int result = lock_turns(bench->lock, bench->task.count / WORLD_WARM_UP_PART);
    int64_t begin = world_now();
    double us;

    (void)bytes;
    if (result == TROUPE_OK)
        result = lock_turns(bench->lock, bench->task.count);
    us = world_us_each(begin, bench->task.count);
    return code_of(result == TROUPE_OK ? troupe_queue_put(bench->report, &us, sizeof us, 0)
                                       : result);
}

static int report_take(const struct bench *bench, double *value)
{
    return troupe_queue_get(bench->report, value, sizeof *value, NULL, TROUPE_NO_WAIT);
}

int world_lock(const struct world_task *task, double *value)
{
    struct bench bench = { .task = *task };
    troupe_process process;
    int result = troupe_lock_create(NULL, &bench.lock);

    if (result == TROUPE_OK)
        result = troupe_queue_create(NULL, &bench.report);
    if (result == TROUPE_OK)
        result = world_start_on(0, locker, &bench, sizeof bench, &process);
    if (result == TROUPE_OK)
        result = world_end(process);
    return result == TROUPE_OK ? report_take(&bench, value) : result;
}

static int echo(const void *argument, size_t bytes)
{
    const struct bench *bench = argument;
    long count = bench->task.count + bench->task.count / WORLD_WARM_UP_PART;
    char *message = malloc(bench->task.bytes + 1);
    int result = message != NULL ? TROUPE_OK : TROUPE_NO_MEMORY;
    size_t size;

    (void)bytes;
    for (long i = 0; i < count && result == TROUPE_OK; i++) {
        result = troupe_pipe_receive(bench->end, message, bench->task.bytes, &size, TROUPE_FOREVER);
        if (result == TROUPE_OK)
            result = troupe_pipe_send(bench->end, message, size, TROUPE_FOREVER);
    }
    free(message);
    return code_of(result);
}

static int trips(const struct bench *bench, long count, char *message)
{
    size_t size = bench->task.bytes;
    int result = TROUPE_OK;

    for (long i = 0; i < count && result == TROUPE_OK; i++) {
        result = troupe_pipe_send(bench->end, message, size, TROUPE_FOREVER);
        if (result == TROUPE_OK)
            result = troupe_pipe_receive(bench->end, message, size, NULL, TROUPE_FOREVER);
    }
    return result;
}

static int traveller(const void *argument, size_t bytes)
{
    const struct bench *bench = argument;
    char *message = calloc(1, bench->task.bytes + 1);
    int result = TROUPE_NO_MEMORY;
    int64_t begin;
    double us;

    (void)bytes;
    if (message != NULL)
        result = trips(bench, bench->task.count / WORLD_WARM_UP_PART, message);
    begin = world_now();
    if (result == TROUPE_OK)
        result = trips(bench, bench->task.count, message);
    us = world_us_each(begin, bench->task.count);
    if (result == TROUPE_OK)
        result = troupe_queue_put(bench->report, &us, sizeof us, TROUPE_NO_WAIT);
    free(message);
    return code_of(result);
}

int world_pipe_rtt(const struct world_task *task, double *value)
{
    struct bench here = { .task = *task }, there = { .task = *task };
    troupe_process first, second;
    int result = troupe_pipe_create(NULL, &here.end, &there.end), ended;

    if (result == TROUPE_OK)
        result = troupe_queue_create(NULL, &here.report);
    if (result == TROUPE_OK)
        result = world_start_on(0, traveller, &here, sizeof here, &first);
    if (result != TROUPE_OK)
        return result;
    result = world_start_on(1, echo, &there, sizeof there, &second);
    if (result == TROUPE_OK)
        result = world_end(second);
    ended = world_end(first);
    if (result == TROUPE_OK)
        result = ended;
    return result == TROUPE_OK ? report_take(&here, value) : result;
}
