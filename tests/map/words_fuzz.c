/* Lines of any bytes as words, for libFuzzer; the corpus in tests/data is replayed as a test.
 *
 * Whatever the bytes are: splitting ends with words or one sentence; words that are quoted and
 * joined split into the same words again; and what needs no shell is split alike whether or not
 * what does is refused. */
#include "fuzz.h"

#include "job/words.h"

static void words_equal(const struct words *one, const struct words *two)
{
    insist(one->count == two->count, "another number of words");
    for (size_t i = 0; i < one->count; i++)
        insist(strcmp(one->data[i], two->data[i]) == 0, "another word");
}

static void quoted_again(const struct words *words)
{
    struct words again = { 0 };
    struct text line = { 0 };

    text_append(&line, " ");
    for (size_t i = 0; i < words->count; i++) {
        words_quote(&line, words->data[i]);
        text_append(&line, "\t");
    }
    insist(words_split_plain(&again, line.data) == TROUPE_OK, "what was quoted is refused");
    words_equal(words, &again);
    words_free(&again);
    text_free(&line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *line = string_of(data, size);
    struct words words = { 0 }, plain = { 0 };
    int split = words_split(&words, line), split_plain = words_split_plain(&plain, line);

    insist(split == TROUPE_OK || split == TROUPE_BAD_ARGUMENT, "another result");
    insist(split_plain != TROUPE_OK || split == TROUPE_OK, "refused without a shell only");
    if (split == TROUPE_OK)
        quoted_again(&words);
    if (split_plain == TROUPE_OK)
        words_equal(&words, &plain);
    words_free(&words);
    words_free(&plain);
    free(line);
    return 0;
}
