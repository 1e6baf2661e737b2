/* Templates: what GNU parallel makes of the same words, and what its manual leaves open. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "job/words.h"
#include "launch/map/text/template.h"
#include "troupe/troupe.h"

enum { COLUMNS_MAX = 4 };

/* What is known of a run in these tests. */
static const struct template_place place = { .rank = 2, .attempt = 3, .gpu = "GPU-5" };

/* Fills the columns of an input from strings, ended by NULL. */
static void input_make(const char *const *strings, troupe_bytes *columns, struct map_input *input)
{
    size_t count = 0;

    for (; strings[count] != NULL; count++)
        columns[count] = troupe_text(strings[count]);
    *input = (struct map_input){ .seq = 17,
                                 .bytes = strings[0],
                                 .size = strlen(strings[0]),
                                 .columns = columns,
                                 .column_count = count };
}

/* The words of a command, with a blank and a bar between them, as one string. */
static void expand(const char *command, bool shell, const char *const *strings, struct text *answer)
{
    troupe_bytes columns[COLUMNS_MAX];
    struct template *template;
    struct words words = { 0 };
    struct map_input input;
    char **argv;

    input_make(strings, columns, &input);
    if (shell)
        words_append(&words, command);
    else
        assert_int_equal(words_split(&words, command), TROUPE_OK);
    assert_int_equal(template_parse(words.data, words.count, shell, &template), TROUPE_OK);
    words_free(&words);
    assert_int_equal(template_expand(template, &input, &place, &argv), TROUPE_OK);
    template_free(template);
    for (size_t i = 0; argv[i] != NULL; i++)
        text_append(answer, "%s%s", i > 0 ? " | " : "", argv[i]);
    free(argv);
}

static void expect(const char *command, bool shell, const char *const *strings, const char *wanted)
{
    struct text answer = { 0 };

    expand(command, shell, strings, &answer);
    if (strcmp(answer.data, wanted) != 0)
        fail_msg("%s with %s: %s, and not: %s", command, strings[0], answer.data, wanted);
    text_free(&answer);
}

#define INPUT(...) ((const char *const[]){ __VA_ARGS__, NULL })

static void the_input_is_put_in_or_appended(void **state)
{
    (void)state;
    expect("echo {}", false, INPUT("a b"), "echo | a b");
    expect("echo", false, INPUT("a b"), "echo | a b");
    expect("echo x{}y{}", false, INPUT("a"), "echo | xaya");
    expect("{} -v", false, INPUT("a"), "a | -v");
    expect("echo {#}", false, INPUT("a"), "echo | 17");
    expect("echo ''", false, INPUT(""), "echo |  | ");
}

static void places_of_the_run_are_filled(void **state)
{
    (void)state;
    expect("x {seq} {rank} {%} {gpu} {attempt}", false, INPUT("a"), "x | 17 | 2 | 3 | GPU-5 | 3");
}

static void other_braces_stay(void **state)
{
    (void)state;
    expect("awk {print} {foo} { } {}} {{} {0} {-0} {1.x} {#.} {.}", false, INPUT("a"),
           "awk | {print} | {foo} | { | } | a} | {a | {0} | {-0} | {1.x} | {#.} | a");
}

/* The answers are GNU parallel's to: parallel echo '{.} {/} {//} {/.}' ::: … */
static void parts_of_paths_are_those_of_parallel(void **state)
{
    static const char *const cases[][2] = {
        { "a.b.c", "a.b a.b.c . a.b" },
        { "/a/b.c/d", "/a/b.c/d d /a/b.c d" },
        { "/x.y/", "/x.y/  / " },
        { "/a", "/a a / a" },
        { "a/", "a/  . " },
        { "a/b/", "a/b/  a " },
        { ".bashrc", " .bashrc . " },
        { "a/.bashrc", "a/ .bashrc a " },
        { "./x", "./x x . x" },
        { "b.tar.gz", "b.tar b.tar.gz . b.tar" },
        { "/", "/  / " },
        { "", "  . " },
        { "a.", "a a. . a" },
        { "a//b", "a//b b a b" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct text wanted = { 0 };

        text_append(&wanted, "x | %s", cases[i][1]);
        expect("x '{.} {/} {//} {/.}'", false, INPUT(cases[i][0]), wanted.data);
        text_free(&wanted);
    }
}

static void columns_are_taken_by_number(void **state)
{
    (void)state;
    expect("x {2} {1} {3}y {-1} {-2.} {-3}", false, INPUT("d/a.b", "c"),
           "x | c | d/a.b | y | c | d/a | ");
    expect("x {1/} {1//} {1/.} {1.}", false, INPUT("d/a.b", "c"), "x | a.b | d | a | d/a");
}

static void all_columns_are_words_or_have_blanks_between_them(void **state)
{
    (void)state;
    expect("x", false, INPUT("a b", "c"), "x | a b | c");
    expect("x {} y", false, INPUT("a b", "c"), "x | a b | c | y");
    expect("x {.}", false, INPUT("a.b", "c.d"), "x | a | c");
    expect("x p{}s", false, INPUT("a b", "c"), "x | pa b cs");
}

static void a_shell_gets_one_quoted_line(void **state)
{
    (void)state;
    expect("gzip -c {} > {.}.gz", true, INPUT("it's.txt"),
           "/bin/sh | -c | -- | gzip -c 'it'\\''s.txt' > 'it'\\''s'.gz");
    expect("echo", true, INPUT("a b", "c"), "/bin/sh | -c | -- | echo 'a b' c");
    expect("echo p{}s", true, INPUT("a b", "$c"), "/bin/sh | -c | -- | echo p'a b' '$c's");
    expect("echo {}", true, INPUT(""), "/bin/sh | -c | -- | echo ''");
}

static void words_for_a_shell_are_joined(void **state)
{
    char echo[] = "echo", redirect[] = "{} >x";
    char *words[] = { echo, redirect };
    troupe_bytes columns[COLUMNS_MAX];
    struct template *template;
    struct map_input input;
    char **argv;

    (void)state;
    input_make(INPUT("a b"), columns, &input);
    assert_int_equal(template_parse(words, 2, true, &template), TROUPE_OK);
    assert_int_equal(template_expand(template, &input, &place, &argv), TROUPE_OK);
    assert_string_equal(argv[3], "echo 'a b' >x");
    assert_null(argv[4]);
    free(argv);
    template_free(template);
}

static void without_a_command_the_input_is_one(void **state)
{
    troupe_bytes columns[COLUMNS_MAX];
    struct template *template;
    struct map_input input;
    char **argv;

    (void)state;
    expect("", false, INPUT("gzip -9 'a b'"), "gzip | -9 | a b");
    input_make(INPUT("a | b"), columns, &input);
    assert_int_equal(template_parse(NULL, 0, false, &template), TROUPE_OK);
    assert_int_equal(template_expand(template, &input, &place, &argv), TROUPE_BAD_ARGUMENT);
    template_free(template);
    assert_int_equal(template_parse(NULL, 0, true, &template), TROUPE_OK);
    assert_int_equal(template_expand(template, &input, &place, &argv), TROUPE_OK);
    assert_string_equal(argv[3], "a | b");
    free(argv);
    template_free(template);
}

static void bytes_of_any_kind_come_through(void **state)
{
    enum { SIZE = 1 << 20 };
    troupe_bytes column;
    struct template *template;
    struct map_input input;
    char word[] = "--input={}", *words[] = { word }, *bytes = malloc(SIZE + 1), **argv;

    (void)state;
    assert_non_null(bytes);
    for (size_t i = 0; i < SIZE; i++)
        bytes[i] = (char)(1 + i % 255);
    bytes[SIZE] = '\0';
    column = troupe_bytes_of(bytes, SIZE);
    input = (struct map_input){ .bytes = bytes, .size = SIZE, .columns = &column };
    input.column_count = 1;
    assert_int_equal(template_parse(words, 1, false, &template), TROUPE_OK);
    assert_int_equal(template_expand(template, &input, &place, &argv), TROUPE_OK);
    assert_int_equal(strlen(argv[0]), SIZE + strlen("--input="));
    assert_memory_equal(argv[0] + strlen("--input="), bytes, SIZE);
    free(argv);
    template_free(template);
    free(bytes);
}

static bool needs_place(const char *command)
{
    struct template *template;
    struct words words = { 0 };
    bool needs;

    assert_int_equal(words_split(&words, command), TROUPE_OK);
    assert_int_equal(template_parse(words.data, words.count, false, &template), TROUPE_OK);
    needs = template_needs_place(template);
    template_free(template);
    words_free(&words);
    return needs;
}

static void a_template_says_what_it_depends_on(void **state)
{
    (void)state;
    assert_false(needs_place("x {} {#} {seq}"));
    assert_true(needs_place("x {rank}"));
    assert_true(needs_place("x{gpu}"));
    assert_true(needs_place("x {attempt}"));
    assert_true(needs_place("x {%}"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_input_is_put_in_or_appended),
        cmocka_unit_test(places_of_the_run_are_filled),
        cmocka_unit_test(other_braces_stay),
        cmocka_unit_test(parts_of_paths_are_those_of_parallel),
        cmocka_unit_test(columns_are_taken_by_number),
        cmocka_unit_test(all_columns_are_words_or_have_blanks_between_them),
        cmocka_unit_test(a_shell_gets_one_quoted_line),
        cmocka_unit_test(words_for_a_shell_are_joined),
        cmocka_unit_test(without_a_command_the_input_is_one),
        cmocka_unit_test(bytes_of_any_kind_come_through),
        cmocka_unit_test(a_template_says_what_it_depends_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
