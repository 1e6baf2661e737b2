/* The references as kernels of the stand-in for CUDA's driver, which loads this by STANDIN_KERNELS.
 * So the calls' host logic runs whole where there is no GPU. */
#include <stdio.h>

#include "kernels/mandelbrot.h"
#include "kernels/monte_carlo.h"
#include "kernels/stream.h"
#include "tests/device/standin/standin.h"

/* The value that an argument of a launch points to. */
#define ARGUMENT(type, index) (*(type *)arguments[index])

static void fill(const struct standin_launch *launch, void *const *arguments)
{
    (void)launch;
    stream_fill_reference(ARGUMENT(double *, 0), ARGUMENT(uint64_t, 1));
}

static void copy(const struct standin_launch *launch, void *const *arguments)
{
    (void)launch;
    stream_copy_reference(ARGUMENT(double *, 0), ARGUMENT(double *, 1), ARGUMENT(uint64_t, 2));
}

static void scale(const struct standin_launch *launch, void *const *arguments)
{
    (void)launch;
    stream_scale_reference(ARGUMENT(double *, 0), ARGUMENT(double *, 1), ARGUMENT(double, 2),
                           ARGUMENT(uint64_t, 3));
}

static void add(const struct standin_launch *launch, void *const *arguments)
{
    (void)launch;
    stream_add_reference(ARGUMENT(double *, 0), ARGUMENT(double *, 1), ARGUMENT(double *, 2),
                         ARGUMENT(uint64_t, 3));
}

static void triad(const struct standin_launch *launch, void *const *arguments)
{
    (void)launch;
    stream_triad_reference(ARGUMENT(double *, 0), ARGUMENT(double *, 1), ARGUMENT(double *, 2),
                           ARGUMENT(double, 3), ARGUMENT(uint64_t, 4));
}

static void check(const struct standin_launch *launch, void *const *arguments)
{
    (void)launch;
    stream_check_reference(ARGUMENT(double *, 0), ARGUMENT(double, 1), ARGUMENT(uint64_t, 2),
                           ARGUMENT(uint64_t *, 3));
}

static void tile(const struct standin_launch *launch, void *const *arguments)
{
    (void)launch;
    mandelbrot_reference(ARGUMENT(struct mandelbrot_tile, 0), ARGUMENT(uint32_t *, 1));
}

static void draws(const struct standin_launch *launch, void *const *arguments)
{
    (void)launch;
    monte_carlo_reference(ARGUMENT(uint64_t, 0), ARGUMENT(uint64_t, 1), ARGUMENT(uint64_t, 2),
                          ARGUMENT(uint64_t *, 3));
}

/* A triad that loses its last element, for tests of what a broken device looks like. */
static void triad_short(const struct standin_launch *launch, void *const *arguments)
{
    uint64_t n = ARGUMENT(uint64_t, 4) - 1;
    void *const fewer[] = { arguments[0], arguments[1], arguments[2], arguments[3], &n };

    triad(launch, fewer);
}

__attribute__((constructor)) static void kernels_register(void)
{
    const struct {
        const char *name;
        standin_function function;
    } kernels[] = {
        { "stream_fill", fill }, { "stream_copy", copy },   { "stream_scale", scale },
        { "stream_add", add },   { "stream_triad", triad }, { "stream_check", check },
        { "mandelbrot", tile },  { "monte_carlo", draws },
    };

    for (size_t i = 0; i < sizeof kernels / sizeof *kernels; i++)
        if (!standin_register(kernels[i].name, kernels[i].function))
            fprintf(stderr, "the stand-in did not take %s\n", kernels[i].name);
    if (getenv("STANDIN_BROKEN") != NULL)
        standin_register("stream_triad", triad_short);
}
