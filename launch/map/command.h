/* One command as a child of its worker: started without a copy of the worker's memory, watched
 * through its pipes, ended with all that it left in its process group. It dies with its worker. */
#ifndef TROUPE_LAUNCH_MAP_COMMAND_H
#define TROUPE_LAUNCH_MAP_COMMAND_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct command_limits {
    uint64_t memory_bytes; /* of address space; 0: any */
    uint32_t cpu_seconds;  /* 0: any */
};

struct command {
    pid_t pid;
    int pipes[2]; /* ends to read its standard output and error from; both non-blocking */
};

/* Starts a command; its standard input is empty.
 *
 * argv, envp  ended by NULL; the program is found by PATH
 * command     on success the pipes are the caller's to close
 * Returns     0, or the errno why it could not be started */
int command_start(char *const *argv, char *const *envp, const struct command_limits *limits,
                  int empty_input, struct command *command);

/* Sends its process group a signal, while the command has not been buried. */
void command_signal(const struct command *command, int signal_number);

/* Whether it has ended; it is left a zombie, so that its group's number stays its own. */
bool command_has_ended(const struct command *command);

/* Waits for its end, and tells how it ended: an exit code, or -1 and a signal. */
void command_bury(const struct command *command, int *exit_code, int *signal_number);

#endif
