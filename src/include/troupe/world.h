/* The world: its start, its end, and where the caller stands in it. */
#ifndef TROUPE_WORLD_H
#define TROUPE_WORLD_H

#include "troupe/types.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct troupe_init_options {
    int workers; /* ranks when the program starts itself; 0: TROUPE_WORKERS, else one a core */
    size_t arena_bytes; /* shared memory to reserve on each node; 0: TROUPE_ARENA, else half of
                           memory */
} troupe_init_options;

/* Starts the world, and returns in the parent alone.
 *
 * Without a launcher the program starts itself under mpirun on this host, and the original process
 * supervises it: it exits with the parent's status and never returns from here. Under mpirun or
 * srun each process becomes a keeper with a rank as its child; ranks run targets and leave by
 * exit(). The parent is rank 0's keeper. Code before troupe_init therefore runs in every process:
 * keep it short, and call troupe_init first thing in main.
 *
 * argc, argv  main's; kept for processes that are started fresh
 * Returns     TROUPE_OK
 *             TROUPE_ALREADY   a second call
 *             TROUPE_LAUNCH    no mpirun, or a rank could not start
 *             TROUPE_MISMATCH  ranks run different binaries
 * Threads     call it before any other thread exists */
TROUPE_API int troupe_init(int *argc, char ***argv);

/* The same with options; options may be NULL. */
TROUPE_API int troupe_init_with(int *argc, char ***argv, const troupe_init_options *options);

/* Starts the world of an SPMD program: returns on every rank, before or after the program's own
 * MPI_Init_thread. There is no keeper and no idle rank then: troupe_process_start finds none.
 *
 * Returns     TROUPE_OK
 *             TROUPE_LAUNCH    MPI was initialised below MPI_THREAD_MULTIPLE, or no launcher
 *             TROUPE_ALREADY   a second call */
TROUPE_API int troupe_attach(void);

/* Ends the world: waits for every process, ends the ranks, leaves nothing behind.
 *
 * status      what main is to return
 * Returns     status, so that main ends with: return troupe_finalize(0);
 * Threads     the thread that called troupe_init */
TROUPE_API int troupe_finalize(int status);

/* The rank this process belongs to, 0 to troupe_world_size()-1; -1 in the parent. */
TROUPE_API int troupe_rank(void);

/* The number of ranks the world started with; 0 outside a world. */
TROUPE_API int troupe_world_size(void);

/* The node of the calling process, 0 to troupe_world_nodes()-1; -1 outside a world. */
TROUPE_API int troupe_node(void);
TROUPE_API int troupe_world_nodes(void);

#ifdef __cplusplus
}
#endif

#endif
