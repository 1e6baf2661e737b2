/* Memory of the device and pinned memory of the host: taken, freed, counted. */
#include "device/driver.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/error.h"

#define PLACED_REASON "TROUPE_PLACED_REASON"
#define HOST_ALLOC_PORTABLE 0x01 /* pinned for every device of the process */

/* Who shares the device is in the plan's reason. */
static int full_fail(struct scope *scope, uint64_t bytes)
{
    const char *reason = getenv(PLACED_REASON);
    size_t free_bytes = 0, total_bytes = 0;

    if (scope->call->mem_get_info(&free_bytes, &total_bytes) != DRIVER_SUCCESS)
        free_bytes = total_bytes = 0;
    return scope_end(scope, fail(TROUPE_FULL,
                                 "%s: %" PRIu64 " bytes asked of device %d, %zu free of %zu "
                                 "(CUDA_ERROR_OUT_OF_MEMORY); ask for less, or let fewer ranks "
                                 "share it%s%s",
                                 scope->name, bytes, scope->device, free_bytes, total_bytes,
                                 reason != NULL ? "; this rank's place: " : "",
                                 reason != NULL ? reason : ""));
}

static int none_asked(const char *call)
{
    return fail(TROUPE_BAD_ARGUMENT, "%s: 0 bytes asked; ask for 1 or more", call);
}

int troupe_gpu_alloc(troupe_gpu gpu, uint64_t bytes, troupe_gpu_memory *memory)
{
    struct scope scope;
    uint64_t address = 0;
    int code, result = scope_open(__func__, gpu, &scope);

    if (result != TROUPE_OK)
        return result;
    if (bytes == 0)
        return scope_end(&scope, none_asked(__func__));
    code = scope.call->mem_alloc(&address, bytes);
    if (code == DRIVER_OUT_OF_MEMORY)
        return full_fail(&scope, bytes);
    if (code != DRIVER_SUCCESS)
        return scope_close(&scope, code, "cuMemAlloc_v2", "%" PRIu64 " bytes asked of device %d",
                           bytes, scope.device);
    result = owned_add(OWNED_MEMORY, scope.device, address, 0);
    if (result != TROUPE_OK)
        scope.call->mem_free(address);
    else
        memory->address = address;
    return scope_end(&scope, result);
}

int troupe_gpu_free(troupe_gpu gpu, troupe_gpu_memory memory)
{
    struct scope scope;
    int result = scope_open(__func__, gpu, &scope);

    if (result != TROUPE_OK)
        return result;
    if (memory.address == 0)
        return scope_end(&scope, TROUPE_OK);
    owned_remove(OWNED_MEMORY, memory.address, NULL);
    return scope_close(&scope, scope.call->mem_free(memory.address), "cuMemFree_v2",
                       "%#" PRIx64 " on device %d could not be freed", memory.address,
                       scope.device);
}

int troupe_gpu_memory_info(troupe_gpu gpu, uint64_t *free_bytes, uint64_t *total_bytes)
{
    struct scope scope;
    size_t free_now = 0, total = 0;
    int result = scope_open(__func__, gpu, &scope);

    if (result != TROUPE_OK)
        return result;
    result = scope_close(&scope, scope.call->mem_get_info(&free_now, &total), "cuMemGetInfo_v2",
                         "device %d does not tell its memory", scope.device);
    if (result == TROUPE_OK) {
        *free_bytes = free_now;
        *total_bytes = total;
    }
    return result;
}

int troupe_gpu_host_alloc(troupe_gpu gpu, size_t bytes, void **host)
{
    struct scope scope;
    void *taken = NULL;
    int code, result = scope_open(__func__, gpu, &scope);

    if (result != TROUPE_OK)
        return result;
    if (bytes == 0)
        return scope_end(&scope, none_asked(__func__));
    code = scope.call->mem_host_alloc(&taken, bytes, HOST_ALLOC_PORTABLE);
    if (code == DRIVER_OUT_OF_MEMORY)
        return scope_end(&scope, fail(TROUPE_FULL,
                                      "%s: %zu bytes of pinned memory asked, and the host has not "
                                      "that many to pin (CUDA_ERROR_OUT_OF_MEMORY); ask for less",
                                      __func__, bytes));
    if (code != DRIVER_SUCCESS)
        return scope_close(&scope, code, "cuMemHostAlloc", "%zu bytes of pinned memory asked",
                           bytes);
    result = owned_add(OWNED_HOST, scope.device, (uintptr_t)taken, 0);
    if (result != TROUPE_OK)
        scope.call->mem_free_host(taken);
    else
        *host = taken;
    return scope_end(&scope, result);
}

int troupe_gpu_host_free(troupe_gpu gpu, void *host)
{
    struct scope scope;
    int result = scope_open(__func__, gpu, &scope);

    if (result != TROUPE_OK)
        return result;
    if (host == NULL)
        return scope_end(&scope, TROUPE_OK);
    owned_remove(OWNED_HOST, (uintptr_t)host, NULL);
    return scope_close(&scope, scope.call->mem_free_host(host), "cuMemFreeHost",
                       "pinned memory at %p could not be freed", host);
}
