/* The list of inputs, one after the other: from the command line, a file, standard input, or a file
 * that grows.
 *
 * An input is bytes, of any kind but zero, which no argument can hold; a line keeps its carriage
 * return, an empty line is an input of no bytes, and the last line needs no end. Nothing is read
 * ahead but one piece of the file, so a list may be longer than memory. Only one thread may use an
 * inputs at a time. */
#ifndef TROUPE_LAUNCH_MAP_TEXT_INPUTS_H
#define TROUPE_LAUNCH_MAP_TEXT_INPUTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "troupe/types.h"

/* What ends a followed list: a line of its own. */
#define INPUTS_END_MARK ":::"

/* The longest input. The kernel takes less in one word of a command (128 KiB on Linux). */
#define INPUTS_BYTES_MAX ((size_t)64 << 20)

struct inputs_options {
    char *const *arguments; /* [count] from the first ":::" on, itself included; borrowed */
    size_t count;           /* 0: from a file or standard input */
    const char *file;       /* one input a line; NULL or "-": standard input */
    const char *follow;     /* a file that grows; instead of the others */
    bool null_separated;    /* a zero byte ends an input, instead of a newline */
    const char
        *column_separator; /* NULL: an input of a file is one column. "\t" may stand for a tab
                                     and "\\" for a backslash */
};

struct map_input {
    uint64_t seq;      /* from 1 */
    const char *bytes; /* the line as it stands, or the columns with a blank between them; a zero
                          follows the last byte */
    size_t size;
    const troupe_bytes *columns; /* the line's, or one from each ":::". What tells inputs apart: two
                                    lists of columns may look alike when they are joined */
    size_t column_count;         /* at least 1 */
};

struct inputs;

/* Opens a list. ":::" begins a source, and the inputs are all combinations of the sources, the last
 * one changing fastest; ":::+" begins one that goes in step with the source before it, as long as
 * both last.
 *
 * options     borrowed until inputs_close
 * inputs      given back by inputs_close
 * Returns     TROUPE_OK
 *             TROUPE_BAD_ARGUMENT  contradicting options, or an empty column separator
 *             TROUPE_NOT_FOUND     the file cannot be read
 *             TROUPE_SYSTEM, TROUPE_NO_MEMORY */
int inputs_open(const struct inputs_options *options, struct inputs **inputs);

/* Takes the next input.
 *
 * input       filled on 1; lent until the next call
 * timeout_ms  TROUPE_NO_WAIT, TROUPE_FOREVER, or milliseconds for a list that may still grow: a
 *             pipe, a terminal, a followed file
 * Returns     1
 *             0                    the list has ended
 *             TROUPE_TIMEOUT       nothing whole came in time, or a signal came first
 *             TROUPE_BAD_ARGUMENT  a zero byte in a line, or an input beyond INPUTS_BYTES_MAX
 *             TROUPE_SYSTEM        the file cannot be read on, or was cut while it was followed
 *             TROUPE_NO_MEMORY     after these three every further call returns the same */
int inputs_next(struct inputs *inputs, struct map_input *input, long timeout_ms);

/* What to poll for reading after TROUPE_TIMEOUT, or -1 where inputs_next never waits. A followed
 * file on a network may grow unnoticed: ask inputs_next once a second all the same. */
int inputs_descriptor(const struct inputs *inputs);

/* How many inputs the list has in all; reads through a regular file once, beside inputs_next.
 *
 * Returns     false where nobody can know yet: a pipe, a followed file */
bool inputs_total(const struct inputs *inputs, uint64_t *total);

/* NULL is allowed. */
void inputs_close(struct inputs *inputs);

#endif
