/* GPUs of a topology: PCI devices of class 03xx and NVIDIA's vendor number, in PCI order whatever
 * order hwloc lists them in, with what the driver says about each. */
#include "topo/gpu.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "nvml/nvml.h"

#define PCI_VENDOR_NVIDIA 0x10de
#define PCI_CLASS_DISPLAY 0x03
#define GPU_PATH 64

/* Names under which a topology file may carry what the driver would say. The first two are
 * hwloc's own; the third is ours, once for each instance. */
#define INFO_UUID "NVIDIAUUID"
#define INFO_MODEL "GPUModel"
#define INFO_INSTANCE "TroupeMIG"

void gpu_free(struct machine_gpu *gpu)
{
    free(gpu->uuid);
    free(gpu->name);
    cpus_free(&gpu->near);
    cpus_free(&gpu->numa);
}

static bool is_gpu(hwloc_obj_t object)
{
    return object->attr->pcidev.vendor_id == PCI_VENDOR_NVIDIA &&
           object->attr->pcidev.class_id >> 8 == PCI_CLASS_DISPLAY;
}

/* Appends a GPU with its address; its other fields are empty. */
static struct machine_gpu *gpu_append(hwloc_obj_t object, struct machine_gpu **gpus, size_t *count)
{
    const struct hwloc_pcidev_attr_s *pci = &object->attr->pcidev;
    struct machine_gpu *items = realloc(*gpus, (*count + 1) * sizeof *items);

    if (items == NULL)
        return NULL;
    *gpus = items;
    items[*count] = (struct machine_gpu){ .domain = pci->domain,
                                          .bus = pci->bus,
                                          .device = pci->dev,
                                          .function = pci->func,
                                          .package = MACHINE_NO_PACKAGE };
    snprintf(items[*count].pci, MACHINE_PCI_SIZE, "%04x:%02x:%02x.%01x", (unsigned)pci->domain,
             (unsigned)pci->bus, (unsigned)pci->dev, (unsigned)pci->func);
    return &items[(*count)++];
}

/* Says where a GPU sits. A device that hangs at the root of a machine with several NUMA nodes
 * sits nowhere known: the firmware did not tell, and the root is only where hwloc puts such. */
static int gpu_locate(hwloc_topology_t topology, hwloc_obj_t object, const struct machine *machine,
                      struct machine_gpu *gpu)
{
    hwloc_obj_t home = hwloc_get_non_io_ancestor_obj(topology, object), package;
    int result = TROUPE_OK, id;

    if (home == NULL || home->cpuset == NULL || hwloc_bitmap_iszero(home->cpuset))
        return TROUPE_OK;
    if (machine->numa_count > 1 &&
        hwloc_bitmap_isequal(home->cpuset, hwloc_get_root_obj(topology)->cpuset))
        return TROUPE_OK;
    hwloc_bitmap_foreach_begin(id, home->cpuset) result =
        result == TROUPE_OK ? cpus_add(&gpu->near, id) : result;
    hwloc_bitmap_foreach_end();
    for (size_t i = machine->numa_count; i-- > 0 && result == TROUPE_OK;)
        if (cpus_meet(&gpu->near, &machine->numa[i].pus)) {
            result = cpus_add(&gpu->numa, machine->numa[i].os_index);
            gpu->near_numa = i;
        }
    package = home->type == HWLOC_OBJ_PACKAGE
                  ? home
                  : hwloc_get_ancestor_obj_by_type(topology, HWLOC_OBJ_PACKAGE, home);
    if (package != NULL)
        gpu->package = package->logical_index;
    gpu->located = true;
    return result;
}

/* ---- what the driver, or the file, says about a device ---------------------------------- */

static int text_copy(const char *from, char **to)
{
    if (from == NULL || *to != NULL)
        return TROUPE_OK;
    *to = strdup(from);
    return *to != NULL ? TROUPE_OK : fail(TROUPE_NO_MEMORY, "topo: no memory for a GPU's name");
}

static int info_text(hwloc_obj_t object, const char *name, char **text)
{
    int result = text_copy(hwloc_obj_get_info_by_name(object, name), text);

    for (hwloc_obj_t child = object->io_first_child; child != NULL && result == TROUPE_OK;
         child = child->next_sibling)
        result = text_copy(hwloc_obj_get_info_by_name(child, name), text);
    return result;
}

/* A GPU in MIG mode becomes its instances: the first takes the place of the GPU itself. */
static int instance_add(hwloc_obj_t object, const char *uuid, const char *name,
                        struct machine *machine)
{
    struct machine_gpu *gpu = &machine->gpus[machine->gpus_count - 1], *next;
    int result;

    if (gpu->instance) {
        next = gpu_append(object, &machine->gpus, &machine->gpus_count);
        if (next == NULL)
            return fail(TROUPE_NO_MEMORY, "topo: no memory for a MIG instance");
        gpu = next - 1;
        next->located = gpu->located;
        next->near_numa = gpu->near_numa;
        next->package = gpu->package;
        result = cpus_add_all(&next->near, &gpu->near);
        if (result == TROUPE_OK)
            result = cpus_add_all(&next->numa, &gpu->numa);
        if (result != TROUPE_OK)
            return result;
        gpu = next;
    } else {
        free(gpu->uuid);
        free(gpu->name);
        gpu->uuid = gpu->name = NULL;
    }
    gpu->instance = true;
    result = text_copy(uuid, &gpu->uuid);
    return result == TROUPE_OK ? text_copy(name, &gpu->name) : result;
}

static int describe_from_file(hwloc_obj_t object, struct machine *machine)
{
    struct machine_gpu *gpu = &machine->gpus[machine->gpus_count - 1];
    int result = info_text(object, INFO_UUID, &gpu->uuid);

    if (result == TROUPE_OK)
        result = info_text(object, INFO_MODEL, &gpu->name);
    if (result == TROUPE_OK)
        result = info_text(object, "PCIDevice", &gpu->name);
    if (result == TROUPE_OK)
        result = text_copy(object->name, &gpu->name);
    for (unsigned i = 0; i < object->infos_count && result == TROUPE_OK; i++)
        if (strcmp(object->infos[i].name, INFO_INSTANCE) == 0)
            result = instance_add(object, object->infos[i].value, "MIG instance", machine);
    return result;
}

static int describe_from_driver(hwloc_obj_t object, const struct nvml_device *device,
                                struct machine *machine)
{
    struct machine_gpu *gpu = &machine->gpus[machine->gpus_count - 1];
    int result = text_copy(device->uuid, &gpu->uuid);

    if (result == TROUPE_OK)
        result = text_copy(device->name, &gpu->name);
    for (size_t i = 0; i < device->instances_count && result == TROUPE_OK; i++)
        result =
            instance_add(object, device->instances[i].uuid, device->instances[i].name, machine);
    return result;
}

/* Whether the driver will let us open the device. access() asks the file's mode and the device
 * control group without opening it, for opening wakes a sleeping GPU. Where no node exists at all
 * CUDA makes them at its start; where only some do, a container was given those. */
static bool may_open(const struct nvml_device *device)
{
    char path[GPU_PATH];

    if (device == NULL || device->minor < 0 || access("/dev/nvidiactl", F_OK) != 0)
        return true;
    snprintf(path, sizeof path, "/dev/nvidia%d", device->minor);
    return access(path, R_OK | W_OK) == 0;
}

/* ---- the list --------------------------------------------------------------------------- */

static int pci_compare(const void *left, const void *right)
{
    const struct hwloc_pcidev_attr_s *a = &(*(const hwloc_obj_t *)left)->attr->pcidev;
    const struct hwloc_pcidev_attr_s *b = &(*(const hwloc_obj_t *)right)->attr->pcidev;

    if (a->domain != b->domain)
        return a->domain < b->domain ? -1 : 1;
    if (a->bus != b->bus)
        return a->bus < b->bus ? -1 : 1;
    if (a->dev != b->dev)
        return a->dev < b->dev ? -1 : 1;
    return (int)a->func - (int)b->func;
}

/* A GPU in MIG mode without an instance cannot compute: it counts as denied. */
static int gpu_add(hwloc_topology_t topology, hwloc_obj_t object, const struct nvml_devices *driver,
                   bool live, int index, struct machine *machine)
{
    const struct hwloc_pcidev_attr_s *pci = &object->attr->pcidev;
    const struct nvml_device *device = nvml_devices_find(driver, pci->domain, pci->bus, pci->dev);
    bool empty = device != NULL && device->mig && device->instances_count == 0;
    bool denied = live && (empty || !may_open(device));
    struct machine_gpu *gpu = denied ? gpu_append(object, &machine->denied, &machine->denied_count)
                                     : gpu_append(object, &machine->gpus, &machine->gpus_count);
    int result;

    if (gpu == NULL)
        return fail(TROUPE_NO_MEMORY, "topo: no memory for a list of GPUs");
    gpu->index = denied ? -1 : index;
    if (denied)
        return text_copy(device->uuid, &gpu->uuid);
    result = gpu_locate(topology, object, machine, gpu);
    if (result != TROUPE_OK)
        return result;
    result = !live            ? describe_from_file(object, machine)
             : device != NULL ? describe_from_driver(object, device, machine)
                              : TROUPE_OK;
    for (size_t i = machine->gpus_count; i-- > 0 && machine->gpus[i].instance;)
        if (strcmp(machine->gpus[i].pci, machine->gpus[machine->gpus_count - 1].pci) == 0)
            machine->gpus[i].index = index;
    return result;
}

int gpu_find_all(hwloc_topology_t topology, bool live, struct machine *machine)
{
    struct nvml_devices driver = { 0 };
    hwloc_obj_t object = NULL, *found = NULL;
    size_t count = 0;
    int result = TROUPE_OK, index = 0;

    while ((object = hwloc_get_next_pcidev(topology, object)) != NULL)
        count += is_gpu(object);
    if (count == 0)
        return TROUPE_OK;
    found = calloc(count, sizeof(hwloc_obj_t));
    if (found == NULL)
        return fail(TROUPE_NO_MEMORY, "topo: no memory for a list of GPUs");
    count = 0;
    while ((object = hwloc_get_next_pcidev(topology, object)) != NULL)
        if (is_gpu(object))
            found[count++] = object;
    qsort(found, count, sizeof(hwloc_obj_t), pci_compare);
    if (live)
        result = nvml_devices_list(&driver);
    for (size_t i = 0; i < count && result == TROUPE_OK; i++) {
        size_t before = machine->gpus_count;

        result = gpu_add(topology, found[i], &driver, live, index, machine);
        index += machine->gpus_count > before;
    }
    nvml_devices_free(&driver);
    free(found);
    return result;
}
