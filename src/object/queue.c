/* The public calls of queues, and the same calls from other nodes. A queue lives on its creator's
 * node: there everybody works on it directly (queue_local.h), from elsewhere by a call to that
 * node. */
#include "object/queue.h"

#include "base/error.h"
#include "core/recover.h"
#include "core/root.h"
#include "object/home.h"
#include "object/queue_local.h"

#include <stdlib.h>
#include <string.h>

/* ---- put -------------------------------------------------------------------------------- */

int troupe_queue_put(troupe_queue queue, const void *message, size_t size, long timeout_ms)
{
    struct queue_put put = { .handle = queue.id, .data = message, .size = size };
    struct request request = { SERVICE_QUEUE_PUT, queue.id, { 0 }, message, size };
    struct answer answer;
    struct actor *actor;
    int result = world_enter(&actor);

    if (result == TROUPE_OK && message == NULL && size > 0)
        result = fail(TROUPE_BAD_ARGUMENT, "the message is NULL but has %zu bytes", size);
    if (result != TROUPE_OK)
        return result;
    if (home_is_here(queue.id))
        return queue_put(actor, &put, home_deadline(timeout_ms));
    result = home_ask(actor, OBJECT_QUEUE, &request, home_deadline(timeout_ms), &answer);
    free(answer.data);
    return result;
}

static int put_handler(struct actor *actor, const struct request *request, bool last,
                       struct answer *answer, struct bell **bell)
{
    struct queue_put put = { .handle = request->object,
                             .data = request->data,
                             .size = request->size };
    int result = queue_put_try(actor, &put);

    (void)answer;
    if (result != TROUPE_FULL || last)
        return result;
    *bell = queue_room(actor, &put);
    return *bell != NULL ? SERVICE_PARK : TROUPE_BAD_HANDLE;
}

/* ---- get -------------------------------------------------------------------------------- */

static int get_here(struct actor *actor, uint64_t handle, void *buffer, size_t capacity,
                    size_t *size, uint64_t deadline)
{
    struct queue_get get = { .handle = handle, .capacity = capacity };
    int result = queue_get(actor, &get, deadline);

    if (result == TROUPE_OK)
        queue_copy(actor, &get, buffer);
    if (size != NULL && (result == TROUPE_OK || result == TROUPE_TOO_LONG))
        *size = get.size;
    return result;
}

static int get_there(struct actor *actor, uint64_t handle, void *buffer, size_t capacity,
                     size_t *size, uint64_t deadline)
{
    struct request request = { SERVICE_QUEUE_GET, handle, { capacity }, NULL, 0 };
    struct answer answer;
    int result = home_ask(actor, OBJECT_QUEUE, &request, deadline, &answer);

    if (result == TROUPE_OK && answer.size > 0)
        memcpy(buffer, answer.data, answer.size);
    if (size != NULL && (result == TROUPE_OK || result == TROUPE_TOO_LONG))
        *size = answer.words[0];
    free(answer.data);
    return result;
}

int troupe_queue_get(troupe_queue queue, void *message, size_t capacity, size_t *size,
                     long timeout_ms)
{
    struct actor *actor;
    int result = world_enter(&actor);

    if (result == TROUPE_OK && message == NULL && capacity > 0)
        result =
            fail(TROUPE_BAD_ARGUMENT, "the buffer is NULL but has room for %zu bytes", capacity);
    if (result != TROUPE_OK)
        return result;
    if (home_is_here(queue.id))
        return get_here(actor, queue.id, message, capacity, size, home_deadline(timeout_ms));
    return get_there(actor, queue.id, message, capacity, size, home_deadline(timeout_ms));
}

static int get_handler(struct actor *actor, const struct request *request, bool last,
                       struct answer *answer, struct bell **bell)
{
    struct queue_get get = { .handle = request->object, .capacity = request->words[0] };
    int result = queue_get_try(actor, &get);

    answer->words[0] = get.size;
    if (result == TROUPE_EMPTY && !last)
        return (*bell = queue_arrivals(actor, &get)) != NULL ? SERVICE_PARK : TROUPE_BAD_HANDLE;
    if (result == TROUPE_EMPTY)
        return fail(result, "the queue is empty");
    if (result != TROUPE_OK)
        return result;
    answer->size = get.size;
    answer->data = malloc(get.size > 0 ? get.size : 1);
    queue_copy(actor, &get, answer->data);
    return answer->data != NULL
               ? TROUPE_OK
               : fail(TROUPE_NO_MEMORY, "no memory for a message of %zu bytes", get.size);
}

/* ---- the rest --------------------------------------------------------------------------- */

int troupe_queue_create(const troupe_queue_options *options, troupe_queue *queue)
{
    struct actor *actor;
    int result = world_enter(&actor);

    return result == TROUPE_OK ? queue_make(actor, options, &queue->id) : result;
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

int troupe_queue_close(troupe_queue queue)
{
    return home_do(queue.id, OBJECT_QUEUE, SERVICE_QUEUE_CLOSE, queue_close);
}

int troupe_queue_destroy(troupe_queue queue)
{
    return home_do(queue.id, OBJECT_QUEUE, SERVICE_QUEUE_DESTROY, queue_destroy);
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
    service_register(SERVICE_QUEUE_GET, get_handler);
    service_register(SERVICE_QUEUE_SIZE, size_handler);
    service_register(SERVICE_QUEUE_CLOSE, close_handler);
    service_register(SERVICE_QUEUE_DESTROY, destroy_handler);
}
