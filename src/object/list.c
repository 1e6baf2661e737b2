/* The public calls of lists. A list lives on its creator's node: there everybody works on it
 * directly (list_local.h), from elsewhere by a call to that node, which answers from the same
 * functions (list_serve.c). */
#include "base/error.h"
#include "object/home.h"
#include "object/list_remote.h"
#include "object/names.h"

#include <stdlib.h>
#include <string.h>

/* ---- arguments -------------------------------------------------------------------------- */

static int item_check(troupe_bytes item)
{
    if (item.data != NULL || item.size == 0)
        return TROUPE_OK;
    return fail(TROUPE_BAD_ARGUMENT,
                "list: the item's data is NULL and its size %zu; pass its bytes", item.size);
}

static int buffer_check(const void *data, size_t capacity)
{
    if (data != NULL || capacity == 0)
        return TROUPE_OK;
    return fail(TROUPE_BAD_ARGUMENT,
                "list: the buffer is NULL with a capacity of %zu bytes; pass a buffer, or 0",
                capacity);
}

static int too_long(const struct list_buffer *buffer)
{
    return fail(TROUPE_TOO_LONG, "list: the item has %zu bytes, the buffer %zu; pass a larger one",
                buffer->size, buffer->capacity);
}

/* ---- append, insert, set ---------------------------------------------------------------- */

typedef int (*item_change)(struct actor *actor, uint64_t handle, int64_t index, troupe_bytes item);

static int item_put(troupe_list list, int64_t index, troupe_bytes item, enum service_op op,
                    item_change here)
{
    struct request request = { .op = op,
                               .object = list.id,
                               .words = { (uint64_t)index },
                               .data = item.data,
                               .size = item.size };
    struct answer answer;
    struct actor *actor;
    int result = world_enter(&actor);

    if (result == TROUPE_OK)
        result = item_check(item);
    if (result != TROUPE_OK)
        return result;
    if (home_is_here(list.id))
        return here(actor, list.id, index, item);
    result = home_ask(actor, OBJECT_LIST, &request, BELL_NO_WAIT, &answer);
    free(answer.data);
    return result;
}

int troupe_list_append(troupe_list list, troupe_bytes item)
{
    return item_put(list, INT64_MAX, item, SERVICE_LIST_INSERT, list_item_insert);
}

int troupe_list_insert(troupe_list list, int64_t index, troupe_bytes item)
{
    return item_put(list, index, item, SERVICE_LIST_INSERT, list_item_insert);
}

int troupe_list_set(troupe_list list, int64_t index, troupe_bytes item)
{
    return item_put(list, index, item, SERVICE_LIST_SET, list_item_set);
}

/* ---- extend ----------------------------------------------------------------------------- */

/* The items as they travel: their sizes, a word each, then their bytes. */
static int items_pack(const troupe_bytes *items, size_t count, struct request *request)
{
    size_t size = count * sizeof(uint64_t);
    unsigned char *packed, *next;

    for (size_t i = 0; i < count; i++)
        size += items[i].size;
    packed = malloc(size);
    if (packed == NULL)
        return fail(TROUPE_NO_MEMORY, "list: no memory for a message of %zu bytes", size);
    next = packed + count * sizeof(uint64_t);
    for (size_t i = 0; i < count; i++) {
        uint64_t bytes = items[i].size;

        memcpy(packed + i * sizeof bytes, &bytes, sizeof bytes);
        if (bytes > 0)
            memcpy(next, items[i].data, bytes);
        next += bytes;
    }
    request->words[0] = count;
    request->data = packed;
    request->size = size;
    return TROUPE_OK;
}

static int extend_there(struct actor *actor, uint64_t handle, const troupe_bytes *items,
                        size_t count)
{
    struct request request = { .op = SERVICE_LIST_EXTEND, .object = handle };
    struct answer answer;
    int result = items_pack(items, count, &request);

    if (result != TROUPE_OK)
        return result;
    result = home_ask(actor, OBJECT_LIST, &request, BELL_NO_WAIT, &answer);
    free((void *)request.data);
    free(answer.data);
    return result;
}

int troupe_list_extend(troupe_list list, const troupe_bytes *items, size_t count)
{
    struct actor *actor;
    int result = world_enter(&actor);

    if (result == TROUPE_OK && items == NULL && count > 0)
        result = fail(TROUPE_BAD_ARGUMENT, "list: the items are NULL and %zu; pass them", count);
    for (size_t i = 0; i < count && result == TROUPE_OK; i++)
        result = item_check(items[i]);
    if (result != TROUPE_OK)
        return result;
    if (home_is_here(list.id))
        return list_extend(actor, list.id, items, count);
    return count > 0 ? extend_there(actor, list.id, items, count) : TROUPE_OK;
}

/* ---- get and pop ------------------------------------------------------------------------ */

/* Asks for an item of at most buffer->capacity bytes. The answer's data is the caller's. */
static int take_there(struct actor *actor, uint64_t handle, int64_t index, enum service_op op,
                      struct list_buffer *buffer, struct answer *answer)
{
    struct request request = { .op = op,
                               .object = handle,
                               .words = { (uint64_t)index, buffer->capacity } };
    int result = home_ask(actor, OBJECT_LIST, &request, BELL_NO_WAIT, answer);

    if (result == TROUPE_OK || result == TROUPE_TOO_LONG)
        buffer->size = answer->words[0];
    if (result == TROUPE_OK && (answer->size != buffer->size || buffer->size > buffer->capacity))
        return list_bad_request("take an item");
    return result;
}

static int take(troupe_list list, int64_t index, enum service_op op, list_taking here,
                struct list_buffer *buffer)
{
    struct answer answer;
    struct actor *actor;
    int result = world_enter(&actor);

    if (result == TROUPE_OK)
        result = buffer_check(buffer->data, buffer->capacity);
    if (result != TROUPE_OK)
        return result;
    if (home_is_here(list.id))
        return here(actor, list.id, index, buffer);
    result = take_there(actor, list.id, index, op, buffer, &answer);
    if (result == TROUPE_OK && buffer->size > 0)
        memcpy(buffer->data, answer.data, buffer->size);
    free(answer.data);
    return result;
}

/* Sets the size where there is one, and leaves the sentence of an item that does not fit. */
static int taken(int result, const struct list_buffer *buffer, size_t *size)
{
    if (size != NULL && (result == TROUPE_OK || result == TROUPE_TOO_LONG))
        *size = buffer->size;
    return result == TROUPE_TOO_LONG ? too_long(buffer) : result;
}

int troupe_list_get(troupe_list list, int64_t index, void *item, size_t capacity, size_t *size)
{
    struct list_buffer buffer = { item, capacity, 0 };

    return taken(take(list, index, SERVICE_LIST_GET, list_item_get, &buffer), &buffer, size);
}

int troupe_list_pop(troupe_list list, int64_t index, void *item, size_t capacity, size_t *size)
{
    struct list_buffer buffer = { item, capacity, 0 };

    return taken(take(list, index, SERVICE_LIST_POP, list_item_pop, &buffer), &buffer, size);
}

static int get_alloc_there(struct actor *actor, uint64_t handle, int64_t index,
                           struct list_buffer *buffer)
{
    struct answer answer;
    int result;

    buffer->capacity = SIZE_MAX;
    result = take_there(actor, handle, index, SERVICE_LIST_GET, buffer, &answer);
    buffer->data = answer.data;
    if (result == TROUPE_OK && buffer->data == NULL)
        buffer->data = malloc(1); /* an item without bytes */
    if (result == TROUPE_OK && buffer->data == NULL)
        result = fail(TROUPE_NO_MEMORY, "list: no memory for an item of 0 bytes");
    if (result != TROUPE_OK)
        free(answer.data);
    return result;
}

int troupe_list_get_alloc(troupe_list list, int64_t index, void **item, size_t *size)
{
    struct list_buffer buffer;
    struct actor *actor;
    int result = world_enter(&actor);

    if (result == TROUPE_OK && (item == NULL || size == NULL))
        result = fail(TROUPE_BAD_ARGUMENT, "list: no place for the item or its size; pass both");
    if (result != TROUPE_OK)
        return result;
    result = home_is_here(list.id)
                 ? list_take_alloc(actor, list.id, index, list_item_get, SIZE_MAX, &buffer)
                 : get_alloc_there(actor, list.id, index, &buffer);
    if (result != TROUPE_OK)
        return result;
    *item = buffer.data;
    *size = buffer.size;
    return TROUPE_OK;
}

int troupe_list_next(troupe_list list, troupe_cursor *cursor, void *item, size_t capacity,
                     size_t *size)
{
    int result;

    if (cursor == NULL)
        return fail(TROUPE_BAD_ARGUMENT, "list: the cursor is NULL; pass one that began as zero");
    result = troupe_list_get(list, (int64_t)cursor->position[0], item, capacity, size);
    if (result == TROUPE_OK)
        cursor->position[0]++;
    return result == TROUPE_NOT_FOUND ? TROUPE_EMPTY : result;
}

/* ---- the rest --------------------------------------------------------------------------- */

static int place_check(const troupe_list *list)
{
    if (list != NULL)
        return TROUPE_OK;
    return fail(TROUPE_BAD_ARGUMENT, "list: no place for the handle; pass a pointer");
}

int troupe_list_create(const troupe_list_options *options, troupe_list *list)
{
    struct actor *actor;
    int result = place_check(list);

    if (result == TROUPE_OK)
        result = world_enter(&actor);
    return result == TROUPE_OK ? list_make(actor, options, &list->id) : result;
}

int troupe_list_open(const char *name, const troupe_list_options *options, troupe_list *list)
{
    static const struct named named = { OBJECT_LIST, "list", list_make, list_destroy };
    struct actor *actor;
    int result = place_check(list);

    if (result == TROUPE_OK)
        result = world_enter(&actor);
    return result == TROUPE_OK ? names_open(actor, &named, name, options, &list->id) : result;
}

int troupe_list_size(troupe_list list, uint64_t *items)
{
    return home_count(list.id, OBJECT_LIST, SERVICE_LIST_SIZE, list_count, items);
}

int troupe_list_clear(troupe_list list)
{
    return home_do(list.id, OBJECT_LIST, SERVICE_LIST_CLEAR, list_clear);
}

int troupe_list_destroy(troupe_list list)
{
    return home_end(list.id, OBJECT_LIST, SERVICE_LIST_DESTROY, list_destroy);
}
