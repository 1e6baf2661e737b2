#include "object/sync.h"

#include "core/party.h"
#include "object/pipe.h"
#include "object/wait.h"

#include <stdlib.h>
#include <string.h>

int sync_ask(struct actor *actor, enum object_kind kind, const struct request *request,
             uint64_t deadline, uint64_t *words)
{
    struct answer answer;
    int result;

    party_abroad(actor, handle_node(request->object));
    result = home_ask(actor, kind, request, deadline, &answer);
    if (words != NULL)
        memcpy(words, answer.words, sizeof answer.words);
    free(answer.data);
    return result;
}

int sync_destroy_here(struct actor *actor, uint64_t handle)
{
    struct record *record;
    int result = table_lock(actor, handle, handle_kind(handle), &record);

    if (result == TROUPE_OK)
        table_retire(actor, record);
    return result;
}

int sync_open(const struct named *named, const char *name, const void *options, uint64_t *handle)
{
    struct actor *actor;
    int result = world_enter(&actor);

    return result == TROUPE_OK ? names_open(actor, named, name, options, handle) : result;
}

int sync_forget(int result, uint64_t handle)
{
    struct actor *actor;

    if (result == TROUPE_OK && world_enter(&actor) == TROUPE_OK)
        names_release(actor, handle);
    return result;
}

int sync_destroy(uint64_t handle, enum object_kind kind)
{
    if (handle_kind(handle) != kind)
        return table_refuse(handle, kind);
    return sync_forget(home_do(handle, kind, SERVICE_SYNC_DESTROY, sync_destroy_here), handle);
}

static int destroy_handler(struct actor *actor, const struct request *request, bool last,
                           struct answer *answer, struct bell **bell)
{
    (void)last, (void)answer, (void)bell;
    return sync_destroy_here(actor, request->object);
}

void sync_register(void)
{
    service_register(SERVICE_SYNC_DESTROY, destroy_handler);
    lock_register();
    semaphore_register();
    event_register();
    condition_register();
    barrier_register();
    pipe_register();
    wait_register();
}
