/* The GPU in a running world, with two stand-in devices: ranks keep nothing of their targets'
 * memory, a choice of devices that comes too late is told, spawned processes make it anew, memory
 * is shared by message, and a fork of a target that used CUDA is refused. */
#include "../world/harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "troupe/gpu.h"

#define BYTES 4096
#define WATCH_SECONDS 100
#define BYTE 7

/* ---- targets ---------------------------------------------------------------------------- */

/* Takes memory and leaves it; fails when somebody before left some. */
static int leave_memory(const void *argument, size_t bytes)
{
    troupe_gpu gpu;
    troupe_gpu_memory memory;
    uint64_t free_bytes, total_bytes;

    (void)argument;
    (void)bytes;
    if (troupe_gpu_open(0, &gpu) != TROUPE_OK ||
        troupe_gpu_memory_info(gpu, &free_bytes, &total_bytes) != TROUPE_OK)
        return 1;
    if (free_bytes != total_bytes)
        return 2;
    return troupe_gpu_alloc(gpu, BYTES, &memory) == TROUPE_OK ? 0 : 3;
}

/* Returns how many devices it sees. */
static int count_devices(const void *argument, size_t bytes)
{
    int devices;

    (void)argument;
    (void)bytes;
    return troupe_gpu_count(&devices) == TROUPE_OK ? devices : 100;
}

static int fork_after_use(const void *argument, size_t bytes)
{
    troupe_gpu gpu;
    int status;
    pid_t child;

    (void)argument;
    (void)bytes;
    if (troupe_gpu_open(0, &gpu) != TROUPE_OK)
        return 1;
    child = fork();
    if (child == 0)
        _exit(troupe_gpu_synchronize(gpu) == TROUPE_EFORKED ? 0 : 1);
    return waitpid(child, &status, 0) == child && status == 0 ? 0 : 2;
}

/* By the world's own fork it is said at the start, with what used CUDA and what to do instead; and
 * a caller that did not use it may. */
static int start_by_fork(const void *argument, size_t bytes)
{
    const troupe_process_options options = { .method = TROUPE_METHOD_FORK };
    troupe_process process = { 77 };
    troupe_gpu gpu;

    (void)argument;
    (void)bytes;
    if (troupe_process_start(count_devices, NULL, 0, &options, &process) != TROUPE_OK ||
        troupe_process_join(process, HARNESS_LIMIT_MS) != TROUPE_OK ||
        troupe_process_close(process) != TROUPE_OK)
        return 1;
    if (troupe_gpu_open(0, &gpu) != TROUPE_OK)
        return 2;
    process.id = 77;
    if (troupe_process_start(count_devices, NULL, 0, &options, &process) != TROUPE_EFORKED ||
        process.id != 77)
        return 3;
    return strstr(troupe_last_error(), "cannot re-initialize CUDA in a forked process") != NULL &&
                   strstr(troupe_last_error(), "troupe_gpu_open") != NULL &&
                   strstr(troupe_last_error(), "TROUPE_METHOD_SPAWN") != NULL
               ? 0
               : 4;
}

/* A fresh process knows the place of its rank: troupe_gpu_open and the failures use it. */
static int know_place(const void *argument, size_t bytes)
{
    (void)argument;
    (void)bytes;
    return getenv("TROUPE_PLACED_GPU") != NULL && getenv("TROUPE_PLACED_REASON") != NULL ? 0 : 1;
}

struct pair {
    troupe_queue shares, done;
};

static int share_memory(const void *argument, size_t bytes)
{
    const struct pair *pair = argument;
    const unsigned char byte = BYTE;
    unsigned char seen = 0;
    troupe_gpu gpu;
    troupe_gpu_memory memory;
    troupe_gpu_share share;
    int done;

    (void)bytes;
    if (troupe_gpu_open(0, &gpu) != TROUPE_OK ||
        troupe_gpu_alloc(gpu, BYTES, &memory) != TROUPE_OK ||
        troupe_gpu_copy_in(gpu, &byte, 1, memory) != TROUPE_OK ||
        troupe_gpu_share_create(gpu, memory, BYTES, &share) != TROUPE_OK ||
        troupe_queue_put(pair->shares, &share, sizeof share, TROUPE_FOREVER) != TROUPE_OK ||
        troupe_queue_get(pair->done, &done, sizeof done, NULL, HARNESS_LIMIT_MS) != TROUPE_OK)
        return 1;
    return troupe_gpu_copy_out(gpu, memory, 1, &seen) == TROUPE_OK && seen == BYTE + 1 ? 0 : 2;
}

static int open_share(const void *argument, size_t bytes)
{
    const struct pair *pair = argument;
    troupe_gpu gpu;
    troupe_gpu_memory memory;
    troupe_gpu_share share;
    unsigned char byte = 0;

    (void)bytes;
    if (troupe_queue_get(pair->shares, &share, sizeof share, NULL, HARNESS_LIMIT_MS) != TROUPE_OK ||
        troupe_gpu_open(0, &gpu) != TROUPE_OK ||
        troupe_gpu_share_open(gpu, &share, &memory) != TROUPE_OK ||
        troupe_gpu_copy_out(gpu, memory, 1, &byte) != TROUPE_OK || byte != BYTE)
        return 1;
    byte++;
    return troupe_gpu_copy_in(gpu, &byte, 1, memory) == TROUPE_OK && share.rank == 0 &&
                   troupe_gpu_share_close(gpu, memory) == TROUPE_OK &&
                   troupe_queue_put(pair->done, &share.rank, sizeof share.rank, TROUPE_FOREVER) ==
                       TROUPE_OK
               ? 0
               : 2;
}

/* ---- in the parent ---------------------------------------------------------------------- */

/* Before any other: nothing has used CUDA in the ranks yet. */
static void test_late_choice(void **state)
{
    troupe_process_status status;

    (void)state;
    setenv("CUDA_VISIBLE_DEVICES", "1", 1);
    harness_done(harness_start_on(0, count_devices, NULL, 0), 1);
    setenv("CUDA_VISIBLE_DEVICES", "0,1", 1);
    status = harness_end(harness_start_on(0, count_devices, NULL, 0));
    assert_int_equal(status.state, TROUPE_STATE_FAILED);
    assert_non_null(strstr(status.reason, "TROUPE_CUDA_STARTED"));
    assert_non_null(strstr(status.reason, "TROUPE_METHOD_SPAWN"));
    harness_done(harness_spawn(count_devices, NULL, 0), 2);
    setenv("CUDA_VISIBLE_DEVICES", "1", 1);
    harness_done(harness_spawn(count_devices, NULL, 0), 1);
    unsetenv("CUDA_VISIBLE_DEVICES");
    harness_done(harness_start_on(1, count_devices, NULL, 0), 2);
}

static void test_place(void **state)
{
    (void)state;
    harness_done(harness_start_on(0, know_place, NULL, 0), 0);
    harness_done(harness_spawn(know_place, NULL, 0), 0);
}

static void test_memory_returns(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++)
        harness_done(harness_start_on(1, leave_memory, NULL, 0), 0);
}

static void test_fork(void **state)
{
    (void)state;
    harness_done(harness_start_on(1, fork_after_use, NULL, 0), 0);
    harness_done(harness_spawn(fork_after_use, NULL, 0), 0);
    harness_done(harness_spawn(start_by_fork, NULL, 0), 0);
}

/* Rank 0 came to see device 1 alone, in the first test; rank 1 sees both. */
static void test_share(void **state)
{
    struct pair pair = { harness_queue(), harness_queue() };
    troupe_process owner = harness_start_on(0, share_memory, &pair, sizeof pair);
    troupe_process opener = harness_start_on(1, open_share, &pair, sizeof pair);

    (void)state;
    harness_done(opener, 0);
    harness_done(owner, 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_late_choice),    cmocka_unit_test(test_place),
        cmocka_unit_test(test_memory_returns), cmocka_unit_test(test_fork),
        cmocka_unit_test(test_share),
    };

    if (troupe_init(&argc, &argv) != TROUPE_OK)
        return 1;
    harness_watch(WATCH_SECONDS);
    return troupe_finalize(cmocka_run_group_tests(tests, NULL, NULL));
}
