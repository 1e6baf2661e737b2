/* Opens the place where kernels run, and does the device's part that all of them share. */
#include "compute/compute.h"

#include <stdlib.h>

#include "base/error.h"

/* Blocks for each multiprocessor: enough that one waits for memory while others compute. */
enum { BLOCKS_EACH = 16 };

static int device_open(troupe_kernels *kernels)
{
    troupe_gpu_properties properties;
    int result;

    if (kernel_image_stream().data == NULL)
        return fail(TROUPE_NO_GPU,
                    "kernels: this library has no code for a GPU, since it was built "
                    "without nvcc; build it where nvcc is");
    result = troupe_gpu_open(TROUPE_GPU_OWN, &kernels->gpu);
    if (result != TROUPE_OK)
        return result;
    result = troupe_gpu_properties_get(TROUPE_GPU_OWN, &properties);
    if (result == TROUPE_OK)
        result = troupe_gpu_stream_create(kernels->gpu, &kernels->stream);
    if (result != TROUPE_OK) {
        troupe_gpu_close(kernels->gpu);
        return result;
    }
    kernels->multiprocessors = properties.multiprocessors;
    kernels->where = TROUPE_KERNELS_GPU;
    return TROUPE_OK;
}

int troupe_kernels_open(int where, troupe_kernels **kernels)
{
    troupe_kernels *opened;
    int result = TROUPE_OK;

    if (where < TROUPE_KERNELS_ANYWHERE || where > TROUPE_KERNELS_GPU)
        return fail(TROUPE_BAD_ARGUMENT,
                    "kernels: %d is no place; give TROUPE_KERNELS_ANYWHERE, _CPU or _GPU", where);
    opened = calloc(1, sizeof *opened);
    if (opened == NULL)
        return fail(TROUPE_NO_MEMORY, "kernels: no memory for %zu bytes", sizeof *opened);
    opened->where = TROUPE_KERNELS_CPU;
    if (where != TROUPE_KERNELS_CPU)
        result = device_open(opened);
    if (result == TROUPE_NO_GPU && where == TROUPE_KERNELS_ANYWHERE)
        result = TROUPE_OK;
    if (result != TROUPE_OK) {
        free(opened);
        return result;
    }
    *kernels = opened;
    return TROUPE_OK;
}

int troupe_kernels_where(const troupe_kernels *kernels)
{
    return kernels->where;
}

static void module_end(const troupe_kernels *kernels, troupe_gpu_module module)
{
    if (module.id != 0)
        troupe_gpu_module_unload(kernels->gpu, module);
}

void troupe_kernels_close(troupe_kernels *kernels)
{
    if (kernels == NULL)
        return;
    if (kernels->where == TROUPE_KERNELS_GPU) {
        troupe_gpu_stream_synchronize(kernels->gpu, kernels->stream);
        troupe_gpu_free(kernels->gpu, kernels->results.memory);
        module_end(kernels, kernels->stream_module);
        module_end(kernels, kernels->mandelbrot_module);
        module_end(kernels, kernels->monte_carlo_module);
        troupe_gpu_stream_destroy(kernels->gpu, kernels->stream);
        troupe_gpu_close(kernels->gpu);
    }
    free(kernels);
}

int compute_function(troupe_kernels *kernels, troupe_gpu_module *module, struct kernel_image image,
                     const char *name, troupe_gpu_function *function)
{
    int result = TROUPE_OK;

    if (module->id == 0)
        result = troupe_gpu_module_load(kernels->gpu, image.data, image.size, module);
    if (result == TROUPE_OK)
        result = troupe_gpu_function_get(kernels->gpu, *module, name, function);
    return result;
}

int compute_launch(troupe_kernels *kernels, troupe_gpu_function function, uint32_t threads,
                   uint64_t items, void *const *arguments)
{
    uint64_t blocks = items / threads + (items % threads != 0);
    uint64_t most = (uint64_t)kernels->multiprocessors * BLOCKS_EACH;
    troupe_gpu_shape shape = { .block = { threads }, .stream = kernels->stream };

    shape.grid[0] = (uint32_t)(blocks < most ? blocks : most);
    return troupe_gpu_launch(kernels->gpu, function, &shape, arguments);
}

int compute_results(troupe_kernels *kernels, uint64_t bytes)
{
    struct compute_room *room = &kernels->results;
    int result;

    if (bytes <= room->bytes)
        return TROUPE_OK;
    result = troupe_gpu_free(kernels->gpu, room->memory);
    *room = (struct compute_room){ { 0 }, 0 };
    if (result == TROUPE_OK)
        result = troupe_gpu_alloc(kernels->gpu, bytes, &room->memory);
    if (result == TROUPE_OK)
        room->bytes = bytes;
    return result;
}

int compute_fetch(troupe_kernels *kernels, uint64_t bytes, void *to)
{
    int result = troupe_gpu_copy_out_async(kernels->gpu, kernels->results.memory, bytes, to,
                                           kernels->stream);

    if (result == TROUPE_OK)
        result = troupe_gpu_stream_synchronize(kernels->gpu, kernels->stream);
    return result;
}
