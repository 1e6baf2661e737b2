/* Starts a world, measures one mode and prints its number:
 *
 *   troupe-bench-world MODE COUNT BYTES
 *
 * Without a mode it is the empty program, whose start and end are the measure. */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { STATUS_USAGE = 2, STATUS_ABSENT = 77, NANOSECONDS = 1000000000 };

static const struct {
    const char *name;
    world_mode *measure;
} modes[] = {
    { "start_join.rank", world_start_join_rank },
    { "start_join.fork", world_start_join_fork },
    { "start_join.spawn", world_start_join_spawn },
    { "spawn.argument", world_spawn_argument },
    { "spawn.array", world_spawn_array },
    { "idle_cpu", world_idle_cpu },
    { "memory", world_memory },
    { "queue.stream", world_queue_stream },
    { "queue.put_many", world_queue_put_many },
    { "queue.mpmc", world_queue_mpmc },
    { "queue.bandwidth", world_queue_bandwidth },
    { "queue.rtt", world_queue_rtt },
    { "queue.rtt.readers", world_queue_rtt_readers },
    { "queue.idle_cpu", world_queue_idle },
    { "lock", world_lock },
    { "pipe.rtt", world_pipe_rtt },
    { "dict.get", world_dict_get },
    { "dict.set", world_dict_set },
    { "dict.miss", world_dict_miss },
    { "list.append", world_list_append },
    { "list.get", world_list_get },
    { "array.add", world_array_add },
    { "dict.add", world_dict_add },
    { "dict.copy", world_dict_copy },
    { "dict.get.busy", world_dict_get_busy },
    { "dict.get.p99", world_dict_get_p99 },
    { "dict.set.p99", world_dict_set_p99 },
    { "dict.get.crowd", world_dict_get_crowd },
    { "dict.set.crowd", world_dict_set_crowd },
    { "dict.memory", world_dict_memory },
    { "am_rtt", world_am_rtt },
    { "am_rtt.busy", world_am_rtt_busy },
    { "remote.get", world_remote_get },
    { "remote.get.busy", world_remote_get_busy },
    { "remote.read", world_remote_read },
    { "remote.read.busy", world_remote_read_busy },
    { "remote.set", world_remote_set },
    { "pool.map", world_pool_map },
    { "pool.apply", world_pool_apply },
    { "pool.balance", world_pool_balance },
    { "remote.get_many", world_remote_get_many },
    { "kernel.stream", world_kernel_stream },
    { "kernel.copy", world_kernel_copy },
    { "kernel.shared", world_kernel_shared },
    { "kernel.mandelbrot", world_kernel_mandelbrot },
    { "kernel.mandelbrot.cpu", world_kernel_mandelbrot_cpu },
    { "kernel.launch", world_kernel_launch },
    { "gpu.copy_in", world_gpu_copy_in },
};

int64_t world_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * NANOSECONDS + now.tv_nsec;
}

double world_us_each(int64_t begin, long count)
{
    return (double)(world_now() - begin) / 1000.0 / (double)count;
}

int world_start_on(int rank, troupe_target target, const void *argument, size_t bytes,
                   troupe_process *process)
{
    const troupe_process_options options = { .method = TROUPE_METHOD_RANK,
                                             .where = TROUPE_ON_RANK,
                                             .place = rank };

    return troupe_process_start(target, argument, bytes, &options, process);
}

int world_end(troupe_process process)
{
    troupe_process_status status;
    int result = troupe_process_join(process, TROUPE_FOREVER);

    if (result == TROUPE_OK)
        result = troupe_process_status_get(process, &status);
    if (result != TROUPE_OK)
        return result;
    troupe_process_close(process);
    if (status.state == TROUPE_STATE_DONE && status.exit_code == 0)
        return TROUPE_OK;
    fprintf(stderr, "the process on rank %d ended with exit code %d, signal %d. %s\n", status.rank,
            status.exit_code, status.signal, status.reason);
    return TROUPE_LOST;
}

/* A whole number from least on; false when the word is none. */
static bool number_read(const char *word, long least, long *number)
{
    char *end;

    *number = strtol(word, &end, 10);
    return end != word && *end == '\0' && *number >= least;
}

static int usage(void)
{
    fprintf(stderr, "usage: troupe-bench-world [MODE COUNT BYTES]; troupe bench runs it\n");
    return STATUS_USAGE;
}

static int status_of(int result)
{
    if (result == TROUPE_NO_GPU)
        return STATUS_ABSENT;
    return result == TROUPE_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int measure(char **words)
{
    struct world_task task;
    long bytes;
    double value;

    if (!number_read(words[1], 1, &task.count) || !number_read(words[2], 0, &bytes))
        return usage();
    task.bytes = (size_t)bytes;
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
        if (strcmp(modes[i].name, words[0]) == 0) {
            int result = modes[i].measure(&task, &value);

            if (result == TROUPE_OK)
                printf("%.9g\n", value);
            else if (result != TROUPE_NO_GPU)
                fprintf(stderr, "%s: %s\n", troupe_result_name(result), troupe_last_error());
            return status_of(result);
        }
    return usage();
}

int main(int argc, char **argv)
{
    enum { WORDS = 4 };

    if (troupe_init(&argc, &argv) != TROUPE_OK) {
        fprintf(stderr, "%s\n", troupe_last_error());
        return troupe_finalize(EXIT_FAILURE);
    }
    if (argc == 1)
        return troupe_finalize(EXIT_SUCCESS);
    return troupe_finalize(argc == WORDS ? measure(argv + 1) : usage());
}
