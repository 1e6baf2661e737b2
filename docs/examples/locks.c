/* Four processes add to a sum that a lock guards, after a barrier has brought them together; then
 * one of them dies with the lock in its hands, and the next taker is told.
 *
 * Prints "sum 4000", and "the last holder died" once. */
#include <signal.h>
#include <stdio.h>
#include <troupe/troupe.h>

enum { CREW = 4, TIMES = 1000 };

struct task {
    troupe_barrier start;
    troupe_lock lock;
    troupe_queue sum; /* one message: without the lock, two could work on the same one */
};

static int add_one(troupe_queue queue)
{
    int sum, result = troupe_queue_get(queue, &sum, sizeof sum, NULL, TROUPE_NO_WAIT);

    sum = result == TROUPE_OK ? sum + 1 : -1;
    return result != TROUPE_OK ? result : troupe_queue_put(queue, &sum, sizeof sum, TROUPE_FOREVER);
}

static int adder(const void *argument, size_t bytes)
{
    const struct task *task = argument;
    int result = troupe_barrier_wait(task->start, TROUPE_FOREVER, NULL);

    (void)bytes;
    for (int i = 0; i < TIMES && result == TROUPE_OK; i++) {
        if (troupe_lock_acquire(task->lock, TROUPE_FOREVER) != TROUPE_OK)
            return 1;
        result = add_one(task->sum);
        if (troupe_lock_release(task->lock) != TROUPE_OK)
            return 1;
    }
    return result == TROUPE_OK ? 0 : 1;
}

static int careless(const void *argument, size_t bytes)
{
    const struct task *task = argument;

    (void)bytes;
    if (troupe_lock_acquire(task->lock, TROUPE_FOREVER) == TROUPE_OK)
        raise(SIGKILL);
    return 1;
}

static int run_all(const struct task *task)
{
    const troupe_process_options fresh = { .method = TROUPE_METHOD_SPAWN };
    troupe_process crew[CREW];
    troupe_process last;
    int failed = 0;

    for (int i = 0; i < CREW; i++)
        if (troupe_process_start(adder, task, sizeof *task, NULL, &crew[i]) != TROUPE_OK)
            return 1;
    for (int i = 0; i < CREW; i++)
        failed |= troupe_process_join(crew[i], TROUPE_FOREVER) != TROUPE_OK;
    if (troupe_process_start(careless, task, sizeof *task, &fresh, &last) != TROUPE_OK)
        return 1;
    return failed | (troupe_process_join(last, TROUPE_FOREVER) != TROUPE_OK);
}

int main(int argc, char **argv)
{
    struct task task;
    int sum = 0, failed;

    if (troupe_init(&argc, &argv) != TROUPE_OK ||
        troupe_barrier_create(CREW, &task.start) != TROUPE_OK ||
        troupe_lock_create(NULL, &task.lock) != TROUPE_OK ||
        troupe_queue_create(NULL, &task.sum) != TROUPE_OK ||
        troupe_queue_put(task.sum, &sum, sizeof sum, TROUPE_FOREVER) != TROUPE_OK)
        return troupe_finalize(1);
    failed = run_all(&task);
    if (troupe_lock_acquire(task.lock, TROUPE_FOREVER) == TROUPE_OWNER_DIED)
        puts("the last holder died");
    troupe_lock_release(task.lock);
    troupe_queue_get(task.sum, &sum, sizeof sum, NULL, TROUPE_NO_WAIT);
    printf("sum %d\n", sum);
    return troupe_finalize(failed);
}
