/* Chooses between the driver's files and its library, and owns the list. */
#include "nvml/nvml.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "nvml/internal.h"

struct nvml_device *nvml_devices_append(struct nvml_devices *devices)
{
    struct nvml_device *items =
        realloc(devices->items, (devices->count + 1) * sizeof *devices->items);

    if (items == NULL)
        return NULL;
    devices->items = items;
    items[devices->count] = (struct nvml_device){ .minor = -1 };
    return &items[devices->count++];
}

/* Whether the files told all: the library takes tens of milliseconds to say the same. */
static bool proc_is_enough(const struct nvml_devices *devices)
{
    for (size_t i = 0; i < devices->count; i++)
        if (devices->items[i].uuid == NULL || nvml_proc_has_instances("", devices->items[i].minor))
            return false;
    return devices->count > 0;
}

int nvml_devices_list(struct nvml_devices *devices)
{
    struct nvml_devices files = { 0 }, library = { 0 };
    int result = nvml_proc_list("", &files);

    if (result == TROUPE_OK && !proc_is_enough(&files)) {
        result = nvml_library_list(&library);
        if (result == TROUPE_NOT_FOUND)
            result = TROUPE_OK;
    }
    if (result == TROUPE_OK && library.count > 0) {
        *devices = library;
        library = (struct nvml_devices){ 0 };
    } else if (result == TROUPE_OK) {
        *devices = files;
        files = (struct nvml_devices){ 0 };
    }
    nvml_devices_free(&files);
    nvml_devices_free(&library);
    return result;
}

int nvml_devices_ask(struct nvml_devices *devices)
{
    int result = nvml_library_list(devices);

    return result == TROUPE_NOT_FOUND ? TROUPE_OK : result;
}

void nvml_devices_free(struct nvml_devices *devices)
{
    for (size_t i = 0; i < devices->count; i++) {
        struct nvml_device *device = &devices->items[i];

        for (size_t j = 0; j < device->instances_count; j++) {
            free(device->instances[j].uuid);
            free(device->instances[j].name);
        }
        free(device->instances);
        free(device->uuid);
        free(device->name);
    }
    free(devices->items);
    memset(devices, 0, sizeof *devices);
}

const struct nvml_device *nvml_devices_find(const struct nvml_devices *devices, unsigned domain,
                                            unsigned bus, unsigned device)
{
    for (size_t i = 0; i < devices->count; i++)
        if (devices->items[i].domain == domain && devices->items[i].bus == bus &&
            devices->items[i].device == device)
            return &devices->items[i];
    return NULL;
}

bool nvml_driver_version(char *version, size_t size)
{
    return nvml_proc_driver_version("", version, size);
}

bool nvml_cuda_version(int *version)
{
    return nvml_library_cuda_version(version);
}
