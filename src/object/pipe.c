/* The public calls of pipes, and the same calls from other nodes. A process remembers the queues of
 * the ends it holds, so a send or a receive is a put or a get. */
#include "base/error.h"
#include "object/home.h"
#include "object/pipe.h"
#include "object/pipe_local.h"
#include "object/sync.h"
#include "object/wait.h"
#include "troupe/queue.h"

#include <stdlib.h>

/* What this thread's process held when the era began that it is noted with. */
#define SEEN 16
struct seen {
    uint64_t end;
    uint64_t era, party; /* a forked child finds its parent's notes */
    struct pipe_ways ways;
};
static _Thread_local struct seen seen[SEEN];
static _Atomic uint64_t closes; /* of this process */

/* Grows whenever the process may have let go of something. */
static uint64_t era_now(void)
{
    return 1 + party_run() + atomic_load_explicit(&closes, memory_order_relaxed);
}

/* ---- holding ---------------------------------------------------------------------------- */

static int hold_there(struct actor *actor, uint64_t handle, struct pipe_ways *ways)
{
    struct request request = { .op = SERVICE_PIPE_HOLD,
                               .object = handle,
                               .words = { party_of(actor) } };
    uint64_t words[SERVICE_WORDS];
    int result = sync_ask(actor, OBJECT_PIPE, &request, BELL_NO_WAIT, words);

    *ways = (struct pipe_ways){ words[0], words[1] };
    return result;
}

static int hold_handler(struct actor *actor, const struct request *request, bool last,
                        struct answer *answer, struct bell **bell)
{
    struct pipe_ways ways = { 0, 0 };
    int result = pipe_hold(actor, request->object, request->words[0], &ways);

    (void)last, (void)bell;
    answer->words[0] = ways.out;
    answer->words[1] = ways.in;
    return result;
}

static int pipe_use(struct actor *actor, uint64_t handle, struct pipe_ways *ways)
{
    struct seen *entry = &seen[handle % SEEN];
    int result;

    if (entry->end == handle && entry->era == era_now() && entry->party == party_of(actor)) {
        *ways = entry->ways;
        return TROUPE_OK;
    }
    result = home_is_here(handle) ? pipe_hold(actor, handle, party_of(actor), ways)
                                  : hold_there(actor, handle, ways);
    if (result != TROUPE_OK)
        return result;
    party_holds(actor, 1);
    *entry = (struct seen){ handle, era_now(), party_of(actor), *ways };
    return TROUPE_OK;
}

static int use(troupe_pipe end, struct pipe_ways *ways)
{
    struct actor *actor;
    int result = world_enter(&actor);

    return result == TROUPE_OK ? pipe_use(actor, end.id, ways) : result;
}

int troupe_pipe_hold(troupe_pipe end)
{
    struct pipe_ways ways;

    return use(end, &ways);
}

/* ---- talking ---------------------------------------------------------------------------- */

/* The queues' answers in words of pipes. */
static int in_words(int result)
{
    if (result == TROUPE_CLOSED)
        return fail(result, "the other end of the pipe is closed, or this one is");
    if (result == TROUPE_BAD_HANDLE)
        return fail(result, "the pipe was destroyed");
    return result;
}

int troupe_pipe_send(troupe_pipe end, const void *message, size_t size, long timeout_ms)
{
    struct pipe_ways ways;
    int result = use(end, &ways);

    if (result != TROUPE_OK)
        return result;
    if (ways.out == 0)
        return fail(TROUPE_BAD_ARGUMENT,
                    "this end of a one-way pipe receives; send from the other");
    return in_words(troupe_queue_put((troupe_queue){ ways.out }, message, size, timeout_ms));
}

static int only_sends(void)
{
    return fail(TROUPE_BAD_ARGUMENT, "this end of a one-way pipe sends; receive from the other");
}

int troupe_pipe_receive(troupe_pipe end, void *message, size_t capacity, size_t *size,
                        long timeout_ms)
{
    struct pipe_ways ways;
    int result = use(end, &ways);

    if (result != TROUPE_OK)
        return result;
    if (ways.in == 0)
        return only_sends();
    return in_words(
        troupe_queue_get((troupe_queue){ ways.in }, message, capacity, size, timeout_ms));
}

int troupe_pipe_poll(troupe_pipe end, long timeout_ms)
{
    size_t index;
    int result = troupe_wait(&end.id, 1, timeout_ms, &index);

    return result == TROUPE_TIMEOUT ? fail(TROUPE_EMPTY, "nothing came through the pipe in time")
                                    : in_words(result);
}

int pipe_receives_from(struct actor *actor, uint64_t handle, uint64_t *queue)
{
    struct pipe_ways ways;
    int result = pipe_use(actor, handle, &ways);

    if (result != TROUPE_OK)
        return result;
    *queue = ways.in;
    return ways.in != 0 ? TROUPE_OK : only_sends();
}

/* ---- making, ending --------------------------------------------------------------------- */

int troupe_pipe_create(const troupe_pipe_options *options, troupe_pipe *first, troupe_pipe *second)
{
    uint64_t ends[2];
    struct actor *actor;
    int result = world_enter(&actor);

    if (result == TROUPE_OK)
        result = pipe_make(actor, options, ends);
    if (result != TROUPE_OK)
        return result;
    first->id = ends[0];
    second->id = ends[1];
    return TROUPE_OK;
}

/* By a name the first end is found; the second one is asked for. */
static int named_make(struct actor *actor, const void *options, uint64_t *handle)
{
    uint64_t ends[2];
    int result = pipe_make(actor, options, ends);

    if (result == TROUPE_OK)
        *handle = ends[0];
    return result;
}

static int peer_find(struct actor *actor, uint64_t handle, uint64_t *peer)
{
    struct request request = { .op = SERVICE_PIPE_PEER, .object = handle };
    uint64_t words[SERVICE_WORDS];
    int result;

    if (home_is_here(handle))
        return pipe_peer(actor, handle, peer);
    result = sync_ask(actor, OBJECT_PIPE, &request, BELL_NO_WAIT, words);
    if (result == TROUPE_OK)
        *peer = words[0];
    return result;
}

static int peer_handler(struct actor *actor, const struct request *request, bool last,
                        struct answer *answer, struct bell **bell)
{
    (void)last, (void)bell;
    return pipe_peer(actor, request->object, &answer->words[0]);
}

/* A pipe that goes between the two steps has left its name to the next one: each round is another
 * pipe's end. */
int troupe_pipe_open(const char *name, const troupe_pipe_options *options, troupe_pipe *first,
                     troupe_pipe *second)
{
    static const struct named named = { OBJECT_PIPE, "pipe", named_make, pipe_destroy };
    uint64_t ends[2];
    struct actor *actor;
    int result = world_enter(&actor);

    if (result != TROUPE_OK)
        return result;
    do {
        result = names_open(actor, &named, name, options, &ends[0]);
        if (result == TROUPE_OK)
            result = peer_find(actor, ends[0], &ends[1]);
    } while (result == TROUPE_BAD_HANDLE);
    if (result != TROUPE_OK)
        return result;
    first->id = ends[0];
    second->id = ends[1];
    return TROUPE_OK;
}

static int close_handler(struct actor *actor, const struct request *request, bool last,
                         struct answer *answer, struct bell **bell)
{
    bool held = false;
    int result = pipe_close(actor, request->object, request->words[0], &held);

    (void)last, (void)bell;
    answer->words[0] = held;
    return result;
}

int troupe_pipe_close(troupe_pipe end)
{
    struct request request = { .op = SERVICE_PIPE_CLOSE, .object = end.id };
    uint64_t words[SERVICE_WORDS] = { 0 };
    struct actor *actor;
    bool held = false;
    int result = world_enter(&actor);

    if (result != TROUPE_OK)
        return result;
    request.words[0] = party_of(actor);
    atomic_fetch_add(&closes, 1);
    if (home_is_here(end.id))
        result = pipe_close(actor, end.id, request.words[0], &held);
    else
        result = sync_ask(actor, OBJECT_PIPE, &request, BELL_NO_WAIT, words);
    if (result == TROUPE_OK && (held || words[0] != 0))
        party_holds(actor, -1);
    return result;
}

static int destroy_handler(struct actor *actor, const struct request *request, bool last,
                           struct answer *answer, struct bell **bell)
{
    (void)last, (void)answer, (void)bell;
    return pipe_destroy(actor, request->object);
}

int troupe_pipe_destroy(troupe_pipe end)
{
    return home_end(end.id, OBJECT_PIPE, SERVICE_PIPE_DESTROY, pipe_destroy);
}

void pipe_register(void)
{
    party_register(OBJECT_PIPE, pipe_party_end);
    service_register(SERVICE_PIPE_HOLD, hold_handler);
    service_register(SERVICE_PIPE_CLOSE, close_handler);
    service_register(SERVICE_PIPE_DESTROY, destroy_handler);
    service_register(SERVICE_PIPE_PEER, peer_handler);
}
