/* The job log: GNU parallel's columns to the byte, and JSON that gives back what was put in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include <jansson.h>

#include "files.h"
#include "launch/map/report/joblog.h"
#include "tasks.h"
#include "troupe/troupe.h"

static const char *const hosts[] = { "n0", "n1" };
static char path[64];

static int path_make(void **state)
{
    (void)state;
    return file_make(path, sizeof path);
}

static int path_remove(void **state)
{
    (void)state;
    return unlink(path);
}

static struct joblog *opened(bool json, bool append)
{
    struct joblog_options options = {
        .path = path, .json = json, .append = append, .hosts = hosts, .host_count = 2
    };
    struct joblog *joblog;

    assert_int_equal(joblog_open(&options, &joblog), TROUPE_OK);
    return joblog;
}

static void add(struct joblog *joblog, struct map_record record)
{
    assert_int_equal(joblog_add(joblog, &record), TROUPE_OK);
}

static void file_is(const char *wanted)
{
    struct text text = file_read(path);

    assert_string_equal(text.data, wanted);
    text_free(&text);
}

#define HEADER "Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand\n"

static void columns_are_those_of_parallel(void **state)
{
    struct joblog *joblog = opened(false, false);
    struct map_record record = task_done(1, 0, 0.25, 1.5);

    (void)state;
    record.out_bytes = 42;
    record.command = "echo 'a\nb\tc'";
    add(joblog, record);
    add(joblog, task_failed(3, 2, 0, 12345.6789));
    add(joblog, task_killed(2, 1, 0, 0));
    record = task_killed(4, 9, 0, 0);
    record.state = MAP_TIMED_OUT;
    record.signal = 15;
    add(joblog, record);
    record.state = MAP_SKIPPED;
    add(joblog, record);
    assert_int_equal(joblog_close(joblog), TROUPE_OK);
    file_is(HEADER "1\tn0\t1700000000.250\t     1.500\t0\t42\t0\t0\techo 'a\\0b\tc'\n"
                   "3\tn1\t1700000000.000\t 12345.678\t0\t0\t3\t0\tinfer a.wav\n"
                   "2\tn0\t1700000000.000\t     0.000\t0\t0\t0\t9\tinfer a.wav\n"
                   "4\t:\t1700000000.000\t     0.000\t0\t0\t-1\t15\tinfer a.wav\n");
}

static void a_torn_line_is_ended_before_more_follows(void **state)
{
    FILE *file = fopen(path, "w");
    struct joblog *joblog;

    (void)state;
    assert_non_null(file);
    assert_true(fputs(HEADER "1\tn0\t17", file) >= 0);
    assert_int_equal(fclose(file), 0);
    joblog = opened(false, true);
    add(joblog, task_done(2, 0, 0, 1));
    assert_int_equal(joblog_close(joblog), TROUPE_OK);
    file_is(HEADER "1\tn0\t17\n2\tn0\t1700000000.000\t     1.000\t0\t0\t0\t0\tinfer a.wav\n");
    joblog = opened(false, false);
    assert_int_equal(joblog_close(joblog), TROUPE_OK);
    file_is(HEADER);
    joblog = opened(false, true);
    assert_int_equal(joblog_close(joblog), TROUPE_OK);
    file_is(HEADER);
}

static json_t *line_of(const char *text)
{
    json_error_t error;
    json_t *object = json_loads(text, JSON_DISABLE_EOF_CHECK, &error);

    if (object == NULL)
        fail_msg("%s in %s", error.text, text);
    return object;
}

static void every_field_is_in_the_json(void **state)
{
    struct joblog *joblog = opened(true, false);
    struct map_record record = task_killed(18446744073709551ULL, 3, 0.5, 2);
    int64_t start_us, run_us, seq, signal, attempt, rank, node, out, err, gpus;
    const char *name, *host, *input, *command;
    struct text text;
    json_t *object;

    (void)state;
    record.attempt = 2;
    record.out_bytes = 5;
    record.err_bytes = 6;
    record.gpus = 1;
    record.input = "\"\\/\b\f\n\r\t\x01 \xc3\xa9";
    record.input_bytes = strlen(record.input);
    add(joblog, record);
    assert_int_equal(joblog_close(joblog), TROUPE_OK);
    text = file_read(path);
    object = line_of(text.data);
    assert_int_equal(json_unpack(object,
                                 "{s:I,s:s,s:n,s:I,s:I,s:I,s:I,s:s,s:I,s:I,s:I,s:I,s:I,s:s,s:s!}",
                                 "seq", &seq, "state", &name, "exit", "signal", &signal, "attempt",
                                 &attempt, "rank", &rank, "node", &node, "host", &host, "start_us",
                                 &start_us, "run_us", &run_us, "out_bytes", &out, "err_bytes", &err,
                                 "gpus", &gpus, "input", &input, "command", &command),
                     0);
    assert_int_equal(seq, record.seq);
    assert_string_equal(name, "failed");
    assert_int_equal(signal, 9);
    assert_int_equal(attempt, 2);
    assert_int_equal(rank, 3);
    assert_int_equal(node, 1);
    assert_string_equal(host, "n1");
    assert_int_equal(start_us, record.start_us);
    assert_int_equal(run_us, record.run_us);
    assert_int_equal(out, 5);
    assert_int_equal(err, 6);
    assert_int_equal(gpus, 1);
    assert_string_equal(input, record.input);
    assert_string_equal(command, record.command);
    json_decref(object);
    text_free(&text);
}

static void bytes_that_are_no_text_stand_as_base64_beside(void **state)
{
    static const struct {
        const char *bytes, *shown, *base64;
    } cases[] = {
        { "a\xff", "a\xef\xbf\xbd", "Yf8=" },
        { "\xc3", "\xef\xbf\xbd", "ww==" },
        { "\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd", "7aCA" }, /* a surrogate */
        { "\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd", "wK8=" },                 /* overlong */
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct joblog *joblog = opened(true, false);
        struct map_record record = task_done(1, 0, 0, 1);
        struct text text;
        json_t *object;

        record.input = record.command = cases[i].bytes;
        record.input_bytes = strlen(cases[i].bytes);
        add(joblog, record);
        assert_int_equal(joblog_close(joblog), TROUPE_OK);
        text = file_read(path);
        object = line_of(text.data);
        assert_string_equal(json_string_value(json_object_get(object, "input")), cases[i].shown);
        assert_string_equal(json_string_value(json_object_get(object, "input_base64")),
                            cases[i].base64);
        assert_string_equal(json_string_value(json_object_get(object, "command_base64")),
                            cases[i].base64);
        json_decref(object);
        text_free(&text);
    }
}

static void a_full_disk_is_said(void **state)
{
    struct joblog_options options = { .path = "/dev/full", .hosts = hosts, .host_count = 2 };
    struct joblog *joblog;

    (void)state;
    assert_int_equal(joblog_open(&options, &joblog), TROUPE_OK);
    add(joblog, task_done(1, 0, 0, 1));
    assert_int_equal(joblog_flush(joblog), TROUPE_SYSTEM);
    assert_non_null(strstr(troupe_last_error(), "/dev/full: No space left"));
    assert_int_equal(joblog_close(joblog), TROUPE_SYSTEM);
    options.path = "/no/such/folder/log";
    assert_int_equal(joblog_open(&options, &joblog), TROUPE_SYSTEM);
}

#define FILE_TEST(test) cmocka_unit_test_setup_teardown(test, path_make, path_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FILE_TEST(columns_are_those_of_parallel),
        FILE_TEST(a_torn_line_is_ended_before_more_follows),
        FILE_TEST(every_field_is_in_the_json),
        FILE_TEST(bytes_that_are_no_text_stand_as_base64_beside),
        cmocka_unit_test(a_full_disk_is_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
