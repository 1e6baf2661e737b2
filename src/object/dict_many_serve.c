/* What a node answers to requests with many keys. */
#include "object/dict_many.h"

#include "base/error.h"
#include "object/dict_remote.h"

#include <stdlib.h>

/* Takes the next item off a request; value_bytes: of what follows the key. */
static int item_take(troupe_bytes *left, bool with_value, struct dict_item *item,
                     struct dict_key *key, troupe_bytes *value)
{
    const unsigned char *data = left->data;
    size_t rest;

    if (left->size < sizeof *item)
        return dict_malformed("a part of an item");
    memcpy(item, data, sizeof *item);
    rest = left->size - sizeof *item;
    if (item->key < 1 || item->key > TROUPE_KEY_MAX || item->key > rest ||
        (with_value && item->value > rest - item->key))
        return dict_malformed("an item");
    key->data = data + sizeof *item;
    key->size = item->key;
    key->hash = item->hash;
    *value = troupe_bytes_of(data + sizeof *item + item->key, with_value ? item->value : 0);
    rest -= item->key + value->size;
    *left = troupe_bytes_of((const unsigned char *)value->data + value->size, rest);
    return TROUPE_OK;
}

int dict_serve_set_many(struct actor *actor, const struct request *request, bool last,
                        struct answer *answer, struct bell **bell)
{
    troupe_bytes left = troupe_bytes_of(request->data, request->size);
    struct dict_item item;
    struct dict_key key;
    struct dict_put put = { .key = &key };
    struct share share;
    int result = dict_share_find(actor, request->object, &share);

    (void)last, (void)bell;
    while (result == TROUPE_OK && left.size > 0) {
        result = item_take(&left, true, &item, &key, &put.value);
        if (result == TROUPE_OK)
            result = dict_share_put(&share, &put);
        answer->words[0]++;
    }
    return result;
}

/* ---- get_many --------------------------------------------------------------------------- */

/* An answer that grows. */
struct growing {
    unsigned char *data;
    size_t size, capacity;
};

static int room_make(struct growing *growing, size_t bytes)
{
    size_t capacity = 2 * (growing->size + bytes);
    unsigned char *data;

    if (growing->capacity - growing->size >= bytes)
        return TROUPE_OK;
    data = realloc(growing->data, capacity);
    if (data == NULL)
        return fail(TROUPE_NO_MEMORY, "dict: no memory for %zu bytes of an answer", capacity);
    growing->data = data;
    growing->capacity = capacity;
    return TROUPE_OK;
}

/* Appends a key's value, read in place, or what is true of the key instead. */
static int found_add(const struct share *share, const struct dict_key *key, size_t most,
                     struct growing *growing)
{
    struct dict_found found = { .result = TROUPE_TOO_LONG };
    struct dict_buffer value = { .size = 0 };
    int result;

    do {
        result = room_make(growing, sizeof found + value.size);
        if (result != TROUPE_OK)
            return result;
        value.data = growing->data + growing->size + sizeof found;
        value.capacity = growing->capacity - growing->size - sizeof found;
        value.capacity = value.capacity < most ? value.capacity : most;
        result = dict_share_get(share, key, &value);
    } while (result == TROUPE_TOO_LONG && value.size <= most);
    if (result != TROUPE_OK && result != TROUPE_TOO_LONG && result != TROUPE_NOT_FOUND)
        return result;
    found.result = result;
    found.size = value.size;
    memcpy(growing->data + growing->size, &found, sizeof found);
    growing->size += sizeof found + (result == TROUPE_OK ? value.size : 0);
    return TROUPE_OK;
}

int dict_serve_get_many(struct actor *actor, const struct request *request, bool last,
                        struct answer *answer, struct bell **bell)
{
    troupe_bytes left = troupe_bytes_of(request->data, request->size), nothing;
    struct growing growing = { NULL, 0, 0 };
    struct dict_item item;
    struct dict_key key;
    struct share share;
    int result = dict_share_find(actor, request->object, &share);

    (void)last, (void)bell;
    while (result == TROUPE_OK && left.size > 0 && growing.size < DICT_MANY_BYTES) {
        result = item_take(&left, false, &item, &key, &nothing);
        if (result == TROUPE_OK)
            result = found_add(&share, &key, item.value, &growing);
        answer->words[0]++;
    }
    if (result != TROUPE_OK) {
        free(growing.data);
        return result;
    }
    answer->data = growing.data;
    answer->size = growing.size;
    return TROUPE_OK;
}
