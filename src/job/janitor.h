/* A small process that outlives a killed supervisor or keeper and leaves nothing of the world
 * behind.
 *
 * It holds one end of a channel and knows by its closing that its owner is dead, by whatever end.
 * It has a session and a name of its own, so that neither a terminal's signals nor a kill by the
 * program's name takes it along.
 *
 * With a command (the supervisor's way) it starts the command and is the reaper of everything
 * below it: after the command's end, or its owner's, it ends what is left of it. Without one (a
 * keeper's way, under a launcher of the user's) it owns no process: when its owner died without
 * dismissing it, it waits for the launcher's end too and then removes what those two left, also
 * the session folder of a killed mpirun, which Open MPI names in the environment. */
#ifndef TROUPE_JOB_JANITOR_H
#define TROUPE_JOB_JANITOR_H

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

#include "job/leftovers.h"

struct janitor_options {
    char *const *command;       /* its first word is a path; NULL: none */
    char *const *environment;   /* of the command */
    const sigset_t *mask;       /* the command's blocked signals */
    int output, error;          /* the command's descriptors 1 and 2; its 0 is /dev/null */
    pid_t awaited;              /* without a command: the launcher, our parent process, or 0 */
    const char *const *folders; /* removed at the end; ends with NULL; NULL: none. With a command
                                 * they are made first, private, so that no moment leaves them */
};

struct janitor {
    int channel; /* readable when janitor_hear has something to say */
    pid_t pid;
    pid_t command;               /* the command's process, 0 without */
    struct leftovers_pids noted; /* kept here too, should the janitor be killed */
    const char *const *folders;  /* the caller's */
};

enum janitor_news {
    JANITOR_NOTHING,
    JANITOR_COMMAND_ENDED, /* its status came; what it left is being ended */
    JANITOR_LEFT           /* everything is ended and removed, or the janitor was killed */
};

/* Forks the janitor. Call it while the caller has one thread. Descriptors and folders are the
 * caller's; the folders must stay until janitor_finish.
 *
 * Returns     TROUPE_OK
 *             TROUPE_LAUNCH  the command cannot be executed; nothing is left
 *             TROUPE_SYSTEM  no process or descriptor to be had */
int janitor_start(const struct janitor_options *options, struct janitor *janitor);

/* Tells it a process whose segments are the world's. */
void janitor_note(struct janitor *janitor, pid_t pid);

/* Sends the command a signal. */
void janitor_signal(struct janitor *janitor, int signal_number);

/* Stops every process of the command and returns when they have been told; and lets them go on. */
void janitor_hold(struct janitor *janitor);
void janitor_resume(struct janitor *janitor);

/* Ends the command and everything below it at once. */
void janitor_end(struct janitor *janitor);

/* Takes the news, without waiting. status is the command's wait status. */
enum janitor_news janitor_hear(struct janitor *janitor, int *status);

/* With a command: after JANITOR_LEFT, buries the janitor, and does its work if it was killed.
 * status is set only when the command's end was not heard before. */
void janitor_finish(struct janitor *janitor, int *status);

/* Without a command: all ended well, the janitor leaves and touches nothing. */
void janitor_dismiss(struct janitor *janitor);

#endif
