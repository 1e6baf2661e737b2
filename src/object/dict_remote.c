/* Requests to other nodes and their answers. Handlers run in the other node's service thread; they
 * never wait. A request comes from another process: its sizes are checked before they are used. */
#include "object/dict_remote.h"

#include "base/error.h"
#include "core/recover.h"
#include "object/dict.h"

#include <stdlib.h>

/* ---- set and delete -------------------------------------------------------------------- */

int dict_remote_set(struct actor *actor, uint64_t handle, const struct dict_key *key,
                    troupe_bytes value)
{
    struct request request = { .op = SERVICE_DICT_SET, .object = handle };
    struct answer answer;
    unsigned char *both;
    int result;

    both = malloc(key->size + value.size);
    if (both == NULL)
        return fail(TROUPE_NO_MEMORY, "dict: no memory for a message of %zu bytes",
                    key->size + value.size);
    memcpy(both, key->data, key->size);
    if (value.size > 0)
        memcpy(both + key->size, value.data, value.size);
    request.words[0] = key->hash;
    request.words[1] = key->size;
    request.data = both;
    request.size = key->size + value.size;
    result = service_call(actor, dict_home(key->hash), &request, BELL_NO_WAIT, &answer);
    free(both);
    return result;
}

/* The key that came first in a request's data, with its hash; false when it cannot be one. */
static bool request_key(const struct request *request, size_t size, struct dict_key *key)
{
    key->data = request->data;
    key->size = size;
    key->hash = request->words[0];
    return size >= 1 && size <= TROUPE_KEY_MAX && size <= request->size;
}

static int bad_request(const char *what)
{
    return fail(TROUPE_MISMATCH,
                "dict: another node asked to %s with a malformed request; run the same version of "
                "Troupe on all nodes",
                what);
}

static int serve_set(struct actor *actor, const struct request *request, bool last,
                     struct answer *answer, struct bell **bell)
{
    struct share share;
    struct dict_key key;
    int result = dict_share_find(actor, request->object, &share);

    (void)last, (void)answer, (void)bell;
    if (result != TROUPE_OK)
        return result;
    if (!request_key(request, request->words[1], &key))
        return bad_request("set");
    return dict_share_set(&share, &key, (const unsigned char *)request->data + key.size,
                          request->size - key.size);
}

int dict_remote_delete(struct actor *actor, uint64_t handle, const struct dict_key *key)
{
    struct request request = { .op = SERVICE_DICT_DELETE, .object = handle };
    struct answer answer;

    request.words[0] = key->hash;
    request.data = key->data;
    request.size = key->size;
    return service_call(actor, dict_home(key->hash), &request, BELL_NO_WAIT, &answer);
}

static int serve_delete(struct actor *actor, const struct request *request, bool last,
                        struct answer *answer, struct bell **bell)
{
    struct share share;
    struct dict_key key;
    int result = dict_share_find(actor, request->object, &share);

    (void)last, (void)answer, (void)bell;
    if (result != TROUPE_OK)
        return result;
    if (!request_key(request, request->size, &key))
        return bad_request("delete");
    return dict_share_delete(&share, &key);
}

/* ---- get -------------------------------------------------------------------------------- */

/* A value of another node comes with the answer if it fits. */
int dict_remote_get(struct actor *actor, uint64_t handle, const struct dict_key *key,
                    struct dict_buffer *value)
{
    struct request request = { .op = SERVICE_DICT_GET, .object = handle };
    struct answer answer;
    int result;

    request.words[0] = key->hash;
    request.words[1] = value->capacity;
    request.data = key->data;
    request.size = key->size;
    result = service_call(actor, dict_home(key->hash), &request, BELL_NO_WAIT, &answer);
    if (result == TROUPE_OK || result == TROUPE_TOO_LONG)
        value->size = answer.words[0];
    if (result == TROUPE_OK && (answer.size != value->size || value->size > value->capacity))
        result = bad_request("take an answer to get");
    if (result == TROUPE_OK && value->size > 0)
        memcpy(value->data, answer.data, value->size);
    free(answer.data);
    return result;
}

/* Makes the buffer at least as large as its size, without keeping what is in it. */
static int buffer_grow(struct dict_buffer *buffer)
{
    free(buffer->data);
    buffer->capacity = buffer->size;
    buffer->data = malloc(buffer->size);
    if (buffer->data != NULL)
        return TROUPE_OK;
    buffer->capacity = 0;
    return fail(TROUPE_NO_MEMORY, "dict: no memory for %zu bytes of an answer", buffer->size);
}

/* The value may grow between two looks, so this may take several. */
static int value_fetch(const struct share *share, const struct dict_key *key, size_t most,
                       struct dict_buffer *value)
{
    int result = dict_share_get(share, key, value);

    while (result == TROUPE_TOO_LONG && value->size <= most) {
        result = buffer_grow(value);
        if (result == TROUPE_OK)
            result = dict_share_get(share, key, value);
    }
    return result;
}

static int serve_get(struct actor *actor, const struct request *request, bool last,
                     struct answer *answer, struct bell **bell)
{
    struct dict_buffer value = { NULL, 0, 0 };
    struct share share;
    struct dict_key key;
    int result = dict_share_find(actor, request->object, &share);

    (void)last, (void)bell;
    if (result != TROUPE_OK)
        return result;
    if (!request_key(request, request->size, &key))
        return bad_request("get");
    result = value_fetch(&share, &key, request->words[1], &value);
    answer->words[0] = value.size;
    if (result != TROUPE_OK || value.size == 0) {
        free(value.data);
        return result;
    }
    answer->data = value.data;
    answer->size = value.size;
    return TROUPE_OK;
}

/* ---- next ------------------------------------------------------------------------------- */

int dict_remote_next(struct actor *actor, uint64_t handle, int node, struct dict_position *position,
                     struct dict_buffer *key, struct dict_buffer *value)
{
    struct request request = { .op = SERVICE_DICT_NEXT, .object = handle };
    struct answer answer;
    int result;

    request.words[0] = position->place;
    request.words[1] = position->order;
    request.words[2] = key->capacity;
    request.words[3] = value->capacity;
    result = service_call(actor, node, &request, BELL_NO_WAIT, &answer);
    if (result == TROUPE_OK || result == TROUPE_TOO_LONG) {
        key->size = answer.words[2];
        value->size = answer.words[3];
    }
    if (result == TROUPE_OK && (key->size > key->capacity || value->size > value->capacity ||
                                answer.size != key->size + value->size))
        result = bad_request("take an answer to next");
    if (result == TROUPE_OK) {
        memcpy(key->data, answer.data, key->size);
        if (value->size > 0)
            memcpy(value->data, (unsigned char *)answer.data + key->size, value->size);
        position->place = answer.words[0];
        position->order = answer.words[1];
    }
    free(answer.data);
    return result;
}

/* The next entry in memory of our own, if its parts are at most so large. */
static int entry_fetch(const struct share *share, struct dict_position *position, size_t key_most,
                       size_t value_most, struct dict_buffer *key, struct dict_buffer *value)
{
    int result = dict_share_next(share, position, key, value);

    while (result == TROUPE_TOO_LONG && key->size <= key_most && value->size <= value_most) {
        result = key->size > key->capacity ? buffer_grow(key) : TROUPE_OK;
        if (result == TROUPE_OK && value->size > value->capacity)
            result = buffer_grow(value);
        if (result == TROUPE_OK)
            result = dict_share_next(share, position, key, value);
    }
    return result;
}

static int answer_join(const struct dict_buffer *key, const struct dict_buffer *value,
                       struct answer *answer)
{
    answer->size = key->size + value->size;
    answer->data = malloc(answer->size);
    if (answer->data == NULL)
        return fail(TROUPE_NO_MEMORY, "dict: no memory for %zu bytes of an answer", answer->size);
    memcpy(answer->data, key->data, key->size);
    if (value->size > 0)
        memcpy((unsigned char *)answer->data + key->size, value->data, value->size);
    return TROUPE_OK;
}

static int serve_next(struct actor *actor, const struct request *request, bool last,
                      struct answer *answer, struct bell **bell)
{
    struct dict_position position = { request->words[0], request->words[1] };
    struct dict_buffer key = { NULL, 0, 0 }, value = { NULL, 0, 0 };
    struct share share;
    int result = dict_share_find(actor, request->object, &share);

    (void)last, (void)bell;
    if (result != TROUPE_OK)
        return result;
    result = entry_fetch(&share, &position, request->words[2], request->words[3], &key, &value);
    answer->words[0] = position.place;
    answer->words[1] = position.order;
    answer->words[2] = key.size;
    answer->words[3] = value.size;
    if (result == TROUPE_OK)
        result = answer_join(&key, &value, answer);
    free(key.data);
    free(value.data);
    return result;
}

/* ---- the whole dict --------------------------------------------------------------------- */

static int serve_size(struct actor *actor, const struct request *request, bool last,
                      struct answer *answer, struct bell **bell)
{
    struct share share;
    int result = dict_share_find(actor, request->object, &share);

    (void)last, (void)bell;
    return result == TROUPE_OK ? dict_share_size(&share, &answer->words[0]) : result;
}

static int serve_create(struct actor *actor, const struct request *request, bool last,
                        struct answer *answer, struct bell **bell)
{
    uint64_t handle;

    (void)last, (void)answer, (void)bell;
    return dict_share_create(actor, request->object, request->words[0], &handle);
}

static int serve_destroy(struct actor *actor, const struct request *request, bool last,
                         struct answer *answer, struct bell **bell)
{
    (void)last, (void)answer, (void)bell;
    return dict_share_destroy(actor, request->object);
}

/* Asks the nodes below `nodes`, but for our own, until one refuses or none is left. */
int dict_remote_ask(struct actor *actor, const struct request *request, int nodes, int *refused)
{
    struct answer answer;
    int result = TROUPE_OK;

    for (*refused = 0; *refused < nodes; (*refused)++) {
        if (*refused == world_here.node)
            continue;
        result = service_call(actor, *refused, request, BELL_NO_WAIT, &answer);
        if (result != TROUPE_OK)
            break;
    }
    return result;
}

void dict_register(void)
{
    recover_register(RESUME_DICT_END, dict_share_end);
    service_register(SERVICE_DICT_CREATE, serve_create);
    service_register(SERVICE_DICT_SET, serve_set);
    service_register(SERVICE_DICT_GET, serve_get);
    service_register(SERVICE_DICT_DELETE, serve_delete);
    service_register(SERVICE_DICT_SIZE, serve_size);
    service_register(SERVICE_DICT_NEXT, serve_next);
    service_register(SERVICE_DICT_DESTROY, serve_destroy);
}
