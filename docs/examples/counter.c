/* A shared counter: processes add to it at the same time, and no addition is lost.
 *
 * usage: counter [additions [processes]]
 *
 * Python's Value needs a lock around `value += 1`; troupe_array_add is one step by itself. Beside
 * the counter, an array takes each process's own sum. */
#include <stdio.h>
#include <stdlib.h>
#include <troupe/troupe.h>

#define ADDITIONS 100000
#define POOL_SIZE 10

struct task {
    troupe_array counter; /* one int64_t */
    troupe_array sums;    /* a double for each process */
    int pool_id;
    int additions;
};

static int runner(const void *argument, size_t bytes)
{
    const struct task *task = argument;

    (void)bytes;
    for (int i = 0; i < task->additions; i++)
        if (troupe_array_add(task->counter, 0, 1, NULL) != TROUPE_OK)
            return 1;
    return troupe_array_add_double(task->sums, (uint64_t)task->pool_id, task->additions * 0.5,
                                   NULL) == TROUPE_OK
               ? 0
               : 1;
}

static int make(int pool_size, struct task *task)
{
    troupe_array_options options = { .type = TROUPE_DOUBLE, .length = (uint64_t)pool_size };
    int result = troupe_array_create(NULL, &task->counter);

    return result == TROUPE_OK ? troupe_array_create(&options, &task->sums) : result;
}

static int print(const struct task *task, int pool_size)
{
    int64_t count;
    double sum, all = 0;

    if (troupe_array_get(task->counter, 0, &count, sizeof count) != TROUPE_OK)
        return 1;
    for (int i = 0; i < pool_size; i++) {
        if (troupe_array_get(task->sums, (uint64_t)i, &sum, sizeof sum) != TROUPE_OK)
            return 1;
        all += sum;
    }
    printf("count: %lld\nsum of halves: %.1f\n", (long long)count, all);
    return 0;
}

int main(int argc, char **argv)
{
    int additions = argc > 1 ? atoi(argv[1]) : ADDITIONS;
    int pool_size = argc > 2 ? atoi(argv[2]) : POOL_SIZE, failed = 0;
    troupe_process *crew = calloc(pool_size > 0 ? (size_t)pool_size : 1, sizeof *crew);
    struct task task = { .additions = additions };

    if (crew == NULL || troupe_init(&argc, &argv) != TROUPE_OK ||
        make(pool_size, &task) != TROUPE_OK)
        return troupe_finalize(1);
    for (int i = 0; i < pool_size; i++) {
        task.pool_id = i;
        failed |= troupe_process_start(runner, &task, sizeof task, NULL, &crew[i]) != TROUPE_OK;
    }
    for (int i = 0; i < pool_size; i++)
        failed |= troupe_process_join(crew[i], TROUPE_FOREVER) != TROUPE_OK;
    failed |= print(&task, pool_size);
    free(crew);
    return troupe_finalize(failed);
}
