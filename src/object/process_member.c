/* A group's member where it runs: it waits for the decision, has its place and its communicator,
 * and is told when a sibling dies. */
#include "object/process_group.h"

#include "base/error.h"
#include "core/world.h"
#include "fabric/fabric.h"

#include <stdlib.h>

static struct process *current_process(struct actor *actor)
{
    struct record *record;

    if (process_current() == 0 ||
        table_find(actor, process_current(), OBJECT_PROCESS, &record) != TROUPE_OK)
        return NULL;
    return process_of(record);
}

/* Before the communicator is made. The note first, then the look: see process_signal.c. */
static int mpi_permit(void)
{
    struct actor *actor;
    struct process *process;
    int result = world_enter(&actor);

    if (result != TROUPE_OK)
        return result;
    process = current_process(actor);
    if (process == NULL)
        return fail(TROUPE_NOT_FOUND, "this thread runs no process's target");
    atomic_store(&process->uses_mpi, 1);
    if (atomic_load(&process->bereaved) != 0)
        return fail(TROUPE_LOST, "a member of the group has died; a communicator needs all");
    return TROUPE_OK;
}

bool process_group_join(struct actor *actor, uint64_t handle)
{
    struct record *record;
    uint64_t group;
    int *ranks = NULL, n = 0;
    bool runs = false;

    if (table_find(actor, handle, OBJECT_PROCESS, &record) != TROUPE_OK)
        return false;
    group = atomic_load(&process_of(record)->group);
    if (group == 0)
        return true;
    if (process_group_decision(actor, group, &runs, &ranks, &n) != TROUPE_OK || !runs)
        return false;
    fabric_group_enter(ranks, n, (int)(group & FABRIC_GROUP_NUMBERS), mpi_permit);
    return true;
}

void process_group_leave(void)
{
    fabric_group_leave();
}

void process_group_bereave(struct actor *actor, uint64_t handle)
{
    struct record *record;
    uint64_t group, *handles = NULL;
    size_t n = 0;

    if (table_find(actor, handle, OBJECT_PROCESS, &record) != TROUPE_OK)
        return;
    group = atomic_load(&process_of(record)->group);
    if (group == 0 || process_group_members(actor, group, &handles, &n) != TROUPE_OK)
        return;
    for (size_t i = 0; handles != NULL && i < n; i++)
        if (handles[i] != handle)
            process_bereave(handles[i]);
    free(handles);
}

int troupe_process_group(int *index, int *size)
{
    struct actor *actor;
    const struct process *process;
    int result = world_enter(&actor);

    if (result != TROUPE_OK)
        return result;
    process = current_process(actor);
    if (process == NULL || atomic_load(&process->group) == 0)
        return fail(TROUPE_NOT_FOUND, "the caller is in no group; see troupe_process_start_group");
    if (index != NULL)
        *index = (int)process->order.group_index;
    if (size != NULL)
        *size = (int)process->order.group_size;
    return TROUPE_OK;
}
