/* Bulk between ranks of different nodes: MPI's own transfers, straight between the two memories.
 *
 * What always holds: as in frames.c, one thread of a process at a time, and no call waits. Pieces
 * of one transfer carry the same tag and go one after the other, so they match in order. A number
 * comes round after BULK_TAGS transfers of one sender, more than are ever under way between two
 * ranks. */
#include "fabric/fabric_private.h"

#include <stdlib.h>

#include "base/error.h"

#define BULK_TAG_FIRST 2
#define BULK_TAGS 32000u         /* below the least MPI_TAG_UB that the standard allows */
#define BULK_PIECE (1024u << 20) /* MPI counts in int */

struct fabric_bulk {
    MPI_Request request; /* of the piece under way */
    unsigned char *data; /* what is left after it */
    size_t left;
    int rank, tag;
    bool sends;
};

/* Starts the next piece. */
static int piece_start(struct fabric_bulk *bulk)
{
    int bytes = (int)(bulk->left < BULK_PIECE ? bulk->left : BULK_PIECE);
    int code = bulk->sends ? MPI_Isend(bulk->data, bytes, MPI_BYTE, bulk->rank, bulk->tag,
                                       fabric.frames, &bulk->request)
                           : MPI_Irecv(bulk->data, bytes, MPI_BYTE, bulk->rank, bulk->tag,
                                       fabric.frames, &bulk->request);

    bulk->data += bytes;
    bulk->left -= (size_t)bytes;
    return code;
}

static struct fabric_bulk *bulk_start(const struct fabric_bulk *wanted)
{
    struct fabric_bulk *bulk = malloc(sizeof *bulk);

    if (bulk == NULL)
        return NULL;
    *bulk = *wanted;
    if (piece_start(bulk) == MPI_SUCCESS)
        return bulk;
    free(bulk);
    return NULL;
}

static int tag_of(uint32_t number)
{
    return BULK_TAG_FIRST + (int)(number % BULK_TAGS);
}

struct fabric_bulk *fabric_bulk_send(int rank, uint32_t number, const void *data, size_t bytes)
{
    /* MPI only reads it; the field serves both directions. */
    return bulk_start(&(struct fabric_bulk){ MPI_REQUEST_NULL, (unsigned char *)(uintptr_t)data,
                                             bytes, rank, tag_of(number), true });
}

struct fabric_bulk *fabric_bulk_receive(int rank, uint32_t number, void *data, size_t bytes)
{
    return bulk_start(
        &(struct fabric_bulk){ MPI_REQUEST_NULL, data, bytes, rank, tag_of(number), false });
}

int fabric_bulk_move(struct fabric_bulk *bulk)
{
    int done = 0, code = MPI_Test(&bulk->request, &done, MPI_STATUS_IGNORE);

    if (code == MPI_SUCCESS && done && bulk->left > 0) {
        code = piece_start(bulk);
        done = 0;
    }
    if (code == MPI_SUCCESS && !done)
        return TROUPE_EMPTY;
    free(bulk);
    return code == MPI_SUCCESS ? TROUPE_OK : fabric_check(code, TROUPE_LOST, "moving bulk");
}

void fabric_bulk_abandon(struct fabric_bulk *bulk)
{
    MPI_Request_free(&bulk->request);
    free(bulk);
}
