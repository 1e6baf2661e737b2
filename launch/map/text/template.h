/* A command with places for its input, as GNU parallel writes them:
 *
 *   {}   {.}   {/}   {//}   {/.}      the input: whole, without its extension, its last part, its
 *                                     folder, its last part without extension
 *   {2}  {2.}  {2/}  {2//}  {2/.}     the same of one column, from 1; {-1} is the last; "" beyond
 *   {seq} {#}                         the input's number, from 1
 *   {rank}  {%}                       who runs it: from 0, and from 1
 *   {gpu}  {attempt}                  the rank's GPU ("" without one); 1 the first time
 *
 * Any other brace stays. Without any of them the input is appended, and without a command the input
 * is one. Where an input has several columns, a word that is one of the first line's places becomes
 * a word for each column; inside a longer word there is a blank between them.
 *
 * A template never changes after template_parse, so threads may share it. */
#ifndef TROUPE_LAUNCH_MAP_TEXT_TEMPLATE_H
#define TROUPE_LAUNCH_MAP_TEXT_TEMPLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "launch/map/text/inputs.h"

struct template;

/* What is known only where the command runs. */
struct template_place {
    uint32_t rank;
    uint32_t attempt; /* from 1 */
    const char *gpu;  /* NULL: none */
};

/* Reads a command.
 *
 * words       [count] as command_words leaves them, or as written for a shell. None: each input is
 *             a command, split as command_words does it, or a line for the shell
 * shell       the words, with blanks between them, are a line for /bin/sh, and what is put in is
 *             quoted for it
 * Returns     TROUPE_OK, TROUPE_NO_MEMORY */
int template_parse(char *const *words, size_t count, bool shell, struct template **result);

/* Makes the command for one input.
 *
 * argv        ended by NULL, all in one allocation: free(argv)
 * Returns     TROUPE_OK, TROUPE_NO_MEMORY
 *             TROUPE_BAD_ARGUMENT  the input is no command: of templates without words only */
int template_expand(const struct template *template, const struct map_input *input,
                    const struct template_place *place, char ***argv);

/* Whether the command differs from rank to rank or attempt to attempt, so that it cannot be made
 * before it is known who runs it. */
bool template_needs_place(const struct template *template);

/* NULL is allowed. */
void template_free(struct template *template);

#endif
