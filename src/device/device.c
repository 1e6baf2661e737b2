/* Devices: which there are, which is the rank's own, and the context of each that is open.
 *
 * What always holds: a handle is the pid of its process and 1 + the device's number, so that one
 * that travelled is told from one's own. A device that is open has its primary context retained
 * once, whatever the number of opens. */
#include "device/driver.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"

static troupe_gpu handle_make(int device)
{
    return (troupe_gpu){ (uint64_t)driver_here.pid << 32 | (uint32_t)(device + 1) };
}

static int handle_read(const char *call, troupe_gpu gpu, int *device)
{
    uint32_t pid = (uint32_t)(gpu.id >> 32), number = (uint32_t)gpu.id;

    if (!atomic_load_explicit(&driver_here.ready, memory_order_acquire) || pid != driver_here.pid ||
        number == 0 || number > (uint32_t)driver_here.devices_count)
        return fail(TROUPE_BAD_HANDLE,
                    "%s: %016" PRIx64 " is no device that this process opened; call "
                    "troupe_gpu_open here, for a troupe_gpu does not travel",
                    call, gpu.id);
    *device = (int)number - 1;
    return TROUPE_OK;
}

/* ---- properties ------------------------------------------------------------------------- */

static int pci_read(int device, char pci[TROUPE_GPU_PCI_SIZE])
{
    int code = driver_pci_get(driver_here.devices[device].handle, pci);

    if (code != DRIVER_SUCCESS)
        return driver_fail(code, "cuDeviceGetPCIBusId", "device %d has no PCI address to tell",
                           device);
    return TROUPE_OK;
}

static bool in_mig_mode(const char *name)
{
    return strstr(name, " MIG ") != NULL;
}

static int uuid_read(int device, const char *name, char text[TROUPE_GPU_UUID_SIZE])
{
    static const size_t group_ends[] = { 4, 6, 8, 10 }; /* 8-4-4-4-12 digits */
    struct driver_uuid uuid;
    size_t used, group = 0;
    int code = driver_here.call.device_get_uuid(&uuid, driver_here.devices[device].handle);

    if (code != DRIVER_SUCCESS)
        return driver_fail(code, "cuDeviceGetUuid_v2", "device %d has no UUID to tell", device);
    used = (size_t)snprintf(text, TROUPE_GPU_UUID_SIZE, in_mig_mode(name) ? "MIG-" : "GPU-");
    for (size_t i = 0; i < DRIVER_UUID_BYTES; i++) {
        bool dash = group < sizeof group_ends / sizeof *group_ends && i == group_ends[group];

        used += (size_t)snprintf(text + used, TROUPE_GPU_UUID_SIZE - used, "%s%02x",
                                 dash ? "-" : "", uuid.bytes[i]);
        group += dash;
    }
    return TROUPE_OK;
}

static int attributes_read(int device, troupe_gpu_properties *properties)
{
    int shared = 0, optin = 0, l2 = 0;
    const struct {
        int attribute;
        int *value;
    } wanted[] = {
        { DRIVER_COMPUTE_MAJOR, &properties->compute_major },
        { DRIVER_COMPUTE_MINOR, &properties->compute_minor },
        { DRIVER_MULTIPROCESSORS, &properties->multiprocessors },
        { DRIVER_BLOCK_THREADS, &properties->block_threads },
        { DRIVER_WARP_THREADS, &properties->warp_threads },
        { DRIVER_SHARED_BYTES, &shared },
        { DRIVER_SHARED_BYTES_OPTIN, &optin },
        { DRIVER_L2_BYTES, &l2 },
    };

    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        int code = driver_here.call.device_get_attribute(wanted[i].value, wanted[i].attribute,
                                                         driver_here.devices[device].handle);

        if (code != DRIVER_SUCCESS)
            return driver_fail(code, "cuDeviceGetAttribute",
                               "device %d does not tell its attribute %d", device,
                               wanted[i].attribute);
    }
    properties->shared_bytes = (uint64_t)(optin > shared ? optin : shared);
    properties->l2_bytes = (uint64_t)l2;
    return TROUPE_OK;
}

static int sizes_read(int device, troupe_gpu_properties *properties)
{
    const struct driver_calls *call = &driver_here.call;
    size_t bytes = 0;
    int code = call->device_get_name(properties->name, TROUPE_GPU_NAME_SIZE,
                                     driver_here.devices[device].handle);

    if (code != DRIVER_SUCCESS)
        return driver_fail(code, "cuDeviceGetName", "device %d has no name to tell", device);
    code = call->device_total_mem(&bytes, driver_here.devices[device].handle);
    if (code != DRIVER_SUCCESS)
        return driver_fail(code, "cuDeviceTotalMem_v2", "device %d does not tell its memory",
                           device);
    properties->memory_bytes = bytes;
    code = call->driver_get_version(&properties->driver_version);
    if (code != DRIVER_SUCCESS)
        return driver_fail(code, "cuDriverGetVersion", "the driver does not tell its version");
    return TROUPE_OK;
}

static int properties_read(int device, troupe_gpu_properties *properties)
{
    int result = sizes_read(device, properties);

    if (result == TROUPE_OK)
        result = uuid_read(device, properties->name, properties->uuid);
    if (result == TROUPE_OK)
        result = pci_read(device, properties->pci);
    if (result == TROUPE_OK)
        result = attributes_read(device, properties);
    return result;
}

/* ---- the rank's own --------------------------------------------------------------------- */

/* The device whose PCI address comes first in the plan's text: in every mode but `ordered` that is
 * device 0. A text without an address plans nothing. */
static int own_find(int *device)
{
    const char *planned = attest_plan(), *best = NULL;
    int own = 0;

    for (int i = 0; planned != NULL && i < driver_here.devices_count; i++) {
        char pci[TROUPE_GPU_PCI_SIZE] = "";
        const char *found;
        int result = pci_read(i, pci);

        if (result != TROUPE_OK)
            return result;
        found = strstr(planned, pci);
        if (found != NULL && (best == NULL || found < best)) {
            best = found;
            own = i;
        }
    }
    if (planned != NULL && best == NULL)
        attest_say_hidden(planned);
    *device = own;
    return TROUPE_OK;
}

static int number_read(const char *call, int device, int *number)
{
    if (device == TROUPE_GPU_OWN)
        return own_find(number);
    if (device < 0 || device >= driver_here.devices_count)
        return fail(TROUPE_BAD_ARGUMENT, "%s: no device %d; this process sees 0 to %d", call,
                    device, driver_here.devices_count - 1);
    *number = device;
    return TROUPE_OK;
}

/* ---- contexts --------------------------------------------------------------------------- */

static int open_locked(const char *call, int number)
{
    struct device *device = &driver_here.devices[number];
    void *context;
    int code;

    if (device->opens == 0) {
        code = driver_here.call.device_primary_ctx_retain(&context, device->handle);
        if (code != DRIVER_SUCCESS)
            return driver_fail(code, "cuDevicePrimaryCtxRetain", "device %d could not be opened",
                               number);
        atomic_store_explicit(&device->context, context, memory_order_release);
        guard_note_device(number, call);
    }
    device->opens++;
    return TROUPE_OK;
}

static int close_locked(const char *call, int number)
{
    struct device *device = &driver_here.devices[number];
    int code;

    if (device->opens == 0)
        return fail(TROUPE_BAD_HANDLE, "%s: device %d is closed already", call, number);
    if (--device->opens > 0)
        return TROUPE_OK;
    atomic_store_explicit(&device->context, NULL, memory_order_release);
    owned_forget(number);
    code = driver_here.call.device_primary_ctx_release(device->handle);
    if (code != DRIVER_SUCCESS)
        return driver_fail(code, "cuDevicePrimaryCtxRelease_v2", "device %d did not close well",
                           number);
    return TROUPE_OK;
}

bool scope_reopen(int number, struct scope *scope)
{
    void *context =
        atomic_load_explicit(&driver_here.devices[number].context, memory_order_acquire);

    *scope = (struct scope){ &driver_here.call, "device_release", number, true };
    return context != NULL && scope->call->ctx_push_current(context) == DRIVER_SUCCESS;
}

static int context_push(struct scope *scope, void *context)
{
    void *before = NULL;
    int code = scope->call->ctx_get_current(&before);

    if (code != DRIVER_SUCCESS)
        return driver_fail(code, "cuCtxGetCurrent", "%s: the thread's context is not known",
                           scope->name);
    if (before == context)
        return TROUPE_OK;
    code = scope->call->ctx_push_current(context);
    if (code != DRIVER_SUCCESS)
        return driver_fail(code, "cuCtxPushCurrent_v2", "%s: device %d's context could not be used",
                           scope->name, scope->device);
    scope->pushed = true;
    return TROUPE_OK;
}

int scope_open(const char *name, troupe_gpu gpu, struct scope *scope)
{
    int number, result = guard_check(name);
    void *context;

    if (result == TROUPE_OK)
        result = handle_read(name, gpu, &number);
    if (result != TROUPE_OK)
        return result;
    context = atomic_load_explicit(&driver_here.devices[number].context, memory_order_acquire);
    if (context == NULL)
        return fail(TROUPE_BAD_HANDLE, "%s: device %d was closed; call troupe_gpu_open again", name,
                    number);
    *scope = (struct scope){ &driver_here.call, name, number, false };
    return context_push(scope, context);
}

int scope_end(struct scope *scope, int result)
{
    void *ours;
    int code;

    if (!scope->pushed)
        return result;
    code = scope->call->ctx_pop_current(&ours);
    if (code == DRIVER_SUCCESS || result != TROUPE_OK)
        return result;
    return driver_fail(code, "cuCtxPopCurrent_v2", "%s: the thread keeps device %d's context",
                       scope->name, scope->device);
}

int scope_close(struct scope *scope, int code, const char *cuda_call, const char *what, ...)
{
    char tried[160];
    va_list arguments;

    if (code == DRIVER_SUCCESS)
        return scope_end(scope, TROUPE_OK);
    va_start(arguments, what);
    vsnprintf(tried, sizeof tried, what, arguments);
    va_end(arguments);
    return scope_end(scope, driver_fail(code, cuda_call, "%s: %s", scope->name, tried));
}

/* ---- public ----------------------------------------------------------------------------- */

int troupe_gpu_count(int *devices)
{
    int result = driver_start(__func__, __builtin_return_address(0));

    if (result == TROUPE_OK)
        *devices = driver_here.devices_count;
    return result;
}

int troupe_gpu_properties_get(int device, troupe_gpu_properties *properties)
{
    troupe_gpu_properties read = { .name = "" };
    int number, result = driver_start(__func__, __builtin_return_address(0));

    if (result == TROUPE_OK)
        result = number_read(__func__, device, &number);
    if (result == TROUPE_OK)
        result = properties_read(number, &read);
    if (result == TROUPE_OK)
        *properties = read;
    return result;
}

int troupe_gpu_open(int device, troupe_gpu *gpu)
{
    int number, result = driver_start(__func__, __builtin_return_address(0));

    if (result == TROUPE_OK)
        result = number_read(__func__, device, &number);
    if (result != TROUPE_OK)
        return result;
    pthread_mutex_lock(&driver_lock);
    result = open_locked(__func__, number);
    pthread_mutex_unlock(&driver_lock);
    if (result == TROUPE_OK)
        *gpu = handle_make(number);
    return result;
}

int troupe_gpu_close(troupe_gpu gpu)
{
    int number, result = guard_check(__func__);

    if (result == TROUPE_OK)
        result = handle_read(__func__, gpu, &number);
    if (result != TROUPE_OK)
        return result;
    pthread_mutex_lock(&driver_lock);
    result = close_locked(__func__, number);
    pthread_mutex_unlock(&driver_lock);
    return result;
}

int troupe_gpu_synchronize(troupe_gpu gpu)
{
    struct scope scope;
    int result = scope_open(__func__, gpu, &scope);

    if (result != TROUPE_OK)
        return result;
    return scope_close(&scope, scope.call->ctx_synchronize(), "cuCtxSynchronize",
                       "what was asked of device %d did not end well", scope.device);
}
