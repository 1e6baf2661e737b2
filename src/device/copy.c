/* Copies between host and device, on the device, and fills. */
#include "device/driver.h"

#include <inttypes.h>

#include "base/error.h"

static void *stream_of(troupe_gpu_stream stream)
{
    return (void *)(uintptr_t)stream.id;
}

/* How a copy that failed is told. */
static int copy_close(struct scope *scope, int code, const char *cuda_call, uint64_t from,
                      uint64_t bytes, uint64_t to)
{
    return scope_close(scope, code, cuda_call,
                       "%" PRIu64 " bytes from %#" PRIx64 " to %#" PRIx64 ", device %d", bytes,
                       from, to, scope->device);
}

int troupe_gpu_copy_in(troupe_gpu gpu, const void *from, uint64_t bytes, troupe_gpu_memory to)
{
    struct scope scope;
    int code = DRIVER_SUCCESS, result = scope_open(__func__, gpu, &scope);

    if (result != TROUPE_OK)
        return result;
    if (bytes > 0)
        code = scope.call->memcpy_in(to.address, from, bytes);
    return copy_close(&scope, code, "cuMemcpyHtoD_v2", (uintptr_t)from, bytes, to.address);
}

int troupe_gpu_copy_out(troupe_gpu gpu, troupe_gpu_memory from, uint64_t bytes, void *to)
{
    struct scope scope;
    int code = DRIVER_SUCCESS, result = scope_open(__func__, gpu, &scope);

    if (result != TROUPE_OK)
        return result;
    if (bytes > 0)
        code = scope.call->memcpy_out(to, from.address, bytes);
    return copy_close(&scope, code, "cuMemcpyDtoH_v2", from.address, bytes, (uintptr_t)to);
}

/* CUDA's own copy within a device returns before it is done. */
int troupe_gpu_copy_within(troupe_gpu gpu, troupe_gpu_memory from, uint64_t bytes,
                           troupe_gpu_memory to)
{
    struct scope scope;
    const char *cuda_call = "cuMemcpyDtoD_v2";
    int code = DRIVER_SUCCESS, result = scope_open(__func__, gpu, &scope);

    if (result != TROUPE_OK)
        return result;
    if (bytes > 0)
        code = scope.call->memcpy_within(to.address, from.address, bytes);
    if (bytes > 0 && code == DRIVER_SUCCESS) {
        cuda_call = "cuStreamSynchronize";
        code = scope.call->stream_synchronize(NULL);
    }
    return copy_close(&scope, code, cuda_call, from.address, bytes, to.address);
}

int troupe_gpu_copy_in_async(troupe_gpu gpu, const void *from, uint64_t bytes, troupe_gpu_memory to,
                             troupe_gpu_stream stream)
{
    struct scope scope;
    int code = DRIVER_SUCCESS, result = scope_open(__func__, gpu, &scope);

    if (result != TROUPE_OK)
        return result;
    if (bytes > 0)
        code = scope.call->memcpy_in_async(to.address, from, bytes, stream_of(stream));
    return copy_close(&scope, code, "cuMemcpyHtoDAsync_v2", (uintptr_t)from, bytes, to.address);
}

int troupe_gpu_copy_out_async(troupe_gpu gpu, troupe_gpu_memory from, uint64_t bytes, void *to,
                              troupe_gpu_stream stream)
{
    struct scope scope;
    int code = DRIVER_SUCCESS, result = scope_open(__func__, gpu, &scope);

    if (result != TROUPE_OK)
        return result;
    if (bytes > 0)
        code = scope.call->memcpy_out_async(to, from.address, bytes, stream_of(stream));
    return copy_close(&scope, code, "cuMemcpyDtoHAsync_v2", from.address, bytes, (uintptr_t)to);
}

int troupe_gpu_copy_within_async(troupe_gpu gpu, troupe_gpu_memory from, uint64_t bytes,
                                 troupe_gpu_memory to, troupe_gpu_stream stream)
{
    struct scope scope;
    int code = DRIVER_SUCCESS, result = scope_open(__func__, gpu, &scope);

    if (result != TROUPE_OK)
        return result;
    if (bytes > 0)
        code = scope.call->memcpy_within_async(to.address, from.address, bytes, stream_of(stream));
    return copy_close(&scope, code, "cuMemcpyDtoDAsync_v2", from.address, bytes, to.address);
}

int troupe_gpu_fill_async(troupe_gpu gpu, troupe_gpu_memory memory, uint8_t value, uint64_t bytes,
                          troupe_gpu_stream stream)
{
    struct scope scope;
    int code = DRIVER_SUCCESS, result = scope_open(__func__, gpu, &scope);

    if (result != TROUPE_OK)
        return result;
    if (bytes > 0)
        code = scope.call->memset_async(memory.address, value, bytes, stream_of(stream));
    return scope_close(&scope, code, "cuMemsetD8Async",
                       "%" PRIu64 " bytes at %#" PRIx64 " on device %d", bytes, memory.address,
                       scope.device);
}
