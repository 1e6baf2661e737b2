/* The public calls of semaphores, and the same calls from other nodes. */
#include "base/error.h"
#include "base/error.h"
#include "object/semaphore_local.h"
#include "object/sync.h"
#include "object/word.h"

/* ---- for other nodes -------------------------------------------------------------------- */

static int acquire_handler(struct actor *actor, const struct request *request, bool last,
                           struct answer *answer, struct bell **bell)
{
    struct record *record;
    int result = table_find(actor, request->object, OBJECT_SEMAPHORE, &record);

    (void)answer;
    if (result != TROUPE_OK)
        return result;
    word_touch(record);
    result = semaphore_try(record, request->object);
    if (result != TROUPE_TIMEOUT)
        return result;
    *bell = &record->bell;
    return last ? semaphore_is_empty() : SERVICE_PARK;
}

static int release_handler(struct actor *actor, const struct request *request, bool last,
                           struct answer *answer, struct bell **bell)
{
    (void)last, (void)answer, (void)bell;
    return semaphore_release(actor, request->object, request->words[0]);
}

static int value_handler(struct actor *actor, const struct request *request, bool last,
                         struct answer *answer, struct bell **bell)
{
    (void)last, (void)bell;
    return semaphore_value(actor, request->object, &answer->words[0]);
}

/* ---- the calls -------------------------------------------------------------------------- */

struct first {
    uint32_t value;
    const troupe_semaphore_options *options; /* may be NULL */
};

static int create(struct actor *actor, const void *options, uint64_t *handle)
{
    const struct first *first = options;

    return semaphore_make(actor, first->value,
                          first->options != NULL && first->options->bounded != 0, handle);
}

static int value_check(uint32_t value)
{
    return value <= TROUPE_SEMAPHORE_MOST
               ? TROUPE_OK
               : fail(TROUPE_BAD_ARGUMENT, "a semaphore's value of %u; the most is %u", value,
                      TROUPE_SEMAPHORE_MOST);
}

int troupe_semaphore_create(uint32_t value, const troupe_semaphore_options *options,
                            troupe_semaphore *semaphore)
{
    const struct first first = { value, options };
    struct actor *actor;
    int result = world_enter(&actor);

    if (result == TROUPE_OK)
        result = value_check(value);
    return result == TROUPE_OK ? create(actor, &first, &semaphore->id) : result;
}

int troupe_semaphore_open(const char *name, uint32_t value, const troupe_semaphore_options *options,
                          troupe_semaphore *semaphore)
{
    static const struct named named = { OBJECT_SEMAPHORE, "semaphore", create, sync_destroy_here };
    const struct first first = { value, options };
    int result = value_check(value);

    return result == TROUPE_OK ? sync_open(&named, name, &first, &semaphore->id) : result;
}

int troupe_semaphore_acquire(troupe_semaphore semaphore, long timeout_ms)
{
    struct request request = { .op = SERVICE_SEMAPHORE_ACQUIRE, .object = semaphore.id };
    struct actor *actor;
    int result = world_enter(&actor);

    if (result != TROUPE_OK)
        return result;
    return home_is_here(semaphore.id)
               ? semaphore_acquire(actor, semaphore.id, home_deadline(timeout_ms))
               : sync_ask(actor, OBJECT_SEMAPHORE, &request, home_deadline(timeout_ms), NULL);
}

int troupe_semaphore_release(troupe_semaphore semaphore, uint32_t n)
{
    struct request request = { .op = SERVICE_SEMAPHORE_RELEASE,
                               .object = semaphore.id,
                               .words = { n } };
    struct actor *actor;
    int result = world_enter(&actor);

    if (result != TROUPE_OK)
        return result;
    return home_is_here(semaphore.id)
               ? semaphore_release(actor, semaphore.id, n)
               : sync_ask(actor, OBJECT_SEMAPHORE, &request, BELL_NO_WAIT, NULL);
}

int troupe_semaphore_value(troupe_semaphore semaphore, uint32_t *value)
{
    uint64_t seen;
    int result =
        home_count(semaphore.id, OBJECT_SEMAPHORE, SERVICE_SEMAPHORE_VALUE, semaphore_value, &seen);

    if (result == TROUPE_OK)
        *value = (uint32_t)seen;
    return result;
}

int troupe_semaphore_destroy(troupe_semaphore semaphore)
{
    return sync_destroy(semaphore.id, OBJECT_SEMAPHORE);
}

void semaphore_register(void)
{
    service_register(SERVICE_SEMAPHORE_ACQUIRE, acquire_handler);
    service_register(SERVICE_SEMAPHORE_RELEASE, release_handler);
    service_register(SERVICE_SEMAPHORE_VALUE, value_handler);
}
