/* MPI in the target of a process that was started in a group. The one header that includes <mpi.h>:
 * troupe.h leaves it out, so include it yourself, and compile with the MPI that Troupe was built
 * with. */
#ifndef TROUPE_MPI_H
#define TROUPE_MPI_H

#include <mpi.h>

#include "troupe/process.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The communicator of the group that the caller's process was started in: rank i of it is the
 * group's process i. Made at a member's first call, which every member has to make; the later ones
 * return the same. It returns errors (MPI_ERRORS_RETURN) and ends with the target: do not free it.
 *
 * MPI runs already, with MPI_THREAD_MULTIPLE. MPI_Init, MPI_Finalize, MPI_Abort, and collectives
 * over MPI_COMM_WORLD are errors in a target: the first two are Troupe's, the third ends the world,
 * and the last wait for ranks that do not come.
 *
 * Returns     TROUPE_OK
 *             TROUPE_NOT_FOUND  the caller is in no group
 *             TROUPE_LOST       a member has died before
 *             TROUPE_SYSTEM     MPI refused; the sentence has its words
 * Threads     the one that runs the target; blocks in MPI until all members have called it. A
 *             member that dies after that ends the others, see troupe_process_start_group */
TROUPE_API int troupe_group_communicator(MPI_Comm *communicator);

#ifdef __cplusplus
}
#endif

#endif
