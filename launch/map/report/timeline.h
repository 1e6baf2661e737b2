/* The timeline of a run: which rank ran what, and when. One row a rank, one bar a task.
 *
 * FILE is a Chrome trace, written as tasks end, for Perfetto or chrome://tracing: its closing
 * bracket may be missing, so what a killed run leaves can be opened too. FILE.svg is the same as a
 * picture, made at the end; for a FILE that ends in .svg there is the picture alone.
 *
 * The picture needs memory and room for what can be seen only: neighbours on a rank that are
 * narrower than a pixel become one bar, which has the colour of its worst task and says how many it
 * stands for. That holds for a million tasks as for one. */
#ifndef TROUPE_LAUNCH_MAP_REPORT_TIMELINE_H
#define TROUPE_LAUNCH_MAP_REPORT_TIMELINE_H

#include <stddef.h>
#include <stdint.h>

#include "launch/map/record.h"

struct timeline_options {
    const char *path;
    const char *title;        /* the command as written, or NULL */
    const char *const *hosts; /* [host_count] by node */
    size_t host_count;
    uint32_t ranks;   /* rows that the picture has at least */
    int64_t start_us; /* when the run began, on the clock of the records; 0: now */
};

struct timeline;

/* The picture is drawn long after whoever knew the names may have gone: all options are copied.
 *
 * Returns     TROUPE_OK, TROUPE_SYSTEM, TROUPE_NO_MEMORY */
int timeline_open(const struct timeline_options *options, struct timeline **timeline);

/* Adds a task that ran; skipped ones are passed over. Returns as timeline_open. */
int timeline_add(struct timeline *timeline, const struct map_record *record);

/* Ends the trace, draws the picture, closes; NULL is allowed. Returns as timeline_open; the
 * timeline is gone in any case. */
int timeline_close(struct timeline *timeline);

#endif
