/* Inputs of the command line: what stands behind each ":::" is a source, and the inputs are all
 * combinations of the sources. Sources joined by ":::+" go in step and form one group; the groups
 * are the digits of a number that counts, the last one fastest. */
#ifndef TROUPE_LAUNCH_MAP_TEXT_SOURCES_H
#define TROUPE_LAUNCH_MAP_TEXT_SOURCES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "troupe/types.h"

struct source {
    char *const *values; /* borrowed */
    size_t count;
    size_t group;
};

struct group {
    size_t count; /* of its shortest source */
};

struct sources {
    struct source *sources;
    size_t count;
    struct group *groups;
    size_t group_count;
    uint64_t total;
};

/* Whether a word begins a source: ":::" or ":::+". */
bool sources_mark(const char *word);

/* Reads the words from the first mark on. sources starts with all zero; freed by sources_free.
 * Returns TROUPE_OK, TROUPE_BAD_ARGUMENT (no mark in front; more combinations than can be counted),
 * TROUPE_NO_MEMORY. */
int sources_read(char *const *words, size_t count, struct sources *sources);

/* The columns of combination number index below total: [sources.count] filled. */
void sources_columns(const struct sources *sources, uint64_t index, troupe_bytes *columns);

void sources_free(struct sources *sources);

#endif
