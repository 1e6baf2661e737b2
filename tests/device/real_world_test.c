/* On a real GPU, in a running world: device memory is back where it was after targets that left
 * some behind, on a rank and in spawned processes; the device that CUDA opened is the plan's, also
 * of a fresh process that asked for one of its own. Skipped where there is no GPU. */
#include "../world/harness.h"

#include <stdio.h>

#include "device/device.h"
#include "troupe/gpu.h"

#define SKIPPED 77
#define WATCH_SECONDS 100
#define LEFT_BYTES (1ULL << 30)
#define SLACK_BYTES (64ULL << 20) /* what the driver keeps for itself */
#define SPAWNS 3

/* Puts the free bytes of the device into a queue, the rank's context being there. */
static int tell_free(const void *argument, size_t bytes)
{
    troupe_queue queue = *(const troupe_queue *)argument;
    uint64_t free_bytes = 0, total_bytes;
    troupe_gpu gpu;
    int result = troupe_gpu_open(TROUPE_GPU_OWN, &gpu);

    (void)bytes;
    if (result == TROUPE_OK)
        result = troupe_gpu_memory_info(gpu, &free_bytes, &total_bytes);
    if (result == TROUPE_NO_GPU)
        fprintf(stderr, "skipped: %s\n", troupe_last_error());
    if (troupe_queue_put(queue, &free_bytes, sizeof free_bytes, TROUPE_FOREVER) != TROUPE_OK)
        return 1;
    return result == TROUPE_OK ? 0 : result == TROUPE_NO_GPU ? SKIPPED : 2;
}

static int leave_memory(const void *argument, size_t bytes)
{
    troupe_gpu_memory memory;
    troupe_gpu gpu;

    (void)argument;
    (void)bytes;
    return troupe_gpu_open(TROUPE_GPU_OWN, &gpu) == TROUPE_OK &&
                   troupe_gpu_alloc(gpu, LEFT_BYTES, &memory) == TROUPE_OK
               ? 0
               : 1;
}

/* Opens the GPU and looks: it must be the plan's, and the only one where one was asked for. */
static int attest(const void *argument, size_t bytes)
{
    troupe_gpu gpu;
    int devices = 0;

    (void)bytes;
    if (troupe_gpu_open(TROUPE_GPU_OWN, &gpu) != TROUPE_OK ||
        troupe_gpu_count(&devices) != TROUPE_OK)
        return 1;
    if (argument != NULL && devices != *(const int *)argument)
        return 2;
    return device_attest() == TROUPE_OK ? 0 : 3;
}

static int exit_code(troupe_process process)
{
    return harness_end(process).exit_code;
}

static uint64_t free_get(troupe_queue queue)
{
    uint64_t free_bytes = 0;

    assert_int_equal(
        troupe_queue_get(queue, &free_bytes, sizeof free_bytes, NULL, HARNESS_LIMIT_MS), TROUPE_OK);
    return free_bytes;
}

static uint64_t free_now(troupe_queue queue)
{
    harness_done(harness_start_on(0, tell_free, &queue, sizeof queue), 0);
    return free_get(queue);
}

static void test_memory_returns(void **state)
{
    troupe_queue queue = *(troupe_queue *)*state;
    uint64_t before = free_now(queue);

    harness_done(harness_start_on(0, leave_memory, NULL, 0), 0);
    assert_true(free_now(queue) + SLACK_BYTES >= before);
    for (int i = 0; i < SPAWNS; i++)
        harness_done(harness_spawn(leave_memory, NULL, 0), 0);
    assert_true(free_now(queue) + SLACK_BYTES >= before);
}

static void test_attested(void **state)
{
    const troupe_process_options one = { .method = TROUPE_METHOD_SPAWN, .gpus = 1 };
    const troupe_process_options none = { .method = TROUPE_METHOD_SPAWN, .gpu_list = "" };

    (void)state;
    harness_done(harness_start_on(0, attest, NULL, 0), 0);
    harness_done(harness_spawn(attest, NULL, 0), 0);
    harness_done(harness_start(attest, &(int){ 1 }, sizeof(int), &one), 0);
    harness_done(harness_start(attest, NULL, 0, &none), 1);
}

int main(int argc, char **argv)
{
    static troupe_queue queue;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(test_memory_returns, &queue),
        cmocka_unit_test(test_attested),
    };
    int here;

    if (troupe_init(&argc, &argv) != TROUPE_OK)
        return 1;
    harness_watch(WATCH_SECONDS);
    queue = harness_queue();
    here = exit_code(harness_start_on(0, tell_free, &queue, sizeof queue));
    free_get(queue);
    return troupe_finalize(here == 0 ? cmocka_run_group_tests(tests, NULL, NULL) : here);
}
