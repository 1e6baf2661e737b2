/* The threads of this process that a forked child would lack. */
#ifndef TROUPE_OBJECT_PROCESS_THREADS_H
#define TROUPE_OBJECT_PROCESS_THREADS_H

#include "base/text.h"

/* The name of every thread of ours, as ps and gdb show it, and how one is told. */
#define THREAD_NAME "troupe:keeper"

/* Names the calling thread as one of ours. */
void process_thread_own(void);

/* In a forked child, whose only thread is the caller's. */
void process_threads_forked(void);

/* Takes the threads that there are now for MPI's: called in a rank once MPI has started. Threads of
 * libraries did not come along when the keeper forked the rank. */
void process_threads_remember(void);

/* Counts the others, and describes them: pids, names, and the runtimes that are loaded and start
 * threads. */
unsigned process_threads_foreign(struct text *description);

#endif
