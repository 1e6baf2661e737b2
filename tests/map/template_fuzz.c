/* Templates and inputs of any bytes, for libFuzzer; the corpus in tests/data is replayed as a test.
 *
 * The first byte says how many of the strings that follow are columns, the others are words.
 * Whatever they are: a template expands; without a shell each word gives one word at least, and one
 * without a brace stays; with one there is a line, and a whole input in it is read back as it
 * was. */
#include "fuzz.h"

#include "job/words.h"
#include "launch/map/text/template.h"

enum { STRINGS = 6, SHELL_WORDS = 4 };

static const struct template_place place = { .rank = 1, .attempt = 2, .gpu = "GPU-3" };

static size_t argv_count(char **argv)
{
    size_t count = 0;

    while (argv[count] != NULL)
        count++;
    return count;
}

static char **expand(char *const *words, size_t count, bool shell, const struct map_input *input)
{
    struct template *template;
    char **argv;

    insist(template_parse(words, count, shell, &template) == TROUPE_OK, "no template");
    insist(template_expand(template, input, &place, &argv) == TROUPE_OK, "no command");
    template_free(template);
    return argv;
}

static void words_check(char *const *words, size_t count, const struct map_input *input)
{
    char **argv = expand(words, count, false, input);

    insist(argv_count(argv) >= count, "a word is gone");
    for (size_t i = 0; i < count && strchr(words[i], '{') == NULL; i++)
        insist(strcmp(argv[i], words[i]) == 0, "a plain word has changed");
    free(argv);
}

static void shell_check(char *const *words, size_t count, const struct map_input *input)
{
    char whole[] = "{}", *only[] = { whole };
    char **argv = expand(words, count, true, input);
    struct words columns = { 0 };

    insist(argv_count(argv) == SHELL_WORDS, "a shell gets one line");
    free(argv);
    argv = expand(only, 1, true, input);
    insist(words_split_plain(&columns, argv[SHELL_WORDS - 1]) == TROUPE_OK, "badly quoted");
    insist(columns.count == input->column_count, "another number of columns");
    for (size_t i = 0; i < columns.count; i++)
        insist(strlen(columns.data[i]) == input->columns[i].size &&
                   memcmp(columns.data[i], input->columns[i].data, input->columns[i].size) == 0,
               "another column");
    words_free(&columns);
    free(argv);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    troupe_bytes columns[STRINGS] = { 0 };
    char *strings[STRINGS];
    struct map_input input = { .seq = 17, .columns = columns };
    size_t count = 0, at = 1, words;

    if (size < 2)
        return 0;
    while (count < STRINGS && at <= size) {
        strings[count] = string_of(data + at, size - at);
        at += strlen(strings[count++]) + 1;
    }
    input.column_count = 1 + data[0] % count;
    if (input.column_count == count && count > 1)
        input.column_count--;
    words = count - input.column_count;
    for (size_t i = 0; i < input.column_count; i++)
        columns[i] = troupe_text(strings[words + i]);
    input.bytes = columns[0].data;
    input.size = columns[0].size;
    if (words > 0) {
        words_check(strings, words, &input);
        shell_check(strings, words, &input);
    }
    for (size_t i = 0; i < count; i++)
        free(strings[i]);
    return 0;
}
