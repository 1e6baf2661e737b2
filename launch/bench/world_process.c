/* How long a process takes: one that does nothing, started by one of the methods, joined and
 * closed; and a fresh one that reads much, which comes as its argument or lies in an array. */
#include "world.h"

#include <stdlib.h>
#include <string.h>

#define PAGE 4096

static int nothing(const void *argument, size_t bytes)
{
    (void)argument;
    (void)bytes;
    return 0;
}

static int start_and_join(int method, long count)
{
    const troupe_process_options options = { .method = method };
    troupe_process process;
    int result = TROUPE_OK;

    for (long i = 0; i < count && result == TROUPE_OK; i++) {
        result = troupe_process_start(nothing, NULL, 0, &options, &process);
        if (result == TROUPE_OK)
            result = troupe_process_join(process, TROUPE_FOREVER);
        if (result == TROUPE_OK)
            result = troupe_process_close(process);
    }
    return result;
}

static int measure(int method, const struct world_task *task, double *value)
{
    int result = start_and_join(method, task->count / WORLD_WARM_UP_PART);
    int64_t begin = world_now();

    if (result == TROUPE_OK)
        result = start_and_join(method, task->count);
    if (result == TROUPE_OK)
        *value = world_us_each(begin, task->count);
    return result;
}

int world_start_join_rank(const struct world_task *task, double *value)
{
    return measure(TROUPE_METHOD_RANK, task, value);
}

int world_start_join_fork(const struct world_task *task, double *value)
{
    return measure(TROUPE_METHOD_FORK, task, value);
}

int world_start_join_spawn(const struct world_task *task, double *value)
{
    return measure(TROUPE_METHOD_SPAWN, task, value);
}

/* ---- heavy arguments ---------------------------------------------------------------------- */

/* Every page is looked at. */
static unsigned look_over(const unsigned char *data, size_t bytes)
{
    unsigned sum = 0;

    for (size_t i = 0; i < bytes; i += PAGE)
        sum += data[i];
    return sum;
}

static int look_at_argument(const void *argument, size_t bytes)
{
    return look_over(argument, bytes) == bytes / PAGE ? 0 : 1;
}

struct heavy {
    troupe_array array;
    size_t bytes;
};

static int look_at_array(const void *argument, size_t bytes)
{
    const struct heavy *heavy = argument;
    void *data;

    (void)bytes;
    if (troupe_array_pointer(heavy->array, &data) != TROUPE_OK)
        return 1;
    return look_over(data, heavy->bytes) == heavy->bytes / PAGE ? 0 : 1;
}

static int spawn_each(troupe_target target, const void *argument, size_t bytes, long count)
{
    const troupe_process_options options = { .method = TROUPE_METHOD_SPAWN };
    troupe_process_status status = { .exit_code = 0 };
    troupe_process process;
    int result = TROUPE_OK;

    for (long i = 0; i < count && result == TROUPE_OK && status.exit_code == 0; i++) {
        result = troupe_process_start(target, argument, bytes, &options, &process);
        if (result == TROUPE_OK)
            result = troupe_process_join(process, TROUPE_FOREVER);
        if (result == TROUPE_OK)
            result = troupe_process_status_get(process, &status);
        if (result == TROUPE_OK)
            result = troupe_process_close(process);
    }
    return status.exit_code == 0 ? result : TROUPE_FAILED;
}

static int spawn_measure(troupe_target target, const void *argument, size_t bytes, long count,
                         double *value)
{
    int result = spawn_each(target, argument, bytes, 1);
    int64_t begin = world_now();

    if (result == TROUPE_OK)
        result = spawn_each(target, argument, bytes, count);
    if (result == TROUPE_OK)
        *value = world_us_each(begin, count);
    return result;
}

int world_spawn_argument(const struct world_task *task, double *value)
{
    unsigned char *data = malloc(task->bytes);
    int result;

    if (data == NULL)
        return TROUPE_NO_MEMORY;
    memset(data, 1, task->bytes);
    result = spawn_measure(look_at_argument, data, task->bytes, task->count, value);
    free(data);
    return result;
}

int world_spawn_array(const struct world_task *task, double *value)
{
    const troupe_array_options options = { .type = TROUPE_BYTE, .length = task->bytes };
    struct heavy heavy = { .bytes = task->bytes };
    void *data = NULL;
    int result = troupe_array_create(&options, &heavy.array);

    if (result != TROUPE_OK)
        return result;
    result = troupe_array_pointer(heavy.array, &data);
    if (result == TROUPE_OK) {
        memset(data, 1, task->bytes);
        result = spawn_measure(look_at_array, &heavy, sizeof heavy, task->count, value);
    }
    troupe_array_destroy(heavy.array);
    return result;
}
