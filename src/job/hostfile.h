/* The hosts of a run: from a host file, from a list on the command line, or, line by line, from
 * what a batch system hands out. A host file is read in each of these forms, also mixed:
 *
 *   # a comment
 *   node1 slots=4                     Open MPI's
 *   user@node2 slots=4 max-slots=8
 *   node3:4                           Hydra's: MPICH, Intel MPI
 *   node4                             a name on each line, again for each slot
 *   node4
 *
 * What always holds: every host stands once, in the order of its first line, with the slots of all
 * its lines together. */
#ifndef TROUPE_JOB_HOSTFILE_H
#define TROUPE_JOB_HOSTFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/text.h"

/* More are refused: far beyond any cluster, and small enough to be held. */
#define HOSTFILE_HOSTS_MAX 200000

struct hostfile_host {
    char *name; /* without the user in front of it */
    int slots;  /* 0: not said */
    int lines;  /* that named it */
    int unsaid; /* of these without a number */
};

/* Starts with all zero. */
struct hostfile {
    struct hostfile_host *hosts;
    size_t count, capacity;
    void *index;     /* by name */
    bool is_foreign; /* a line has a form that mpirun does not read: give it hostfile_write */
};

enum hostfile_form {
    HOSTFILE_ANY,   /* as above */
    HOSTFILE_PLAIN, /* a name on each line, each worth a slot: PBS, LSF */
    HOSTFILE_SGE    /* "name slots queue processors" */
};

/* Reads a host file.
 *
 * hostfile    freed by hostfile_free
 * Returns     TROUPE_OK
 *             TROUPE_NOT_FOUND     the file cannot be read
 *             TROUPE_BAD_ARGUMENT  a line is wrong: the sentence begins with file:line; or there is
 *                                  no host at all, or more than HOSTFILE_HOSTS_MAX
 *             TROUPE_NO_MEMORY */
int hostfile_read(const char *path, struct hostfile *hostfile);
int hostfile_read_form(const char *path, enum hostfile_form form, struct hostfile *hostfile);

/* The same from an open file; name stands for it in sentences. */
int hostfile_read_stream(const char *name, FILE *file, enum hostfile_form form,
                         struct hostfile *hostfile);

/* Reads a list as mpirun's --host has it: "node1,node2:4". A host without a number counts one slot
 * each time it is named. Returns as hostfile_read. */
int hostfile_read_list(const char *list, struct hostfile *hostfile);

/* Adds slots to a host, which is new or not. where begins the sentence of a failure; the name may
 * have a user in front. Returns TROUPE_OK, TROUPE_BAD_ARGUMENT or TROUPE_NO_MEMORY. */
int hostfile_add(const char *where, const char *name, int slots, struct hostfile *hostfile);

/* Fails for want of memory, in the words of all who read hosts. */
int hostfile_no_memory(void);

/* Writes the hosts as mpirun's --host wants them, and hostfile_read_list reads them.
 *
 * Returns     TROUPE_OK
 *             TROUPE_BAD_ARGUMENT  an address has colons, which that list cannot hold */
int hostfile_write(const struct hostfile *hostfile, struct text *list);

/* All slots together; 0 when a host does not say. */
int hostfile_slots(const struct hostfile *hostfile);

/* Deals ranks to the hosts as mpirun --oversubscribe does: in order, as many as a host has slots;
 * what is left is shared out evenly, the first hosts one more.
 *
 * unsaid      the slots of a host that does not say
 * counts      [hostfile.count] filled */
void hostfile_deal(const struct hostfile *hostfile, int ranks, int unsaid, int *counts);

/* Whether a name, or the first part of it, is this host's. */
bool hostfile_is_here(const char *name);

/* Whether there is a host among them that is not this one. */
bool hostfile_goes_elsewhere(const struct hostfile *hostfile);

void hostfile_free(struct hostfile *hostfile);

#endif
