/* What a node answers to others about its share. Handlers run in the service's thread; they never
 * wait. A request comes from another process: its sizes are checked before they are used. */
#include "base/error.h"
#include "core/ledger.h"
#include "core/recover.h"
#include "object/dict.h"
#include "object/dict_many.h"
#include "object/dict_remote.h"
#include "object/dict_seal.h"

#include <stdlib.h>

#define GUESS_BYTES ((uint64_t)512)

/* A request to one key. */
struct asked {
    struct share share;
    struct dict_key key;
    troupe_bytes rest; /* of the data, behind the key */
};

static int asked_read(struct actor *actor, const struct request *request, struct asked *asked)
{
    uint64_t size = request->words[DICT_WORD_KEY];
    int result = dict_share_find(actor, request->object, &asked->share);

    if (result != TROUPE_OK)
        return result;
    if (size < 1 || size > TROUPE_KEY_MAX || size > request->size)
        return dict_malformed("a request");
    asked->key.data = request->data;
    asked->key.size = size;
    asked->key.hash = request->words[DICT_WORD_HASH];
    asked->rest =
        troupe_bytes_of((const unsigned char *)request->data + size, request->size - size);
    return TROUPE_OK;
}

/* Leaves a value in the answer, or nothing of it unless all went well. */
static int answer_value(struct dict_buffer *value, int result, struct answer *answer)
{
    answer->words[DICT_WORD_SIZE] = value->size;
    if (result != TROUPE_OK || value->size == 0) {
        free(value->data);
        return result;
    }
    answer->data = value->data;
    answer->size = value->size;
    return TROUPE_OK;
}

/* ---- one entry -------------------------------------------------------------------------- */

static int serve_set(struct actor *actor, const struct request *request, bool last,
                     struct answer *answer, struct bell **bell)
{
    size_t expected = request->words[DICT_WORD_EXPECTED];
    struct dict_put put;
    struct asked asked;
    int result = asked_read(actor, request, &asked);

    (void)last, (void)answer, (void)bell;
    if (result != TROUPE_OK)
        return result;
    if (request->words[DICT_WORD_WHEN] > DICT_IF_EQUAL || expected > asked.rest.size)
        return dict_malformed("a value to set");
    put.key = &asked.key;
    put.when = (enum dict_when)request->words[DICT_WORD_WHEN];
    put.expected = troupe_bytes_of(asked.rest.data, expected);
    put.value = troupe_bytes_of((const unsigned char *)asked.rest.data + expected,
                                asked.rest.size - expected);
    return dict_share_put(&asked.share, &put);
}

static int serve_default(struct actor *actor, const struct request *request, bool last,
                         struct answer *answer, struct bell **bell)
{
    struct dict_buffer found = { .most = request->words[DICT_WORD_MOST] };
    struct asked asked;
    bool stored = false;
    int result = asked_read(actor, request, &asked);

    (void)last, (void)bell;
    if (result == TROUPE_OK) {
        struct dict_put put = { .key = &asked.key, .value = asked.rest, .when = DICT_IF_ABSENT };

        ledger_word(actor, DICT_WORD_STORED, 1); /* if it is, that is the effect */
        result = dict_share_default(&asked.share, &put, &found, &stored);
    }
    if (stored)
        found.size = 0;
    answer->words[DICT_WORD_STORED] = stored;
    return answer_value(&found, result, answer);
}

static int serve_delete(struct actor *actor, const struct request *request, bool last,
                        struct answer *answer, struct bell **bell)
{
    bool always = request->words[DICT_WORD_WHEN] == DICT_ALWAYS;
    struct asked asked;
    int result = asked_read(actor, request, &asked);

    (void)last, (void)answer, (void)bell;
    if (result != TROUPE_OK)
        return result;
    return dict_share_delete(&asked.share, &asked.key, always ? NULL : &asked.rest);
}

/* Room for most values beforehand: a look that tells the size alone costs as much as one that reads
 * the value, too. Without memory the look tells the size. */
static void room_guess(struct dict_buffer *value)
{
    size_t guess = value->most < GUESS_BYTES ? value->most : GUESS_BYTES;

    value->data = malloc(guess);
    value->capacity = value->data != NULL ? guess : 0;
}

/* Get and pop, which differ in what they leave behind. */
static int fetch(struct actor *actor, const struct request *request, dict_attempt attempt,
                 struct answer *answer)
{
    struct dict_buffer value = { .most = request->words[DICT_WORD_MOST] };
    struct asked asked;
    int result = asked_read(actor, request, &asked);

    room_guess(&value);
    if (result == TROUPE_OK)
        result = attempt(&asked.share, &asked.key, &value);
    return answer_value(&value, result, answer);
}

/* Tells the reader where it may look by itself the next time. */
static void answer_place(struct actor *actor, const struct request *request, struct answer *answer)
{
    struct dict_place place;
    struct asked asked;

    if (asked_read(actor, request, &asked) != TROUPE_OK)
        return;
    dict_share_locate(&asked.share, &asked.key, &place);
    answer->words[DICT_WORD_PLACE] = place.offset;
    answer->words[DICT_WORD_BYTES] = place.bytes;
}

static int serve_get(struct actor *actor, const struct request *request, bool last,
                     struct answer *answer, struct bell **bell)
{
    int result = fetch(actor, request, dict_share_fetch, answer);

    (void)last, (void)bell;
    if (seals_are_on(&actor->arena) && (result == TROUPE_OK || result == TROUPE_TOO_LONG))
        answer_place(actor, request, answer);
    return result;
}

static int serve_pop(struct actor *actor, const struct request *request, bool last,
                     struct answer *answer, struct bell **bell)
{
    (void)last, (void)bell;
    return fetch(actor, request, dict_share_pop, answer);
}

static int serve_add(struct actor *actor, const struct request *request, bool last,
                     struct answer *answer, struct bell **bell)
{
    struct asked asked;
    int64_t sum = 0;
    int result = asked_read(actor, request, &asked);

    (void)last, (void)bell;
    if (result == TROUPE_OK)
        result = dict_share_add(&asked.share, &asked.key, (int64_t)request->words[DICT_WORD_AMOUNT],
                                &sum);
    answer->words[DICT_WORD_SUM] = (uint64_t)sum;
    return result;
}

static int serve_wait(struct actor *actor, const struct request *request, bool last,
                      struct answer *answer, struct bell **bell)
{
    struct bell *next;
    struct asked asked;
    int result = asked_read(actor, request, &asked);

    (void)answer;
    if (result == TROUPE_OK)
        result = dict_share_wait_try(&asked.share, &asked.key, &next);
    if (result != TROUPE_TIMEOUT || last)
        return result;
    *bell = next;
    return SERVICE_PARK;
}

/* ---- next ------------------------------------------------------------------------------- */

/* The next entry in memory of our own, if its parts are at most so large. */
static int entry_fetch(const struct share *share, struct dict_position *position,
                       struct dict_buffer *key, struct dict_buffer *value)
{
    int result = dict_share_next(share, position, key, value);

    while (result == TROUPE_TOO_LONG && key->size <= key->most && value->size <= value->most) {
        result = key->size > key->capacity ? dict_buffer_grow(key) : TROUPE_OK;
        if (result == TROUPE_OK && value->size > value->capacity)
            result = dict_buffer_grow(value);
        if (result == TROUPE_OK)
            result = dict_share_next(share, position, key, value);
    }
    return result;
}

static int answer_join(const struct dict_buffer *key, const struct dict_buffer *value,
                       struct answer *answer)
{
    answer->size = key->size + value->size;
    answer->data = malloc(answer->size);
    if (answer->data == NULL)
        return fail(TROUPE_NO_MEMORY, "dict: no memory for %zu bytes of an answer", answer->size);
    memcpy(answer->data, key->data, key->size);
    if (value->size > 0)
        memcpy((unsigned char *)answer->data + key->size, value->data, value->size);
    return TROUPE_OK;
}

static int serve_next(struct actor *actor, const struct request *request, bool last,
                      struct answer *answer, struct bell **bell)
{
    struct dict_position position = { request->words[0], request->words[1] };
    struct dict_buffer key = { .most = request->words[2] }, value = { .most = request->words[3] };
    struct share share;
    int result = dict_share_find(actor, request->object, &share);

    (void)last, (void)bell;
    if (result != TROUPE_OK)
        return result;
    result = entry_fetch(&share, &position, &key, &value);
    answer->words[0] = position.place;
    answer->words[1] = position.order;
    answer->words[2] = key.size;
    answer->words[3] = value.size;
    if (result == TROUPE_OK)
        result = answer_join(&key, &value, answer);
    free(key.data);
    free(value.data);
    return result;
}

/* ---- the whole dict --------------------------------------------------------------------- */

static int serve_size(struct actor *actor, const struct request *request, bool last,
                      struct answer *answer, struct bell **bell)
{
    struct share share;
    int result = dict_share_find(actor, request->object, &share);

    (void)last, (void)bell;
    return result == TROUPE_OK ? dict_share_size(&share, &answer->words[0]) : result;
}

static int serve_clear(struct actor *actor, const struct request *request, bool last,
                       struct answer *answer, struct bell **bell)
{
    struct share share;
    int result = dict_share_find(actor, request->object, &share);

    (void)last, (void)bell;
    answer->words[0] = request->words[0];
    return result == TROUPE_OK ? dict_share_clear(&share, &answer->words[0]) : result;
}

static int serve_create(struct actor *actor, const struct request *request, bool last,
                        struct answer *answer, struct bell **bell)
{
    struct record *record;
    uint64_t handle;

    (void)last, (void)answer, (void)bell;
    if (ledger_again(actor) &&
        table_find(actor, request->object, OBJECT_DICT, &record) == TROUPE_OK)
        return TROUPE_OK;
    return dict_share_create(actor, request->object, request->words[0], &handle);
}

static int serve_destroy(struct actor *actor, const struct request *request, bool last,
                         struct answer *answer, struct bell **bell)
{
    (void)last, (void)answer, (void)bell;
    return dict_share_destroy(actor, request->object);
}

void dict_register(void)
{
    recover_register(RESUME_DICT_END, dict_share_end);
    service_register(SERVICE_DICT_CREATE, serve_create);
    service_register(SERVICE_DICT_SET, serve_set);
    service_register(SERVICE_DICT_DEFAULT, serve_default);
    service_register(SERVICE_DICT_GET, serve_get);
    service_register(SERVICE_DICT_DELETE, serve_delete);
    service_register(SERVICE_DICT_POP, serve_pop);
    service_register(SERVICE_DICT_ADD, serve_add);
    service_register(SERVICE_DICT_WAIT, serve_wait);
    service_register(SERVICE_DICT_CLEAR, serve_clear);
    service_register(SERVICE_DICT_GET_MANY, dict_serve_get_many);
    service_register(SERVICE_DICT_SET_MANY, dict_serve_set_many);
    service_register(SERVICE_DICT_SIZE, serve_size);
    service_register(SERVICE_DICT_NEXT, serve_next);
    service_register(SERVICE_DICT_DESTROY, serve_destroy);
}
