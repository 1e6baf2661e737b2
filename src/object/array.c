/* The public calls of arrays, and the same calls from other nodes. An array lives on its creator's
 * node: there everybody works on it directly (array_local.h), from elsewhere by a call to that
 * node, and a long range by several. */
#include "object/array.h"

#include "base/error.h"
#include "core/recover.h"
#include "core/root.h"
#include "object/array_local.h"
#include "object/home.h"
#include "object/mutex.h"
#include "object/names.h"

#include <stdlib.h>
#include <string.h>

#define PIECE ((uint64_t)1 << 20) /* bytes of a range that travel in one message */

/* What a request's words are. */
enum { RANGE_INDEX = 0, RANGE_WHOLE = 1, RANGE_SKIP = 2, RANGE_BYTES = 3 };
enum { ADD_INDEX = 0, ADD_TYPE = 1, ADD_AMOUNT = 2 };
enum { SWAP_INDEX = 0, SWAP_EXPECTED = 1, SWAP_DESIRED = 2, SWAP_BYTES = 3 };

static int bad_request(void)
{
    return fail(TROUPE_MISMATCH,
                "array: a malformed message came from another node; run the same version of Troupe "
                "on all nodes");
}

static struct array_range range_of(const struct request *request)
{
    return (struct array_range){ request->words[RANGE_INDEX], request->words[RANGE_WHOLE],
                                 request->words[RANGE_SKIP], request->words[RANGE_BYTES] };
}

static int elements_check(const void *elements, size_t bytes)
{
    if (elements != NULL || bytes == 0)
        return TROUPE_OK;
    return fail(TROUPE_BAD_ARGUMENT, "array: the elements are NULL and %zu bytes; pass them",
                bytes);
}

/* ---- get -------------------------------------------------------------------------------- */

static int piece_get(struct actor *actor, uint64_t handle, const struct array_range *range,
                     void *to)
{
    struct request request = { .op = SERVICE_ARRAY_GET,
                               .object = handle,
                               .words = { range->index, range->whole, range->skip, range->bytes } };
    struct answer answer;
    int result = home_ask(actor, OBJECT_ARRAY, &request, BELL_NO_WAIT, &answer);

    if (result == TROUPE_OK && answer.size != range->bytes)
        result = bad_request();
    if (result == TROUPE_OK && range->bytes > 0)
        memcpy((unsigned char *)to + range->skip, answer.data, range->bytes);
    free(answer.data);
    return result;
}

static int get_handler(struct actor *actor, const struct request *request, bool last,
                       struct answer *answer, struct bell **bell)
{
    struct array_range range = range_of(request);
    int result;

    (void)last, (void)bell;
    if (range.bytes > PIECE)
        return bad_request();
    answer->data = malloc(range.bytes > 0 ? range.bytes : 1);
    if (answer->data == NULL)
        return fail(TROUPE_NO_MEMORY, "array: no memory for %llu bytes of an answer",
                    (unsigned long long)range.bytes);
    result = array_get(actor, request->object, &range, answer->data);
    if (result == TROUPE_OK)
        answer->size = range.bytes;
    if (answer->size > 0)
        return TROUPE_OK;
    free(answer->data);
    answer->data = NULL;
    return result;
}

/* ---- set -------------------------------------------------------------------------------- */

static int piece_set(struct actor *actor, uint64_t handle, const struct array_range *range,
                     const void *from)
{
    struct request request = { .op = SERVICE_ARRAY_SET,
                               .object = handle,
                               .words = { range->index, range->whole, range->skip, range->bytes },
                               .data = (const unsigned char *)from + range->skip,
                               .size = range->bytes };
    struct answer answer;
    int result = home_ask(actor, OBJECT_ARRAY, &request, BELL_NO_WAIT, &answer);

    free(answer.data);
    return result;
}

static int set_handler(struct actor *actor, const struct request *request, bool last,
                       struct answer *answer, struct bell **bell)
{
    struct array_range range = range_of(request);

    (void)last, (void)answer, (void)bell;
    if (range.bytes != request->size)
        return bad_request();
    return array_set(actor, request->object, &range, request->data);
}

/* ---- ranges ----------------------------------------------------------------------------- */

/* The first piece of a range, and the next one; each piece's home checks the whole, so that a range
 * beyond the end changes nothing. */
static struct array_range piece_first(uint64_t index, size_t bytes)
{
    return (struct array_range){ index, bytes, 0, bytes < PIECE ? bytes : PIECE };
}

static bool piece_next(struct array_range *piece)
{
    uint64_t left;

    piece->skip += piece->bytes;
    left = piece->whole - piece->skip;
    piece->bytes = left < PIECE ? left : PIECE;
    return left > 0;
}

int troupe_array_get(troupe_array array, uint64_t index, void *elements, size_t bytes)
{
    struct array_range whole = { index, bytes, 0, bytes }, piece = piece_first(index, bytes);
    struct actor *actor;
    int result = world_enter(&actor);

    if (result == TROUPE_OK)
        result = elements_check(elements, bytes);
    if (result != TROUPE_OK)
        return result;
    if (home_is_here(array.id))
        return array_get(actor, array.id, &whole, elements);
    do
        result = piece_get(actor, array.id, &piece, elements);
    while (result == TROUPE_OK && piece_next(&piece));
    return result;
}

int troupe_array_set(troupe_array array, uint64_t index, const void *elements, size_t bytes)
{
    struct array_range whole = { index, bytes, 0, bytes }, piece = piece_first(index, bytes);
    struct actor *actor;
    int result = world_enter(&actor);

    if (result == TROUPE_OK)
        result = elements_check(elements, bytes);
    if (result != TROUPE_OK)
        return result;
    if (home_is_here(array.id))
        return array_set(actor, array.id, &whole, elements);
    do
        result = piece_set(actor, array.id, &piece, elements);
    while (result == TROUPE_OK && piece_next(&piece));
    return result;
}

/* ---- one element ------------------------------------------------------------------------ */

static int add(troupe_array array, uint64_t index, int type, uint64_t amount, uint64_t *sum)
{
    struct request request = { .op = SERVICE_ARRAY_ADD,
                               .object = array.id,
                               .words = { index, (uint64_t)type, amount } };
    struct answer answer;
    struct actor *actor;
    int result = world_enter(&actor);

    if (result != TROUPE_OK)
        return result;
    if (home_is_here(array.id))
        return array_add(actor, array.id, index, type, amount, sum);
    result = home_ask(actor, OBJECT_ARRAY, &request, BELL_NO_WAIT, &answer);
    *sum = answer.words[0];
    free(answer.data);
    return result;
}

int troupe_array_add(troupe_array array, uint64_t index, int64_t amount, int64_t *sum)
{
    uint64_t after;
    int result = add(array, index, TROUPE_INT64, (uint64_t)amount, &after);

    if (result == TROUPE_OK && sum != NULL)
        *sum = (int64_t)after;
    return result;
}

int troupe_array_add_double(troupe_array array, uint64_t index, double amount, double *sum)
{
    uint64_t more, after;
    int result;

    memcpy(&more, &amount, sizeof more);
    result = add(array, index, TROUPE_DOUBLE, more, &after);
    if (result == TROUPE_OK && sum != NULL)
        memcpy(sum, &after, sizeof *sum);
    return result;
}

static int add_handler(struct actor *actor, const struct request *request, bool last,
                       struct answer *answer, struct bell **bell)
{
    (void)last, (void)bell;
    return array_add(actor, request->object, request->words[ADD_INDEX],
                     (int)request->words[ADD_TYPE], request->words[ADD_AMOUNT], &answer->words[0]);
}

int troupe_array_compare_and_set(troupe_array array, uint64_t index, const void *expected,
                                 const void *desired, size_t bytes)
{
    struct request request = { .op = SERVICE_ARRAY_COMPARE_AND_SET, .object = array.id };
    struct answer answer;
    struct actor *actor;
    int result = world_enter(&actor);

    if (result == TROUPE_OK && (expected == NULL || desired == NULL || bytes > sizeof(uint64_t)))
        result = fail(TROUPE_BAD_ARGUMENT, "array: pass one element of %zu bytes at most, twice",
                      sizeof(uint64_t));
    if (result != TROUPE_OK)
        return result;
    request.words[SWAP_INDEX] = index;
    memcpy(&request.words[SWAP_EXPECTED], expected, bytes);
    memcpy(&request.words[SWAP_DESIRED], desired, bytes);
    request.words[SWAP_BYTES] = bytes;
    if (home_is_here(array.id))
        return array_compare_and_set(actor, array.id, index, request.words[SWAP_EXPECTED],
                                     request.words[SWAP_DESIRED], bytes);
    result = home_ask(actor, OBJECT_ARRAY, &request, BELL_NO_WAIT, &answer);
    free(answer.data);
    return result;
}

static int swap_handler(struct actor *actor, const struct request *request, bool last,
                        struct answer *answer, struct bell **bell)
{
    (void)last, (void)answer, (void)bell;
    return array_compare_and_set(actor, request->object, request->words[SWAP_INDEX],
                                 request->words[SWAP_EXPECTED], request->words[SWAP_DESIRED],
                                 request->words[SWAP_BYTES]);
}

/* ---- the whole -------------------------------------------------------------------------- */

static int place_check(const troupe_array *array)
{
    if (array != NULL)
        return TROUPE_OK;
    return fail(TROUPE_BAD_ARGUMENT, "array: no place for the handle; pass a pointer");
}

int troupe_array_create(const troupe_array_options *options, troupe_array *array)
{
    struct actor *actor;
    int result = place_check(array);

    if (result == TROUPE_OK)
        result = world_enter(&actor);
    return result == TROUPE_OK ? array_make(actor, options, &array->id) : result;
}

int troupe_array_open(const char *name, const troupe_array_options *options, troupe_array *array)
{
    static const struct named named = { OBJECT_ARRAY, "array", array_make, array_destroy };
    struct actor *actor;
    int result = place_check(array);

    if (result == TROUPE_OK)
        result = world_enter(&actor);
    return result == TROUPE_OK ? names_open(actor, &named, name, options, &array->id) : result;
}

int troupe_array_length(troupe_array array, uint64_t *length)
{
    return home_count(array.id, OBJECT_ARRAY, SERVICE_ARRAY_LENGTH, array_length, length);
}

int troupe_array_pointer(troupe_array array, void **pointer)
{
    struct actor *actor;
    int result = world_enter(&actor);

    if (result == TROUPE_OK && pointer == NULL)
        result = fail(TROUPE_BAD_ARGUMENT, "array: no place for the pointer; pass one");
    if (result == TROUPE_OK && !home_is_here(array.id))
        result = fail(TROUPE_BAD_ARGUMENT,
                      "array: it lives on node %d and this is node %d: use troupe_array_get and "
                      "_set here",
                      handle_node(array.id), world_here.node);
    return result == TROUPE_OK ? array_pointer(actor, array.id, pointer) : result;
}

int troupe_array_get_lock(troupe_array array, troupe_lock *lock)
{
    if (lock == NULL)
        return fail(TROUPE_BAD_ARGUMENT, "array: no place for the lock's handle; pass a pointer");
    if (handle_kind(array.id) != OBJECT_ARRAY)
        return table_refuse(array.id, OBJECT_ARRAY);
    lock->id = array.id;
    return TROUPE_OK;
}

int troupe_array_destroy(troupe_array array)
{
    return home_end(array.id, OBJECT_ARRAY, SERVICE_ARRAY_DESTROY, array_destroy);
}

static int length_handler(struct actor *actor, const struct request *request, bool last,
                          struct answer *answer, struct bell **bell)
{
    (void)last, (void)bell;
    return array_length(actor, request->object, &answer->words[0]);
}

static int destroy_handler(struct actor *actor, const struct request *request, bool last,
                           struct answer *answer, struct bell **bell)
{
    (void)last, (void)answer, (void)bell;
    return array_destroy(actor, request->object);
}

void array_register(void)
{
    party_register(OBJECT_ARRAY, mutex_party_end);
    recover_register(RESUME_ARRAY_USE, array_end);
    recover_register(RESUME_ARRAY_LEAVE, array_end);
    service_register(SERVICE_ARRAY_GET, get_handler);
    service_register(SERVICE_ARRAY_SET, set_handler);
    service_register(SERVICE_ARRAY_ADD, add_handler);
    service_register(SERVICE_ARRAY_COMPARE_AND_SET, swap_handler);
    service_register(SERVICE_ARRAY_LENGTH, length_handler);
    service_register(SERVICE_ARRAY_DESTROY, destroy_handler);
}
