/* Commands as words: a POSIX shell is the judge of what a line splits into. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/text.h"
#include "job/words.h"
#include "launch/map/text/command.h"
#include "troupe/troupe.h"

/* The words that the shell makes of a line, each with a zero behind it. */
static void shell_split(const char *line, struct text *answer)
{
    struct text command = { 0 };
    char piece[4096];
    size_t size;
    FILE *shell;

    text_append(&command, "set -f; set -- %s\nfor word; do printf '%%s\\0' \"$word\"; done", line);
    shell = popen(command.data, "r");
    assert_non_null(shell);
    while ((size = fread(piece, 1, sizeof piece, shell)) > 0)
        text_append_bytes(answer, piece, size);
    assert_int_equal(pclose(shell), 0);
    text_free(&command);
}

static void ours_split(const char *line, struct text *answer)
{
    struct words words = { 0 };

    if (words_split_plain(&words, line) != TROUPE_OK)
        fail_msg("%s: %s", line, troupe_last_error());
    for (size_t i = 0; i < words.count; i++)
        text_append_bytes(answer, words.data[i], strlen(words.data[i]) + 1);
    words_free(&words);
}

static void compare(const char *line)
{
    struct text shells = { 0 }, ours = { 0 };

    shell_split(line, &shells);
    ours_split(line, &ours);
    if (shells.size != ours.size || (ours.size > 0 && memcmp(shells.data, ours.data, ours.size)))
        fail_msg("a shell takes this line for other words: %s", line);
    text_free(&shells);
    text_free(&ours);
}

static void lines_split_as_in_a_shell(void **state)
{
    static const char *const lines[] = {
        "a b",
        "  a \t b  ",
        "'a  b'c\"d  e\"f",
        "\"a\\\"b\\\\c\\d\"",
        "'a\\b' a\\b a\\\\b",
        "a\\ b \\'c\\'",
        "'' \"\" a''b",
        "\"it's\" '\"'",
        "a\\\nb \\\n c",
        "\"a\\\nb\"",
        "'a\nb'",
        "{} {.} {#} --x={}",
        "-n -- *.c ~x [a]",
        "\xff\xc3\xa9 '\xfe'",
        "\"\\$HOME \\`id\\`\" '$HOME|&;<>()`' \\$ \\| \\; \\& \\< \\> \\( \\)",
        "\r\v\f",
    };

    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        compare(lines[i]);
}

/* Random lines of the characters that matter; those that end inside a quote or have work for a
 * shell are left out by what is said about them. */
static void random_lines_split_as_in_a_shell(void **state)
{
    enum { LINES = 200, LENGTH = 12 };
    static const char alphabet[] = "ab '\"\\\\'\" \t";
    unsigned seed = 20221122;

    (void)state;
    for (int i = 0; i < LINES; i++) {
        struct words words = { 0 };
        char line[LENGTH + 1] = "";

        for (int j = 0; j < LENGTH; j++)
            line[j] = alphabet[(seed = seed * 1103515245 + 12345) / 65536 % (sizeof alphabet - 1)];
        /* A backslash at the very end would take the newline that follows in the script. */
        if (line[LENGTH - 1] != '\\' && words_split_plain(&words, line) == TROUPE_OK)
            compare(line);
        words_free(&words);
    }
}

static void refused(const char *line, const char *sentence)
{
    struct words words = { 0 };

    assert_int_equal(words_split_plain(&words, line), TROUPE_BAD_ARGUMENT);
    if (strstr(troupe_last_error(), sentence) == NULL)
        fail_msg("%s: \"%s\" is not in: %s", line, sentence, troupe_last_error());
    words_free(&words);
}

static void what_is_wrong_is_said_with_its_place(void **state)
{
    (void)state;
    refused("a 'b", "quote at character 3 is not closed");
    refused("\"a b\\\"", "quote at character 1 is not closed");
    refused("zcat {} | wc -l", "| at character 9 is for a shell");
    refused("a > b", "> at character 3");
    refused("a&", "& at character 2");
    refused("echo \"$HOME\"", "$ at character 7");
    refused("echo `id`", "` at character 6");
}

static void operators_are_characters_where_no_shell_is_meant(void **state)
{
    struct words words = { 0 };

    (void)state;
    assert_int_equal(words_split(&words, "a|b $c"), TROUPE_OK);
    assert_int_equal(words.count, 2);
    assert_string_equal(words.data[0], "a|b");
    words_free(&words);
}

static void a_single_word_is_a_line_and_several_are_words(void **state)
{
    char line[] = "gzip -9 'a b'", program[] = "./my prog", pipe_word[] = "|";
    char *one[] = { line }, *two[] = { program, pipe_word };
    struct words words = { 0 };

    (void)state;
    assert_int_equal(command_words(one, 1, &words), TROUPE_OK);
    assert_int_equal(words.count, 3);
    assert_string_equal(words.data[2], "a b");
    words_free(&words);
    assert_int_equal(command_words(two, 2, &words), TROUPE_OK);
    assert_int_equal(words.count, 2);
    assert_string_equal(words.data[0], "./my prog");
    assert_string_equal(words.data[1], "|");
    words_free(&words);
    assert_int_equal(command_words(NULL, 0, &words), TROUPE_OK);
    assert_int_equal(words.count, 0);
    words_free(&words);
    line[0] = '\0';
    assert_int_equal(command_words(one, 1, &words), TROUPE_BAD_ARGUMENT);
    words_free(&words);
}

static void a_command_ends_at_the_first_mark(void **state)
{
    char a[] = "a", four[] = "::::", mark[] = ":::", plus[] = ":::+";
    char *words[] = { a, four, plus, mark, a };

    (void)state;
    assert_int_equal(command_end(words, 5), 2);
    assert_int_equal(command_end(words + 3, 2), 0);
    assert_int_equal(command_end(words, 2), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_split_as_in_a_shell),
        cmocka_unit_test(random_lines_split_as_in_a_shell),
        cmocka_unit_test(what_is_wrong_is_said_with_its_place),
        cmocka_unit_test(operators_are_characters_where_no_shell_is_meant),
        cmocka_unit_test(a_single_word_is_a_line_and_several_are_words),
        cmocka_unit_test(a_command_ends_at_the_first_mark),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
