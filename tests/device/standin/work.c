/* Streams, events, modules and launches: all is done when it is asked for, so a stream is never
 * busy and an event is reached when it is recorded. */
#include "inside.h"

#include <pthread.h>
#include <stdio.h>
#include <time.h>

#define SHARED_WITHOUT_ASKING 49152
#define SHARED_MOST 232448
#define BLOCK_MOST 1024
#define ATTRIBUTE_DYNAMIC_SHARED 8

/* In front of each object, which is aligned as malloc's is. */
struct object {
    struct object *next;
    int device;
    _Alignas(max_align_t) char body[];
};

struct event {
    struct timespec reached;
    bool recorded;
};

struct kernel {
    const char *name;
    standin_function function;
    unsigned shared_most;
    struct kernel *next;
};

static struct kernel *kernels;
static struct object *objects;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* ---- objects ---------------------------------------------------------------------------- */

void *standin_object(int device, size_t bytes)
{
    struct object *object = calloc(1, sizeof *object + bytes);

    if (object == NULL)
        return NULL;
    object->device = device;
    pthread_mutex_lock(&lock);
    object->next = objects;
    objects = object;
    pthread_mutex_unlock(&lock);
    return object->body;
}

/* Frees those of a device, or the one with this body. */
static void objects_free(int device, const void *body)
{
    struct object **link = &objects;

    pthread_mutex_lock(&lock);
    while (*link != NULL) {
        struct object *object = *link;

        if (object->device == device || object->body == body) {
            *link = object->next;
            free(object);
        } else {
            link = &object->next;
        }
    }
    pthread_mutex_unlock(&lock);
}

void standin_object_free(void *object)
{
    objects_free(-1, object);
}

void standin_objects_drop(int device)
{
    objects_free(device, NULL);
}

/* ---- streams and events ------------------------------------------------------------------- */

int cuStreamCreate(void **stream, unsigned flags)
{
    int device, code = standin_enter_context(__func__, &device);

    (void)flags;
    if (code != OK)
        return code;
    *stream = standin_object(device, 1);
    return *stream != NULL ? OK : OUT_OF_MEMORY;
}

int cuStreamDestroy_v2(void *stream)
{
    int device, code = standin_enter_context(__func__, &device);

    if (code == OK)
        standin_object_free(stream);
    return code;
}

int cuStreamSynchronize(void *stream)
{
    int device;

    (void)stream;
    return standin_enter_context(__func__, &device);
}

int cuStreamQuery(void *stream)
{
    int device;

    (void)stream;
    return standin_enter_context(__func__, &device);
}

int cuStreamWaitEvent(void *stream, void *event, unsigned flags)
{
    int device;

    (void)stream;
    (void)flags;
    return event != NULL ? standin_enter_context(__func__, &device) : INVALID_HANDLE;
}

int cuEventCreate(void **event, unsigned flags)
{
    int device, code = standin_enter_context(__func__, &device);

    (void)flags;
    if (code != OK)
        return code;
    *event = standin_object(device, sizeof(struct event));
    return *event != NULL ? OK : OUT_OF_MEMORY;
}

int cuEventDestroy_v2(void *event)
{
    int device, code = standin_enter_context(__func__, &device);

    if (code == OK)
        standin_object_free(event);
    return code;
}

int cuEventRecord(void *event, void *stream)
{
    int device, code = standin_enter_context(__func__, &device);
    struct event *to = event;

    (void)stream;
    if (code != OK)
        return code;
    if (to == NULL)
        return INVALID_HANDLE;
    clock_gettime(CLOCK_MONOTONIC, &to->reached);
    to->recorded = true;
    return OK;
}

int cuEventSynchronize(void *event)
{
    int device;

    return event != NULL ? standin_enter_context(__func__, &device) : INVALID_HANDLE;
}

int cuEventElapsedTime(float *milliseconds, void *from, void *to)
{
    int device, code = standin_enter_context(__func__, &device);
    const struct event *start = from, *end = to;

    if (code != OK)
        return code;
    if (start == NULL || end == NULL || !start->recorded || !end->recorded)
        return INVALID_HANDLE;
    *milliseconds = (float)((double)(end->reached.tv_sec - start->reached.tv_sec) * 1e3 +
                            (double)(end->reached.tv_nsec - start->reached.tv_nsec) * 1e-6);
    return OK;
}

/* ---- kernels ---------------------------------------------------------------------------- */

static struct kernel *kernel_find(const char *name)
{
    struct kernel *kernel = kernels;

    while (kernel != NULL && strcmp(kernel->name, name) != 0)
        kernel = kernel->next;
    return kernel;
}

static struct kernel *kernel_make(const char *name)
{
    struct kernel *kernel = calloc(1, sizeof *kernel);

    if (kernel == NULL)
        return NULL;
    kernel->name = name;
    kernel->shared_most = SHARED_WITHOUT_ASKING;
    kernel->next = kernels;
    kernels = kernel;
    return kernel;
}

bool standin_kernel(const char *name, standin_function function)
{
    struct kernel *kernel;

    pthread_mutex_lock(&lock);
    kernel = kernel_find(name);
    if (kernel == NULL)
        kernel = kernel_make(name);
    if (kernel != NULL)
        kernel->function = function;
    pthread_mutex_unlock(&lock);
    return kernel != NULL;
}

/* What begins as code of CUDA's does, or as PTX. */
static int image_check(const char *image)
{
    static const char fatbin[] = "\x50\xed\x55\xba", cubin[] = "\x7f\x45\x4c\x46";

    if (strncmp(image, fatbin, strlen(fatbin)) == 0 || strncmp(image, cubin, strlen(cubin)) == 0)
        return OK;
    if (strstr(image, ".version") == NULL)
        return INVALID_IMAGE;
    return strstr(image, ".target") != NULL ? OK : INVALID_PTX;
}

static void log_write(unsigned options, const int *names, void *const *values)
{
    enum { ERROR_LOG = 5, ERROR_LOG_SIZE = 6 };
    char *log = NULL;
    size_t size = 0;

    for (unsigned i = 0; i < options; i++) {
        if (names[i] == ERROR_LOG)
            log = values[i];
        if (names[i] == ERROR_LOG_SIZE)
            size = (uintptr_t)values[i];
    }
    if (log != NULL && size > 0)
        snprintf(log, size, "stand-in: no .target in the PTX\nsecond line");
}

int cuModuleLoadDataEx(void **module, const void *image, unsigned options, int *names,
                       void **values)
{
    int device, code = standin_enter_context(__func__, &device);

    if (code != OK)
        return code;
    code = image_check(image);
    if (code == INVALID_PTX)
        log_write(options, names, values);
    if (code != OK)
        return code;
    *module = standin_object(device, 1);
    return *module != NULL ? OK : OUT_OF_MEMORY;
}

int cuModuleUnload(void *module)
{
    int device, code = standin_enter_context(__func__, &device);

    if (code == OK)
        standin_object_free(module);
    return code;
}

int cuModuleGetFunction(void **function, void *module, const char *name)
{
    int device, code = standin_enter_context(__func__, &device);
    struct kernel *kernel;

    if (code != OK)
        return code;
    if (module == NULL)
        return INVALID_HANDLE;
    pthread_mutex_lock(&lock);
    kernel = kernel_find(name);
    pthread_mutex_unlock(&lock);
    if (kernel == NULL)
        return NOT_FOUND;
    *function = kernel;
    return OK;
}

int cuFuncSetAttribute(void *function, int attribute, int value)
{
    int device, code = standin_enter_context(__func__, &device);
    struct kernel *kernel = function;

    if (code != OK)
        return code;
    if (attribute != ATTRIBUTE_DYNAMIC_SHARED || value < 0 || value > SHARED_MOST)
        return INVALID_VALUE;
    kernel->shared_most = (unsigned)value;
    return OK;
}

int cuLaunchKernel(void *function, unsigned grid_x, unsigned grid_y, unsigned grid_z,
                   unsigned block_x, unsigned block_y, unsigned block_z, unsigned shared_bytes,
                   void *stream, void **arguments, void **extra)
{
    const struct standin_launch launch = { { grid_x, grid_y, grid_z },
                                           { block_x, block_y, block_z },
                                           shared_bytes };
    int device, code = standin_enter_context(__func__, &device);
    const struct kernel *kernel = function;

    (void)stream;
    (void)extra;
    if (code != OK)
        return code;
    if (kernel == NULL)
        return INVALID_HANDLE;
    if (grid_x == 0 || grid_y == 0 || grid_z == 0 || block_x * block_y * block_z == 0 ||
        block_x * block_y * block_z > BLOCK_MOST || shared_bytes > kernel->shared_most)
        return INVALID_VALUE;
    kernel->function(&launch, arguments);
    return OK;
}
