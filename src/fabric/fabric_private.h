/* What the files of this floor share: the communicators, and how MPI errors become sentences. */
#ifndef TROUPE_FABRIC_PRIVATE_H
#define TROUPE_FABRIC_PRIVATE_H

#include <mpi.h>
#ifdef OPEN_MPI
#include <mpi-ext.h>
#endif
#include <stdbool.h>

#include "fabric/fabric.h"

struct fabric_world {
    bool entered;          /* MPI runs and world below exists */
    bool initialised_here; /* so fabric_stop finalizes */
    struct fabric_place place;
    MPI_Comm world;   /* start-up collectives of all ranks */
    MPI_Comm node;    /* start-up collectives of this node's ranks; rank 0 of it leads */
    MPI_Comm frames;  /* messages between ranks of different nodes */
    int *node_of;     /* [place.size] each rank's node */
    int *leader_of;   /* [place.nodes] each node's leader, a rank of world */
    bool is_one_host; /* the nodes are simulated: all ranks are on one host */
};

extern struct fabric_world fabric;

/* Turns MPI's return code into TROUPE_OK, or into result with MPI's own words. */
int fabric_check(int code, int result, const char *call);

/* Makes one rank's failure everybody's: all return the result of the lowest rank that failed. The
 * others' sentences are that rank's, with its number and host in front. Collective over world. */
int fabric_agree(int result);

/* The number of simulated nodes the environment asks for, 1 when it asks for none.
 * Returns TROUPE_OK, or TROUPE_LAUNCH when it is not a number. */
int fabric_simulated_nodes(int *nodes);

/* Whether this host has a network other than Ethernet that some MPI transport could drive. */
bool fabric_has_fast_network(void);

/* Whether this MPI was told to tell of dead processes. It then warns of each window, since none of
 * its one-sided components has been tried under a death. */
bool fabric_tells_failures(void);

/* The node's memory as an MPI window, when that is really shared and reachable by its System V id.
 * Collective over the node; all its ranks return the same. On false nothing is left of it.
 * of_all_nodes: one window of all nodes, which are simulated; collective over the world. */
bool window_create(size_t bytes, bool of_all_nodes, struct fabric_segment *segment);

/* The window of all nodes, or MPI_WIN_NULL. */
MPI_Win window_of_all_nodes(void);

/* Where a node's segment begins in its leader's part of that window. */
MPI_Aint window_begin(int node);

/* Frees the window if there is one. Collective over those who made it. */
void window_free(void);

/* How other nodes' segments are to be read: found out before the segments are made (whether a
 * window of all nodes is to hold them), opened after that. Each collective over the world, with the
 * same outcome on all ranks. */
int reads_choose(bool *one_window);
int reads_open(const struct fabric_segment *segment);
void reads_close(void);

/* Whether reads through what was opened are right, and sooner than messages. Collective over the
 * world; the first page of each segment reads zero before and after. */
struct reads_verdict {
    bool is_right, is_sooner;
    double read_us, message_us; /* medians */
};
int reads_judge(const struct fabric_segment *segment, struct reads_verdict *verdict);

/* Unmaps this rank's segment and frees the window. Collective over the node. */
void segment_fini(void);

/* Makes the table of peers, once the nodes are known. TROUPE_OK or TROUPE_LAUNCH. */
int frames_init(void);

/* Whether a rank was given up, or its connection broke. */
bool frames_is_lost(int rank);

/* Takes back posted receives and lets go of sends. */
void frames_fini(void);

#endif
