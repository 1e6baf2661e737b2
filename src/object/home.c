#include "object/home.h"

#include "base/clock.h"
#include "base/error.h"
#include "object/names.h"

#include <stdlib.h>
#include <string.h>

int home_ask(struct actor *actor, enum object_kind kind, const struct request *request,
             uint64_t deadline, struct answer *answer)
{
    int home = handle_node(request->object);

    memset(answer, 0, sizeof *answer);
    if (handle_kind(request->object) != kind || home >= world_here.nodes)
        return table_refuse(request->object, kind);
    return service_call(actor, home, request, deadline, answer);
}

int home_do(uint64_t handle, enum object_kind kind, enum service_op op,
            int (*local)(struct actor *actor, uint64_t handle))
{
    struct request request = { .op = op, .object = handle };
    struct answer answer;
    struct actor *actor;
    int result = world_enter(&actor);

    if (result != TROUPE_OK)
        return result;
    if (home_is_here(handle))
        return local(actor, handle);
    result = home_ask(actor, kind, &request, BELL_NO_WAIT, &answer);
    free(answer.data);
    return result;
}

int home_end(uint64_t handle, enum object_kind kind, enum service_op op,
             int (*local)(struct actor *actor, uint64_t handle))
{
    struct actor *actor;
    int result = home_do(handle, kind, op, local);

    if (result == TROUPE_OK && world_enter(&actor) == TROUPE_OK)
        names_release(actor, handle);
    return result;
}

int home_count(uint64_t handle, enum object_kind kind, enum service_op op,
               int (*local)(struct actor *actor, uint64_t handle, uint64_t *count), uint64_t *count)
{
    struct request request = { .op = op, .object = handle };
    struct answer answer;
    struct actor *actor;
    int result = world_enter(&actor);

    if (result == TROUPE_OK && count == NULL)
        result = fail(TROUPE_BAD_ARGUMENT, "no place for the number; pass a pointer");
    if (result != TROUPE_OK)
        return result;
    if (home_is_here(handle))
        return local(actor, handle, count);
    result = home_ask(actor, kind, &request, BELL_NO_WAIT, &answer);
    if (result == TROUPE_OK)
        *count = answer.words[0];
    free(answer.data);
    return result;
}

uint64_t home_deadline(long timeout_ms)
{
    return timeout_ms == TROUPE_NO_WAIT ? BELL_NO_WAIT : clock_deadline(timeout_ms);
}
