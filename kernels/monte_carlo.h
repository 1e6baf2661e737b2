/* monte_carlo: random points of a square, and how many lie within the quarter of a circle.
 *
 * What always holds: draw number i is a function of the seed and of i alone (Philox4x32-10, Salmon
 * and others 2011, counter i, key seed) and gives MONTE_CARLO_POINTS points, judged by whole
 * numbers. So the draws may be shared out over ranks and devices in any way: the sum is the same.
 *
 * The kernel `monte_carlo` takes (uint64_t seed, uint64_t first, uint64_t draws, uint64_t *inside),
 * with inside in device memory, in any grid of blocks of MONTE_CARLO_BLOCK threads. */
#ifndef KERNELS_MONTE_CARLO_H
#define KERNELS_MONTE_CARLO_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    MONTE_CARLO_BLOCK = 256, /* threads in a block */
    MONTE_CARLO_POINTS = 2   /* of each draw: four words of 32 bits, two coordinates a point */
};

/* Philox4x32-10's constants: two multipliers, two key increments, ten rounds. */
#define PHILOX_MULTIPLY_0 UINT32_C(0xD2511F53)
#define PHILOX_MULTIPLY_1 UINT32_C(0xCD9E8D57)
#define PHILOX_WEYL_0 UINT32_C(0x9E3779B9)
#define PHILOX_WEYL_1 UINT32_C(0xBB67AE85)
enum { PHILOX_ROUNDS = 10 };

/* The generator itself: words = philox(counter, key). */
void monte_carlo_philox_reference(const uint32_t counter[4], const uint32_t key[2],
                                  uint32_t words[4]);

/* Adds to *inside how many points of the draws first to first + draws - 1 lie within the circle.
 * A point (x, y) of whole numbers below 2^32 does when floor(x * x / 2) + floor(y * y / 2) is below
 * 2^63: the quarter of the area, but for a part of some 2^-32. */
void monte_carlo_reference(uint64_t seed, uint64_t first, uint64_t draws, uint64_t *inside);

#ifdef __cplusplus
}
#endif

#endif
