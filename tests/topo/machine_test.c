/* Machines from files: GPUs in PCI order whatever order the file has, decoys out, places known or
 * not, nodes without CPUs left out, allowed PUs alone. */
#include "topo_test.h"

#include <string.h>

#include "topo/trial.h"

/* Writes what a GPU list says, "pci numa;pci numa;", for comparison in one go. */
static void gpus_text(const struct machine *machine, char *to, size_t size)
{
    struct text text = { 0 };

    for (size_t i = 0; i < machine->gpus_count; i++) {
        text_append(&text, "%d %s ", machine->gpus[i].index, machine->gpus[i].pci);
        if (machine->gpus[i].located)
            cpus_append_list(&text, &machine->gpus[i].numa);
        else
            text_append(&text, "?");
        text_append(&text, ";");
    }
    snprintf(to, size, "%s", text.data != NULL ? text.data : "");
    text_free(&text);
}

static void gpus_are_found_in_pci_order(void **state)
{
    static const char *const machines[][2] = {
        { "two-sockets-four-gpus-on-one",
          "0 0000:17:00.0 0;1 0000:31:00.0 0;2 0000:4b:00.0 0;3 0000:65:00.0 0;" },
        { "eight-numa-out-of-order",
          "0 0000:07:00.0 3;1 0000:0b:00.0 1;2 0000:48:00.0 0;3 0000:4c:00.0 2;"
          "4 0000:88:00.0 7;5 0000:8b:00.0 5;6 0000:c8:00.0 6;7 0000:cb:00.0 4;" },
        { "domains", "0 0001:00:00.0 0;1 0002:00:00.0 0;2 000a:00:00.0 1;3 c0de:01:00.0 1;" },
        { "no-locality", "0 0000:01:00.0 ?;1 0000:41:00.0 ?;2 0000:81:00.0 ?;3 0000:c1:00.0 ?;" },
        { "switches", "0 0000:1b:00.0 0;1 0000:1d:00.0 0;2 0000:3d:00.0 0;3 0000:40:00.0 0;"
                      "4 0000:8b:00.0 1;5 0000:8d:00.0 1;6 0000:ad:00.0 1;7 0000:b0:00.0 1;" },
        { "decoys", "0 0000:41:00.0 0;1 0000:a1:00.0 1;" },
        { "memory-nodes", "0 0004:04:00.0 0;1 0004:05:00.0 0;2 0035:03:00.0 1;3 0035:04:00.0 1;" },
        { "mig", "0 0000:17:00.0 0;0 0000:17:00.0 0;0 0000:17:00.0 0;1 0000:65:00.0 0;"
                 "2 0000:ca:00.0 1;3 0000:e3:00.0 1;" },
        { "on-the-package", "0 0000:17:00.0 0-1;1 0000:a1:00.0 2-3;" },
        { "half-allowed", "0 0000:17:00.0 0;1 0000:a1:00.0 1;" },
        { "no-gpu", "" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof machines / sizeof *machines; i++) {
        struct machine machine;
        char text[512];

        machine_of(machines[i][0], &machine);
        gpus_text(&machine, text, sizeof text);
        assert_string_equal(text, machines[i][1]);
        assert_string_equal(machine.name, machines[i][0]);
        machine_free(&machine);
    }
}

static void nodes_without_cpus_are_nobodys(void **state)
{
    struct machine machine;

    (void)state;
    machine_of("memory-nodes", &machine);
    assert_int_equal(machine.numa_count, 2);
    assert_int_equal(machine.numa[0].os_index, 0);
    assert_int_equal(machine.numa[1].os_index, 1);
    assert_int_equal(machine.cores_count, 32);
    assert_int_equal(machine.cores[0].pus.count, 4);
    machine_free(&machine);
}

static void only_allowed_pus_count(void **state)
{
    struct machine machine;
    struct cpus cpus = { 0 };

    (void)state;
    machine_of("half-allowed", &machine);
    assert_int_equal(machine.cores_count, 6);
    assert_int_equal(machine.cores[0].pus.ids[0], 10);
    assert_int_equal(cpus_read_list("12,13,99", &cpus), TROUPE_OK);
    assert_true(machine_restrict(&machine, &cpus));
    assert_int_equal(machine.cores_count, 2);
    cpus.ids[0] = cpus.ids[1] = 0;
    assert_false(machine_restrict(&machine, &cpus));
    assert_int_equal(machine.cores_count, 2);
    cpus_free(&cpus);
    machine_free(&machine);
}

static void distances_order_near_before_far(void **state)
{
    struct machine machine;

    (void)state;
    machine_of("eight-numa-out-of-order", &machine);
    /* GPU 0 is on NUMA node 3 of the first package; cores come eight to a node. */
    assert_int_equal(machine_distance(&machine, 3 * 8, 0), 0);
    assert_in_range(machine_distance(&machine, 0, 0), MACHINE_SAME_PACKAGE,
                    MACHINE_OTHER_PACKAGE - 1);
    assert_in_range(machine_distance(&machine, 5 * 8, 0), MACHINE_OTHER_PACKAGE, MACHINE_FARTHEST);
    machine_free(&machine);
    machine_of("no-locality", &machine);
    for (size_t core = 0; core < machine.cores_count; core++)
        assert_int_equal(machine_distance(&machine, core, 0), 0);
    machine_free(&machine);
}

static void files_that_are_none_are_named(void **state)
{
    struct machine machine;

    (void)state;
    assert_int_equal(machine_load(TOPO_DATA "/topologies/absent.xml", &machine), TROUPE_NOT_FOUND);
    assert_non_null(strstr(troupe_last_error(), "absent.xml"));
    assert_int_equal(machine_load(TOPO_DATA "/masks.txt", &machine), TROUPE_BAD_ARGUMENT);
    assert_non_null(strstr(troupe_last_error(), "masks.txt"));
}

static void a_file_is_tried_where_it_does_no_harm(void **state)
{
    struct machine machine;

    (void)state;
    assert_int_equal(topology_try(NULL), TROUPE_OK);
    assert_int_equal(topology_try(TOPO_DATA "/topologies/domains.xml"), TROUPE_OK);
    assert_int_equal(topology_try(TOPO_DATA "/broken/cut.xml"), TROUPE_BAD_ARGUMENT);
    assert_non_null(strstr(troupe_last_error(), "cut.xml"));
    assert_null(strstr(troupe_last_error(), "crashes"));
    if (topology_try(TOPO_DATA "/broken/attribute-newer.xml") == TROUPE_OK)
        skip(); /* this hwloc reads it */
    assert_non_null(strstr(troupe_last_error(), "attribute-newer.xml: hwloc crashes"));
    machine_of("domains", &machine);
    machine_free(&machine);
}

static void this_machine_loads(void **state)
{
    struct machine machine;
    struct cpus own = { 0 }, all = { 0 };

    (void)state;
    assert_int_equal(machine_load(NULL, &machine), TROUPE_OK);
    assert_int_equal(machine_cpus(&machine, &all), TROUPE_OK);
    assert_int_equal(cpus_of_process(0, &own), TROUPE_OK);
    assert_true(cpus_contains_all(&all, &own));
    if (!machine_has_nvidia())
        assert_int_equal(machine.gpus_count, 0);
    cpus_free(&own);
    cpus_free(&all);
    machine_free(&machine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gpus_are_found_in_pci_order),
        cmocka_unit_test(nodes_without_cpus_are_nobodys),
        cmocka_unit_test(only_allowed_pus_count),
        cmocka_unit_test(distances_order_near_before_far),
        cmocka_unit_test(files_that_are_none_are_named),
        cmocka_unit_test(a_file_is_tried_where_it_does_no_harm),
        cmocka_unit_test(this_machine_loads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
