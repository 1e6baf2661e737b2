/* The stand-in's own: the calls it exports, as CUDA declares them, and what they share. */
#ifndef TROUPE_TESTS_STANDIN_INSIDE_H
#define TROUPE_TESTS_STANDIN_INSIDE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "standin.h"

enum {
    OK = 0,
    INVALID_VALUE = 1,
    OUT_OF_MEMORY = 2,
    NOT_INITIALIZED = 3,
    NO_DEVICE = 100,
    INVALID_DEVICE = 101,
    INVALID_IMAGE = 200,
    INVALID_CONTEXT = 201,
    INVALID_PTX = 218,
    INVALID_HANDLE = 400,
    NOT_FOUND = 500,
    LAUNCH_FAILED = 719,
    NOT_SUPPORTED = 801
};

#define SHARE_BYTES 64
#define UUID_BYTES 16

struct cu_uuid {
    unsigned char bytes[UUID_BYTES];
};

struct cu_share {
    unsigned char bytes[SHARE_BYTES];
};

/* ---- shared by the files ---------------------------------------------------------------- */

/* What every call asks first: is CUDA up in this process, and is it this call's turn to fail? */
int standin_enter(const char *call);

/* The same for cuInit and cuGetError…, which work before. */
int standin_turn(const char *call);

/* The same, with the device whose context is current: CUDA_ERROR_INVALID_CONTEXT without one. */
int standin_enter_context(const char *call, int *device);

void standin_initialised(void);

/* A zeroed object of a device's context: a stream, an event, pinned memory. It ends by
 * standin_object_free, or with its context. */
void *standin_object(int device, size_t bytes);
void standin_object_free(void *object);

/* A context ends: all that was made in it goes. */
void standin_objects_drop(int device);
void standin_memory_drop(int device);

/* Numbers from the environment. */
int standin_devices(void);
uint64_t standin_memory(void);
bool standin_mig(void);

/* The devices that CUDA_VISIBLE_DEVICES leaves, by CUDA's rules, into shown[devices]; how many. */
int standin_mask(const char *mask, int devices, int *shown);

/* The last byte is the device; the others say that it is none. */
void standin_uuid(int device, struct cu_uuid *uuid);

/* ---- exported --------------------------------------------------------------------------- */

int cuInit(unsigned flags);
int cuDriverGetVersion(int *version);
int cuGetErrorName(int code, const char **name);
int cuGetErrorString(int code, const char **text);
int cuDeviceGetCount(int *count);
int cuDeviceGet(int *device, int ordinal);
int cuDeviceGetName(char *name, int size, int device);
int cuDeviceGetUuid_v2(struct cu_uuid *uuid, int device);
int cuDeviceGetPCIBusId(char *id, int size, int device);
int cuDeviceTotalMem_v2(size_t *bytes, int device);
int cuDeviceGetAttribute(int *value, int attribute, int device);
int cuDevicePrimaryCtxRetain(void **context, int device);
int cuDevicePrimaryCtxRelease_v2(int device);
int cuDevicePrimaryCtxGetState(int device, unsigned *flags, int *active);
int cuCtxGetCurrent(void **context);
int cuCtxPushCurrent_v2(void *context);
int cuCtxPopCurrent_v2(void **context);
int cuCtxSynchronize(void);
int cuMemAlloc_v2(uint64_t *address, size_t bytes);
int cuMemFree_v2(uint64_t address);
int cuMemGetInfo_v2(size_t *free_bytes, size_t *total_bytes);
int cuMemGetAddressRange_v2(uint64_t *base, size_t *bytes, uint64_t address);
int cuMemHostAlloc(void **host, size_t bytes, unsigned flags);
int cuMemFreeHost(void *host);
int cuMemcpyHtoD_v2(uint64_t to, const void *from, size_t bytes);
int cuMemcpyDtoH_v2(void *to, uint64_t from, size_t bytes);
int cuMemcpyDtoD_v2(uint64_t to, uint64_t from, size_t bytes);
int cuMemcpyHtoDAsync_v2(uint64_t to, const void *from, size_t bytes, void *stream);
int cuMemcpyDtoHAsync_v2(void *to, uint64_t from, size_t bytes, void *stream);
int cuMemcpyDtoDAsync_v2(uint64_t to, uint64_t from, size_t bytes, void *stream);
int cuMemsetD8Async(uint64_t to, unsigned char value, size_t bytes, void *stream);
int cuStreamCreate(void **stream, unsigned flags);
int cuStreamDestroy_v2(void *stream);
int cuStreamSynchronize(void *stream);
int cuStreamQuery(void *stream);
int cuStreamWaitEvent(void *stream, void *event, unsigned flags);
int cuEventCreate(void **event, unsigned flags);
int cuEventDestroy_v2(void *event);
int cuEventRecord(void *event, void *stream);
int cuEventSynchronize(void *event);
int cuEventElapsedTime(float *milliseconds, void *from, void *to);
int cuModuleLoadDataEx(void **module, const void *image, unsigned options, int *names,
                       void **values);
int cuModuleUnload(void *module);
int cuModuleGetFunction(void **function, void *module, const char *name);
int cuFuncSetAttribute(void *function, int attribute, int value);
int cuLaunchKernel(void *function, unsigned grid_x, unsigned grid_y, unsigned grid_z,
                   unsigned block_x, unsigned block_y, unsigned block_z, unsigned shared_bytes,
                   void *stream, void **arguments, void **extra);
int cuIpcGetMemHandle(struct cu_share *share, uint64_t address);
int cuIpcOpenMemHandle_v2(uint64_t *address, struct cu_share share, unsigned flags);
int cuIpcCloseMemHandle(uint64_t address);

#endif
