/* The timeline: a trace that parses, a picture that is XML, for none, one and a million tasks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#include <jansson.h>

#include "../counts.h"
#include "files.h"
#include "launch/map/report/bars.h"
#include "launch/map/report/timeline.h"
#include "tasks.h"
#include "troupe/troupe.h"

static const char *const hosts[] = { "n0 <&>", "n1" };
static char path[64], picture_path[80];

static int path_make(void **state)
{
    int result = file_make(path, sizeof path);

    (void)state;
    snprintf(picture_path, sizeof picture_path, "%s.svg", path);
    return result;
}

static int path_remove(void **state)
{
    (void)state;
    unlink(picture_path);
    return unlink(path);
}

static struct timeline *opened(const char *where, uint32_t ranks)
{
    char *title = strdup("infer <\"{}\"> & \xff"); /* gone when the picture is drawn */
    struct timeline_options options = { .path = where,
                                        .title = title,
                                        .hosts = hosts,
                                        .host_count = 2,
                                        .ranks = ranks,
                                        .start_us = TASKS_START_US };
    struct timeline *timeline;

    assert_int_equal(timeline_open(&options, &timeline), TROUPE_OK);
    free(title);
    return timeline;
}

static void add(struct timeline *timeline, struct map_record record)
{
    assert_int_equal(timeline_add(timeline, &record), TROUPE_OK);
}

/* Python's parser is the judge. */
static void is_xml(const char *where)
{
    char command[256];

    snprintf(command, sizeof command,
             "python3 -c 'import sys, xml.etree.ElementTree as tree; tree.parse(sys.argv[1])' %s",
             where);
    assert_int_equal(system(command), 0);
}

static size_t occurrences(const char *text, const char *part)
{
    size_t count = 0;

    for (const char *at = text; (at = strstr(at, part)) != NULL; at++)
        count++;
    return count;
}

static json_t *trace_load(void)
{
    json_error_t error;
    json_t *trace = json_load_file(path, 0, &error);

    if (trace == NULL)
        fail_msg("line %d: %s", error.line, error.text);
    return trace;
}

static void the_trace_has_each_task_where_it_ran(void **state)
{
    struct timeline *timeline = opened(path, 4);
    struct map_record record = task_failed(2, 3, 1, 2);
    int64_t ts, dur, pid, tid, seq, status;
    const char *name, *state_name;
    json_t *trace;

    (void)state;
    record.input = "b\n\"\xff";
    record.input_bytes = 4;
    add(timeline, task_done(1, 0, 0.5, 0.25));
    add(timeline, record);
    record.state = MAP_SKIPPED;
    add(timeline, record);
    assert_int_equal(timeline_close(timeline), TROUPE_OK);
    trace = trace_load();
    /* Names of two nodes and two ranks, two tasks, the end. */
    assert_int_equal(json_array_size(trace), 7);
    assert_int_equal(json_unpack(json_array_get(trace, 5), "{s:s,s:s,s:I,s:I,s:I,s:I,s:{s:I,s:I}}",
                                 "name", &name, "cat", &state_name, "ts", &ts, "dur", &dur, "pid",
                                 &pid, "tid", &tid, "args", "seq", &seq, "exit", &status),
                     0);
    assert_string_equal(name, "b\n\"\xef\xbf\xbd");
    assert_string_equal(state_name, "failed");
    assert_int_equal(ts, TASKS_US_EACH_S);
    assert_int_equal(dur, 2 * TASKS_US_EACH_S);
    assert_int_equal(pid, 1);
    assert_int_equal(tid, 3);
    assert_int_equal(seq, 2);
    assert_int_equal(status, 3);
    json_decref(trace);
}

static void the_picture_has_a_row_a_rank_and_a_bar_a_task(void **state)
{
    struct timeline *timeline = opened(path, 4);
    struct map_record record = task_killed(3, 1, 2, 1);
    struct text text;

    (void)state;
    add(timeline, task_done(1, 0, 0, 2));
    add(timeline, task_failed(2, 2, 1, 2));
    record.state = MAP_GIVEN_UP;
    record.attempt = 3;
    record.input = "<b>&\x01\xff\xef\xbf\xbf";
    record.input_bytes = strlen(record.input);
    add(timeline, record);
    assert_int_equal(timeline_close(timeline), TROUPE_OK);
    is_xml(picture_path);
    text = file_read(picture_path);
    assert_int_equal(occurrences(text.data, "class=\"row\""), 4);
    assert_int_equal(occurrences(text.data, "<title>"), 3);
    assert_non_null(strstr(text.data, "1: a.wav\ndone\n2.00 s, from 0 us on, rank 0"));
    assert_non_null(strstr(text.data, "given up, signal 9, attempt 3"));
    assert_non_null(strstr(text.data, "&lt;b&gt;&amp;"));
    assert_non_null(strstr(text.data, ">3 tasks on 4 ranks in 3.00 s, busy 42 %<"));
    assert_non_null(strstr(text.data, ">given up 1<"));
    assert_null(strstr(text.data, ">timed out"));
    text_free(&text);
}

static void a_run_may_begin_now_and_have_no_title(void **state)
{
    struct timeline_options options = { .path = path };
    struct timeline *timeline;
    struct text text;

    (void)state;
    assert_int_equal(timeline_open(&options, &timeline), TROUPE_OK);
    assert_int_equal(timeline_close(timeline), TROUPE_OK);
    is_xml(picture_path);
    text = file_read(picture_path);
    assert_non_null(strstr(text.data, "0 tasks on 0 ranks in 0 us"));
    text_free(&text);
}

static void an_empty_run_has_a_timeline_too(void **state)
{
    json_t *trace;

    (void)state;
    assert_int_equal(timeline_close(opened(path, 0)), TROUPE_OK);
    trace = trace_load();
    assert_int_equal(json_array_size(trace), 1);
    json_decref(trace);
    is_xml(picture_path);
}

static void a_task_of_no_time_is_still_drawn(void **state)
{
    struct timeline *timeline = opened(path, 1);
    struct text text;

    (void)state;
    add(timeline, task_done(1, 0, 0, 0));
    assert_int_equal(timeline_close(timeline), TROUPE_OK);
    is_xml(picture_path);
    text = file_read(picture_path);
    assert_int_equal(occurrences(text.data, "<path class=\"done\""), 1);
    text_free(&text);
}

static void a_picture_alone_may_be_asked_for(void **state)
{
    struct stat status;

    (void)state;
    assert_int_equal(timeline_close(opened(picture_path, 1)), TROUPE_OK);
    is_xml(picture_path);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_size, 0);
}

/* Many tasks on few ranks: every one is counted, the failures are seen, the picture stays small. */
static void many_tasks_become_few_bars(void **state)
{
    enum { RANKS = 4, BYTES_MOST = 1 << 18 };
    uint64_t count = (uint64_t)test_count(100000, 1000000);
    struct timeline *timeline = opened(picture_path, RANKS);
    struct text text;
    char figures[64], *failures;

    (void)state;
    for (uint64_t i = 0; i < count; i++)
        add(timeline, i % (count / 2) == 7 ? task_failed(i + 1, i % RANKS, (double)i / 100, 0.035)
                                           : task_done(i + 1, i % RANKS, (double)i / 100, 0.035));
    assert_int_equal(timeline_close(timeline), TROUPE_OK);
    is_xml(picture_path);
    text = file_read(picture_path);
    assert_in_range(text.size, 1, BYTES_MOST);
    snprintf(figures, sizeof figures, ">%llu tasks on 4 ranks in", (unsigned long long)count);
    assert_non_null(strstr(text.data, figures));
    /* Both failures were on rank 3: two thin bars in the one shape that its failures are. */
    failures = strstr(text.data, "<path class=\"failed\" d=\"M");
    assert_non_null(failures);
    failures = strtok(failures, ">");
    assert_int_equal(occurrences(failures, "M"), 2);
    text_free(&text);
}

/* The bars of a row stand for all its tasks, however often they were made one. */
static void no_task_is_lost_in_a_bar(void **state)
{
    enum { COUNT = 20000 };
    struct bars bars;
    uint64_t tasks = 0, failed = 0;

    (void)state;
    assert_int_equal(bars_init(1, TASKS_START_US, &bars), TROUPE_OK);
    for (uint64_t i = 0; i < COUNT; i++) {
        struct map_record record =
            i % 10 == 0 ? task_failed(i, 0, (double)i, 0.5) : task_done(i, 0, (double)i, 0.5);

        assert_int_equal(bars_add(&bars, &record), TROUPE_OK);
    }
    bars_settle(&bars);
    assert_in_range(bars.rows[0].count, 1, 2 * bars.columns + 2);
    for (size_t i = 0; i < bars.rows[0].count; i++) {
        tasks += bars.rows[0].bars[i].tasks;
        failed += bars.rows[0].bars[i].failed;
    }
    assert_int_equal(tasks, COUNT);
    assert_int_equal(failed, COUNT / 10);
    bars_free(&bars);
}

static void a_full_disk_is_said(void **state)
{
    struct timeline *timeline = opened("/dev/full", 1);
    struct map_record record = task_done(1, 0, 0, 1);
    int result = TROUPE_OK;

    (void)state;
    for (int i = 0; i < 10000 && result == TROUPE_OK; i++)
        result = timeline_add(timeline, &record);
    assert_int_equal(result, TROUPE_SYSTEM);
    assert_int_equal(timeline_close(timeline), TROUPE_SYSTEM);
    unlink("/dev/full.svg"); /* a tester who is root could write there */
}

#define FILE_TEST(test) cmocka_unit_test_setup_teardown(test, path_make, path_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FILE_TEST(the_trace_has_each_task_where_it_ran),
        FILE_TEST(the_picture_has_a_row_a_rank_and_a_bar_a_task),
        FILE_TEST(an_empty_run_has_a_timeline_too),
        FILE_TEST(a_run_may_begin_now_and_have_no_title),
        FILE_TEST(a_task_of_no_time_is_still_drawn),
        FILE_TEST(a_picture_alone_may_be_asked_for),
        FILE_TEST(many_tasks_become_few_bars),
        cmocka_unit_test(no_task_is_lost_in_a_bar),
        cmocka_unit_test(a_full_disk_is_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
