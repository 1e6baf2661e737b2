/* The job log: a line for each task, in the order in which they end, in one of two forms.
 *
 * Columns: GNU parallel's, separated by tabs, below a line with their names: Seq Host Starttime
 * JobRuntime Send Receive Exitval Signal Command. A newline in a command is written as \0, as
 * there. Skipped tasks are not in it.
 *
 * JSON: an object a line with every field; docs/map.md has them. Text that is not UTF-8 has U+FFFD
 * for what is wrong, and the bytes stand beside it as base64. */
#ifndef TROUPE_LAUNCH_MAP_REPORT_JOBLOG_H
#define TROUPE_LAUNCH_MAP_REPORT_JOBLOG_H

#include <stdbool.h>
#include <stddef.h>

#include "launch/map/record.h"

struct joblog_options {
    const char *path;         /* "-": standard output */
    bool json;                /* lines of JSON instead of columns */
    bool append;              /* to what an earlier run wrote; a line that it left torn is ended */
    const char *const *hosts; /* [host_count] by node; borrowed until joblog_close */
    size_t host_count;
};

struct joblog;

/* Returns     TROUPE_OK, TROUPE_SYSTEM, TROUPE_NO_MEMORY */
int joblog_open(const struct joblog_options *options, struct joblog **joblog);

/* Adds a task. Lines are kept back and written in pieces, always whole ones.
 *
 * Returns     TROUPE_OK, TROUPE_NO_MEMORY
 *             TROUPE_SYSTEM  it cannot be written: a full disk */
int joblog_add(struct joblog *joblog, const struct map_record *record);

/* Writes what is kept back; for moments of nothing to do. Returns as joblog_add. */
int joblog_flush(struct joblog *joblog);

/* Flushes and closes; NULL is allowed. Returns as joblog_add; the log is gone in any case. */
int joblog_close(struct joblog *joblog);

#endif
