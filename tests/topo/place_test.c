/* Places: from the environment's options to what a rank gets, and what a second look finds. */
#include "topo_test.h"

#include <stdlib.h>
#include <string.h>

#include "topo/attest.h"
#include "topo/place.h"

static void environment_clear(void)
{
    static const char *const names[] = {
        "TROUPE_GPU_MODE",   "TROUPE_GPUS_PER_RANK", "TROUPE_BIND",
        "TROUPE_TOPOLOGY",   "TROUPE_PLACED",        "TROUPE_PLACED_CPUS",
        "TROUPE_PLACED_GPU", "TROUPE_PLACED_REASON", "CUDA_VISIBLE_DEVICES",
        "CUDA_DEVICE_ORDER", "PMIX_NAMESPACE",       "OMPI_MCA_orte_bound_at_launch",
        "SLURM_LOCALID",     "SLURM_CPU_BIND_TYPE",  "OMPI_COMM_WORLD_RANK",
        "OMP_PROC_BIND",     "GOMP_CPU_AFFINITY",    "KMP_AFFINITY",
    };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unsetenv(names[i]);
}

static int setup(void **state)
{
    (void)state;
    environment_clear();
    return 0;
}

static void expect_environment(const char *name, const char *value)
{
    const char *now = getenv(name);

    if (value == NULL) {
        assert_null(now);
        return;
    }
    assert_non_null(now);
    assert_string_equal(now, value);
}

static void options_come_from_the_environment(void **state)
{
    struct topo_options options;

    (void)state;
    assert_int_equal(topo_options_read(&options), TROUPE_OK);
    assert_int_equal(options.mode, PLAN_ISOLATE);
    assert_int_equal(options.bind, PLAN_BIND_NONE);
    assert_int_equal(options.gpus_per_rank, 0);
    assert_null(options.topology);
    setenv("TROUPE_GPU_MODE", "peer", 1);
    setenv("TROUPE_BIND", "numa", 1);
    setenv("TROUPE_GPUS_PER_RANK", "2", 1);
    setenv("TROUPE_TOPOLOGY", "a.xml", 1);
    assert_int_equal(topo_options_read(&options), TROUPE_OK);
    assert_int_equal(options.mode, PLAN_PEER);
    assert_int_equal(options.bind, PLAN_BIND_NUMA);
    assert_int_equal(options.gpus_per_rank, 2);
    assert_string_equal(options.topology, "a.xml");
}

static void wrong_options_are_named(void **state)
{
    static const char *const wrong[][2] = {
        { "TROUPE_GPU_MODE", "all" },      { "TROUPE_GPU_MODE", "" },
        { "TROUPE_BIND", "socket" },       { "TROUPE_GPUS_PER_RANK", "0" },
        { "TROUPE_GPUS_PER_RANK", "abc" }, { "TROUPE_GPUS_PER_RANK", "-1" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct topo_place place;

        environment_clear();
        setenv(wrong[i][0], wrong[i][1], 1);
        assert_int_equal(topo_place_compute(0, 1, NULL, &place), TROUPE_BAD_ARGUMENT);
        assert_non_null(strstr(troupe_last_error(), wrong[i][0]));
    }
    environment_clear();
}

static void ranks_that_cannot_be_are_refused(void **state)
{
    struct topo_place place;

    (void)state;
    assert_int_equal(topo_place_compute(-1, 1, NULL, &place), TROUPE_BAD_ARGUMENT);
    assert_int_equal(topo_place_compute(4, 4, NULL, &place), TROUPE_BAD_ARGUMENT);
    assert_int_equal(topo_place_compute(0, 0, NULL, &place), TROUPE_BAD_ARGUMENT);
}

/* The tutorial exports a mask and prints it on machines without a GPU too. */
static void a_mask_without_gpus_is_passed_on(void **state)
{
    struct topo_place place;

    (void)state;
    setenv("TROUPE_TOPOLOGY", TOPO_DATA "/topologies/no-gpu.xml", 1);
    setenv("CUDA_VISIBLE_DEVICES", "0,1,2,3", 1);
    for (int rank = 0; rank < 4; rank++) {
        assert_int_equal(topo_place_compute(rank, 4, NULL, &place), TROUPE_OK);
        assert_null(place.cuda_visible_devices);
        assert_string_equal(place.gpu, "none");
        topo_place_free(&place);
    }
    setenv("CUDA_VISIBLE_DEVICES", "0,,nonsense", 1);
    assert_int_equal(topo_place_compute(0, 1, NULL, &place), TROUPE_OK);
    topo_place_free(&place);
    environment_clear();
}

static void ranks_get_their_gpus(void **state)
{
    struct topo_place place;
    char index[2] = "0";

    (void)state;
    setenv("TROUPE_TOPOLOGY", TOPO_DATA "/topologies/domains.xml", 1);
    for (int rank = 0; rank < 4; rank++) {
        index[0] = (char)('0' + rank);
        assert_int_equal(topo_place_compute(rank, 4, NULL, &place), TROUPE_OK);
        assert_string_equal(place.cuda_visible_devices, index);
        assert_string_equal(place.cuda_device_order, "PCI_BUS_ID");
        assert_non_null(strstr(place.gpu, "NVIDIA A100"));
        assert_false(place.bind);
        topo_place_free(&place);
    }
    environment_clear();
}

/* `troupe wrap` above a Troupe program: the program finds the place it already has. */
static void an_applied_place_is_found_again(void **state)
{
    struct topo_place first, second;

    (void)state;
    setenv("TROUPE_TOPOLOGY", TOPO_DATA "/topologies/domains.xml", 1);
    setenv("TROUPE_GPU_MODE", "peer", 1);
    setenv("PMIX_NAMESPACE", "job.1", 1);
    assert_int_equal(topo_place_compute(2, 4, NULL, &first), TROUPE_OK);
    assert_int_equal(topo_place_apply(&first), TROUPE_OK);
    expect_environment("CUDA_VISIBLE_DEVICES", "2,0,1,3");
    expect_environment("CUDA_DEVICE_ORDER", "PCI_BUS_ID");
    assert_int_equal(topo_place_compute(2, 4, NULL, &second), TROUPE_OK);
    assert_string_equal(second.cuda_visible_devices, "2,0,1,3");
    assert_string_equal(second.gpu, first.gpu);
    assert_string_equal(second.reason, first.reason);
    assert_int_equal(topo_place_apply(&second), TROUPE_OK);
    expect_environment("CUDA_VISIBLE_DEVICES", "2,0,1,3");
    topo_place_free(&second);
    setenv("PMIX_NAMESPACE", "job.2", 1); /* a job of its own, started from within a rank */
    assert_int_equal(topo_place_compute(2, 4, NULL, &second), TROUPE_OK);
    assert_non_null(second.cuda_visible_devices);
    topo_place_free(&second);
    topo_place_free(&first);
    environment_clear();
}

static void binding_follows_the_plan(void **state)
{
    struct cpus before = { 0 }, after = { 0 };
    struct topo_place place;
    size_t cpus;

    (void)state;
    assert_int_equal(cpus_of_process(0, &before), TROUPE_OK);
    cpus = before.count;
    setenv("TROUPE_BIND", "core", 1);
    assert_int_equal(topo_place_compute(0, (int)cpus + 1, NULL, &place), TROUPE_OK);
    assert_false(place.bind);
    assert_non_null(strstr(place.reason, "not bound"));
    topo_place_free(&place);
    assert_int_equal(topo_place_compute(0, 1, NULL, &place), TROUPE_OK);
    assert_true(place.bind);
    assert_int_equal(topo_place_apply(&place), TROUPE_OK);
    assert_int_equal(cpus_of_process(0, &after), TROUPE_OK);
    assert_int_equal(after.count, cpus);
    topo_place_free(&place);
    cpus_free(&before);
    cpus_free(&after);
    environment_clear();
}

/* Another machine's file may plan, but its CPUs are not ours to be bound to. */
static void another_machine_binds_nothing(void **state)
{
    struct topo_place place;

    (void)state;
    setenv("TROUPE_BIND", "core", 1);
    setenv("TROUPE_TOPOLOGY", TOPO_DATA "/topologies/memory-nodes.xml", 1);
    assert_int_equal(topo_place_compute(3, 4, NULL, &place), TROUPE_OK);
    assert_false(place.bind);
    assert_string_equal(place.cpus, "96-127");
    assert_string_equal(place.numa, "1");
    assert_non_null(strstr(place.reason, "not bound: the topology file"));
    topo_place_free(&place);
    environment_clear();
}

static void a_wrong_mask_is_an_error(void **state)
{
    struct topo_place place;

    (void)state;
    setenv("TROUPE_TOPOLOGY", TOPO_DATA "/topologies/domains.xml", 1);
    setenv("CUDA_VISIBLE_DEVICES", "0,4", 1);
    assert_int_equal(topo_place_compute(0, 1, NULL, &place), TROUPE_BAD_ARGUMENT);
    assert_non_null(strstr(troupe_last_error(), "entry 2 '4'"));
    environment_clear();
}

/* A parent's setenv after the start reaches ranks that are placed already. */
static void a_later_mask_is_shared_out(void **state)
{
    struct topo_options options;
    struct topo_place place;

    (void)state;
    setenv("TROUPE_TOPOLOGY", TOPO_DATA "/topologies/domains.xml", 1);
    assert_int_equal(topo_place_compute(1, 2, NULL, &place), TROUPE_OK);
    assert_int_equal(topo_place_apply(&place), TROUPE_OK);
    expect_environment("CUDA_VISIBLE_DEVICES", "2,3");
    topo_place_free(&place);
    assert_int_equal(topo_options_read(&options), TROUPE_OK);
    options.mask = "3,0";
    assert_int_equal(topo_place_compute(1, 2, &options, &place), TROUPE_OK);
    assert_string_equal(place.cuda_visible_devices, "0");
    topo_place_free(&place);
    options.mask = "1";
    assert_int_equal(topo_place_compute(1, 2, &options, &place), TROUPE_OK);
    assert_string_equal(place.cuda_visible_devices, "1");
    topo_place_free(&place);
    options.mask = "1,1";
    assert_int_equal(topo_place_compute(1, 2, &options, &place), TROUPE_BAD_ARGUMENT);
    options.topology = TOPO_DATA "/topologies/no-gpu.xml";
    assert_int_equal(topo_place_compute(1, 2, &options, &place), TROUPE_OK);
    assert_string_equal(place.cuda_visible_devices, "1,1");
    topo_place_free(&place);
    environment_clear();
}

/* A keeper below `troupe wrap` stands on the node again, and knows its rank's mask all the same. */
static void a_keeper_gets_the_nodes_mask_back(void **state)
{
    struct topo_place wrapped, place;

    (void)state;
    setenv("TROUPE_TOPOLOGY", TOPO_DATA "/topologies/domains.xml", 1);
    setenv("CUDA_VISIBLE_DEVICES", "3,2", 1);
    assert_int_equal(topo_place_compute(1, 2, NULL, &wrapped), TROUPE_OK);
    assert_int_equal(topo_place_apply(&wrapped), TROUPE_OK);
    expect_environment("CUDA_VISIBLE_DEVICES", "2");
    assert_int_equal(topo_place_compute(1, 2, NULL, &place), TROUPE_OK);
    assert_int_equal(topo_unbind(), TROUPE_OK);
    expect_environment("CUDA_VISIBLE_DEVICES", "3,2");
    expect_environment("CUDA_DEVICE_ORDER", NULL);
    assert_string_equal(place.cuda_visible_devices, "2");
    assert_string_equal(place.cuda_device_order, "PCI_BUS_ID");
    topo_place_free(&place);
    unsetenv("CUDA_VISIBLE_DEVICES");
    topo_place_free(&wrapped);
    assert_int_equal(topo_place_compute(0, 2, NULL, &wrapped), TROUPE_OK);
    assert_int_equal(topo_place_apply(&wrapped), TROUPE_OK);
    setenv("PMIX_NAMESPACE", "job.3", 1); /* another job's keeper leaves the mask alone */
    assert_int_equal(topo_unbind(), TROUPE_OK);
    expect_environment("CUDA_VISIBLE_DEVICES", "0,1");
    unsetenv("PMIX_NAMESPACE");
    assert_int_equal(topo_unbind(), TROUPE_OK);
    expect_environment("CUDA_VISIBLE_DEVICES", NULL);
    topo_place_free(&wrapped);
    environment_clear();
}

static void unbinding_never_narrows(void **state)
{
    struct cpus before = { 0 }, after = { 0 };

    (void)state;
    assert_int_equal(cpus_of_process(0, &before), TROUPE_OK);
    assert_int_equal(topo_unbind(), TROUPE_OK);
    assert_int_equal(cpus_of_process(0, &after), TROUPE_OK);
    assert_true(cpus_contains_all(&after, &before));
    cpus_free(&before);
    cpus_free(&after);
}

/* What MPI_Init or a library may do after the place was applied. */
static void a_rank_that_was_moved_is_told(void **state)
{
    struct cpus all = { 0 }, one = { 0 };
    struct topo_place place;

    (void)state;
    environment_clear();
    assert_int_equal(cpus_of_process(0, &all), TROUPE_OK);
    if (all.count < 2)
        skip();
    setenv("TROUPE_BIND", "core", 1);
    assert_int_equal(topo_place_compute(0, 1, NULL, &place), TROUPE_OK);
    assert_int_equal(topo_place_apply(&place), TROUPE_OK);
    assert_int_equal(topo_place_attest(&place), TROUPE_OK);
    assert_int_equal(cpus_add(&one, all.ids[0]), TROUPE_OK);
    assert_int_equal(cpus_bind(&one), TROUPE_OK);
    setenv("OMP_PROC_BIND", "close", 1);
    assert_int_equal(topo_place_attest(&place), TROUPE_MISMATCH);
    assert_non_null(strstr(troupe_last_error(), "OMP_PROC_BIND=close"));
    unsetenv("OMP_PROC_BIND");
    assert_int_equal(topo_place_attest(&place), TROUPE_MISMATCH);
    assert_non_null(strstr(troupe_last_error(), "--bind-to none"));
    assert_int_equal(cpus_bind(&all), TROUPE_OK);
    topo_place_free(&place);
    environment_clear();
    cpus_free(&one);
    cpus_free(&all);
}

/* srun --gpus-per-task: each rank has its own mask, and nobody knows the others'. */
static void a_mask_of_its_own_is_kept(void **state)
{
    struct topo_options options;
    struct topo_place place;

    (void)state;
    environment_clear();
    setenv("TROUPE_TOPOLOGY", TOPO_DATA "/topologies/domains.xml", 1);
    setenv("CUDA_VISIBLE_DEVICES", "2", 1);
    setenv("CUDA_DEVICE_ORDER", "PCI_BUS_ID", 1);
    setenv("TROUPE_BIND", "core", 1);
    assert_int_equal(topo_options_read(&options), TROUPE_OK);
    options.own_mask = true;
    assert_int_equal(topo_place_compute(3, 4, &options, &place), TROUPE_OK);
    assert_non_null(strstr(place.gpu, "000a:00:00.0"));
    assert_null(place.cuda_visible_devices);
    assert_false(place.bind);
    assert_non_null(strstr(place.reason, "not shared"));
    assert_non_null(strstr(place.reason, "a mask of its own"));
    topo_place_free(&place);
    environment_clear();
}

/* What srun bound a task to stays: nobody sees the other tasks' CPUs. */
static void what_slurm_bound_stays(void **state)
{
    struct topo_place place;

    (void)state;
    environment_clear();
    setenv("SLURM_LOCALID", "1", 1);
    setenv("SLURM_CPU_BIND_TYPE", "mask_cpu:", 1);
    setenv("TROUPE_BIND", "core", 1);
    assert_int_equal(topo_place_compute(1, 2, NULL, &place), TROUPE_OK);
    assert_false(place.bind);
    assert_non_null(strstr(place.reason, "bound by the launcher"));
    topo_place_free(&place);
    setenv("SLURM_CPU_BIND_TYPE", "none", 1);
    assert_int_equal(topo_place_compute(0, 1, NULL, &place), TROUPE_OK);
    assert_true(place.bind);
    topo_place_free(&place);
    environment_clear();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_come_from_the_environment),
        cmocka_unit_test(wrong_options_are_named),
        cmocka_unit_test(ranks_that_cannot_be_are_refused),
        cmocka_unit_test(a_mask_without_gpus_is_passed_on),
        cmocka_unit_test(ranks_get_their_gpus),
        cmocka_unit_test(an_applied_place_is_found_again),
        cmocka_unit_test(binding_follows_the_plan),
        cmocka_unit_test(another_machine_binds_nothing),
        cmocka_unit_test(a_wrong_mask_is_an_error),
        cmocka_unit_test(a_later_mask_is_shared_out),
        cmocka_unit_test(a_keeper_gets_the_nodes_mask_back),
        cmocka_unit_test(unbinding_never_narrows),
        cmocka_unit_test(a_rank_that_was_moved_is_told),
        cmocka_unit_test(a_mask_of_its_own_is_kept),
        cmocka_unit_test(what_slurm_bound_stays),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
