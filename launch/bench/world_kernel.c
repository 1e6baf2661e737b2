/* Kernels on ranks: bandwidth, the picture's tiles, launches and copies. A target measures on its
 * rank, for the parent never uses a GPU, and reports what came out, also when it could not. */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <troupe/gpu.h>
#include <troupe/kernels.h>

enum { STREAM, COPY, MANDELBROT, LAUNCH, COPY_IN };

/* What a target is to measure. */
struct kernel_task {
    struct world_task task;
    troupe_queue report;
    int where;
    int kind; /* what to measure */
};

struct kernel_report {
    int result;
    double value;
    char reason[TROUPE_REASON_SIZE];
};

static const double giga = 1e9, mega = 1e6, milli = 1e-3;

/* ---- stream ------------------------------------------------------------------------------- */

/* count is milliseconds. */
static int stream_measure(const struct kernel_task *task, double *value)
{
    const troupe_stream_options options = { .seconds = (double)task->task.count * milli,
                                            .sharers = troupe_world_size(),
                                            .compare = task->kind == COPY };
    troupe_stream_result measured;
    troupe_kernels *kernels;
    int result = troupe_kernels_open(task->where, &kernels);

    if (result != TROUPE_OK)
        return result;
    result = troupe_kernels_stream(kernels, &options, &measured);
    if (result == TROUPE_OK && measured.wrong > 0)
        result = TROUPE_SYSTEM;
    if (result == TROUPE_OK)
        *value = (task->kind == COPY ? measured.copied_each_s : measured.bytes_each_s) / giga;
    troupe_kernels_close(kernels);
    return result;
}

/* ---- mandelbrot ----------------------------------------------------------------------------- */

/* count tiles of the same part of the picture, whose points take long and short. */
static int mandelbrot_measure(const struct kernel_task *task, double *value)
{
    enum { SIDE = 512, LIMIT = 1000 };
    const troupe_mandelbrot_tile tile = {
        .left = -1.5, .top = 1.25, .step = 2.5 / SIDE, .width = SIDE, .height = SIDE, .limit = LIMIT
    };
    uint32_t *counts = malloc((size_t)SIDE * SIDE * sizeof *counts);
    troupe_kernels *kernels = NULL;
    int result = counts != NULL ? troupe_kernels_open(task->where, &kernels) : TROUPE_NO_MEMORY;
    int64_t begin;

    if (result == TROUPE_OK)
        result = troupe_kernels_mandelbrot(kernels, &tile, counts); /* the code is loaded then */
    begin = world_now();
    for (long i = 0; i < task->task.count && result == TROUPE_OK; i++)
        result = troupe_kernels_mandelbrot(kernels, &tile, counts);
    if (result == TROUPE_OK)
        *value = SIDE * SIDE / world_us_each(begin, task->task.count);
    troupe_kernels_close(kernels);
    free(counts);
    return result;
}

/* ---- launches and copies -------------------------------------------------------------------- */

/* A kernel that does nothing, for any device from compute capability 7.5 on. */
static const char nothing_ptx[] = ".version 6.3\n.target sm_75\n.address_size 64\n"
                                  ".visible .entry nothing()\n{\nret;\n}\n";

static int launch_all(troupe_gpu gpu, troupe_gpu_function nothing, long count)
{
    const troupe_gpu_shape shape = { .grid = { 1 }, .block = { 32 } };
    int result = TROUPE_OK;

    for (long i = 0; i < count && result == TROUPE_OK; i++)
        result = troupe_gpu_launch(gpu, nothing, &shape, NULL);
    return result == TROUPE_OK ? troupe_gpu_synchronize(gpu) : result;
}

static int launch_measure(const struct kernel_task *task, double *value)
{
    troupe_gpu_function nothing;
    troupe_gpu_module module;
    troupe_gpu gpu;
    int64_t begin;
    int result = troupe_gpu_open(TROUPE_GPU_OWN, &gpu);

    if (result != TROUPE_OK)
        return result;
    result = troupe_gpu_module_load(gpu, nothing_ptx, sizeof nothing_ptx, &module);
    if (result == TROUPE_OK)
        result = troupe_gpu_function_get(gpu, module, "nothing", &nothing);
    if (result == TROUPE_OK)
        result = launch_all(gpu, nothing, task->task.count / WORLD_WARM_UP_PART);
    begin = world_now();
    if (result == TROUPE_OK)
        result = launch_all(gpu, nothing, task->task.count);
    if (result == TROUPE_OK)
        *value = world_us_each(begin, task->task.count);
    troupe_gpu_close(gpu);
    return result;
}

static int copy_all(troupe_gpu gpu, const void *host, const struct world_task *task, long count,
                    troupe_gpu_memory memory)
{
    int result = TROUPE_OK;

    for (long i = 0; i < count && result == TROUPE_OK; i++)
        result = troupe_gpu_copy_in(gpu, host, task->bytes, memory);
    return result;
}

static int copy_in_measure(const struct kernel_task *task, double *value)
{
    troupe_gpu_memory memory = { 0 };
    void *host = NULL;
    troupe_gpu gpu;
    int64_t begin;
    int result = troupe_gpu_open(TROUPE_GPU_OWN, &gpu);

    if (result != TROUPE_OK)
        return result;
    result = troupe_gpu_alloc(gpu, task->task.bytes, &memory);
    if (result == TROUPE_OK)
        result = troupe_gpu_host_alloc(gpu, task->task.bytes, &host);
    if (result == TROUPE_OK)
        result =
            copy_all(gpu, host, &task->task, 1 + task->task.count / WORLD_WARM_UP_PART, memory);
    begin = world_now();
    if (result == TROUPE_OK)
        result = copy_all(gpu, host, &task->task, task->task.count, memory);
    if (result == TROUPE_OK)
        *value = (double)task->task.bytes / world_us_each(begin, task->task.count) * mega / giga;
    if (host != NULL)
        troupe_gpu_host_free(gpu, host);
    troupe_gpu_free(gpu, memory);
    troupe_gpu_close(gpu);
    return result;
}

/* ---- the target and its parent -------------------------------------------------------------- */

static int measurer(const void *argument, size_t bytes)
{
    static int (*const measures[])(const struct kernel_task *, double *) = {
        [STREAM] = stream_measure, [COPY] = stream_measure,     [MANDELBROT] = mandelbrot_measure,
        [LAUNCH] = launch_measure, [COPY_IN] = copy_in_measure,
    };
    const struct kernel_task *task = argument;
    struct kernel_report report = { 0 };

    (void)bytes;
    report.result = measures[task->kind](task, &report.value);
    if (report.result != TROUPE_OK)
        snprintf(report.reason, sizeof report.reason, "%s", troupe_last_error());
    return troupe_queue_put(task->report, &report, sizeof report, TROUPE_FOREVER) == TROUPE_OK
               ? EXIT_SUCCESS
               : EXIT_FAILURE;
}

/* Adds one rank's report to the sum; the first reason not to is told. */
static int report_add(troupe_queue queue, double *sum)
{
    struct kernel_report report;
    int result = troupe_queue_get(queue, &report, sizeof report, NULL, TROUPE_NO_WAIT);

    if (result == TROUPE_OK && report.result != TROUPE_OK)
        fprintf(stderr, "%s\n", report.reason);
    if (result == TROUPE_OK)
        result = report.result;
    if (result == TROUPE_OK)
        *sum += report.value;
    return result;
}

/* Measures on the first ranks at the same time, and sums up. */
static int ranks_measure(const struct world_task *of, int kind, int where, int ranks, double *value)
{
    struct kernel_task task = { .task = *of, .kind = kind, .where = where };
    troupe_process *processes = calloc((size_t)ranks, sizeof *processes);
    int result = processes != NULL ? troupe_queue_create(NULL, &task.report) : TROUPE_NO_MEMORY;
    double sum = 0;

    for (int i = 0; i < ranks && result == TROUPE_OK; i++)
        result = world_start_on(i, measurer, &task, sizeof task, &processes[i]);
    for (int i = 0; i < ranks && result == TROUPE_OK; i++)
        result = world_end(processes[i]);
    for (int i = 0; i < ranks && result == TROUPE_OK; i++)
        result = report_add(task.report, &sum);
    free(processes);
    if (result == TROUPE_OK)
        *value = sum;
    return result;
}

int world_kernel_stream(const struct world_task *task, double *value)
{
    return ranks_measure(task, STREAM, TROUPE_KERNELS_ANYWHERE, 1, value);
}

int world_kernel_copy(const struct world_task *task, double *value)
{
    return ranks_measure(task, COPY, TROUPE_KERNELS_ANYWHERE, 1, value);
}

int world_kernel_shared(const struct world_task *task, double *value)
{
    return ranks_measure(task, STREAM, TROUPE_KERNELS_GPU, troupe_world_size(), value);
}

int world_kernel_mandelbrot(const struct world_task *task, double *value)
{
    return ranks_measure(task, MANDELBROT, TROUPE_KERNELS_ANYWHERE, 1, value);
}

int world_kernel_mandelbrot_cpu(const struct world_task *task, double *value)
{
    return ranks_measure(task, MANDELBROT, TROUPE_KERNELS_CPU, 1, value);
}

int world_kernel_launch(const struct world_task *task, double *value)
{
    return ranks_measure(task, LAUNCH, TROUPE_KERNELS_GPU, 1, value);
}

int world_gpu_copy_in(const struct world_task *task, double *value)
{
    return ranks_measure(task, COPY_IN, TROUPE_KERNELS_GPU, 1, value);
}
