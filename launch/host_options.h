/* The hosts of `run` and `plan`: those of --hostfile or --host, else those that a batch system has
 * given to this job, else this host alone. */
#ifndef TROUPE_LAUNCH_HOST_OPTIONS_H
#define TROUPE_LAUNCH_HOST_OPTIONS_H

#include "cmd.h"
#include "job/hostfile.h"
#include "job/ranks.h"

/* Starts with all zero; host_options_free. */
struct host_options {
    struct hostfile hosts;         /* none: this host alone */
    const char *list;              /* for mpirun's --host, or NULL */
    const char *file;              /* for mpirun's --hostfile, or NULL */
    struct text written;           /* what list points to where nobody wrote it */
    bool has_tasks;                /* slots say how many ranks there are to be */
    bool are_known;                /* mpirun finds them by itself */
    int gpus_each, gpus_elsewhere; /* as struct allocation's */
};

/* Take --host's or --hostfile's value. CMD_OK, or CMD_USAGE after one line that says what is
 * wrong. */
int host_list_take(const struct cmd *cmd, const char *value, struct host_options *options);
int host_file_take(const struct cmd *cmd, const char *value, struct host_options *options);

/* Looks for an allocation where no host was named, and notes in wanted how many hosts and slots
 * there are. CMD_OK, or CMD_USAGE after one line. */
int host_options_decide(const struct cmd *cmd, struct host_options *options,
                        struct job_ranks_wanted *wanted);

void host_options_free(struct host_options *options);

#endif
