/* Several messages in one call. Between nodes they travel in one message as well: each with its
 * size in front, beginning at a multiple of 8 bytes. */
#include "base/clock.h"
#include "base/error.h"
#include "core/party.h"
#include "object/home.h"
#include "object/queue_calls.h"
#include "object/queue_local.h"

#include <stdlib.h>
#include <string.h>

/* A request carries whole messages until it has so many bytes: the home takes them in one go. */
#define PACK_BYTES ((size_t)256 << 10)
#define PACK_ALIGN sizeof(uint64_t)

static size_t packed_size(size_t size)
{
    return sizeof(uint64_t) + ((size + PACK_ALIGN - 1) & ~(PACK_ALIGN - 1));
}

static unsigned char *pack_one(unsigned char *to, const troupe_bytes *message)
{
    uint64_t size = message->size;

    memcpy(to, &size, sizeof size);
    if (size > 0)
        memcpy(to + sizeof size, message->data, size);
    return to + packed_size(size);
}

/* The view of the first message of a pack and what follows it; false when it is none. */
static bool unpack_one(const unsigned char **pack, size_t *left, troupe_bytes *message)
{
    uint64_t size;

    if (*left < sizeof size)
        return false;
    memcpy(&size, *pack, sizeof size);
    if (size > *left - sizeof size || packed_size(size) > *left)
        return false;
    *message = troupe_bytes_of(*pack + sizeof size, size);
    *pack += packed_size(size);
    *left -= packed_size(size);
    return true;
}

/* ---- put -------------------------------------------------------------------------------- */

/* How many of the messages go into one request, one at least, and their bytes there. */
static size_t pack_measure(const struct queue_put_many *put, size_t *bytes)
{
    size_t count = 0;

    *bytes = 0;
    while (put->done + count < put->count && (count == 0 || *bytes < PACK_BYTES))
        *bytes += packed_size(put->messages[put->done + count++].size);
    return count;
}

static int pack_send(struct actor *actor, struct queue_put_many *put, uint64_t deadline)
{
    size_t bytes, count = pack_measure(put, &bytes);
    struct request request = {
        .op = SERVICE_QUEUE_PUT_MANY, .object = put->handle, .words = { count }, .size = bytes
    };
    struct answer answer;
    unsigned char *pack = malloc(bytes), *to = pack;
    int result;

    if (pack == NULL)
        return fail(TROUPE_NO_MEMORY, "no memory to send %zu messages of %zu bytes", count, bytes);
    for (size_t i = 0; i < count; i++)
        to = pack_one(to, &put->messages[put->done + i]);
    request.data = pack;
    result = home_ask(actor, OBJECT_QUEUE, &request, deadline, &answer);
    if (result == TROUPE_OK)
        put->done += answer.words[0];
    free(answer.data);
    free(pack);
    return result;
}

static int put_many_there(struct actor *actor, struct queue_put_many *put, uint64_t deadline)
{
    int result = TROUPE_OK;

    while (result == TROUPE_OK && put->done < put->count)
        result = pack_send(actor, put, deadline);
    return result;
}

static int check_messages(const troupe_bytes *messages, size_t count)
{
    if (messages == NULL && count > 0)
        return fail(TROUPE_BAD_ARGUMENT, "the messages are NULL but %zu in number", count);
    for (size_t i = 0; i < count; i++)
        if (messages[i].data == NULL && messages[i].size > 0)
            return fail(TROUPE_BAD_ARGUMENT, "message %zu is NULL but has %zu bytes", i,
                        messages[i].size);
    return TROUPE_OK;
}

int troupe_queue_put_many(troupe_queue queue, const troupe_bytes *messages, size_t count,
                          size_t *done, long timeout_ms)
{
    struct queue_put_many put = { .handle = queue.id, .messages = messages, .count = count };
    struct actor *actor;
    int result = world_enter(&actor);

    if (result == TROUPE_OK)
        result = check_messages(messages, count);
    if (result != TROUPE_OK)
        return result;
    result = home_is_here(queue.id) ? queue_put_many(actor, &put, home_deadline(timeout_ms))
                                    : put_many_there(actor, &put, home_deadline(timeout_ms));
    if (done != NULL)
        *done = put.done;
    return result;
}

/* The caller asks again for those that do not fit: what is answered is how many do. */
static int put_many_handler(struct actor *actor, const struct request *request, bool last,
                            struct answer *answer, struct bell **bell)
{
    size_t count = request->words[0], left = request->size, seen = 0;
    struct queue_put_many put = { .handle = request->object, .sure = true };
    const unsigned char *pack = request->data;
    troupe_bytes *messages = calloc(count + 1, sizeof *messages);
    int result;

    if (messages == NULL)
        return fail(TROUPE_NO_MEMORY, "the home has no memory for %zu messages", count);
    while (seen < count && unpack_one(&pack, &left, &messages[seen]))
        seen++;
    put.messages = messages;
    put.count = seen;
    result = seen == count ? queue_put_many_try(actor, &put)
                           : fail(TROUPE_MISMATCH,
                                  "a request does not hold its %zu messages; all "
                                  "ranks must run the same version",
                                  count);
    free(messages);
    answer->words[0] = put.done;
    return result == TROUPE_FULL && !last
               ? queue_park_put(actor, request->object, put.arena_full, bell)
               : result;
}

/* ---- get -------------------------------------------------------------------------------- */

static void unpack_into(const struct answer *answer, struct queue_get_many *get)
{
    const unsigned char *pack = answer->data;
    unsigned char *to = get->buffer;
    size_t left = answer->size;
    troupe_bytes message;

    while (get->count < get->most && unpack_one(&pack, &left, &message)) {
        if (message.size > 0)
            memcpy(to, message.data, message.size);
        get->messages[get->count++] = troupe_bytes_of(to, message.size);
        to += packed_size(message.size) - sizeof(uint64_t);
    }
}

static int get_many_there(struct actor *actor, struct queue_get_many *get, uint64_t deadline)
{
    struct request request = { .op = SERVICE_QUEUE_GET_MANY,
                               .object = get->handle,
                               .words = { get->capacity, party_of(actor), get->most } };
    struct answer answer;
    int result = home_ask(actor, OBJECT_QUEUE, &request, deadline, &answer);

    get->size = answer.words[0];
    if (result == TROUPE_OK)
        unpack_into(&answer, get);
    free(answer.data);
    return result;
}

static int check_views(const struct queue_get_many *get)
{
    if (get->messages == NULL || get->most == 0)
        return fail(TROUPE_BAD_ARGUMENT, "there is no place for a message's view; pass at least "
                                         "one");
    return queue_check_buffer(get->buffer, get->capacity);
}

int troupe_queue_get_many(troupe_queue queue, void *buffer, size_t capacity, troupe_bytes *messages,
                          size_t most, size_t *count, long timeout_ms)
{
    struct queue_get_many get = { .handle = queue.id,
                                  .buffer = buffer,
                                  .capacity = capacity,
                                  .messages = messages,
                                  .most = most };
    struct actor *actor;
    int result = world_enter(&actor);

    if (result == TROUPE_OK)
        result = check_views(&get);
    if (result != TROUPE_OK)
        return result;
    result = home_is_here(queue.id) ? queue_get_many(actor, &get, home_deadline(timeout_ms))
                                    : get_many_there(actor, &get, home_deadline(timeout_ms));
    if (result == TROUPE_TOO_LONG)
        messages[0] = troupe_bytes_of(NULL, get.size);
    if (result == TROUPE_OK && count != NULL)
        *count = get.count;
    return result;
}

static int pack_answer(const struct queue_get_many *get, struct answer *answer)
{
    unsigned char *to;

    for (size_t i = 0; i < get->count; i++)
        answer->size += packed_size(get->messages[i].size);
    to = answer->data = malloc(answer->size + 1);
    if (to == NULL)
        return fail(TROUPE_NO_MEMORY, "the home has no memory for an answer of %zu bytes",
                    answer->size);
    for (size_t i = 0; i < get->count; i++)
        to = pack_one(to, &get->messages[i]);
    return TROUPE_OK;
}

/* Takes what fits into a piece, or one message that is larger and fits the caller's buffer. */
static int take_piece(struct actor *actor, struct queue_get_many *get, size_t capacity)
{
    int result = TROUPE_TOO_LONG;

    get->capacity = capacity < PACK_BYTES ? capacity : PACK_BYTES;
    for (int round = 0; round < 2 && result == TROUPE_TOO_LONG && get->capacity <= capacity;
         round++) {
        free(get->buffer);
        get->buffer = malloc(get->capacity + 1);
        if (get->buffer == NULL)
            return fail(TROUPE_NO_MEMORY, "the home has no memory for %zu bytes", get->capacity);
        result = queue_get_many_try(actor, get);
        if (result == TROUPE_TOO_LONG)
            get->capacity = get->size;
    }
    return result;
}

static int get_many_handler(struct actor *actor, const struct request *request, bool last,
                            struct answer *answer, struct bell **bell)
{
    size_t most = request->words[2] < PACK_BYTES ? request->words[2] : PACK_BYTES;
    struct queue_get_many get = { .handle = request->object,
                                  .messages = calloc(most + 1, sizeof *get.messages),
                                  .most = most,
                                  .holder = request->words[1],
                                  .sure = true };
    int result;

    if (get.messages == NULL)
        return fail(TROUPE_NO_MEMORY, "the home has no memory for %zu messages", most);
    result = take_piece(actor, &get, request->words[0]);
    answer->words[0] = get.size;
    if (result == TROUPE_OK)
        result = pack_answer(&get, answer);
    free(get.buffer);
    free(get.messages);
    return result == TROUPE_EMPTY ? queue_park_get(actor, request->object, last, bell) : result;
}

void queue_many_register(void)
{
    service_register(SERVICE_QUEUE_PUT_MANY, put_many_handler);
    service_register(SERVICE_QUEUE_GET_MANY, get_many_handler);
}
