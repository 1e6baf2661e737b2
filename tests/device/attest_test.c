/* Whether the device that CUDA opened is the plan's: told once, with the likely cause. */
#include "cases.h"

#include <dlfcn.h>

#include "device/device.h"

static void agrees(void)
{
    CHECK_RESULT(device_attest(), TROUPE_OK);
}

static void differs(const char *says, const char *says_too)
{
    CHECK_RESULT(device_attest(), TROUPE_MISMATCH);
    CHECK_SAYS(says);
    CHECK_SAYS(says_too);
}

static void own_is_opened(const void *unused)
{
    (void)unused;
    agrees(); /* CUDA does not run yet */
    cases_open(TROUPE_GPU_OWN);
    agrees();
}

static void own_is_one_of_two(const void *unused)
{
    (void)unused;
    cases_open(0);
    cases_open(2);
    agrees();
}

static void counted_only(const void *unused)
{
    int devices;

    (void)unused;
    CHECK_RESULT(troupe_gpu_count(&devices), TROUPE_OK);
    agrees();
}

static void another_is_opened(const void *unused)
{
    (void)unused;
    cases_open(0);
    differs("opened device 0, 0000:10:00.0", "the planned one is device 2 here");
    differs("opened device 0", "Stand-in 0000:12:00.0");
}

static void hidden(const void *unused)
{
    (void)unused;
    cases_open(0);
    differs("opened 0000:10:00.0", "before Troupe set");
}

/* As the CUDA runtime of a program does it: none of our calls is in it. */
static void opened_by_others(const void *unused)
{
    int (*init)(unsigned), (*retain)(void **, int);
    void *found, *context;

    (void)unused;
    found = standin_find("cuInit");
    CHECK(found != NULL);
    memcpy(&init, &found, sizeof found);
    found = standin_find("cuDevicePrimaryCtxRetain");
    CHECK(found != NULL);
    memcpy(&retain, &found, sizeof found);
    CHECK(init(0) == 0);
    agrees();
    CHECK(retain(&context, 3) == 0);
    differs("opened device 3, 0000:13:00.0", "the planned one is device 2 here");
}

static void test_attest(void **state)
{
    static const struct {
        const char *placed;
        void (*body)(const void *);
    } cases[] = {
        { "TROUPE_PLACED_GPU=Stand-in 0000:12:00.0", own_is_opened },
        { "TROUPE_PLACED_GPU=Stand-in 0000:13:00.0, Stand-in 0000:11:00.0", own_is_opened },
        { "TROUPE_PLACED_GPU=Stand-in 0000:12:00.0", own_is_one_of_two },
        { "TROUPE_PLACED_GPU=Stand-in 0000:12:00.0", counted_only },
        { "TROUPE_PLACED_GPU=none", own_is_one_of_two },
        { "TROUPE_PLACED_GPU", own_is_one_of_two },
        { "TROUPE_PLACED_GPU=Stand-in 0000:12:00.0", another_is_opened },
        { "TROUPE_PLACED_GPU=Stand-in 0000:99:00.0", hidden },
        { "TROUPE_PLACED_GPU=Stand-in 0000:12:00.0", opened_by_others },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *environment[] = { "STANDIN_DEVICES=4", cases[i].placed, NULL };

        cases_run(environment, cases[i].body, NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_attest) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
