/* What NVIDIA's driver says about its devices: UUID, name, MIG instances.
 *
 * The driver's files under /proc are asked first, for they cost microseconds; its management
 * library, libnvidia-ml.so.1, is opened at run time where they leave something open (no UUID yet,
 * or MIG instances). A machine without the driver has no devices: that is an answer, no error.
 * Nothing here initialises CUDA. */
#ifndef TROUPE_NVML_NVML_H
#define TROUPE_NVML_NVML_H

#include <stdbool.h>
#include <stddef.h>

struct nvml_instance {
    char *uuid; /* "MIG-…" */
    char *name;
};

struct nvml_device {
    unsigned domain, bus, device; /* PCI; GPUs are function 0 */
    char *uuid;                   /* "GPU-…", or NULL when the driver does not tell */
    char *name;                   /* or NULL */
    int minor;                    /* of /dev/nvidia<minor>, or -1 */
    bool mig;                     /* MIG mode is on: only its instances can compute */
    struct nvml_instance *instances;
    size_t instances_count;
};

struct nvml_devices {
    struct nvml_device *items;
    size_t count;
};

/* Lists the driver's devices, in the order of the driver.
 *
 * devices     freed by nvml_devices_free; empty where there is no driver
 * Returns     TROUPE_OK
 *             TROUPE_NO_MEMORY */
int nvml_devices_list(struct nvml_devices *devices);

void nvml_devices_free(struct nvml_devices *devices);

/* The device at a PCI address, or NULL. */
const struct nvml_device *nvml_devices_find(const struct nvml_devices *devices, unsigned domain,
                                            unsigned bus, unsigned device);

/* The driver's version, "550.54.15", into version[size]; false where there is no driver. */
bool nvml_driver_version(char *version, size_t size);

#endif
