/* A child process that runs to its end: its whole output, its status, how long it took. */
#ifndef TROUPE_LAUNCH_BENCH_CHILD_H
#define TROUPE_LAUNCH_BENCH_CHILD_H

#include "base/text.h"

struct child {
    int status;            /* as waitpid tells it */
    double seconds;        /* from its start until it was waited for */
    struct text output;    /* standard output */
    struct text complaint; /* standard error */
};

/* Runs a program, found by PATH, with nothing on standard input, and waits for its end. A child
 * that takes more than limit_s seconds is told to end, then killed.
 *
 * child       to be freed in any case
 * Returns     0, or the errno of what failed: ENOENT when there is no such program, ETIME for a
 *             child that took too long */
int child_run(const char *const *arguments, int limit_s, struct child *child);
void child_free(struct child *child);

#endif
