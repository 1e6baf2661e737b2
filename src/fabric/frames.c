/* Frames between ranks of different nodes, over one communicator of all ranks.
 *
 * What always holds: one thread of a process at a time calls this. No call waits. Frames
 * of one sender arrive in order: receives are posted as a ring, MPI matches the messages of one
 * sender in the order of posting, and only the ring's head is looked at. Posted receives rather
 * than probing: a look is one MPI_Test, and MPI copies a frame straight to where it stays.
 *
 * A send's buffer is busy until MPI is done with it. The busy ones are the first `active`; one that
 * becomes free changes places with the last of them, so MPI_Testsome gets one array without holes.
 * Nearly every send is done before MPI_Isend returns, and never enters it. Sends to a dead rank are
 * never done: each rank has its own limit, so that they hold up nobody else's. */
#include "fabric/fabric_private.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

#define FRAME_TAG 1
#define RECEIVES_POSTED 32
#define SENDS_AT_FIRST 16

/* Parallel arrays of `capacity`, because MPI_Testsome wants its requests side by side. */
struct sends {
    MPI_Request *requests;
    unsigned char **buffers; /* each made when first needed */
    int *ranks;              /* the addressees */
    MPI_Status *statuses;    /* what MPI_Testsome tells, and of which */
    int *completed;
    int active, capacity;
};

struct receives {
    MPI_Request requests[RECEIVES_POSTED];
    unsigned char buffers[RECEIVES_POSTED][FABRIC_FRAME_MAX];
    int head;    /* the oldest posted */
    int taken;   /* what is to be posted again before the next look, or -1 */
    int posted;  /* how many are, from index 0; 0 or RECEIVES_POSTED unless broken */
    bool broken; /* MPI refused to post one: the order of what would come is lost */
};

struct peer {
    int in_flight;
    bool lost; /* for good */
};

static struct sends sends;
static struct receives receives = { .taken = -1 };
static struct peer *peers; /* [place.size] */

int frames_init(void)
{
    peers = calloc((size_t)fabric.place.size, sizeof *peers);
    if (peers == NULL)
        return fail(TROUPE_LAUNCH, "no memory for a table of %d ranks", fabric.place.size);
    return TROUPE_OK;
}

/* The array made longer; on failure it stays what it was, and *grown becomes false. */
static void *array_grow(void *array, size_t elements, size_t element_bytes, bool *grown)
{
    void *longer = realloc(array, elements * element_bytes);

    if (longer == NULL)
        *grown = false;
    return longer != NULL ? longer : array;
}

static bool sends_grow(void)
{
    int capacity = sends.capacity > 0 ? 2 * sends.capacity : SENDS_AT_FIRST;
    size_t n = (size_t)capacity;
    bool grown = true;

    sends.requests = array_grow(sends.requests, n, sizeof *sends.requests, &grown);
    sends.buffers = array_grow(sends.buffers, n, sizeof *sends.buffers, &grown);
    sends.ranks = array_grow(sends.ranks, n, sizeof *sends.ranks, &grown);
    sends.statuses = array_grow(sends.statuses, n, sizeof *sends.statuses, &grown);
    sends.completed = array_grow(sends.completed, n, sizeof *sends.completed, &grown);
    while (grown && sends.capacity < capacity)
        sends.buffers[sends.capacity++] = NULL;
    return grown;
}

/* Makes room for one send more, and its buffer. */
static bool sends_reserve(void)
{
    if (sends.active == sends.capacity && !sends_grow())
        return false;
    if (sends.buffers[sends.active] == NULL)
        sends.buffers[sends.active] = malloc(FABRIC_FRAME_MAX);
    return sends.buffers[sends.active] != NULL;
}

/* Moves the last active send into the place of one that is over, and the latter's buffer behind. */
static void send_release(int index)
{
    int last = --sends.active;
    unsigned char *buffer = sends.buffers[index];

    peers[sends.ranks[index]].in_flight--;
    sends.requests[index] = sends.requests[last];
    sends.buffers[index] = sends.buffers[last];
    sends.ranks[index] = sends.ranks[last];
    sends.buffers[last] = buffer;
}

/* Frees the buffers of sends that have completed. */
static void sends_reap(void)
{
    int done = 0, code;

    if (sends.active == 0)
        return;
    code = MPI_Testsome(sends.active, sends.requests, &done, sends.completed, sends.statuses);
    for (int i = 0; code == MPI_ERR_IN_STATUS && i < done; i++)
        if (sends.statuses[i].MPI_ERROR != MPI_SUCCESS)
            peers[sends.ranks[sends.completed[i]]].lost = true;
    for (int i = sends.active - 1; i >= 0; i--) /* downwards: what changes places was looked at */
        if (sends.requests[i] == MPI_REQUEST_NULL)
            send_release(i);
}

static int send_check(int rank, size_t bytes)
{
    if (rank < 0 || rank >= fabric.place.size || bytes > FABRIC_FRAME_MAX)
        return fail(TROUPE_BAD_ARGUMENT,
                    "a frame of %zu bytes to rank %d; at most %d, ranks 0 to %d", bytes, rank,
                    FABRIC_FRAME_MAX, fabric.place.size - 1);
    if (peers[rank].lost)
        return fail(TROUPE_LOST, "rank %d is lost", rank);
    if (peers[rank].in_flight >= FABRIC_SENDS_MAX)
        sends_reap();
    return peers[rank].in_flight < FABRIC_SENDS_MAX ? TROUPE_OK : TROUPE_FULL;
}

int fabric_send(int rank, const void *frame, size_t bytes)
{
    int index, code, done = 0, result = send_check(rank, bytes);

    if (result != TROUPE_OK)
        return result;
    if (!sends_reserve())
        return fail(TROUPE_NO_MEMORY, "no memory for a frame of %d bytes", FABRIC_FRAME_MAX);
    index = sends.active;
    memcpy(sends.buffers[index], frame, bytes);
    code = MPI_Isend(sends.buffers[index], (int)bytes, MPI_BYTE, rank, FRAME_TAG, fabric.frames,
                     &sends.requests[index]);
    if (code == MPI_SUCCESS)
        code = MPI_Test(&sends.requests[index], &done, MPI_STATUS_IGNORE);
    if (code != MPI_SUCCESS) {
        peers[rank].lost = true;
        return fabric_check(code, TROUPE_LOST, "sending a frame");
    }
    if (!done) {
        sends.ranks[index] = rank;
        sends.active++;
        peers[rank].in_flight++;
    }
    return TROUPE_OK;
}

/* Lets go of a send that may never be done. Its buffer is MPI's from here on: it may still be read.
 */
static void send_abandon(int index)
{
    MPI_Request_free(&sends.requests[index]);
    sends.buffers[index] = NULL;
    send_release(index);
}

bool frames_is_lost(int rank)
{
    return peers[rank].lost;
}

void fabric_rank_lost(int rank)
{
    peers[rank].lost = true;
    for (int i = sends.active - 1; i >= 0; i--)
        if (sends.ranks[i] == rank)
            send_abandon(i);
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

/* A frame's buffer is posted again only here: posting would hold up whoever waits for the frame. */
static void receives_post(void)
{
    if (receives.taken >= 0 && !receives.broken)
        receive_post(receives.taken);
    receives.taken = -1;
    while (receives.posted < RECEIVES_POSTED && !receives.broken)
        receive_post(receives.posted++);
}

/* Copies the frame at the ring's head out; its buffer will be the youngest. */
static int receive_take(int code, const MPI_Status *status, int *rank, void *frame, size_t *bytes)
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
        *rank = status->MPI_SOURCE;
    }
    receives.taken = index;
    return result;
}

/* Whether MPI only says that somebody died, who might have been the sender: the receive stays. */
static bool is_notice_of_death(int code)
{
#ifdef MPIX_ERR_PROC_FAILED_PENDING
    int class = code;

    if (code == MPI_SUCCESS || MPI_Error_class(code, &class) != MPI_SUCCESS ||
        class != MPIX_ERR_PROC_FAILED_PENDING)
        return false;
    MPIX_Comm_failure_ack(fabric.frames);
    return true;
#else
    (void)code;
    return false;
#endif
}

int fabric_receive(int *rank, void *frame, size_t *bytes)
{
    MPI_Status status;
    int arrived = 0, code;

    if (fabric.place.nodes == 1)
        return TROUPE_EMPTY;
    receives_post();
    if (receives.broken)
        return fail(TROUPE_SYSTEM, "MPI takes no receive any more: no frame can reach this rank");
    code = MPI_Test(&receives.requests[receives.head], &arrived, &status);
    sends_reap();
    if ((code == MPI_SUCCESS && !arrived) || is_notice_of_death(code))
        return TROUPE_EMPTY;
    return receive_take(code, &status, rank, frame, bytes);
}

int fabric_in_flight(void)
{
    sends_reap();
    return sends.active;
}

static void sends_free(void)
{
    for (int i = 0; i < sends.capacity; i++)
        free(sends.buffers[i]);
    free(sends.requests);
    free(sends.buffers);
    free(sends.ranks);
    free(sends.statuses);
    free(sends.completed);
    memset(&sends, 0, sizeof sends);
}

/* Unposted receives would leave MPI_Finalize with requests of ours. A send that is not done is let
 * go of rather than waited for: its addressee may have stopped to receive. */
void frames_fini(void)
{
    for (int i = 0; i < receives.posted; i++)
        if (receives.requests[i] != MPI_REQUEST_NULL &&
            MPI_Cancel(&receives.requests[i]) == MPI_SUCCESS)
            MPI_Wait(&receives.requests[i], MPI_STATUS_IGNORE);
    receives.posted = receives.head = 0;
    receives.taken = -1;
    while (sends.active > 0)
        send_abandon(sends.active - 1);
    sends_free();
    free(peers);
    peers = NULL;
}
