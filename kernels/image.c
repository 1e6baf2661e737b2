/* The fatbins, taken in by the assembler. They lie in the section where NVIDIA's tools look for
 * them: `cuobjdump --list-elf` names the code in the library as in any CUDA program. */
#include "image.h"

#ifdef KERNELS_FATBINS /* the folder that nvcc wrote them to */

/* Declares the bytes of NAME.fatbin between two symbols of this library's own. */
#define IMAGE(name)                                                                                \
    __asm__(".pushsection .nv_fatbin, \"a\"\n"                                                     \
            ".balign 16\n"                                                                         \
            ".hidden kernel_" #name "_first, kernel_" #name "_end\n"                               \
            ".globl kernel_" #name "_first, kernel_" #name "_end\n"                                \
            "kernel_" #name "_first:\n"                                                            \
            ".incbin \"" KERNELS_FATBINS "/" #name ".fatbin\"\n"                                   \
            "kernel_" #name "_end:\n"                                                              \
            ".popsection\n");                                                                      \
    extern const char kernel_##name##_first[], kernel_##name##_end[]

IMAGE(stream);
IMAGE(mandelbrot);
IMAGE(monte_carlo);

static struct kernel_image image(const char *first, const char *end)
{
    return (struct kernel_image){ first, (size_t)(end - first) };
}

struct kernel_image kernel_image_stream(void)
{
    return image(kernel_stream_first, kernel_stream_end);
}

struct kernel_image kernel_image_mandelbrot(void)
{
    return image(kernel_mandelbrot_first, kernel_mandelbrot_end);
}

struct kernel_image kernel_image_monte_carlo(void)
{
    return image(kernel_monte_carlo_first, kernel_monte_carlo_end);
}

#else

static const struct kernel_image none = { NULL, 0 };

struct kernel_image kernel_image_stream(void)
{
    return none;
}

struct kernel_image kernel_image_mandelbrot(void)
{
    return none;
}

struct kernel_image kernel_image_monte_carlo(void)
{
    return none;
}

#endif
