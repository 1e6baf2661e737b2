/* CUDA's driver, opened at run time: its calls, and the state of this process beside it.
 *
 * What always holds: the library is opened once and never closed. The types are CUDA's own in
 * plain C (a CUdevice is an int, a CUdeviceptr 64 bits, all else pointers), so no header of CUDA's
 * is needed. `driver_here` and what it points to change only under `driver_lock`, and once it is
 * `ready` no more, but for the contexts. */
#ifndef TROUPE_DEVICE_DRIVER_H
#define TROUPE_DEVICE_DRIVER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "troupe/gpu.h"

/* The results of CUDA's that are acted on; all others are only told. */
enum driver_result {
    DRIVER_SUCCESS = 0,
    DRIVER_OUT_OF_MEMORY = 2,
    DRIVER_NOT_INITIALIZED = 3, /* from cuInit: in a child of a process that used CUDA */
    DRIVER_STUB = 34,           /* the toolkit's library for linking, not a driver */
    DRIVER_NO_DEVICE = 100,
    DRIVER_INVALID_HANDLE = 400,
    DRIVER_NOT_FOUND = 500,
    DRIVER_NOT_READY = 600,
    DRIVER_NOT_SUPPORTED = 801
};

enum driver_attribute {
    DRIVER_BLOCK_THREADS = 1,
    DRIVER_SHARED_BYTES = 8,
    DRIVER_WARP_THREADS = 10,
    DRIVER_MULTIPROCESSORS = 16,
    DRIVER_L2_BYTES = 38,
    DRIVER_COMPUTE_MAJOR = 75,
    DRIVER_COMPUTE_MINOR = 76,
    DRIVER_SHARED_BYTES_OPTIN = 97
};

#define DRIVER_UUID_BYTES 16
#define DRIVER_SHARE_BYTES 64

struct driver_uuid {
    unsigned char bytes[DRIVER_UUID_BYTES];
};

struct driver_share {
    unsigned char bytes[DRIVER_SHARE_BYTES];
};

/* The driver's functions, each under CUDA's name without "cu"; driver.c lists the symbols. */
struct driver_calls {
    int (*init)(unsigned flags);
    int (*driver_get_version)(int *version);
    int (*get_error_name)(int code, const char **name);
    int (*get_error_string)(int code, const char **text);
    int (*device_get_count)(int *count);
    int (*device_get)(int *device, int ordinal);
    int (*device_get_name)(char *name, int size, int device);
    int (*device_get_uuid)(struct driver_uuid *uuid, int device);
    int (*device_get_pci_bus_id)(char *id, int size, int device);
    int (*device_total_mem)(size_t *bytes, int device);
    int (*device_get_attribute)(int *value, int attribute, int device);
    int (*device_primary_ctx_retain)(void **context, int device);
    int (*device_primary_ctx_release)(int device);
    int (*device_primary_ctx_get_state)(int device, unsigned *flags, int *active);
    int (*ctx_get_current)(void **context);
    int (*ctx_push_current)(void *context);
    int (*ctx_pop_current)(void **context);
    int (*ctx_synchronize)(void);
    int (*mem_alloc)(uint64_t *address, size_t bytes);
    int (*mem_free)(uint64_t address);
    int (*mem_get_info)(size_t *free_bytes, size_t *total_bytes);
    int (*mem_get_address_range)(uint64_t *base, size_t *bytes, uint64_t address);
    int (*mem_host_alloc)(void **host, size_t bytes, unsigned flags);
    int (*mem_free_host)(void *host);
    int (*memcpy_in)(uint64_t to, const void *from, size_t bytes);
    int (*memcpy_out)(void *to, uint64_t from, size_t bytes);
    int (*memcpy_within)(uint64_t to, uint64_t from, size_t bytes);
    int (*memcpy_in_async)(uint64_t to, const void *from, size_t bytes, void *stream);
    int (*memcpy_out_async)(void *to, uint64_t from, size_t bytes, void *stream);
    int (*memcpy_within_async)(uint64_t to, uint64_t from, size_t bytes, void *stream);
    int (*memset_async)(uint64_t to, unsigned char value, size_t bytes, void *stream);
    int (*stream_create)(void **stream, unsigned flags);
    int (*stream_destroy)(void *stream);
    int (*stream_synchronize)(void *stream);
    int (*stream_query)(void *stream);
    int (*stream_wait_event)(void *stream, void *event, unsigned flags);
    int (*event_create)(void **event, unsigned flags);
    int (*event_destroy)(void *event);
    int (*event_record)(void *event, void *stream);
    int (*event_synchronize)(void *event);
    int (*event_elapsed_time)(float *milliseconds, void *from, void *to);
    int (*module_load_data)(void **module, const void *image, unsigned options, int *names,
                            void **values);
    int (*module_unload)(void *module);
    int (*module_get_function)(void **function, void *module, const char *name);
    int (*func_set_attribute)(void *function, int attribute, int value);
    int (*launch_kernel)(void *function, unsigned grid_x, unsigned grid_y, unsigned grid_z,
                         unsigned block_x, unsigned block_y, unsigned block_z,
                         unsigned shared_bytes, void *stream, void **arguments, void **extra);
    int (*ipc_get_mem_handle)(struct driver_share *share, uint64_t address);
    int (*ipc_open_mem_handle)(uint64_t *address, struct driver_share share, unsigned flags);
    int (*ipc_close_mem_handle)(uint64_t address);
};

/* A device as this process sees it. */
struct device {
    int handle;              /* CUdevice */
    _Atomic(void *) context; /* NULL while closed */
    unsigned opens;          /* under driver_lock */
};

struct driver {
    struct driver_calls call;
    atomic_bool ready; /* initialised, and the devices are listed */
    int devices_count;
    struct device *devices; /* [devices_count] */
    uint32_t pid;           /* of the process that initialised it */
    uint64_t owner;         /* that process's own random number, for what it shares */
};

extern struct driver driver_here;
extern pthread_mutex_t driver_lock;

/* Opens and initialises CUDA, once.
 *
 * call        the public function, for messages; caller: an address in who called it
 * Returns     TROUPE_OK, TROUPE_NO_GPU, TROUPE_EFORKED, TROUPE_GPU, TROUPE_NO_MEMORY */
int driver_start(const char *call, const void *caller);

/* Whether the library is in this process and CUDA is initialised, by whomever. Opens nothing. */
bool driver_runs(void);

/* Finds the library's calls without initialising anything. TROUPE_OK or TROUPE_NO_GPU. */
int driver_symbols_find(void);

/* A device's PCI address as hwloc writes it, "0000:1b:00.0". Returns CUDA's code. */
int driver_pci_get(int handle, char pci[TROUPE_GPU_PCI_SIZE]);

/* Says that a CUDA call failed: "WHAT: cuX returned CUDA_ERROR_… (…); what to do".
 *
 * Returns     TROUPE_GPU, so that a caller can write return driver_fail(…) */
int driver_fail(int code, const char *cuda_call, const char *what, ...)
    __attribute__((format(printf, 3, 4)));

/* ---- the guard (guard.c) ----------------------------------------------------------------- */

/* Watches forks from now on. Before the first cuInit, under driver_lock. */
int guard_install(void);

/* Notes that CUDA is being initialised, and who asked for it; takes it back where that failed. */
void guard_note(const char *call, const void *caller);
void guard_clear(void);

/* Adds to the note that a device was opened. */
void guard_note_device(int ordinal, const char *call);

/* TROUPE_EFORKED in a child of a process that had used CUDA, else TROUPE_OK. */
int guard_check(const char *call);

/* TROUPE_EFORKED, for where CUDA itself noticed: its first use was not through Troupe. */
int guard_fail_unknown(const char *call);

/* Copies the note; false when CUDA was not used through Troupe. */
bool guard_tell(char *what, size_t size);

/* ---- the plan (attest.c) ----------------------------------------------------------------- */

/* The plan's words about this process's GPUs, with a PCI address for each; NULL: it plans none. */
const char *attest_plan(void);

/* Says that CUDA shows none of them. */
void attest_say_hidden(const char *planned);

/* ---- what is held (owned.c) -------------------------------------------------------------- */

enum owned_kind {
    OWNED_EVENT,
    OWNED_STREAM,
    OWNED_SHARE, /* opened from another process; base is what CUDA closes */
    OWNED_SELF,  /* opened from ourselves */
    OWNED_MEMORY,
    OWNED_HOST
};

struct owned {
    enum owned_kind kind;
    int device;
    uint64_t id;
    uint64_t base;
    uint64_t sequence; /* when it was first taken */
    unsigned count;    /* a share may be opened several times */
    struct owned *next;
};

/* Keeps it in mind. TROUPE_NO_MEMORY: it is not kept, and the caller gives it back. */
int owned_add(enum owned_kind kind, int device, uint64_t id, uint64_t base);

/* Forgets one taking of it; base is set when true is returned and base is not NULL. */
bool owned_remove(enum owned_kind kind, uint64_t id, uint64_t *base);

/* Forgets all that a device held: its context ends. */
void owned_forget(int device);

/* ---- calls on an open device (device.c) -------------------------------------------------- */

/* One call's use of a device: its context is current between open and close. */
struct scope {
    const struct driver_calls *call;
    const char *name; /* of the public function */
    int device;
    bool pushed;
};

/* Refuses after a fork and a handle that is none; then makes the device's context current. */
int scope_open(const char *name, troupe_gpu gpu, struct scope *scope);

/* Puts back what was current, and returns TROUPE_OK when code is CUDA's success, else the failure,
 * as driver_fail. */
int scope_close(struct scope *scope, int code, const char *cuda_call, const char *what, ...)
    __attribute__((format(printf, 4, 5)));

/* The same for an outcome that is decided already. */
int scope_end(struct scope *scope, int result);

/* Makes a device's context current for freeing; false when it is closed. */
bool scope_reopen(int device, struct scope *scope);

#endif
