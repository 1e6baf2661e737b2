/* The public calls of events, and the same calls from other nodes. */
#include "base/error.h"
#include "object/event_local.h"
#include "object/sync.h"
#include "object/word.h"

/* ---- for other nodes -------------------------------------------------------------------- */

static int change_handler(struct actor *actor, const struct request *request, bool last,
                          struct answer *answer, struct bell **bell)
{
    (void)last, (void)answer, (void)bell;
    return event_change(actor, request->object, request->words[0] != 0);
}

static int look_handler(struct actor *actor, const struct request *request, bool last,
                        struct answer *answer, struct bell **bell)
{
    (void)last, (void)bell;
    return event_value(actor, request->object, &answer->words[0]);
}

static int wait_handler(struct actor *actor, const struct request *request, bool last,
                        struct answer *answer, struct bell **bell)
{
    struct event_wait wait = { NULL, request->object, request->words[0] };
    int result = table_find(actor, request->object, OBJECT_EVENT, &wait.record);

    (void)answer;
    if (result != TROUPE_OK)
        return result;
    word_touch(wait.record);
    result = event_look(&wait);
    if (result != TROUPE_TIMEOUT)
        return result;
    *bell = &wait.record->bell;
    return last ? event_is_not_set() : SERVICE_PARK;
}

/* Two questions: the wait names the value that the first one saw. */
static int wait_there(struct actor *actor, uint64_t handle, uint64_t deadline)
{
    struct request request = { .op = SERVICE_EVENT_LOOK, .object = handle };
    uint64_t words[SERVICE_WORDS];
    int result = sync_ask(actor, OBJECT_EVENT, &request, BELL_NO_WAIT, words);

    if (result != TROUPE_OK || (words[0] & EVENT_SET) != 0)
        return result;
    if (deadline == BELL_NO_WAIT)
        return event_is_not_set();
    request.op = SERVICE_EVENT_WAIT;
    request.words[0] = words[0];
    return sync_ask(actor, OBJECT_EVENT, &request, deadline, NULL);
}

/* ---- the calls -------------------------------------------------------------------------- */

int troupe_event_create(troupe_event *event)
{
    struct actor *actor;
    int result = world_enter(&actor);

    return result == TROUPE_OK ? event_make(actor, &event->id) : result;
}

static int create(struct actor *actor, const void *options, uint64_t *handle)
{
    (void)options;
    return event_make(actor, handle);
}

int troupe_event_open(const char *name, troupe_event *event)
{
    static const struct named named = { OBJECT_EVENT, "event", create, sync_destroy_here };

    return sync_open(&named, name, NULL, &event->id);
}

static int change(uint64_t handle, bool set)
{
    struct request request = { .op = SERVICE_EVENT_CHANGE, .object = handle, .words = { set } };
    struct actor *actor;
    int result = world_enter(&actor);

    if (result != TROUPE_OK)
        return result;
    return home_is_here(handle) ? event_change(actor, handle, set)
                                : sync_ask(actor, OBJECT_EVENT, &request, BELL_NO_WAIT, NULL);
}

int troupe_event_set(troupe_event event)
{
    return change(event.id, true);
}

int troupe_event_clear(troupe_event event)
{
    return change(event.id, false);
}

int troupe_event_is_set(troupe_event event, int *is_set)
{
    uint64_t value;
    int result = home_count(event.id, OBJECT_EVENT, SERVICE_EVENT_LOOK, event_value, &value);

    if (result == TROUPE_OK)
        *is_set = (value & EVENT_SET) != 0;
    return result;
}

int troupe_event_wait(troupe_event event, long timeout_ms)
{
    struct actor *actor;
    int result = world_enter(&actor);

    if (result != TROUPE_OK)
        return result;
    return home_is_here(event.id) ? event_await(actor, event.id, home_deadline(timeout_ms))
                                  : wait_there(actor, event.id, home_deadline(timeout_ms));
}

int troupe_event_destroy(troupe_event event)
{
    return sync_destroy(event.id, OBJECT_EVENT);
}

void event_register(void)
{
    service_register(SERVICE_EVENT_CHANGE, change_handler);
    service_register(SERVICE_EVENT_LOOK, look_handler);
    service_register(SERVICE_EVENT_WAIT, wait_handler);
}
