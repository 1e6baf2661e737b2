/* Who is slow in a roll call: like is compared with like, and what is shared is said. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "launch/probe/probe.h"

enum { ROWS_MOST = 8 };

static struct probe_row on_cpu(const char *cores, const char *numa, double rate)
{
    struct probe_row row = { .is_present = true, .is_measured = true };

    row.figure.bytes_each_s = rate;
    snprintf(row.presence.host, sizeof row.presence.host, "here");
    snprintf(row.presence.cores, sizeof row.presence.cores, "%s", cores);
    snprintf(row.presence.numa, sizeof row.presence.numa, "%s", numa);
    return row;
}

static struct probe_row on_gpu(const char *model, const char *uuid, double rate)
{
    struct probe_row row = on_cpu("0-1", "0", rate);

    row.presence.on_gpu = true;
    snprintf(row.presence.gpu, sizeof row.presence.gpu, "%s", model);
    snprintf(row.presence.uuid, sizeof row.presence.uuid, "%s", uuid);
    return row;
}

/* slow and sharers have a digit for each row. */
static void expect(struct probe_row *rows, const char *slow, const char *sharers)
{
    int count = (int)strlen(slow);
    char got[2][ROWS_MOST + 1] = { "", "" };

    probe_judge(rows, count);
    for (int i = 0; i < count; i++) {
        got[0][i] = rows[i].is_outlier ? '1' : '0';
        got[1][i] = (char)('0' + rows[i].sharers);
    }
    assert_string_equal(got[0], slow);
    assert_string_equal(got[1], sharers);
}

static void a_lame_gpu_is_found(void **state)
{
    struct probe_row rows[] = { on_gpu("A", "1", 100), on_gpu("A", "2", 101), on_gpu("A", "3", 79),
                                on_gpu("A", "4", 99) };

    (void)state;
    expect(rows, "0010", "1111");
}

static void other_models_are_other_kinds(void **state)
{
    struct probe_row rows[] = { on_gpu("A", "1", 100), on_gpu("A", "2", 100), on_gpu("B", "3", 20),
                                on_gpu("B", "4", 20), on_cpu("0", "0", 1) };

    (void)state;
    expect(rows, "00000", "11111");
}

/* Two share a GPU and have half each; that one of them is lame shows among its like. */
static void sharers_are_compared_with_sharers(void **state)
{
    struct probe_row rows[] = { on_gpu("A", "1", 100), on_gpu("A", "2", 50), on_gpu("A", "2", 50),
                                on_gpu("A", "3", 50),  on_gpu("A", "3", 50), on_gpu("A", "4", 30),
                                on_gpu("A", "4", 30) };

    (void)state;
    expect(rows, "0000011", "1222222");
}

static void the_same_uuid_elsewhere_is_another(void **state)
{
    struct probe_row rows[] = { on_cpu("0-1", "0", 100), on_cpu("0-1", "0", 100) };

    (void)state;
    snprintf(rows[1].presence.host, sizeof rows[1].presence.host, "there");
    expect(rows, "00", "11");
}

/* With more ranks than cores the scheduler decides who is fast. */
static void a_crowd_is_not_judged(void **state)
{
    struct probe_row rows[] = { on_cpu("0-1", "0", 100), on_cpu("0-1", "0", 50),
                                on_cpu("0-1", "0", 100), on_cpu("0-1", "0", 100) };

    (void)state;
    expect(rows, "0000", "4444");
}

static void a_lame_core_is_found(void **state)
{
    struct probe_row rows[] = { on_cpu("0-3", "0", 100), on_cpu("4-7", "0", 100),
                                on_cpu("8-11", "0", 60), on_cpu("12-15", "0", 100) };

    (void)state;
    expect(rows, "0010", "1111");
}

/* Three on one memory, one on another: less for each of the three is no fault. */
static void memory_is_shared_too(void **state)
{
    struct probe_row rows[] = { on_cpu("0", "0", 50),   on_cpu("1", "0", 50),
                                on_cpu("2", "0", 50),   on_cpu("8", "1", 150),
                                on_cpu("16", "2", 150), on_cpu("24", "3", 150) };

    (void)state;
    expect(rows, "000000", "111111");
}

static void what_did_not_measure_does_not_count(void **state)
{
    struct probe_row rows[] = { on_gpu("A", "1", 100), on_gpu("A", "1", 0), on_gpu("A", "2", 100) };

    (void)state;
    rows[1].is_measured = false;
    expect(rows, "000", "101");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lame_gpu_is_found),
        cmocka_unit_test(other_models_are_other_kinds),
        cmocka_unit_test(sharers_are_compared_with_sharers),
        cmocka_unit_test(the_same_uuid_elsewhere_is_another),
        cmocka_unit_test(a_crowd_is_not_judged),
        cmocka_unit_test(a_lame_core_is_found),
        cmocka_unit_test(memory_is_shared_too),
        cmocka_unit_test(what_did_not_measure_does_not_count),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
