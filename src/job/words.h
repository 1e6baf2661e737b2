/* A vector of words that grows: arguments and environments, ended by NULL as exec wants them. No
 * shell ever sees them. */
#ifndef TROUPE_JOB_WORDS_H
#define TROUPE_JOB_WORDS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/text.h"

/* Start with all zero; data is NULL until the first word. A word that found no memory marks the
 * vector broken: check once at the end. */
struct words {
    char **data;
    size_t count;
    size_t capacity;
    bool broken;
};

void words_append(struct words *words, const char *word);
void words_append_all(struct words *words, char *const *more);
void words_free(struct words *words);

/* Splits text at blanks, with the quotes and backslashes of a POSIX shell. Nothing is expanded, and
 * there are no operators: | and $ are characters as any other.
 *
 * Returns     TROUPE_OK
 *             TROUPE_BAD_ARGUMENT  a quote is not closed; words may have grown
 *             TROUPE_NO_MEMORY */
int words_split(struct words *words, const char *text);

/* The same, but what a shell would act on, as | or $ without quotes, is TROUPE_BAD_ARGUMENT: for
 * lines that somebody may have written for a shell. */
int words_split_plain(struct words *words, const char *text);

/* NAME=VALUE in a vector of them. */
const char *words_value(const struct words *environment, const char *name);
void words_set(struct words *environment, const char *name, const char *value);
void words_set_default(struct words *environment, const char *name, const char *value);

/* Whether a variable's name begins so. */
bool words_has_prefix(const struct words *environment, const char *prefix);

/* Removes every variable whose name begins so. */
void words_unset_prefix(struct words *environment, const char *prefix);

/* Appends a word so that a POSIX shell reads it back as it is. */
void words_quote(struct text *text, const char *word);
void words_quote_bytes(struct text *text, const char *bytes, size_t size);

#endif
