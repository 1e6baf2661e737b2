/* What the kernel's files in /proc and of control groups say. Nothing here sets an error: who
 * cannot read goes on without. */
#ifndef TROUPE_BASE_PROCFS_H
#define TROUPE_BASE_PROCFS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Reads the first number in a file, or the first one behind a word in one of its lines. number is
 * set only when true is returned. */
bool procfs_number(const char *path, const char *after, int64_t *number);

struct procfs_process {
    char state; /* of its first thread; proc(5) has the letters */
    pid_t parent;
    uint64_t cpu; /* what all its threads used, in the kernel's clock ticks (10 ms) */
    uintptr_t arguments, arguments_end; /* where its argument vector's text lies */
};

/* False for one that has been buried, or that cannot be read. */
bool procfs_process(pid_t pid, struct procfs_process *process);

/* Whether one of its threads runs, waits for a core, or waits in the kernel for memory or a
 * disk. */
bool procfs_is_busy(pid_t pid);

#endif
