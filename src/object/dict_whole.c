/* The dict's public calls on the whole of it: size, next, clear, create, open, destroy. They ask
 * the nodes one by one. */
#include "base/error.h"
#include "object/dict_remote.h"
#include "object/names.h"

#include <stdio.h>

/* Where a cursor's parts lie. node counts up to the number of nodes: then the walk is over. */
enum { CURSOR_PLACE = 0, CURSOR_ORDER = 1, CURSOR_NODE = 2 };

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
        result = dict_buffer_check("key", key, key_capacity, &keys);
    if (result == TROUPE_OK)
        result = dict_buffer_check("value", value, value_capacity, &values);
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
    return keys.size > keys.capacity ? dict_buffer_too_long("key", &keys)
                                     : dict_buffer_too_long("value", &values);
}

/* ---- clear ------------------------------------------------------------------------------ */

/* One node after the other, a part of each at a time. */
static int clear_node(const struct share *share, int node)
{
    struct request request = { .op = SERVICE_DICT_CLEAR, .object = share->handle };
    struct answer answer = { .words = { 0 } };
    int result;

    do {
        if (node == world_here.node)
            result = dict_share_clear(share, &request.words[0]);
        else {
            result = service_call(share->actor, node, &request, BELL_NO_WAIT, &answer);
            request.words[0] = answer.words[0];
        }
    } while (result == TROUPE_OK && request.words[0] != 0);
    return result;
}

int troupe_dict_clear(troupe_dict dict)
{
    struct actor *actor;
    struct share share;
    int result = world_enter(&actor);

    if (result == TROUPE_OK)
        result = dict_share_find(actor, dict.id, &share);
    for (int node = 0; result == TROUPE_OK && node < world_here.nodes; node++)
        result = clear_node(&share, node);
    return result;
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
