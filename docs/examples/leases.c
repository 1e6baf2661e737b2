/* Tasks that survive their workers: three processes square numbers, and the number 3 kills whoever
 * takes it up for the first time. Its lease comes back, and another worker does it.
 *
 * Prints each number and its square, in order, and how many attempts it took:
 *
 *   3 squared is 9, attempt 2 */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <troupe/troupe.h>

#define TASKS 6
#define WORKERS 3

struct work {
    troupe_queue tasks, results;
};

struct result {
    int number, square;
    uint64_t attempt;
};

/* A result is put before its task is done: a worker that dies between the two makes it come twice,
 * never not at all. */
static int worker(const void *argument, size_t bytes)
{
    const struct work *work = argument;
    troupe_lease lease;
    int number;

    (void)bytes;
    while (troupe_queue_lease(work->tasks, &number, sizeof number, NULL, &lease, TROUPE_FOREVER) ==
           TROUPE_OK) {
        struct result result = { number, number * number, lease.attempt };

        if (number == 3 && lease.attempt == 1)
            raise(SIGKILL);
        if (troupe_queue_put(work->results, &result, sizeof result, TROUPE_FOREVER) != TROUPE_OK ||
            troupe_queue_done(work->tasks, lease) != TROUPE_OK)
            return 1;
    }
    return 0; /* TROUPE_CLOSED: nothing is left, and nothing can come back */
}

static int results_print(troupe_queue results)
{
    struct result all[TASKS] = { { 0, 0, 0 } }, one;
    int missing = 0;

    while (troupe_queue_get(results, &one, sizeof one, NULL, TROUPE_NO_WAIT) == TROUPE_OK)
        all[one.number] = one;
    for (int i = 0; i < TASKS; i++) {
        missing += all[i].attempt == 0;
        printf("%d squared is %d, attempt %d\n", i, all[i].square, (int)all[i].attempt);
    }
    return missing;
}

int main(int argc, char **argv)
{
    const troupe_process_options fresh = { .method = TROUPE_METHOD_SPAWN };
    troupe_process crew[WORKERS];
    struct work work;
    int failed = 0;

    if (troupe_init(&argc, &argv) != TROUPE_OK ||
        troupe_queue_create(NULL, &work.tasks) != TROUPE_OK ||
        troupe_queue_create(NULL, &work.results) != TROUPE_OK)
        return troupe_finalize(1);
    for (int i = 0; i < TASKS; i++)
        failed |= troupe_queue_put(work.tasks, &i, sizeof i, TROUPE_FOREVER) != TROUPE_OK;
    for (int i = 0; i < WORKERS; i++)
        failed |= troupe_process_start(worker, &work, sizeof work, &fresh, &crew[i]) != TROUPE_OK;
    if (!failed)
        failed = troupe_queue_join(work.tasks, TROUPE_FOREVER) != TROUPE_OK;
    troupe_queue_close(work.tasks);
    for (int i = 0; i < WORKERS && !failed; i++)
        failed = troupe_process_join(crew[i], TROUPE_FOREVER) != TROUPE_OK;
    if (!failed)
        failed = results_print(work.results);
    return troupe_finalize(failed != 0);
}
