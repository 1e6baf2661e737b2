/* stream on one core: the tests' oracle and the form without a GPU. The arrays never overlap, which
 * restrict tells the compiler, and each loop is one expression, which it vectorises. */
#include "stream.h"

/* Elements from first on that lie before the seeds start again, or before n. */
static int stretch(uint64_t first, uint64_t n)
{
    return n - first < STREAM_SEEDS ? (int)(n - first) : STREAM_SEEDS;
}

void stream_fill_reference(double *restrict to, uint64_t n)
{
    for (uint64_t first = 0; first < n; first += STREAM_SEEDS)
        for (int i = 0, count = stretch(first, n); i < count; i++)
            to[first + (uint64_t)i] = (double)(i + 1);
}

void stream_copy_reference(double *restrict to, const double *restrict from, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++)
        to[i] = from[i];
}

void stream_scale_reference(double *restrict to, const double *restrict from, double factor,
                            uint64_t n)
{
    for (uint64_t i = 0; i < n; i++)
        to[i] = factor * from[i];
}

void stream_add_reference(double *restrict to, const double *restrict left,
                          const double *restrict right, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++)
        to[i] = left[i] + right[i];
}

void stream_triad_reference(double *restrict to, const double *restrict left,
                            const double *restrict right, double factor, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++)
        to[i] = left[i] + factor * right[i];
}

void stream_check_reference(const double *array, double factor, uint64_t n, uint64_t *wrong)
{
    for (uint64_t first = 0; first < n; first += STREAM_SEEDS) {
        uint64_t found = 0;

        for (int i = 0, count = stretch(first, n); i < count; i++)
            found += array[first + (uint64_t)i] != factor * (double)(i + 1);
        *wrong += found;
    }
}
