/* The management library, opened at run time: the few calls that tell UUID, name and MIG.
 *
 * The declarations are those of nvml.h in the versions that every driver since 450 answers. The
 * library is closed again before the list is returned: nothing of it survives into a fork. */
#include "nvml/internal.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

#define NVML_SUCCESS 0
#define NVML_UUID_SIZE 96
#define NVML_NAME_SIZE 96
#define NVML_DEVICE_MIG_ENABLE 1
#define NVML_TEMPERATURE_GPU 0
#define NVML_ECC_CORRECTED 0
#define NVML_ECC_UNCORRECTED 1
#define NVML_ECC_VOLATILE 0

typedef void *nvml_handle;

/* nvmlPciInfo_t as of nvmlDeviceGetPciInfo_v3. */
struct nvml_pci {
    char bus_id_legacy[16];
    unsigned domain, bus, device, pci_device_id, pci_subsystem_id;
    char bus_id[32];
};

struct nvml_calls {
    int (*init)(void);
    int (*shutdown)(void);
    int (*count)(unsigned *count);
    int (*handle)(unsigned index, nvml_handle *device);
    int (*pci)(nvml_handle device, struct nvml_pci *pci);
    int (*uuid)(nvml_handle device, char *uuid, unsigned size);
    int (*name)(nvml_handle device, char *name, unsigned size);
    int (*minor)(nvml_handle device, unsigned *minor);
    int (*mig_mode)(nvml_handle device, unsigned *current, unsigned *pending);
    int (*mig_count)(nvml_handle device, unsigned *count);
    int (*mig_handle)(nvml_handle device, unsigned index, nvml_handle *instance);
    int (*compute_mode)(nvml_handle device, int *mode);
    int (*cuda_version)(int *version);
    int (*handle_by_pci)(const char *pci, nvml_handle *device);
    int (*temperature)(nvml_handle device, int sensor, unsigned *celsius);
    int (*ecc)(nvml_handle device, int kind, int counter, unsigned long long *errors);
};

/* A call that may be missing in an old driver leaves NULL; the first five are needed. */
static bool calls_find(void *library, struct nvml_calls *calls)
{
    const struct {
        const char *name;
        void *call;
    } wanted[] = {
        { "nvmlInit_v2", &calls->init },
        { "nvmlShutdown", &calls->shutdown },
        { "nvmlDeviceGetCount_v2", &calls->count },
        { "nvmlDeviceGetHandleByIndex_v2", &calls->handle },
        { "nvmlDeviceGetPciInfo_v3", &calls->pci },
        { "nvmlDeviceGetUUID", &calls->uuid },
        { "nvmlDeviceGetName", &calls->name },
        { "nvmlDeviceGetMinorNumber", &calls->minor },
        { "nvmlDeviceGetMigMode", &calls->mig_mode },
        { "nvmlDeviceGetMaxMigDeviceCount", &calls->mig_count },
        { "nvmlDeviceGetMigDeviceHandleByIndex", &calls->mig_handle },
        { "nvmlDeviceGetComputeMode", &calls->compute_mode },
        { "nvmlSystemGetCudaDriverVersion_v2", &calls->cuda_version },
        { "nvmlDeviceGetHandleByPciBusId_v2", &calls->handle_by_pci },
        { "nvmlDeviceGetTemperature", &calls->temperature },
        { "nvmlDeviceGetTotalEccErrors", &calls->ecc },
    };

    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        void *found = dlsym(library, wanted[i].name);

        /* ISO C has no cast from an object to a function pointer; POSIX makes the copy work. */
        memcpy(wanted[i].call, &found, sizeof found);
    }
    return calls->init != NULL && calls->shutdown != NULL && calls->count != NULL &&
           calls->handle != NULL && calls->pci != NULL && calls->uuid != NULL &&
           calls->name != NULL;
}

static char *uuid_ask(const struct nvml_calls *calls, nvml_handle handle)
{
    char uuid[NVML_UUID_SIZE] = "";

    return calls->uuid(handle, uuid, sizeof uuid) == NVML_SUCCESS ? strdup(uuid) : NULL;
}

static char *name_ask(const struct nvml_calls *calls, nvml_handle handle)
{
    char name[NVML_NAME_SIZE] = "";

    return calls->name(handle, name, sizeof name) == NVML_SUCCESS ? strdup(name) : NULL;
}

/* The instances of a device in MIG mode, as far as the caller may see them. */
static void instances_ask(const struct nvml_calls *calls, nvml_handle handle,
                          struct nvml_device *device)
{
    unsigned current = 0, pending = 0, most = 0;
    nvml_handle instance;

    if (calls->mig_mode == NULL || calls->mig_count == NULL || calls->mig_handle == NULL ||
        calls->mig_mode(handle, &current, &pending) != NVML_SUCCESS)
        return;
    device->mig = current == NVML_DEVICE_MIG_ENABLE;
    device->mig_pending = pending != current;
    if (!device->mig)
        return;
    if (calls->mig_count(handle, &most) != NVML_SUCCESS || most == 0)
        return;
    device->instances = calloc(most, sizeof *device->instances);
    for (unsigned i = 0; device->instances != NULL && i < most; i++) {
        struct nvml_instance *next = &device->instances[device->instances_count];

        if (calls->mig_handle(handle, i, &instance) != NVML_SUCCESS)
            continue;
        next->uuid = uuid_ask(calls, instance);
        next->name = name_ask(calls, instance);
        device->instances_count++;
    }
}

static int device_ask(const struct nvml_calls *calls, unsigned index, struct nvml_devices *devices)
{
    struct nvml_device *device;
    struct nvml_pci pci = { 0 };
    nvml_handle handle;
    unsigned minor;
    int mode;

    if (calls->handle(index, &handle) != NVML_SUCCESS || calls->pci(handle, &pci) != NVML_SUCCESS)
        return TROUPE_OK; /* not permitted: CUDA does not see it either */
    device = nvml_devices_append(devices);
    if (device == NULL)
        return fail(TROUPE_NO_MEMORY, "nvml: no memory for device %u", index);
    device->domain = pci.domain;
    device->bus = pci.bus;
    device->device = pci.device;
    device->uuid = uuid_ask(calls, handle);
    device->name = name_ask(calls, handle);
    if (calls->minor != NULL && calls->minor(handle, &minor) == NVML_SUCCESS)
        device->minor = (int)minor;
    if (calls->compute_mode != NULL && calls->compute_mode(handle, &mode) == NVML_SUCCESS)
        device->compute = (enum nvml_compute)mode;
    instances_ask(calls, handle, device);
    return TROUPE_OK;
}

static int all_ask(const struct nvml_calls *calls, struct nvml_devices *devices)
{
    unsigned count = 0;
    int result = TROUPE_OK;

    if (calls->count(&count) != NVML_SUCCESS)
        return TROUPE_NOT_FOUND;
    for (unsigned i = 0; i < count && result == TROUPE_OK; i++)
        result = device_ask(calls, i, devices);
    return result;
}

/* Opens the library and initialises it. Returns its handle, for library_close; NULL when it is not
 * here or refuses. */
static void *library_open(struct nvml_calls *calls)
{
    void *library = dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL);

    if (library == NULL)
        return NULL;
    if (calls_find(library, calls) && calls->init() == NVML_SUCCESS)
        return library;
    dlclose(library);
    return NULL;
}

static void library_close(const struct nvml_calls *calls, void *library)
{
    calls->shutdown();
    dlclose(library);
}

int nvml_library_list(struct nvml_devices *devices)
{
    struct nvml_calls calls = { 0 };
    void *library = library_open(&calls);
    int result;

    if (library == NULL)
        return TROUPE_NOT_FOUND;
    result = all_ask(&calls, devices);
    library_close(&calls, library);
    return result;
}

bool nvml_library_cuda_version(int *version)
{
    struct nvml_calls calls = { 0 };
    void *library = library_open(&calls);
    bool told;

    if (library == NULL)
        return false;
    told = calls.cuda_version != NULL && calls.cuda_version(version) == NVML_SUCCESS;
    library_close(&calls, library);
    return told;
}

static void health_ask(const struct nvml_calls *calls, nvml_handle device,
                       struct nvml_health *health)
{
    unsigned long long corrected = 0, uncorrected = 0;
    unsigned celsius = 0;

    health->has_temperature =
        calls->temperature != NULL &&
        calls->temperature(device, NVML_TEMPERATURE_GPU, &celsius) == NVML_SUCCESS;
    health->has_ecc =
        calls->ecc != NULL &&
        calls->ecc(device, NVML_ECC_CORRECTED, NVML_ECC_VOLATILE, &corrected) == NVML_SUCCESS &&
        calls->ecc(device, NVML_ECC_UNCORRECTED, NVML_ECC_VOLATILE, &uncorrected) == NVML_SUCCESS;
    health->temperature_c = (int)celsius;
    health->ecc_corrected = corrected;
    health->ecc_uncorrected = uncorrected;
}

void nvml_health_get(const char *pci, struct nvml_health *health)
{
    struct nvml_calls calls = { 0 };
    void *library = library_open(&calls);
    nvml_handle device;

    *health = (struct nvml_health){ 0 };
    if (library == NULL)
        return;
    if (calls.handle_by_pci != NULL && calls.handle_by_pci(pci, &device) == NVML_SUCCESS)
        health_ask(&calls, device, health);
    library_close(&calls, library);
}
