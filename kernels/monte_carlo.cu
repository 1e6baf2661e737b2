/* monte_carlo on a GPU: see monte_carlo.h. A thread takes every so many-th draw; counts are whole
 * numbers, so the order of their sum does not matter. */
#include "monte_carlo.h"
#include "reduce.cuh"

static __device__ uint4 philox(uint64_t draw, uint64_t seed)
{
    uint4 words = make_uint4((uint32_t)draw, (uint32_t)(draw >> 32), 0, 0);
    uint32_t key_0 = (uint32_t)seed, key_1 = (uint32_t)(seed >> 32);

#pragma unroll
    for (int round = 0; round < PHILOX_ROUNDS; round++) {
        uint32_t high_0 = __umulhi(PHILOX_MULTIPLY_0, words.x);
        uint32_t high_1 = __umulhi(PHILOX_MULTIPLY_1, words.z);

        words = make_uint4(high_1 ^ words.y ^ key_0, PHILOX_MULTIPLY_1 * words.z,
                           high_0 ^ words.w ^ key_1, PHILOX_MULTIPLY_0 * words.x);
        key_0 += PHILOX_WEYL_0;
        key_1 += PHILOX_WEYL_1;
    }
    return words;
}

static __device__ uint64_t is_inside(uint32_t x, uint32_t y)
{
    return 1 - ((((uint64_t)x * x >> 1) + ((uint64_t)y * y >> 1)) >> 63);
}

extern "C" __global__ void __launch_bounds__(MONTE_CARLO_BLOCK)
    monte_carlo(uint64_t seed, uint64_t first, uint64_t draws, uint64_t *inside)
{
    uint64_t found = 0;

    for (uint64_t i = grid_thread(); i < draws; i += grid_threads()) {
        uint4 words = philox(first + i, seed);

        found += is_inside(words.x, words.y) + is_inside(words.z, words.w);
    }
    grid_add(inside, found);
}
