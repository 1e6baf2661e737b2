/* What the driver says, from its files (tests/data/driver) and from its library (fake_nvml.c). */
#include "topo_test.h"

#include <stdlib.h>

#include "nvml/internal.h"

static const char root[] = TOPO_DATA "/driver";

static void files_tell_name_uuid_and_minor(void **state)
{
    struct nvml_devices devices = { 0 };
    const struct nvml_device *device;

    (void)state;
    assert_int_equal(nvml_proc_list(root, &devices), TROUPE_OK);
    assert_int_equal(devices.count, 2);
    device = nvml_devices_find(&devices, 0, 0x17, 0);
    assert_non_null(device);
    assert_string_equal(device->uuid, "GPU-8932f937-d72c-4106-c12f-20bd9faed9f6");
    assert_string_equal(device->name, "NVIDIA A100-SXM4-80GB");
    assert_int_equal(device->minor, 0);
    nvml_devices_free(&devices);
}

/* Before the device's first use the driver shows question marks. */
static void an_unread_uuid_is_none(void **state)
{
    struct nvml_devices devices = { 0 };
    const struct nvml_device *device;

    (void)state;
    assert_int_equal(nvml_proc_list(root, &devices), TROUPE_OK);
    device = nvml_devices_find(&devices, 1, 0xca, 0);
    assert_non_null(device);
    assert_null(device->uuid);
    assert_int_equal(device->minor, 1);
    assert_null(nvml_devices_find(&devices, 1, 0x17, 0));
    nvml_devices_free(&devices);
}

static void files_tell_of_instances_and_version(void **state)
{
    char version[32];

    (void)state;
    assert_false(nvml_proc_has_instances(root, 0));
    assert_true(nvml_proc_has_instances(root, 1));
    assert_true(nvml_proc_driver_version(root, version, sizeof version));
    assert_string_equal(version, "550.54.15");
    assert_false(nvml_proc_driver_version("/nonexistent", version, sizeof version));
}

static void no_driver_is_no_device_and_no_error(void **state)
{
    struct nvml_devices devices = { 0 };

    (void)state;
    assert_int_equal(nvml_proc_list("/nonexistent", &devices), TROUPE_OK);
    assert_int_equal(devices.count, 0);
    nvml_devices_free(&devices);
}

static void the_library_tells_instances_too(void **state)
{
    struct nvml_devices devices = { 0 };

    (void)state;
    assert_int_equal(nvml_library_list(&devices), TROUPE_OK);
    assert_int_equal(devices.count, 2);
    assert_string_equal(devices.items[0].uuid, "GPU-00000000");
    assert_int_equal(devices.items[0].bus, 0x17);
    assert_false(devices.items[0].mig);
    assert_true(devices.items[1].mig);
    assert_int_equal(devices.items[1].domain, 1);
    assert_int_equal(devices.items[1].instances_count, 2);
    assert_string_equal(devices.items[1].instances[0].uuid, "MIG-00000002");
    assert_string_equal(devices.items[1].instances[1].uuid, "MIG-00000006");
    assert_string_equal(devices.items[1].instances[1].name, "Fake MIG 1g.10gb");
    nvml_devices_free(&devices);
}

static void the_library_tells_modes_and_the_cuda_it_runs(void **state)
{
    struct nvml_devices devices = { 0 };
    int version = 0;

    (void)state;
    assert_true(nvml_cuda_version(&version));
    assert_int_equal(version, 12040);
    setenv("FAKE_NVML_MIG_PENDING", "1", 1);
    assert_int_equal(nvml_devices_ask(&devices), TROUPE_OK);
    assert_int_equal(devices.count, 2);
    assert_true(devices.items[0].mig_pending);
    assert_false(devices.items[0].mig);
    assert_int_equal(devices.items[0].compute, NVML_COMPUTE_EXCLUSIVE);
    assert_false(devices.items[1].mig_pending);
    assert_int_equal(devices.items[1].compute, NVML_COMPUTE_SHARED);
    nvml_devices_free(&devices);
}

static void the_library_tells_health(void **state)
{
    struct nvml_health health;

    (void)state;
    nvml_health_get("0000:17:00.0", &health);
    assert_true(health.has_temperature && health.has_ecc);
    assert_int_equal(health.temperature_c, 41);
    assert_int_equal(health.ecc_corrected, 3);
    assert_int_equal(health.ecc_uncorrected, 1);
    nvml_health_get("0001:ca:00.0", &health);
    assert_true(health.has_temperature && !health.has_ecc);
    assert_int_equal(health.temperature_c, 55);
    nvml_health_get("0000:99:00.0", &health);
    assert_false(health.has_temperature || health.has_ecc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_tell_name_uuid_and_minor),
        cmocka_unit_test(an_unread_uuid_is_none),
        cmocka_unit_test(files_tell_of_instances_and_version),
        cmocka_unit_test(no_driver_is_no_device_and_no_error),
        cmocka_unit_test(the_library_tells_instances_too),
        cmocka_unit_test(the_library_tells_health),
        cmocka_unit_test(the_library_tells_modes_and_the_cuda_it_runs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
