/* Whether a rank is still where its plan put it, once MPI and the program's libraries have
 * started: any of them may have bound it anew. */
#ifndef TROUPE_TOPO_ATTEST_H
#define TROUPE_TOPO_ATTEST_H

#include "topo/place.h"

/* Compares the calling thread's CPUs with the place that was applied to it. One line on standard
 * error when they differ, with the likely cause; nothing else changes.
 *
 * Returns     TROUPE_OK
 *             TROUPE_MISMATCH  the CPUs differ; said
 *             TROUPE_SYSTEM, TROUPE_NO_MEMORY  they cannot be looked at */
int topo_place_attest(const struct topo_place *place);

#endif
