/* The GPU of a rank: memory, copies, streams, events, modules and launches, and device memory
 * shared between processes.
 *
 * CUDA's driver is opened at run time by the first call here, and by nothing else: a program that
 * includes this header links no CUDA, and runs where there is none. A call then returns
 * TROUPE_NO_GPU with the reason, and the program may do its work on the CPU.
 *
 * Every call returns one of these beside what its block says:
 *   TROUPE_OK
 *   TROUPE_NO_GPU        no driver, no device, or CUDA_VISIBLE_DEVICES shows none
 *   TROUPE_EFORKED       a child by fork() of a process that had used CUDA
 *   TROUPE_GPU           CUDA refused; the sentence has CUDA's name for it, and what was tried
 *   TROUPE_BAD_HANDLE    a troupe_gpu of another process, closed, or never opened
 *   TROUPE_BAD_ARGUMENT  an argument outside what the block allows
 *   TROUPE_NO_MEMORY     this process is out of its own memory
 *
 * The handles of this header belong to the process that made them and do not travel: CUDA's
 * objects are a process's own. What travels is a troupe_gpu_share. The number in a stream, event,
 * module, function or memory is CUDA's own (CUstream, CUevent, CUmodule, CUfunction, CUdeviceptr),
 * so that they may be handed to other libraries of the same process; theirs may be used here.
 *
 * What a target takes here and leaves behind (memory, pinned memory, opened shares, streams,
 * events) is freed when its process ends, also on a rank, where the operating system process goes
 * on. Devices it opened and modules it loaded stay there, so that the next target finds them warm.
 *
 * Threads: every call may come from any thread, and leaves the thread's current CUDA context as it
 * was. Calls without a stream, and those on the stream 0, are ordered as in CUDA's default stream.
 */
#ifndef TROUPE_GPU_H
#define TROUPE_GPU_H

#include "troupe/troupe.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- devices ---------------------------------------------------------------------------- */

typedef struct troupe_gpu {
    uint64_t id;
} troupe_gpu;

/* The device that the plan gave to this rank: the one at the planned PCI address among those that
 * CUDA shows, else device 0. */
#define TROUPE_GPU_OWN (-1)

#define TROUPE_GPU_NAME_SIZE 256
#define TROUPE_GPU_UUID_SIZE 48
#define TROUPE_GPU_PCI_SIZE 16

typedef struct troupe_gpu_properties {
    char name[TROUPE_GPU_NAME_SIZE];
    char uuid[TROUPE_GPU_UUID_SIZE]; /* "GPU-…"; of the instance in MIG mode */
    char pci[TROUPE_GPU_PCI_SIZE];   /* "0000:1b:00.0" */
    uint64_t memory_bytes;
    uint64_t shared_bytes; /* most shared memory of one block */
    uint64_t l2_bytes;     /* 0 when CUDA does not tell */
    int compute_major;     /* compute capability: 9 of 9.0 */
    int compute_minor;
    int multiprocessors;
    int block_threads; /* most threads of one block */
    int warp_threads;
    int driver_version; /* the newest CUDA that the driver runs: 13000 is 13.0 */
} troupe_gpu_properties;

/* Counts the devices that CUDA shows to this process, at least 1 on success. Initialises CUDA. */
TROUPE_API int troupe_gpu_count(int *devices);

/* Describes a device.
 *
 * device      0 to the count - 1, or TROUPE_GPU_OWN */
TROUPE_API int troupe_gpu_properties_get(int device, troupe_gpu_properties *properties);

/* Opens a device: its primary context, which the CUDA runtime uses too, is kept until the close.
 * Opening a device that is open gives the same handle again, and wants one more close.
 *
 * device      0 to the count - 1, or TROUPE_GPU_OWN
 * gpu         for this process alone */
TROUPE_API int troupe_gpu_open(int device, troupe_gpu *gpu);

/* Gives the device back; with the last close the context, and all that was made in it, ends. */
TROUPE_API int troupe_gpu_close(troupe_gpu gpu);

/* Waits until the device has done everything that this process asked of it. Failures of earlier
 * launches are told here.
 *
 * Threads     any; the driver may use the CPU while it waits */
TROUPE_API int troupe_gpu_synchronize(troupe_gpu gpu);

/* ---- memory ----------------------------------------------------------------------------- */

/* An address in the device's memory; address + offset is one too. */
typedef struct troupe_gpu_memory {
    uint64_t address;
} troupe_gpu_memory;

/* Takes memory of the device, aligned to 256 bytes.
 *
 * bytes       more than 0
 * Returns     TROUPE_FULL      the device has no room: the sentence names the bytes asked, free
 *                              and in all, and the ranks that share it */
TROUPE_API int troupe_gpu_alloc(troupe_gpu gpu, uint64_t bytes, troupe_gpu_memory *memory);

/* Frees what troupe_gpu_alloc gave; waits until the device no longer uses it. Address 0 is freed
 * by doing nothing. */
TROUPE_API int troupe_gpu_free(troupe_gpu gpu, troupe_gpu_memory memory);

/* Tells the free and all bytes of the device, whoever holds them. */
TROUPE_API int troupe_gpu_memory_info(troupe_gpu gpu, uint64_t *free_bytes, uint64_t *total_bytes);

/* Takes memory of the host that the device reads and writes without a copy in between: copies
 * from and to it are faster, and only they are truly asynchronous.
 *
 * bytes       more than 0
 * Returns     TROUPE_FULL      the host has no room that may be pinned */
TROUPE_API int troupe_gpu_host_alloc(troupe_gpu gpu, size_t bytes, void **host);
TROUPE_API int troupe_gpu_host_free(troupe_gpu gpu, void *host);

/* ---- streams and events ----------------------------------------------------------------- */

/* Work in the order in which it was asked for. The id 0 is CUDA's default stream. */
typedef struct troupe_gpu_stream {
    uint64_t id;
} troupe_gpu_stream;

typedef struct troupe_gpu_event {
    uint64_t id;
} troupe_gpu_event;

/* Makes a stream that does not wait for the default stream. */
TROUPE_API int troupe_gpu_stream_create(troupe_gpu gpu, troupe_gpu_stream *stream);

/* Ends a stream; what is in it is still done. */
TROUPE_API int troupe_gpu_stream_destroy(troupe_gpu gpu, troupe_gpu_stream stream);

/* Waits until all that was asked of the stream is done. */
TROUPE_API int troupe_gpu_stream_synchronize(troupe_gpu gpu, troupe_gpu_stream stream);

/* Tells at once whether all that was asked of the stream is done, 1 or 0. */
TROUPE_API int troupe_gpu_stream_done(troupe_gpu gpu, troupe_gpu_stream stream, int *done);

/* Lets what is asked of the stream from now on wait for the event; returns at once. */
TROUPE_API int troupe_gpu_stream_wait(troupe_gpu gpu, troupe_gpu_stream stream,
                                      troupe_gpu_event event);

TROUPE_API int troupe_gpu_event_create(troupe_gpu gpu, troupe_gpu_event *event);
TROUPE_API int troupe_gpu_event_destroy(troupe_gpu gpu, troupe_gpu_event event);

/* Puts the event into the stream, behind all that was asked of it. */
TROUPE_API int troupe_gpu_event_record(troupe_gpu gpu, troupe_gpu_event event,
                                       troupe_gpu_stream stream);

/* Waits until the device has reached the event. */
TROUPE_API int troupe_gpu_event_synchronize(troupe_gpu gpu, troupe_gpu_event event);

/* Tells the time between two events that were reached, in milliseconds of the device's clock. */
TROUPE_API int troupe_gpu_event_elapsed(troupe_gpu gpu, troupe_gpu_event from, troupe_gpu_event to,
                                        double *milliseconds);

/* ---- copies ----------------------------------------------------------------------------- */

/* Copy and return when `to` has the bytes. 0 bytes are copied by doing nothing.
 *
 * in          from the host to the device
 * out         from the device to the host
 * within      on the device; the two places do not overlap */
TROUPE_API int troupe_gpu_copy_in(troupe_gpu gpu, const void *from, uint64_t bytes,
                                  troupe_gpu_memory to);
TROUPE_API int troupe_gpu_copy_out(troupe_gpu gpu, troupe_gpu_memory from, uint64_t bytes,
                                   void *to);
TROUPE_API int troupe_gpu_copy_within(troupe_gpu gpu, troupe_gpu_memory from, uint64_t bytes,
                                      troupe_gpu_memory to);

/* The same on a stream: they return at once, and both places stay as they are until the stream has
 * done them. With a host place that is not from troupe_gpu_host_alloc they may wait. */
TROUPE_API int troupe_gpu_copy_in_async(troupe_gpu gpu, const void *from, uint64_t bytes,
                                        troupe_gpu_memory to, troupe_gpu_stream stream);
TROUPE_API int troupe_gpu_copy_out_async(troupe_gpu gpu, troupe_gpu_memory from, uint64_t bytes,
                                         void *to, troupe_gpu_stream stream);
TROUPE_API int troupe_gpu_copy_within_async(troupe_gpu gpu, troupe_gpu_memory from, uint64_t bytes,
                                            troupe_gpu_memory to, troupe_gpu_stream stream);

/* Sets each byte of a piece of the device's memory, on a stream. */
TROUPE_API int troupe_gpu_fill_async(troupe_gpu gpu, troupe_gpu_memory memory, uint8_t value,
                                     uint64_t bytes, troupe_gpu_stream stream);

/* ---- kernels ---------------------------------------------------------------------------- */

typedef struct troupe_gpu_module {
    uint64_t id;
} troupe_gpu_module;

typedef struct troupe_gpu_function {
    uint64_t id;
} troupe_gpu_function;

/* Loads code: a fatbin, a cubin, or PTX, which the driver compiles.
 *
 * image       [bytes] read during the call only; PTX needs no final zero
 * Returns     TROUPE_GPU       no code for this device in it, or the driver's compiler refused:
 *                              the sentence has its first line */
TROUPE_API int troupe_gpu_module_load(troupe_gpu gpu, const void *image, size_t bytes,
                                      troupe_gpu_module *module);
TROUPE_API int troupe_gpu_module_unload(troupe_gpu gpu, troupe_gpu_module module);

/* Finds a kernel by its name in the module, which is its name in the source when that says
 * extern "C". It ends with the module.
 *
 * Returns     TROUPE_NOT_FOUND  the module has no kernel of that name */
TROUPE_API int troupe_gpu_function_get(troupe_gpu gpu, troupe_gpu_module module, const char *name,
                                       troupe_gpu_function *function);

/* How a kernel is launched. A size of 0 is taken as 1. */
typedef struct troupe_gpu_shape {
    uint32_t grid[3];      /* blocks in x, y, z */
    uint32_t block[3];     /* threads of a block in x, y, z */
    uint32_t shared_bytes; /* dynamic shared memory of a block */
    troupe_gpu_stream stream;
} troupe_gpu_shape;

/* Launches a kernel and returns at once. What goes wrong while it runs is told by a later call.
 *
 * arguments   one pointer for each parameter of the kernel, to a value of its type; device memory
 *             is passed by the address of a troupe_gpu_memory. Read during the call only. May be
 *             NULL when the kernel has no parameters. */
TROUPE_API int troupe_gpu_launch(troupe_gpu gpu, troupe_gpu_function function,
                                 const troupe_gpu_shape *shape, void *const *arguments);

/* ---- device memory between processes ---------------------------------------------------- */

#define TROUPE_GPU_SHARE_BYTES 64
#define TROUPE_GPU_MACHINE_SIZE 40

/* Device memory under a name that travels: in arguments, messages and values. */
typedef struct troupe_gpu_share {
    unsigned char handle[TROUPE_GPU_SHARE_BYTES]; /* CUDA's */
    char uuid[TROUPE_GPU_UUID_SIZE];              /* of the device */
    char machine[TROUPE_GPU_MACHINE_SIZE];        /* where it is, whatever its nodes are called */
    char host[TROUPE_HOST_SIZE];
    int32_t rank; /* of the process that shares it; -1 outside a rank */
    int32_t node;
    uint64_t owner; /* that process: a number of its own */
    uint64_t address;
    uint64_t offset; /* of the memory in what was allocated */
    uint64_t bytes;
} troupe_gpu_share;

/* Names memory of this process for others on its host. The memory stays this process's: free it
 * only when all who opened it have closed it.
 *
 * memory      within one troupe_gpu_alloc
 * bytes       from there on; not beyond what was allocated
 * Returns     TROUPE_NO_GPU    the device cannot share (a MIG instance): send the bytes instead,
 *                              by troupe_gpu_copy_out, a queue, and troupe_gpu_copy_in */
TROUPE_API int troupe_gpu_share_create(troupe_gpu gpu, troupe_gpu_memory memory, uint64_t bytes,
                                       troupe_gpu_share *share);

/* Opens what another process shared; in the process that shared it, the memory itself.
 *
 * gpu         the same device, or one that reaches it
 * memory      good until troupe_gpu_share_close, and while its owner lives and keeps it
 * Returns     TROUPE_NO_GPU    it is on another host, or on a device that this process does not
 *                              see (mode isolate): send the bytes, as above
 *             TROUPE_LOST      its owner has freed it, or is gone */
TROUPE_API int troupe_gpu_share_open(troupe_gpu gpu, const troupe_gpu_share *share,
                                     troupe_gpu_memory *memory);

/* Closes what troupe_gpu_share_open gave; the device no longer uses it then. */
TROUPE_API int troupe_gpu_share_close(troupe_gpu gpu, troupe_gpu_memory memory);

#ifdef __cplusplus
}
#endif

#endif
