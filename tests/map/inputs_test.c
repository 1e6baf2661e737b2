/* Lists of inputs from everywhere: whole, in order, of any bytes, and as they come. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "launch/map/text/inputs.h"
#include "troupe/troupe.h"

enum { NS_EACH_MS = 1000000 };

/* A file of the test's own, removed at its end. */
static char path[64];

static int path_make(void **state)
{
    int descriptor;

    (void)state;
    snprintf(path, sizeof path, "/tmp/troupe-inputs-XXXXXX");
    descriptor = mkstemp(path);
    return descriptor < 0 ? -1 : close(descriptor);
}

static int path_remove(void **state)
{
    (void)state;
    unlink(path); /* a test may have done it already */
    return 0;
}

static void file_write(const char *mode, const char *bytes, size_t size)
{
    FILE *file = fopen(path, mode);

    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static struct inputs *opened(const struct inputs_options *options)
{
    struct inputs *inputs;

    if (inputs_open(options, &inputs) != TROUPE_OK)
        fail_msg("%s", troupe_last_error());
    return inputs;
}

static void next_is(struct inputs *inputs, const char *bytes, size_t size)
{
    struct map_input input;

    assert_int_equal(inputs_next(inputs, &input, TROUPE_FOREVER), 1);
    assert_int_equal(input.size, size);
    assert_memory_equal(input.bytes, bytes, size);
    assert_int_equal(input.bytes[size], '\0');
}

static void ended(struct inputs *inputs)
{
    struct map_input input;

    assert_int_equal(inputs_next(inputs, &input, TROUPE_FOREVER),
                     0); /* the end may be on its way */
    assert_int_equal(inputs_next(inputs, &input, TROUPE_NO_WAIT), 0);
}

/* ---- lines ---------------------------------------------------------------------------------- */

/* The file's lines are those wanted, as many as there are, and the total says so. */
static void file_gives(const char *bytes, size_t size, bool zeros, size_t count,
                       const troupe_bytes *wanted)
{
    struct inputs_options options = { .file = path, .null_separated = zeros };
    struct inputs *inputs;
    uint64_t total;

    file_write("w", bytes, size);
    inputs = opened(&options);
    assert_int_equal(inputs_descriptor(inputs), -1);
    assert_true(inputs_total(inputs, &total));
    assert_int_equal(total, count);
    for (size_t i = 0; i < count; i++)
        next_is(inputs, wanted[i].data, wanted[i].size);
    ended(inputs);
    assert_true(inputs_total(inputs, &total));
    assert_int_equal(total, count);
    inputs_close(inputs);
}

static void lines_are_inputs_as_they_stand(void **state)
{
    troupe_bytes strange[] = { troupe_text("a b"), troupe_text(""), troupe_text("c\r"),
                               troupe_text(" \xff\xc3 "), troupe_text("last") };
    static const char lines[] = "a b\n\nc\r\n \xff\xc3 \nlast";

    (void)state;
    file_gives(lines, sizeof lines - 1, false, 5, strange);
    file_gives("", 0, false, 0, NULL);
    file_gives("\n", 1, false, 1, &(troupe_bytes){ "", 0 });
    file_gives("\n\n", 2, false, 2, (troupe_bytes[]){ { "", 0 }, { "", 0 } });
    file_gives("x", 1, false, 1, &(troupe_bytes){ "x", 1 });
}

static void zeros_may_end_inputs_that_hold_newlines(void **state)
{
    static const char bytes[] = "a\nb\0\0'c'\0d";

    (void)state;
    file_gives(bytes, sizeof bytes - 1, true, 4,
               (troupe_bytes[]){ { "a\nb", 3 }, { "", 0 }, { "'c'", 3 }, { "d", 1 } });
}

static void long_lines_come_whole(void **state)
{
    enum { SIZE = 1 << 20, LINES = 3 };
    char *bytes = malloc(LINES * (SIZE + 1));
    troupe_bytes lines[LINES];

    (void)state;
    assert_non_null(bytes);
    for (int i = 0; i < LINES; i++) {
        char *line = bytes + i * (SIZE + 1);

        memset(line, 'a' + i, SIZE);
        line[SIZE] = '\n';
        lines[i] = troupe_bytes_of(line, SIZE);
    }
    file_gives(bytes, LINES * (SIZE + 1), false, LINES, lines);
    free(bytes);
}

static void a_zero_in_a_line_is_refused_with_its_number(void **state)
{
    struct inputs_options options = { .file = path };
    struct map_input input;
    struct inputs *inputs;

    (void)state;
    file_write("w", "a\nb\0c\nd\n", 8);
    inputs = opened(&options);
    next_is(inputs, "a", 1);
    assert_int_equal(inputs_next(inputs, &input, TROUPE_FOREVER), TROUPE_BAD_ARGUMENT);
    assert_non_null(strstr(troupe_last_error(), "input 2"));
    assert_int_equal(inputs_next(inputs, &input, TROUPE_FOREVER), TROUPE_BAD_ARGUMENT);
    inputs_close(inputs);
}

static void columns_are(struct inputs *inputs, size_t count, const char *const *wanted)
{
    struct map_input input;

    assert_int_equal(inputs_next(inputs, &input, TROUPE_FOREVER), 1);
    assert_int_equal(input.column_count, count);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(input.columns[i].size, strlen(wanted[i]));
        assert_memory_equal(input.columns[i].data, wanted[i], strlen(wanted[i]));
    }
}

#define COLUMNS(...) ((const char *const[]){ __VA_ARGS__ })

static void columns_are_split(void **state)
{
    struct inputs_options options = { .file = path, .column_separator = "\\t" };
    struct inputs *inputs;

    (void)state;
    file_write("w", "a\tb c\t\n\nd", 9);
    inputs = opened(&options);
    columns_are(inputs, 3, COLUMNS("a", "b c", ""));
    columns_are(inputs, 1, COLUMNS(""));
    columns_are(inputs, 1, COLUMNS("d"));
    ended(inputs);
    inputs_close(inputs);
    file_write("w", "a, b,c, ", 8);
    options.column_separator = ", ";
    inputs = opened(&options);
    columns_are(inputs, 3, COLUMNS("a", "b,c", ""));
    inputs_close(inputs);
    options.column_separator = NULL;
    inputs = opened(&options);
    columns_are(inputs, 1, COLUMNS("a, b,c, "));
    inputs_close(inputs);
}

/* ---- the command line ----------------------------------------------------------------------- */

static void lists_are_combined(void **state)
{
    char mark[] = ":::", plus[] = ":::+", a[] = "a", b[] = "b", one[] = "1", two[] = "2", x[] = "x";
    char *words[] = { mark, a, b, plus, one, two, one, mark, x, two };
    struct inputs_options options = { .arguments = words, .count = 10 };
    struct inputs *inputs = opened(&options);
    uint64_t total;

    (void)state;
    assert_true(inputs_total(inputs, &total));
    assert_int_equal(total, 4);
    columns_are(inputs, 3, COLUMNS("a", "1", "x"));
    columns_are(inputs, 3, COLUMNS("a", "1", "2"));
    columns_are(inputs, 3, COLUMNS("b", "2", "x"));
    next_is(inputs, "b 2 2", 5);
    ended(inputs);
    inputs_close(inputs);
}

static void an_empty_list_leaves_no_combination(void **state)
{
    char mark[] = ":::", a[] = "a", empty[] = "";
    char *words[] = { mark, a, mark }, *with_empty[] = { mark, empty };
    struct inputs_options options = { .arguments = words, .count = 3 };
    struct inputs *inputs = opened(&options);

    (void)state;
    ended(inputs);
    inputs_close(inputs);
    options = (struct inputs_options){ .arguments = with_empty, .count = 2 };
    inputs = opened(&options);
    next_is(inputs, "", 0);
    ended(inputs);
    inputs_close(inputs);
}

static void combinations_beyond_counting_are_refused(void **state)
{
    enum { LISTS = 65, WORDS = 3 };
    char mark[] = ":::", a[] = "a", *words[LISTS * WORDS];
    struct inputs_options options = { .arguments = words, .count = LISTS * WORDS };
    struct inputs *inputs;

    (void)state;
    for (size_t i = 0; i < LISTS * WORDS; i++)
        words[i] = i % WORDS == 0 ? mark : a;
    assert_int_equal(inputs_open(&options, &inputs), TROUPE_BAD_ARGUMENT);
}

static void contradictions_are_refused(void **state)
{
    char mark[] = ":::", *words[] = { mark };
    struct inputs *inputs;

    (void)state;
    assert_int_equal(inputs_open(&(struct inputs_options){ .file = "x", .follow = "y" }, &inputs),
                     TROUPE_BAD_ARGUMENT);
    assert_int_equal(
        inputs_open(&(struct inputs_options){ .arguments = words, .count = 1, .file = "x" },
                    &inputs),
        TROUPE_BAD_ARGUMENT);
    assert_int_equal(
        inputs_open(&(struct inputs_options){ .file = path, .column_separator = "" }, &inputs),
        TROUPE_BAD_ARGUMENT);
    assert_int_equal(inputs_open(&(struct inputs_options){ .file = "/no/such" }, &inputs),
                     TROUPE_NOT_FOUND);
    assert_int_equal(inputs_open(&(struct inputs_options){ .follow = "/dev/null" }, &inputs),
                     TROUPE_BAD_ARGUMENT);
}

/* ---- lists that grow ------------------------------------------------------------------------ */

/* Standard input becomes a pipe for the time of a test. */
static int kept_input, pipe_end;

static int input_replace(void **state)
{
    int ends[2];

    (void)state;
    kept_input = dup(STDIN_FILENO);
    if (kept_input < 0 || pipe(ends) != 0 || dup2(ends[0], STDIN_FILENO) < 0)
        return -1;
    pipe_end = ends[1];
    return close(ends[0]);
}

static int input_restore(void **state)
{
    (void)state;
    return dup2(kept_input, STDIN_FILENO) < 0 || close(kept_input) != 0 ? -1 : 0;
}

static void nothing_yet(struct inputs *inputs)
{
    struct map_input input;
    uint64_t begin = clock_now();

    assert_int_equal(inputs_next(inputs, &input, TROUPE_NO_WAIT), TROUPE_TIMEOUT);
    assert_int_equal(inputs_next(inputs, &input, 20), TROUPE_TIMEOUT);
    assert_true(clock_now() - begin >= 20 * (uint64_t)NS_EACH_MS);
}

static void a_pipe_gives_lines_as_they_come(void **state)
{
    struct inputs *inputs = opened(&(struct inputs_options){ .file = "-" });
    uint64_t total;

    (void)state;
    assert_int_equal(inputs_descriptor(inputs), STDIN_FILENO);
    assert_false(inputs_total(inputs, &total));
    nothing_yet(inputs);
    assert_int_equal(write(pipe_end, "a\nb", 3), 3);
    next_is(inputs, "a", 1);
    nothing_yet(inputs);
    assert_int_equal(write(pipe_end, "c\nd", 3), 3);
    next_is(inputs, "bc", 2);
    assert_int_equal(close(pipe_end), 0);
    next_is(inputs, "d", 1);
    ended(inputs);
    inputs_close(inputs);
}

static void a_followed_file_gives_lines_until_its_mark(void **state)
{
    struct inputs *inputs;
    uint64_t total;

    (void)state;
    file_write("w", "a\n", 2);
    inputs = opened(&(struct inputs_options){ .follow = path });
    assert_false(inputs_total(inputs, &total));
    assert_true(inputs_descriptor(inputs) >= 0);
    next_is(inputs, "a", 1);
    nothing_yet(inputs);
    file_write("a", "b", 1);
    nothing_yet(inputs);
    file_write("a", "c\n:::x\n:::\nbeyond\n", 18);
    next_is(inputs, "bc", 2);
    next_is(inputs, ":::x", 4);
    ended(inputs);
    inputs_close(inputs);
}

/* A child writes while its parent waits. */
static void a_followed_file_wakes_who_waits(void **state)
{
    enum { LINES = 200 };
    struct inputs *inputs = opened(&(struct inputs_options){ .follow = path });
    pid_t child;
    int status;

    (void)state;
    child = fork();
    if (child == 0) {
        FILE *file = fopen(path, "a");

        for (int i = 0; i < LINES && file != NULL; i++)
            if (fprintf(file, "line %d\n", i) < 0 || fflush(file) != 0)
                _exit(1);
        _exit(file == NULL || fprintf(file, ":::\n") < 0 || fclose(file) != 0);
    }
    for (int i = 0; i < LINES; i++) {
        char line[32];

        snprintf(line, sizeof line, "line %d", i);
        next_is(inputs, line, strlen(line));
    }
    ended(inputs);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    inputs_close(inputs);
}

static void a_followed_file_ends_when_it_is_removed(void **state)
{
    struct inputs *inputs;

    (void)state;
    file_write("w", "a\nb", 3);
    inputs = opened(&(struct inputs_options){ .follow = path });
    next_is(inputs, "a", 1);
    nothing_yet(inputs);
    assert_int_equal(unlink(path), 0);
    next_is(inputs, "b", 1);
    ended(inputs);
    inputs_close(inputs);
}

static void a_followed_file_that_is_cut_is_an_error(void **state)
{
    struct map_input input;
    struct inputs *inputs;

    (void)state;
    file_write("w", "a\nb\n", 4);
    inputs = opened(&(struct inputs_options){ .follow = path });
    next_is(inputs, "a", 1);
    next_is(inputs, "b", 1);
    assert_int_equal(truncate(path, 1), 0);
    assert_int_equal(inputs_next(inputs, &input, TROUPE_FOREVER), TROUPE_SYSTEM);
    assert_non_null(strstr(troupe_last_error(), "became shorter"));
    inputs_close(inputs);
}

/* ---- many ----------------------------------------------------------------------------------- */

static long memory_kib(void)
{
    struct rusage usage;

    assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);
    return usage.ru_maxrss;
}

/* A list is not held: its 16 MB leave no trace in the memory that was used. */
static void a_million_inputs_pass_through_little_memory(void **state)
{
    enum { COUNT = 1000000, KIB_MOST = 4096 };
    FILE *file = fopen(path, "w");
    struct inputs_options options = { .file = path, .column_separator = "," };
    struct map_input input = { 0 };
    struct inputs *inputs;
    long before;
    uint64_t total;

    (void)state;
    assert_non_null(file);
    for (int i = 1; i <= COUNT; i++)
        fprintf(file, "%d,input %d\n", i, i);
    assert_int_equal(fclose(file), 0);
    inputs = opened(&options);
    before = memory_kib();
    assert_true(inputs_total(inputs, &total));
    assert_int_equal(total, COUNT);
    for (int i = 1; i <= COUNT; i++)
        if (inputs_next(inputs, &input, TROUPE_FOREVER) != 1 || input.seq != (uint64_t)i ||
            atoi(input.columns[0].data) != i || input.column_count != 2)
            fail_msg("input %d is not what was written", i);
    ended(inputs);
    assert_in_range(memory_kib() - before, 0, KIB_MOST);
    inputs_close(inputs);
}

#define FILE_TEST(test) cmocka_unit_test_setup_teardown(test, path_make, path_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FILE_TEST(lines_are_inputs_as_they_stand),
        FILE_TEST(zeros_may_end_inputs_that_hold_newlines),
        FILE_TEST(long_lines_come_whole),
        FILE_TEST(a_zero_in_a_line_is_refused_with_its_number),
        FILE_TEST(columns_are_split),
        cmocka_unit_test(lists_are_combined),
        cmocka_unit_test(an_empty_list_leaves_no_combination),
        cmocka_unit_test(combinations_beyond_counting_are_refused),
        FILE_TEST(contradictions_are_refused),
        cmocka_unit_test_setup_teardown(a_pipe_gives_lines_as_they_come, input_replace,
                                        input_restore),
        FILE_TEST(a_followed_file_gives_lines_until_its_mark),
        FILE_TEST(a_followed_file_wakes_who_waits),
        FILE_TEST(a_followed_file_ends_when_it_is_removed),
        FILE_TEST(a_followed_file_that_is_cut_is_an_error),
        FILE_TEST(a_million_inputs_pass_through_little_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
