/* What the command line of `troupe map` asks for. */
#ifndef TROUPE_LAUNCH_MAP_OPTIONS_H
#define TROUPE_LAUNCH_MAP_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "halt.h"
#include "job/words.h"
#include "launch/map/report/progress.h"
#include "launch/map/text/inputs.h"

struct map_options {
    struct words launch;  /* options that are troupe run's */
    struct words command; /* the words before templates are filled in */
    struct inputs_options inputs;
    bool shell, unordered, tag, dry_run, json, resume, resume_failed, quiet;
    const char *output_dir, *joblog, *timeline;
    char *journal; /* NULL: none */
    enum progress_form progress;
    long tries;             /* how often a task may fail */
    uint64_t timeout_us;    /* of each attempt; 0: none */
    double timeout_medians; /* or so many times the median run time; 0: none */
    uint64_t delay_us;      /* between the starts of two tasks */
    uint64_t memory_bytes;  /* of a command; 0: any */
    long cpu_seconds;       /* the same */
    uint64_t grace_us;      /* from SIGTERM to SIGKILL */
    struct halt_rule halt;
};

/* Reads the command line.
 *
 * options     to be given to map_options_free in any case; borrows from argv
 * Returns     CMD_OK, or CMD_USAGE after one line */
int map_options_read(int argc, char **argv, struct map_options *options);
void map_options_free(struct map_options *options);

#endif
