/* The summary: counts, times and the slowest, from as many tasks as there are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "launch/map/report/duration.h"
#include "launch/map/report/summary.h"
#include "tasks.h"

static void add(struct summary *summary, struct map_record record)
{
    summary_add(summary, &record);
}

static void printed_is(const struct summary *summary, double elapsed_s, const char *wanted)
{
    struct text text = { 0 };

    summary_print(summary, (int64_t)(elapsed_s * TASKS_US_EACH_S), &text);
    assert_string_equal(text.data, wanted);
    text_free(&text);
}

static void counts_and_times_are_told(void **state)
{
    struct summary summary = { 0 };
    struct map_record record = task_done(1, 0, 0, 3600);

    (void)state;
    record.gpus = 2;
    record.attempt = 3;
    add(&summary, record);
    add(&summary, task_failed(2, 1, 0, 0.5));
    record = task_killed(3, 1, 0, 1800);
    record.state = MAP_TIMED_OUT;
    record.command = "a\033[31m\xff";
    add(&summary, record);
    record.state = MAP_SKIPPED;
    add(&summary, record);
    assert_int_equal(summary_failed(&summary), 2);
    printed_is(
        &summary, 3601,
        "4 tasks: 1 done, 1 failed, 1 timed out, 1 skipped; 2 runs again\n"
        "took 1 h 00 m for 1 h 30 m of work, 1.5 at a time; the median task about 29 m 38 s\n"
        "2 GPU-hours\n"
        "slowest:\n"
        "    1 h 00 m  rank 0           1  infer a.wav\n"
        "   30 m 00 s  rank 1           3  a?[31m?\n"
        "      500 ms  rank 1           2  infer a.wav\n");
}

static void nothing_and_one_are_short(void **state)
{
    struct summary summary = { 0 };

    (void)state;
    printed_is(&summary, 1, "0 tasks: 0 done\n");
    assert_int_equal(summary_median_us(&summary), 0);
    add(&summary, task_done(1, 0, 0, 0));
    printed_is(&summary, 0,
               "1 task: 1 done\ntook 0 us for 0 us of work; the median task about 0 us\n");
}

static void the_slowest_ten_stay(void **state)
{
    enum { COUNT = 1000 };
    struct summary summary = { 0 };

    (void)state;
    for (uint64_t i = 0; i < COUNT; i++)
        add(&summary, task_done(i + 1, 0, 0, (double)(i * 7919 % COUNT)));
    assert_int_equal(summary.slow_count, SUMMARY_SLOWEST);
    for (int i = 0; i < SUMMARY_SLOWEST; i++)
        assert_int_equal(summary.slowest[i].run_us, (COUNT - 1 - i) * (int64_t)TASKS_US_EACH_S);
}

static void a_long_command_is_cut_between_characters(void **state)
{
    enum { LENGTH = 3 * SUMMARY_COMMAND_BYTES };
    struct summary summary = { 0 };
    struct map_record record = task_done(1, 0, 0, 1);
    char command[LENGTH + 1] = "x";

    (void)state;
    for (int i = 1; i + 1 < LENGTH; i += 2)
        memcpy(command + i, "\xc3\xa9", 2);
    record.command = command;
    add(&summary, record);
    assert_int_equal(strlen(summary.slowest[0].command), SUMMARY_COMMAND_BYTES - 1);
    assert_memory_equal(summary.slowest[0].command, command, SUMMARY_COMMAND_BYTES - 1);
}

/* Whatever the time, the median of equal tasks is that time to some percent. */
static void the_median_is_near_at_every_scale(void **state)
{
    (void)state;
    for (int64_t us = 1; us < INT64_C(30) * 86400 * TASKS_US_EACH_S; us = us * 5 / 3 + 1) {
        struct summary summary = { 0 };
        struct map_record record = task_done(1, 0, 0, 0);
        int64_t median;

        record.run_us = us;
        add(&summary, record);
        median = summary_median_us(&summary);
        assert_true(llabs(median - us) <= us / 20);
    }
}

static void the_median_is_between_the_halves(void **state)
{
    struct summary summary = { 0 };

    (void)state;
    for (uint64_t i = 1; i <= 100; i++)
        add(&summary, task_done(i, 0, 0, (double)i));
    assert_in_range(summary_median_us(&summary), 47 * TASKS_US_EACH_S, 53 * TASKS_US_EACH_S);
}

static void spans_of_time_are_read_easily(void **state)
{
    static const struct {
        int64_t us;
        const char *text;
    } cases[] = {
        { -5, "0 us" },
        { 999, "999 us" },
        { 1000, "1.00 ms" },
        { 9999, "10.0 ms" },
        { 999400, "999 ms" },
        { 999600, "1.00 s" },
        { 59400000, "59.4 s" },
        { 59600000, "1 m 00 s" },
        { 3599400000, "59 m 59 s" },
        { 3599600000, "1 h 00 m" },
        { INT64_C(86400000000), "1 d 00 h" },
        { INT64_C(8640000000000), "100 d 00 h" },
    };
    char text[DURATION_BYTES];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(duration_write(cases[i].us, text), cases[i].text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_and_times_are_told),
        cmocka_unit_test(nothing_and_one_are_short),
        cmocka_unit_test(the_slowest_ten_stay),
        cmocka_unit_test(a_long_command_is_cut_between_characters),
        cmocka_unit_test(the_median_is_near_at_every_scale),
        cmocka_unit_test(the_median_is_between_the_halves),
        cmocka_unit_test(spans_of_time_are_read_easily),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
