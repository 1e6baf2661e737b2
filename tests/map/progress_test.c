/* The progress, as it goes to a pipe that stands for a terminal or a log. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "launch/map/report/progress.h"
#include "tasks.h"
#include "troupe/troupe.h"

#define SECOND UINT64_C(1000000000)

static const char *const hosts[] = { "n0", "n1" };

struct fixture {
    int ends[2];
    struct progress *progress;
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);

    *state = fixture;
    unsetenv("NO_COLOR");
    return fixture == NULL || pipe(fixture->ends) != 0 ? -1 : 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    progress_close(fixture->progress);
    close(fixture->ends[0]);
    close(fixture->ends[1]);
    free(fixture);
    return 0;
}

static void start(struct fixture *fixture, enum progress_form form, size_t host_count)
{
    struct progress_options options = { .descriptor = fixture->ends[1], .form = form };

    options.hosts = hosts;
    options.host_count = host_count;
    assert_int_equal(progress_open(&options, &fixture->progress), TROUPE_OK);
}

/* What has been written since the last time; "" for nothing. */
static void written_is(struct fixture *fixture, const char *wanted)
{
    char read_back[1024] = "";
    ssize_t size;

    assert_int_equal(write(fixture->ends[1], "$", 1), 1); /* so that there is something to read */
    size = read(fixture->ends[0], read_back, sizeof read_back - 1);
    assert_true(size > 0);
    read_back[size - 1] = '\0';
    assert_string_equal(read_back, wanted);
}

static void run(struct fixture *fixture, struct map_record record)
{
    progress_ended(fixture->progress, &record);
}

static void a_bar_says_what_is_over_and_what_is_left(void **state)
{
    struct fixture *fixture = *state;

    start(fixture, PROGRESS_BAR, 1);
    progress_total(fixture->progress, 100, true);
    progress_runs(fixture->progress, 0);
    assert_true(progress_draw(fixture->progress, SECOND) > SECOND);
    written_is(fixture, "\r\033[K[>                                    ] 0 of 100, 1 running");
    for (uint64_t i = 0; i < 49; i++)
        run(fixture, task_done(i, 0, 0, 1));
    run(fixture, task_failed(50, 0, 0, 1));
    progress_draw(fixture->progress, SECOND + 1);
    written_is(fixture, ""); /* too soon */
    progress_draw(fixture->progress, 11 * SECOND);
    written_is(fixture, "\r\033[K[\033[32m============\033[0m>            ] 50 of 100"
                        "\033[31m, 1 failed\033[0m, 1 running, 5.00/s, 10.0 s left");
    progress_hide(fixture->progress);
    written_is(fixture, "\r\033[K");
    progress_hide(fixture->progress);
    written_is(fixture, "");
}

static void skipped_tasks_count_as_over_but_not_as_speed(void **state)
{
    struct fixture *fixture = *state;
    struct map_record record = task_done(1, 0, 0, 0);

    setenv("NO_COLOR", "1", 1);
    start(fixture, PROGRESS_BAR, 1);
    record.state = MAP_SKIPPED;
    for (int i = 0; i < 100; i++)
        progress_ended(fixture->progress, &record);
    progress_total(fixture->progress, 100, true);
    progress_draw(fixture->progress, SECOND);
    written_is(fixture, "\r\033[K[=====================================] 100 of 100, 0 running");
}

static void without_a_total_there_is_no_bar(void **state)
{
    struct fixture *fixture = *state;

    start(fixture, PROGRESS_BAR, 1);
    run(fixture, task_done(1, 0, 0, 1));
    progress_draw(fixture->progress, SECOND);
    written_is(fixture, "\r\033[K1, 0 running");
    progress_total(fixture->progress, 7, false);
    progress_draw(fixture->progress, 2 * SECOND);
    written_is(fixture, "\r\033[K1 of 7+, 0 running");
}

static void several_nodes_have_their_share(void **state)
{
    struct fixture *fixture = *state;

    start(fixture, PROGRESS_BAR, 2);
    run(fixture, task_done(1, 0, 0, 1));
    run(fixture, task_done(2, 2, 0, 1));
    progress_runs(fixture->progress, 0);
    progress_runs_none(fixture->progress);
    progress_runs(fixture->progress, 1);
    progress_draw(fixture->progress, SECOND);
    written_is(fixture, "\r\033[K2, 1 running  n0 1+0, n1 1+1");
}

static void lines_come_seldom_and_only_with_news(void **state)
{
    struct fixture *fixture = *state;

    start(fixture, PROGRESS_AUTO, 1); /* a pipe is no terminal */
    progress_total(fixture->progress, 10, true);
    assert_int_equal(progress_draw(fixture->progress, SECOND), 6 * SECOND);
    run(fixture, task_failed(1, 0, 0, 1));
    progress_draw(fixture->progress, 5 * SECOND);
    written_is(fixture, "");
    assert_int_equal(progress_draw(fixture->progress, 6 * SECOND), 16 * SECOND);
    written_is(fixture, "troupe map: 1 of 10, 1 failed, 0 running, 0.20/s, 45.0 s left\n");
    progress_draw(fixture->progress, 16 * SECOND);
    written_is(fixture, "");
    run(fixture, task_done(2, 0, 0, 1));
    for (uint64_t second = 17; second < 1000; second++)
        progress_draw(fixture->progress, second * SECOND);
    written_is(fixture, "troupe map: 2 of 10, 1 failed, 0 running, 0.06/s, 2 m 20 s left\n");
}

static void silence_is_kept(void **state)
{
    struct fixture *fixture = *state;

    start(fixture, PROGRESS_NONE, 1);
    run(fixture, task_done(1, 0, 0, 1));
    assert_true(progress_draw(fixture->progress, 100 * SECOND) == UINT64_MAX);
    progress_hide(fixture->progress);
    written_is(fixture, "");
}

#define PROGRESS_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PROGRESS_TEST(a_bar_says_what_is_over_and_what_is_left),
        PROGRESS_TEST(skipped_tasks_count_as_over_but_not_as_speed),
        PROGRESS_TEST(without_a_total_there_is_no_bar),
        PROGRESS_TEST(several_nodes_have_their_share),
        PROGRESS_TEST(lines_come_seldom_and_only_with_news),
        PROGRESS_TEST(silence_is_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
