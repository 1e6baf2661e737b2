/* troupe_kernels_monte_carlo: draws on the core, or on the device. */
#include "compute/compute.h"
#include "kernels/monte_carlo.h"

#include "device/device.h"

_Static_assert((int)TROUPE_MONTE_CARLO_POINTS == (int)MONTE_CARLO_POINTS,
               "the public header and the kernel's differ");

static int device_run(troupe_kernels *kernels, uint64_t seed, uint64_t first, uint64_t draws,
                      uint64_t *inside)
{
    void *arguments[] = { &seed, &first, &draws, &kernels->results.memory };
    troupe_gpu_function function;
    int result = compute_function(kernels, &kernels->monte_carlo_module, kernel_image_monte_carlo(),
                                  "monte_carlo", &function);

    if (result == TROUPE_OK)
        result = compute_results(kernels, sizeof *inside);
    if (result == TROUPE_OK)
        result = troupe_gpu_fill_async(kernels->gpu, kernels->results.memory, 0, sizeof *inside,
                                       kernels->stream);
    if (result == TROUPE_OK)
        result = compute_launch(kernels, function, MONTE_CARLO_BLOCK, draws, arguments);
    if (result == TROUPE_OK)
        result = compute_fetch(kernels, sizeof *inside, inside);
    return result;
}

int troupe_kernels_monte_carlo(troupe_kernels *kernels, uint64_t seed, uint64_t first,
                               uint64_t draws, uint64_t *inside)
{
    uint64_t found = 0;
    int result = TROUPE_OK;

    device_range_begin("monte_carlo");
    if (kernels->where == TROUPE_KERNELS_GPU && draws > 0)
        result = device_run(kernels, seed, first, draws, &found);
    else
        monte_carlo_reference(seed, first, draws, &found);
    device_range_end();
    if (result == TROUPE_OK)
        *inside = found;
    return result;
}
