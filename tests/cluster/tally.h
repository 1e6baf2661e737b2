/* Counts what the ranks of a world send one another, from outside: this program's own MPI_Isend
 * stands before MPI's. The counts lie in a file that all processes map, so the nodes have to share
 * one machine.
 *
 * What always holds: a count only grows; whoever waits for the answer to a call has both of its
 * messages counted. */
#ifndef TROUPE_TESTS_CLUSTER_TALLY_H
#define TROUPE_TESTS_CLUSTER_TALLY_H

#include <stdint.h>

struct tally {
    uint64_t messages; /* frames with calls or answers, and pieces of bulk */
    uint64_t bytes;    /* of those */
    uint64_t credits;  /* acknowledgements, one for 32 frames */
    uint64_t beats;    /* signs of life that travel alone */
};

/* Maps the file, and makes it if it is missing; before troupe_init. Returns 0 on success. */
int tally_open(const char *path);

/* What has been sent since the file was made. */
struct tally tally_read(void);

/* What was sent between two readings. */
struct tally tally_between(struct tally before, struct tally after);

/* A gate for all processes, shut at first: they see it open without a message. */
void tally_gate_open(void);
void tally_gate_pass(void);

#endif
