/* Reading other nodes' segments: MPI_Rget from a window that all ranks have open from the start to
 * the end, in one epoch of MPI_Win_lock_all.
 *
 * Between hosts the window is made over the segments as they are, where MPI has something that can:
 * with Open MPI 4.1 that is UCX alone. Of nodes simulated on one host, one shared window holds all
 * segments (window.c), and a read is a copy of memory by the reader.
 *
 * What always holds: no call here waits for anybody once the window is open. A read that was
 * abandoned keeps its buffer until MPI is done with it, and its node is not read meanwhile; if MPI
 * never is, since that node's process sleeps for ever or is dead, that node is never read again. */
#include "fabric/fabric_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"

#define REMOTE_READ "TROUPE_REMOTE_READ"

enum choice { READ_AUTO = 0, READ_MESSAGE = 1, READ_GET = 2 };

struct fabric_read {
    MPI_Request request;
    struct fabric_read *next; /* of those that are free, or abandoned */
    size_t bytes;
    int node;
    unsigned char buffer[FABRIC_READ_MAX];
};

struct target {
    MPI_Aint begin; /* of the segment in what its leader shows */
    bool is_abandoned;
};

static struct reads {
    enum choice choice;
    bool is_on;
    MPI_Win window;
    bool is_own;            /* made here, so freed here */
    struct target *targets; /* [nodes] */
    struct fabric_read *spare, *abandoned;
} reads = { .window = MPI_WIN_NULL };

bool fabric_reads_are_on(void)
{
    return reads.is_on;
}

/* ---- choosing ------------------------------------------------------------------------------- */

static int choice_read(enum choice *choice)
{
    static const char *const words[] = { "auto", "message", "get" };
    const char *word = getenv(REMOTE_READ);

    *choice = READ_AUTO;
    if (word == NULL || *word == '\0')
        return TROUPE_OK;
    for (int i = READ_AUTO; i <= READ_GET; i++)
        if (strcmp(word, words[i]) == 0) {
            *choice = (enum choice)i;
            return TROUPE_OK;
        }
    return fail(TROUPE_BAD_ARGUMENT,
                REMOTE_READ "=%s is no way to read; write auto, message or get", word);
}

/* Rank 0's environment counts. Without being told to, a window is tried only where every host has
 * a network that may read by itself. */
int reads_choose(bool *one_window)
{
    int mine[2] = { 0, fabric_has_fast_network() }, all[2] = { 0, 0 };
    int result = fabric_agree(choice_read(&reads.choice));

    mine[0] = fabric.place.rank == 0 ? (int)reads.choice : READ_GET;
    if (result == TROUPE_OK)
        result = fabric_check(MPI_Allreduce(mine, all, 2, MPI_INT, MPI_MIN, fabric.world),
                              TROUPE_LAUNCH, "MPI_Allreduce");
    if (result != TROUPE_OK)
        return result;
    reads.choice = (enum choice)all[0];
    if (fabric.place.nodes == 1 || (reads.choice == READ_AUTO && (fabric.is_one_host || !all[1])))
        reads.choice = READ_MESSAGE;
    *one_window = reads.choice == READ_GET && fabric.is_one_host;
    return TROUPE_OK;
}

/* ---- opening -------------------------------------------------------------------------------- */

/* Over the segments as they are: a window of the leaders' memory, which others show none of. */
static int window_make(const struct fabric_segment *segment)
{
    bool leader = fabric.place.local_rank == 0;
    int code = MPI_Win_create(leader ? segment->base : NULL, leader ? (MPI_Aint)segment->bytes : 0,
                              1, MPI_INFO_NULL, fabric.world, &reads.window);

    int result = fabric_agree(fabric_check(code, TROUPE_LAUNCH, "MPI_Win_create"));

    reads.is_own = result == TROUPE_OK;
    if (reads.is_own)
        MPI_Win_set_errhandler(reads.window, MPI_ERRORS_RETURN);
    else
        reads.window = MPI_WIN_NULL; /* freeing is collective, and some have nothing to free */
    return result;
}

static int targets_make(void)
{
    reads.targets = calloc((size_t)fabric.place.nodes, sizeof *reads.targets);
    if (reads.targets == NULL)
        return fail(TROUPE_LAUNCH, "no memory for a table of %d nodes", fabric.place.nodes);
    for (int node = 0; !reads.is_own && node < fabric.place.nodes; node++)
        reads.targets[node].begin = window_begin(node);
    return TROUPE_OK;
}

static int window_open(const struct fabric_segment *segment)
{
    int result = TROUPE_OK;

    if (fabric.is_one_host)
        reads.window = window_of_all_nodes();
    else
        result = window_make(segment);
    if (result == TROUPE_OK && reads.window == MPI_WIN_NULL)
        result = fail(TROUPE_LAUNCH, "the simulated nodes' memory is no MPI window");
    if (result == TROUPE_OK)
        result = targets_make();
    if (result == TROUPE_OK)
        result = fabric_check(MPI_Win_lock_all(MPI_MODE_NOCHECK, reads.window), TROUPE_LAUNCH,
                              "MPI_Win_lock_all");
    reads.is_on = result == TROUPE_OK;
    return fabric_agree(result);
}

/* Whether what was opened is taken. */
static int judge(const struct fabric_segment *segment)
{
    struct reads_verdict verdict;
    int result = reads_judge(segment, &verdict);

    if (result != TROUPE_OK)
        return result;
    if (fabric.place.rank == 0)
        log_info("one-sided reads: %s; %.1f us each, a message there and back %.1f us",
                 verdict.is_right ? "right" : "wrong", verdict.read_us, verdict.message_us);
    if (!verdict.is_right)
        return fail(TROUPE_LAUNCH, "MPI's one-sided reads gave something else than was written");
    if (reads.choice == READ_AUTO && !verdict.is_sooner)
        return fail(TROUPE_LAUNCH, "one-sided reads are no sooner than messages here");
    return TROUPE_OK;
}

/* Whoever did not ask for reads in so many words goes without. */
int reads_open(const struct fabric_segment *segment)
{
    char reason[256];
    int result;

    if (reads.choice == READ_MESSAGE)
        return TROUPE_OK;
    result = window_open(segment);
    if (result == TROUPE_OK)
        result = judge(segment);
    if (result == TROUPE_OK)
        return TROUPE_OK;
    snprintf(reason, sizeof reason, "%s", troupe_last_error());
    reads_close();
    if (reads.choice == READ_AUTO)
        return TROUPE_OK;
    return fail(TROUPE_LAUNCH,
                REMOTE_READ "=get, but other nodes' memory cannot be read one-sidedly: %s; write "
                            "auto or message, or let MPI use a transport that can",
                reason);
}

static void list_free(struct fabric_read **list)
{
    while (*list != NULL) {
        struct fabric_read *next = (*list)->next;

        free(*list);
        *list = next;
    }
}

/* MPI_Win_unlock_all waits for what is under way; everybody is here and answers. */
void reads_close(void)
{
    if (reads.is_on)
        MPI_Win_unlock_all(reads.window);
    reads.is_on = false;
    for (struct fabric_read *read = reads.abandoned; read != NULL; read = read->next)
        MPI_Wait(&read->request, MPI_STATUS_IGNORE);
    if (reads.is_own)
        MPI_Win_free(&reads.window);
    reads.is_own = false;
    reads.window = MPI_WIN_NULL;
    list_free(&reads.abandoned);
    list_free(&reads.spare);
    free(reads.targets);
    reads.targets = NULL;
}

/* ---- reading -------------------------------------------------------------------------------- */

/* Takes back the buffers of what was abandoned and is done now. */
static void abandoned_reap(void)
{
    struct fabric_read **link = &reads.abandoned;

    while (*link != NULL) {
        struct fabric_read *read = *link;
        int done = 0;

        if (MPI_Test(&read->request, &done, MPI_STATUS_IGNORE) != MPI_SUCCESS || !done) {
            link = &read->next;
            continue;
        }
        reads.targets[read->node].is_abandoned = false;
        *link = read->next;
        read->next = reads.spare;
        reads.spare = read;
    }
}

static struct fabric_read *read_make(void)
{
    struct fabric_read *read = reads.spare;

    if (read != NULL)
        reads.spare = read->next;
    return read != NULL ? read : malloc(sizeof *read);
}

static void read_drop(struct fabric_read *read)
{
    read->next = reads.spare;
    reads.spare = read;
}

static int read_check(int node, size_t bytes)
{
    if (!reads.is_on || node < 0 || node >= fabric.place.nodes || bytes > FABRIC_READ_MAX)
        return fail(TROUPE_BAD_ARGUMENT, "a read of %zu bytes from node %d; at most %d", bytes,
                    node, FABRIC_READ_MAX);
    if (reads.abandoned != NULL)
        abandoned_reap();
    if (reads.targets[node].is_abandoned)
        return TROUPE_FULL;
    return reads.is_own && frames_is_lost(fabric.leader_of[node]) ? TROUPE_LOST : TROUPE_OK;
}

int fabric_read(int node, uint64_t offset, size_t bytes, void *to, struct fabric_read **read)
{
    int result = read_check(node, bytes), code;

    if (result != TROUPE_OK)
        return result;
    *read = read_make();
    if (*read == NULL)
        return fail(TROUPE_NO_MEMORY, "no memory for a read of %zu bytes", bytes);
    (*read)->node = node;
    (*read)->bytes = bytes;
    code = MPI_Rget((*read)->buffer, (int)bytes, MPI_BYTE, fabric.leader_of[node],
                    reads.targets[node].begin + (MPI_Aint)offset, (int)bytes, MPI_BYTE,
                    reads.window, &(*read)->request);
    if (code == MPI_SUCCESS)
        return fabric_read_move(*read, to);
    read_drop(*read);
    return fabric_check(code, TROUPE_LOST, "MPI_Rget");
}

int fabric_read_move(struct fabric_read *read, void *to)
{
    int done = 0, code = MPI_Test(&read->request, &done, MPI_STATUS_IGNORE);

    if (code == MPI_SUCCESS && !done)
        return TROUPE_EMPTY;
    if (code == MPI_SUCCESS)
        memcpy(to, read->buffer, read->bytes);
    read_drop(read);
    return fabric_check(code, TROUPE_LOST, "MPI_Rget");
}

void fabric_read_abandon(struct fabric_read *read)
{
    reads.targets[read->node].is_abandoned = true;
    read->next = reads.abandoned;
    reads.abandoned = read;
}
