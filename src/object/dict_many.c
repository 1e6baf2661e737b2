/* The dict's calls on many keys: one message for each node that some of the keys belong to.
 *
 * The keys are put in the order of their hashes, in which those of a node follow each other. */
#include "object/dict_many.h"

#include "base/error.h"
#include "object/dict_remote.h"

#include <stdlib.h>

/* One of the keys, and where it stands in the caller's arrays. */
struct many_key {
    uint64_t hash;
    size_t index;
};

/* A call under way. */
struct many {
    struct share share;
    const troupe_bytes *keys;
    size_t count;
    struct many_key *order;        /* [count] */
    const troupe_bytes *set;       /* [count] values to store, or NULL */
    struct troupe_dict_value *get; /* [count] places for values, or NULL */
    unsigned char *message;        /* room for one, made when it is needed */
    size_t capacity;
};

/* ---- beginning -------------------------------------------------------------------------- */

static int key_check(const struct many *many, size_t at)
{
    troupe_bytes key = many->keys[at];

    if (key.size == 0 || key.size > TROUPE_KEY_MAX || key.data == NULL)
        return fail(TROUPE_BAD_ARGUMENT,
                    "dict: key %zu of %zu has %zu bytes at %s; use 1 to %d bytes of data", at,
                    many->count, key.size, key.data != NULL ? "a place" : "NULL", TROUPE_KEY_MAX);
    if (many->set != NULL && many->set[at].data == NULL && many->set[at].size > 0)
        return fail(TROUPE_BAD_ARGUMENT, "dict: value %zu of %zu is NULL with %zu bytes", at,
                    many->count, many->set[at].size);
    if (many->get != NULL && many->get[at].data == NULL && many->get[at].capacity > 0)
        return fail(TROUPE_BAD_ARGUMENT, "dict: buffer %zu of %zu is NULL with room for %zu bytes",
                    at, many->count, many->get[at].capacity);
    return TROUPE_OK;
}

/* Equal keys keep their order: of those that are set the last one wins, as one by one. */
static int by_hash(const void *left, const void *right)
{
    const struct many_key *one = left, *other = right;

    if (one->hash != other->hash)
        return one->hash < other->hash ? -1 : 1;
    return one->index < other->index ? -1 : one->index > other->index;
}

static int order_make(struct many *many)
{
    many->order = malloc(many->count * sizeof *many->order);
    if (many->order == NULL)
        return fail(TROUPE_NO_MEMORY, "dict: no memory for the order of %zu keys", many->count);
    for (size_t i = 0; i < many->count; i++) {
        struct dict_key key;

        dict_key_make(many->keys[i].data, many->keys[i].size, &key);
        many->order[i] = (struct many_key){ key.hash, i };
    }
    if (world_here.nodes > 1)
        qsort(many->order, many->count, sizeof *many->order, by_hash);
    return TROUPE_OK;
}

static int many_begin(troupe_dict dict, struct many *many)
{
    struct actor *actor;
    int result = world_enter(&actor);

    if (result == TROUPE_OK && many->count > 0 &&
        (many->keys == NULL || (many->set == NULL && many->get == NULL)))
        result =
            fail(TROUPE_BAD_ARGUMENT, "dict: an array of %zu is NULL; pass the array", many->count);
    for (size_t i = 0; result == TROUPE_OK && i < many->count; i++)
        result = key_check(many, i);
    if (result == TROUPE_OK)
        result = dict_share_find(actor, dict.id, &many->share);
    return result == TROUPE_OK && many->count > 0 ? order_make(many) : result;
}

static void many_end(struct many *many)
{
    free(many->order);
    free(many->message);
}

/* ---- on this node ----------------------------------------------------------------------- */

static struct dict_key key_of(const struct many *many, size_t at)
{
    const struct many_key *ordered = &many->order[at];
    troupe_bytes key = many->keys[ordered->index];

    return (struct dict_key){ key.data, key.size, ordered->hash };
}

static int set_here(const struct many *many, size_t at)
{
    struct dict_key key = key_of(many, at);
    struct dict_put put = { .key = &key, .value = many->set[many->order[at].index] };

    return dict_share_put(&many->share, &put);
}

/* What is true of one key is no failure of the call. */
static int result_keep(struct troupe_dict_value *value, int result, size_t size)
{
    if (result != TROUPE_OK && result != TROUPE_TOO_LONG && result != TROUPE_NOT_FOUND)
        return result;
    value->result = result;
    value->size = result != TROUPE_NOT_FOUND ? size : 0;
    return TROUPE_OK;
}

static int get_here(const struct many *many, size_t at)
{
    struct troupe_dict_value *value = &many->get[many->order[at].index];
    struct dict_buffer buffer = { .data = value->data, .capacity = value->capacity };
    struct dict_key key = key_of(many, at);
    int result = dict_share_get(&many->share, &key, &buffer);

    return result_keep(value, result, buffer.size);
}

/* ---- on another node -------------------------------------------------------------------- */

static int message_reserve(struct many *many, size_t bytes)
{
    unsigned char *message;

    if (bytes <= many->capacity)
        return TROUPE_OK;
    bytes = bytes > DICT_MANY_BYTES ? bytes : DICT_MANY_BYTES;
    message = realloc(many->message, bytes);
    if (message == NULL)
        return fail(TROUPE_NO_MEMORY, "dict: no memory for a message of %zu bytes", bytes);
    many->message = message;
    many->capacity = bytes;
    return TROUPE_OK;
}

static unsigned char *view_put(unsigned char *to, const void *data, size_t size)
{
    if (size > 0)
        memcpy(to, data, size);
    return to + size;
}

/* Adds one key to the message of so many bytes. */
static int item_add(struct many *many, size_t at, size_t *bytes)
{
    struct dict_key key = key_of(many, at);
    size_t index = many->order[at].index;
    struct dict_item item = { key.hash, key.size,
                              many->set != NULL ? many->set[index].size
                                                : many->get[index].capacity };
    size_t value = many->set != NULL ? item.value : 0;
    int result = message_reserve(many, *bytes + sizeof item + key.size + value);
    unsigned char *next = many->message + *bytes;

    if (result != TROUPE_OK)
        return result;
    next = view_put(next, &item, sizeof item);
    next = view_put(next, key.data, key.size);
    if (value > 0)
        next = view_put(next, many->set[index].data, value);
    *bytes = (size_t)(next - many->message);
    return TROUPE_OK;
}

/* What the items of a message need no more of: enough of them, or another node's turn. */
static int message_make(struct many *many, size_t from, size_t *bytes, size_t *end)
{
    int node = dict_home(many->order[from].hash), result = TROUPE_OK;

    *bytes = 0;
    for (*end = from; result == TROUPE_OK && *end < many->count &&
                      dict_home(many->order[*end].hash) == node && *bytes < DICT_MANY_BYTES;
         (*end)++)
        result = item_add(many, *end, bytes);
    return result;
}

/* Reads one answer; moves on in what is left of them. */
static int found_read(const struct many *many, size_t at, troupe_bytes *left)
{
    struct troupe_dict_value *value = &many->get[many->order[at].index];
    struct dict_found found;
    size_t size;

    if (left->size < sizeof found)
        return dict_malformed("too few values");
    memcpy(&found, left->data, sizeof found);
    size = found.result == TROUPE_OK ? found.size : 0;
    if (size > left->size - sizeof found || size > value->capacity)
        return dict_malformed("a value");
    if (size > 0)
        memcpy(value->data, (const unsigned char *)left->data + sizeof found, size);
    *left = troupe_bytes_of((const unsigned char *)left->data + sizeof found + size,
                            left->size - sizeof found - size);
    return result_keep(value, (int)found.result, found.size);
}

/* Asks one node for as many of its keys as a message takes; `from` becomes the next one. */
static int ask_node(struct many *many, size_t *from)
{
    struct request request = { .op = many->set != NULL ? SERVICE_DICT_SET_MANY
                                                       : SERVICE_DICT_GET_MANY,
                               .object = many->share.handle };
    struct answer answer = { .data = NULL };
    troupe_bytes left;
    size_t end;
    int result = message_make(many, *from, &request.size, &end);

    request.data = many->message;
    if (result == TROUPE_OK)
        result = service_call(many->share.actor, dict_home(many->order[*from].hash), &request,
                              BELL_NO_WAIT, &answer);
    if (result == TROUPE_OK && (answer.words[0] == 0 || answer.words[0] > end - *from))
        result = dict_malformed("a number of values");
    if (result == TROUPE_OK)
        end = *from + answer.words[0];
    left = troupe_bytes_of(answer.data, answer.size);
    for (; result == TROUPE_OK && *from < end; (*from)++)
        result = many->get != NULL ? found_read(many, *from, &left) : TROUPE_OK;
    free(answer.data);
    return result;
}

static int many_do(struct many *many)
{
    int result = TROUPE_OK;

    for (size_t at = 0; result == TROUPE_OK && at < many->count;)
        if (dict_home(many->order[at].hash) != world_here.node)
            result = ask_node(many, &at);
        else {
            result = many->set != NULL ? set_here(many, at) : get_here(many, at);
            at++;
        }
    return result;
}

/* ---- calls ------------------------------------------------------------------------------ */

int troupe_dict_set_many(troupe_dict dict, const troupe_bytes *keys, const troupe_bytes *values,
                         size_t count)
{
    struct many many = { .keys = keys, .count = count, .set = values };
    int result = many_begin(dict, &many);

    if (result == TROUPE_OK)
        result = many_do(&many);
    many_end(&many);
    return result;
}

int troupe_dict_get_many(troupe_dict dict, const troupe_bytes *keys, size_t count,
                         troupe_dict_value *values)
{
    struct many many = { .keys = keys, .count = count, .get = values };
    int result = many_begin(dict, &many);

    if (result == TROUPE_OK)
        result = many_do(&many);
    many_end(&many);
    return result;
}
