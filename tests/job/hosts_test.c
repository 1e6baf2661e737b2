/* Hosts in every form: a table of what is read and refused (tests/data/hosts.txt: add a line, get a
 * case), the list that mpirun is given in their place, and which allocation is found. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "job/allocation.h"
#include "job/nodelist.h"
#include "troupe/troupe.h"

enum { COLUMNS = 3, LINE_MOST = 1024 };

static char path[] = "/tmp/troupe-hosts-XXXXXX";

struct row {
    int number;
    char *form, *text, *hosts;
};

/* ---- reading one row ---------------------------------------------------------------------- */

static void file_write(const char *text)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    fclose(file);
}

static int allocation_read(const char *variable, const char *value, struct hostfile *hosts)
{
    struct allocation allocation;
    int result;

    setenv(variable, value, 1);
    result = allocation_find(&allocation);
    unsetenv(variable);
    if (result == TROUPE_OK) {
        assert_string_equal(allocation.variable, variable);
        *hosts = allocation.hosts;
    }
    return result;
}

static int slurm_read(char *text, struct hostfile *hosts)
{
    char *tasks = strrchr(text, ' ');
    int result;

    *tasks++ = '\0';
    setenv("SLURM_TASKS_PER_NODE", tasks, 1);
    result = allocation_read("SLURM_JOB_NODELIST", text, hosts);
    unsetenv("SLURM_TASKS_PER_NODE");
    return result;
}

static int row_read(const struct row *row, struct hostfile *hosts)
{
    if (strcmp(row->form, "list") == 0)
        return hostfile_read_list(row->text, hosts);
    if (strcmp(row->form, "pairs") == 0)
        return allocation_read("LSB_MCPU_HOSTS", row->text, hosts);
    if (strcmp(row->form, "slurm") == 0)
        return slurm_read(row->text, hosts);
    file_write(row->text);
    if (strcmp(row->form, "file") == 0)
        return hostfile_read(path, hosts);
    if (strcmp(row->form, "pbs") == 0)
        return allocation_read("PBS_NODEFILE", path, hosts);
    if (strcmp(row->form, "sge") == 0)
        return allocation_read("PE_HOSTFILE", path, hosts);
    fail_msg("hosts.txt:%d: no form %s", row->number, row->form);
    return TROUPE_BAD_ARGUMENT;
}

static void row_check(const struct row *row)
{
    struct hostfile hosts = { 0 };
    struct text seen = { 0 };
    int result = row_read(row, &hosts);

    if (strncmp(row->hosts, "! ", 2) == 0) {
        if (result == TROUPE_OK || strstr(troupe_last_error(), row->hosts + 2) == NULL)
            fail_msg("hosts.txt:%d: %d: %s", row->number, result, troupe_last_error());
        return;
    }
    if (result != TROUPE_OK)
        fail_msg("hosts.txt:%d: %s", row->number, troupe_last_error());
    for (size_t i = 0; i < hosts.count; i++) {
        text_append(&seen, "%s%s:", i > 0 ? " " : "", hosts.hosts[i].name);
        if (hosts.hosts[i].slots > 0)
            text_append(&seen, "%d", hosts.hosts[i].slots);
        else
            text_append(&seen, "*");
    }
    if (strcmp(seen.data, row->hosts) != 0)
        fail_msg("hosts.txt:%d: got %s", row->number, seen.data);
    text_free(&seen);
    hostfile_free(&hosts);
}

/* ---- the table ---------------------------------------------------------------------------- */

static void unescape(char *text)
{
    static const char letters[] = "ntr\\", means[] = "\n\t\r\\";
    char *to = text;

    for (const char *from = text; *from != '\0'; from++) {
        const char *letter = *from == '\\' ? strchr(letters, from[1]) : NULL;

        if (letter != NULL)
            from++;
        *to++ = letter != NULL ? means[letter - letters] : *from;
    }
    *to = '\0';
}

static char *column_next(char **rest)
{
    char *column = *rest, *bar = strstr(column, " | ");

    *rest = bar != NULL ? bar + strlen(" | ") : NULL;
    if (bar != NULL)
        *bar = '\0';
    return column;
}

static void the_table_holds(void **state)
{
    FILE *file = fopen(JOB_DATA "/hosts.txt", "r");
    char line[LINE_MOST];
    int rows = 0;

    (void)state;
    assert_non_null(file);
    for (int number = 1; fgets(line, sizeof line, file) != NULL; number++) {
        struct row row = { .number = number };
        char *rest = line;

        line[strcspn(line, "\n")] = '\0';
        if (*line == '\0' || *line == '#')
            continue;
        row.form = column_next(&rest);
        row.text = rest != NULL ? column_next(&rest) : NULL;
        row.hosts = rest;
        if (row.hosts == NULL)
            fail_msg("hosts.txt:%d: %d columns are wanted", number, COLUMNS);
        unescape(row.text);
        row_check(&row);
        rows++;
    }
    fclose(file);
    assert_true(rows > 0);
}

static void what_is_no_text_is_refused(void **state)
{
    static const char zero[] = "a\0b\n";
    struct hostfile hosts;
    FILE *file = fopen(path, "w");

    (void)state;
    assert_non_null(file);
    assert_int_equal(fwrite(zero, 1, sizeof zero - 1, file), sizeof zero - 1);
    fclose(file);
    assert_int_equal(hostfile_read(path, &hosts), TROUPE_BAD_ARGUMENT);
    assert_int_equal(hostfile_read("/nonexistent/hosts", &hosts), TROUPE_NOT_FOUND);
    assert_int_equal(hostfile_read("/", &hosts), TROUPE_NOT_FOUND);
}

static void ranks_fill_slots_in_order(void **state)
{
    static const struct {
        int ranks, counts[3];
    } cases[] = {
        { 1, { 1, 0, 0 } },  { 4, { 2, 2, 0 } },  { 7, { 2, 4, 1 } },
        { 10, { 2, 4, 4 } }, { 11, { 3, 4, 4 } }, { 14, { 4, 5, 5 } },
    };
    struct hostfile hostfile;

    (void)state;
    file_write("a slots=2\nb slots=4\nc\n");
    assert_int_equal(hostfile_read(path, &hostfile), TROUPE_OK);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int counts[3];

        hostfile_deal(&hostfile, cases[i].ranks, 4, counts);
        assert_memory_equal(counts, cases[i].counts, sizeof counts);
    }
    hostfile_free(&hostfile);
}

/* ---- for mpirun --------------------------------------------------------------------------- */

/* Only what mpirun does not read by itself is given to it in another form, which says the same. */
static void other_forms_become_a_list(void **state)
{
    struct hostfile hosts, again;
    struct text list = { 0 };

    (void)state;
    file_write("a:4\nb\nuser@c slots=2\n");
    assert_int_equal(hostfile_read(path, &hosts), TROUPE_OK);
    assert_true(hosts.is_foreign);
    assert_int_equal(hostfile_write(&hosts, &list), TROUPE_OK);
    assert_string_equal(list.data, "a:4,b:*,c:2");
    assert_int_equal(hostfile_read_list(list.data, &again), TROUPE_OK);
    assert_int_equal(again.count, hosts.count);
    for (size_t i = 0; i < hosts.count; i++)
        assert_int_equal(again.hosts[i].slots, hosts.hosts[i].slots);
    hostfile_free(&again);
    hostfile_free(&hosts);
    text_free(&list);

    file_write("a slots=4\nb\nb\n");
    assert_int_equal(hostfile_read(path, &hosts), TROUPE_OK);
    assert_false(hosts.is_foreign);
    hostfile_free(&hosts);

    file_write("a:4\nfe80::1\n");
    assert_int_equal(hostfile_read(path, &hosts), TROUPE_OK);
    assert_int_equal(hostfile_write(&hosts, &list), TROUPE_BAD_ARGUMENT);
    assert_non_null(strstr(troupe_last_error(), "fe80::1"));
    hostfile_free(&hosts);
    text_free(&list);
}

/* ---- allocations -------------------------------------------------------------------------- */

static void no_batch_system_is_none(void **state)
{
    struct allocation allocation;

    (void)state;
    assert_int_equal(allocation_find(&allocation), TROUPE_OK);
    assert_null(allocation.scheduler);
    assert_int_equal(allocation.hosts.count, 0);
    setenv("PBS_NODEFILE", "/nonexistent/nodes", 1);
    assert_int_equal(allocation_find(&allocation), TROUPE_NOT_FOUND);
    assert_non_null(strstr(troupe_last_error(), "/nonexistent/nodes"));
    unsetenv("PBS_NODEFILE");
}

static void slurm_without_tasks_counts_processors(void **state)
{
    struct allocation allocation;

    (void)state;
    setenv("SLURM_JOB_NODELIST", "n[1-2]", 1);
    assert_int_equal(allocation_find(&allocation), TROUPE_OK);
    assert_string_equal(allocation.scheduler, "Slurm");
    assert_int_equal(hostfile_slots(&allocation.hosts), 0);
    allocation_free(&allocation);
    setenv("SLURM_JOB_CPUS_PER_NODE", "8(x2)", 1);
    assert_int_equal(allocation_find(&allocation), TROUPE_OK);
    assert_int_equal(hostfile_slots(&allocation.hosts), 16);
    allocation_free(&allocation);
    unsetenv("SLURM_JOB_NODELIST");
    unsetenv("SLURM_JOB_CPUS_PER_NODE");
}

/* As a real Slurm's jobs showed them on their first host, which is none of these. */
static void slurm_tells_its_gpus(void **state)
{
    static const char *const names[] = { "SLURM_TASKS_PER_NODE", "SLURM_GPUS_ON_NODE",
                                         "SLURM_GPUS_PER_NODE", "SLURM_GPUS_PER_TASK",
                                         "SLURM_GPUS" };
    static const struct {
        const char *values[sizeof names / sizeof *names];
        int each, elsewhere;
    } cases[] = {
        { { "8(x2)", NULL, NULL, NULL, NULL }, 0, 0 },
        { { "8(x2)", "2", "2", NULL, NULL }, 2, 0 },
        { { "8(x2)", "4", NULL, NULL, NULL }, 4, 0 }, /* --gres=gpu:4 */
        { { "2(x2)", NULL, "a100:2", NULL, NULL }, 2, 0 },
        { { "8,4", "8", NULL, "1", NULL }, 0, 12 },
        { { "8,4", "16", NULL, "v100:2", NULL }, 0, 24 },
        { { "15,1", "8", NULL, NULL, "16" }, 8, 8 },
        { { "7,1", "7", NULL, NULL, "8" }, 0, 1 },
    };

    (void)state;
    setenv("SLURM_JOB_NODELIST", "n[1-2]", 1);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct allocation allocation;

        for (size_t j = 0; j < sizeof names / sizeof *names; j++)
            if (cases[i].values[j] != NULL)
                setenv(names[j], cases[i].values[j], 1);
            else
                unsetenv(names[j]);
        assert_int_equal(allocation_find(&allocation), TROUPE_OK);
        assert_int_equal(allocation.gpus_each, cases[i].each);
        assert_int_equal(allocation.gpus_elsewhere, cases[i].elsewhere);
        allocation_free(&allocation);
    }
    for (size_t j = 0; j < sizeof names / sizeof *names; j++)
        unsetenv(names[j]);
    unsetenv("SLURM_JOB_NODELIST");
}

/* A hundred thousand lines take no time that anybody notices. */
static void many_lines_are_few_hosts(void **state)
{
    enum { HOSTS = 1000, EACH = 100 };
    struct hostfile hosts;
    FILE *file = fopen(path, "w");

    (void)state;
    assert_non_null(file);
    for (int i = 0; i < HOSTS * EACH; i++)
        fprintf(file, "node%d\n", i % HOSTS);
    fclose(file);
    assert_int_equal(hostfile_read(path, &hosts), TROUPE_OK);
    assert_int_equal(hosts.count, HOSTS);
    assert_int_equal(hostfile_slots(&hosts), HOSTS * EACH);
    hostfile_free(&hosts);
}

static int begin(void **state)
{
    static const char *const variables[] = {
        "SLURM_JOB_NODELIST",  "SLURM_TASKS_PER_NODE", "SLURM_JOB_CPUS_PER_NODE",
        "LSB_DJOB_HOSTFILE",   "LSB_MCPU_HOSTS",       "PE_HOSTFILE",
        "PBS_NODEFILE",        "SLURM_GPUS",           "SLURM_GPUS_ON_NODE",
        "SLURM_GPUS_PER_NODE", "SLURM_GPUS_PER_TASK"
    };
    int descriptor = mkstemp(path);

    (void)state;
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++)
        unsetenv(variables[i]);
    return descriptor < 0 ? -1 : close(descriptor);
}

static int end(void **state)
{
    (void)state;
    return unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_holds),
        cmocka_unit_test(what_is_no_text_is_refused),
        cmocka_unit_test(ranks_fill_slots_in_order),
        cmocka_unit_test(other_forms_become_a_list),
        cmocka_unit_test(no_batch_system_is_none),
        cmocka_unit_test(slurm_without_tasks_counts_processors),
        cmocka_unit_test(slurm_tells_its_gpus),
        cmocka_unit_test(many_lines_are_few_hosts),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
