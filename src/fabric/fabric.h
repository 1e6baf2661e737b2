/* MPI, and nothing else knows it.
 *
 * What always holds: once the world has started (fabric_start, fabric_segment_create and what the
 * runtime gathers) no collective and no blocking MPI call is made until fabric_stop; ranks of one
 * node then exchange no MPI message (they have the arena); every MPI return code is checked and
 * becomes one sentence. A process that never called fabric_start (a keeper, the
 * parent, a fresh child) may call fabric_segment_attach and fabric_segment_detach alone. */
#ifndef TROUPE_FABRIC_FABRIC_H
#define TROUPE_FABRIC_FABRIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where this rank stands. Nodes are numbered by their lowest rank; local_rank 0 is the leader. */
struct fabric_place {
    int rank, size;
    int node, nodes;
    int local_rank, local_size;
};

/* A node's shared memory, and how a process that has no MPI reaches it. The address is text of at
 * most FABRIC_ADDRESS_SIZE bytes with its zero; it travels by pipe and environment. */
#define FABRIC_ADDRESS_SIZE 64
struct fabric_segment {
    unsigned char *base; /* page-aligned */
    size_t bytes;
    char address[FABRIC_ADDRESS_SIZE]; /* "sysv:<shmid>:<delta>:<bytes>" */
    void *private_data;
};

/* Sets the MCA settings that keep Open MPI 4.1 safe and quiet, each unless the user set it. Call it
 * in the process that will call fabric_start, before MPI starts; where the program started MPI
 * itself it changes nothing. docs/environment.md lists them.
 * Threads     call it before any other thread exists */
void fabric_settings_apply(void);

/* Initialises MPI (or takes the program's own initialisation, which must be THREAD_MULTIPLE), makes
 * the communicators, splits the world into nodes (TROUPE_SIMULATED_NODES=n: n groups of neighbours
 * on one host). Collective over the world. All ranks return the same result: one that fails is
 * every rank's failure, and the others' sentences name it. SIGPIPE, where nothing handles it, is
 * caught and dropped from here on: a send to a dead peer must not end the sender.
 *
 * identity    [identity_bytes] must be equal on all ranks (version and build-id); at most
 *             FABRIC_IDENTITY_MAX bytes
 * Returns     TROUPE_OK
 *             TROUPE_LAUNCH    MPI cannot be used; call fabric_stop(true) and leave
 *             TROUPE_MISMATCH  the sentence names the first rank that differs and its host
 *             TROUPE_ALREADY   a second call */
#define FABRIC_IDENTITY_MAX 256
int fabric_start(const void *identity, size_t identity_bytes, struct fabric_place *place);

/* The node's memory: a shared window when it really is shared and reachable by a process without
 * MPI (System V shared memory), else a segment of our own, removed from the system's names at once.
 * Reserved, not committed: of base[bytes] at most the first page has been touched, and reads zero.
 * Collective over the world, once; the leader's bytes count on its node, rounded up to pages. It
 * stays mapped in the ranks until fabric_stop(true). Other nodes may read it (below) if
 * TROUPE_REMOTE_READ wants that.
 *
 * Returns     TROUPE_OK
 *             TROUPE_SYSTEM        more than the host's memory, or the system refused
 *             TROUPE_BAD_ARGUMENT  bytes is 0, or TROUPE_REMOTE_READ is no word of its own
 *             TROUPE_LAUNCH        TROUPE_REMOTE_READ=get, and MPI offers no window for it
 *             TROUPE_ALREADY       a second call
 *             the same on all ranks */
int fabric_segment_create(size_t bytes, struct fabric_segment *segment);

/* Maps a segment by its address; for processes without MPI.
 *
 * Returns     TROUPE_OK
 *             TROUPE_SYSTEM        it is gone, or the system refused
 *             TROUPE_BAD_ARGUMENT  the address is not one of fabric_segment_create's */
int fabric_segment_attach(const char *address, struct fabric_segment *segment);

/* Unmaps what fabric_segment_attach mapped. */
void fabric_segment_detach(struct fabric_segment *segment);

/* Start-up only: gathers bytes from every rank in rank order into all[size * bytes]; a barrier. */
int fabric_allgather(const void *mine, size_t bytes, void *all);
int fabric_barrier(void);

/* The node that a rank stands on, and the rank that leads a node at the start. */
int fabric_node_of(int rank);
int fabric_leader_of(int node);

/* ---- a group's communicator ----------------------------------------------------------------- */

#define FABRIC_GROUP_NUMBERS 0x7fff /* a mask */

/* This rank's target is one of a group's, until fabric_group_leave. The communicator for
 * troupe_group_communicator is made when it is first asked for.
 *
 * ranks       [size] of the world, from malloc; taken over
 * number      within FABRIC_GROUP_NUMBERS; tells apart groups that follow one another
 * permit      asked before the communicator is made; not TROUPE_OK: it is not */
void fabric_group_enter(int *ranks, int size, int number, int (*permit)(void));
void fabric_group_leave(void);

/* In a fork: the group is its caller's. Async-signal-safe; part of fabric_forsake. */
void fabric_group_forsake(void);

/* ---- messages between ranks of different nodes ---------------------------------------------- */

/* A message is one frame of at most FABRIC_FRAME_MAX bytes, below the eager limit of every common
 * transport, so that sending never waits for the receiver to post. Frames of one sender arrive in
 * order. One thread of a process at a time calls these, and those of bulk below. */
#define FABRIC_FRAME_MAX 3840

/* The sends that may be in flight to one rank at once. It bounds this floor's buffers only: an
 * eager send counts as complete once MPI has copied it, so a slow receiver is the caller's to
 * spare, by credits. */
#define FABRIC_SENDS_MAX 64

/* Starts sending a copy of frame to a rank.
 *
 * frame       [bytes] at most FABRIC_FRAME_MAX
 * Returns     TROUPE_OK     copied and on its way
 *             TROUPE_FULL   FABRIC_SENDS_MAX sends to it are still in flight: receive, try again.
 *                           Those to a dead rank stay so; others are not held up
 *             TROUPE_LOST   MPI reported the peer gone, or fabric_rank_lost did
 *             TROUPE_NO_MEMORY, TROUPE_BAD_ARGUMENT */
int fabric_send(int rank, const void *frame, size_t bytes);

/* Takes one frame that has arrived, if any, and moves outstanding sends on.
 *
 * rank        its sender
 * frame       [FABRIC_FRAME_MAX]
 * Returns     TROUPE_OK
 *             TROUPE_EMPTY   none has arrived
 *             TROUPE_SYSTEM  MPI failed to receive one; none can be received any more */
int fabric_receive(int *rank, void *frame, size_t *bytes);

/* The sends that have not completed. */
int fabric_in_flight(void);

/* Gives a rank up: lets go of what is in flight to it, and sends it nothing any more. Frames it
 * sent before may still arrive. */
void fabric_rank_lost(int rank);

/* Bulk goes straight from memory to memory, without a copy on this floor. Both sides name the
 * transfer by a number that the sender chose and told in a frame. */
struct fabric_bulk;

/* Starts a transfer; the memory [bytes] is MPI's until it is over. NULL when it cannot be started.
 */
struct fabric_bulk *fabric_bulk_send(int rank, uint32_t number, const void *data, size_t bytes);
struct fabric_bulk *fabric_bulk_receive(int rank, uint32_t number, void *data, size_t bytes);

/* Moves a transfer on.
 *
 * Returns     TROUPE_OK     it is over, and bulk is gone
 *             TROUPE_EMPTY  not yet
 *             TROUPE_LOST   it failed, and bulk is gone */
int fabric_bulk_move(struct fabric_bulk *bulk);

/* Lets go of a transfer that may never be over. Its memory stays MPI's. */
void fabric_bulk_abandon(struct fabric_bulk *bulk);

/* ---- reading other nodes' segments -------------------------------------------------------- */

/* Whether other nodes' segments can be read from here, as TROUPE_REMOTE_READ says and
 * fabric_segment_create found out. The same on all ranks of the world. */
bool fabric_reads_are_on(void);

/* The most that one read copies. */
#define FABRIC_READ_MAX 4096

/* A read under way. */
struct fabric_read;

/* Copies [bytes] at an offset of a node's segment. The memory may change meanwhile, and its bytes
 * are read in any order. Called by one thread of a process at a time, as messages are.
 *
 * to          [bytes]; written when the read is done
 * read        on TROUPE_EMPTY: what to look after by fabric_read_move
 * Returns     TROUPE_OK     done
 *             TROUPE_EMPTY  under way
 *             TROUPE_FULL   one of that node is still under way that was abandoned
 *             TROUPE_LOST   MPI refused, or the rank that showed the segment is lost
 *             TROUPE_NO_MEMORY, TROUPE_BAD_ARGUMENT */
int fabric_read(int node, uint64_t offset, size_t bytes, void *to, struct fabric_read **read);

/* Returns     TROUPE_OK     done, and read is gone
 *             TROUPE_EMPTY  not yet
 *             TROUPE_LOST   it failed, and read is gone */
int fabric_read_move(struct fabric_read *read, void *to);

/* Lets go of a read that may never be done. Its buffer is MPI's until then. */
void fabric_read_abandon(struct fabric_read *read);

/* Leaves MPI. clean: nobody was lost; collective over the world, gives back the segment (unmapped
 * in this rank), the communicators and what is posted, and calls MPI_Finalize when fabric_start
 * initialised MPI. Not clean: makes no MPI call, since each could wait for the dead; the process's
 * end by _exit must follow. */
void fabric_stop(bool clean);

/* In a process that must not use MPI, a forked child or a fresh process: from here on MPI itself
 * says so to every call, MPI_Init included, and ends that process ("after MPI_FINALIZE was
 * invoked"). Without it a forked child would write into its caller's connections.
 * Async-signal-safe. */
void fabric_forsake(void);

#endif
