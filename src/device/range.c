/* Ranges for NVIDIA's profilers, where their header was there to build with. */
#include "device/device.h"

#ifdef DEVICE_NVTX

#include <nvtx3/nvToolsExt.h>
#include <pthread.h>

/* NVTX would look for a tool at the first call, and write what other threads then read. */
static void look_for_tool(void)
{
    nvtxInitialize(NULL);
}

void device_range_begin(const char *name)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, look_for_tool);
    nvtxRangePushA(name);
}

void device_range_end(void)
{
    nvtxRangePop();
}

#else

void device_range_begin(const char *name)
{
    (void)name;
}

void device_range_end(void)
{
}

#endif
