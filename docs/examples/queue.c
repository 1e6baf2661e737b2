/* Messages through a queue: each process reads one if there is one, and leaves its own; the parent
 * drains the rest.
 *
 * usage: queue [milliseconds between two starts [processes]]
 *
 * However the processes interleave, as many lines are read as remain to ten in all. Started a
 * second apart (queue 1000) each process finds its predecessor's message: nine reads, and one
 * remains. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <troupe/troupe.h>

struct task {
    troupe_queue queue;
    int pool_id;
};

static int runner(const void *argument, size_t bytes)
{
    const struct task *task = argument;
    char text[128];
    size_t size;

    (void)bytes;
    if (troupe_queue_get(task->queue, text, sizeof text, &size, TROUPE_NO_WAIT) == TROUPE_OK)
        printf("WeThinkIn %d: read %s\n", task->pool_id, text);
    snprintf(text, sizeof text, "the queue message from WeThinkIn %d", task->pool_id);
    return troupe_queue_put(task->queue, text, strlen(text) + 1, TROUPE_FOREVER) == TROUPE_OK ? 0
                                                                                              : 1;
}

static void pause_for(long milliseconds)
{
    struct timespec time = { milliseconds / 1000, milliseconds % 1000 * 1000000 };

    nanosleep(&time, NULL);
}

int main(int argc, char **argv)
{
    long pause_ms = argc > 1 ? atol(argv[1]) : 0;
    int pool_size = argc > 2 ? atoi(argv[2]) : 10, failed = 0;
    troupe_process *crew = calloc(pool_size > 0 ? (size_t)pool_size : 1, sizeof *crew);
    troupe_queue queue;
    char text[128];
    size_t size;

    if (crew == NULL || troupe_init(&argc, &argv) != TROUPE_OK ||
        troupe_queue_create(NULL, &queue) != TROUPE_OK)
        return troupe_finalize(1);
    for (int i = 0; i < pool_size; i++) {
        struct task task = { queue, i };

        failed |= troupe_process_start(runner, &task, sizeof task, NULL, &crew[i]) != TROUPE_OK;
        if (pause_ms > 0)
            pause_for(pause_ms);
    }
    for (int i = 0; i < pool_size; i++)
        failed |= troupe_process_join(crew[i], TROUPE_FOREVER) != TROUPE_OK;
    puts("############");
    while (troupe_queue_get(queue, text, sizeof text, &size, TROUPE_NO_WAIT) == TROUPE_OK)
        printf("Remain %s\n", text);
    free(crew);
    return troupe_finalize(failed);
}
