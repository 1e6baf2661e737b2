/* A set of CPUs (or of NUMA nodes): operating-system numbers, ascending, each once. It grows with
 * the machine; all zero is the empty set, and cpus_free returns it to that. */
#ifndef TROUPE_TOPO_CPUS_H
#define TROUPE_TOPO_CPUS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/text.h"

struct cpus {
    int *ids;
    size_t count;
    size_t capacity;
};

/* Adds one number; adding it twice is no error. Returns TROUPE_OK or TROUPE_NO_MEMORY. */
int cpus_add(struct cpus *cpus, int id);

/* Adds every number of other. Returns TROUPE_OK or TROUPE_NO_MEMORY. */
int cpus_add_all(struct cpus *cpus, const struct cpus *other);

bool cpus_contains(const struct cpus *cpus, int id);
bool cpus_meet(const struct cpus *cpus, const struct cpus *other);
bool cpus_contains_all(const struct cpus *cpus, const struct cpus *other);

void cpus_free(struct cpus *cpus);

/* Appends the set as the kernel and hwloc write lists: "0-3,8"; nothing for the empty set. */
void cpus_append_list(struct text *text, const struct cpus *cpus);

/* The same as a string of its own, to be freed; NULL when memory ran out. */
char *cpus_list(const struct cpus *cpus);

/* Reads such a list, with or without a newline at its end.
 *
 * Returns     TROUPE_OK
 *             TROUPE_BAD_ARGUMENT  text is not such a list; cpus stays as it was
 *             TROUPE_NO_MEMORY */
int cpus_read_list(const char *text, struct cpus *cpus);

/* The CPUs that a process may use now; pid 0 is the caller.
 *
 * cpus        empty before the call
 * Returns     TROUPE_OK
 *             TROUPE_SYSTEM  the process is gone, or may not be looked at */
int cpus_of_process(pid_t pid, struct cpus *cpus);

/* How many the caller may use now; at least 1. */
int cpus_own_count(void);

/* Lets the calling thread, and what it starts from now on, use these CPUs alone.
 *
 * Returns     TROUPE_OK
 *             TROUPE_SYSTEM  the kernel refused: none of them may be used */
int cpus_bind(const struct cpus *cpus);

#endif
