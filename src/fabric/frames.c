/* Frames between leaders, over one communicator of all ranks.
 *
 * What always holds: one thread at a time calls this (the leader's service). No call waits. Frames
 * of one sender arrive in order: receives are posted as a ring, MPI matches the messages of one
 * sender in the order of posting, and only the ring's head is looked at. Posted receives rather
 * than probing: a look is one MPI_Test, and MPI copies a frame straight to where it stays.
 *
 * A send's buffer is busy until MPI is done with it. The busy ones are the first `active`; one that
 * becomes free changes places with the last of them, so MPI_Testsome gets one array without holes.
 * Nearly every send is done before MPI_Isend returns, and never enters it. */
#include "fabric/fabric_private.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

#define FRAME_TAG 1
#define RECEIVES_POSTED 32

struct sends {
    MPI_Request requests[FABRIC_SENDS_MAX];
    unsigned char *buffers[FABRIC_SENDS_MAX]; /* made when first needed */
    int nodes[FABRIC_SENDS_MAX];              /* the addressees */
    int active;
};

struct receives {
    MPI_Request requests[RECEIVES_POSTED];
    unsigned char buffers[RECEIVES_POSTED][FABRIC_FRAME_MAX];
    int head;    /* the oldest posted */
    int posted;  /* how many are, from index 0; 0 or RECEIVES_POSTED unless broken */
    bool broken; /* MPI refused to post one: the order of what would come is lost */
};

static struct sends sends;
static struct receives receives;
static bool *lost; /* [place.nodes], made by the first failed send; a lost node stays lost */

static int peer_lost(int node, int code)
{
    if (lost == NULL)
        lost = calloc((size_t)fabric.place.nodes, sizeof *lost);
    if (lost != NULL)
        lost[node] = true;
    return fabric_check(code, TROUPE_LOST, "sending a frame");
}

static void send_release(int index)
{
    int last = --sends.active, node = sends.nodes[index];
    unsigned char *buffer = sends.buffers[index];

    sends.requests[index] = sends.requests[last];
    sends.buffers[index] = sends.buffers[last];
    sends.nodes[index] = sends.nodes[last];
    sends.buffers[last] = buffer;
    sends.nodes[last] = node;
}

/* Frees the buffers of sends that have completed. */
static void sends_reap(void)
{
    MPI_Status statuses[FABRIC_SENDS_MAX];
    int indices[FABRIC_SENDS_MAX], done = 0, code;

    if (sends.active == 0)
        return;
    code = MPI_Testsome(sends.active, sends.requests, &done, indices, statuses);
    for (int i = 0; code == MPI_ERR_IN_STATUS && i < done; i++)
        if (statuses[i].MPI_ERROR != MPI_SUCCESS)
            peer_lost(sends.nodes[indices[i]], statuses[i].MPI_ERROR);
    for (int i = sends.active - 1; i >= 0; i--) /* downwards: what changes places was looked at */
        if (sends.requests[i] == MPI_REQUEST_NULL)
            send_release(i);
}

static int send_check(int node, size_t bytes)
{
    if (node < 0 || node >= fabric.place.nodes || bytes > FABRIC_FRAME_MAX)
        return fail(TROUPE_BAD_ARGUMENT,
                    "a frame of %zu bytes to node %d; at most %d bytes, nodes "
                    "0 to %d",
                    bytes, node, FABRIC_FRAME_MAX, fabric.place.nodes - 1);
    if (lost != NULL && lost[node])
        return fail(TROUPE_LOST, "node %d: an earlier frame could not be sent to it", node);
    return TROUPE_OK;
}

int fabric_send(int node, const void *frame, size_t bytes)
{
    int index, code, done = 0, result = send_check(node, bytes);

    if (result != TROUPE_OK)
        return result;
    if (sends.active == FABRIC_SENDS_MAX)
        sends_reap();
    if (sends.active == FABRIC_SENDS_MAX)
        return TROUPE_FULL;
    index = sends.active;
    if (sends.buffers[index] == NULL)
        sends.buffers[index] = malloc(FABRIC_FRAME_MAX);
    if (sends.buffers[index] == NULL)
        return fail(TROUPE_NO_MEMORY, "no memory for a frame of %d bytes", FABRIC_FRAME_MAX);
    memcpy(sends.buffers[index], frame, bytes);
    code = MPI_Isend(sends.buffers[index], (int)bytes, MPI_BYTE, fabric.leader_of[node], FRAME_TAG,
                     fabric.frames, &sends.requests[index]);
    if (code == MPI_SUCCESS)
        code = MPI_Test(&sends.requests[index], &done, MPI_STATUS_IGNORE);
    if (code != MPI_SUCCESS)
        return peer_lost(node, code);
    if (!done) {
        sends.nodes[index] = node;
        sends.active++;
    }
    return TROUPE_OK;
}

static int receive_post(int index)
{
    int result =
        fabric_check(MPI_Irecv(receives.buffers[index], FABRIC_FRAME_MAX, MPI_BYTE, MPI_ANY_SOURCE,
                               FRAME_TAG, fabric.frames, &receives.requests[index]),
                     TROUPE_SYSTEM, "MPI_Irecv");

    if (result != TROUPE_OK) {
        receives.requests[index] = MPI_REQUEST_NULL;
        receives.broken = true;
    }
    return result;
}

static void receives_post(void)
{
    while (receives.posted < RECEIVES_POSTED && !receives.broken)
        receive_post(receives.posted++);
}

/* Copies the frame at the ring's head out and posts its buffer again, now the youngest. */
static int receive_take(int code, const MPI_Status *status, int *node, void *frame, size_t *bytes)
{
    int index = receives.head, count = 0;
    int result = fabric_check(code, TROUPE_SYSTEM, "receiving a frame");

    receives.broken = result != TROUPE_OK;
    receives.head = (index + 1) % RECEIVES_POSTED;
    if (result == TROUPE_OK)
        result =
            fabric_check(MPI_Get_count(status, MPI_BYTE, &count), TROUPE_SYSTEM, "MPI_Get_count");
    if (result == TROUPE_OK) {
        memcpy(frame, receives.buffers[index], (size_t)count);
        *bytes = (size_t)count;
        *node = fabric.node_of[status->MPI_SOURCE];
    }
    if (!receives.broken)
        receive_post(index); /* a failure is told by the next call; this frame has arrived */
    return result;
}

int fabric_receive(int *node, void *frame, size_t *bytes)
{
    MPI_Status status;
    int arrived = 0, code;

    if (fabric.place.nodes == 1)
        return TROUPE_EMPTY;
    receives_post();
    if (receives.broken)
        return fail(TROUPE_SYSTEM, "MPI takes no receive any more: no frame can reach this node");
    code = MPI_Test(&receives.requests[receives.head], &arrived, &status);
    sends_reap();
    if (code == MPI_SUCCESS && !arrived)
        return TROUPE_EMPTY;
    return receive_take(code, &status, node, frame, bytes);
}

int fabric_in_flight(void)
{
    sends_reap();
    return sends.active;
}

/* Unposted receives would leave MPI_Finalize with requests of ours. A send that is not done keeps
 * its buffer for good: MPI_Finalize may still read it, and its addressee may have stopped to
 * receive. */
void frames_fini(void)
{
    for (int i = 0; i < receives.posted; i++)
        if (receives.requests[i] != MPI_REQUEST_NULL &&
            MPI_Cancel(&receives.requests[i]) == MPI_SUCCESS)
            MPI_Wait(&receives.requests[i], MPI_STATUS_IGNORE);
    receives.posted = receives.head = 0;
    for (int i = 0; i < sends.active; i++)
        MPI_Request_free(&sends.requests[i]);
    for (int i = sends.active; i < FABRIC_SENDS_MAX; i++) {
        free(sends.buffers[i]);
        sends.buffers[i] = NULL;
    }
    sends.active = 0;
    free(lost);
    lost = NULL;
}
