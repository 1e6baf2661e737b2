/* The device floor on a real GPU: what the stand-in cannot show. Skipped where there is none. Each
 * case is a process of its own, so that the first one's CUDA is not forked into the next. */
#include "cases.h"

#include <sys/wait.h>
#include <unistd.h>

#include "device/device.h"

#define N 100000
#define SKIPPED 77
#define SLACK_BYTES (32 << 20) /* what the driver may keep for itself meanwhile */

/* __global__ void add(float *values, float more, int n) */
static const char add_ptx[] =
    ".version 6.3\n.target sm_75\n.address_size 64\n"
    ".visible .entry add(.param .u64 values, .param .f32 more, .param .u32 n)\n{\n"
    "    .reg .pred %past;\n    .reg .f32 %f<3>;\n    .reg .b32 %r<6>;\n    .reg .b64 %d<4>;\n"
    "    ld.param.u64 %d1, [values];\n    ld.param.f32 %f1, [more];\n    ld.param.u32 %r1, [n];\n"
    "    mov.u32 %r2, %ctaid.x;\n    mov.u32 %r3, %ntid.x;\n    mov.u32 %r4, %tid.x;\n"
    "    mad.lo.s32 %r5, %r2, %r3, %r4;\n    setp.ge.s32 %past, %r5, %r1;\n    @%past bra done;\n"
    "    cvta.to.global.u64 %d2, %d1;\n    mul.wide.s32 %d3, %r5, 4;\n"
    "    add.s64 %d2, %d2, %d3;\n    ld.global.f32 %f2, [%d2];\n    add.f32 %f2, %f2, %f1;\n"
    "    st.global.f32 [%d2], %f2;\ndone:\n    ret;\n}\n";

static uint64_t free_now(troupe_gpu gpu)
{
    uint64_t free_bytes, total_bytes;

    CHECK_RESULT(troupe_gpu_memory_info(gpu, &free_bytes, &total_bytes), TROUPE_OK);
    return free_bytes;
}

static troupe_gpu_memory memory_of(troupe_gpu gpu, uint64_t bytes)
{
    troupe_gpu_memory memory;

    CHECK_RESULT(troupe_gpu_alloc(gpu, bytes, &memory), TROUPE_OK);
    return memory;
}

static void described(const void *unused)
{
    troupe_gpu_properties properties;

    (void)unused;
    CHECK_RESULT(troupe_gpu_properties_get(0, &properties), TROUPE_OK);
    printf("%s, %s, %s, compute capability %d.%d, driver's CUDA %d\n", properties.name,
           properties.uuid, properties.pci, properties.compute_major, properties.compute_minor,
           properties.driver_version);
    CHECK(strlen(properties.pci) == strlen("0000:1b:00.0"));
    CHECK(strlen(properties.uuid) == strlen("GPU-") + 36);
    CHECK(properties.memory_bytes > 1 << 30 && properties.block_threads >= 1024);
    CHECK(properties.warp_threads == 32 && properties.shared_bytes >= 49152);
}

static void test_described(void **state)
{
    (void)state;
    cases_run(NULL, described, NULL);
}

static void launched(const void *unused)
{
    troupe_gpu gpu = cases_open(0);
    troupe_gpu_stream stream;
    troupe_gpu_event begin, end;
    troupe_gpu_module module;
    troupe_gpu_function add;
    troupe_gpu_memory memory = memory_of(gpu, N * sizeof(float));
    float *host, more = 0.5F;
    double elapsed;
    int n = N;
    void *arguments[] = { &memory.address, &more, &n };
    troupe_gpu_shape shape = { .grid = { (N + 255) / 256 }, .block = { 256 } };

    (void)unused;
    CHECK_RESULT(troupe_gpu_module_load(gpu, add_ptx, strlen(add_ptx), &module), TROUPE_OK);
    CHECK_RESULT(troupe_gpu_function_get(gpu, module, "add", &add), TROUPE_OK);
    CHECK_RESULT(troupe_gpu_function_get(gpu, module, "nobody", &add), TROUPE_NOT_FOUND);
    CHECK_RESULT(troupe_gpu_function_get(gpu, module, "add", &add), TROUPE_OK);
    CHECK_RESULT(troupe_gpu_host_alloc(gpu, N * sizeof *host, (void **)&host), TROUPE_OK);
    CHECK_RESULT(troupe_gpu_stream_create(gpu, &stream), TROUPE_OK);
    CHECK_RESULT(troupe_gpu_event_create(gpu, &begin), TROUPE_OK);
    CHECK_RESULT(troupe_gpu_event_create(gpu, &end), TROUPE_OK);
    shape.stream = stream;
    for (int i = 0; i < N; i++)
        host[i] = (float)i;
    CHECK_RESULT(troupe_gpu_event_record(gpu, begin, stream), TROUPE_OK);
    CHECK_RESULT(troupe_gpu_copy_in_async(gpu, host, N * sizeof *host, memory, stream), TROUPE_OK);
    CHECK_RESULT(troupe_gpu_launch(gpu, add, &shape, arguments), TROUPE_OK);
    CHECK_RESULT(troupe_gpu_copy_out_async(gpu, memory, N * sizeof *host, host, stream), TROUPE_OK);
    CHECK_RESULT(troupe_gpu_event_record(gpu, end, stream), TROUPE_OK);
    CHECK_RESULT(troupe_gpu_stream_synchronize(gpu, stream), TROUPE_OK);
    CHECK_RESULT(troupe_gpu_event_elapsed(gpu, begin, end, &elapsed), TROUPE_OK);
    CHECK(elapsed > 0);
    for (int i = 0; i < N; i++)
        CHECK(host[i] == (float)i + more);
    CHECK_RESULT(troupe_gpu_close(gpu), TROUPE_OK);
}

static void test_launched(void **state)
{
    (void)state;
    cases_run(NULL, launched, NULL);
}

static void full(const void *unused)
{
    troupe_gpu gpu = cases_open(0);
    troupe_gpu_memory memory = { 7 };

    (void)unused;
    CHECK_RESULT(troupe_gpu_alloc(gpu, 1ULL << 46, &memory), TROUPE_FULL);
    CHECK_SAYS("70368744177664 bytes asked");
    CHECK(memory.address == 7);
    memory_of(gpu, 1 << 20);
}

static void left_behind(const void *unused)
{
    troupe_gpu gpu = cases_open(0);
    uint64_t before, mark;

    (void)unused;
    memory_of(gpu, 1 << 20);
    before = free_now(gpu);
    mark = device_mark();
    memory_of(gpu, 1ULL << 30);
    CHECK(free_now(gpu) + (1ULL << 30) <= before + SLACK_BYTES);
    device_release(mark);
    CHECK(free_now(gpu) + SLACK_BYTES >= before);
}

static void test_memory(void **state)
{
    (void)state;
    cases_run(NULL, full, NULL);
    cases_run(NULL, left_behind, NULL);
}

/* ---- fork ------------------------------------------------------------------------------- */

static void refused(const void *argument)
{
    troupe_gpu_memory memory;

    CHECK_RESULT(troupe_gpu_alloc(*(const troupe_gpu *)argument, 1, &memory), TROUPE_EFORKED);
    CHECK_SAYS("TROUPE_METHOD_SPAWN");
    _exit(0); /* the driver's own handlers are not made for a child either */
}

static void forked(const void *unused)
{
    troupe_gpu gpu = cases_open(0);

    (void)unused;
    CHECK(cases_status(NULL, refused, &gpu) == 0);
    CHECK_RESULT(troupe_gpu_synchronize(gpu), TROUPE_OK);
}

static void refused_unknown(const void *unused)
{
    int count;

    (void)unused;
    CHECK_RESULT(troupe_gpu_count(&count), TROUPE_EFORKED);
    CHECK_SAYS("something else than Troupe");
    _exit(0);
}

static void others_forked(const void *unused)
{
    void *library = dlopen("libcuda.so.1", RTLD_NOW), *found;
    int (*init)(unsigned);

    (void)unused;
    CHECK(library != NULL && (found = dlsym(library, "cuInit")) != NULL);
    memcpy(&init, &found, sizeof init);
    CHECK(init(0) == 0);
    CHECK(cases_status(NULL, refused_unknown, NULL) == 0);
}

static void test_fork(void **state)
{
    (void)state;
    cases_run(NULL, forked, NULL);
    cases_run(NULL, others_forked, NULL);
}

/* ---- sharing ---------------------------------------------------------------------------- */

struct pipes {
    int to_owner[2], to_opener[2];
};

static void owner(const struct pipes *pipes)
{
    troupe_gpu gpu = cases_open(0);
    troupe_gpu_memory memory = memory_of(gpu, N), piece = { memory.address + 1000 };
    troupe_gpu_share share;
    unsigned char byte = 7;
    char done;

    CHECK_RESULT(troupe_gpu_copy_in(gpu, &byte, 1, piece), TROUPE_OK);
    CHECK_RESULT(troupe_gpu_share_create(gpu, piece, 1000, &share), TROUPE_OK);
    CHECK(write(pipes->to_opener[1], &share, sizeof share) == sizeof share);
    CHECK(read(pipes->to_owner[0], &done, 1) == 1);
    CHECK_RESULT(troupe_gpu_copy_out(gpu, piece, 1, &byte), TROUPE_OK);
    CHECK(byte == 8);
    exit(0);
}

static void shared(const void *unused)
{
    struct pipes pipes;
    troupe_gpu_share share;
    troupe_gpu_memory memory;
    troupe_gpu gpu;
    unsigned char byte = 0;
    pid_t child;
    int status;

    (void)unused;
    CHECK(pipe(pipes.to_owner) == 0 && pipe(pipes.to_opener) == 0);
    child = fork();
    CHECK(child >= 0);
    if (child == 0)
        owner(&pipes);
    close(pipes.to_opener[1]);
    CHECK(read(pipes.to_opener[0], &share, sizeof share) == sizeof share);
    gpu = cases_open(0);
    CHECK_RESULT(troupe_gpu_share_open(gpu, &share, &memory), TROUPE_OK);
    CHECK_RESULT(troupe_gpu_copy_out(gpu, memory, 1, &byte), TROUPE_OK);
    CHECK(byte == 7);
    byte = 8;
    CHECK_RESULT(troupe_gpu_copy_in(gpu, &byte, 1, memory), TROUPE_OK);
    CHECK_RESULT(troupe_gpu_share_close(gpu, memory), TROUPE_OK);
    CHECK(write(pipes.to_owner[1], "d", 1) == 1);
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK(troupe_gpu_share_open(gpu, &share, &memory) != TROUPE_OK);
    printf("a share whose owner is gone: %s\n", troupe_last_error());
}

static void test_shared(void **state)
{
    (void)state;
    cases_run(NULL, shared, NULL);
}

/* ---- here or not ------------------------------------------------------------------------ */

static void look(const void *unused)
{
    int count, result = troupe_gpu_count(&count);

    (void)unused;
    if (result == TROUPE_OK)
        exit(0);
    fprintf(stderr, "%s: %s\n", result == TROUPE_NO_GPU ? "skipped" : "failed",
            troupe_last_error());
    exit(result == TROUPE_NO_GPU ? SKIPPED : 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_described), cmocka_unit_test(test_launched),
        cmocka_unit_test(test_memory),    cmocka_unit_test(test_fork),
        cmocka_unit_test(test_shared),
    };
    int here = cases_status(NULL, look, NULL);

    return here == 0 ? cmocka_run_group_tests(tests, NULL, NULL) : here;
}
