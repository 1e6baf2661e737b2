/* The Troupe side of the benches: a program that starts a world, measures one mode in it and prints
 * one number. Each mode is a function of the parent. The targets that it starts on ranks report by
 * a queue, so the clock is that of this host, which all processes share. */
#ifndef TROUPE_LAUNCH_BENCH_WORLD_H
#define TROUPE_LAUNCH_BENCH_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <troupe/troupe.h>

/* What to measure: how often, with messages or values of how many bytes. */
struct world_task {
    long count;
    size_t bytes;
};

/* A mode: value is set on TROUPE_OK only, in the unit of the bench that names the mode.
 * TROUPE_NO_GPU says that this machine has not what the mode needs; why is told then. */
typedef int world_mode(const struct world_task *task, double *value);

world_mode world_start_join_rank;
world_mode world_start_join_fork;
world_mode world_start_join_spawn;
world_mode world_spawn_argument, world_spawn_array;
world_mode world_idle_cpu, world_memory;
world_mode world_queue_stream, world_queue_put_many, world_queue_mpmc, world_queue_bandwidth;
world_mode world_queue_rtt, world_queue_rtt_readers, world_queue_idle;
world_mode world_lock, world_pipe_rtt;
world_mode world_list_append, world_list_get, world_array_add;
world_mode world_dict_get, world_dict_set, world_dict_miss, world_dict_add, world_dict_copy;
world_mode world_dict_get_busy, world_dict_get_p99, world_dict_set_p99, world_dict_get_crowd,
    world_dict_set_crowd, world_dict_memory;
world_mode world_am_rtt, world_am_rtt_busy;
world_mode world_remote_get, world_remote_get_busy, world_remote_set, world_remote_get_many;
world_mode world_remote_read, world_remote_read_busy;
world_mode world_pool_map, world_pool_apply, world_pool_balance;
world_mode world_kernel_stream, world_kernel_copy, world_kernel_shared;
world_mode world_kernel_mandelbrot, world_kernel_mandelbrot_cpu;
world_mode world_kernel_launch, world_gpu_copy_in;

/* Nanoseconds of this host's monotonic clock. */
int64_t world_now(void);

/* Microseconds for each of count operations that began at a moment. */
double world_us_each(int64_t begin, long count);

/* One operation in so many is run beforehand and not counted: caches, branch history and the
 * spinning of waiters are as in steady work then. */
enum { WORLD_WARM_UP_PART = 10 };

/* Starts target on a rank. */
int world_start_on(int rank, troupe_target target, const void *argument, size_t bytes,
                   troupe_process *process);

/* Waits for a process and closes it. TROUPE_LOST after one line when it ended in another way than
 * with exit code 0. */
int world_end(troupe_process process);

#endif
