/* A management library of two devices for the tests: the first plain, the second in MIG mode with
 * two instances of seven possible. Built as libnvidia-ml.so.1, so that it is found as the real one
 * would be. Declared as the driver's header declares it, shortened to what is asked. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SUCCESS = 0, INVALID = 2, NOT_FOUND = 6, DEVICES = 2, INSTANCES_MOST = 7, EXCLUSIVE = 3 };

struct pci {
    char bus_id_legacy[16];
    unsigned domain, bus, device, pci_device_id, pci_subsystem_id;
    char bus_id[32];
};

/* Handles are addresses in here: the devices, then the second one's instances. */
static char handles[DEVICES + INSTANCES_MOST];

int nvmlInit_v2(void);
int nvmlShutdown(void);
int nvmlDeviceGetCount_v2(unsigned *count);
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **device);
int nvmlDeviceGetPciInfo_v3(void *device, struct pci *pci);
int nvmlDeviceGetUUID(void *device, char *uuid, unsigned size);
int nvmlDeviceGetName(void *device, char *name, unsigned size);
int nvmlDeviceGetMinorNumber(void *device, unsigned *minor);
int nvmlDeviceGetMigMode(void *device, unsigned *current, unsigned *pending);
int nvmlDeviceGetMaxMigDeviceCount(void *device, unsigned *count);
int nvmlDeviceGetComputeMode(void *device, int *mode);
int nvmlSystemGetCudaDriverVersion_v2(int *version);
int nvmlDeviceGetMigDeviceHandleByIndex(void *device, unsigned index, void **instance);

int nvmlDeviceGetHandleByPciBusId_v2(const char *pci, void **device);
int nvmlDeviceGetTemperature(void *device, int sensor, unsigned *celsius);
int nvmlDeviceGetTotalEccErrors(void *device, int kind, int counter, unsigned long long *errors);

int nvmlInit_v2(void)
{
    return SUCCESS;
}

int nvmlShutdown(void)
{
    return SUCCESS;
}

int nvmlDeviceGetCount_v2(unsigned *count)
{
    *count = DEVICES;
    return SUCCESS;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **device)
{
    if (index >= DEVICES)
        return INVALID;
    *device = &handles[index];
    return SUCCESS;
}

int nvmlDeviceGetPciInfo_v3(void *device, struct pci *pci)
{
    memset(pci, 0, sizeof *pci);
    pci->domain = device == &handles[1];
    pci->bus = device == &handles[1] ? 0xca : 0x17;
    return SUCCESS;
}

int nvmlDeviceGetUUID(void *device, char *uuid, unsigned size)
{
    long handle = (char *)device - handles;

    snprintf(uuid, size, handle < DEVICES ? "GPU-0000000%ld" : "MIG-0000000%ld", handle);
    return SUCCESS;
}

int nvmlDeviceGetName(void *device, char *name, unsigned size)
{
    snprintf(name, size, (char *)device - handles < DEVICES ? "Fake GPU" : "Fake MIG 1g.10gb");
    return SUCCESS;
}

int nvmlDeviceGetMinorNumber(void *device, unsigned *minor)
{
    *minor = (unsigned)((char *)device - handles);
    return SUCCESS;
}

int nvmlDeviceGetMigMode(void *device, unsigned *current, unsigned *pending)
{
    *current = *pending = device == &handles[1];
    if (device == &handles[0] && getenv("FAKE_NVML_MIG_PENDING") != NULL)
        *pending = 1;
    return SUCCESS;
}

int nvmlDeviceGetComputeMode(void *device, int *mode)
{
    *mode = device == &handles[0] ? EXCLUSIVE : 0;
    return SUCCESS;
}

/* CUDA 12.4 */
int nvmlSystemGetCudaDriverVersion_v2(int *version)
{
    *version = 12040;
    return SUCCESS;
}

int nvmlDeviceGetMaxMigDeviceCount(void *device, unsigned *count)
{
    *count = device == &handles[1] ? INSTANCES_MOST : 0;
    return SUCCESS;
}

int nvmlDeviceGetMigDeviceHandleByIndex(void *device, unsigned index, void **instance)
{
    if (device != &handles[1] || (index != 0 && index != 4))
        return NOT_FOUND;
    *instance = &handles[DEVICES + index];
    return SUCCESS;
}

int nvmlDeviceGetHandleByPciBusId_v2(const char *pci, void **device)
{
    for (unsigned i = 0; i < DEVICES; i++)
        if (strcmp(pci, i == 0 ? "0000:17:00.0" : "0001:ca:00.0") == 0) {
            *device = &handles[i];
            return SUCCESS;
        }
    return NOT_FOUND;
}

int nvmlDeviceGetTemperature(void *device, int sensor, unsigned *celsius)
{
    if (sensor != 0)
        return INVALID;
    *celsius = device == &handles[0] ? 41 : 55;
    return SUCCESS;
}

/* The second device has no error correction. */
int nvmlDeviceGetTotalEccErrors(void *device, int kind, int counter, unsigned long long *errors)
{
    if (device != &handles[0] || counter != 0)
        return INVALID;
    *errors = kind == 0 ? 3 : 1;
    return SUCCESS;
}
