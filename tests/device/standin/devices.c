/* Devices and contexts. A CUdevice is the physical number; a context is the address of its device's
 * entry, current by thread as a stack. */
#include "inside.h"

#include <pthread.h>
#include <stdio.h>

#define DEVICES_MOST 64
#define STACK_MOST 64
#define VERSION 13000
#define FIRST_BUS 0x10
#define UUID_FILL 0x5d /* a stand-in's */

static struct {
    unsigned retained;
} primary[DEVICES_MOST];

static int shown[DEVICES_MOST];
static int shown_count = -1;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static _Thread_local void *stack[STACK_MOST];
static _Thread_local int depth;

void standin_uuid(int device, struct cu_uuid *uuid)
{
    memset(uuid->bytes, UUID_FILL, sizeof uuid->bytes);
    uuid->bytes[0] = uuid->bytes[UUID_BYTES - 1] = (unsigned char)device;
}

static void mask_read(void)
{
    const char *mask = getenv("CUDA_VISIBLE_DEVICES");
    int devices = standin_devices();

    if (devices > DEVICES_MOST)
        devices = DEVICES_MOST;
    if (mask != NULL) {
        shown_count = standin_mask(mask, devices, shown);
        return;
    }
    for (int i = 0; i < devices; i++)
        shown[i] = i;
    shown_count = devices;
}

static bool kernels_load(void)
{
    const char *path = getenv("STANDIN_KERNELS");

    return path == NULL || dlopen(path, RTLD_NOW | RTLD_GLOBAL) != NULL;
}

int cuInit(unsigned flags)
{
    int code = standin_enter(__func__);

    if (code != OK)
        return code;
    if (flags != 0)
        return INVALID_VALUE;
    if (!kernels_load()) {
        fprintf(stderr, "stand-in driver: %s\n", dlerror());
        return NOT_FOUND;
    }
    pthread_mutex_lock(&lock);
    if (shown_count < 0)
        mask_read();
    if (shown_count == 0)
        shown_count = -1; /* read again: nothing was initialised */
    code = shown_count < 0 ? NO_DEVICE : OK;
    pthread_mutex_unlock(&lock);
    if (code == OK)
        standin_initialised();
    return code;
}

int cuDriverGetVersion(int *version)
{
    int code = standin_turn(__func__);

    if (code == OK)
        *version = VERSION;
    return code;
}

int cuDeviceGetCount(int *count)
{
    int code = standin_enter(__func__);

    if (code == OK)
        *count = shown_count;
    return code;
}

int cuDeviceGet(int *device, int ordinal)
{
    int code = standin_enter(__func__);

    if (code != OK)
        return code;
    if (ordinal < 0 || ordinal >= shown_count)
        return INVALID_DEVICE;
    *device = shown[ordinal];
    return OK;
}

int cuDeviceGetName(char *name, int size, int device)
{
    int code = standin_enter(__func__);

    if (code == OK)
        snprintf(name, (size_t)size, "Stand-in %d%s (no GPU)", device,
                 standin_mig() ? " MIG 1g.10gb" : "");
    return code;
}

int cuDeviceGetUuid_v2(struct cu_uuid *uuid, int device)
{
    int code = standin_enter(__func__);

    if (code == OK)
        standin_uuid(device, uuid);
    return code;
}

int cuDeviceGetPCIBusId(char *id, int size, int device)
{
    int code = standin_enter(__func__);

    if (code == OK)
        snprintf(id, (size_t)size, "0000:%02X:00.0", (unsigned)(FIRST_BUS + device));
    return code;
}

int cuDeviceTotalMem_v2(size_t *bytes, int device)
{
    int code = standin_enter(__func__);

    (void)device;
    if (code == OK)
        *bytes = standin_memory();
    return code;
}

int cuDeviceGetAttribute(int *value, int attribute, int device)
{
    static const int values[][2] = { { 1, 1024 },     { 8, 49152 }, { 10, 32 }, { 16, 132 },
                                     { 38, 1 << 20 }, { 75, 9 },    { 76, 0 },  { 97, 232448 } };
    int code = standin_enter(__func__);

    (void)device;
    if (code != OK)
        return code;
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        if (values[i][0] == attribute) {
            *value = values[i][1];
            return OK;
        }
    return INVALID_VALUE;
}

/* ---- contexts --------------------------------------------------------------------------- */

int cuDevicePrimaryCtxRetain(void **context, int device)
{
    int code = standin_enter(__func__);

    if (code != OK)
        return code;
    pthread_mutex_lock(&lock);
    primary[device].retained++;
    pthread_mutex_unlock(&lock);
    *context = &primary[device];
    return OK;
}

int cuDevicePrimaryCtxRelease_v2(int device)
{
    int code = standin_enter(__func__);
    bool ends = false;

    if (code != OK)
        return code;
    pthread_mutex_lock(&lock);
    if (primary[device].retained == 0)
        code = INVALID_CONTEXT;
    else
        ends = --primary[device].retained == 0;
    pthread_mutex_unlock(&lock);
    if (ends) {
        standin_objects_drop(device);
        standin_memory_drop(device);
    }
    return code;
}

int cuDevicePrimaryCtxGetState(int device, unsigned *flags, int *active)
{
    int code = standin_enter(__func__);

    if (code != OK)
        return code;
    pthread_mutex_lock(&lock);
    *flags = 0;
    *active = primary[device].retained > 0;
    pthread_mutex_unlock(&lock);
    return OK;
}

int cuCtxGetCurrent(void **context)
{
    int code = standin_enter(__func__);

    if (code == OK)
        *context = depth > 0 ? stack[depth - 1] : NULL;
    return code;
}

int cuCtxPushCurrent_v2(void *context)
{
    int code = standin_enter(__func__);

    if (code != OK)
        return code;
    if (context == NULL || depth == STACK_MOST)
        return INVALID_CONTEXT;
    stack[depth++] = context;
    return OK;
}

int cuCtxPopCurrent_v2(void **context)
{
    int code = standin_enter(__func__);

    if (code != OK)
        return code;
    if (depth == 0)
        return INVALID_CONTEXT;
    *context = stack[--depth];
    return OK;
}

int standin_enter_context(const char *call, int *device)
{
    int code = standin_enter(call);
    const void *current = depth > 0 ? stack[depth - 1] : NULL;

    if (code != OK)
        return code;
    for (int i = 0; i < DEVICES_MOST; i++)
        if (current == &primary[i] && primary[i].retained > 0) {
            *device = i;
            return OK;
        }
    return INVALID_CONTEXT;
}

int cuCtxSynchronize(void)
{
    int device;

    return standin_enter_context(__func__, &device);
}
