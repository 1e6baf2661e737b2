/* stream's arrays in the process's memory, worked on by the calling thread. */
#include "compute/stream_forms.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "kernels/stream.h"

#define MEBIBYTE (UINT64_C(1) << 20)

/* The arrays of all sharers together fill the last cache CACHES times: a walk round more than a
 * cache holds finds nothing in it. The limits are for machines that tell no cache, and for virtual
 * ones that tell a whole socket's. */
#define ARRAY_LEAST (16 * MEBIBYTE)
#define ARRAY_MOST (128 * MEBIBYTE)
#define HUGE_PAGE (2 * MEBIBYTE)
enum { CACHES = 2 };

static int host_elements(troupe_kernels *kernels, int sharers, uint64_t *elements)
{
    long cache = sysconf(_SC_LEVEL3_CACHE_SIZE);
    uint64_t bytes = cache > 0 ? (uint64_t)cache * CACHES / (uint64_t)sharers / STREAM_ARRAYS : 0;

    (void)kernels;
    bytes = bytes < ARRAY_LEAST ? ARRAY_LEAST : bytes > ARRAY_MOST ? ARRAY_MOST : bytes;
    *elements = bytes / sizeof(double);
    return TROUPE_OK;
}

/* Huge pages where the kernel has them to give: the first touch of small ones takes longer than
 * the measurement. */
static int host_create(struct stream_run *run)
{
    for (int i = 0; i < STREAM_ARRAYS; i++) {
        uint64_t bytes = run->elements * sizeof(double) / HUGE_PAGE * HUGE_PAGE + HUGE_PAGE;

        run->host[i] = aligned_alloc(HUGE_PAGE, bytes);
        if (run->host[i] == NULL)
            return fail(TROUPE_NO_MEMORY,
                        "stream: no memory for an array of %llu elements; ask for fewer",
                        (unsigned long long)run->elements);
        madvise(run->host[i], bytes, MADV_HUGEPAGE);
    }
    return TROUPE_OK;
}

static void host_destroy(struct stream_run *run)
{
    for (int i = 0; i < STREAM_ARRAYS; i++)
        free(run->host[i]);
}

static int host_fill(struct stream_run *run)
{
    for (int i = 0; i < STREAM_ARRAYS; i++)
        stream_fill_reference(run->host[i], run->elements);
    return TROUPE_OK;
}

static double seconds_since(uint64_t begin)
{
    return (double)(clock_now() - begin) / 1e9;
}

static int host_rounds(struct stream_run *run, uint64_t *rounds, double *seconds)
{
    double *a = run->host[STREAM_A], *b = run->host[STREAM_B], *c = run->host[STREAM_C];
    uint64_t begin = clock_now(), n = run->elements;

    *rounds = 0;
    do {
        stream_copy_reference(c, a, n);
        stream_scale_reference(b, c, STREAM_SCALE, n);
        stream_add_reference(c, a, b, n);
        stream_triad_reference(a, b, c, STREAM_SCALE, n);
        ++*rounds;
    } while (*rounds < STREAM_ROUNDS_MAX && clock_now() < run->deadline);
    *seconds = seconds_since(begin);
    return TROUPE_OK;
}

static int host_copy(struct stream_run *run, double *seconds)
{
    uint64_t begin = clock_now();

    memcpy(run->host[STREAM_B], run->host[STREAM_C], run->elements * sizeof(double));
    *seconds = seconds_since(begin);
    return TROUPE_OK;
}

static int host_check(struct stream_run *run, int array, double factor, uint64_t *wrong)
{
    stream_check_reference(run->host[array], factor, run->elements, wrong);
    return TROUPE_OK;
}

const struct stream_form stream_on_host = {
    .elements = host_elements,
    .create = host_create,
    .destroy = host_destroy,
    .fill = host_fill,
    .rounds = host_rounds,
    .copy = host_copy,
    .check = host_check,
};
