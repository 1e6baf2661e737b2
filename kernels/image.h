/* The device code of the kernels as bytes of the library: one fatbin a source, with code for every
 * architecture that it was built for and PTX for later ones. Without nvcc there is none. */
#ifndef KERNELS_IMAGE_H
#define KERNELS_IMAGE_H

#include <stddef.h>

struct kernel_image {
    const void *data; /* NULL: built without nvcc */
    size_t size;
};

struct kernel_image kernel_image_stream(void);
struct kernel_image kernel_image_mandelbrot(void);
struct kernel_image kernel_image_monte_carlo(void);

#endif
