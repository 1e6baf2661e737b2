/* What the kernels share: a thread's place in the grid, and sums over all threads. */
#ifndef KERNELS_REDUCE_CUH
#define KERNELS_REDUCE_CUH

#include <stdint.h>

static __device__ inline uint64_t grid_thread()
{
    return (uint64_t)blockIdx.x * blockDim.x + threadIdx.x;
}

static __device__ inline uint64_t grid_threads()
{
    return (uint64_t)gridDim.x * blockDim.x;
}

/* Adds every thread's part to *sum. All threads of the block have to come here, in whole warps: the
 * sums within a warp go by shuffles, and one thread of each does the atomic addition. Whole numbers
 * only: their sum has no order. */
static __device__ inline void grid_add(uint64_t *sum, uint64_t part)
{
    for (int distance = warpSize / 2; distance > 0; distance /= 2)
        part += __shfl_down_sync(0xffffffffu, part, distance);
    if (threadIdx.x % warpSize == 0 && part != 0)
        atomicAdd(reinterpret_cast<unsigned long long *>(sum), (unsigned long long)part);
}

#endif
