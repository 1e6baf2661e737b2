/* The stand-in for CUDA's driver: what a test program says to it.
 *
 * It is for tests only, and is never installed. It is built as a libcuda.so.1 that
 * TROUPE_CUDA_LIBRARY names; its devices are the host's memory, its kernels are C functions that
 * the test registers. What it says carries "stand-in". The environment sets it up, read when it is
 * loaded:
 *
 *   STANDIN_DEVICES=2               how many devices; 1 when unset, 0 is allowed
 *   STANDIN_MEMORY=1048576          bytes of each; 1 GiB when unset
 *   STANDIN_FAIL=cuMemAlloc_v2:2:3  the second cuMemAlloc_v2 returns 3; several with commas
 *   STANDIN_LOST=cuLaunchKernel:1   from the first cuLaunchKernel on every call returns 719
 *   STANDIN_MIG=1                   the devices are MIG instances
 *   STANDIN_KERNELS=/path/file.so   loaded by cuInit: its constructor registers kernels
 *
 * CUDA_VISIBLE_DEVICES counts, by CUDA's rules. After a fork every call returns
 * CUDA_ERROR_NOT_INITIALIZED, as CUDA's do. Work is done when it is asked for. */
#ifndef TROUPE_TESTS_STANDIN_H
#define TROUPE_TESTS_STANDIN_H

#include <dlfcn.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct standin_launch {
    unsigned grid[3], block[3];
    unsigned shared_bytes;
};

/* A kernel: arguments as cuLaunchKernel gets them, a pointer to each. */
typedef void (*standin_function)(const struct standin_launch *launch, void *const *arguments);

/* Exported by the stand-in. Registering a name again replaces it; false when memory ran out. */
bool standin_kernel(const char *name, standin_function function);

/* Exported by the stand-in: how many calls STANDIN_FAIL and STANDIN_LOST failed in this process. */
unsigned standin_failures(void);

/* Finds what the stand-in exports, from a program that does not link it; NULL without one. */
static inline void *standin_find(const char *name)
{
    const char *path = getenv("TROUPE_CUDA_LIBRARY");
    void *library = path != NULL ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;

    return library != NULL ? dlsym(library, name) : NULL;
}

/* Registers a kernel from such a program; false without a stand-in. */
static inline bool standin_register(const char *name, standin_function function)
{
    void *found = standin_find("standin_kernel");
    bool (*kernel)(const char *, standin_function);

    if (found == NULL)
        return false;
    memcpy(&kernel, &found, sizeof kernel);
    return kernel(name, function);
}

#endif
