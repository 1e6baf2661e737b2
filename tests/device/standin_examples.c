/* The kernel of docs/examples/gpu_driver.c, for the stand-in; STANDIN_KERNELS names the library. */
#include "standin/standin.h"

static void add(const struct standin_launch *launch, void *const *arguments)
{
    float *values = *(float *const *)arguments[0];
    float more = *(const float *)arguments[1];
    int n = *(const int *)arguments[2];

    for (int i = 0; i < n && (unsigned)i < launch->grid[0] * launch->block[0]; i++)
        values[i] += more;
}

__attribute__((constructor)) static void add_register(void)
{
    standin_register("add", add);
}
