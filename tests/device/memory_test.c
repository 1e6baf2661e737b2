/* Memory: taken, freed, copied, short, and what a target leaves behind. */
#include "cases.h"

#include "device/device.h"

#define BYTES 1000

static uint64_t free_now(troupe_gpu gpu)
{
    uint64_t free_bytes, total_bytes;

    CHECK_RESULT(troupe_gpu_memory_info(gpu, &free_bytes, &total_bytes), TROUPE_OK);
    CHECK(free_bytes <= total_bytes);
    return free_bytes;
}

static troupe_gpu_memory memory_of(troupe_gpu gpu, uint64_t bytes)
{
    troupe_gpu_memory memory = { 0 };

    CHECK_RESULT(troupe_gpu_alloc(gpu, bytes, &memory), TROUPE_OK);
    CHECK(memory.address != 0);
    return memory;
}

static void copies(const void *unused)
{
    unsigned char from[BYTES], to[BYTES];
    troupe_gpu gpu = cases_open(0);
    uint64_t before = free_now(gpu);
    troupe_gpu_memory a = memory_of(gpu, BYTES), b = memory_of(gpu, BYTES);

    (void)unused;
    for (int i = 0; i < BYTES; i++)
        from[i] = (unsigned char)(i * 7);
    memset(to, 0xee, sizeof to);
    CHECK(before - free_now(gpu) == 2 * BYTES);
    CHECK_RESULT(troupe_gpu_copy_in(gpu, from, BYTES, a), TROUPE_OK);
    CHECK_RESULT(troupe_gpu_copy_within(gpu, a, BYTES, b), TROUPE_OK);
    CHECK_RESULT(troupe_gpu_copy_out(gpu, b, BYTES, to), TROUPE_OK);
    CHECK(memcmp(from, to, BYTES) == 0);
    b.address += 10;
    CHECK_RESULT(troupe_gpu_copy_out(gpu, b, 1, to), TROUPE_OK);
    CHECK(to[0] == from[10]);
    CHECK_RESULT(troupe_gpu_copy_out(gpu, b, BYTES, to), TROUPE_GPU);
    CHECK_SAYS("CUDA_ERROR_INVALID_VALUE");
    CHECK_RESULT(troupe_gpu_copy_in(gpu, NULL, 0, a), TROUPE_OK);
    b.address -= 10;
    CHECK_RESULT(troupe_gpu_free(gpu, a), TROUPE_OK);
    CHECK_RESULT(troupe_gpu_free(gpu, b), TROUPE_OK);
    CHECK_RESULT(troupe_gpu_free(gpu, b), TROUPE_GPU);
    CHECK_RESULT(troupe_gpu_free(gpu, (troupe_gpu_memory){ 0 }), TROUPE_OK);
    CHECK(free_now(gpu) == before);
}

static void test_copies(void **state)
{
    (void)state;
    cases_run(NULL, copies, NULL);
}

static void out_of_memory(const void *unused)
{
    troupe_gpu gpu = cases_open(0);
    troupe_gpu_memory memory = { 7 };
    void *host = &gpu;

    (void)unused;
    CHECK_RESULT(troupe_gpu_alloc(gpu, 2097152, &memory), TROUPE_FULL);
    CHECK(memory.address == 7);
    CHECK_SAYS("2097152 bytes asked");
    CHECK_SAYS("1048576 free of 1048576");
    CHECK_SAYS("shared with ranks 1 and 5");
    CHECK_SAYS("CUDA_ERROR_OUT_OF_MEMORY");
    CHECK_RESULT(troupe_gpu_host_alloc(gpu, 2097152, &host), TROUPE_FULL);
    CHECK(host == &gpu);
    CHECK_RESULT(troupe_gpu_alloc(gpu, 0, &memory), TROUPE_BAD_ARGUMENT);
    CHECK_RESULT(troupe_gpu_host_alloc(gpu, 0, &host), TROUPE_BAD_ARGUMENT);
    memory = memory_of(gpu, 1048576);
    CHECK_RESULT(troupe_gpu_alloc(gpu, 1, &memory), TROUPE_FULL);
    CHECK_SAYS("0 free of 1048576");
    CHECK_RESULT(troupe_gpu_free(gpu, memory), TROUPE_OK);
    memory = memory_of(gpu, 1);
}

static void test_out_of_memory(void **state)
{
    static const char *const environment[] = {
        "STANDIN_MEMORY=1048576", "TROUPE_PLACED_REASON=GPU 0, shared with ranks 1 and 5", NULL
    };

    (void)state;
    cases_run(environment, out_of_memory, NULL);
}

/* Takes one of everything that a target may leave. */
static void take_all(troupe_gpu gpu)
{
    troupe_gpu_stream stream;
    troupe_gpu_event event;
    void *host;

    memory_of(gpu, BYTES);
    CHECK_RESULT(troupe_gpu_host_alloc(gpu, BYTES, &host), TROUPE_OK);
    CHECK_RESULT(troupe_gpu_stream_create(gpu, &stream), TROUPE_OK);
    CHECK_RESULT(troupe_gpu_event_create(gpu, &event), TROUPE_OK);
}

static void left_behind(const void *unused)
{
    troupe_gpu gpu = cases_open(0), other = cases_open(1);
    uint64_t all = free_now(gpu), mark;
    troupe_gpu_memory kept = memory_of(gpu, BYTES);
    unsigned char byte = 5;

    (void)unused;
    mark = device_mark();
    for (int i = 0; i < 50; i++)
        take_all(i % 2 == 0 ? gpu : other);
    CHECK(all - free_now(gpu) == (1 + 25) * BYTES && all - free_now(other) == 25 * BYTES);
    device_release(mark);
    CHECK(all - free_now(gpu) == BYTES && all == free_now(other));
    CHECK_RESULT(troupe_gpu_copy_in(gpu, &byte, 1, kept), TROUPE_OK);
    device_release(mark);
    CHECK(all - free_now(gpu) == BYTES);
    mark = device_mark();
    take_all(other);
    CHECK_RESULT(troupe_gpu_close(other), TROUPE_OK);
    device_release(mark);
    CHECK_RESULT(troupe_gpu_free(gpu, kept), TROUPE_OK);
}

static void test_left_behind(void **state)
{
    static const char *const environment[] = { "STANDIN_DEVICES=2", NULL };

    (void)state;
    cases_run(environment, left_behind, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_copies),
        cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_left_behind),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
