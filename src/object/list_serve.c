/* What a list answers to other nodes. Handlers never wait. A request comes from another process:
 * its sizes are checked before they are used. */
#include "object/list.h"

#include "base/error.h"
#include "core/recover.h"
#include "core/root.h"
#include "core/service.h"
#include "object/list_remote.h"

#include <stdlib.h>
#include <string.h>

#define ANSWER_FIRST 512u /* bytes that an answer has room for before its item's size is known */

int list_bad_request(const char *what)
{
    return fail(TROUPE_MISMATCH,
                "list: another node asked to %s with a malformed request; run the same version of "
                "Troupe on all nodes",
                what);
}

/* ---- append, insert, set ---------------------------------------------------------------- */

static int insert_handler(struct actor *actor, const struct request *request, bool last,
                          struct answer *answer, struct bell **bell)
{
    (void)last, (void)answer, (void)bell;
    return list_item_insert(actor, request->object, (int64_t)request->words[0],
                            troupe_bytes_of(request->data, request->size));
}

static int set_handler(struct actor *actor, const struct request *request, bool last,
                       struct answer *answer, struct bell **bell)
{
    (void)last, (void)answer, (void)bell;
    return list_item_set(actor, request->object, (int64_t)request->words[0],
                         troupe_bytes_of(request->data, request->size));
}

/* ---- extend ----------------------------------------------------------------------------- */

/* Views of the items in a request, from malloc; NULL without memory, or if they are malformed. */
static troupe_bytes *items_unpack(const struct request *request)
{
    size_t count = request->words[0], left = request->size;
    const unsigned char *sizes = request->data, *next;
    troupe_bytes *items;

    if (count == 0 || count > left / sizeof(uint64_t))
        return NULL;
    items = malloc(count * sizeof *items);
    if (items == NULL)
        return NULL;
    left -= count * sizeof(uint64_t);
    next = sizes + count * sizeof(uint64_t);
    for (size_t i = 0; i < count; i++) {
        uint64_t bytes;

        memcpy(&bytes, sizes + i * sizeof bytes, sizeof bytes);
        if (bytes > left) {
            free(items);
            return NULL;
        }
        items[i] = troupe_bytes_of(next, bytes);
        next += bytes;
        left -= bytes;
    }
    return items;
}

static int extend_handler(struct actor *actor, const struct request *request, bool last,
                          struct answer *answer, struct bell **bell)
{
    troupe_bytes *items = items_unpack(request);
    int result;

    (void)last, (void)answer, (void)bell;
    if (items == NULL)
        return list_bad_request("extend");
    result = list_extend(actor, request->object, items, request->words[0]);
    free(items);
    return result;
}

/* ---- get and pop ------------------------------------------------------------------------ */

/* It may become another item between two looks, so this may take several. */
int list_take_alloc(struct actor *actor, uint64_t handle, int64_t index, list_taking here,
                    size_t most, struct list_buffer *buffer)
{
    int result = TROUPE_TOO_LONG;

    buffer->data = NULL;
    buffer->size = most < ANSWER_FIRST ? most : ANSWER_FIRST;
    while (result == TROUPE_TOO_LONG && buffer->size <= most) {
        free(buffer->data);
        buffer->capacity = buffer->size;
        buffer->data = malloc(buffer->capacity > 0 ? buffer->capacity : 1);
        if (buffer->data == NULL)
            return fail(TROUPE_NO_MEMORY, "list: no memory for an item of %zu bytes",
                        buffer->capacity);
        result = here(actor, handle, index, buffer);
    }
    if (result == TROUPE_OK)
        return TROUPE_OK;
    free(buffer->data);
    buffer->data = NULL;
    return result;
}

static int answer_item(struct actor *actor, const struct request *request, list_taking here,
                       struct answer *answer)
{
    struct list_buffer buffer;
    int result = list_take_alloc(actor, request->object, (int64_t)request->words[0], here,
                                 request->words[1], &buffer);

    answer->words[0] = buffer.size;
    if (result != TROUPE_OK)
        return result;
    answer->data = buffer.data;
    answer->size = buffer.size;
    return TROUPE_OK;
}

static int get_handler(struct actor *actor, const struct request *request, bool last,
                       struct answer *answer, struct bell **bell)
{
    (void)last, (void)bell;
    return answer_item(actor, request, list_item_get, answer);
}

static int pop_handler(struct actor *actor, const struct request *request, bool last,
                       struct answer *answer, struct bell **bell)
{
    (void)last, (void)bell;
    return answer_item(actor, request, list_item_pop, answer);
}

/* ---- the rest --------------------------------------------------------------------------- */

static int size_handler(struct actor *actor, const struct request *request, bool last,
                        struct answer *answer, struct bell **bell)
{
    (void)last, (void)bell;
    return list_count(actor, request->object, &answer->words[0]);
}

static int clear_handler(struct actor *actor, const struct request *request, bool last,
                         struct answer *answer, struct bell **bell)
{
    (void)last, (void)answer, (void)bell;
    return list_clear(actor, request->object);
}

static int destroy_handler(struct actor *actor, const struct request *request, bool last,
                           struct answer *answer, struct bell **bell)
{
    (void)last, (void)answer, (void)bell;
    return list_destroy(actor, request->object);
}

void list_register(void)
{
    recover_register(RESUME_LIST_EXTEND, list_resume_extend);
    recover_register(RESUME_LIST_CLEAR, list_resume_clear);
    recover_register(RESUME_LIST_DESTROY, list_resume_destroy);
    service_register(SERVICE_LIST_INSERT, insert_handler);
    service_register(SERVICE_LIST_EXTEND, extend_handler);
    service_register(SERVICE_LIST_SET, set_handler);
    service_register(SERVICE_LIST_GET, get_handler);
    service_register(SERVICE_LIST_POP, pop_handler);
    service_register(SERVICE_LIST_SIZE, size_handler);
    service_register(SERVICE_LIST_CLEAR, clear_handler);
    service_register(SERVICE_LIST_DESTROY, destroy_handler);
}
