/* mandelbrot: how many steps the points of a tile take to escape.
 *
 * What always holds: the GPU and every CPU count the same. So no multiplication and addition are
 * fused on either: the kernel uses operations that the compiler may not contract, and the reference
 * is compiled with -ffp-contract=off. A point's place is computed from its column and row in the
 * whole picture: how the picture is cut into tiles changes nothing.
 *
 * The kernel `mandelbrot` takes (struct mandelbrot_tile, uint32_t *counts), with counts in device
 * memory, in any grid of blocks of MANDELBROT_BLOCK threads. */
#ifndef KERNELS_MANDELBROT_H
#define KERNELS_MANDELBROT_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { MANDELBROT_BLOCK = 128 }; /* threads in a block */

struct mandelbrot_tile {
    double left, top;       /* the centre of the picture's first point */
    double step;            /* from one point to the next, to the right and down */
    uint32_t column, row;   /* the tile's first point in the picture */
    uint32_t width, height; /* points of the tile; either may be 0 */
    uint32_t limit;         /* a point that has not escaped after so many steps is inside */
};

/* counts[y * width + x] = steps of that point before |z| > 2, or limit when it is inside. */
void mandelbrot_reference(struct mandelbrot_tile tile, uint32_t *counts);

#ifdef __cplusplus
}
#endif

#endif
