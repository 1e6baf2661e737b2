/* Device memory between processes: an owner shares, another process opens, writes and closes. */
#include "cases.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#define BYTES 1024
#define OFFSET 100

/* What the owner is told to do next, one byte each. */
enum { OWNER_FREE = 'f', OWNER_END = 'e', OWNER_DID = 'd' };

/* An owner in a process of its own, and the pipes to it. */
struct owner {
    pid_t pid;
    int to, from;
    troupe_gpu_share share;
};

static void owner_tell(const struct owner *owner, char order)
{
    char did;

    CHECK(write(owner->to, &order, 1) == 1);
    CHECK(read(owner->from, &did, 1) == 1 && did == OWNER_DID);
}

/* Shares a piece of what it has, then does as told; on OWNER_END the piece must hold what the other
 * process wrote. */
static void owner_main(int from, int to)
{
    troupe_gpu gpu = cases_open(0);
    troupe_gpu_memory memory, piece;
    troupe_gpu_share share;
    unsigned char bytes[BYTES];
    char order, did = OWNER_DID;

    memset(bytes, 1, sizeof bytes);
    CHECK_RESULT(troupe_gpu_alloc(gpu, BYTES, &memory), TROUPE_OK);
    CHECK_RESULT(troupe_gpu_copy_in(gpu, bytes, BYTES, memory), TROUPE_OK);
    piece.address = memory.address + OFFSET;
    CHECK_RESULT(troupe_gpu_share_create(gpu, piece, BYTES - OFFSET, &share), TROUPE_OK);
    CHECK(write(to, &share, sizeof share) == sizeof share);
    while (read(from, &order, 1) == 1) {
        if (order == OWNER_FREE)
            CHECK_RESULT(troupe_gpu_free(gpu, memory), TROUPE_OK);
        else
            CHECK_RESULT(troupe_gpu_copy_out(gpu, memory, BYTES, bytes), TROUPE_OK);
        CHECK(order == OWNER_FREE || (bytes[OFFSET - 1] == 1 && bytes[OFFSET] == 2));
        CHECK(write(to, &did, 1) == 1);
    }
    exit(0);
}

static struct owner owner_start(const char *mask)
{
    int orders[2], answers[2];
    struct owner owner;

    CHECK(pipe(orders) == 0 && pipe(answers) == 0);
    owner.pid = fork();
    CHECK(owner.pid >= 0);
    if (owner.pid == 0) {
        close(orders[1]);
        close(answers[0]);
        if (mask != NULL)
            setenv("CUDA_VISIBLE_DEVICES", mask, 1);
        owner_main(orders[0], answers[1]);
    }
    close(orders[0]);
    close(answers[1]);
    owner.to = orders[1];
    owner.from = answers[0];
    CHECK(read(owner.from, &owner.share, sizeof owner.share) == sizeof owner.share);
    return owner;
}

static void owner_stop(const struct owner *owner)
{
    int status;

    close(owner->to);
    CHECK(waitpid(owner->pid, &status, 0) == owner->pid && status == 0);
    close(owner->from);
}

static void shared(const void *unused)
{
    struct owner owner = owner_start(NULL);
    troupe_gpu gpu = cases_open(0);
    troupe_gpu_memory opened = { 0 }, again;
    unsigned char byte = 0;

    (void)unused;
    CHECK(owner.share.bytes == BYTES - OFFSET && owner.share.rank == -1);
    CHECK_RESULT(troupe_gpu_share_open(gpu, &owner.share, &opened), TROUPE_OK);
    CHECK_RESULT(troupe_gpu_share_open(gpu, &owner.share, &again), TROUPE_OK);
    CHECK(opened.address == again.address);
    CHECK_RESULT(troupe_gpu_copy_out(gpu, opened, 1, &byte), TROUPE_OK);
    CHECK(byte == 1);
    CHECK_RESULT(troupe_gpu_share_close(gpu, again), TROUPE_OK);
    byte = 2;
    CHECK_RESULT(troupe_gpu_copy_in(gpu, &byte, 1, opened), TROUPE_OK);
    CHECK_RESULT(troupe_gpu_share_close(gpu, opened), TROUPE_OK);
    CHECK_RESULT(troupe_gpu_share_close(gpu, opened), TROUPE_BAD_ARGUMENT);
    CHECK_RESULT(troupe_gpu_copy_in(gpu, &byte, 1, opened), TROUPE_GPU);
    owner_tell(&owner, OWNER_END);
    owner_tell(&owner, OWNER_FREE);
    CHECK_RESULT(troupe_gpu_share_open(gpu, &owner.share, &opened), TROUPE_LOST);
    CHECK_SAYS("CUDA_ERROR_INVALID_HANDLE");
    owner_stop(&owner);
    CHECK_RESULT(troupe_gpu_share_open(gpu, &owner.share, &opened), TROUPE_LOST);
}

static void test_shared(void **state)
{
    (void)state;
    cases_run(NULL, shared, NULL);
}

static void elsewhere(const void *unused)
{
    struct owner owner = owner_start(NULL);
    troupe_gpu gpu = cases_open(0);
    troupe_gpu_memory opened = { 7 };

    (void)unused;
    owner.share.node = 3;
    snprintf(owner.share.host, sizeof owner.share.host, "node03");
    snprintf(owner.share.machine, sizeof owner.share.machine, "another");
    CHECK_RESULT(troupe_gpu_share_open(gpu, &owner.share, &opened), TROUPE_NO_GPU);
    CHECK_SAYS("on node 3 (node03)");
    CHECK_SAYS("troupe_gpu_copy_out, a queue, troupe_gpu_copy_in");
    CHECK(opened.address == 7);
    owner_stop(&owner);
}

static void hidden(const void *unused)
{
    struct owner owner = owner_start("1");
    troupe_gpu_memory opened = { 7 };

    (void)unused;
    setenv("CUDA_VISIBLE_DEVICES", "0", 1);
    CHECK_RESULT(troupe_gpu_share_open(cases_open(0), &owner.share, &opened), TROUPE_NO_GPU);
    CHECK_SAYS("GPU-015d5d5d-");
    CHECK_SAYS("--gpu-mode peer");
    CHECK(opened.address == 7);
    owner_stop(&owner);
}

static void peer(const void *unused)
{
    struct owner owner = owner_start("1");
    troupe_gpu gpu = cases_open(0);
    troupe_gpu_memory opened;

    (void)unused;
    CHECK_RESULT(troupe_gpu_share_open(gpu, &owner.share, &opened), TROUPE_OK);
    CHECK_RESULT(troupe_gpu_share_close(gpu, opened), TROUPE_OK);
    owner_stop(&owner);
}

static void test_reach(void **state)
{
    static const char *const two[] = { "STANDIN_DEVICES=2", "CUDA_VISIBLE_DEVICES", NULL };

    (void)state;
    cases_run(NULL, elsewhere, NULL);
    cases_run(two, hidden, NULL);
    cases_run(two, peer, NULL);
}

static void own(const void *unused)
{
    troupe_gpu gpu = cases_open(0);
    troupe_gpu_memory memory, piece, opened;
    troupe_gpu_share share;

    (void)unused;
    CHECK_RESULT(troupe_gpu_alloc(gpu, BYTES, &memory), TROUPE_OK);
    piece.address = memory.address + OFFSET;
    CHECK_RESULT(troupe_gpu_share_create(gpu, piece, BYTES, &share), TROUPE_BAD_ARGUMENT);
    CHECK_RESULT(troupe_gpu_share_create(gpu, piece, 0, &share), TROUPE_BAD_ARGUMENT);
    CHECK_RESULT(troupe_gpu_share_create(gpu, (troupe_gpu_memory){ 64 }, 1, &share), TROUPE_GPU);
    CHECK_RESULT(troupe_gpu_share_create(gpu, piece, 1, &share), TROUPE_OK);
    CHECK_RESULT(troupe_gpu_share_open(gpu, &share, &opened), TROUPE_OK);
    CHECK(opened.address == piece.address);
    CHECK_RESULT(troupe_gpu_share_close(gpu, opened), TROUPE_OK);
    CHECK_RESULT(troupe_gpu_share_close(gpu, opened), TROUPE_BAD_ARGUMENT);
    CHECK_RESULT(troupe_gpu_free(gpu, memory), TROUPE_OK);
}

static void mig(const void *unused)
{
    troupe_gpu gpu = cases_open(0);
    troupe_gpu_memory memory;
    troupe_gpu_share share;

    (void)unused;
    CHECK_RESULT(troupe_gpu_alloc(gpu, BYTES, &memory), TROUPE_OK);
    CHECK_RESULT(troupe_gpu_share_create(gpu, memory, BYTES, &share), TROUPE_NO_GPU);
    CHECK_SAYS("MIG-005d5d5d-");
}

static void unsupported(const void *unused)
{
    troupe_gpu gpu = cases_open(0);
    troupe_gpu_memory memory;
    troupe_gpu_share share;

    (void)unused;
    CHECK_RESULT(troupe_gpu_alloc(gpu, BYTES, &memory), TROUPE_OK);
    CHECK_RESULT(troupe_gpu_share_create(gpu, memory, BYTES, &share), TROUPE_NO_GPU);
    CHECK_SAYS("CUDA_ERROR_NOT_SUPPORTED");
}

static void test_own(void **state)
{
    static const char *const instances[] = { "STANDIN_MIG=1", NULL };
    static const char *const refuses[] = { "STANDIN_FAIL=cuIpcGetMemHandle:1:801", NULL };

    (void)state;
    cases_run(NULL, own, NULL);
    cases_run(instances, mig, NULL);
    cases_run(refuses, unsupported, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shared),
        cmocka_unit_test(test_reach),
        cmocka_unit_test(test_own),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
