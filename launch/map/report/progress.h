/* How far the run is, on standard error: a bar that is drawn over on a terminal, else a plain line
 * now and then.
 *
 * Nothing is drawn by a thread of its own: whoever runs the tasks calls progress_draw when it
 * likes, and progress_hide before anything else is written to the same terminal. */
#ifndef TROUPE_LAUNCH_MAP_REPORT_PROGRESS_H
#define TROUPE_LAUNCH_MAP_REPORT_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "launch/map/record.h"

enum progress_form {
    PROGRESS_AUTO,  /* a bar on a terminal, else lines */
    PROGRESS_BAR,   /* a bar even where there seems to be no terminal */
    PROGRESS_LINES, /* lines even on a terminal */
    PROGRESS_NONE
};

struct progress_options {
    int descriptor;
    enum progress_form form;
    bool plain; /* no colour; also where NO_COLOR is set and not empty, or TERM is dumb */
    const char *const *hosts; /* [host_count] by node; borrowed until progress_close */
    size_t host_count;        /* several: each node has its share in the bar */
};

struct progress;

/* Returns     TROUPE_OK, TROUPE_NO_MEMORY */
int progress_open(const struct progress_options *options, struct progress **progress);

/* How many tasks there are, as far as it is known; final: no more will come. */
void progress_total(struct progress *progress, uint64_t total, bool final);

/* Before a drawing: nothing runs, but what progress_runs tells then, of each task that does. */
void progress_runs_none(struct progress *progress);
void progress_runs(struct progress *progress, uint32_t node);

/* A task ended, or was skipped: one that never started counts as done before. */
void progress_ended(struct progress *progress, const struct map_record *record);

/* Draws, if it is time.
 *
 * now_ns      of clock_now
 * Returns     when it will be time again */
uint64_t progress_draw(struct progress *progress, uint64_t now_ns);

/* Takes the bar away, so that other text can be written; the next progress_draw brings it back. */
void progress_hide(struct progress *progress);

/* Takes the bar away and frees; NULL is allowed. */
void progress_close(struct progress *progress);

#endif
