/* CUDA and fork: every call of a child says so, and what was initialised where. */
#include "cases.h"

#include <dlfcn.h>
#include <pthread.h>
#include <unistd.h>

#include "device/device.h"

#define WHAT_SIZE 400

/* Each call of the header, with arguments that would be right. */
static void all_refuse(const void *argument)
{
    troupe_gpu gpu = *(const troupe_gpu *)argument;
    troupe_gpu_properties properties;
    troupe_gpu_memory memory = { 0 };
    troupe_gpu_stream stream = { 0 };
    troupe_gpu_event event = { 1 };
    troupe_gpu_module module = { 1 };
    troupe_gpu_function function = { 1 };
    troupe_gpu_shape shape = { .grid = { 1 } };
    troupe_gpu_share share = { .bytes = 1 };
    uint64_t a, b;
    double elapsed;
    char byte = 0;
    void *host;
    int n;
    const int results[] = {
        troupe_gpu_count(&n),
        troupe_gpu_properties_get(0, &properties),
        troupe_gpu_open(0, &gpu),
        troupe_gpu_close(gpu),
        troupe_gpu_synchronize(gpu),
        troupe_gpu_alloc(gpu, 1, &memory),
        troupe_gpu_free(gpu, memory),
        troupe_gpu_memory_info(gpu, &a, &b),
        troupe_gpu_host_alloc(gpu, 1, &host),
        troupe_gpu_host_free(gpu, NULL),
        troupe_gpu_stream_create(gpu, &stream),
        troupe_gpu_stream_destroy(gpu, stream),
        troupe_gpu_stream_synchronize(gpu, stream),
        troupe_gpu_stream_done(gpu, stream, &n),
        troupe_gpu_stream_wait(gpu, stream, event),
        troupe_gpu_event_create(gpu, &event),
        troupe_gpu_event_destroy(gpu, event),
        troupe_gpu_event_record(gpu, event, stream),
        troupe_gpu_event_synchronize(gpu, event),
        troupe_gpu_event_elapsed(gpu, event, event, &elapsed),
        troupe_gpu_copy_in(gpu, &byte, 1, memory),
        troupe_gpu_copy_out(gpu, memory, 1, &byte),
        troupe_gpu_copy_within(gpu, memory, 1, memory),
        troupe_gpu_copy_in_async(gpu, &byte, 1, memory, stream),
        troupe_gpu_copy_out_async(gpu, memory, 1, &byte, stream),
        troupe_gpu_copy_within_async(gpu, memory, 1, memory, stream),
        troupe_gpu_fill_async(gpu, memory, 0, 1, stream),
        troupe_gpu_module_load(gpu, cases_ptx, strlen(cases_ptx), &module),
        troupe_gpu_module_unload(gpu, module),
        troupe_gpu_function_get(gpu, module, "cases_add", &function),
        troupe_gpu_launch(gpu, function, &shape, NULL),
        troupe_gpu_share_create(gpu, memory, 1, &share),
        troupe_gpu_share_open(gpu, &share, &memory),
        troupe_gpu_share_close(gpu, memory),
    };

    for (size_t i = 0; i < sizeof results / sizeof *results; i++)
        CHECK_RESULT(results[i], TROUPE_EFORKED);
    CHECK_SAYS("troupe_gpu_share_close: CUDA does not survive fork()");
    CHECK_SAYS("by troupe_gpu_open");
    CHECK_SAYS("device 0 was opened");
    CHECK_SAYS("TROUPE_METHOD_SPAWN");
}

static void used_then_forked(const void *unused)
{
    troupe_gpu gpu = cases_open(0);
    troupe_gpu_memory memory;
    uint64_t mark = device_mark();

    (void)unused;
    CHECK_RESULT(troupe_gpu_alloc(gpu, 1, &memory), TROUPE_OK);
    CHECK(cases_status(NULL, all_refuse, &gpu) == 0);
    device_release(mark);
    CHECK_RESULT(troupe_gpu_synchronize(gpu), TROUPE_OK);
}

static void test_used(void **state)
{
    (void)state;
    cases_run(NULL, used_then_forked, NULL);
}

static void use(const void *unused)
{
    (void)unused;
    CHECK_RESULT(troupe_gpu_synchronize(cases_open(0)), TROUPE_OK);
}

/* A failed start uses nothing: the child is free to try. */
static void failed_then_forked(const void *unused)
{
    static const char *const shown[] = { "CUDA_VISIBLE_DEVICES=0", NULL };
    int count;

    (void)unused;
    CHECK_RESULT(troupe_gpu_count(&count), TROUPE_NO_GPU);
    CHECK(cases_status(shown, use, NULL) == 0);
}

static void test_unused(void **state)
{
    static const char *const hidden[] = { "CUDA_VISIBLE_DEVICES=", NULL };

    (void)state;
    cases_run(NULL, use, NULL);
    cases_run(hidden, failed_then_forked, NULL);
}

/* ---- CUDA by something else ------------------------------------------------------------- */

/* What a program does that has the CUDA runtime linked in. */
static void cuda_use(void)
{
    void *found = standin_find("cuInit");
    int (*init)(unsigned);

    CHECK(found != NULL);
    memcpy(&init, &found, sizeof init);
    CHECK(init(0) == 0);
}

static void refuse_unknown(const void *unused)
{
    int count;

    (void)unused;
    CHECK_RESULT(troupe_gpu_count(&count), TROUPE_EFORKED);
    CHECK_SAYS("something else than Troupe");
    CHECK_SAYS("TROUPE_METHOD_SPAWN");
}

static void others_then_forked(const void *unused)
{
    char what[WHAT_SIZE];

    (void)unused;
    CHECK(!device_cuda_runs(what, sizeof what));
    cuda_use();
    CHECK(device_cuda_runs(what, sizeof what));
    CHECK(strstr(what, "something else than Troupe") != NULL);
    CHECK(cases_status(NULL, refuse_unknown, NULL) == 0);
}

static void ours_is_told(const void *unused)
{
    char what[WHAT_SIZE], pid[32];

    (void)unused;
    CHECK(!device_cuda_runs(what, sizeof what));
    cases_open(0);
    CHECK(device_cuda_runs(what, sizeof what));
    snprintf(pid, sizeof pid, "pid %d by troupe_gpu_open", (int)getpid());
    CHECK(strstr(what, pid) != NULL);
}

static void test_others(void **state)
{
    (void)state;
    cases_run(NULL, others_then_forked, NULL);
    cases_run(NULL, ours_is_told, NULL);
}

/* ---- threads ---------------------------------------------------------------------------- */

#define THREADS 8
#define ROUNDS 200

static void *thread_use(void *unused)
{
    troupe_gpu gpu = cases_open(0);

    for (int i = 0; i < ROUNDS; i++) {
        troupe_gpu_memory memory;

        CHECK_RESULT(troupe_gpu_alloc(gpu, 64, &memory), TROUPE_OK);
        CHECK_RESULT(troupe_gpu_free(gpu, memory), TROUPE_OK);
    }
    CHECK_RESULT(troupe_gpu_close(gpu), TROUPE_OK);
    return unused;
}

static void from_threads(const void *unused)
{
    pthread_t threads[THREADS];
    troupe_gpu gpu = cases_open(0);

    (void)unused;
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, thread_use, NULL) == 0);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK_RESULT(troupe_gpu_close(gpu), TROUPE_OK);
}

static void test_threads(void **state)
{
    (void)state;
    cases_run(NULL, from_threads, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_used),
        cmocka_unit_test(test_unused),
        cmocka_unit_test(test_others),
        cmocka_unit_test(test_threads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
