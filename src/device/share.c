/* Device memory between the processes of a host.
 *
 * What always holds: a share names the whole allocation, for CUDA shares nothing less, and where in
 * it the memory lies. CUDA refuses to open a process's own share, so the owner is told by a random
 * number, since a pid may be another container's; it gets the address itself. */
#include "device/driver.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"

#define BOOT_ID "/proc/sys/kernel/random/boot_id"
#define LAZY_PEER_ACCESS 0x01
#define STAGING "send the bytes instead: troupe_gpu_copy_out, a queue, troupe_gpu_copy_in"

/* The running kernel's own number: the same in every container of a host. */
static int machine_here(char machine[TROUPE_GPU_MACHINE_SIZE])
{
    int file = open(BOOT_ID, O_RDONLY | O_CLOEXEC);
    ssize_t size = file >= 0 ? read(file, machine, TROUPE_GPU_MACHINE_SIZE - 1) : -1;

    if (file >= 0)
        close(file);
    if (size <= 0)
        return fail_errno(TROUPE_SYSTEM, BOOT_ID " cannot be read, so this host has no name");
    machine[size] = '\0';
    machine[strcspn(machine, "\n")] = '\0';
    return TROUPE_OK;
}

/* ---- sharing ---------------------------------------------------------------------------- */

static int place_tell(int device, troupe_gpu_share *share)
{
    troupe_gpu_properties properties;
    int result = troupe_gpu_properties_get(device, &properties);

    if (result != TROUPE_OK)
        return result;
    if (strncmp(properties.uuid, "MIG-", 4) == 0)
        return fail(TROUPE_NO_GPU,
                    "device %d is a MIG instance (%s), which shares no memory; " STAGING, device,
                    properties.uuid);
    memcpy(share->uuid, properties.uuid, sizeof share->uuid);
    share->rank = (int32_t)troupe_rank();
    share->node = (int32_t)troupe_node();
    gethostname(share->host, sizeof share->host - 1);
    return machine_here(share->machine);
}

static int range_tell(const struct scope *scope, uint64_t bytes, troupe_gpu_share *share)
{
    uint64_t base = 0;
    size_t size = 0;
    int code = scope->call->mem_get_address_range(&base, &size, share->address);

    if (code != DRIVER_SUCCESS)
        return driver_fail(code, "cuMemGetAddressRange_v2",
                           "%#" PRIx64 " is no memory of device %d", share->address, scope->device);
    share->offset = share->address - base;
    if (bytes == 0 || bytes > size - share->offset)
        return fail(TROUPE_BAD_ARGUMENT,
                    "%" PRIu64 " bytes to share at %#" PRIx64 ", and %zu are allocated there",
                    bytes, share->address, size - (size_t)share->offset);
    share->bytes = bytes;
    return TROUPE_OK;
}

static int handle_tell(const struct scope *scope, troupe_gpu_share *share)
{
    struct driver_share handle;
    int code = scope->call->ipc_get_mem_handle(&handle, share->address - share->offset);

    if (code == DRIVER_NOT_SUPPORTED)
        return fail(
            TROUPE_NO_GPU,
            "device %d shares no memory between processes (CUDA_ERROR_NOT_SUPPORTED); " STAGING,
            scope->device);
    if (code != DRIVER_SUCCESS)
        return driver_fail(code, "cuIpcGetMemHandle", "%" PRIu64 " bytes of device %d to share",
                           share->bytes, scope->device);
    memcpy(share->handle, handle.bytes, sizeof share->handle);
    return TROUPE_OK;
}

int troupe_gpu_share_create(troupe_gpu gpu, troupe_gpu_memory memory, uint64_t bytes,
                            troupe_gpu_share *share)
{
    troupe_gpu_share made = { .address = memory.address };
    struct scope scope;
    int result = scope_open(__func__, gpu, &scope);

    if (result != TROUPE_OK)
        return result;
    made.owner = driver_here.owner;
    result = place_tell(scope.device, &made);
    if (result == TROUPE_OK)
        result = range_tell(&scope, bytes, &made);
    if (result == TROUPE_OK)
        result = handle_tell(&scope, &made);
    result = scope_end(&scope, result);
    if (result == TROUPE_OK)
        *share = made;
    return result;
}

/* ---- opening ---------------------------------------------------------------------------- */

static int machine_check(const troupe_gpu_share *share)
{
    char machine[TROUPE_GPU_MACHINE_SIZE];
    int result = machine_here(machine);

    if (result == TROUPE_OK && strcmp(machine, share->machine) != 0)
        result =
            fail(TROUPE_NO_GPU,
                 "rank %d's memory is on node %d (%s), and only its own host can open it; " STAGING,
                 share->rank, share->node, share->host);
    return result;
}

/* Whether one of the devices that this process sees is the one that holds the memory. */
static int device_check(const troupe_gpu_share *share)
{
    for (int i = 0; i < driver_here.devices_count; i++) {
        troupe_gpu_properties properties;
        int result = troupe_gpu_properties_get(i, &properties);

        if (result != TROUPE_OK)
            return result;
        if (strcmp(properties.uuid, share->uuid) == 0)
            return TROUPE_OK;
    }
    return fail(TROUPE_NO_GPU,
                "rank %d's memory is on %s, which CUDA_VISIBLE_DEVICES hides from this process; "
                "run with --gpu-mode peer, or " STAGING,
                share->rank, share->uuid);
}

static int handle_open(const struct scope *scope, const troupe_gpu_share *share,
                       troupe_gpu_memory *memory)
{
    struct driver_share handle;
    uint64_t base = 0;
    int code, result;

    memcpy(handle.bytes, share->handle, sizeof handle.bytes);
    code = scope->call->ipc_open_mem_handle(&base, handle, LAZY_PEER_ACCESS);
    if (code == DRIVER_INVALID_HANDLE)
        return fail(TROUPE_LOST,
                    "rank %d's memory on %s is gone (CUDA_ERROR_INVALID_HANDLE): its owner freed "
                    "it or has ended; keep it until all have closed it",
                    share->rank, share->uuid);
    if (code != DRIVER_SUCCESS)
        return driver_fail(code, "cuIpcOpenMemHandle_v2",
                           "%" PRIu64 " bytes that rank %d shares on %s", share->bytes, share->rank,
                           share->uuid);
    result = owned_add(OWNED_SHARE, scope->device, base + share->offset, base);
    if (result != TROUPE_OK)
        scope->call->ipc_close_mem_handle(base);
    else
        memory->address = base + share->offset;
    return result;
}

int troupe_gpu_share_open(troupe_gpu gpu, const troupe_gpu_share *share, troupe_gpu_memory *memory)
{
    struct scope scope;
    int result = scope_open(__func__, gpu, &scope);

    if (result != TROUPE_OK)
        return result;
    if (share->owner == driver_here.owner) {
        result = owned_add(OWNED_SELF, scope.device, share->address, share->address);
        if (result == TROUPE_OK)
            memory->address = share->address;
        return scope_end(&scope, result);
    }
    result = machine_check(share);
    if (result == TROUPE_OK)
        result = device_check(share);
    if (result == TROUPE_OK)
        result = handle_open(&scope, share, memory);
    return scope_end(&scope, result);
}

int troupe_gpu_share_close(troupe_gpu gpu, troupe_gpu_memory memory)
{
    struct scope scope;
    uint64_t base;
    int result = scope_open(__func__, gpu, &scope);

    if (result != TROUPE_OK)
        return result;
    if (owned_remove(OWNED_SELF, memory.address, NULL))
        return scope_end(&scope, TROUPE_OK);
    if (!owned_remove(OWNED_SHARE, memory.address, &base))
        return scope_end(&scope, fail(TROUPE_BAD_ARGUMENT,
                                      "%s: %#" PRIx64 " was not opened by troupe_gpu_share_open, "
                                      "or is closed already",
                                      __func__, memory.address));
    return scope_close(&scope, scope.call->ipc_close_mem_handle(base), "cuIpcCloseMemHandle",
                       "shared memory at %#" PRIx64 " on device %d", memory.address, scope.device);
}
