/* How long a process takes that does nothing: started by one of the methods, joined and closed. */
#include "world.h"

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
