/* The communicator of a group of ranks whose processes were started together.
 *
 * What always holds: it is made when a member first asks, by all members alike, from our duplicate
 * of the world, so it returns errors instead of ending the job; it goes when the target returns.
 * A rank is in one group at a time. */
#include "fabric/fabric_private.h"

#include <stdlib.h>

#include "base/error.h"
#include "troupe/mpi.h"

static struct {
    int *ranks; /* [size], in the world; NULL: in no group */
    int size, number;
    int (*permit)(void);
    MPI_Comm communicator;
} group = { .communicator = MPI_COMM_NULL };

void fabric_group_enter(int *ranks, int size, int number, int (*permit)(void))
{
    group.ranks = ranks;
    group.size = size;
    group.number = number;
    group.permit = permit;
}

/* Freeing a communicator sends nothing in any MPI we know: no sibling is waited for. */
void fabric_group_leave(void)
{
    if (group.communicator != MPI_COMM_NULL)
        MPI_Comm_free(&group.communicator);
    free(group.ranks);
    group.ranks = NULL;
}

void fabric_group_forsake(void)
{
    group.ranks = NULL;
    group.communicator = MPI_COMM_NULL;
}

static int communicator_make(void)
{
    MPI_Group world = MPI_GROUP_NULL, members = MPI_GROUP_NULL;
    int result =
        fabric_check(MPI_Comm_group(fabric.world, &world), TROUPE_SYSTEM, "MPI_Comm_group");

    if (result == TROUPE_OK)
        result = fabric_check(MPI_Group_incl(world, group.size, group.ranks, &members),
                              TROUPE_SYSTEM, "MPI_Group_incl");
    if (result == TROUPE_OK)
        result = fabric_check(
            MPI_Comm_create_group(fabric.world, members, group.number, &group.communicator),
            TROUPE_SYSTEM, "MPI_Comm_create_group");
    if (members != MPI_GROUP_NULL)
        MPI_Group_free(&members);
    if (world != MPI_GROUP_NULL)
        MPI_Group_free(&world);
    return result;
}

int troupe_group_communicator(MPI_Comm *communicator)
{
    int result = TROUPE_OK;

    if (group.ranks == NULL)
        return fail(TROUPE_NOT_FOUND,
                    "the caller is in no group of ranks; see troupe_process_start_group");
    if (group.communicator == MPI_COMM_NULL) {
        result = group.permit();
        if (result == TROUPE_OK)
            result = communicator_make();
    }
    if (result == TROUPE_OK)
        *communicator = group.communicator;
    return result;
}
