/* A file that is written in large pieces of whole lines.
 *
 * What always holds: `text` is what is not yet written. After a failure it stays, so that a later
 * flush may bring it out, when the disk has room again. */
#ifndef TROUPE_LAUNCH_MAP_REPORT_SINK_H
#define TROUPE_LAUNCH_MAP_REPORT_SINK_H

#include <stdbool.h>

#include "base/text.h"

struct sink {
    struct text text; /* append here, then call sink_check */
    const char *what; /* for sentences: "the job log"; a literal */
    char *path;
    int descriptor;
};

/* path        "-" is standard output
 * append      to what is there; where its last line has no end, it gets one. Else the file is new
 * Returns     TROUPE_OK, TROUPE_SYSTEM, TROUPE_NO_MEMORY; only after TROUPE_OK call sink_close */
int sink_open(const char *what, const char *path, bool append, struct sink *sink);

/* Whether nothing was in the file when it was opened. */
bool sink_is_new(const struct sink *sink);

/* Writes when there is enough for a piece. Returns TROUPE_OK, TROUPE_SYSTEM, TROUPE_NO_MEMORY. */
int sink_check(struct sink *sink);

/* Writes all. Returns as sink_check. */
int sink_flush(struct sink *sink);

/* Writes all and closes. Returns as sink_check; it is closed in any case. */
int sink_close(struct sink *sink);

#endif
