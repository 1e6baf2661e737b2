/* Fresh processes with GPUs of their own, in a running world of two ranks on a machine of a file
 * with four GPUs. What counts is the environment that the program was started with: a library may
 * read it before any code of ours. */
#include "world/harness.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define ENVIRONMENT_MOST (256 << 10)
#define WATCH_SECONDS 100

/* Whether this process was started with the line NAME=value, or, of "NAME", without any. */
static bool started_with(const char *line)
{
    static char environment[ENVIRONMENT_MOST];
    int file = open("/proc/self/environ", O_RDONLY);
    size_t used = 0, length = strcspn(line, "=");
    ssize_t got;

    while (file >= 0 && (got = read(file, environment + used, sizeof environment - 1 - used)) > 0)
        used += (size_t)got;
    close(file);
    for (char *at = environment; at < environment + used; at += strlen(at) + 1)
        if (strncmp(at, line, length) == 0 && at[length] == '=')
            return strcmp(at, line) == 0;
    return line[length] == '\0';
}

static int is_started_with(const void *argument, size_t bytes)
{
    const char *line = argument;

    (void)bytes;
    if (!started_with(line)) {
        fprintf(stderr, "not started with %s but CUDA_VISIBLE_DEVICES=%s\n", line,
                getenv("CUDA_VISIBLE_DEVICES"));
        return 1;
    }
    return 0;
}

static troupe_process begin(const char *line, int gpus, const char *list)
{
    troupe_process_options options = { .method = TROUPE_METHOD_SPAWN,
                                       .gpus = gpus,
                                       .gpu_list = list };

    return harness_start(is_started_with, line, strlen(line) + 1, &options);
}

static void a_list_is_its_own(void **state)
{
    (void)state;
    harness_done(begin("CUDA_VISIBLE_DEVICES=3,1", 0, "3,1"), 0);
    harness_done(begin("CUDA_DEVICE_ORDER=PCI_BUS_ID", 0, "3,1"), 0);
    harness_done(begin("CUDA_VISIBLE_DEVICES=", 0, ""), 0);
    harness_done(begin("TROUPE_PLACED_GPU=none", 0, ""), 0);
}

/* Which number of GPUs this process sees. */
static int count_gpus(const void *argument, size_t bytes)
{
    const char *mask = getenv("CUDA_VISIBLE_DEVICES");
    int count = 1;

    (void)argument, (void)bytes;
    for (const char *comma = mask; comma != NULL && (comma = strchr(comma, ',')) != NULL; comma++)
        count++;
    return mask != NULL ? count : 100;
}

static void a_number_is_given(void **state)
{
    (void)state;
    for (int gpus = 1; gpus <= 4; gpus++) {
        troupe_process_options options = { .method = TROUPE_METHOD_SPAWN, .gpus = gpus };

        harness_done(harness_start(count_gpus, NULL, 0, &options), gpus);
    }
}

struct stay {
    troupe_queue seen, leave;
};

/* Says which GPU it has, and holds it until told. */
static int stay(const void *argument, size_t bytes)
{
    const struct stay *stay = argument;
    int value = atoi(getenv("CUDA_VISIBLE_DEVICES"));

    (void)bytes;
    if (troupe_queue_put(stay->seen, &value, sizeof value, TROUPE_FOREVER) != TROUPE_OK)
        return 1;
    return troupe_queue_get(stay->leave, &value, sizeof value, NULL, TROUPE_FOREVER) == TROUPE_OK
               ? 0
               : 2;
}

static void those_who_live_at_once_have_different_ones(void **state)
{
    struct stay places = { harness_queue(), harness_queue() };
    troupe_process_options options = { .method = TROUPE_METHOD_SPAWN, .gpus = 1 };
    troupe_process crew[4];
    int seen = 0;

    (void)state;
    for (size_t i = 0; i < 4; i++)
        crew[i] = harness_start(stay, &places, sizeof places, &options);
    for (size_t i = 0; i < 4; i++)
        seen |= 1 << harness_get_int(places.seen);
    assert_int_equal(seen, 15);
    for (size_t i = 0; i < 4; i++)
        harness_put_int(places.leave, 0);
    for (size_t i = 0; i < 4; i++)
        harness_done(crew[i], 0);
    troupe_queue_destroy(places.seen);
    troupe_queue_destroy(places.leave);
}

/* The parent's own setenv reaches a fresh process before its program starts, too. */
static void the_starters_choice_comes_before_the_program(void **state)
{
    (void)state;
    setenv("CUDA_VISIBLE_DEVICES", "2", 1);
    harness_done(begin("CUDA_VISIBLE_DEVICES=2", 0, NULL), 0);
    harness_done(begin("CUDA_VISIBLE_DEVICES=2", 1, NULL), 0);
    harness_done(begin("CUDA_VISIBLE_DEVICES=0", 0, "0"), 0);
    unsetenv("CUDA_VISIBLE_DEVICES");
    harness_done(begin("TROUPE_GPU_MODE", 0, NULL), 0);
}

static void expect_failed(int gpus, const char *list, const char *word)
{
    troupe_process_status status = harness_end(begin("", gpus, list));

    assert_int_equal(status.state, TROUPE_STATE_FAILED);
    if (strstr(status.reason, word) == NULL)
        fail_msg("\"%s\" says nothing of \"%s\"", status.reason, word);
}

static void expect_refused(int method, int gpus, const char *list, const char *word)
{
    troupe_process_options options = { .method = method, .gpus = gpus, .gpu_list = list };
    troupe_process process;

    assert_int_equal(troupe_process_start(count_gpus, NULL, 0, &options, &process),
                     TROUPE_BAD_ARGUMENT);
    if (strstr(troupe_last_error(), word) == NULL)
        fail_msg("\"%s\" says nothing of \"%s\"", troupe_last_error(), word);
}

static void what_cannot_be_is_said(void **state)
{
    (void)state;
    expect_failed(5, NULL, "5 GPUs");
    expect_failed(0, "0,7", "'7'");
    expect_failed(0, "1,1", "same GPU");
    expect_refused(TROUPE_METHOD_SPAWN, -1, NULL, "-1");
    expect_refused(TROUPE_METHOD_SPAWN, 1, "0", "not both");
    expect_refused(TROUPE_METHOD_RANK, 1, NULL, "SPAWN");
    expect_refused(TROUPE_METHOD_DEFAULT, 0, "0", "SPAWN");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_is_its_own),
        cmocka_unit_test(a_number_is_given),
        cmocka_unit_test(those_who_live_at_once_have_different_ones),
        cmocka_unit_test(the_starters_choice_comes_before_the_program),
        cmocka_unit_test(what_cannot_be_is_said),
    };

    if (troupe_init(&argc, &argv) != TROUPE_OK)
        return 1;
    harness_watch(WATCH_SECONDS);
    return troupe_finalize(cmocka_run_group_tests(tests, NULL, NULL));
}
