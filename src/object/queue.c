/* The public calls of queues, and the same calls from other nodes. A queue lives on its creator's
 * node: there everybody works on it directly (queue_local.h), from elsewhere by a call to that
 * node. Calls of several messages and leases have files of their own. */
#include "object/queue.h"

#include "base/error.h"
#include "core/dock.h"
#include "core/ledger.h"
#include "core/recover.h"
#include "core/root.h"
#include "core/party.h"
#include "object/home.h"
#include "object/names.h"
#include "object/queue_calls.h"
#include "object/queue_local.h"
#include "object/queue_ring.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* ---- put -------------------------------------------------------------------------------- */

static int put_there(struct actor *actor, const struct queue_put *put, uint64_t deadline)
{
    struct request request = {
        .op = SERVICE_QUEUE_PUT, .object = put->handle, .data = put->data, .size = put->size
    };
    struct answer answer;
    int result = home_ask(actor, OBJECT_QUEUE, &request, deadline, &answer);

    free(answer.data);
    return result;
}

int troupe_queue_put(troupe_queue queue, const void *message, size_t size, long timeout_ms)
{
    struct queue_put put = { .handle = queue.id, .data = message, .size = size };
    struct actor *actor;
    int result = world_enter(&actor);

    if (result == TROUPE_OK && message == NULL && size > 0)
        result = fail(TROUPE_BAD_ARGUMENT, "the message is NULL but has %zu bytes", size);
    if (result != TROUPE_OK)
        return result;
    if (home_is_here(queue.id))
        return queue_put(actor, &put, home_deadline(timeout_ms));
    return put_there(actor, &put, home_deadline(timeout_ms));
}

int queue_park_put(struct actor *actor, uint64_t handle, bool arena_full, struct bell **bell)
{
    *bell = queue_room(actor, handle, arena_full);
    return *bell != NULL ? SERVICE_PARK : TROUPE_BAD_HANDLE;
}

static int put_handler(struct actor *actor, const struct request *request, bool last,
                       struct answer *answer, struct bell **bell)
{
    struct queue_put put = { .handle = request->object,
                             .data = request->data,
                             .size = request->size,
                             .sure = true,
                             .landed = request->landed };
    int result = queue_put_try(actor, &put);

    (void)answer;
    return result == TROUPE_FULL && !last
               ? queue_park_put(actor, request->object, put.arena_full, bell)
               : result;
}

/* ---- get -------------------------------------------------------------------------------- */

static int get_here(struct actor *actor, struct queue_get *get, uint64_t deadline)
{
    int result = queue_get(actor, get, deadline);

    get->drives = true;
    if (result == TROUPE_OK)
        queue_copy(actor, get, get->buffer);
    return result;
}

/* Asks for the oldest message; the answer's data is the caller's to free. */
static int get_there(struct actor *actor, struct queue_get *get, uint64_t deadline,
                     struct answer *answer)
{
    struct request request = { .op = SERVICE_QUEUE_GET,
                               .object = get->handle,
                               .words = { get->capacity, party_of(actor) } };
    int result = home_ask(actor, OBJECT_QUEUE, &request, deadline, answer);

    get->size = answer->words[0];
    return result;
}

static int get_there_into(struct actor *actor, struct queue_get *get, uint64_t deadline)
{
    struct answer answer;
    int result = get_there(actor, get, deadline, &answer);

    if (result == TROUPE_OK && answer.size > 0)
        memcpy(get->buffer, answer.data, answer.size);
    free(answer.data);
    return result;
}

int queue_check_buffer(const void *buffer, size_t capacity)
{
    return buffer != NULL || capacity == 0
               ? TROUPE_OK
               : fail(TROUPE_BAD_ARGUMENT, "the buffer is NULL but has room for %zu bytes",
                      capacity);
}

int troupe_queue_get(troupe_queue queue, void *message, size_t capacity, size_t *size,
                     long timeout_ms)
{
    struct queue_get get = { .handle = queue.id, .buffer = message, .capacity = capacity };
    struct actor *actor;
    int result = world_enter(&actor);

    if (result == TROUPE_OK)
        result = queue_check_buffer(message, capacity);
    if (result != TROUPE_OK)
        return result;
    result = home_is_here(queue.id) ? get_here(actor, &get, home_deadline(timeout_ms))
                                    : get_there_into(actor, &get, home_deadline(timeout_ms));
    if (size != NULL && (result == TROUPE_OK || result == TROUPE_TOO_LONG))
        *size = get.size;
    return result;
}

/* ---- get, into memory of its own -------------------------------------------------------- */

/* Copies a message that was taken into memory of its size, and frees its block in any case. */
static int copy_out(struct actor *actor, const struct queue_get *get, void **message)
{
    *message = malloc(get->size > 0 ? get->size : 1);
    queue_copy(actor, get, *message);
    return *message != NULL
               ? TROUPE_OK
               : fail(TROUPE_NO_MEMORY, "no memory for a message of %zu bytes", get->size);
}

static int alloc_here(struct actor *actor, struct queue_get *get, uint64_t deadline, void **message)
{
    unsigned char small[QUEUE_INLINE_MOST];
    int result;

    get->buffer = small;
    get->drives = true;
    result = queue_get(actor, get, deadline);
    return result == TROUPE_OK ? copy_out(actor, get, message) : result;
}

static int alloc_there(struct actor *actor, struct queue_get *get, uint64_t deadline,
                       void **message)
{
    struct answer answer;
    int result = get_there(actor, get, deadline, &answer);

    if (result != TROUPE_OK) {
        free(answer.data);
        return result;
    }
    *message = answer.data != NULL ? answer.data : malloc(1);
    return *message != NULL ? TROUPE_OK : fail(TROUPE_NO_MEMORY, "no memory for an empty message");
}

int troupe_queue_get_alloc(troupe_queue queue, void **message, size_t *size, long timeout_ms)
{
    struct queue_get get = { .handle = queue.id, .capacity = SIZE_MAX };
    struct actor *actor;
    void *taken = NULL;
    int result = world_enter(&actor);

    if (result == TROUPE_OK && message == NULL)
        result = fail(TROUPE_BAD_ARGUMENT, "there is no place for the message; pass a pointer");
    if (result != TROUPE_OK)
        return result;
    result = home_is_here(queue.id) ? alloc_here(actor, &get, home_deadline(timeout_ms), &taken)
                                    : alloc_there(actor, &get, home_deadline(timeout_ms), &taken);
    if (result != TROUPE_OK)
        return result;
    *message = taken;
    if (size != NULL)
        *size = get.size;
    return TROUPE_OK;
}

int queue_park_get(struct actor *actor, uint64_t handle, bool last, struct bell **bell)
{
    if (last)
        return fail(TROUPE_EMPTY, "the queue is empty");
    *bell = queue_arrivals(actor, handle);
    return *bell != NULL ? SERVICE_PARK : TROUPE_BAD_HANDLE;
}

static int get_handler(struct actor *actor, const struct request *request, bool last,
                       struct answer *answer, struct bell **bell)
{
    unsigned char small[QUEUE_INLINE_MOST];
    struct queue_get get = { .handle = request->object,
                             .buffer = small,
                             .capacity = request->words[0],
                             .holder = request->words[1],
                             .sure = true };
    int result;

    if (ledger_serves(actor))
        ledger_room(actor, QUEUE_INLINE_MOST);
    result = queue_get_try(actor, &get);
    answer->words[0] = get.size;
    if (result == TROUPE_EMPTY)
        return queue_park_get(actor, request->object, last, bell);
    if (result != TROUPE_OK)
        return result;
    answer->size = get.size;
    return copy_out(actor, &get, &answer->data);
}

/* ---- the rest --------------------------------------------------------------------------- */

int troupe_queue_create(const troupe_queue_options *options, troupe_queue *queue)
{
    struct actor *actor;
    int result = world_enter(&actor);

    return result == TROUPE_OK ? queue_make(actor, options, &queue->id) : result;
}

static int named_make(struct actor *actor, const void *options, uint64_t *handle)
{
    return queue_make(actor, options, handle);
}

int troupe_queue_open(const char *name, const troupe_queue_options *options, troupe_queue *queue)
{
    static const struct named named = { OBJECT_QUEUE, "queue", named_make, queue_destroy };
    struct actor *actor;
    int result = world_enter(&actor);

    return result == TROUPE_OK ? names_open(actor, &named, name, options, &queue->id) : result;
}

int troupe_queue_size(troupe_queue queue, uint64_t *messages)
{
    return home_count(queue.id, OBJECT_QUEUE, SERVICE_QUEUE_SIZE, queue_count, messages);
}

static int size_handler(struct actor *actor, const struct request *request, bool last,
                        struct answer *answer, struct bell **bell)
{
    (void)last, (void)bell;
    return queue_count(actor, request->object, &answer->words[0]);
}

int troupe_queue_empty(troupe_queue queue, int *empty)
{
    uint64_t messages;
    int result = troupe_queue_size(queue, &messages);

    if (result == TROUPE_OK)
        *empty = messages == 0;
    return result;
}

int troupe_queue_full(troupe_queue queue, int *full)
{
    uint64_t is_full;
    int result = home_count(queue.id, OBJECT_QUEUE, SERVICE_QUEUE_FULL, queue_is_full, &is_full);

    if (result == TROUPE_OK)
        *full = is_full != 0;
    return result;
}

static int full_handler(struct actor *actor, const struct request *request, bool last,
                        struct answer *answer, struct bell **bell)
{
    (void)last, (void)bell;
    return queue_is_full(actor, request->object, &answer->words[0]);
}

int troupe_queue_close(troupe_queue queue)
{
    return home_do(queue.id, OBJECT_QUEUE, SERVICE_QUEUE_CLOSE, queue_close);
}

int troupe_queue_destroy(troupe_queue queue)
{
    int result = home_do(queue.id, OBJECT_QUEUE, SERVICE_QUEUE_DESTROY, queue_destroy);
    struct actor *actor;

    if (result == TROUPE_OK && world_enter(&actor) == TROUPE_OK)
        names_release(actor, queue.id);
    return result;
}

static int close_handler(struct actor *actor, const struct request *request, bool last,
                         struct answer *answer, struct bell **bell)
{
    (void)last, (void)answer, (void)bell;
    return queue_close(actor, request->object);
}

static int destroy_handler(struct actor *actor, const struct request *request, bool last,
                           struct answer *answer, struct bell **bell)
{
    (void)last, (void)answer, (void)bell;
    return queue_destroy(actor, request->object);
}

void queue_register(void)
{
    recover_register(RESUME_QUEUE_END, queue_end);
    service_register(SERVICE_QUEUE_PUT, put_handler);
    dock_allow(SERVICE_QUEUE_PUT, offsetof(struct message, data));
    service_register(SERVICE_QUEUE_GET, get_handler);
    service_register(SERVICE_QUEUE_SIZE, size_handler);
    service_register(SERVICE_QUEUE_FULL, full_handler);
    service_register(SERVICE_QUEUE_CLOSE, close_handler);
    service_register(SERVICE_QUEUE_DESTROY, destroy_handler);
    queue_many_register();
    queue_lease_register();
}
