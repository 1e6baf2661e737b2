/* The dict's public calls on one key; those on the whole dict are in dict_whole.c, those on many
 * keys in dict_many.c.
 *
 * Every node holds a share of every dict, under the one handle; a key's hash names the node that
 * holds its entry. A call for the own node works on the share in the arena; one for another node
 * asks that node (dict_remote.c), which answers from the same functions. */
#include "object/dict.h"

#include "base/error.h"
#include "object/dict_remote.h"
#include "object/home.h"

#include <stdlib.h>

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

/* The sizes are an output also when the value does not fit. */
static int value_end(const struct dict_buffer *value, int result, size_t *size)
{
    if (size != NULL && (result == TROUPE_OK || result == TROUPE_TOO_LONG))
        *size = value->size;
    return result == TROUPE_TOO_LONG ? dict_buffer_too_long("value", value) : result;
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
        result = dict_buffer_check("value", found, capacity, &buffer);
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
        result = dict_buffer_check("value", value, capacity, &buffer);
    return result == TROUPE_OK ? value_end(&buffer, fetch(&call, &buffer), size) : result;
}

int troupe_dict_get_alloc(troupe_dict dict, troupe_bytes key, void **value, size_t *size)
{
    struct dict_buffer buffer = { .most = SIZE_MAX };
    struct call call;
    int result = call_begin(dict, key, &call);

    if (result == TROUPE_OK && value == NULL)
        result = fail(TROUPE_BAD_ARGUMENT, "dict: no place for the value; pass a pointer");
    if (result != TROUPE_OK)
        return result;
    result = fetch(&call, &buffer);
    if (result == TROUPE_OK && buffer.data == NULL)
        buffer.data = malloc(1); /* an empty value is freed like any other */
    if (result == TROUPE_OK && buffer.data == NULL)
        result = fail(TROUPE_NO_MEMORY, "dict: no memory for an empty value");
    if (result != TROUPE_OK) {
        free(buffer.data);
        return result;
    }
    *value = buffer.data;
    if (size != NULL)
        *size = buffer.size;
    return TROUPE_OK;
}

/* A buffer without room: any value but an empty one is too long for it, and neither is copied. */
int troupe_dict_contains(troupe_dict dict, troupe_bytes key, int *present)
{
    struct dict_buffer nothing = { .data = NULL };
    struct call call;
    int result = call_begin(dict, key, &call);

    if (result == TROUPE_OK && present == NULL)
        result = fail(TROUPE_BAD_ARGUMENT, "dict: no place for the answer; pass a pointer");
    if (result != TROUPE_OK)
        return result;
    result = fetch(&call, &nothing);
    if (result != TROUPE_OK && result != TROUPE_TOO_LONG && result != TROUPE_NOT_FOUND)
        return result;
    *present = result != TROUPE_NOT_FOUND;
    return TROUPE_OK;
}

int troupe_dict_wait(troupe_dict dict, troupe_bytes key, long timeout_ms)
{
    struct call call;
    int result = call_begin(dict, key, &call);

    if (result != TROUPE_OK)
        return result;
    return call.here
               ? dict_share_wait(&call.share, &call.key, home_deadline(timeout_ms))
               : dict_remote_wait(call.share.actor, dict.id, &call.key, home_deadline(timeout_ms));
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

int troupe_dict_pop(troupe_dict dict, troupe_bytes key, void *value, size_t capacity, size_t *size)
{
    struct dict_buffer buffer;
    struct call call;
    int result = call_begin(dict, key, &call);

    if (result == TROUPE_OK)
        result = dict_buffer_check("value", value, capacity, &buffer);
    if (result != TROUPE_OK)
        return result;
    result = call.here ? dict_share_pop(&call.share, &call.key, &buffer)
                       : dict_remote_pop(call.share.actor, dict.id, &call.key, &buffer);
    return value_end(&buffer, result, size);
}

/* ---- add -------------------------------------------------------------------------------- */

int troupe_dict_add(troupe_dict dict, troupe_bytes key, int64_t amount, int64_t *sum)
{
    struct call call;
    int64_t after;
    int result = call_begin(dict, key, &call);

    if (result != TROUPE_OK)
        return result;
    result = call.here ? dict_share_add(&call.share, &call.key, amount, &after)
                       : dict_remote_add(call.share.actor, dict.id, &call.key, amount, &after);
    if (result == TROUPE_OK && sum != NULL)
        *sum = after;
    return result;
}
