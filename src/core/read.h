/* Reading another node's arena without asking that node.
 *
 * What is read is a copy of memory that its owners may change meanwhile, in whatever order the
 * transport read its bytes: the caller has to prove it. */
#ifndef TROUPE_CORE_READ_H
#define TROUPE_CORE_READ_H

#include "core/arena.h"

/* Whether this process can: a rank of a world that has one-sided reads. */
bool read_is_on(void);

/* Copies [bytes] at an offset of a node's arena; at most FABRIC_READ_MAX.
 *
 * own         the caller's node's
 * Returns     TROUPE_OK
 *             TROUPE_EMPTY   not in time, or that node is lost: ask it */
int read_remote(const struct arena *own, int node, uint64_t offset, uint64_t bytes, void *to);

#endif
