/* troupe_kernels_mandelbrot: a tile on the core, or on the device and back. */
#include "compute/compute.h"
#include "kernels/mandelbrot.h"

#include "base/error.h"
#include "device/device.h"

static struct mandelbrot_tile tile_of(const troupe_mandelbrot_tile *tile)
{
    return (struct mandelbrot_tile){ .left = tile->left,
                                     .top = tile->top,
                                     .step = tile->step,
                                     .column = tile->column,
                                     .row = tile->row,
                                     .width = tile->width,
                                     .height = tile->height,
                                     .limit = tile->limit };
}

static int device_run(troupe_kernels *kernels, struct mandelbrot_tile tile, uint32_t *counts)
{
    uint64_t points = (uint64_t)tile.width * tile.height, bytes = points * sizeof *counts;
    void *arguments[] = { &tile, &kernels->results.memory };
    troupe_gpu_function function;
    int result = compute_function(kernels, &kernels->mandelbrot_module, kernel_image_mandelbrot(),
                                  "mandelbrot", &function);

    if (result == TROUPE_OK)
        result = compute_results(kernels, bytes);
    if (result == TROUPE_OK)
        result = compute_launch(kernels, function, MANDELBROT_BLOCK, points, arguments);
    if (result == TROUPE_OK)
        result = compute_fetch(kernels, bytes, counts);
    return result;
}

int troupe_kernels_mandelbrot(troupe_kernels *kernels, const troupe_mandelbrot_tile *tile,
                              uint32_t *counts)
{
    int result = TROUPE_OK;

    if (tile->width == 0 || tile->height == 0)
        return TROUPE_OK;
    if (counts == NULL)
        return fail(TROUPE_BAD_ARGUMENT,
                    "mandelbrot: counts is NULL; give room for %u x %u numbers", tile->width,
                    tile->height);
    device_range_begin("mandelbrot");
    if (kernels->where == TROUPE_KERNELS_GPU)
        result = device_run(kernels, tile_of(tile), counts);
    else
        mandelbrot_reference(tile_of(tile), counts);
    device_range_end();
    return result;
}
