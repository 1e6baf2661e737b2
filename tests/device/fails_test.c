/* Each CUDA call failing in turn: a program that uses every call of the header is run again and
 * again, and each time one more call of the stand-in fails. Exactly then the program sees a
 * failure, with the CUDA call's name in it, and the device can be used as before. */
#include "cases.h"

#include <unistd.h>

#define BYTES 256
#define WHOLE 100 /* more than any call is made */

/* Calls that the program makes through the header. */
static const char *const calls[] = {
    "cuInit",
    "cuDriverGetVersion",
    "cuDeviceGetCount",
    "cuDeviceGet",
    "cuDeviceGetName",
    "cuDeviceGetUuid_v2",
    "cuDeviceGetPCIBusId",
    "cuDeviceTotalMem_v2",
    "cuDeviceGetAttribute",
    "cuDevicePrimaryCtxRetain",
    "cuDevicePrimaryCtxRelease_v2",
    "cuCtxGetCurrent",
    "cuCtxPushCurrent_v2",
    "cuCtxPopCurrent_v2",
    "cuCtxSynchronize",
    "cuMemAlloc_v2",
    "cuMemFree_v2",
    "cuMemGetInfo_v2",
    "cuMemGetAddressRange_v2",
    "cuMemHostAlloc",
    "cuMemFreeHost",
    "cuMemcpyHtoD_v2",
    "cuMemcpyDtoH_v2",
    "cuMemcpyDtoD_v2",
    "cuMemcpyHtoDAsync_v2",
    "cuMemcpyDtoHAsync_v2",
    "cuMemcpyDtoDAsync_v2",
    "cuMemsetD8Async",
    "cuStreamCreate",
    "cuStreamDestroy_v2",
    "cuStreamSynchronize",
    "cuStreamQuery",
    "cuStreamWaitEvent",
    "cuEventCreate",
    "cuEventDestroy_v2",
    "cuEventRecord",
    "cuEventSynchronize",
    "cuEventElapsedTime",
    "cuModuleLoadDataEx",
    "cuModuleUnload",
    "cuModuleGetFunction",
    "cuFuncSetAttribute",
    "cuLaunchKernel",
    "cuIpcGetMemHandle",
    "cuIpcOpenMemHandle_v2",
    "cuIpcCloseMemHandle",
};

/* What the program works with; set by its steps in their order. */
struct program {
    troupe_gpu gpu;
    troupe_gpu_memory a, b, opened;
    troupe_gpu_stream stream;
    troupe_gpu_event first, last;
    troupe_gpu_module module;
    troupe_gpu_function function;
    troupe_gpu_share theirs, ours;
    void *host;
};

/* ---- the program, in steps that each return the first failure ------------------------------ */

static int begin(struct program *p)
{
    troupe_gpu_properties properties;
    int count, result = troupe_gpu_count(&count);

    if (result == TROUPE_OK)
        result = troupe_gpu_open(TROUPE_GPU_OWN, &p->gpu);
    if (result == TROUPE_OK)
        result = troupe_gpu_properties_get(0, &properties);
    return result;
}

static int take(struct program *p)
{
    uint64_t free_bytes, total_bytes;
    int result = troupe_gpu_alloc(p->gpu, BYTES, &p->a);

    if (result == TROUPE_OK)
        result = troupe_gpu_alloc(p->gpu, BYTES, &p->b);
    if (result == TROUPE_OK)
        result = troupe_gpu_host_alloc(p->gpu, BYTES, &p->host);
    if (result == TROUPE_OK)
        result = troupe_gpu_stream_create(p->gpu, &p->stream);
    if (result == TROUPE_OK)
        result = troupe_gpu_event_create(p->gpu, &p->first);
    if (result == TROUPE_OK)
        result = troupe_gpu_event_create(p->gpu, &p->last);
    if (result == TROUPE_OK)
        result = troupe_gpu_memory_info(p->gpu, &free_bytes, &total_bytes);
    return result;
}

static int copy(struct program *p)
{
    int result = troupe_gpu_copy_in(p->gpu, p->host, BYTES, p->a);

    if (result == TROUPE_OK)
        result = troupe_gpu_copy_within(p->gpu, p->a, BYTES, p->b);
    if (result == TROUPE_OK)
        result = troupe_gpu_copy_out(p->gpu, p->b, BYTES, p->host);
    if (result == TROUPE_OK)
        result = troupe_gpu_copy_in_async(p->gpu, p->host, BYTES, p->a, p->stream);
    if (result == TROUPE_OK)
        result = troupe_gpu_copy_within_async(p->gpu, p->a, BYTES, p->b, p->stream);
    if (result == TROUPE_OK)
        result = troupe_gpu_copy_out_async(p->gpu, p->b, BYTES, p->host, p->stream);
    if (result == TROUPE_OK)
        result = troupe_gpu_fill_async(p->gpu, p->a, 0, BYTES, p->stream);
    return result;
}

static int load(struct program *p)
{
    int result = troupe_gpu_module_load(p->gpu, cases_ptx, strlen(cases_ptx), &p->module);

    if (result == TROUPE_OK)
        result = troupe_gpu_function_get(p->gpu, p->module, "cases_add", &p->function);
    return result;
}

static int compute(struct program *p)
{
    const int n = BYTES / (int)sizeof(float);
    const float add = 1;
    void *arguments[] = { &p->a.address, (void *)(uintptr_t)&add, (void *)(uintptr_t)&n,
                          &p->b.address };
    troupe_gpu_shape shape = {
        .grid = { 1 }, .block = { BYTES }, .shared_bytes = 100000, .stream = p->stream
    };
    int result = troupe_gpu_event_record(p->gpu, p->first, p->stream);

    if (result == TROUPE_OK)
        result = troupe_gpu_launch(p->gpu, p->function, &shape, arguments);
    if (result == TROUPE_OK)
        result = troupe_gpu_event_record(p->gpu, p->last, p->stream);
    return result;
}

static int await(struct program *p)
{
    double elapsed;
    int done, result = troupe_gpu_stream_wait(p->gpu, p->stream, p->last);

    if (result == TROUPE_OK)
        result = troupe_gpu_stream_done(p->gpu, p->stream, &done);
    if (result == TROUPE_OK)
        result = troupe_gpu_stream_synchronize(p->gpu, p->stream);
    if (result == TROUPE_OK)
        result = troupe_gpu_event_synchronize(p->gpu, p->last);
    if (result == TROUPE_OK)
        result = troupe_gpu_event_elapsed(p->gpu, p->first, p->last, &elapsed);
    if (result == TROUPE_OK)
        result = troupe_gpu_synchronize(p->gpu);
    return result;
}

static int share(struct program *p)
{
    int result = troupe_gpu_share_create(p->gpu, p->a, BYTES, &p->ours);

    if (result == TROUPE_OK)
        result = troupe_gpu_share_open(p->gpu, &p->theirs, &p->opened);
    if (result == TROUPE_OK)
        result = troupe_gpu_share_close(p->gpu, p->opened);
    return result;
}

static int give(struct program *p)
{
    int result = troupe_gpu_event_destroy(p->gpu, p->first);

    if (result == TROUPE_OK)
        result = troupe_gpu_stream_destroy(p->gpu, p->stream);
    if (result == TROUPE_OK)
        result = troupe_gpu_host_free(p->gpu, p->host);
    if (result == TROUPE_OK)
        result = troupe_gpu_free(p->gpu, p->a);
    if (result == TROUPE_OK)
        result = troupe_gpu_module_unload(p->gpu, p->module);
    if (result == TROUPE_OK)
        result = troupe_gpu_close(p->gpu);
    return result;
}

static int run(struct program *p)
{
    int (*const steps[])(
        struct program *) = { begin, take, copy, load, compute, await, share, give };
    int result = TROUPE_OK;

    for (size_t i = 0; result == TROUPE_OK && i < sizeof steps / sizeof *steps; i++)
        result = steps[i](p);
    return result;
}

/* ---- one call fails ------------------------------------------------------------------------ */

/* The device is as it was: what failed can be done now. */
static void works_again(void)
{
    troupe_gpu gpu = cases_open(0);
    troupe_gpu_memory memory;

    CHECK_RESULT(troupe_gpu_alloc(gpu, BYTES, &memory), TROUPE_OK);
    CHECK_RESULT(troupe_gpu_free(gpu, memory), TROUPE_OK);
}

static unsigned failures(void)
{
    void *found = standin_find("standin_failures");
    unsigned (*count)(void);

    CHECK(found != NULL);
    memcpy(&count, &found, sizeof count);
    return count();
}

/* What a child is told: the memory that another process shares, and the call that fails. */
struct round {
    const char *call;
    troupe_gpu_share theirs;
};

#define ROUND_PASSED 42 /* the call is not made that often */

static void round_run(const void *argument)
{
    const struct round *round = argument;
    struct program program = { .theirs = round->theirs };
    int result;

    cases_kernel_register();
    result = run(&program);
    if (failures() == 0) {
        CHECK_RESULT(result, TROUPE_OK);
        exit(ROUND_PASSED);
    }
    CHECK_RESULT(result, TROUPE_GPU);
    CHECK_SAYS(round->call);
    CHECK_SAYS("CUDA_ERROR_UNKNOWN");
    CHECK_SAYS("stand-in");
    works_again();
}

/* Lets the first, second, … of a call's uses fail; returns how many there are. */
static unsigned call_fails(const struct round *round)
{
    char fail[64];
    const char *environment[] = { fail, NULL };

    for (unsigned number = 1; number < WHOLE; number++) {
        int status;

        snprintf(fail, sizeof fail, "STANDIN_FAIL=%s:%u:999", round->call, number);
        status = cases_status(environment, round_run, round);
        if (status == ROUND_PASSED)
            return number - 1;
        if (status != 0)
            fail_msg("%s, use %u: status %d", round->call, number, status);
    }
    fail_msg("%s is made too often", round->call);
    return 0;
}

/* ---- another process's memory -------------------------------------------------------------- */

static void owner_main(int from, int to)
{
    troupe_gpu gpu = cases_open(0);
    troupe_gpu_memory memory;
    troupe_gpu_share mine;
    char end;

    CHECK_RESULT(troupe_gpu_alloc(gpu, BYTES, &memory), TROUPE_OK);
    CHECK_RESULT(troupe_gpu_share_create(gpu, memory, BYTES, &mine), TROUPE_OK);
    CHECK(write(to, &mine, sizeof mine) == sizeof mine);
    CHECK(read(from, &end, 1) == 0);
    exit(0);
}

static int ends[2], shares[2];

static int owner_start(void **state)
{
    static struct round round;

    if (pipe(ends) != 0 || pipe(shares) != 0)
        return -1;
    switch (fork()) {
    case -1:
        return -1;
    case 0:
        close(ends[1]);
        owner_main(ends[0], shares[1]);
    }
    close(ends[0]);
    *state = &round;
    return read(shares[0], &round.theirs, sizeof round.theirs) == sizeof round.theirs ? 0 : -1;
}

static int owner_stop(void **state)
{
    (void)state;
    close(ends[1]);
    return 0;
}

static void test_each_call(void **state)
{
    struct round *round = *state;

    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        round->call = calls[i];
        if (call_fails(round) == 0)
            fail_msg("%s is never called, so its failure was not seen", calls[i]);
    }
}

/* ---- the names of errors ------------------------------------------------------------------- */

static void nameless(const void *unused)
{
    troupe_gpu gpu;

    (void)unused;
    CHECK_RESULT(troupe_gpu_open(0, &gpu), TROUPE_GPU);
    CHECK_SAYS(
        "cuDevicePrimaryCtxRetain returned an error without a name (999: CUDA says no more)");
}

static void test_nameless(void **state)
{
    static const char *const environment[] = {
        "STANDIN_FAIL=cuDevicePrimaryCtxRetain:1:999,cuGetErrorName:1:1,cuGetErrorString:1:1", NULL
    };

    (void)state;
    cases_run(environment, nameless, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_each_call, owner_start, owner_stop),
        cmocka_unit_test(test_nameless),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
