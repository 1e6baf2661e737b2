#include "job/words.h"

#include <ctype.h>
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

/* Reads one word into text and returns what follows it, or NULL at an open quote. */
static const char *word_read(const char *from, struct text *word)
{
    char quote = '\0';

    for (; *from != '\0' && (quote != '\0' || !isspace((unsigned char)*from)); from++) {
        if (*from == quote)
            quote = '\0';
        else if (quote == '\0' && (*from == '\'' || *from == '"'))
            quote = *from;
        else {
            if (*from == '\\' && quote != '\'' && from[1] != '\0')
                from++;
            text_append_bytes(word, from, 1);
        }
    }
    return quote == '\0' ? from : NULL;
}

int words_split(struct words *words, const char *text)
{
    const char *from = text;

    for (;;) {
        struct text word = { 0 };

        while (isspace((unsigned char)*from))
            from++;
        if (*from == '\0')
            return words->broken ? fail(TROUPE_NO_MEMORY, "out of memory") : TROUPE_OK;
        text_append_bytes(&word, "", 0);
        from = word_read(from, &word);
        if (from == NULL) {
            text_free(&word);
            return fail(TROUPE_BAD_ARGUMENT, "a quote is not closed in: %s", text);
        }
        words_append(words, word.broken ? "" : word.data);
        words->broken = words->broken || word.broken;
        text_free(&word);
    }
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

void words_quote(struct text *text, const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "@%+=:,./-_^";

    if (*word != '\0' && word[strspn(word, plain)] == '\0') {
        text_append(text, "%s", word);
        return;
    }
    text_append(text, "'");
    for (; *word != '\0'; word++)
        if (*word == '\'')
            text_append(text, "'\\''");
        else
            text_append_bytes(text, word, 1);
    text_append(text, "'");
}
