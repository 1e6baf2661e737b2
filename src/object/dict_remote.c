/* Requests to other nodes. */
#include "object/dict_remote.h"

#include "base/error.h"
#include "object/dict_onesided.h"

#include <stdlib.h>

int dict_malformed(const char *what)
{
    return fail(TROUPE_MISMATCH,
                "dict: another node sent %s that makes no sense; run the same version of Troupe on "
                "all nodes",
                what);
}

/* Lays views one behind the other; the caller frees the request's data. */
static int request_join(struct request *request, const troupe_bytes *views, size_t count)
{
    unsigned char *data, *next;

    request->size = 0;
    for (size_t i = 0; i < count; i++)
        request->size += views[i].size;
    request->data = next = data = malloc(request->size);
    if (data == NULL)
        return fail(TROUPE_NO_MEMORY, "dict: no memory for a message of %zu bytes", request->size);
    for (size_t i = 0; i < count; next += views[i++].size)
        if (views[i].size > 0)
            memcpy(next, views[i].data, views[i].size);
    return TROUPE_OK;
}

/* Asks a key's home, which knows the views by their sizes. */
static int ask_home(struct actor *actor, struct request *request, const struct dict_key *key,
                    const troupe_bytes *views, size_t count, uint64_t deadline,
                    struct answer *answer)
{
    int result = request_join(request, views, count);

    if (result != TROUPE_OK)
        return result;
    request->words[DICT_WORD_HASH] = key->hash;
    request->words[DICT_WORD_KEY] = key->size;
    result = service_call(actor, dict_home(key->hash), request, deadline, answer);
    free((void *)request->data);
    return result;
}

/* Takes over the value that came with an answer. A buffer that may grow gets the answer's own
 * memory. */
static int value_take(struct answer *answer, struct dict_buffer *value)
{
    value->size = answer->words[DICT_WORD_SIZE];
    if (answer->size != value->size || value->size > dict_buffer_most(value))
        return dict_malformed("a value");
    if (value->size > value->capacity) {
        free(value->data);
        value->data = answer->data;
        value->capacity = value->size;
        answer->data = NULL;
    } else if (value->size > 0)
        memcpy(value->data, answer->data, value->size);
    return TROUPE_OK;
}

/* ---- entries ---------------------------------------------------------------------------- */

int dict_remote_put(struct actor *actor, uint64_t handle, const struct dict_put *put)
{
    struct request request = { .op = SERVICE_DICT_SET, .object = handle };
    const troupe_bytes views[] = { troupe_bytes_of(put->key->data, put->key->size), put->expected,
                                   put->value };
    struct answer answer;

    request.words[DICT_WORD_WHEN] = put->when;
    request.words[DICT_WORD_EXPECTED] = put->expected.size;
    return ask_home(actor, &request, put->key, views, sizeof views / sizeof *views, BELL_NO_WAIT,
                    &answer);
}

int dict_remote_delete(struct actor *actor, uint64_t handle, const struct dict_key *key,
                       const troupe_bytes *expected)
{
    struct request request = { .op = SERVICE_DICT_DELETE, .object = handle };
    troupe_bytes views[2] = { troupe_bytes_of(key->data, key->size) };
    struct answer answer;

    if (expected != NULL)
        views[1] = *expected;
    request.words[DICT_WORD_WHEN] = expected != NULL ? DICT_IF_EQUAL : DICT_ALWAYS;
    return ask_home(actor, &request, key, views, sizeof views / sizeof *views, BELL_NO_WAIT,
                    &answer);
}

/* Asks for a value, which comes with the answer if it is at most so long. */
static int ask_value(struct actor *actor, struct request *request, const struct dict_key *key,
                     troupe_bytes with, struct dict_buffer *value, struct answer *answer)
{
    const troupe_bytes views[] = { troupe_bytes_of(key->data, key->size), with };
    int result;

    request->words[DICT_WORD_MOST] = dict_buffer_most(value);
    result =
        ask_home(actor, request, key, views, sizeof views / sizeof *views, BELL_NO_WAIT, answer);
    if (result == TROUPE_TOO_LONG)
        value->size = answer->words[DICT_WORD_SIZE];
    return result;
}

/* Get or pop. */
static int fetch(struct actor *actor, enum service_op op, uint64_t handle,
                 const struct dict_key *key, struct dict_buffer *value)
{
    struct request request = { .op = op, .object = handle };
    struct answer answer = { .size = 0 };
    int result = ask_value(actor, &request, key, troupe_bytes_of(NULL, 0), value, &answer);

    if (op == SERVICE_DICT_GET && dict_onesided_is_on())
        dict_onesided_learn(
            handle, key,
            &(struct dict_place){ answer.words[DICT_WORD_PLACE], answer.words[DICT_WORD_BYTES] });
    if (result == TROUPE_OK)
        result = value_take(&answer, value);
    free(answer.data);
    return result;
}

int dict_remote_fetch(struct actor *actor, uint64_t handle, const struct dict_key *key,
                      struct dict_buffer *value)
{
    int result = dict_onesided_is_on() ? dict_onesided_fetch(actor, handle, key, value) : DICT_ASK;

    return result != DICT_ASK ? result : fetch(actor, SERVICE_DICT_GET, handle, key, value);
}

int dict_remote_pop(struct actor *actor, uint64_t handle, const struct dict_key *key,
                    struct dict_buffer *value)
{
    return fetch(actor, SERVICE_DICT_POP, handle, key, value);
}

int dict_remote_add(struct actor *actor, uint64_t handle, const struct dict_key *key,
                    int64_t amount, int64_t *sum)
{
    struct request request = { .op = SERVICE_DICT_ADD, .object = handle };
    const troupe_bytes view = troupe_bytes_of(key->data, key->size);
    struct answer answer;
    int result;

    request.words[DICT_WORD_AMOUNT] = (uint64_t)amount;
    result = ask_home(actor, &request, key, &view, 1, BELL_NO_WAIT, &answer);
    if (result == TROUPE_OK)
        *sum = (int64_t)answer.words[DICT_WORD_SUM];
    return result;
}

/* Without patience it is a look like any other; else the request is parked at the key's home. */
int dict_remote_wait(struct actor *actor, uint64_t handle, const struct dict_key *key,
                     uint64_t deadline)
{
    struct request request = { .op = SERVICE_DICT_WAIT, .object = handle };
    const troupe_bytes view = troupe_bytes_of(key->data, key->size);
    struct answer answer;

    return ask_home(actor, &request, key, &view, 1, deadline, &answer);
}

int dict_remote_default(struct actor *actor, uint64_t handle, const struct dict_put *put,
                        struct dict_buffer *found, bool *stored)
{
    struct request request = { .op = SERVICE_DICT_DEFAULT, .object = handle };
    struct answer answer = { .size = 0 };
    int result = ask_value(actor, &request, put->key, put->value, found, &answer);

    *stored = result == TROUPE_OK && answer.words[DICT_WORD_STORED] != 0;
    if (result == TROUPE_OK && !*stored)
        result = value_take(&answer, found);
    free(answer.data);
    return result;
}

/* ---- the whole dict --------------------------------------------------------------------- */

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
        result = dict_malformed("an answer to next");
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
