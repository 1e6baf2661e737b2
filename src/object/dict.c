/* The dict's public calls.
 *
 * Every node holds a share of every dict, under the one handle; a key's hash names the node that
 * holds its entry. A call for the own node works on the share in the arena; one for another node
 * asks that node (dict_remote.c), which answers from the same functions. */
#include "base/error.h"
#include "object/dict_remote.h"

#include <stdio.h>
#include <xxhash.h>

/* Where a cursor's parts lie. node counts up to the number of nodes: then the walk is over. */
enum { CURSOR_PLACE = 0, CURSOR_ORDER = 1, CURSOR_NODE = 2 };

/* ---- arguments -------------------------------------------------------------------------- */

static int key_check(troupe_bytes bytes, struct dict_key *key)
{
    if (bytes.size == 0 || bytes.size > TROUPE_KEY_MAX)
        return fail(TROUPE_BAD_ARGUMENT,
                    "dict: a key of %zu bytes; use 1 to %d bytes, for instance a hash of a longer "
                    "key",
                    bytes.size, TROUPE_KEY_MAX);
    if (bytes.data == NULL)
        return fail(TROUPE_BAD_ARGUMENT, "dict: the key's data is NULL; pass its bytes");
    key->data = bytes.data;
    key->size = bytes.size;
    key->hash = XXH3_64bits(bytes.data, bytes.size);
    return TROUPE_OK;
}

static int buffer_check(const char *what, void *data, size_t capacity, struct dict_buffer *buffer)
{
    if (data == NULL && capacity > 0)
        return fail(TROUPE_BAD_ARGUMENT,
                    "dict: the buffer for the %s is NULL with a capacity of %zu bytes; pass a "
                    "buffer, or 0",
                    what, capacity);
    buffer->data = data;
    buffer->capacity = capacity;
    buffer->size = 0;
    return TROUPE_OK;
}

static int too_long(const char *what, const struct dict_buffer *buffer)
{
    return fail(TROUPE_TOO_LONG, "dict: the %s has %zu bytes, the buffer %zu; pass a larger one",
                what, buffer->size, buffer->capacity);
}

/* ---- set -------------------------------------------------------------------------------- */

int troupe_dict_set(troupe_dict dict, troupe_bytes key_bytes, troupe_bytes value)
{
    struct actor *actor;
    struct share share;
    struct dict_key key;
    int result = world_enter(&actor);

    if (result == TROUPE_OK)
        result = key_check(key_bytes, &key);
    if (result == TROUPE_OK && value.data == NULL && value.size > 0)
        result = fail(TROUPE_BAD_ARGUMENT,
                      "dict: the value's data is NULL and its size %zu; pass "
                      "its bytes",
                      value.size);
    if (result == TROUPE_OK)
        result = dict_share_find(actor, dict.id, &share);
    if (result != TROUPE_OK)
        return result;
    if (dict_home(key.hash) == world_here.node)
        return dict_share_set(&share, &key, value.data, value.size);
    return dict_remote_set(actor, dict.id, &key, value);
}

/* ---- get -------------------------------------------------------------------------------- */

int troupe_dict_get(troupe_dict dict, troupe_bytes key_bytes, void *value, size_t capacity,
                    size_t *size)
{
    struct actor *actor;
    struct share share;
    struct dict_key key;
    struct dict_buffer buffer;
    int result = world_enter(&actor);

    if (result == TROUPE_OK)
        result = key_check(key_bytes, &key);
    if (result == TROUPE_OK)
        result = buffer_check("value", value, capacity, &buffer);
    if (result == TROUPE_OK)
        result = dict_share_find(actor, dict.id, &share);
    if (result != TROUPE_OK)
        return result;
    result = dict_home(key.hash) == world_here.node
                 ? dict_share_get(&share, &key, &buffer)
                 : dict_remote_get(actor, dict.id, &key, &buffer);
    if (size != NULL && (result == TROUPE_OK || result == TROUPE_TOO_LONG))
        *size = buffer.size;
    return result == TROUPE_TOO_LONG ? too_long("value", &buffer) : result;
}

/* ---- delete ----------------------------------------------------------------------------- */

int troupe_dict_delete(troupe_dict dict, troupe_bytes key_bytes)
{
    struct actor *actor;
    struct share share;
    struct dict_key key;
    int result = world_enter(&actor);

    if (result == TROUPE_OK)
        result = key_check(key_bytes, &key);
    if (result == TROUPE_OK)
        result = dict_share_find(actor, dict.id, &share);
    if (result != TROUPE_OK)
        return result;
    return dict_home(key.hash) == world_here.node ? dict_share_delete(&share, &key)
                                                  : dict_remote_delete(actor, dict.id, &key);
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

int troupe_dict_create(const troupe_dict_options *options, troupe_dict *dict)
{
    struct request request = { .op = SERVICE_DICT_CREATE };
    struct actor *actor;
    int refused, result = world_enter(&actor);

    if (result == TROUPE_OK && dict == NULL)
        result = fail(TROUPE_BAD_ARGUMENT, "dict: no place for the handle; pass a pointer");
    if (result != TROUPE_OK)
        return result;
    if (options != NULL)
        request.words[0] = options->expected_entries / (uint64_t)world_here.nodes;
    result = dict_share_create(actor, 0, request.words[0], &request.object);
    if (result != TROUPE_OK)
        return result;
    result = dict_remote_ask(actor, &request, world_here.nodes, &refused);
    if (result != TROUPE_OK)
        return create_undo(actor, request.object, refused, result);
    dict->id = request.object;
    return TROUPE_OK;
}

/* The own share goes first: of several callers on a node one destroys it. What other nodes answer
 * does not matter: one that is lost took its share with it. */
int troupe_dict_destroy(troupe_dict dict)
{
    struct request request = { .op = SERVICE_DICT_DESTROY, .object = dict.id };
    struct actor *actor;
    int result = world_enter(&actor);

    if (result == TROUPE_OK)
        result = dict_share_destroy(actor, dict.id);
    for (int node = 0; result == TROUPE_OK && node < world_here.nodes; node++) {
        struct answer answer;

        if (node != world_here.node)
            service_call(actor, node, &request, BELL_NO_WAIT, &answer);
    }
    return result;
}
