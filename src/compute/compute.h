/* What the kernels' calls share: where they run, and how a kernel gets onto the device.
 *
 * A kernel's call is a room of two forms: the reference on the calling thread, or device memory, a
 * launch and a copy back. All of a call's work goes to the one stream of its troupe_kernels. */
#ifndef TROUPE_COMPUTE_COMPUTE_H
#define TROUPE_COMPUTE_COMPUTE_H

#include <stdbool.h>

#include "kernels/image.h"
#include "troupe/gpu.h"
#include "troupe/kernels.h"

/* Memory of the device that is kept from call to call and grows. */
struct compute_room {
    troupe_gpu_memory memory;
    uint64_t bytes;
};

struct troupe_kernels {
    int where; /* TROUPE_KERNELS_CPU or TROUPE_KERNELS_GPU; all below is the latter's */
    troupe_gpu gpu;
    troupe_gpu_stream stream;
    int multiprocessors;
    troupe_gpu_module stream_module, mandelbrot_module, monte_carlo_module; /* 0 until used */
    struct compute_room results;
};

/* Finds a kernel; loads its module when that is its first use.
 *
 * module      one of the three above, with the image that belongs to it */
int compute_function(troupe_kernels *kernels, troupe_gpu_module *module, struct kernel_image image,
                     const char *name, troupe_gpu_function *function);

/* Launches a kernel over so many items: as many blocks of `threads` as they fill, and no more than
 * keep every multiprocessor busy, for the kernels stride over the rest. */
int compute_launch(troupe_kernels *kernels, troupe_gpu_function function, uint32_t threads,
                   uint64_t items, void *const *arguments);

/* Has at least so many bytes in kernels->results. */
int compute_results(troupe_kernels *kernels, uint64_t bytes);

/* Waits for the stream, and copies results to the host. */
int compute_fetch(troupe_kernels *kernels, uint64_t bytes, void *to);

#endif
