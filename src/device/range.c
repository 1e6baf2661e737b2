/* Ranges for NVIDIA's profilers, where their header was there to build with. */
#include "device/device.h"

#ifdef DEVICE_NVTX

#include <nvtx3/nvToolsExt.h>

void device_range_begin(const char *name)
{
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
