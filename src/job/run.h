/* One run as its caller wants it, and the command line and environment that start it. */
#ifndef TROUPE_JOB_RUN_H
#define TROUPE_JOB_RUN_H

#include <stdbool.h>

#include "job/words.h"

/* Exit statuses beside the program's own, as a shell's. */
enum {
    JOB_STATUS_USAGE = 2,
    JOB_STATUS_LAUNCHER_FAILED = 125,
    JOB_STATUS_NOT_EXECUTABLE = 126,
    JOB_STATUS_NOT_FOUND = 127,
    JOB_STATUS_SIGNAL = 128 /* plus the signal */
};

struct job_run {
    int ranks;
    char *const *command;          /* a program, found by PATH, and its arguments */
    char *const *prefix;           /* words in front of it: "/usr/bin/troupe" "wrap"; NULL: none */
    char *const *settings;         /* NAME=VALUE for every rank; NULL: none */
    char *const *mpirun_arguments; /* passed through; NULL: none */
    const char *hosts;             /* mpirun's --host; NULL: this one */
    const char *hostfile;          /* mpirun's --hostfile; NULL: none */
    bool hosts_are_known;          /* mpirun finds them by itself, in a batch system's job */
    int gpus_elsewhere;            /* as struct allocation's */
    bool goes_elsewhere;           /* ranks run on other hosts, too, whose room is not known */
    int per_node;                  /* ranks on each host, at most; 0: as the slots say */
    const char *output_folder;     /* one file for each rank there instead of standard output */
    bool tag_output;               /* "[rank host] " in front of every line */
};

/* A command line ready to start. */
struct job_line {
    struct words arguments;   /* the first is mpirun's path */
    struct words environment; /* whole */
};

/* Finds a program as a shell would. path is appended to.
 *
 * Returns     TROUPE_OK
 *             TROUPE_NOT_FOUND      with *status 127
 *             TROUPE_BAD_ARGUMENT   it is no executable file, with *status 126 */
int job_program_find(const char *name, struct text *path, int *status);

/* Writes mpirun's command line and the ranks' environment: Open MPI's safe settings unless the
 * user has set them, and nothing of a world around us.
 *
 * session     Open MPI's folder for session files, NULL to leave that to it
 * status      the exit status that goes with a failure
 * Returns     TROUPE_OK, after which job_line_free is due
 *             TROUPE_LAUNCH        no mpirun
 *             TROUPE_NOT_FOUND, TROUPE_BAD_ARGUMENT  as job_program_find */
int job_line_build(const struct job_run *run, const char *session, struct job_line *line,
                   int *status);
void job_line_free(struct job_line *line);

/* Says whether this host has room for so many ranks, by what the kernel counts: processes and
 * memory.
 *
 * Returns     TROUPE_OK
 *             TROUPE_FULL  the sentence names the limit and how many would fit */
int job_room_check(int ranks);

#endif
