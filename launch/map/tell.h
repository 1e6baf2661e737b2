/* Everything that is told of tasks while they run and when they have ended: progress, job log,
 * timeline, summary. */
#ifndef TROUPE_LAUNCH_MAP_TELL_H
#define TROUPE_LAUNCH_MAP_TELL_H

#include <stdint.h>

#include "crew.h"
#include "launch/map/report/joblog.h"
#include "launch/map/report/progress.h"
#include "launch/map/report/summary.h"
#include "launch/map/report/timeline.h"
#include "launch/map/text/template.h"
#include "options.h"
#include "task.h"

struct tell {
    const struct map_options *options;
    const struct crew *crew;
    struct template *template;
    struct progress *progress;
    struct joblog *joblog;
    struct timeline *timeline;
    struct summary summary;
    struct text joined, command, title; /* of the task at hand; of the run */
    uint64_t began;
};

/* Returns     TROUPE_OK, TROUPE_SYSTEM, TROUPE_NO_MEMORY; tell_close is due in any case */
int tell_open(const struct map_options *options, const struct crew *crew, struct tell *tell);

/* A task's record is complete. Returns as tell_open. */
int tell_ended(struct tell *tell, const struct map_task *task);

/* The input at hand need not run: an earlier run has ended it. */
void tell_skipped(struct tell *tell, uint64_t seq);

/* Prints the summary and ends all. Returns as tell_open. */
int tell_close(struct tell *tell);

#endif
