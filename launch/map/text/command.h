/* The command as the user wrote it, as words: one quoted string is taken apart, several words are
 * left as they are. No shell takes part. */
#ifndef TROUPE_LAUNCH_MAP_TEXT_COMMAND_H
#define TROUPE_LAUNCH_MAP_TEXT_COMMAND_H

#include <stddef.h>

#include "job/words.h"

/* Where the inputs begin on a command line: the index of its first ":::" or ":::+", or count. */
size_t command_end(char *const *words, size_t count);

/* Makes the words of a command that no shell will read.
 *
 * words       [count] as they stood on the command line. A single word is split as a POSIX shell
 *             splits a line; what only a shell can do, as | or $, is refused where it is not
 *             quoted. No word at all means that each input is a command, and stays no word
 * command     starts with all zero; freed by words_free, also after a failure
 * Returns     TROUPE_OK
 *             TROUPE_BAD_ARGUMENT  an open quote, work for a shell, or nothing but blanks
 *             TROUPE_NO_MEMORY */
int command_words(char *const *words, size_t count, struct words *command);

#endif
