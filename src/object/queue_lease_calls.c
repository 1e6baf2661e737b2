/* The public calls of leases, and the same calls from other nodes. A lease names its holder as a
 * party: the process, with its node. */
#include "base/error.h"
#include "core/party.h"
#include "object/home.h"
#include "object/queue_calls.h"
#include "object/queue_local.h"

#include <stdlib.h>
#include <string.h>

/* ---- lease ------------------------------------------------------------------------------ */

static int lease_there(struct actor *actor, struct queue_lease *lease, uint64_t deadline)
{
    struct request request = { .op = SERVICE_QUEUE_LEASE,
                               .object = lease->get.handle,
                               .words = { lease->get.capacity, party_of(actor) } };
    struct answer answer;
    int result;

    party_abroad(actor, handle_node(lease->get.handle));
    result = home_ask(actor, OBJECT_QUEUE, &request, deadline, &answer);
    lease->get.size = answer.words[0];
    lease->ticket = answer.words[1];
    lease->attempt = answer.words[2];
    if (result == TROUPE_OK && answer.size > 0)
        memcpy(lease->get.buffer, answer.data, answer.size);
    free(answer.data);
    return result;
}

int troupe_queue_lease(troupe_queue queue, void *message, size_t capacity, size_t *size,
                       troupe_lease *lease, long timeout_ms)
{
    struct queue_lease made = { .get = {
                                    .handle = queue.id, .buffer = message, .capacity = capacity } };
    struct actor *actor;
    int result = world_enter(&actor);

    if (result == TROUPE_OK && lease == NULL)
        result = fail(TROUPE_BAD_ARGUMENT, "there is no place for the lease; pass a pointer");
    if (result == TROUPE_OK)
        result = queue_check_buffer(message, capacity);
    if (result != TROUPE_OK)
        return result;
    result = home_is_here(queue.id) ? queue_lease(actor, &made, home_deadline(timeout_ms))
                                    : lease_there(actor, &made, home_deadline(timeout_ms));
    if (size != NULL && (result == TROUPE_OK || result == TROUPE_TOO_LONG))
        *size = made.get.size;
    if (result != TROUPE_OK)
        return result;
    party_holds(actor, 1);
    *lease = (troupe_lease){ made.ticket, made.attempt };
    return TROUPE_OK;
}

/* The size is known before the message is: a buffer for it is made when the first look found that
 * the small one does not do. */
static int lease_into(struct actor *actor, struct queue_lease *lease, size_t capacity,
                      unsigned char **large)
{
    int result = queue_lease_try(actor, lease);

    while (result == TROUPE_TOO_LONG && lease->get.size <= capacity) {
        free(*large);
        lease->get.buffer = *large = malloc(lease->get.size);
        lease->get.capacity = lease->get.size;
        if (*large == NULL)
            return fail(TROUPE_NO_MEMORY, "the home has no memory for a message of %zu bytes",
                        lease->get.size);
        result = queue_lease_try(actor, lease);
    }
    return result;
}

static int small_answer(const struct queue_lease *lease, unsigned char **data)
{
    *data = malloc(lease->get.size + 1);
    if (*data == NULL)
        return fail(TROUPE_NO_MEMORY, "the home has no memory for an answer");
    memcpy(*data, lease->get.buffer, lease->get.size);
    return TROUPE_OK;
}

static int lease_handler(struct actor *actor, const struct request *request, bool last,
                         struct answer *answer, struct bell **bell)
{
    unsigned char small[QUEUE_INLINE_MOST], *large = NULL;
    size_t capacity = request->words[0];
    struct queue_lease lease = { .get = { .handle = request->object,
                                          .buffer = small,
                                          .capacity =
                                              capacity < sizeof small ? capacity : sizeof small,
                                          .holder = request->words[1],
                                          .sure = true } };
    int result = lease_into(actor, &lease, capacity, &large);

    answer->words[0] = lease.get.size;
    answer->words[1] = lease.ticket;
    answer->words[2] = lease.attempt;
    if (result == TROUPE_OK && large == NULL)
        result = small_answer(&lease, &large);
    if (result == TROUPE_OK) {
        answer->data = large;
        answer->size = lease.get.size;
        return TROUPE_OK;
    }
    free(large);
    return result == TROUPE_EMPTY ? queue_park_get(actor, request->object, last, bell) : result;
}

/* ---- done ------------------------------------------------------------------------------- */

int troupe_queue_done(troupe_queue queue, troupe_lease lease)
{
    struct request request = { .op = SERVICE_QUEUE_DONE,
                               .object = queue.id,
                               .words = { lease.id } };
    struct answer answer;
    struct actor *actor;
    int result = world_enter(&actor);

    if (result != TROUPE_OK)
        return result;
    request.words[1] = party_of(actor);
    if (home_is_here(queue.id))
        result = queue_done(actor, queue.id, lease.id, request.words[1]);
    else {
        result = home_ask(actor, OBJECT_QUEUE, &request, BELL_NO_WAIT, &answer);
        free(answer.data);
    }
    if (result == TROUPE_OK)
        party_holds(actor, -1);
    return result;
}

static int done_handler(struct actor *actor, const struct request *request, bool last,
                        struct answer *answer, struct bell **bell)
{
    (void)last, (void)answer, (void)bell;
    return queue_done(actor, request->object, request->words[0], request->words[1]);
}

/* ---- join ------------------------------------------------------------------------------- */

int troupe_queue_join(troupe_queue queue, long timeout_ms)
{
    struct request request = { .op = SERVICE_QUEUE_JOIN, .object = queue.id };
    struct answer answer;
    struct actor *actor;
    int result = world_enter(&actor);

    if (result != TROUPE_OK)
        return result;
    if (home_is_here(queue.id))
        return queue_join(actor, queue.id, home_deadline(timeout_ms));
    result = home_ask(actor, OBJECT_QUEUE, &request, home_deadline(timeout_ms), &answer);
    free(answer.data);
    return result;
}

static int join_handler(struct actor *actor, const struct request *request, bool last,
                        struct answer *answer, struct bell **bell)
{
    int result = queue_join_try(actor, request->object);

    (void)answer;
    if (result != TROUPE_TIMEOUT || last)
        return result == TROUPE_TIMEOUT ? queue_not_done() : result;
    *bell = queue_quiet(actor, request->object);
    return *bell != NULL ? SERVICE_PARK : TROUPE_BAD_HANDLE;
}

/* However a party ends, what it had not done comes back. */
static void party_ended_handler(struct actor *actor, struct record *record, uint64_t party,
                                enum party_end end)
{
    (void)end;
    queue_return(actor, record, party);
}

void queue_lease_register(void)
{
    party_register(OBJECT_QUEUE, party_ended_handler);
    service_register(SERVICE_QUEUE_LEASE, lease_handler);
    service_register(SERVICE_QUEUE_DONE, done_handler);
    service_register(SERVICE_QUEUE_JOIN, join_handler);
}
