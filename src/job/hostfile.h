/* The hosts of a run, from a host file or from a list on the command line, as Open MPI reads them:
 *
 *   # a comment
 *   node1 slots=4
 *   user@node2 slots=4 max-slots=8
 *   node3
 *
 * What always holds: every host stands once, in the order of its first line, with the slots of all
 * its lines together. */
#ifndef TROUPE_JOB_HOSTFILE_H
#define TROUPE_JOB_HOSTFILE_H

#include <stddef.h>

struct hostfile_host {
    char *name; /* without the user in front of it */
    int slots;  /* 0: not said */
};

struct hostfile {
    struct hostfile_host *hosts;
    size_t count;
};

/* Reads a host file.
 *
 * hostfile    freed by hostfile_free
 * Returns     TROUPE_OK
 *             TROUPE_NOT_FOUND     the file cannot be read
 *             TROUPE_BAD_ARGUMENT  a line is wrong: the sentence begins with file:line; or there is
 *                                  no host at all
 *             TROUPE_NO_MEMORY */
int hostfile_read(const char *path, struct hostfile *hostfile);

/* Reads a list as mpirun's --host has it: "node1,node2:4". A host without a number counts one slot
 * each time it is named. Returns as hostfile_read. */
int hostfile_read_list(const char *list, struct hostfile *hostfile);

/* All slots together; 0 when a host does not say. */
int hostfile_slots(const struct hostfile *hostfile);

/* Deals ranks to the hosts as mpirun --oversubscribe does: in order, as many as a host has slots;
 * what is left is shared out evenly, the first hosts one more.
 *
 * unsaid      the slots of a host that does not say
 * counts      [hostfile.count] filled */
void hostfile_deal(const struct hostfile *hostfile, int ranks, int unsaid, int *counts);

void hostfile_free(struct hostfile *hostfile);

#endif
