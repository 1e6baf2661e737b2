/* The driver alone, as the baseline of what Troupe's device layer costs:
 *
 *   troupe-bench-cuda MODE COUNT BYTES
 *
 * It prints one number and ends; 77 after a sentence where there is no GPU. CUDA is opened at run
 * time, so it is built everywhere; the declarations are those of cuda.h. */
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { STATUS_USAGE = 2, STATUS_ABSENT = 77, WORDS = 4, WARM_UP_PART = 10, THREADS = 32 };

static struct {
    int (*init)(unsigned flags);
    int (*device)(int *device, int index);
    int (*retain)(void **context, int device);
    int (*current)(void *context);
    int (*synchronize)(void);
    int (*load)(void **module, const void *image);
    int (*function)(void **function, void *module, const char *name);
    int (*launch)(void *function, unsigned grid_x, unsigned grid_y, unsigned grid_z,
                  unsigned block_x, unsigned block_y, unsigned block_z, unsigned shared,
                  void *stream, void **arguments, void **extra);
    int (*alloc)(uint64_t *memory, size_t bytes);
    int (*host_alloc)(void **host, size_t bytes, unsigned flags);
    int (*copy_in)(uint64_t to, const void *from, size_t bytes);
} cuda;

/* Finds every call, or names the one that is missing. */
static const char *calls_find(void *library)
{
    const struct {
        const char *name;
        void *call;
    } wanted[] = {
        { "cuInit", &cuda.init },
        { "cuDeviceGet", &cuda.device },
        { "cuDevicePrimaryCtxRetain", &cuda.retain },
        { "cuCtxSetCurrent", &cuda.current },
        { "cuCtxSynchronize", &cuda.synchronize },
        { "cuModuleLoadData", &cuda.load },
        { "cuModuleGetFunction", &cuda.function },
        { "cuLaunchKernel", &cuda.launch },
        { "cuMemAlloc_v2", &cuda.alloc },
        { "cuMemHostAlloc", &cuda.host_alloc },
        { "cuMemcpyHtoD_v2", &cuda.copy_in },
    };

    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        void *found = dlsym(library, wanted[i].name);

        if (found == NULL)
            return wanted[i].name;
        memcpy(wanted[i].call, &found, sizeof found);
    }
    return NULL;
}

/* Opens the driver and makes the first device current; ends the program where that cannot be. */
static void cuda_open(void)
{
    const char *named = getenv("TROUPE_CUDA_LIBRARY");
    void *library = dlopen(named != NULL ? named : "libcuda.so.1", RTLD_NOW), *context;
    const char *missing = library != NULL ? calls_find(library) : "the library";
    int device, code;

    if (missing != NULL) {
        fprintf(stderr, "no CUDA driver here: %s is missing\n", missing);
        exit(STATUS_ABSENT);
    }
    code = cuda.init(0);
    if (code == 0)
        code = cuda.device(&device, 0);
    if (code == 0)
        code = cuda.retain(&context, device);
    if (code == 0)
        code = cuda.current(context);
    if (code != 0) {
        fprintf(stderr, "the CUDA driver gives no device: %d\n", code);
        exit(STATUS_ABSENT);
    }
}

static double now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static int launch_all(void *nothing, long count)
{
    int code = 0;

    for (long i = 0; i < count && code == 0; i++)
        code = cuda.launch(nothing, 1, 1, 1, THREADS, 1, 1, 0, NULL, NULL, NULL);
    return code == 0 ? cuda.synchronize() : code;
}

/* Microseconds for each launch of a kernel that does nothing. */
static int launch(long count, size_t bytes, double *value)
{
    static const char ptx[] = ".version 6.3\n.target sm_75\n.address_size 64\n"
                              ".visible .entry nothing()\n{\nret;\n}\n";
    void *module, *nothing;
    double begin;
    int code = cuda.load(&module, ptx);

    (void)bytes;
    if (code == 0)
        code = cuda.function(&nothing, module, "nothing");
    if (code == 0)
        code = launch_all(nothing, count / WARM_UP_PART);
    begin = now_us();
    if (code == 0)
        code = launch_all(nothing, count);
    *value = (now_us() - begin) / (double)count;
    return code;
}

static int copy_all(uint64_t to, const void *from, size_t bytes, long count)
{
    int code = 0;

    for (long i = 0; i < count && code == 0; i++)
        code = cuda.copy_in(to, from, bytes);
    return code;
}

/* GB/s of copies from pinned memory to the device. */
static int copy_in(long count, size_t bytes, double *value)
{
    const double bytes_each_us_to_gb_each_s = 1e-3;
    uint64_t memory;
    void *host;
    double begin;
    int code = cuda.alloc(&memory, bytes);

    if (code == 0)
        code = cuda.host_alloc(&host, bytes, 0);
    if (code == 0)
        code = copy_all(memory, host, bytes, 1 + count / WARM_UP_PART);
    begin = now_us();
    if (code == 0)
        code = copy_all(memory, host, bytes, count);
    *value = (double)bytes * (double)count / (now_us() - begin) * bytes_each_us_to_gb_each_s;
    return code;
}

int main(int argc, char **argv)
{
    int (*measure)(long, size_t, double *) = NULL;
    double value;
    int code;

    if (argc == WORDS && strcmp(argv[1], "launch") == 0)
        measure = launch;
    else if (argc == WORDS && strcmp(argv[1], "copy_in") == 0)
        measure = copy_in;
    if (measure == NULL) {
        fprintf(stderr,
                "usage: troupe-bench-cuda launch|copy_in COUNT BYTES; troupe bench runs it\n");
        return STATUS_USAGE;
    }
    cuda_open();
    code = measure(strtol(argv[2], NULL, 10), strtoul(argv[3], NULL, 10), &value);
    if (code == 0)
        printf("%.9g\n", value);
    else
        fprintf(stderr, "%s: CUDA returned %d\n", argv[1], code);
    return code == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
