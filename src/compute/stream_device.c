/* stream's arrays in the device's memory; times are those of the device, between two events. */
#include "compute/stream_forms.h"

#include "kernels/stream.h"

#define MEBIBYTE (UINT64_C(1) << 20)

/* Some ten times the largest L2 cache, and never more than a small part of the memory. */
#define ARRAY_MOST (512 * MEBIBYTE)
enum { PARTS = 8, PAIR = 2 }; /* a thread moves two elements at once */

static int device_elements(troupe_kernels *kernels, int sharers, uint64_t *elements)
{
    uint64_t free_bytes, total_bytes, bytes;
    int result = troupe_gpu_memory_info(kernels->gpu, &free_bytes, &total_bytes);

    if (result != TROUPE_OK)
        return result;
    bytes = total_bytes / PARTS / (uint64_t)sharers;
    *elements = (bytes < ARRAY_MOST ? bytes : ARRAY_MOST) / sizeof(double);
    return TROUPE_OK;
}

static int device_create(struct stream_run *run)
{
    uint64_t bytes = run->elements * sizeof(double);
    troupe_gpu gpu = run->kernels->gpu;
    int result = compute_results(run->kernels, sizeof(uint64_t));

    for (int i = 0; i < STREAM_ARRAYS && result == TROUPE_OK; i++)
        result = troupe_gpu_alloc(gpu, bytes, &run->device[i]);
    if (result == TROUPE_OK)
        result = troupe_gpu_event_create(gpu, &run->begin);
    if (result == TROUPE_OK)
        result = troupe_gpu_event_create(gpu, &run->end);
    return result;
}

static void device_destroy(struct stream_run *run)
{
    troupe_gpu gpu = run->kernels->gpu;

    for (int i = 0; i < STREAM_ARRAYS; i++)
        troupe_gpu_free(gpu, run->device[i]);
    if (run->begin.id != 0)
        troupe_gpu_event_destroy(gpu, run->begin);
    if (run->end.id != 0)
        troupe_gpu_event_destroy(gpu, run->end);
}

/* Launches one of the kernels over the whole of the arrays. */
static int kernel_run(struct stream_run *run, const char *name, void *const *arguments)
{
    troupe_kernels *kernels = run->kernels;
    troupe_gpu_function function;
    int result =
        compute_function(kernels, &kernels->stream_module, kernel_image_stream(), name, &function);

    if (result == TROUPE_OK)
        result =
            compute_launch(kernels, function, STREAM_BLOCK, (run->elements + 1) / PAIR, arguments);
    return result;
}

static int device_fill(struct stream_run *run)
{
    int result = TROUPE_OK;

    for (int i = 0; i < STREAM_ARRAYS && result == TROUPE_OK; i++)
        result = kernel_run(run, "stream_fill", (void *[]){ &run->device[i], &run->elements });
    return result;
}

static int round_run(struct stream_run *run)
{
    troupe_gpu_memory *a = &run->device[STREAM_A], *b = &run->device[STREAM_B];
    troupe_gpu_memory *c = &run->device[STREAM_C];
    double factor = STREAM_SCALE;
    uint64_t *n = &run->elements;
    int result = kernel_run(run, "stream_copy", (void *[]){ c, a, n });

    if (result == TROUPE_OK)
        result = kernel_run(run, "stream_scale", (void *[]){ b, c, &factor, n });
    if (result == TROUPE_OK)
        result = kernel_run(run, "stream_add", (void *[]){ c, a, b, n });
    if (result == TROUPE_OK)
        result = kernel_run(run, "stream_triad", (void *[]){ a, b, c, &factor, n });
    return result;
}

static int timing_begin(struct stream_run *run)
{
    return troupe_gpu_event_record(run->kernels->gpu, run->begin, run->kernels->stream);
}

static int timing_end(struct stream_run *run, double *seconds)
{
    troupe_gpu gpu = run->kernels->gpu;
    double milliseconds;
    int result = troupe_gpu_event_record(gpu, run->end, run->kernels->stream);

    if (result == TROUPE_OK)
        result = troupe_gpu_event_synchronize(gpu, run->end);
    if (result == TROUPE_OK)
        result = troupe_gpu_event_elapsed(gpu, run->begin, run->end, &milliseconds);
    if (result == TROUPE_OK)
        *seconds = milliseconds / 1e3;
    return result;
}

static int device_rounds(struct stream_run *run, uint64_t *rounds, double *seconds)
{
    int result = timing_begin(run);

    for (*rounds = 0; *rounds < STREAM_ROUNDS_MAX && result == TROUPE_OK; ++*rounds)
        result = round_run(run);
    return result == TROUPE_OK ? timing_end(run, seconds) : result;
}

static int device_copy(struct stream_run *run, double *seconds)
{
    int result = timing_begin(run);

    if (result == TROUPE_OK)
        result = troupe_gpu_copy_within_async(run->kernels->gpu, run->device[STREAM_C],
                                              run->elements * sizeof(double), run->device[STREAM_B],
                                              run->kernels->stream);
    return result == TROUPE_OK ? timing_end(run, seconds) : result;
}

static int device_check(struct stream_run *run, int array, double factor, uint64_t *wrong)
{
    troupe_kernels *kernels = run->kernels;
    uint64_t found;
    int result = troupe_gpu_fill_async(kernels->gpu, kernels->results.memory, 0, sizeof found,
                                       kernels->stream);

    if (result == TROUPE_OK)
        result = kernel_run(
            run, "stream_check",
            (void *[]){ &run->device[array], &factor, &run->elements, &kernels->results.memory });
    if (result == TROUPE_OK)
        result = compute_fetch(kernels, sizeof found, &found);
    if (result == TROUPE_OK)
        *wrong += found;
    return result;
}

const struct stream_form stream_on_device = {
    .elements = device_elements,
    .create = device_create,
    .destroy = device_destroy,
    .fill = device_fill,
    .rounds = device_rounds,
    .copy = device_copy,
    .check = device_check,
};
