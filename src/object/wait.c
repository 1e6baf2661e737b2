/* Waiting for the first of several things.
 *
 * What always holds: before its last look at the items, a waiter watches the bell of each: on its
 * own node as one of the bell's watchers (core/bell.h), whose doorbell a ring passes on; on another
 * node by a request that stays there and is answered by a ring of the doorbell. So a change is
 * either seen by that look, or rings. Nothing is taken from an item: what was ready may be gone
 * when the caller comes to it. */
#include "object/wait.h"

#include "base/error.h"
#include "core/lock.h"
#include "core/party.h"
#include "object/event_local.h"
#include "object/home.h"
#include "object/pipe.h"
#include "object/process.h"
#include "object/queue_local.h"
#include "object/word.h"
#include "troupe/wait.h"

#include <stdlib.h>
#include <string.h>

#define RINGS 64u /* bits of a slot's `rung`: items of other nodes share them */
#define AGAIN 1   /* an item of another node rang: ask it */

struct waiting {
    uint64_t *items; /* [count] with the queue of an end of a pipe in its place */
    size_t count;
    struct bell **bells; /* [count] watched on this node */
    size_t index;
    uint64_t rung;
};

/* ---- one item, on its node --------------------------------------------------------------- */

static int process_look(struct actor *actor, uint64_t handle, bool sure)
{
    struct record *record;
    int result = table_find(actor, handle, OBJECT_PROCESS, &record);

    if (result != TROUPE_OK)
        return result;
    if (sure)
        lock_touch(&record->lock);
    return atomic_load(&process_of(record)->state) >= TROUPE_STATE_DONE ? TROUPE_OK
                                                                        : TROUPE_TIMEOUT;
}

static int event_is_set(struct actor *actor, uint64_t handle, bool sure)
{
    struct record *record;
    int result = table_find(actor, handle, OBJECT_EVENT, &record);

    if (result != TROUPE_OK)
        return result;
    if (sure)
        word_touch(record);
    return (word_value(atomic_load(&record->word)) & EVENT_SET) != 0 ? TROUPE_OK : TROUPE_TIMEOUT;
}

static int queue_look(struct actor *actor, uint64_t handle, bool sure)
{
    bool ready = false;
    int result = queue_ready(actor, handle, sure, &ready);

    return result != TROUPE_OK || ready ? result : TROUPE_TIMEOUT;
}

/* TROUPE_OK: it is ready; TROUPE_TIMEOUT, without a sentence: it is not. sure: the caller watches
 * its bell, and will sleep. */
static int look(struct actor *actor, uint64_t handle, bool sure)
{
    switch (handle_kind(handle)) {
    case OBJECT_QUEUE:
        return queue_look(actor, handle, sure);
    case OBJECT_PROCESS:
        return process_look(actor, handle, sure);
    case OBJECT_EVENT:
        return event_is_set(actor, handle, sure);
    default:
        return fail(TROUPE_BAD_HANDLE,
                    "handle %016llx cannot be waited for; pass those of queues, pipes, processes "
                    "and events",
                    (unsigned long long)handle);
    }
}

/* The bell that rings when the item may have become ready; NULL: it is gone. */
static struct bell *bell_of(struct actor *actor, uint64_t handle)
{
    struct record *record;

    if (handle_kind(handle) == OBJECT_QUEUE)
        return queue_arrivals(actor, handle);
    return table_find(actor, handle, handle_kind(handle), &record) == TROUPE_OK ? &record->bell
                                                                                : NULL;
}

static int is_late(void)
{
    return fail(TROUPE_TIMEOUT, "none of the items was ready in time");
}

/* ---- for other nodes -------------------------------------------------------------------- */

static int wait_handler(struct actor *actor, const struct request *request, bool last,
                        struct answer *answer, struct bell **bell)
{
    int result = look(actor, request->object, true);

    (void)answer;
    if (result != TROUPE_TIMEOUT)
        return result;
    *bell = bell_of(actor, request->object);
    if (*bell == NULL)
        return TROUPE_BAD_HANDLE;
    return last ? is_late() : SERVICE_PARK;
}

/* The same for a caller that waits for others, too: it is told at once, and rung for later. */
static int watch_handler(struct actor *actor, const struct request *request, bool last,
                         struct answer *answer, struct bell **bell)
{
    int result = wait_handler(actor, request, false, answer, bell);

    (void)last;
    return result == SERVICE_PARK ? SERVICE_WATCH : result;
}

static int ask(struct actor *actor, enum service_op op, uint64_t item, size_t index,
               uint64_t deadline)
{
    struct request request = { .op = op, .object = item, .words = { index } };
    struct answer answer;
    int result = home_ask(actor, handle_kind(item), &request, deadline, &answer);

    free(answer.data);
    return result;
}

/* ---- one item --------------------------------------------------------------------------- */

struct one {
    uint64_t item;
    struct bell *bell;
};

/* A message wakes one sleeper. Who only looks leaves it to the next one, and that while its slot
 * names the bell: should it die before, recovery rings. */
static int attempt_one(struct actor *actor, void *context)
{
    const struct one *one = context;
    bool announced = bell_announced(actor);
    int result = look(actor, one->item, announced);

    if (result != TROUPE_TIMEOUT && announced)
        bell_pass(one->bell);
    return result;
}

static int wait_one(struct actor *actor, uint64_t item, uint64_t deadline)
{
    struct one one = { .item = item };
    int result;

    if (!home_is_here(item))
        return ask(actor, SERVICE_WAIT, item, 0, deadline);
    result = look(actor, item, false);
    if (result != TROUPE_TIMEOUT)
        return result;
    one.bell = bell_of(actor, item);
    return one.bell != NULL
               ? bell_await(actor, one.bell, deadline, TROUPE_TIMEOUT, attempt_one, &one)
               : look(actor, item, false);
}

/* ---- several ---------------------------------------------------------------------------- */

static int scan_here(struct actor *actor, struct waiting *waiting, bool sure)
{
    for (size_t i = 0; i < waiting->count; i++) {
        int result =
            home_is_here(waiting->items[i]) ? look(actor, waiting->items[i], sure) : TROUPE_TIMEOUT;

        if (result != TROUPE_TIMEOUT) {
            waiting->index = i;
            return result;
        }
    }
    return TROUPE_TIMEOUT;
}

/* Asks the other nodes' items that `which` names; those that are not ready will ring. */
static int ask_elsewhere(struct actor *actor, struct waiting *waiting, uint64_t which, bool watch)
{
    for (size_t i = 0; i < waiting->count; i++) {
        int result;

        if (home_is_here(waiting->items[i]) || (which >> i % RINGS & 1) == 0)
            continue;
        party_abroad(actor, handle_node(waiting->items[i]));
        result = ask(actor, watch ? SERVICE_WAIT_WATCH : SERVICE_WAIT, waiting->items[i], i,
                     BELL_NO_WAIT);
        if (result != TROUPE_TIMEOUT && result != SERVICE_WATCH) {
            waiting->index = i;
            return result;
        }
    }
    return TROUPE_TIMEOUT;
}

static void watch_here(struct actor *actor, struct waiting *waiting)
{
    atomic_store(&actor->slot->rung, 0);
    atomic_store(&actor->slot->watching, 1);
    for (size_t i = 0; i < waiting->count; i++) {
        if (home_is_here(waiting->items[i]))
            waiting->bells[i] = bell_of(actor, waiting->items[i]);
        if (waiting->bells[i] != NULL)
            bell_watch(actor, waiting->bells[i]);
    }
}

static bool node_was_told(const struct waiting *waiting, size_t item)
{
    for (size_t i = 0; i < item; i++)
        if (handle_node(waiting->items[i]) == handle_node(waiting->items[item]))
            return true;
    return false;
}

static void unwatch(struct actor *actor, const struct waiting *waiting)
{
    for (size_t i = 0; i < waiting->count; i++) {
        if (waiting->bells[i] != NULL)
            bell_unwatch(actor, waiting->bells[i]);
        if (!home_is_here(waiting->items[i]) && !node_was_told(waiting, i))
            ask(actor, SERVICE_UNWATCH, waiting->items[i], 0, BELL_NO_WAIT);
    }
    atomic_store(&actor->slot->watching, 0);
}

static int attempt_any(struct actor *actor, void *context)
{
    struct waiting *waiting = context;
    int result = scan_here(actor, waiting, bell_announced(actor));

    if (result != TROUPE_TIMEOUT)
        return result;
    waiting->rung = atomic_exchange(&actor->slot->rung, 0);
    return waiting->rung != 0 ? AGAIN : TROUPE_TIMEOUT;
}

static int wait_watching(struct actor *actor, struct waiting *waiting, uint64_t deadline)
{
    int result = ask_elsewhere(actor, waiting, UINT64_MAX, true);

    if (result != TROUPE_TIMEOUT)
        return result;
    do {
        result = bell_await(actor, &actor->slot->doorbell, deadline, TROUPE_TIMEOUT, attempt_any,
                            waiting);
        if (result != AGAIN)
            return result;
        result = ask_elsewhere(actor, waiting, waiting->rung, true);
    } while (result == TROUPE_TIMEOUT);
    return result;
}

static int wait_any(struct actor *actor, struct waiting *waiting, uint64_t deadline)
{
    int result = scan_here(actor, waiting, false);

    if (result != TROUPE_TIMEOUT)
        return result;
    if (deadline == BELL_NO_WAIT)
        return ask_elsewhere(actor, waiting, UINT64_MAX, false);
    watch_here(actor, waiting);
    result = wait_watching(actor, waiting, deadline);
    unwatch(actor, waiting);
    return result;
}

/* ---- the call --------------------------------------------------------------------------- */

/* Puts in the place of an end of a pipe the queue that it receives from. */
static int items_resolve(struct actor *actor, struct waiting *waiting)
{
    for (size_t i = 0; i < waiting->count; i++) {
        int result = TROUPE_OK;

        waiting->index = i;
        if (handle_kind(waiting->items[i]) == OBJECT_PIPE)
            result = pipe_receives_from(actor, waiting->items[i], &waiting->items[i]);
        if (result == TROUPE_OK && handle_node(waiting->items[i]) >= world_here.nodes)
            result = table_refuse(waiting->items[i], OBJECT_QUEUE);
        if (result != TROUPE_OK)
            return result;
    }
    return TROUPE_OK;
}

static int wait_for(struct actor *actor, struct waiting *waiting, uint64_t deadline)
{
    int result = items_resolve(actor, waiting);

    if (result != TROUPE_OK)
        return result;
    waiting->index = 0;
    result = waiting->count == 1 ? wait_one(actor, waiting->items[0], deadline)
                                 : wait_any(actor, waiting, deadline);
    return result == TROUPE_TIMEOUT ? is_late() : result;
}

int wait_first(struct actor *actor, const uint64_t *items, size_t count, uint64_t deadline,
               size_t *index)
{
    struct waiting waiting = { .items = malloc(count * sizeof *items),
                               .count = count,
                               .bells = calloc(count, sizeof(struct bell *)) };
    int result;

    if (waiting.items != NULL && waiting.bells != NULL) {
        memcpy(waiting.items, items, count * sizeof *items);
        result = wait_for(actor, &waiting, deadline);
    } else
        result = fail(TROUPE_NO_MEMORY, "no memory to wait for %zu items", count);
    if (result == TROUPE_OK || result == TROUPE_BAD_HANDLE)
        *index = waiting.index;
    free(waiting.items);
    free(waiting.bells);
    return result;
}

int troupe_wait(const uint64_t *items, size_t count, long timeout_ms, size_t *index)
{
    struct actor *actor;
    size_t first;
    int result = world_enter(&actor);

    if (result != TROUPE_OK)
        return result;
    if (items == NULL || count == 0)
        return fail(TROUPE_BAD_ARGUMENT, "nothing to wait for; pass at least one item");
    return wait_first(actor, items, count, home_deadline(timeout_ms),
                      index != NULL ? index : &first);
}

void wait_register(void)
{
    service_register(SERVICE_WAIT, wait_handler);
    service_register(SERVICE_WAIT_WATCH, watch_handler);
}
