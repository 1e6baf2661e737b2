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
#include <stdint.h>

struct nvml_instance {
    char *uuid; /* "MIG-…" */
    char *name;
};

/* The driver's compute mode, in its own numbers. */
enum nvml_compute {
    NVML_COMPUTE_SHARED = 0,
    NVML_COMPUTE_PROHIBITED = 2,
    NVML_COMPUTE_EXCLUSIVE = 3 /* one process at a time */
};

struct nvml_device {
    unsigned domain, bus, device; /* PCI; GPUs are function 0 */
    char *uuid;                   /* "GPU-…", or NULL when the driver does not tell */
    char *name;                   /* or NULL */
    int minor;                    /* of /dev/nvidia<minor>, or -1 */
    bool mig;                     /* MIG mode is on: only its instances can compute */
    bool mig_pending;             /* and will be otherwise after the next reset (library only) */
    enum nvml_compute compute;    /* who may use it (library only) */
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

/* The same, but always by the library, which takes tens of milliseconds and tells more. */
int nvml_devices_ask(struct nvml_devices *devices);

void nvml_devices_free(struct nvml_devices *devices);

/* The device at a PCI address, or NULL. */
const struct nvml_device *nvml_devices_find(const struct nvml_devices *devices, unsigned domain,
                                            unsigned bus, unsigned device);

/* How a device is, as far as the driver tells. */
struct nvml_health {
    bool has_temperature, has_ecc;
    int temperature_c;
    uint64_t ecc_corrected, ecc_uncorrected; /* errors of memory since the driver was loaded */
};

/* Asks the management library for the health of a device.
 *
 * pci         "0000:1b:00.0"
 * health      what is not told is false; nothing is where there is no library */
void nvml_health_get(const char *pci, struct nvml_health *health);

/* The driver's version, "550.54.15", into version[size]; false where there is no driver. */
bool nvml_driver_version(char *version, size_t size);

/* The newest CUDA that the driver runs, 12040 for 12.4; false where there is no library. */
bool nvml_cuda_version(int *version);

#endif
