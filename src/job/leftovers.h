/* What a world can leave on a host when it ends badly, and how it is removed: processes, System V
 * segments, folders. Used by the janitor, and by the supervisor should the janitor be killed. */
#ifndef TROUPE_JOB_LEFTOVERS_H
#define TROUPE_JOB_LEFTOVERS_H

#include <stddef.h>
#include <sys/types.h>

/* A set of process ids, one bit each: a world may start millions of processes in its life, and the
 * kernel's ids stay below four million. All zero is the empty set. */
struct leftovers_pids {
    unsigned char *bits;
    size_t size; /* bytes */
};

/* Adds a process; what does not fit in memory is left out. */
void leftovers_note(struct leftovers_pids *pids, pid_t pid);
void leftovers_pids_free(struct leftovers_pids *pids);

/* Sends a signal to every process below the caller in the tree, and notes them. */
void leftovers_signal(int signal_number, struct leftovers_pids *noted);

/* Kills every process below the caller and waits until none is left. The caller must be a
 * subreaper (PR_SET_CHILD_SUBREAPER), so that orphans come to it.
 *
 * watched     a child of the caller, or 0
 * status      its wait status, when it was still to be waited for */
void leftovers_end_processes(pid_t watched, struct leftovers_pids *noted, int *status);

/* Marks the caller's System V segments that a noted process created, and that is gone by now, for
 * removal. */
void leftovers_remove_segments(const struct leftovers_pids *noted);

/* Removes a folder and what is in it. Symbolic links are removed, never followed; other users'
 * folders are left alone. */
void leftovers_remove_folder(const char *path);

#endif
