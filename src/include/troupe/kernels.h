/* The kernels that come with Troupe, each by one call on the rank's GPU or on its core.
 *
 * Both forms give the same bytes. Without a GPU, or in a library built without nvcc, the CPU's form
 * is taken, on the calling thread alone; troupe_kernels_where tells. Sizes of 0 do nothing.
 *
 * Threads: a troupe_kernels is used by one thread at a time, in the process that opened it; what a
 * target opens it closes before it returns. The calls return when their outputs are there. */
#ifndef TROUPE_KERNELS_H
#define TROUPE_KERNELS_H

#include "troupe/troupe.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct troupe_kernels troupe_kernels;

enum {
    TROUPE_KERNELS_ANYWHERE = 0, /* on the GPU where there is one, else on the CPU */
    TROUPE_KERNELS_CPU = 1,
    TROUPE_KERNELS_GPU = 2
};

/* Opens the rank's own device, or finds that the CPU has to do.
 *
 * where       TROUPE_KERNELS_…
 * kernels     for troupe_kernels_close
 * Returns     TROUPE_OK
 *             TROUPE_NO_GPU     TROUPE_KERNELS_GPU alone: there is none, or no code for any
 *             TROUPE_BAD_ARGUMENT, TROUPE_NO_MEMORY
 *             what troupe_gpu_open returns when a GPU is there and fails: that is not hidden by
 *             the CPU */
TROUPE_API int troupe_kernels_open(int where, troupe_kernels **kernels);

/* Where the calls run: TROUPE_KERNELS_CPU or TROUPE_KERNELS_GPU. */
TROUPE_API int troupe_kernels_where(const troupe_kernels *kernels);

/* Gives back what open took; NULL is closed by doing nothing. */
TROUPE_API void troupe_kernels_close(troupe_kernels *kernels);

/* ---- stream ----------------------------------------------------------------------------- */

typedef struct troupe_stream_options {
    uint64_t elements; /* of 8 bytes in each of three arrays; 0: much more than the caches hold */
    double seconds;    /* to go on for; at least one round is run */
    int sharers;       /* who run it at the same time on this device or host, 0: the caller alone;
                          they share the caches, so each may take less for elements 0 */
    int compare;       /* 1: measure the driver's copy, or memcpy, in turn */
} troupe_stream_options;

typedef struct troupe_stream_result {
    uint64_t elements;    /* of each array */
    uint64_t rounds;      /* of copy, scale, add and triad */
    uint64_t wrong;       /* elements that were not what they had to be; 0 when all is well */
    double bytes_each_s;  /* bytes read and written each second, in the median */
    double copied_each_s; /* the same of the plain copy; 0 when it was not compared */
} troupe_stream_result;

/* Measures memory: copy, scale, add and triad over long arrays, every element verified.
 *
 * options     may be NULL
 * Returns     TROUPE_OK     also with wrong elements: see result->wrong
 *             TROUPE_FULL   the device, or TROUPE_NO_MEMORY the process, has no room */
TROUPE_API int troupe_kernels_stream(troupe_kernels *kernels, const troupe_stream_options *options,
                                     troupe_stream_result *result);

/* ---- mandelbrot ------------------------------------------------------------------------- */

typedef struct troupe_mandelbrot_tile {
    double left, top;       /* the centre of the picture's first point */
    double step;            /* from one point to the next, to the right and down */
    uint32_t column, row;   /* the tile's first point in the picture */
    uint32_t width, height; /* points of the tile */
    uint32_t limit;         /* a point that has not escaped after so many steps is inside */
} troupe_mandelbrot_tile;

/* Counts the steps until each point of a tile escapes: the same numbers on every device, however
 * the picture is cut.
 *
 * counts      [width * height] line by line; limit for a point inside */
TROUPE_API int troupe_kernels_mandelbrot(troupe_kernels *kernels,
                                         const troupe_mandelbrot_tile *tile, uint32_t *counts);

/* ---- monte carlo ------------------------------------------------------------------------ */

enum { TROUPE_MONTE_CARLO_POINTS = 2 }; /* of one draw */

/* Draws random points of the unit square, and counts those within the quarter of a circle. Draw
 * number i is a function of seed and i alone: however the draws are shared out, the sum is the
 * same.
 *
 * first       number of the first draw
 * draws       how many, of TROUPE_MONTE_CARLO_POINTS points each
 * inside      points within the circle */
TROUPE_API int troupe_kernels_monte_carlo(troupe_kernels *kernels, uint64_t seed, uint64_t first,
                                          uint64_t draws, uint64_t *inside);

#ifdef __cplusplus
}
#endif

#endif
