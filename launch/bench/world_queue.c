/* Queues between ranks, of one node or of two: streams one way, and round trips. The queues live
 * with the parent, which is rank 0's node, unless a mode says otherwise. */
#include "world.h"

#include <stdlib.h>

enum {
    BATCH = 64,       /* messages of a call that moves several */
    LARGE = 64 << 10, /* from here on a stream is bounded: its messages would fill the arena */
    LARGE_MOST = 4,   /* messages of it then */
    PAIRS = 2         /* putters, and getters, of the crowded stream */
};

/* What the ranks of a bench get. */
struct line {
    struct world_task task;
    troupe_queue there, back;
    troupe_queue report; /* what a rank measured: one double or one moment */
};

static int line_create(const struct world_task *task, struct line *line)
{
    troupe_queue_options options = { .max_messages = task->bytes >= LARGE ? LARGE_MOST : 0 };
    int result;

    line->task = *task;
    result = troupe_queue_create(&options, &line->there);
    if (result == TROUPE_OK)
        result = troupe_queue_create(NULL, &line->back);
    if (result == TROUPE_OK)
        result = troupe_queue_create(NULL, &line->report);
    return result;
}

/* Runs a target on each of the first ranks, and another on each of as many that follow; waits for
 * all. */
static int line_run_pairs(const struct line *line, troupe_target home, troupe_target other,
                          int pairs)
{
    troupe_process processes[2 * PAIRS];
    int result = TROUPE_OK, started = 0;

    for (; started < 2 * pairs && result == TROUPE_OK; started += result == TROUPE_OK)
        result = world_start_on(started, started < pairs ? home : other, line, sizeof *line,
                                &processes[started]);
    if (result != TROUPE_OK)
        return result;
    for (int i = 0; i < started; i++) {
        int ended = world_end(processes[i]);

        result = result != TROUPE_OK ? result : ended;
    }
    return result;
}

static int line_run(const struct line *line, troupe_target home, troupe_target other)
{
    return line_run_pairs(line, home, other, 1);
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

/* The extreme of some moments: the latest end, or the first begin. */
static int moment_take(troupe_queue queue, int count, bool latest, int64_t *moment)
{
    int result = TROUPE_OK;

    for (int i = 0; i < count && result == TROUPE_OK; i++) {
        int64_t one = 0;

        result = troupe_queue_get(queue, &one, sizeof one, NULL, TROUPE_NO_WAIT);
        if (i == 0 || (latest ? one > *moment : one < *moment))
            *moment = one;
    }
    return result;
}

/* Messages a second from the first begin to the last end. */
static int stream_measure(const struct world_task *task, troupe_target home, troupe_target other,
                          int pairs, double *value)
{
    struct line line;
    int64_t begin = 0, end = 0;
    int result = line_create(task, &line);

    if (result == TROUPE_OK)
        result = line_run_pairs(&line, home, other, pairs);
    if (result == TROUPE_OK)
        result = moment_take(line.report, pairs, false, &begin);
    if (result == TROUPE_OK)
        result = moment_take(line.back, pairs, true, &end);
    if (result == TROUPE_OK)
        *value = (double)task->count * pairs * 1e9 / (double)(end - begin);
    return result;
}

int world_queue_stream(const struct world_task *task, double *value)
{
    return stream_measure(task, consumer, producer, 1, value);
}

int world_queue_bandwidth(const struct world_task *task, double *value)
{
    int result = stream_measure(task, consumer, producer, 1, value);

    if (result == TROUPE_OK)
        *value *= (double)task->bytes / 1e9;
    return result;
}

int world_queue_mpmc(const struct world_task *task, double *value)
{
    return stream_measure(task, consumer, producer, PAIRS, value);
}

static int put_batches(const struct line *line, const void *message)
{
    troupe_bytes batch[BATCH];
    int result = TROUPE_OK;

    for (int i = 0; i < BATCH; i++)
        batch[i] = troupe_bytes_of(message, line->task.bytes);
    for (long i = 0; i < line->task.count && result == TROUPE_OK; i += BATCH)
        result = troupe_queue_put_many(line->there, batch,
                                       line->task.count - i < BATCH ? (size_t)(line->task.count - i)
                                                                    : BATCH,
                                       NULL, TROUPE_FOREVER);
    return result;
}

static int get_batches(const struct line *line, void *buffer, size_t capacity)
{
    troupe_bytes batch[BATCH];
    int result = TROUPE_OK;
    size_t count = 0;

    for (long i = 0; i < line->task.count && result == TROUPE_OK; i += (long)count)
        result = troupe_queue_get_many(line->there, buffer, capacity, batch, BATCH, &count,
                                       TROUPE_FOREVER);
    return result;
}

static int batch_producer(const void *argument, size_t bytes)
{
    const struct line *line = argument;
    char *message = calloc(1, line->task.bytes + 1);
    int64_t begin = world_now();
    int result = TROUPE_NO_MEMORY;

    (void)bytes;
    if (message != NULL)
        result = put_batches(line, message);
    if (result == TROUPE_OK)
        result = troupe_queue_put(line->report, &begin, sizeof begin, TROUPE_FOREVER);
    free(message);
    return code_of(result);
}

static int batch_consumer(const void *argument, size_t bytes)
{
    const struct line *line = argument;
    size_t capacity = BATCH * (line->task.bytes + sizeof(uint64_t));
    char *buffer = malloc(capacity);
    int result = TROUPE_NO_MEMORY;
    int64_t end;

    (void)bytes;
    if (buffer != NULL)
        result = get_batches(line, buffer, capacity);
    end = world_now();
    if (result == TROUPE_OK)
        result = troupe_queue_put(line->back, &end, sizeof end, TROUPE_FOREVER);
    free(buffer);
    return code_of(result);
}

int world_queue_put_many(const struct world_task *task, double *value)
{
    return stream_measure(task, batch_consumer, batch_producer, 1, value);
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

static int rtt_measure(const struct line *line, double *value)
{
    int result = line_run(line, traveller, echo);

    if (result == TROUPE_OK)
        result = troupe_queue_get(line->report, value, sizeof *value, NULL, TROUPE_NO_WAIT);
    return result;
}

int world_queue_rtt(const struct world_task *task, double *value)
{
    struct line line;
    int result = line_create(task, &line);

    return result == TROUPE_OK ? rtt_measure(&line, value) : result;
}

/* Makes a queue on its own rank's node and reports the handle. */
static int maker(const void *argument, size_t bytes)
{
    const struct line *line = argument;
    troupe_queue queue;
    int result = troupe_queue_create(NULL, &queue);

    (void)bytes;
    if (result == TROUPE_OK)
        result = troupe_queue_put(line->report, &queue, sizeof queue, TROUPE_FOREVER);
    return code_of(result);
}

/* Each rank reads from a queue of its own node. */
int world_queue_rtt_readers(const struct world_task *task, double *value)
{
    troupe_process process;
    struct line line;
    int result = line_create(task, &line);

    if (result == TROUPE_OK)
        result = world_start_on(1, maker, &line, sizeof line, &process);
    if (result == TROUPE_OK)
        result = world_end(process);
    if (result == TROUPE_OK)
        result =
            troupe_queue_get(line.report, &line.there, sizeof line.there, NULL, TROUPE_NO_WAIT);
    return result == TROUPE_OK ? rtt_measure(&line, value) : result;
}
