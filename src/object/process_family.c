/* Who the caller is, who started it, whom it started, and how it starts by default. */
#include "object/process.h"

#include "base/error.h"
#include "core/world.h"
#include "topo/cpus.h"

#include <stdlib.h>
#include <string.h>

#define METHOD_VARIABLE "TROUPE_START_METHOD"
#define METHOD_UNREAD (-1)
#define METHOD_WRONG (-2)

static const char *const method_names[] = {
    [TROUPE_METHOD_RANK] = "rank",
    [TROUPE_METHOD_FORK] = "fork",
    [TROUPE_METHOD_SPAWN] = "spawn",
};

static _Atomic int start_method = METHOD_UNREAD;

static int method_read(void)
{
    const char *word = getenv(METHOD_VARIABLE);

    if (word == NULL || *word == '\0')
        return TROUPE_METHOD_DEFAULT;
    for (int method = TROUPE_METHOD_RANK; method <= TROUPE_METHOD_SPAWN; method++)
        if (strcmp(word, method_names[method]) == 0)
            return method;
    return METHOD_WRONG;
}

/* What it is, without a judgement. */
static int method_get(void)
{
    int method = atomic_load(&start_method);

    if (method == METHOD_UNREAD) {
        method = method_read();
        atomic_store(&start_method, method);
    }
    return method;
}

int process_start_method_set(int method)
{
    int before = method_get();

    atomic_store(&start_method, method);
    return before;
}

int process_start_method_check(void)
{
    if (method_get() != METHOD_WRONG)
        return TROUPE_OK;
    return fail(TROUPE_BAD_ARGUMENT,
                METHOD_VARIABLE "=%s is no start method; write rank, fork or "
                                "spawn",
                getenv(METHOD_VARIABLE));
}

int troupe_set_start_method(int method)
{
    if (method < TROUPE_METHOD_DEFAULT || method > TROUPE_METHOD_SPAWN)
        return fail(TROUPE_BAD_ARGUMENT,
                    "method %d is none; use TROUPE_METHOD_DEFAULT, _RANK, _FORK or _SPAWN", method);
    process_start_method_set(method);
    return TROUPE_OK;
}

int troupe_get_start_method(void)
{
    int method = method_get();

    return method != METHOD_WRONG ? method : TROUPE_METHOD_DEFAULT;
}

int troupe_process_current(troupe_process *process)
{
    struct actor *actor;
    int result = world_enter(&actor);

    if (result != TROUPE_OK)
        return result;
    if (process_current() == 0)
        return fail(TROUPE_NOT_FOUND, "this thread runs no process's target");
    process->id = process_current();
    return TROUPE_OK;
}

int troupe_process_parent(troupe_process *process)
{
    struct actor *actor;
    struct record *record;
    uint64_t parent = 0;
    int result = world_enter(&actor);

    if (result != TROUPE_OK)
        return result;
    if (process_current() != 0 &&
        table_find(actor, process_current(), OBJECT_PROCESS, &record) == TROUPE_OK)
        parent = process_of(record)->order.parent;
    if (parent == 0)
        return fail(TROUPE_NOT_FOUND, "main started it, and is no process");
    process->id = parent;
    return TROUPE_OK;
}

/* Children have their home on the caller's node. */
int troupe_process_children(troupe_cursor *cursor, troupe_process *process)
{
    struct actor *actor;
    struct record *record;
    int result = world_enter(&actor);

    if (result != TROUPE_OK)
        return result;
    while ((record = table_next(&actor->arena, &cursor->position[0])) != NULL) {
        const struct process *child = process_of(record);
        uint64_t handle = atomic_load(&record->handle);

        if (handle_kind(handle) == OBJECT_PROCESS && handle_node(handle) == world_here.node &&
            child->order.parent == process_current() &&
            atomic_load(&child->state) < TROUPE_STATE_DONE && atomic_load(&child->closed) == 0) {
            process->id = handle;
            return TROUPE_OK;
        }
    }
    return fail(TROUPE_NOT_FOUND, "no further child is active");
}

int troupe_process_cancelled(void)
{
    struct actor *actor;

    return world_enter(&actor) == TROUPE_OK && bell_is_cancelled(actor);
}

int troupe_cpu_count(void)
{
    struct actor *actor;
    int count = 0;

    if (world_enter(&actor) == TROUPE_OK)
        count = (int)atomic_load(&node_of(&actor->arena)->cpus);
    return count > 0 ? count : cpus_own_count();
}
