/* mpirun's own words, parted from the program's.
 *
 * Both come through mpirun's standard error: what a program prints before troupe_init, and
 * mpirun's banners between two lines of dashes, its lines "mpirun: …" and "[host:pid] …". The
 * first is passed on, the second kept: it is noise when the program failed by itself, and the
 * reason when the launch failed. */
#ifndef TROUPE_JOB_NOTICES_H
#define TROUPE_JOB_NOTICES_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/text.h"
#include "job/lines.h"
#include "troupe/troupe.h"

/* Start with all zero but passed and launcher. */
struct notices {
    struct lines_stream *passed; /* where the program's words go */
    pid_t launcher;
    struct text line;   /* the beginning of an unfinished line */
    struct text banner; /* the banner that is open, its first line of dashes included */
    struct text kept;   /* whole banners and lines of mpirun's */
    bool in_banner;
};

void notices_feed(struct notices *notices, const char *bytes, size_t size);

/* The end of mpirun's standard error: an open banner was none. */
void notices_end(struct notices *notices);

/* Whether mpirun says that a process of the program ended badly, so that the launch worked. */
bool notices_blame_program(const struct notices *notices);

/* The host whose daemon mpirun lost, as its banner names it; false when there is none. */
bool notices_lost_host(const struct notices *notices, char host[TROUPE_HOST_SIZE]);

void notices_free(struct notices *notices);

#endif
