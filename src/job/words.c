#include "job/words.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

static bool words_reserve(struct words *words)
{
    size_t capacity = words->capacity > 0 ? 2 * words->capacity : 32;
    char **data;

    if (words->count + 1 < words->capacity)
        return true;
    data = realloc(words->data, capacity * sizeof *data);
    if (data == NULL)
        return false;
    words->data = data;
    words->capacity = capacity;
    return true;
}

static void words_take(struct words *words, char *word)
{
    if (word == NULL || !words_reserve(words)) {
        free(word);
        words->broken = true;
        return;
    }
    words->data[words->count++] = word;
    words->data[words->count] = NULL;
}

void words_append(struct words *words, const char *word)
{
    words_take(words, strdup(word));
}

void words_append_all(struct words *words, char *const *more)
{
    for (; more != NULL && *more != NULL; more++)
        words_append(words, *more);
}

void words_free(struct words *words)
{
    for (size_t i = 0; i < words->count; i++)
        free(words->data[i]);
    free(words->data);
    memset(words, 0, sizeof *words);
}

/* Where a line is being read, and how. */
struct line {
    const char *text;
    const char *from;
    bool plain; /* what a shell would act on is refused */
};

static bool among(char character, const char *set)
{
    return character != '\0' && strchr(set, character) != NULL;
}

/* Whether a backslash before next takes part in the quoting, or is a character as any other. */
static bool escapes(char quote, char next)
{
    if (quote == '"')
        return among(next, "$`\"\\\n");
    return quote == '\0' && next != '\0';
}

static bool shell_acts(char quote, char character)
{
    if (quote == '"')
        return among(character, "$`");
    return quote == '\0' && among(character, "|&;<>()$`");
}

/* Passes over blanks, and over the ends of lines that a backslash takes away. */
static void blanks_skip(struct line *line)
{
    while (among(*line->from, " \t\n") || strncmp(line->from, "\\\n", 2) == 0)
        line->from += *line->from == '\\' ? 2 : 1;
}

static int character_of(const struct line *line, const char *at)
{
    return (int)(at - line->text) + 1;
}

/* Reads one word into text; line stands behind it then. */
static int word_read(struct line *line, struct text *word)
{
    const char *opened = NULL;
    char quote = '\0';

    for (; *line->from != '\0' && (quote != '\0' || !among(*line->from, " \t\n")); line->from++) {
        char character = *line->from;

        if (character == quote) {
            quote = '\0';
        } else if (quote == '\0' && (character == '\'' || character == '"')) {
            quote = character;
            opened = line->from;
        } else if (character == '\\' && escapes(quote, line->from[1])) {
            line->from++;
            if (*line->from != '\n')
                text_append_bytes(word, line->from, 1);
        } else if (line->plain && shell_acts(quote, character)) {
            return fail(TROUPE_BAD_ARGUMENT,
                        "%c at character %d is for a shell, and none runs; quote it, or ask for "
                        "one: %s",
                        character, character_of(line, line->from), line->text);
        } else {
            text_append_bytes(word, line->from, 1);
        }
    }
    if (quote != '\0')
        return fail(TROUPE_BAD_ARGUMENT, "the quote at character %d is not closed in: %s",
                    character_of(line, opened), line->text);
    return TROUPE_OK;
}

static int line_split(struct words *words, struct line line)
{
    for (;;) {
        struct text word = { 0 };
        int result;

        blanks_skip(&line);
        if (*line.from == '\0')
            return words->broken ? fail(TROUPE_NO_MEMORY, "out of memory") : TROUPE_OK;
        text_append_bytes(&word, "", 0);
        result = word_read(&line, &word);
        if (result == TROUPE_OK)
            words_append(words, word.broken ? "" : word.data);
        words->broken = words->broken || word.broken;
        text_free(&word);
        if (result != TROUPE_OK)
            return result;
    }
}

int words_split(struct words *words, const char *text)
{
    return line_split(words, (struct line){ .text = text, .from = text });
}

int words_split_plain(struct words *words, const char *text)
{
    return line_split(words, (struct line){ .text = text, .from = text, .plain = true });
}

static bool named(const char *pair, const char *name)
{
    size_t length = strlen(name);

    return strncmp(pair, name, length) == 0 && pair[length] == '=';
}

const char *words_value(const struct words *environment, const char *name)
{
    for (size_t i = 0; i < environment->count; i++)
        if (named(environment->data[i], name))
            return environment->data[i] + strlen(name) + 1;
    return NULL;
}

void words_set(struct words *environment, const char *name, const char *value)
{
    struct text pair = { 0 };

    text_append(&pair, "%s=%s", name, value);
    if (pair.broken) {
        environment->broken = true;
        return;
    }
    for (size_t i = 0; i < environment->count; i++)
        if (named(environment->data[i], name)) {
            free(environment->data[i]);
            environment->data[i] = pair.data;
            return;
        }
    words_take(environment, pair.data);
}

void words_set_default(struct words *environment, const char *name, const char *value)
{
    if (words_value(environment, name) == NULL)
        words_set(environment, name, value);
}

bool words_has_prefix(const struct words *environment, const char *prefix)
{
    for (size_t i = 0; i < environment->count; i++)
        if (strncmp(environment->data[i], prefix, strlen(prefix)) == 0)
            return true;
    return false;
}

void words_unset_prefix(struct words *environment, const char *prefix)
{
    size_t kept = 0;

    for (size_t i = 0; i < environment->count; i++)
        if (strncmp(environment->data[i], prefix, strlen(prefix)) == 0)
            free(environment->data[i]);
        else
            environment->data[kept++] = environment->data[i];
    environment->count = kept;
    if (environment->data != NULL)
        environment->data[kept] = NULL;
}

static bool reads_as_itself(const char *bytes, size_t size)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "@%+=:,./-_^";

    for (size_t i = 0; i < size; i++)
        if (!among(bytes[i], plain))
            return false;
    return size > 0;
}

void words_quote_bytes(struct text *text, const char *bytes, size_t size)
{
    const char *end = bytes + size;

    if (reads_as_itself(bytes, size)) {
        text_append_bytes(text, bytes, size);
        return;
    }
    text_append_bytes(text, "'", 1);
    while (bytes < end) {
        const char *quote = memchr(bytes, '\'', (size_t)(end - bytes));
        const char *stop = quote != NULL ? quote : end;

        text_append_bytes(text, bytes, (size_t)(stop - bytes));
        if (quote != NULL)
            text_append_bytes(text, "'\\''", 4);
        bytes = quote != NULL ? quote + 1 : end;
    }
    text_append_bytes(text, "'", 1);
}

void words_quote(struct text *text, const char *word)
{
    words_quote_bytes(text, word, strlen(word));
}
