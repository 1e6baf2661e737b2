/* Queues between two ranks of a node: a stream one way, and round trips. */
#include "world.h"

#include <stdlib.h>

/* What both ranks of a bench get. */
struct line {
    struct world_task task;
    troupe_queue there, back;
    troupe_queue report; /* what a rank measured: one double or one moment */
};

static int line_create(const struct world_task *task, struct line *line)
{
    int result;

    line->task = *task;
    result = troupe_queue_create(NULL, &line->there);
    if (result == TROUPE_OK)
        result = troupe_queue_create(NULL, &line->back);
    if (result == TROUPE_OK)
        result = troupe_queue_create(NULL, &line->report);
    return result;
}

/* Runs a target on rank 0 and one on rank 1, and waits for both. */
static int line_run(const struct line *line, troupe_target first, troupe_target second)
{
    troupe_process processes[2];
    int result = world_start_on(0, first, line, sizeof *line, &processes[0]), other;

    if (result == TROUPE_OK)
        result = world_start_on(1, second, line, sizeof *line, &processes[1]);
    if (result != TROUPE_OK)
        return result;
    result = world_end(processes[0]);
    other = world_end(processes[1]);
    return result != TROUPE_OK ? result : other;
}

static int put_all(troupe_queue queue, const struct world_task *task, const void *message)
{
    int result = TROUPE_OK;

    for (long i = 0; i < task->count && result == TROUPE_OK; i++)
        result = troupe_queue_put(queue, message, task->bytes, TROUPE_FOREVER);
    return result;
}

static int get_all(troupe_queue queue, const struct world_task *task, void *message)
{
    int result = TROUPE_OK;

    for (long i = 0; i < task->count && result == TROUPE_OK; i++)
        result = troupe_queue_get(queue, message, task->bytes, NULL, TROUPE_FOREVER);
    return result;
}

/* An exit code: 0, or 1 after anything that went wrong. */
static int code_of(int result)
{
    return result == TROUPE_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* Reports when it began. */
static int producer(const void *argument, size_t bytes)
{
    const struct line *line = argument;
    char *message = calloc(1, line->task.bytes + 1);
    int64_t begin = world_now();
    int result = TROUPE_NO_MEMORY;

    (void)bytes;
    if (message != NULL)
        result = put_all(line->there, &line->task, message);
    if (result == TROUPE_OK)
        result = troupe_queue_put(line->report, &begin, sizeof begin, TROUPE_FOREVER);
    free(message);
    return code_of(result);
}

static int consumer(const void *argument, size_t bytes)
{
    const struct line *line = argument;
    char *message = malloc(line->task.bytes + 1);
    int result = TROUPE_NO_MEMORY;
    int64_t end;

    (void)bytes;
    if (message != NULL)
        result = get_all(line->there, &line->task, message);
    end = world_now();
    if (result == TROUPE_OK)
        result = troupe_queue_put(line->back, &end, sizeof end, TROUPE_FOREVER);
    free(message);
    return code_of(result);
}

int world_queue_stream(const struct world_task *task, double *value)
{
    struct line line;
    int64_t begin, end;
    int result = line_create(task, &line);

    if (result == TROUPE_OK)
        result = line_run(&line, producer, consumer);
    if (result == TROUPE_OK)
        result = troupe_queue_get(line.report, &begin, sizeof begin, NULL, TROUPE_NO_WAIT);
    if (result == TROUPE_OK)
        result = troupe_queue_get(line.back, &end, sizeof end, NULL, TROUPE_NO_WAIT);
    if (result == TROUPE_OK)
        *value = (double)task->count * 1e9 / (double)(end - begin);
    return result;
}

static int echo(const void *argument, size_t bytes)
{
    const struct line *line = argument;
    long count = line->task.count + line->task.count / WORLD_WARM_UP_PART;
    char *message = malloc(line->task.bytes + 1);
    int result = message != NULL ? TROUPE_OK : TROUPE_NO_MEMORY;
    size_t size;

    (void)bytes;
    for (long i = 0; i < count && result == TROUPE_OK; i++) {
        result = troupe_queue_get(line->there, message, line->task.bytes, &size, TROUPE_FOREVER);
        if (result == TROUPE_OK)
            result = troupe_queue_put(line->back, message, size, TROUPE_FOREVER);
    }
    free(message);
    return code_of(result);
}

static int trips(const struct line *line, long count, char *message)
{
    int result = TROUPE_OK;

    for (long i = 0; i < count && result == TROUPE_OK; i++) {
        result = troupe_queue_put(line->there, message, line->task.bytes, TROUPE_FOREVER);
        if (result == TROUPE_OK)
            result = troupe_queue_get(line->back, message, line->task.bytes, NULL, TROUPE_FOREVER);
    }
    return result;
}

static int traveller(const void *argument, size_t bytes)
{
    const struct line *line = argument;
    char *message = calloc(1, line->task.bytes + 1);
    int result = TROUPE_NO_MEMORY;
    int64_t begin = 0;
    double us;

    (void)bytes;
    if (message != NULL)
        result = trips(line, line->task.count / WORLD_WARM_UP_PART, message);
    begin = world_now();
    if (result == TROUPE_OK)
        result = trips(line, line->task.count, message);
    us = world_us_each(begin, line->task.count);
    if (result == TROUPE_OK)
        result = troupe_queue_put(line->report, &us, sizeof us, TROUPE_FOREVER);
    free(message);
    return code_of(result);
}

int world_queue_rtt(const struct world_task *task, double *value)
{
    struct line line;
    int result = line_create(task, &line);

    if (result == TROUPE_OK)
        result = line_run(&line, traveller, echo);
    if (result == TROUPE_OK)
        result = troupe_queue_get(line.report, value, sizeof *value, NULL, TROUPE_NO_WAIT);
    return result;
}
