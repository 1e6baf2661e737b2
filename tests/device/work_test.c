/* Streams, events, modules and launches, and a device that is lost in the middle of them. */
#include "cases.h"

#define N 1000

static void launch(const void *unused)
{
    troupe_gpu gpu = cases_open(0);
    troupe_gpu_stream stream;
    troupe_gpu_event begin, end;
    troupe_gpu_memory from, to;
    troupe_gpu_module module;
    troupe_gpu_function function = cases_kernel(gpu, &module);
    double elapsed = -1;
    float *host;
    int done = -1;

    (void)unused;
    CHECK_RESULT(troupe_gpu_stream_create(gpu, &stream), TROUPE_OK);
    CHECK_RESULT(troupe_gpu_event_create(gpu, &begin), TROUPE_OK);
    CHECK_RESULT(troupe_gpu_event_create(gpu, &end), TROUPE_OK);
    CHECK_RESULT(troupe_gpu_event_elapsed(gpu, begin, end, &elapsed), TROUPE_GPU);
    CHECK(elapsed == -1);
    CHECK_RESULT(troupe_gpu_alloc(gpu, N * sizeof(float), &from), TROUPE_OK);
    CHECK_RESULT(troupe_gpu_alloc(gpu, N * sizeof(float), &to), TROUPE_OK);
    CHECK_RESULT(troupe_gpu_host_alloc(gpu, N * sizeof(float), (void **)&host), TROUPE_OK);
    for (int i = 0; i < N; i++)
        host[i] = (float)i;
    CHECK_RESULT(troupe_gpu_event_record(gpu, begin, stream), TROUPE_OK);
    CHECK_RESULT(troupe_gpu_copy_in_async(gpu, host, N * sizeof(float), from, stream), TROUPE_OK);
    CHECK_RESULT(troupe_gpu_fill_async(gpu, to, 0xff, N * sizeof(float), stream), TROUPE_OK);
    CHECK_RESULT(cases_kernel_launch(gpu, function, stream, from, 0.5F, N, to), TROUPE_OK);
    CHECK_RESULT(troupe_gpu_copy_within_async(gpu, to, N * sizeof(float), from, stream), TROUPE_OK);
    CHECK_RESULT(troupe_gpu_copy_out_async(gpu, from, N * sizeof(float), host, stream), TROUPE_OK);
    CHECK_RESULT(troupe_gpu_event_record(gpu, end, stream), TROUPE_OK);
    CHECK_RESULT(troupe_gpu_stream_wait(gpu, (troupe_gpu_stream){ 0 }, end), TROUPE_OK);
    CHECK_RESULT(troupe_gpu_event_synchronize(gpu, end), TROUPE_OK);
    CHECK_RESULT(troupe_gpu_stream_synchronize(gpu, stream), TROUPE_OK);
    CHECK_RESULT(troupe_gpu_stream_done(gpu, stream, &done), TROUPE_OK);
    CHECK(done == 1);
    for (int i = 0; i < N; i++)
        CHECK(host[i] == (float)i + 0.5F);
    CHECK_RESULT(troupe_gpu_event_elapsed(gpu, begin, end, &elapsed), TROUPE_OK);
    CHECK(elapsed >= 0);
    CHECK_RESULT(troupe_gpu_event_destroy(gpu, begin), TROUPE_OK);
    CHECK_RESULT(troupe_gpu_event_destroy(gpu, end), TROUPE_OK);
    CHECK_RESULT(troupe_gpu_stream_destroy(gpu, stream), TROUPE_OK);
    CHECK_RESULT(troupe_gpu_stream_destroy(gpu, (troupe_gpu_stream){ 0 }), TROUPE_BAD_ARGUMENT);
    CHECK_RESULT(troupe_gpu_host_free(gpu, host), TROUPE_OK);
    CHECK_RESULT(troupe_gpu_host_free(gpu, NULL), TROUPE_OK);
    CHECK_RESULT(troupe_gpu_module_unload(gpu, module), TROUPE_OK);
    CHECK_RESULT(troupe_gpu_close(gpu), TROUPE_OK);
}

static void test_launch(void **state)
{
    (void)state;
    cases_run(NULL, launch, NULL);
}

static void busy(const void *unused)
{
    troupe_gpu gpu = cases_open(0);
    int done = -1;

    (void)unused;
    CHECK_RESULT(troupe_gpu_stream_done(gpu, (troupe_gpu_stream){ 0 }, &done), TROUPE_OK);
    CHECK(done == 0);
}

static void test_busy(void **state)
{
    static const char *const environment[] = { "STANDIN_FAIL=cuStreamQuery:1:600", NULL };

    (void)state;
    cases_run(environment, busy, NULL);
}

static void shapes(const void *unused)
{
    troupe_gpu gpu = cases_open(0);
    troupe_gpu_module module;
    troupe_gpu_function function = cases_kernel(gpu, &module);
    troupe_gpu_memory memory;
    int n = 0;
    float add = 0;
    void *arguments[] = { &memory.address, &add, &n, &memory.address };

    (void)unused;
    CHECK_RESULT(troupe_gpu_alloc(gpu, 4, &memory), TROUPE_OK);
    CHECK_RESULT(troupe_gpu_launch(gpu, function, &(troupe_gpu_shape){ .grid = { 0 } }, arguments),
                 TROUPE_OK);
    CHECK_RESULT(
        troupe_gpu_launch(gpu, function, &(troupe_gpu_shape){ .block = { 1025 } }, arguments),
        TROUPE_GPU);
    CHECK_SAYS("blocks 1025x");
    CHECK_RESULT(
        troupe_gpu_launch(gpu, function, &(troupe_gpu_shape){ .shared_bytes = 100000 }, arguments),
        TROUPE_OK);
    CHECK_RESULT(
        troupe_gpu_launch(gpu, function, &(troupe_gpu_shape){ .shared_bytes = 300000 }, arguments),
        TROUPE_GPU);
    CHECK_SAYS("cuFuncSetAttribute");
}

static void images(const void *unused)
{
    static const char broken[] = ".version 8.0\n.nonsense\n";
    troupe_gpu gpu = cases_open(0);
    troupe_gpu_module module = { 7 };
    troupe_gpu_function function;
    char *exact = malloc(strlen(cases_ptx));

    (void)unused;
    CHECK(exact != NULL);
    memcpy(exact, cases_ptx,
           strlen(cases_ptx)); /* without a final zero: ASan sees a read too far */
    CHECK_RESULT(troupe_gpu_module_load(gpu, "x", 1, &module), TROUPE_GPU);
    CHECK_SAYS("CUDA_ERROR_INVALID_IMAGE");
    CHECK_RESULT(troupe_gpu_module_load(gpu, NULL, 0, &module), TROUPE_BAD_ARGUMENT);
    CHECK_RESULT(troupe_gpu_module_load(gpu, broken, strlen(broken), &module), TROUPE_GPU);
    CHECK_SAYS("stand-in: no .target in the PTX)");
    CHECK(module.id == 7);
    CHECK_RESULT(troupe_gpu_module_load(gpu, exact, strlen(cases_ptx), &module), TROUPE_OK);
    free(exact);
    CHECK_RESULT(troupe_gpu_function_get(gpu, module, "nobody", &function), TROUPE_NOT_FOUND);
    CHECK_SAYS("no kernel nobody");
    CHECK_RESULT(troupe_gpu_module_load(gpu,
                                        "\x7f"
                                        "ELF....",
                                        8, &module),
                 TROUPE_OK);
    CHECK_RESULT(troupe_gpu_module_load(gpu, "\x50\xed\x55\xba....", 8, &module), TROUPE_OK);
}

static void test_kernels(void **state)
{
    (void)state;
    cases_run(NULL, shapes, NULL);
    cases_run(NULL, images, NULL);
}

static void lost(const void *unused)
{
    troupe_gpu gpu = cases_open(0);
    troupe_gpu_module module;
    troupe_gpu_function function = cases_kernel(gpu, &module);
    troupe_gpu_memory memory, more = { 7 };

    (void)unused;
    CHECK_RESULT(troupe_gpu_alloc(gpu, N * sizeof(float), &memory), TROUPE_OK);
    CHECK_RESULT(cases_kernel_launch(gpu, function, (troupe_gpu_stream){ 0 }, memory, 1, N, memory),
                 TROUPE_OK);
    CHECK_RESULT(cases_kernel_launch(gpu, function, (troupe_gpu_stream){ 0 }, memory, 1, N, memory),
                 TROUPE_GPU);
    CHECK_SAYS("CUDA_ERROR_LAUNCH_FAILED");
    CHECK_SAYS("cannot use the device any more");
    CHECK_RESULT(troupe_gpu_synchronize(gpu), TROUPE_GPU);
    CHECK_RESULT(troupe_gpu_alloc(gpu, 4, &more), TROUPE_GPU);
    CHECK(more.address == 7);
    CHECK_RESULT(troupe_gpu_free(gpu, memory), TROUPE_GPU);
    CHECK_RESULT(troupe_gpu_close(gpu), TROUPE_GPU);
    CHECK_RESULT(troupe_gpu_synchronize(gpu), TROUPE_BAD_HANDLE);
}

static void test_lost(void **state)
{
    static const char *const environment[] = { "STANDIN_LOST=cuLaunchKernel:2", NULL };

    (void)state;
    cases_run(environment, lost, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_launch),
        cmocka_unit_test(test_busy),
        cmocka_unit_test(test_kernels),
        cmocka_unit_test(test_lost),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
