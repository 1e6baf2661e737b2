/* Opens the driver and initialises it. A failure leaves everything as it was, and the next call
 * tries again: what was missing may be there then. */
#include "device/driver.h"

#include <ctype.h>
#include <dlfcn.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/error.h"

#define LIBRARY "libcuda.so.1"
#define LIBRARY_VARIABLE "TROUPE_CUDA_LIBRARY"
#define MASK_VARIABLE "CUDA_VISIBLE_DEVICES"

struct driver driver_here;
pthread_mutex_t driver_lock = PTHREAD_MUTEX_INITIALIZER;

struct symbol {
    const char *name;
    void *call; /* where it goes */
};

static const struct symbol symbols[] = {
    { "cuInit", &driver_here.call.init },
    { "cuDriverGetVersion", &driver_here.call.driver_get_version },
    { "cuGetErrorName", &driver_here.call.get_error_name },
    { "cuGetErrorString", &driver_here.call.get_error_string },
    { "cuDeviceGetCount", &driver_here.call.device_get_count },
    { "cuDeviceGet", &driver_here.call.device_get },
    { "cuDeviceGetName", &driver_here.call.device_get_name },
    { "cuDeviceGetUuid_v2", &driver_here.call.device_get_uuid },
    { "cuDeviceGetPCIBusId", &driver_here.call.device_get_pci_bus_id },
    { "cuDeviceTotalMem_v2", &driver_here.call.device_total_mem },
    { "cuDeviceGetAttribute", &driver_here.call.device_get_attribute },
    { "cuDevicePrimaryCtxRetain", &driver_here.call.device_primary_ctx_retain },
    { "cuDevicePrimaryCtxRelease_v2", &driver_here.call.device_primary_ctx_release },
    { "cuDevicePrimaryCtxGetState", &driver_here.call.device_primary_ctx_get_state },
    { "cuCtxGetCurrent", &driver_here.call.ctx_get_current },
    { "cuCtxPushCurrent_v2", &driver_here.call.ctx_push_current },
    { "cuCtxPopCurrent_v2", &driver_here.call.ctx_pop_current },
    { "cuCtxSynchronize", &driver_here.call.ctx_synchronize },
    { "cuMemAlloc_v2", &driver_here.call.mem_alloc },
    { "cuMemFree_v2", &driver_here.call.mem_free },
    { "cuMemGetInfo_v2", &driver_here.call.mem_get_info },
    { "cuMemGetAddressRange_v2", &driver_here.call.mem_get_address_range },
    { "cuMemHostAlloc", &driver_here.call.mem_host_alloc },
    { "cuMemFreeHost", &driver_here.call.mem_free_host },
    { "cuMemcpyHtoD_v2", &driver_here.call.memcpy_in },
    { "cuMemcpyDtoH_v2", &driver_here.call.memcpy_out },
    { "cuMemcpyDtoD_v2", &driver_here.call.memcpy_within },
    { "cuMemcpyHtoDAsync_v2", &driver_here.call.memcpy_in_async },
    { "cuMemcpyDtoHAsync_v2", &driver_here.call.memcpy_out_async },
    { "cuMemcpyDtoDAsync_v2", &driver_here.call.memcpy_within_async },
    { "cuMemsetD8Async", &driver_here.call.memset_async },
    { "cuStreamCreate", &driver_here.call.stream_create },
    { "cuStreamDestroy_v2", &driver_here.call.stream_destroy },
    { "cuStreamSynchronize", &driver_here.call.stream_synchronize },
    { "cuStreamQuery", &driver_here.call.stream_query },
    { "cuStreamWaitEvent", &driver_here.call.stream_wait_event },
    { "cuEventCreate", &driver_here.call.event_create },
    { "cuEventDestroy_v2", &driver_here.call.event_destroy },
    { "cuEventRecord", &driver_here.call.event_record },
    { "cuEventSynchronize", &driver_here.call.event_synchronize },
    { "cuEventElapsedTime", &driver_here.call.event_elapsed_time },
    { "cuModuleLoadDataEx", &driver_here.call.module_load_data },
    { "cuModuleUnload", &driver_here.call.module_unload },
    { "cuModuleGetFunction", &driver_here.call.module_get_function },
    { "cuFuncSetAttribute", &driver_here.call.func_set_attribute },
    { "cuLaunchKernel", &driver_here.call.launch_kernel },
    { "cuIpcGetMemHandle", &driver_here.call.ipc_get_mem_handle },
    { "cuIpcOpenMemHandle_v2", &driver_here.call.ipc_open_mem_handle },
    { "cuIpcCloseMemHandle", &driver_here.call.ipc_close_mem_handle },
};

#define SYMBOLS_COUNT (sizeof symbols / sizeof *symbols)

static const char *library_name(void)
{
    const char *name = getenv(LIBRARY_VARIABLE);

    return name != NULL && *name != '\0' ? name : LIBRARY;
}

/* ---- opening ---------------------------------------------------------------------------- */

static int library_open(void **library)
{
    const char *name = library_name();

    *library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (*library != NULL)
        return TROUPE_OK;
    return fail(TROUPE_NO_GPU,
                "no CUDA driver here (%s); install NVIDIA's driver, or go on without a GPU",
                dlerror());
}

/* ISO C has no cast from an object to a function pointer; POSIX makes the copy work. */
static int symbols_find(void *library)
{
    for (size_t i = 0; i < SYMBOLS_COUNT; i++) {
        void *found = dlsym(library, symbols[i].name);

        if (found == NULL)
            return fail(TROUPE_NO_GPU,
                        "%s has no %s: the driver is older than CUDA 11.4; install a newer driver",
                        library_name(), symbols[i].name);
        memcpy(symbols[i].call, &found, sizeof found);
    }
    return TROUPE_OK;
}

static int symbols_load(void)
{
    static bool found;
    void *library;
    int result;

    if (found)
        return TROUPE_OK;
    result = library_open(&library);
    if (result != TROUPE_OK)
        return result;
    result = symbols_find(library);
    found = result == TROUPE_OK;
    if (!found)
        dlclose(library);
    return result;
}

int driver_symbols_find(void)
{
    int result;

    pthread_mutex_lock(&driver_lock);
    result = symbols_load();
    pthread_mutex_unlock(&driver_lock);
    return result;
}

int driver_pci_get(int handle, char pci[TROUPE_GPU_PCI_SIZE])
{
    int code = driver_here.call.device_get_pci_bus_id(pci, TROUPE_GPU_PCI_SIZE, handle);

    for (char *letter = pci; code == DRIVER_SUCCESS && *letter != '\0'; letter++)
        *letter = (char)tolower((unsigned char)*letter);
    return code;
}

/* ---- initialising ----------------------------------------------------------------------- */

static int no_device(void)
{
    const char *mask = getenv(MASK_VARIABLE);

    if (mask == NULL)
        return fail(TROUPE_NO_GPU, "the CUDA driver is here and shows no device; see nvidia-smi, "
                                   "and whether /dev/nvidia* is there and may be opened");
    return fail(TROUPE_NO_GPU,
                "the CUDA driver shows no device under " MASK_VARIABLE "='%s'; name one that "
                "is there, or unset it",
                mask);
}

static int cuda_init(const char *call)
{
    int code = driver_here.call.init(0);

    switch (code) {
    case DRIVER_SUCCESS:
        return TROUPE_OK;
    case DRIVER_NO_DEVICE:
        return no_device();
    case DRIVER_STUB:
        return fail(TROUPE_NO_GPU,
                    "%s is the toolkit's stub for linking, not a driver; take its folder "
                    "out of LD_LIBRARY_PATH",
                    library_name());
    case DRIVER_NOT_INITIALIZED:
        return guard_fail_unknown(call);
    default:
        return driver_fail(code, "cuInit", "CUDA could not be initialised");
    }
}

static int devices_list(struct device **devices, int *devices_count)
{
    const struct driver_calls *call = &driver_here.call;
    struct device *list;
    int count = 0, code = call->device_get_count(&count);

    if (code == DRIVER_NO_DEVICE || (code == DRIVER_SUCCESS && count == 0))
        return no_device();
    if (code != DRIVER_SUCCESS)
        return driver_fail(code, "cuDeviceGetCount", "the devices could not be counted");
    list = calloc((size_t)count, sizeof *list);
    if (list == NULL)
        return fail(TROUPE_NO_MEMORY, "no memory for a list of %d devices", count);
    for (int i = 0; i < count; i++) {
        code = call->device_get(&list[i].handle, i);
        if (code != DRIVER_SUCCESS) {
            free(list);
            return driver_fail(code, "cuDeviceGet", "device %d of %d could not be had", i, count);
        }
    }
    *devices = list;
    *devices_count = count;
    return TROUPE_OK;
}

static int start_locked(const char *call, const void *caller)
{
    int result = symbols_load();

    if (result != TROUPE_OK)
        return result;
    result = guard_install();
    if (result != TROUPE_OK)
        return result;
    guard_note(call, caller);
    result = cuda_init(call);
    if (result != TROUPE_OK) {
        guard_clear();
        return result;
    }
    result = devices_list(&driver_here.devices, &driver_here.devices_count);
    if (result == TROUPE_OK && getrandom(&driver_here.owner, sizeof driver_here.owner, 0) !=
                                   (ssize_t)sizeof driver_here.owner)
        result = fail_errno(TROUPE_SYSTEM, "%s: getrandom", call);
    if (result != TROUPE_OK)
        return result;
    driver_here.pid = (uint32_t)getpid();
    atomic_store_explicit(&driver_here.ready, true, memory_order_release);
    return TROUPE_OK;
}

int driver_start(const char *call, const void *caller)
{
    int result = guard_check(call);

    if (result != TROUPE_OK || atomic_load_explicit(&driver_here.ready, memory_order_acquire))
        return result;
    pthread_mutex_lock(&driver_lock);
    if (!atomic_load_explicit(&driver_here.ready, memory_order_relaxed))
        result = start_locked(call, caller);
    pthread_mutex_unlock(&driver_lock);
    return result;
}

/* The loader counts what it has loaded, with each object that it tells of: one is enough. */
static int loads_read(struct dl_phdr_info *info, size_t size, void *loads)
{
    (void)size;
    *(unsigned long long *)loads = info->dlpi_adds;
    return 1;
}

/* The library, if the process has it. For one that it has not the loader searches every folder,
 * some thirty system calls for each fork: it is asked again only when it has loaded something. */
static void *library_if_loaded(void)
{
    static _Atomic unsigned long long searched; /* at so many loads it was not there */
    unsigned long long loads = 0;
    void *library;

    dl_iterate_phdr(loads_read, &loads);
    if (loads == atomic_load_explicit(&searched, memory_order_relaxed))
        return NULL;
    library = dlopen(library_name(), RTLD_NOW | RTLD_NOLOAD);
    if (library == NULL)
        atomic_store_explicit(&searched, loads, memory_order_relaxed);
    return library;
}

bool driver_runs(void)
{
    void *library, *found;
    int (*count_get)(int *);
    bool runs = false;
    int count;

    if (atomic_load_explicit(&driver_here.ready, memory_order_acquire))
        return true;
    library = library_if_loaded();
    if (library == NULL)
        return false;
    found = dlsym(library, "cuDeviceGetCount");
    if (found != NULL) {
        memcpy(&count_get, &found, sizeof found);
        runs = count_get(&count) != DRIVER_NOT_INITIALIZED;
    }
    dlclose(library);
    return runs;
}
