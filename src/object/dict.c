/* The dict's public calls.
 *
 * Every node holds a share of every dict, under the one handle; a key's hash names the node that
 * holds its entry. A call for the own node works on the share in the arena; one for another node
 * asks that node (dict_remote.c), which answers from the same functions. */
#include "object/dict.h"

#include "base/error.h"
#include "object/dict_remote.h"
#include "object/names.h"

#include <stdio.h>

/* Where a cursor's parts lie. node counts up to the number of nodes: then the walk is over. */
enum { CURSOR_PLACE = 0, CURSOR_ORDER = 1, CURSOR_NODE = 2 };

/* ---- arguments -------------------------------------------------------------------------- */

/* What every call on one key needs. */
struct call {
    struct share share;
    struct dict_key key;
    bool here; /* the key's home is this node */
};

static int call_begin(troupe_dict dict, troupe_bytes key, struct call *call)
{
    struct actor *actor;
    int result = world_enter(&actor);

    if (result != TROUPE_OK)
        return result;
    if (key.size == 0 || key.size > TROUPE_KEY_MAX)
        return fail(TROUPE_BAD_ARGUMENT,
                    "dict: a key of %zu bytes; use 1 to %d bytes, for instance a hash of a longer "
                    "key",
                    key.size, TROUPE_KEY_MAX);
    if (key.data == NULL)
        return fail(TROUPE_BAD_ARGUMENT, "dict: the key's data is NULL; pass its bytes");
    dict_key_make(key.data, key.size, &call->key);
    call->here = dict_home(call->key.hash) == world_here.node;
    return dict_share_find(actor, dict.id, &call->share);
}

static int view_check(const char *what, troupe_bytes view)
{
    if (view.data == NULL && view.size > 0)
        return fail(TROUPE_BAD_ARGUMENT,
                    "dict: the data of the %s is NULL and its size %zu; pass its bytes", what,
                    view.size);
    return TROUPE_OK;
}

static int buffer_check(const char *what, void *data, size_t capacity, struct dict_buffer *buffer)
{
    if (data == NULL && capacity > 0)
        return fail(TROUPE_BAD_ARGUMENT,
                    "dict: the buffer for the %s is NULL with a capacity of %zu bytes; pass a "
                    "buffer, or 0",
                    what, capacity);
    *buffer = (struct dict_buffer){ .data = data, .capacity = capacity };
    return TROUPE_OK;
}

static int too_long(const char *what, const struct dict_buffer *buffer)
{
    return fail(TROUPE_TOO_LONG, "dict: the %s has %zu bytes, the buffer %zu; pass a larger one",
                what, buffer->size, buffer->capacity);
}

/* The sizes are an output also when the value does not fit. */
static int value_end(const struct dict_buffer *value, int result, size_t *size)
{
    if (size != NULL && (result == TROUPE_OK || result == TROUPE_TOO_LONG))
        *size = value->size;
    return result == TROUPE_TOO_LONG ? too_long("value", value) : result;
}

/* ---- set -------------------------------------------------------------------------------- */

static int put(const struct call *call, struct dict_put *put)
{
    put->key = &call->key;
    return call->here ? dict_share_put(&call->share, put)
                      : dict_remote_put(call->share.actor, call->share.handle, put);
}

int troupe_dict_set(troupe_dict dict, troupe_bytes key, troupe_bytes value)
{
    struct dict_put always = { .value = value, .when = DICT_ALWAYS };
    struct call call;
    int result = call_begin(dict, key, &call);

    if (result == TROUPE_OK)
        result = view_check("value", value);
    return result == TROUPE_OK ? put(&call, &always) : result;
}

int troupe_dict_compare_and_set(troupe_dict dict, troupe_bytes key, troupe_bytes expected,
                                troupe_bytes desired)
{
    struct dict_put equal = { .value = desired, .when = DICT_IF_EQUAL, .expected = expected };
    struct call call;
    int result = call_begin(dict, key, &call);

    if (result == TROUPE_OK)
        result = view_check("expected value", expected);
    if (result == TROUPE_OK)
        result = view_check("desired value", desired);
    return result == TROUPE_OK ? put(&call, &equal) : result;
}

/* Without a place for the value, its size is all that is asked: then one that does not fit is
 * right. */
static int default_end(const struct dict_put *put, struct dict_buffer *found, bool was_stored,
                       int result)
{
    if (result == TROUPE_TOO_LONG && found->data == NULL)
        return TROUPE_OK;
    if (result != TROUPE_OK || !was_stored)
        return result;
    found->size = put->value.size;
    if (found->data != NULL && found->size > 0)
        memcpy(found->data, put->value.data, found->size);
    return TROUPE_OK;
}

int troupe_dict_set_default(troupe_dict dict, troupe_bytes key, troupe_bytes value, void *found,
                            size_t capacity, size_t *size, int *stored)
{
    struct dict_put absent = { .value = value, .when = DICT_IF_ABSENT };
    struct dict_buffer buffer;
    bool was_stored = false;
    struct call call;
    int result = call_begin(dict, key, &call);

    if (result == TROUPE_OK)
        result = view_check("value", value);
    if (result == TROUPE_OK)
        result = buffer_check("value", found, capacity, &buffer);
    if (result == TROUPE_OK && found != NULL && capacity < value.size)
        result = fail(TROUPE_BAD_ARGUMENT,
                      "dict: the value has %zu bytes, the buffer for what is found %zu; pass a "
                      "larger one, or NULL",
                      value.size, capacity);
    if (result != TROUPE_OK)
        return result;
    absent.key = &call.key;
    result = call.here
                 ? dict_share_default(&call.share, &absent, &buffer, &was_stored)
                 : dict_remote_default(call.share.actor, dict.id, &absent, &buffer, &was_stored);
    result = default_end(&absent, &buffer, was_stored, result);
    if (stored != NULL && result == TROUPE_OK)
        *stored = was_stored;
    return value_end(&buffer, result, size);
}

/* ---- get -------------------------------------------------------------------------------- */

static int fetch(const struct call *call, struct dict_buffer *value)
{
    return call->here ? dict_share_fetch(&call->share, &call->key, value)
                      : dict_remote_fetch(call->share.actor, call->share.handle, &call->key, value);
}

int troupe_dict_get(troupe_dict dict, troupe_bytes key, void *value, size_t capacity, size_t *size)
{
    struct dict_buffer buffer;
    struct call call;
    int result = call_begin(dict, key, &call);

    if (result == TROUPE_OK)
        result = buffer_check("value", value, capacity, &buffer);
    return result == TROUPE_OK ? value_end(&buffer, fetch(&call, &buffer), size) : result;
}

/* ---- delete ----------------------------------------------------------------------------- */

static int take_out(troupe_dict dict, troupe_bytes key, const troupe_bytes *expected)
{
    struct call call;
    int result = call_begin(dict, key, &call);

    if (result != TROUPE_OK)
        return result;
    return call.here ? dict_share_delete(&call.share, &call.key, expected)
                     : dict_remote_delete(call.share.actor, dict.id, &call.key, expected);
}

int troupe_dict_delete(troupe_dict dict, troupe_bytes key)
{
    return take_out(dict, key, NULL);
}

int dict_compare_and_delete(troupe_dict dict, troupe_bytes key, troupe_bytes expected)
{
    return take_out(dict, key, &expected);
}

/* ---- size ------------------------------------------------------------------------------- */

int troupe_dict_size(troupe_dict dict, uint64_t *entries)
{
    struct request request = { .op = SERVICE_DICT_SIZE, .object = dict.id };
    struct answer answer;
    struct actor *actor;
    struct share share;
    uint64_t sum = 0;
    int result = world_enter(&actor);

    if (result == TROUPE_OK && entries == NULL)
        result = fail(TROUPE_BAD_ARGUMENT, "dict: no place for the size; pass a pointer");
    if (result == TROUPE_OK)
        result = dict_share_find(actor, dict.id, &share);
    if (result == TROUPE_OK)
        result = dict_share_size(&share, &sum);
    for (int node = 0; result == TROUPE_OK && node < world_here.nodes; node++) {
        if (node == world_here.node)
            continue;
        result = service_call(actor, node, &request, BELL_NO_WAIT, &answer);
        sum += result == TROUPE_OK ? answer.words[0] : 0;
    }
    if (result == TROUPE_OK)
        *entries = sum;
    return result;
}

/* ---- next ------------------------------------------------------------------------------- */

/* The next entry of the cursor's node, or of the first node after it that has one. */
static int cursor_step(const struct share *share, troupe_cursor *cursor, struct dict_buffer *key,
                       struct dict_buffer *value)
{
    struct dict_position position = { cursor->position[CURSOR_PLACE],
                                      cursor->position[CURSOR_ORDER] };
    uint64_t node = cursor->position[CURSOR_NODE];
    int result = TROUPE_EMPTY;

    for (; node < (uint64_t)world_here.nodes; node++) {
        result = (int)node == world_here.node ? dict_share_next(share, &position, key, value)
                                              : dict_remote_next(share->actor, share->handle,
                                                                 (int)node, &position, key, value);
        if (result != TROUPE_EMPTY)
            break;
        position.place = position.order = 0;
    }
    if (result == TROUPE_OK || result == TROUPE_EMPTY) {
        cursor->position[CURSOR_PLACE] = position.place;
        cursor->position[CURSOR_ORDER] = position.order;
        cursor->position[CURSOR_NODE] = node;
    }
    return result;
}

int troupe_dict_next(troupe_dict dict, troupe_cursor *cursor, void *key, size_t key_capacity,
                     size_t *key_size, void *value, size_t value_capacity, size_t *value_size)
{
    struct dict_buffer keys, values;
    struct actor *actor;
    struct share share;
    int result = world_enter(&actor);

    if (result == TROUPE_OK && cursor == NULL)
        result = fail(TROUPE_BAD_ARGUMENT, "dict: the cursor is NULL; pass one that began as zero");
    if (result == TROUPE_OK)
        result = buffer_check("key", key, key_capacity, &keys);
    if (result == TROUPE_OK)
        result = buffer_check("value", value, value_capacity, &values);
    if (result == TROUPE_OK)
        result = dict_share_find(actor, dict.id, &share);
    if (result == TROUPE_OK)
        result = cursor_step(&share, cursor, &keys, &values);
    if (result != TROUPE_OK && result != TROUPE_TOO_LONG)
        return result;
    if (key_size != NULL)
        *key_size = keys.size;
    if (value_size != NULL)
        *value_size = values.size;
    if (result == TROUPE_OK)
        return TROUPE_OK;
    return keys.size > keys.capacity ? too_long("key", &keys) : too_long("value", &values);
}

/* ---- create and destroy ----------------------------------------------------------------- */

/* Takes back the shares that were made before one was refused, and keeps the refusal's sentence. */
static int create_undo(struct actor *actor, uint64_t handle, int made, int result)
{
    struct request request = { .op = SERVICE_DICT_DESTROY, .object = handle };
    char sentence[512];
    int refused;

    snprintf(sentence, sizeof sentence, "%s", troupe_last_error());
    dict_remote_ask(actor, &request, made, &refused);
    dict_share_destroy(actor, handle);
    return fail_text(result, sentence);
}

static int make(struct actor *actor, const void *options, uint64_t *handle)
{
    const troupe_dict_options *asked = options;
    struct request request = { .op = SERVICE_DICT_CREATE };
    int refused, result;

    if (asked != NULL)
        request.words[0] = asked->expected_entries / (uint64_t)world_here.nodes;
    result = dict_share_create(actor, 0, request.words[0], &request.object);
    if (result != TROUPE_OK)
        return result;
    result = dict_remote_ask(actor, &request, world_here.nodes, &refused);
    if (result != TROUPE_OK)
        return create_undo(actor, request.object, refused, result);
    *handle = request.object;
    return TROUPE_OK;
}

/* The own share goes first: of several callers on a node one destroys it. What other nodes answer
 * does not matter: one that is lost took its share with it. */
static int end(struct actor *actor, uint64_t handle)
{
    struct request request = { .op = SERVICE_DICT_DESTROY, .object = handle };
    int result = dict_share_destroy(actor, handle);

    for (int node = 0; result == TROUPE_OK && node < world_here.nodes; node++) {
        struct answer answer;

        if (node != world_here.node)
            service_call(actor, node, &request, BELL_NO_WAIT, &answer);
    }
    return result;
}

static int place_check(const troupe_dict *dict)
{
    return dict != NULL
               ? TROUPE_OK
               : fail(TROUPE_BAD_ARGUMENT, "dict: no place for the handle; pass a pointer");
}

int troupe_dict_create(const troupe_dict_options *options, troupe_dict *dict)
{
    struct actor *actor;
    int result = world_enter(&actor);

    if (result == TROUPE_OK)
        result = place_check(dict);
    return result == TROUPE_OK ? make(actor, options, &dict->id) : result;
}

int troupe_dict_open(const char *name, const troupe_dict_options *options, troupe_dict *dict)
{
    static const struct named named = { OBJECT_DICT, "dict", make, end };
    struct actor *actor;
    int result = world_enter(&actor);

    if (result == TROUPE_OK)
        result = place_check(dict);
    return result == TROUPE_OK ? names_open(actor, &named, name, options, &dict->id) : result;
}

int troupe_dict_destroy(troupe_dict dict)
{
    struct actor *actor;
    int result = world_enter(&actor);

    if (result == TROUPE_OK)
        result = end(actor, dict.id);
    if (result == TROUPE_OK)
        names_release(actor, dict.id);
    return result;
}
