/* Bytes of any kind, as inputs and commands are, made fit for where they are shown. */
#ifndef TROUPE_LAUNCH_MAP_REPORT_ESCAPE_H
#define TROUPE_LAUNCH_MAP_REPORT_ESCAPE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/text.h"

/* Appends a JSON string with its quotes. What is not UTF-8 becomes U+FFFD.
 *
 * Returns     whether all of it was UTF-8 */
bool escape_json(struct text *text, const char *bytes, size_t size);

/* Appends base64 in quotes. */
void escape_base64(struct text *text, const char *bytes, size_t size);

/* Appends text for XML, between tags or in an attribute. What XML cannot hold becomes U+FFFD. */
void escape_xml(struct text *text, const char *bytes, size_t size);

/* Appends what a terminal shows in one line: control characters and what is not UTF-8 become
 * "?". */
void escape_terminal(struct text *text, const char *bytes, size_t size);

/* The bytes of the first `characters` characters of a text; all of it when it has no more. */
size_t escape_cut(const char *bytes, size_t size, size_t characters);

#endif
