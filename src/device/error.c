/* One sentence for a CUDA call that failed: what was tried, CUDA's name for the failure, and what
 * a person can do. */
#include "device/driver.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/error.h"

#define WHAT_SIZE 256

struct advice {
    int first, last; /* results of CUDA's */
    const char *text;
};

static const char lost[] = "this process cannot use the device any more: end it, and start another";

/* The first that fits counts. */
static const struct advice advices[] = {
    { 2, 2, "free memory, or ask for less" },
    { 46, 46, "another process has it for itself: see nvidia-smi -q -d COMPUTE" },
    { 200, 200, "give a fatbin, a cubin or PTX, whole" },
    { 209, 209, "compile for this device's compute capability, or add PTX" },
    { 214, 214, "the device's memory is faulty: see nvidia-smi -q -d ECC" },
    { 218, 218, "compile the PTX again, for a compute capability that this device has" },
    { 220, 220, "the link between devices is faulty: see nvidia-smi nvlink -e" },
    { 221, 221, "install the driver's PTX compiler, or give a cubin for this device" },
    { 222, 222, "the toolkit is newer than the driver: update the driver, or give a cubin" },
    { 226, 226, lost },
    { 701, 701, "launch fewer threads, or use fewer registers or less shared memory" },
    { 702, 702, lost },
    { 700, 700,
      "the kernel read or wrote where nothing is: run it under compute-sanitizer; this "
      "process cannot use the device any more" },
    { 709, 709, "open the device again" },
    { 710, 710,
      "an assert in the kernel failed: its line is on standard error; this process "
      "cannot use the device any more" },
    { 714, 719,
      "the kernel failed: run it under compute-sanitizer; this process cannot use the "
      "device any more" },
    { 802, 802, "start nvidia-fabricmanager, and see that it is of the driver's version" },
    { 803, 804,
      "the driver's library and kernel module differ: restart the machine after an "
      "update" },
    { 805, 810, "look after the MPS server: nvidia-cuda-mps-control" },
    { 999, 999, "see the kernel's log: dmesg | grep -i nvrm" },
};

static const char *advice_for(int code)
{
    for (size_t i = 0; i < sizeof advices / sizeof *advices; i++)
        if (code >= advices[i].first && code <= advices[i].last)
            return advices[i].text;
    return "docs/gpu.md says where to look";
}

int driver_fail(int code, const char *cuda_call, const char *what, ...)
{
    const char *name = NULL, *text = NULL;
    char tried[WHAT_SIZE];
    va_list arguments;

    va_start(arguments, what);
    vsnprintf(tried, sizeof tried, what, arguments);
    va_end(arguments);
    if (driver_here.call.get_error_name == NULL ||
        driver_here.call.get_error_name(code, &name) != DRIVER_SUCCESS || name == NULL)
        name = "an error without a name";
    if (driver_here.call.get_error_string == NULL ||
        driver_here.call.get_error_string(code, &text) != DRIVER_SUCCESS || text == NULL)
        text = "CUDA says no more";
    return fail(TROUPE_GPU, "%s: %s returned %s (%d: %s); %s", tried, cuda_call, name, code, text,
                advice_for(code));
}
