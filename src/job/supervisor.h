/* What the supervisor knows, for the files that it is made of: supervisor_start.c brings a world
 * up, supervise.c stays with it to its end. */
#ifndef TROUPE_JOB_SUPERVISOR_H
#define TROUPE_JOB_SUPERVISOR_H

#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "job/janitor.h"
#include "job/members.h"
#include "job/notices.h"
#include "job/run.h"

struct supervisor {
    const struct job_run *run;
    int poll, signals, listener;
    struct source signals_source, listener_source, janitor_source, streams_source, notices_source;
    bool streams_paused;
    sigset_t mask; /* as it was before */
    char address[CONTROL_ADDRESS_SIZE];
    char session[PATH_MAX]; /* Open MPI's folder, the janitor's to make and remove */
    const char *folders[2];
    struct outputs outputs;
    struct members members;
    struct janitor janitor;
    struct stream launcher_output;
    struct lines_stream launcher_lines; /* what mpirun's standard error passes on */
    struct notices notices;
    int launcher_error; /* the pipe; -1: ended */
    bool launcher_ended, janitor_left;
    int launcher_status;
    int linger_signal; /* what mpirun gets at the deadline */
    uint64_t linger_deadline;
    uint64_t last_signal; /* when the last one came that asks for an end */
    int ending_signal;    /* the world was ended at once for it */
};

/* Everything up to a running mpirun. On failure nothing runs; what is open is the caller's. */
int supervisor_start(struct supervisor *supervisor, const struct job_line *line);

#endif
