/* mandelbrot on a GPU: a thread takes points, each to its end. The rounding of every operation is
 * written out, so that none is fused: see mandelbrot.h. */
#include "mandelbrot.h"
#include "reduce.cuh"

static __device__ uint32_t escape(double across, double down, uint32_t limit)
{
    double x = 0, y = 0, xx = 0, yy = 0;
    uint32_t count = 0;

    while (count < limit) {
        y = __dadd_rn(__dmul_rn(__dadd_rn(x, x), y), down);
        x = __dadd_rn(__dsub_rn(xx, yy), across);
        xx = __dmul_rn(x, x);
        yy = __dmul_rn(y, y);
        if (__dadd_rn(xx, yy) > 4.0)
            break;
        count++;
    }
    return count;
}

extern "C" __global__ void __launch_bounds__(MANDELBROT_BLOCK)
    mandelbrot(struct mandelbrot_tile tile, uint32_t *__restrict__ counts)
{
    const uint64_t points = (uint64_t)tile.width * tile.height;

    for (uint64_t i = grid_thread(); i < points; i += grid_threads()) {
        double column = (double)tile.column + (double)(i % tile.width);
        double row = (double)tile.row + (double)(i / tile.width);

        counts[i] = escape(__dadd_rn(tile.left, __dmul_rn(tile.step, column)),
                           __dsub_rn(tile.top, __dmul_rn(tile.step, row)), tile.limit);
    }
}
