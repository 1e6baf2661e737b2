/* The public calls of barriers, and the same calls from other nodes; barrier_local.h has the rest.
 */
#include "base/error.h"
#include "object/barrier_local.h"
#include "object/sync.h"

/* ---- for other nodes -------------------------------------------------------------------- */

static int arrive_handler(struct actor *actor, const struct request *request, bool last,
                          struct answer *answer, struct bell **bell)
{
    struct barrier_round round = { request->object, 0, 0, 0 };
    int result = barrier_arrive(actor, request->words[0], &round);

    (void)last, (void)bell;
    answer->words[0] = round.index;
    answer->words[1] = round.number;
    answer->words[2] = round.breaks;
    return result;
}

static int wait_handler(struct actor *actor, const struct request *request, bool last,
                        struct answer *answer, struct bell **bell)
{
    struct barrier_round round = { request->object, 0, request->words[0], request->words[1] };
    int result = barrier_look(actor, &round);

    (void)answer;
    if (result != TROUPE_TIMEOUT)
        return result;
    if (last)
        return barrier_give_up(actor, &round);
    *bell = barrier_bell(actor, &round);
    return *bell != NULL ? SERVICE_PARK : TROUPE_BAD_HANDLE;
}

/* The round goes on at home while the answer to the arrival travels: nothing is missed, for the
 * wait names the round. */
static int wait_there(struct actor *actor, uint64_t handle, uint64_t deadline, uint64_t *index)
{
    struct request request = { .op = SERVICE_BARRIER_ARRIVE,
                               .object = handle,
                               .words = { party_of(actor) } };
    uint64_t words[SERVICE_WORDS];
    int result = sync_ask(actor, OBJECT_BARRIER, &request, BELL_NO_WAIT, words);

    if (result != TROUPE_OK)
        return result;
    *index = words[0];
    request.op = SERVICE_BARRIER_WAIT;
    request.words[0] = words[1];
    request.words[1] = words[2];
    result = sync_ask(actor, OBJECT_BARRIER, &request, deadline, NULL);
    if (result == TROUPE_CANCELLED) /* a wait without time breaks the round */
        result =
            barrier_is_abandoned(sync_ask(actor, OBJECT_BARRIER, &request, BELL_NO_WAIT, NULL));
    return result;
}

static int change_handler(struct actor *actor, const struct request *request, bool last,
                          struct answer *answer, struct bell **bell)
{
    (void)last, (void)answer, (void)bell;
    return barrier_change(actor, request->object, (enum barrier_change)request->words[0],
                          request->words[1]);
}

static int status_handler(struct actor *actor, const struct request *request, bool last,
                          struct answer *answer, struct bell **bell)
{
    troupe_barrier_status status = { 0, 0, 0 };
    int result = barrier_status(actor, request->object, &status);

    (void)last, (void)bell;
    answer->words[0] = status.parties;
    answer->words[1] = status.waiting;
    answer->words[2] = (uint64_t)status.broken;
    return result;
}

static int destroy_handler(struct actor *actor, const struct request *request, bool last,
                           struct answer *answer, struct bell **bell)
{
    (void)last, (void)answer, (void)bell;
    return barrier_destroy(actor, request->object);
}

/* ---- the calls -------------------------------------------------------------------------- */

static int parties_check(uint32_t parties)
{
    return parties >= 1 && parties <= TROUPE_BARRIER_MOST
               ? TROUPE_OK
               : fail(TROUPE_BAD_ARGUMENT, "a barrier for %u parties; it takes 1 to %u", parties,
                      TROUPE_BARRIER_MOST);
}

int troupe_barrier_create(uint32_t parties, troupe_barrier *barrier)
{
    struct actor *actor;
    int result = world_enter(&actor);

    if (result == TROUPE_OK)
        result = parties_check(parties);
    return result == TROUPE_OK ? barrier_make(actor, parties, &barrier->id) : result;
}

static int create(struct actor *actor, const void *options, uint64_t *handle)
{
    return barrier_make(actor, *(const uint32_t *)options, handle);
}

int troupe_barrier_open(const char *name, uint32_t parties, troupe_barrier *barrier)
{
    static const struct named named = { OBJECT_BARRIER, "barrier", create, barrier_destroy };
    int result = parties_check(parties);

    return result == TROUPE_OK ? sync_open(&named, name, &parties, &barrier->id) : result;
}

int troupe_barrier_wait(troupe_barrier barrier, long timeout_ms, uint32_t *index)
{
    uint64_t place = 0;
    struct actor *actor;
    int result = world_enter(&actor);

    if (result != TROUPE_OK)
        return result;
    party_holds(actor, 1); /* a place among the parties, as long as the target runs */
    result = home_is_here(barrier.id)
                 ? barrier_wait(actor, barrier.id, home_deadline(timeout_ms), &place)
                 : wait_there(actor, barrier.id, home_deadline(timeout_ms), &place);
    if (result == TROUPE_OK && index != NULL)
        *index = (uint32_t)place;
    return result;
}

static int change(uint64_t handle, enum barrier_change what)
{
    struct actor *actor;
    struct request request = { .op = SERVICE_BARRIER_CHANGE, .object = handle };
    int result = world_enter(&actor);

    if (result != TROUPE_OK)
        return result;
    request.words[0] = what;
    request.words[1] = party_of(actor);
    party_holds(actor, what == BARRIER_ATTEND);
    return home_is_here(handle) ? barrier_change(actor, handle, what, request.words[1])
                                : sync_ask(actor, OBJECT_BARRIER, &request, BELL_NO_WAIT, NULL);
}

int troupe_barrier_attend(troupe_barrier barrier)
{
    return change(barrier.id, BARRIER_ATTEND);
}

int troupe_barrier_abort(troupe_barrier barrier)
{
    return change(barrier.id, BARRIER_ABORT);
}

int troupe_barrier_reset(troupe_barrier barrier)
{
    return change(barrier.id, BARRIER_RESET);
}

int troupe_barrier_status_get(troupe_barrier barrier, troupe_barrier_status *status)
{
    struct request request = { .op = SERVICE_BARRIER_STATUS, .object = barrier.id };
    uint64_t words[SERVICE_WORDS];
    struct actor *actor;
    int result = world_enter(&actor);

    if (result != TROUPE_OK)
        return result;
    if (home_is_here(barrier.id))
        return barrier_status(actor, barrier.id, status);
    result = sync_ask(actor, OBJECT_BARRIER, &request, BELL_NO_WAIT, words);
    if (result == TROUPE_OK)
        *status = (troupe_barrier_status){ (uint32_t)words[0], (uint32_t)words[1], (int)words[2] };
    return result;
}

int troupe_barrier_destroy(troupe_barrier barrier)
{
    return sync_forget(
        home_do(barrier.id, OBJECT_BARRIER, SERVICE_BARRIER_DESTROY, barrier_destroy), barrier.id);
}

void barrier_register(void)
{
    party_register(OBJECT_BARRIER, barrier_party_end);
    service_register(SERVICE_BARRIER_ARRIVE, arrive_handler);
    service_register(SERVICE_BARRIER_WAIT, wait_handler);
    service_register(SERVICE_BARRIER_CHANGE, change_handler);
    service_register(SERVICE_BARRIER_STATUS, status_handler);
    service_register(SERVICE_BARRIER_DESTROY, destroy_handler);
}
