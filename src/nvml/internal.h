/* Between the two sources of the list; the text of each device is owned by the list. */
#ifndef TROUPE_NVML_INTERNAL_H
#define TROUPE_NVML_INTERNAL_H

#include "nvml/nvml.h"

/* The folders below are asked at this root: "" on a machine, a folder of files in tests. */
int nvml_proc_list(const char *root, struct nvml_devices *devices);
bool nvml_proc_driver_version(const char *root, char *version, size_t size);

/* Whether MIG instances exist on the device with this minor number. */
bool nvml_proc_has_instances(const char *root, int minor);

/* Asks the management library. TROUPE_NOT_FOUND: it is not here, or refuses; devices is empty. */
int nvml_library_list(struct nvml_devices *devices);

/* The newest CUDA that the driver runs; false where the library is not here, or refuses. */
bool nvml_library_cuda_version(int *version);

/* Appends an empty device; NULL when memory ran out. */
struct nvml_device *nvml_devices_append(struct nvml_devices *devices);

#endif
