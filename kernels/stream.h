/* stream: four passes over three long arrays, the health check of a memory: copy, scale, add,
 * triad.
 *
 * What always holds: an array starts as seed(i) = 1 + i % STREAM_SEEDS, a small whole number, and a
 * round (copy a to c, scale c to b, add a and b to c, triad b and c to a) multiplies a by
 * STREAM_GROWTH. Up to STREAM_ROUNDS_MAX rounds every value is a whole number below 2^53, so every
 * operation is exact and any device gives the same bits, with or without fused multiply-add.
 *
 * Kernels in stream.cu carry the names below without _reference and take the same arguments, with
 * pointers to device memory; stream_check adds to *wrong. Launch them with any grid of blocks of
 * STREAM_BLOCK threads: they stride over n by the whole grid. */
#ifndef KERNELS_STREAM_H
#define KERNELS_STREAM_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    STREAM_BLOCK = 256,     /* threads in a block */
    STREAM_SEEDS = 1021,    /* a prime: no power of two hides a displaced element */
    STREAM_SCALE = 3,       /* the factor of scale and triad */
    STREAM_GROWTH = 15,     /* 2 * 3 + 3 * 3: what one round makes of a */
    STREAM_B_GROWTH = 3,    /* of the a before the round, what b becomes */
    STREAM_C_GROWTH = 4,    /* and c */
    STREAM_ROUNDS_MAX = 10, /* 1021 * 15^10 < 2^53 */
    STREAM_BYTES_EACH = 80  /* moved by a round for each i: 2 + 2 + 3 + 3 elements of 8 bytes */
};

/* to[i] = seed(i); n may be 0, pointers need the alignment of a double alone. */
void stream_fill_reference(double *to, uint64_t n);

/* to[i] = from[i] */
void stream_copy_reference(double *to, const double *from, uint64_t n);

/* to[i] = factor * from[i] */
void stream_scale_reference(double *to, const double *from, double factor, uint64_t n);

/* to[i] = left[i] + right[i] */
void stream_add_reference(double *to, const double *left, const double *right, uint64_t n);

/* to[i] = left[i] + factor * right[i] */
void stream_triad_reference(double *to, const double *left, const double *right, double factor,
                            uint64_t n);

/* Adds to *wrong the number of elements that are not factor * seed(i). */
void stream_check_reference(const double *array, double factor, uint64_t n, uint64_t *wrong);

#ifdef __cplusplus
}
#endif

#endif
