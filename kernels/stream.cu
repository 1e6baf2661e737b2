/* stream on a GPU: see stream.h. Where all arrays are aligned to 16 bytes a thread moves two
 * elements by one access; otherwise one by one. Indices have 64 bits: arrays may be longer than
 * 2^32 elements. */
#include "stream.h"
#include "reduce.cuh"

static __device__ double seed(uint64_t i)
{
    return (double)(1 + i % STREAM_SEEDS);
}

/* Whether every pointer may be read as double2. */
template <typename... Pointers> __device__ bool are_aligned(Pointers... pointers)
{
    return ((reinterpret_cast<uintptr_t>(pointers) | ...) % sizeof(double2)) == 0;
}

/* Applies one expression to every i below n: to[i] = expression(sources[i]…). */
template <typename Expression, typename... Sources>
__device__ void apply(double *to, uint64_t n, Expression expression, const Sources *...sources)
{
    const uint64_t first = grid_thread(), stride = grid_threads();
    uint64_t done = 0;

    if (are_aligned(to, sources...)) {
        for (uint64_t i = first; i < n / 2; i += stride) {
            double2 pair;

            pair.x = expression(reinterpret_cast<const double2 *>(sources)[i].x...);
            pair.y = expression(reinterpret_cast<const double2 *>(sources)[i].y...);
            reinterpret_cast<double2 *>(to)[i] = pair;
        }
        done = n / 2 * 2;
    }
    for (uint64_t i = done + first; i < n; i += stride)
        to[i] = expression(sources[i]...);
}

extern "C" __global__ void __launch_bounds__(STREAM_BLOCK) stream_fill(double *to, uint64_t n)
{
    for (uint64_t i = grid_thread(); i < n; i += grid_threads())
        to[i] = seed(i);
}

extern "C" __global__ void __launch_bounds__(STREAM_BLOCK)
    stream_copy(double *__restrict__ to, const double *__restrict__ from, uint64_t n)
{
    apply(
        to, n, [](double value) { return value; }, from);
}

extern "C" __global__ void __launch_bounds__(STREAM_BLOCK)
    stream_scale(double *__restrict__ to, const double *__restrict__ from, double factor,
                 uint64_t n)
{
    apply(
        to, n, [=](double value) { return factor * value; }, from);
}

extern "C" __global__ void __launch_bounds__(STREAM_BLOCK)
    stream_add(double *__restrict__ to, const double *__restrict__ left,
               const double *__restrict__ right, uint64_t n)
{
    apply(
        to, n, [](double one, double other) { return one + other; }, left, right);
}

extern "C" __global__ void __launch_bounds__(STREAM_BLOCK)
    stream_triad(double *__restrict__ to, const double *__restrict__ left,
                 const double *__restrict__ right, double factor, uint64_t n)
{
    apply(
        to, n, [=](double one, double other) { return one + factor * other; }, left, right);
}

extern "C" __global__ void __launch_bounds__(STREAM_BLOCK)
    stream_check(const double *__restrict__ array, double factor, uint64_t n, uint64_t *wrong)
{
    uint64_t found = 0;

    for (uint64_t i = grid_thread(); i < n; i += grid_threads())
        found += array[i] != factor * seed(i);
    grid_add(wrong, found);
}
