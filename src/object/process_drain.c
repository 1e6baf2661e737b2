/* The end of the world: all processes are waited for, but daemons, which are ended then. */
#include "object/process.h"

#include "base/clock.h"
#include "core/lead.h"
#include "core/node.h"
#include "core/service.h"
#include "core/world.h"

#define DAEMON_GRACE_MS 2000 /* from SIGTERM to SIGKILL */

/* One that runs on another node is that node's. */
struct record *process_unfinished_next(struct actor *actor, uint64_t *index, bool daemons)
{
    struct record *record;

    while ((record = table_next(&actor->arena, index)) != NULL) {
        const struct process *process = process_of(record);

        if (handle_kind(atomic_load(&record->handle)) == OBJECT_PROCESS &&
            atomic_load(&process->state) < TROUPE_STATE_DONE &&
            (process->order.is_daemon != 0) == daemons)
            return record;
    }
    return NULL;
}

uint64_t process_unfinished(struct actor *actor)
{
    uint64_t index = 0, count = 0;

    while (process_unfinished_next(actor, &index, false) != NULL)
        count++;
    return count;
}

/* Waits until none is left, or until the deadline. Processes may start others meanwhile, so it
 * begins again until a whole walk finds none. */
static void drain(struct actor *actor, bool daemons, uint64_t deadline)
{
    struct record *record;
    uint64_t index = 0;

    while ((record = process_unfinished_next(actor, &index, daemons)) != NULL) {
        if (process_await(actor, record, atomic_load(&record->handle), deadline) == TROUPE_TIMEOUT)
            return;
        index = 0;
    }
}

void process_drain(struct actor *actor)
{
    drain(actor, false, CLOCK_FOREVER);
}

void process_daemons_end(struct actor *actor)
{
    process_daemons_signal(actor, false);
    drain(actor, true, clock_deadline(DAEMON_GRACE_MS));
    process_daemons_signal(actor, true);
    drain(actor, true, CLOCK_FOREVER);
}

/* What ran on a node that is lost has ended there, as far as anybody can know. */
void process_node_lost(struct actor *actor, int node)
{
    static const struct process_end end = { TROUPE_STATE_LOST, -1, 0,
                                            "the node that ran it is lost", false };
    uint64_t index = 0;
    struct record *record;

    while ((record = table_next(&actor->arena, &index)) != NULL) {
        uint64_t handle = atomic_load(&record->handle);

        if (handle_kind(handle) == OBJECT_PROCESS &&
            handle_node(handle) == table_node(&actor->arena) &&
            atomic_load(&process_of(record)->runner) == (uint64_t)node + 1 &&
            atomic_load(&process_of(record)->state) < TROUPE_STATE_DONE)
            process_finish(actor, handle, &end);
    }
}

static int drain_park(struct actor *actor, bool daemons, bool last, struct answer *answer,
                      struct bell **bell)
{
    uint64_t index = 0;
    struct record *record = process_unfinished_next(actor, &index, daemons);

    answer->words[0] = atomic_load(&node_of(&actor->arena)->lost);
    answer->words[1] = atomic_load(&node_of(&actor->arena)->crashed);
    if (record == NULL)
        return TROUPE_OK;
    *bell = &record->bell;
    return last ? TROUPE_TIMEOUT : SERVICE_PARK;
}

static int drain_handler(struct actor *actor, const struct request *request, bool last,
                         struct answer *answer, struct bell **bell)
{
    (void)request;
    return drain_park(actor, false, last, answer, bell);
}

/* The parent asks twice: first with a deadline, then with words[0], to kill. */
static int daemons_handler(struct actor *actor, const struct request *request, bool last,
                           struct answer *answer, struct bell **bell)
{
    process_daemons_signal(actor, request->words[0] != 0);
    return drain_park(actor, true, last, answer, bell);
}

void process_drain_register(void)
{
    service_register(SERVICE_NODE_DRAIN, drain_handler);
    service_register(SERVICE_NODE_DAEMONS, daemons_handler);
    lead_register_loss(process_node_lost);
}
