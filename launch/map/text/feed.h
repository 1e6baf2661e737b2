/* A file, read piece by piece, in parts that a separator ends.
 *
 * What always holds: buffer[begin, end) is read and not yet given away, no separator lies before
 * `searched`, and there is room for one byte behind `end`. A followed file has no end of its own;
 * the mark ends it, or its removal. */
#ifndef TROUPE_LAUNCH_MAP_TEXT_FEED_H
#define TROUPE_LAUNCH_MAP_TEXT_FEED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct feed {
    char *buffer;
    size_t capacity, begin, end, searched;
    const char *name; /* for sentences; borrowed */
    int descriptor;   /* -1: closed */
    int watch;        /* inotify's, of a followed file; else -1 */
    char separator;
    bool is_regular;
    bool is_followed;
    bool has_ended;   /* nothing more will be read */
    int64_t start;    /* where a regular file was when it was opened */
    int64_t position; /* of what will be read next, counted from start */
};

/* path: NULL or "-" is standard input. Returns TROUPE_OK, TROUPE_NOT_FOUND, TROUPE_BAD_ARGUMENT
 * (what cannot be followed), TROUPE_SYSTEM. Only after TROUPE_OK is there something to close. */
int feed_open(const char *path, char separator, bool follow, struct feed *feed);

/* Takes the next part, without its separator, with a zero behind its last byte.
 *
 * part        lent until the next call
 * Returns     as inputs_next */
int feed_next(struct feed *feed, char **part, size_t *size, long timeout_ms);

/* How many parts a regular file has in all. */
bool feed_total(const struct feed *feed, uint64_t *total);

int feed_descriptor(const struct feed *feed);

void feed_close(struct feed *feed);

#endif
