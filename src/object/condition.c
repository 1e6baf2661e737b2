/* The public calls of conditions, and the same calls from other nodes. */
#include "base/clock.h"
#include "base/error.h"
#include "core/recover.h"
#include "core/root.h"
#include "object/condition_local.h"
#include "object/sync.h"
#include "object/word.h"

#include <string.h>

#define NOTIFY_ALL UINT64_MAX

static struct request request_make(const struct actor *actor, enum service_op op, uint64_t handle)
{
    struct mutex_holder holder = mutex_holder_of(actor);

    return (struct request){ .op = op, .object = handle, .words = { holder.party, holder.thread } };
}

static struct mutex_holder holder_in(const struct request *request)
{
    return (struct mutex_holder){ request->words[0], request->words[1] };
}

/* ---- making ----------------------------------------------------------------------------- */

static int create_handler(struct actor *actor, const struct request *request, bool last,
                          struct answer *answer, struct bell **bell)
{
    (void)last, (void)bell;
    return condition_make(actor, request->object, &answer->words[0]);
}

int troupe_condition_create(const troupe_condition_options *options, troupe_condition *condition)
{
    struct request request = { .op = SERVICE_CONDITION_CREATE };
    uint64_t words[SERVICE_WORDS];
    struct actor *actor;
    int result = world_enter(&actor);

    if (result != TROUPE_OK)
        return result;
    request.object = options != NULL ? options->lock.id : 0;
    if (request.object == 0 || home_is_here(request.object))
        return condition_make(actor, request.object, &condition->id);
    result = sync_ask(actor, OBJECT_LOCK, &request, BELL_NO_WAIT, words);
    if (result == TROUPE_OK)
        condition->id = words[0];
    return result;
}

static int create(struct actor *actor, const void *options, uint64_t *handle)
{
    (void)options;
    return condition_make(actor, 0, handle);
}

int troupe_condition_open(const char *name, troupe_condition *condition)
{
    static const struct named named = { OBJECT_CONDITION, "condition", create, condition_destroy };

    return sync_open(&named, name, NULL, &condition->id);
}

/* ---- its lock --------------------------------------------------------------------------- */

static int acquire_here(struct actor *actor, uint64_t handle, uint64_t deadline)
{
    struct mutex_holder holder = mutex_holder_of(actor);
    struct record *lock;
    uint64_t lock_handle;
    int result = condition_lock_find(actor, handle, &lock, &lock_handle);

    return result == TROUPE_OK ? mutex_acquire(actor, lock, lock_handle, &holder, deadline)
                               : result;
}

static int acquire_handler(struct actor *actor, const struct request *request, bool last,
                           struct answer *answer, struct bell **bell)
{
    struct mutex_holder holder = holder_in(request);
    struct record *lock;
    uint64_t lock_handle;
    int result = condition_lock_find(actor, request->object, &lock, &lock_handle);

    (void)answer;
    if (result != TROUPE_OK)
        return result;
    word_touch(lock);
    result = mutex_try(lock, lock_handle, &holder);
    if (result != TROUPE_TIMEOUT)
        return result;
    *bell = &lock->bell;
    return last ? fail(result, "somebody else holds the condition's lock") : SERVICE_PARK;
}

static int acquire(struct actor *actor, uint64_t handle, uint64_t deadline)
{
    struct request request = request_make(actor, SERVICE_CONDITION_ACQUIRE, handle);

    return home_is_here(handle) ? acquire_here(actor, handle, deadline)
                                : sync_ask(actor, OBJECT_CONDITION, &request, deadline, NULL);
}

int troupe_condition_acquire(troupe_condition condition, long timeout_ms)
{
    struct actor *actor;
    int result = world_enter(&actor);

    if (result == TROUPE_OK)
        result = acquire(actor, condition.id, home_deadline(timeout_ms));
    if (result == TROUPE_OK || result == TROUPE_OWNER_DIED)
        party_holds(actor, 1);
    return result;
}

static int release_here(struct actor *actor, uint64_t handle, const struct mutex_holder *holder,
                        bool *own)
{
    struct record *lock;
    uint64_t lock_handle;
    int result = condition_lock_find(actor, handle, &lock, &lock_handle);

    return result == TROUPE_OK ? mutex_release(actor, lock, lock_handle, holder, own) : result;
}

static int release_handler(struct actor *actor, const struct request *request, bool last,
                           struct answer *answer, struct bell **bell)
{
    struct mutex_holder holder = holder_in(request);
    bool own = false;
    int result = release_here(actor, request->object, &holder, &own);

    (void)last, (void)bell;
    answer->words[0] = own;
    return result;
}

int troupe_condition_release(troupe_condition condition)
{
    struct actor *actor;
    uint64_t words[SERVICE_WORDS] = { 0 };
    struct request request;
    struct mutex_holder holder;
    bool own = false;
    int result = world_enter(&actor);

    if (result != TROUPE_OK)
        return result;
    holder = mutex_holder_of(actor);
    request = request_make(actor, SERVICE_CONDITION_RELEASE, condition.id);
    if (home_is_here(condition.id))
        result = release_here(actor, condition.id, &holder, &own);
    else
        result = sync_ask(actor, OBJECT_CONDITION, &request, BELL_NO_WAIT, words);
    if (result == TROUPE_OK && (own || words[0] != 0))
        party_holds(actor, -1);
    return result;
}

/* ---- waiting ---------------------------------------------------------------------------- */

/* The last part of a wait: out of the chain, with what the lock's taking came to. */
static int come_back(struct actor *actor, const struct condition_wait *wait, int acquired)
{
    int left = acquired == TROUPE_OK || acquired == TROUPE_OWNER_DIED ? condition_leave(actor, wait)
                                                                      : acquired;

    return acquired == TROUPE_OWNER_DIED && (left == TROUPE_OK || left == TROUPE_TIMEOUT)
               ? fail(acquired, "the lock is yours, but its last holder died with it: look at "
                                "what it guards")
               : left;
}

static int wait_here(struct actor *actor, uint64_t handle, uint64_t deadline)
{
    struct condition_wait wait = { .handle = handle,
                                   .holder = mutex_holder_of(actor),
                                   .slot = actor->number };
    int result = condition_enter(actor, &wait);

    if (result != TROUPE_OK)
        return result;
    result = condition_sleep(actor, &wait, deadline);
    if (result == TROUPE_OK || result == TROUPE_TIMEOUT)
        result = come_back(actor, &wait, acquire_here(actor, handle, CLOCK_FOREVER));
    if (result == TROUPE_CANCELLED)
        condition_abandon(actor, &wait);
    return result;
}

static int enter_handler(struct actor *actor, const struct request *request, bool last,
                         struct answer *answer, struct bell **bell)
{
    struct condition_wait wait = { .handle = request->object, .holder = holder_in(request) };
    int result = condition_enter(actor, &wait);

    (void)last, (void)bell;
    answer->words[0] = wait.ticket;
    answer->words[1] = wait.depth;
    return result;
}

static struct condition_wait wait_in(const struct request *request)
{
    return (struct condition_wait){ .handle = request->object,
                                    .holder = holder_in(request),
                                    .ticket = request->words[2],
                                    .depth = request->words[3] };
}

static int wait_handler(struct actor *actor, const struct request *request, bool last,
                        struct answer *answer, struct bell **bell)
{
    struct condition_wait wait = wait_in(request);
    int result = condition_look(actor, &wait);

    (void)answer;
    if (result != TROUPE_TIMEOUT || last)
        return result;
    *bell = condition_bell(actor, &wait);
    return *bell != NULL ? SERVICE_PARK : TROUPE_BAD_HANDLE;
}

/* Takes the lock and leaves the chain in one step: nobody dies in between but the service. */
static int return_handler(struct actor *actor, const struct request *request, bool last,
                          struct answer *answer, struct bell **bell)
{
    struct condition_wait wait = wait_in(request);
    int result = acquire_handler(actor, request, last, answer, bell);

    return result == SERVICE_PARK ? result : come_back(actor, &wait, result);
}

static int abandon_handler(struct actor *actor, const struct request *request, bool last,
                           struct answer *answer, struct bell **bell)
{
    struct condition_wait wait = wait_in(request);

    (void)last, (void)answer, (void)bell;
    return condition_abandon(actor, &wait);
}

/* Three questions: into the chain, until notified, and back with the lock. */
static int wait_there(struct actor *actor, uint64_t handle, uint64_t deadline)
{
    struct request request = request_make(actor, SERVICE_CONDITION_ENTER, handle);
    uint64_t words[SERVICE_WORDS];
    int result = sync_ask(actor, OBJECT_CONDITION, &request, BELL_NO_WAIT, words);

    if (result != TROUPE_OK)
        return result;
    request.op = SERVICE_CONDITION_WAIT;
    request.words[2] = words[0];
    request.words[3] = words[1];
    result = sync_ask(actor, OBJECT_CONDITION, &request, deadline, NULL);
    if (result == TROUPE_OK || result == TROUPE_TIMEOUT) {
        request.op = SERVICE_CONDITION_RETURN;
        result = sync_ask(actor, OBJECT_CONDITION, &request, CLOCK_FOREVER, NULL);
    }
    if (result == TROUPE_CANCELLED) {
        request.op = SERVICE_CONDITION_ABANDON;
        sync_ask(actor, OBJECT_CONDITION, &request, BELL_NO_WAIT, NULL);
    }
    return result;
}

int troupe_condition_wait(troupe_condition condition, long timeout_ms)
{
    struct actor *actor;
    int result = world_enter(&actor);

    if (result != TROUPE_OK)
        return result;
    return home_is_here(condition.id) ? wait_here(actor, condition.id, home_deadline(timeout_ms))
                                      : wait_there(actor, condition.id, home_deadline(timeout_ms));
}

/* ---- notifying, ending ------------------------------------------------------------------ */

static int notify_handler(struct actor *actor, const struct request *request, bool last,
                          struct answer *answer, struct bell **bell)
{
    struct mutex_holder holder = holder_in(request);

    (void)last, (void)answer, (void)bell;
    return condition_notify(actor, request->object, &holder, request->words[2]);
}

static int notify(uint64_t handle, uint64_t n)
{
    struct mutex_holder holder;
    struct request request;
    struct actor *actor;
    int result = world_enter(&actor);

    if (result != TROUPE_OK)
        return result;
    holder = mutex_holder_of(actor);
    request = request_make(actor, SERVICE_CONDITION_NOTIFY, handle);
    request.words[2] = n;
    return home_is_here(handle) ? condition_notify(actor, handle, &holder, n)
                                : sync_ask(actor, OBJECT_CONDITION, &request, BELL_NO_WAIT, NULL);
}

int troupe_condition_notify(troupe_condition condition, uint32_t n)
{
    return notify(condition.id, n);
}

int troupe_condition_notify_all(troupe_condition condition)
{
    return notify(condition.id, NOTIFY_ALL);
}

static int destroy_handler(struct actor *actor, const struct request *request, bool last,
                           struct answer *answer, struct bell **bell)
{
    (void)last, (void)answer, (void)bell;
    return condition_destroy(actor, request->object);
}

int troupe_condition_destroy(troupe_condition condition)
{
    return sync_forget(
        home_do(condition.id, OBJECT_CONDITION, SERVICE_CONDITION_DESTROY, condition_destroy),
        condition.id);
}

void condition_register(void)
{
    party_register(OBJECT_CONDITION, condition_party_end);
    recover_register(RESUME_CONDITION_RING, condition_resume_ring);
    recover_register(RESUME_CONDITION_END, condition_resume_end);
    service_register(SERVICE_CONDITION_CREATE, create_handler);
    service_register(SERVICE_CONDITION_ACQUIRE, acquire_handler);
    service_register(SERVICE_CONDITION_RELEASE, release_handler);
    service_register(SERVICE_CONDITION_ENTER, enter_handler);
    service_register(SERVICE_CONDITION_WAIT, wait_handler);
    service_register(SERVICE_CONDITION_RETURN, return_handler);
    service_register(SERVICE_CONDITION_ABANDON, abandon_handler);
    service_register(SERVICE_CONDITION_NOTIFY, notify_handler);
    service_register(SERVICE_CONDITION_DESTROY, destroy_handler);
}
