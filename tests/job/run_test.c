/* Command lines, environments, places, and mpirun's words: what is decided without a process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "job/launcher_only.h"
#include "job/notices.h"
#include "job/place.h"
#include "job/run.h"
#include "troupe/troupe.h"

/* ---- words ---------------------------------------------------------------------------------- */

static void words_split_keeps_quotes(void **state)
{
    struct words words = { 0 };

    (void)state;
    assert_int_equal(words_split(&words, "  --mca a 'b  c' \"d'e\" f\\ g '' "), TROUPE_OK);
    assert_int_equal(words.count, 6);
    assert_string_equal(words.data[2], "b  c");
    assert_string_equal(words.data[3], "d'e");
    assert_string_equal(words.data[4], "f g");
    assert_string_equal(words.data[5], "");
    assert_null(words.data[6]);
    words_free(&words);
    assert_int_equal(words_split(&words, "x 'open"), TROUPE_BAD_ARGUMENT);
    assert_non_null(strstr(troupe_last_error(), "at character 3"));
    words_free(&words);
}

/* What is quoted, a real shell reads back as it was. */
static void words_quote_survives_a_shell(void **state)
{
    static const char *const hard[] = {
        "",  "a b",   "$HOME `id` $(id)", "it's", "\"", "\\", "*", "a\nb", "~", "#x", "-n", "a;b",
        "!", "{a,b}", "plain/ok=1,2"
    };

    (void)state;
    for (size_t i = 0; i < sizeof hard / sizeof *hard; i++) {
        struct text command = { 0 };
        char answer[64] = "";
        FILE *shell;

        text_append(&command, "printf %%s ");
        words_quote(&command, hard[i]);
        shell = popen(command.data, "r");
        assert_non_null(shell);
        answer[fread(answer, 1, sizeof answer - 1, shell)] = '\0';
        assert_int_equal(pclose(shell), 0);
        assert_string_equal(answer, hard[i]);
        text_free(&command);
    }
}

static void words_environment(void **state)
{
    struct words words = { 0 };

    (void)state;
    words_append(&words, "PMI=1");
    words_append(&words, "PMIX_RANK=3");
    words_append(&words, "HOME=/root");
    words_set(&words, "PMI", "2");
    words_set_default(&words, "HOME", "/other");
    words_set_default(&words, "NEW", "");
    words_unset_prefix(&words, "PMIX_");
    assert_int_equal(words.count, 3);
    assert_string_equal(words_value(&words, "PMI"), "2");
    assert_string_equal(words_value(&words, "HOME"), "/root");
    assert_string_equal(words_value(&words, "NEW"), "");
    assert_null(words_value(&words, "PMIX_RANK"));
    words_free(&words);
}

/* ---- places --------------------------------------------------------------------------------- */

static const char *const launcher_variables[] = {
    "OMPI_COMM_WORLD_RANK",
    "OMPI_COMM_WORLD_SIZE",
    "OMPI_COMM_WORLD_LOCAL_RANK",
    "OMPI_COMM_WORLD_LOCAL_SIZE",
    "PMIX_RANK",
    "SLURM_PROCID",
    "SLURM_STEP_NUM_TASKS",
    "SLURM_LOCALID",
    "SLURM_STEP_TASKS_PER_NODE",
    "SLURM_NODEID",
    "SLURM_GPUS_PER_TASK",
    "SLURM_GPU_BIND",
    "SLURMD_TRES_BIND",
    "FLUX_TASK_RANK",
    "FLUX_JOB_SIZE",
    "FLUX_TASK_LOCAL_ID",
    "PALS_RANKID",
    "PALS_LOCAL_RANKID",
    "PALS_LOCAL_SIZE",
    "PMI_RANK",
    "PMI_SIZE",
    "MPI_LOCALRANKID",
    "MPI_LOCALNRANKS",
};

static int environment_clear(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof launcher_variables / sizeof *launcher_variables; i++)
        unsetenv(launcher_variables[i]);
    return 0;
}

struct place_case {
    const char *variables; /* "NAME=value NAME=value" */
    struct job_place place;
};

static void places_by_launcher(void **state)
{
    static const struct place_case cases[] = {
        { "", { JOB_LAUNCHER_NONE, false, -1, -1, -1, -1, false } },
        { "OMPI_COMM_WORLD_RANK=3 OMPI_COMM_WORLD_SIZE=8 OMPI_COMM_WORLD_LOCAL_RANK=1 "
          "OMPI_COMM_WORLD_LOCAL_SIZE=4 PMIX_RANK=3 SLURM_PROCID=0",
          { JOB_LAUNCHER_MPIRUN, true, 3, 8, 1, 4, false } },
        { "PMIX_RANK=5 SLURM_PROCID=5 SLURM_STEP_NUM_TASKS=6 SLURM_LOCALID=2 "
          "SLURM_STEP_TASKS_PER_NODE=3(x2)",
          { JOB_LAUNCHER_SLURM, true, 5, 6, 2, 3, false } },
        { "SLURM_PROCID=0 SLURM_LOCALID=0", { JOB_LAUNCHER_SLURM, false, 0, -1, 0, -1, false } },
        { "SLURM_PROCID=1 SLURM_LOCALID=1 SLURM_STEP_TASKS_PER_NODE=4,2",
          { JOB_LAUNCHER_SLURM, false, 1, -1, 1, -1, false } },
        { "SLURM_PROCID=9 SLURM_LOCALID=1 SLURM_STEP_TASKS_PER_NODE=4(x2),3 SLURM_NODEID=2",
          { JOB_LAUNCHER_SLURM, false, 9, -1, 1, 3, false } },
        { "SLURM_PROCID=9 SLURM_LOCALID=1 SLURM_STEP_TASKS_PER_NODE=4(x2),3 SLURM_NODEID=1 "
          "SLURM_GPUS_PER_TASK=1",
          { JOB_LAUNCHER_SLURM, false, 9, -1, 1, 4, true } },
        { "SLURM_PROCID=0 SLURM_LOCALID=0 SLURM_GPU_BIND=verbose,single:1",
          { JOB_LAUNCHER_SLURM, false, 0, -1, 0, -1, true } },
        { "SLURM_PROCID=0 SLURM_LOCALID=0 SLURMD_TRES_BIND=gpu:per_task:1",
          { JOB_LAUNCHER_SLURM, false, 0, -1, 0, -1, true } },
        { "SLURM_PROCID=0 SLURM_LOCALID=0 SLURMD_TRES_BIND=nic:single:1+gpu:map_gpu:1,0",
          { JOB_LAUNCHER_SLURM, false, 0, -1, 0, -1, true } },
        { "SLURM_PROCID=0 SLURM_LOCALID=0 SLURMD_TRES_BIND=gpu:none SLURM_GPUS_PER_TASK=1",
          { JOB_LAUNCHER_SLURM, false, 0, -1, 0, -1, false } },
        { "FLUX_TASK_RANK=2 FLUX_JOB_SIZE=4 FLUX_TASK_LOCAL_ID=0",
          { JOB_LAUNCHER_FLUX, false, 2, 4, 0, -1, false } },
        { "PALS_RANKID=2 PALS_LOCAL_RANKID=1 PALS_LOCAL_SIZE=2",
          { JOB_LAUNCHER_PALS, false, 2, -1, 1, 2, false } },
        { "PMI_RANK=1 PMI_SIZE=2 MPI_LOCALRANKID=1 MPI_LOCALNRANKS=2",
          { JOB_LAUNCHER_HYDRA, false, 1, 2, 1, 2, false } },
        { "PMIX_RANK=7", { JOB_LAUNCHER_PMIX, true, 7, -1, -1, -1, false } },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct words variables = { 0 };
        struct job_place place;

        environment_clear(state);
        assert_int_equal(words_split(&variables, cases[i].variables), TROUPE_OK);
        for (size_t j = 0; j < variables.count; j++)
            putenv(variables.data[j]);
        assert_int_equal(job_place_detect(&place), TROUPE_OK);
        assert_int_equal(place.launcher, cases[i].place.launcher);
        assert_int_equal(place.is_rank, cases[i].place.is_rank);
        assert_int_equal(place.rank, cases[i].place.rank);
        assert_int_equal(place.size, cases[i].place.size);
        assert_int_equal(place.local_rank, cases[i].place.local_rank);
        assert_int_equal(place.local_size, cases[i].place.local_size);
        assert_int_equal(place.own_mask, cases[i].place.own_mask);
        environment_clear(state);
        words_free(&variables);
    }
}

static void a_place_that_is_no_number_is_named(void **state)
{
    struct job_place place;

    (void)state;
    setenv("OMPI_COMM_WORLD_RANK", "three", 1);
    assert_int_equal(job_place_detect(&place), TROUPE_BAD_ARGUMENT);
    assert_non_null(strstr(troupe_last_error(), "OMPI_COMM_WORLD_RANK=three"));
}

/* ---- command lines -------------------------------------------------------------------------- */

static const struct job_run plain = {
    .ranks = 3,
    .command = (char *[]){ (char *)"sh", (char *)"-c", (char *)"a b", NULL },
};

static int fake_mpirun(void **state)
{
    environment_clear(state);
    unsetenv("OMPI_MCA_shmem");
    unsetenv("OMPI_MCA_osc");
    unsetenv("HWLOC_COMPONENTS");
    unsetenv("TROUPE_BIND");
    return setenv("TROUPE_MPIRUN", "/bin/true", 1);
}

static bool has_pair(const struct words *words, const char *first, const char *second)
{
    for (size_t i = 0; i + 1 < words->count; i++)
        if (strcmp(words->data[i], first) == 0 && strcmp(words->data[i + 1], second) == 0)
            return true;
    return false;
}

static void a_line_has_safe_defaults(void **state)
{
    struct job_line line;
    int status;

    (void)state;
    assert_int_equal(job_line_build(&plain, "/tmp/session", &line, &status), TROUPE_OK);
    assert_string_equal(line.arguments.data[0], "/bin/true");
    assert_true(has_pair(&line.arguments, "-n", "3"));
    assert_true(has_pair(&line.arguments, "--bind-to", "none"));
    assert_true(has_pair(&line.arguments, "-c", "a b"));
    assert_string_equal(words_value(&line.environment, "OMPI_MCA_shmem"), "sysv");
    assert_string_equal(words_value(&line.environment, "OMPI_MCA_osc"), "^rdma");
    assert_string_equal(words_value(&line.environment, "OMPI_MCA_orte_tmpdir_base"),
                        "/tmp/session");
    assert_string_equal(words_value(&line.environment, "TROUPE_BIND"), "core");
    job_line_free(&line);
}

static void what_the_user_set_stands(void **state)
{
    struct job_run run = plain;
    struct job_line line;
    int status;

    (void)state;
    setenv("OMPI_MCA_shmem", "mmap", 1);
    setenv("TROUPE_BIND", "none", 1);
    run.mpirun_arguments = (char *[]){ (char *)"--bind-to", (char *)"numa", NULL };
    run.settings = (char *[]){ (char *)"X=1=2", (char *)"OMPI_MCA_osc=ucx", NULL };
    assert_int_equal(job_line_build(&run, NULL, &line, &status), TROUPE_OK);
    assert_string_equal(words_value(&line.environment, "OMPI_MCA_shmem"), "mmap");
    assert_string_equal(words_value(&line.environment, "OMPI_MCA_osc"), "ucx");
    assert_string_equal(words_value(&line.environment, "TROUPE_BIND"), "none");
    assert_string_equal(words_value(&line.environment, "X"), "1=2");
    assert_true(has_pair(&line.arguments, "--bind-to", "numa"));
    assert_false(has_pair(&line.arguments, "--bind-to", "none"));
    job_line_free(&line);
}

/* Whether mpirun is told to leave devices alone. */
static bool narrows_hwloc(const struct job_run *run)
{
    struct job_line line;
    bool narrows;
    int status;

    assert_int_equal(job_line_build(run, NULL, &line, &status), TROUPE_OK);
    narrows = words_value(&line.environment, "TROUPE_LAUNCHER_ONLY") != NULL;
    job_line_free(&line);
    return narrows;
}

static void mpirun_looks_at_no_devices_when_it_stays_here(void **state)
{
    struct job_run elsewhere = plain;
    struct job_line line;
    int status;

    (void)state;
    assert_int_equal(job_line_build(&plain, NULL, &line, &status), TROUPE_OK);
    assert_non_null(strstr(words_value(&line.environment, "HWLOC_COMPONENTS"), "-pci"));
    assert_string_equal(words_value(&line.environment, "TROUPE_LAUNCHER_ONLY"), "HWLOC_COMPONENTS");
    job_line_free(&line);

    elsewhere.hosts = "a,b";
    assert_false(narrows_hwloc(&elsewhere));
    elsewhere.hosts = NULL;
    elsewhere.mpirun_arguments = (char *[]){ (char *)"--map-by", (char *)"dist:mlx5_0", NULL };
    assert_false(narrows_hwloc(&elsewhere));
    setenv("PBS_NODEFILE", "/nowhere", 1);
    assert_false(narrows_hwloc(&plain));
    unsetenv("PBS_NODEFILE");
    setenv("HWLOC_COMPONENTS", "synthetic", 1);
    assert_false(narrows_hwloc(&plain));
    unsetenv("HWLOC_COMPONENTS");
}

/* Other hosts get what Troupe goes by, and not what is true of this one. */
static void other_hosts_get_the_settings(void **state)
{
    struct job_run run = plain;
    struct job_line line;
    int status;

    (void)state;
    setenv("TMPDIR", "/var/tmp", 1);
    setenv("TROUPE_TOPOLOGY", "here.xml", 1);
    setenv("TROUPE_GPU_MODE", "peer", 1);
    run.hosts = "a,b";
    run.settings = (char *[]){ (char *)"TROUPE_BIND=numa", (char *)"X=1", NULL };
    assert_int_equal(job_line_build(&run, "/tmp/session", &line, &status), TROUPE_OK);
    assert_true(has_pair(&line.arguments, "-x", "TROUPE_GPU_MODE=peer"));
    assert_true(has_pair(&line.arguments, "-x", "TROUPE_BIND=numa"));
    assert_true(has_pair(&line.arguments, "-x", "X=1"));
    assert_false(has_pair(&line.arguments, "-x", "TROUPE_TOPOLOGY=here.xml"));
    assert_false(has_pair(&line.arguments, "-x", "TROUPE_LAUNCHER_TMPDIR=/var/tmp"));
    assert_null(words_value(&line.environment, "OMPI_MCA_orte_tmpdir_base"));
    assert_string_equal(words_value(&line.environment, "TMPDIR"), "/tmp/session");
    assert_string_equal(words_value(&line.environment, "TROUPE_LAUNCHER_TMPDIR"), "/var/tmp");
    assert_string_equal(words_value(&line.environment, "OMPI_MCA_oob_tcp_keepalive_time"), "3");
    job_line_free(&line);
    unsetenv("TROUPE_TOPOLOGY");
    unsetenv("TROUPE_GPU_MODE");
}

static void a_rank_gets_its_folder_back(void **state)
{
    (void)state;
    setenv("TMPDIR", "/tmp/session", 1);
    setenv("TROUPE_LAUNCHER_TMPDIR", "/var/tmp", 1);
    launcher_only_forget();
    assert_string_equal(getenv("TMPDIR"), "/var/tmp");
    assert_null(getenv("TROUPE_LAUNCHER_TMPDIR"));
    setenv("TROUPE_LAUNCHER_TMPDIR", "", 1);
    launcher_only_forget();
    assert_null(getenv("TMPDIR"));
}

static void a_rank_forgets_what_was_for_mpirun(void **state)
{
    (void)state;
    setenv("HWLOC_COMPONENTS", "-pci", 1);
    setenv("TROUPE_LAUNCHER_ONLY", "HWLOC_COMPONENTS", 1);
    launcher_only_forget();
    assert_null(getenv("HWLOC_COMPONENTS"));
    assert_null(getenv("TROUPE_LAUNCHER_ONLY"));
    setenv("HWLOC_COMPONENTS", "synthetic", 1);
    launcher_only_forget();
    assert_string_equal(getenv("HWLOC_COMPONENTS"), "synthetic");
    unsetenv("HWLOC_COMPONENTS");
}

static void a_run_inside_a_rank_forgets_the_outer_world(void **state)
{
    struct job_line line;
    int status;

    (void)state;
    setenv("OMPI_COMM_WORLD_RANK", "0", 1);
    setenv("PMIX_RANK", "0", 1);
    setenv("TROUPE_SUPERVISOR", "unix:@old", 1);
    assert_int_equal(job_line_build(&plain, NULL, &line, &status), TROUPE_OK);
    assert_null(words_value(&line.environment, "OMPI_COMM_WORLD_RANK"));
    assert_null(words_value(&line.environment, "PMIX_RANK"));
    assert_null(words_value(&line.environment, "TROUPE_SUPERVISOR"));
    assert_string_equal(words_value(&line.environment, "OMPI_MCA_shmem"), "sysv");
    job_line_free(&line);
    unsetenv("TROUPE_SUPERVISOR");
}

static void missing_things_have_their_status(void **state)
{
    struct job_run run = plain;
    struct job_line line;
    int status;

    (void)state;
    run.command = (char *[]){ (char *)"./no-such-program", NULL };
    assert_int_not_equal(job_line_build(&run, NULL, &line, &status), TROUPE_OK);
    assert_int_equal(status, JOB_STATUS_NOT_FOUND);
    run.command = (char *[]){ (char *)"no-such-program", NULL };
    assert_int_not_equal(job_line_build(&run, NULL, &line, &status), TROUPE_OK);
    assert_int_equal(status, JOB_STATUS_NOT_FOUND);
    run.command = (char *[]){ (char *)"/etc", NULL };
    assert_int_not_equal(job_line_build(&run, NULL, &line, &status), TROUPE_OK);
    assert_int_equal(status, JOB_STATUS_NOT_EXECUTABLE);
    setenv("TROUPE_MPIRUN", "/no/mpirun", 1);
    assert_int_equal(job_line_build(&plain, NULL, &line, &status), TROUPE_LAUNCH);
    assert_int_equal(status, JOB_STATUS_LAUNCHER_FAILED);
    assert_non_null(strstr(troupe_last_error(), "/no/mpirun"));
}

static void room_ends_somewhere(void **state)
{
    (void)state;
    assert_int_equal(job_room_check(1), TROUPE_OK);
    assert_int_equal(job_room_check(100000000), TROUPE_FULL);
    assert_non_null(strstr(troupe_last_error(), "100000000 ranks"));
}

/* ---- mpirun's words ------------------------------------------------------------------------- */

#define DASHES "--------------------------------------------------------------------------\n"

static void sort_notices(const char *said, size_t piece, struct notices *notices,
                         struct lines_output *output, struct lines_stream *passed)
{
    size_t size = strlen(said);

    memset(notices, 0, sizeof *notices);
    lines_output_init(output, -1);
    lines_stream_init(passed, output, NULL);
    notices->passed = passed;
    notices->launcher = 4711;
    for (size_t at = 0; at < size; at += piece)
        notices_feed(notices, said + at, size - at < piece ? size - at : piece);
    notices_end(notices);
    lines_show(passed);
}

static void notices_part_banners_from_the_program(void **state)
{
    static const char said[] = "before\n" DASHES "mpirun noticed that process rank 0 with PID 0 on "
                               "node vm exited on signal 9 (Killed).\n" DASHES
                               "[vm:4711] 3 more processes\n[vm:4712] mine\nmpirun: abort\n"
                               "---- a title ----\nlast";

    (void)state;
    for (size_t piece = 1; piece < sizeof said; piece += 7) {
        struct notices notices;
        struct lines_output output;
        struct lines_stream passed;

        sort_notices(said, piece, &notices, &output, &passed);
        assert_string_equal(output.queue.data, "before\n[vm:4712] mine\n---- a title ----\nlast");
        assert_non_null(strstr(notices.kept.data, "exited on signal 9"));
        assert_non_null(strstr(notices.kept.data, "3 more processes"));
        assert_true(notices_blame_program(&notices));
        lines_end(&passed);
        lines_output_free(&output);
        notices_free(&notices);
    }
}

static void an_open_banner_is_the_programs(void **state)
{
    static const char said[] = DASHES "a table\nof the program's\n";
    struct notices notices;
    struct lines_output output;
    struct lines_stream passed;

    (void)state;
    sort_notices(said, sizeof said, &notices, &output, &passed);
    assert_string_equal(output.queue.data, said);
    assert_false(notices_blame_program(&notices));
    lines_end(&passed);
    lines_output_free(&output);
    notices_free(&notices);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_split_keeps_quotes),
        cmocka_unit_test(words_quote_survives_a_shell),
        cmocka_unit_test(words_environment),
        cmocka_unit_test_setup_teardown(places_by_launcher, environment_clear, environment_clear),
        cmocka_unit_test_setup_teardown(a_place_that_is_no_number_is_named, environment_clear,
                                        environment_clear),
        cmocka_unit_test_setup_teardown(a_line_has_safe_defaults, fake_mpirun, fake_mpirun),
        cmocka_unit_test_setup_teardown(what_the_user_set_stands, fake_mpirun, fake_mpirun),
        cmocka_unit_test_setup_teardown(mpirun_looks_at_no_devices_when_it_stays_here, fake_mpirun,
                                        fake_mpirun),
        cmocka_unit_test(other_hosts_get_the_settings),
        cmocka_unit_test(a_rank_gets_its_folder_back),
        cmocka_unit_test(a_rank_forgets_what_was_for_mpirun),
        cmocka_unit_test_setup_teardown(a_run_inside_a_rank_forgets_the_outer_world, fake_mpirun,
                                        fake_mpirun),
        cmocka_unit_test_setup_teardown(missing_things_have_their_status, fake_mpirun, fake_mpirun),
        cmocka_unit_test(room_ends_somewhere),
        cmocka_unit_test(notices_part_banners_from_the_program),
        cmocka_unit_test(an_open_banner_is_the_programs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
