/* Which devices there are: counts, masks, properties, the rank's own, and machines without any. */
#include "cases.h"

struct mask_case {
    const char *devices, *mask; /* NULL: unset */
    int count;                  /* 0: TROUPE_NO_GPU */
    const char *first;          /* the PCI address of device 0 */
};

/* As CUDA reads it: docs/choosing-gpus.md. */
static const struct mask_case masks[] = {
    { "1", NULL, 1, "0000:10:00.0" },
    { "2", NULL, 2, "0000:10:00.0" },
    { "8", NULL, 8, "0000:10:00.0" },
    { "8", "7", 1, "0000:17:00.0" },
    { "8", "5,2,0", 3, "0000:15:00.0" },
    { "4", "0,2,-1,1", 2, "0000:10:00.0" },
    { "4", "1gpu2", 1, "0000:11:00.0" },
    { "4", "1,9,0", 1, "0000:11:00.0" },
    { "2", "1,0,1", 0, NULL },
    { "2", "", 0, NULL },
    { "2", "-1", 0, NULL },
    { "0", NULL, 0, NULL },
    { "2", "GPU-015d5d5d", 1, "0000:11:00.0" },
    { "2", "GPU-015d5d5d-5d5d-5d5d-5d5d-5d5d5d5d5d01,0", 2, "0000:11:00.0" },
    { "2", "GPU-ff", 0, NULL },
};

static void mask_count(const void *argument)
{
    const struct mask_case *wanted = argument;
    troupe_gpu_properties properties;
    int count = -7;

    if (wanted->count == 0) {
        CHECK_RESULT(troupe_gpu_count(&count), TROUPE_NO_GPU);
        CHECK(count == -7);
        CHECK_SAYS(wanted->mask != NULL ? "CUDA_VISIBLE_DEVICES='" : "shows no device");
        return;
    }
    CHECK_RESULT(troupe_gpu_count(&count), TROUPE_OK);
    CHECK(count == wanted->count);
    CHECK_RESULT(troupe_gpu_properties_get(0, &properties), TROUPE_OK);
    CHECK(strcmp(properties.pci, wanted->first) == 0);
    CHECK_RESULT(troupe_gpu_properties_get(count, &properties), TROUPE_BAD_ARGUMENT);
    CHECK_RESULT(troupe_gpu_properties_get(-2, &properties), TROUPE_BAD_ARGUMENT);
}

static void test_masks(void **state)
{
    char devices[32], mask[96];

    (void)state;
    for (size_t i = 0; i < sizeof masks / sizeof *masks; i++) {
        const char *environment[] = { devices, mask, "TROUPE_PLACED_GPU", NULL };

        snprintf(devices, sizeof devices, "STANDIN_DEVICES=%s", masks[i].devices);
        snprintf(mask, sizeof mask, "CUDA_VISIBLE_DEVICES%s%s", masks[i].mask != NULL ? "=" : "",
                 masks[i].mask != NULL ? masks[i].mask : "");
        cases_run(environment, mask_count, &masks[i]);
    }
}

static void all_properties(const void *unused)
{
    troupe_gpu_properties properties;

    (void)unused;
    CHECK_RESULT(troupe_gpu_properties_get(1, &properties), TROUPE_OK);
    CHECK(strstr(properties.name, "Stand-in 1") != NULL);
    CHECK(strcmp(properties.uuid, "GPU-015d5d5d-5d5d-5d5d-5d5d-5d5d5d5d5d01") == 0);
    CHECK(strcmp(properties.pci, "0000:11:00.0") == 0);
    CHECK(properties.memory_bytes == 4096);
    CHECK(properties.compute_major == 9 && properties.compute_minor == 0);
    CHECK(properties.multiprocessors == 132 && properties.block_threads == 1024);
    CHECK(properties.warp_threads == 32 && properties.shared_bytes == 232448);
    CHECK(properties.l2_bytes == 1 << 20 && properties.driver_version == 13000);
}

static void test_properties(void **state)
{
    static const char *const environment[] = { "STANDIN_DEVICES=2", "STANDIN_MEMORY=4096", NULL };

    (void)state;
    cases_run(environment, all_properties, NULL);
}

static void own_is(const void *pci)
{
    troupe_gpu_properties properties;

    CHECK_RESULT(troupe_gpu_properties_get(TROUPE_GPU_OWN, &properties), TROUPE_OK);
    CHECK(strcmp(properties.pci, pci) == 0);
}

/* The plan's device, in each mode; device 0 where there is no plan, or none of it is visible. */
static void test_own(void **state)
{
    static const struct {
        const char *placed, *own;
    } plans[] = {
        { "TROUPE_PLACED_GPU=NVIDIA H200 0000:12:00.0", "0000:12:00.0" },
        { "TROUPE_PLACED_GPU=H200 0000:13:00.0, H200 0000:11:00.0", "0000:13:00.0" },
        { "TROUPE_PLACED_GPU=none", "0000:10:00.0" },
        { "TROUPE_PLACED_GPU", "0000:10:00.0" },
        { "TROUPE_PLACED_GPU=NVIDIA H200 0000:99:00.0", "0000:10:00.0" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof plans / sizeof *plans; i++) {
        const char *environment[] = { "STANDIN_DEVICES=4", plans[i].placed, NULL };

        cases_run(environment, own_is, plans[i].own);
    }
}

static void handles(const void *unused)
{
    troupe_gpu never = { 0 }, gpu = cases_open(0), again = cases_open(0), other = cases_open(1);
    troupe_gpu travelled = { gpu.id ^ 1ULL << 40 };

    (void)unused;
    CHECK(gpu.id == again.id && gpu.id != other.id);
    CHECK_RESULT(troupe_gpu_synchronize(never), TROUPE_BAD_HANDLE);
    CHECK_RESULT(troupe_gpu_synchronize(travelled), TROUPE_BAD_HANDLE);
    CHECK_SAYS("does not travel");
    CHECK_RESULT(troupe_gpu_close(gpu), TROUPE_OK);
    CHECK_RESULT(troupe_gpu_synchronize(gpu), TROUPE_OK);
    CHECK_RESULT(troupe_gpu_close(gpu), TROUPE_OK);
    CHECK_RESULT(troupe_gpu_synchronize(gpu), TROUPE_BAD_HANDLE);
    CHECK_SAYS("was closed");
    CHECK_RESULT(troupe_gpu_close(gpu), TROUPE_BAD_HANDLE);
    CHECK_RESULT(troupe_gpu_synchronize(other), TROUPE_OK);
    CHECK(cases_open(0).id == gpu.id);
    CHECK_RESULT(troupe_gpu_synchronize(gpu), TROUPE_OK);
}

static void handle_before_any(const void *unused)
{
    (void)unused;
    CHECK_RESULT(troupe_gpu_synchronize((troupe_gpu){ 1 }), TROUPE_BAD_HANDLE);
}

static void test_handles(void **state)
{
    static const char *const environment[] = { "STANDIN_DEVICES=2", NULL };

    (void)state;
    cases_run(environment, handles, NULL);
    cases_run(environment, handle_before_any, NULL);
}

static void no_gpu(const void *says)
{
    troupe_gpu gpu;
    int count;

    CHECK_RESULT(troupe_gpu_count(&count), TROUPE_NO_GPU);
    CHECK_SAYS(says);
    CHECK_RESULT(troupe_gpu_open(TROUPE_GPU_OWN, &gpu), TROUPE_NO_GPU);
    CHECK_SAYS(says);
}

static void test_no_driver(void **state)
{
    static const char *const missing[] = { "TROUPE_CUDA_LIBRARY=/nowhere/libcuda.so.1", NULL };
    static const char *const old[] = { "TROUPE_CUDA_LIBRARY=libc.so.6", NULL };
    static const char *const stub[] = { "STANDIN_FAIL=cuInit:1:34,cuInit:2:34", NULL };

    (void)state;
    cases_run(missing, no_gpu, "/nowhere/libcuda.so.1");
    cases_run(old, no_gpu, "older than");
    cases_run(stub, no_gpu, "stub");
}

/* What failed once may work later: a mask that was set right, a driver that is up again. */
static void mask_corrected(const void *unused)
{
    int count;

    (void)unused;
    CHECK_RESULT(troupe_gpu_count(&count), TROUPE_NO_GPU);
    setenv("CUDA_VISIBLE_DEVICES", "1", 1);
    CHECK_RESULT(troupe_gpu_count(&count), TROUPE_OK);
    CHECK(count == 1);
}

static void test_retry(void **state)
{
    static const char *const environment[] = { "STANDIN_DEVICES=2", "CUDA_VISIBLE_DEVICES=-1",
                                               NULL };

    (void)state;
    cases_run(environment, mask_corrected, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_masks), cmocka_unit_test(test_properties),
        cmocka_unit_test(test_own),   cmocka_unit_test(test_handles),
        cmocka_unit_test(test_retry), cmocka_unit_test(test_no_driver),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
