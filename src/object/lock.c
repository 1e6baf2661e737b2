/* The public calls of locks, and the same calls from other nodes. An array is its own lock's
 * record, too (object/array_local.h): its handle is a lock's here, but for the destroy. */
#include "base/error.h"
#include "core/ledger.h"
#include "object/mutex.h"
#include "object/sync.h"
#include "object/word.h"
#include "troupe/sync.h"

static enum object_kind kind_of(uint64_t handle)
{
    return handle_kind(handle) == OBJECT_ARRAY ? OBJECT_ARRAY : OBJECT_LOCK;
}

/* ---- here ------------------------------------------------------------------------------- */

static int acquire_here(struct actor *actor, uint64_t handle, uint64_t deadline)
{
    struct mutex_holder holder = mutex_holder_of(actor);
    struct record *record;
    int result = table_find(actor, handle, kind_of(handle), &record);

    return result == TROUPE_OK ? mutex_acquire(actor, record, handle, &holder, deadline) : result;
}

static int release_here(struct actor *actor, uint64_t handle, bool *own)
{
    struct mutex_holder holder = mutex_holder_of(actor);
    struct record *record;
    int result = table_find(actor, handle, kind_of(handle), &record);

    return result == TROUPE_OK ? mutex_release(actor, record, handle, &holder, own) : result;
}

/* ---- from elsewhere --------------------------------------------------------------------- */

static struct request request_make(const struct actor *actor, enum service_op op, uint64_t handle)
{
    struct mutex_holder holder = mutex_holder_of(actor);

    return (struct request){ .op = op, .object = handle, .words = { holder.party, holder.thread } };
}

static int acquire_there(struct actor *actor, uint64_t handle, uint64_t deadline)
{
    struct request request = request_make(actor, SERVICE_LOCK_ACQUIRE, handle);

    return sync_ask(actor, kind_of(handle), &request, deadline, NULL);
}

static int acquire_handler(struct actor *actor, const struct request *request, bool last,
                           struct answer *answer, struct bell **bell)
{
    struct mutex_holder holder = { request->words[0], request->words[1] };
    struct record *record;
    int result = table_find(actor, request->object, kind_of(request->object), &record);

    (void)answer;
    if (result != TROUPE_OK)
        return result;
    word_touch(record);
    result = ledger_again(actor) ? mutex_try_again(record, request->object, &holder)
                                 : mutex_try(record, request->object, &holder);
    if (result != TROUPE_TIMEOUT)
        return result;
    *bell = &record->bell;
    return last ? fail(result, "somebody else holds the lock") : SERVICE_PARK;
}

static int release_there(struct actor *actor, uint64_t handle, bool *own)
{
    struct request request = request_make(actor, SERVICE_LOCK_RELEASE, handle);
    uint64_t words[SERVICE_WORDS];
    int result = sync_ask(actor, kind_of(handle), &request, BELL_NO_WAIT, words);

    *own = words[0] != 0;
    return result;
}

static int release_handler(struct actor *actor, const struct request *request, bool last,
                           struct answer *answer, struct bell **bell)
{
    struct mutex_holder holder = { request->words[0], request->words[1] };
    struct record *record;
    bool own = false;
    int result = table_find(actor, request->object, kind_of(request->object), &record);

    (void)last, (void)bell;
    if (result == TROUPE_OK)
        result = ledger_again(actor)
                     ? mutex_release_again(actor, record, request->object, &holder, &own)
                     : mutex_release(actor, record, request->object, &holder, &own);
    answer->words[0] = own;
    return result;
}

/* ---- the calls -------------------------------------------------------------------------- */

static int lock_create(struct actor *actor, const void *options, uint64_t *handle)
{
    const troupe_lock_options *given = options;

    return mutex_make(actor, given != NULL && given->recursive != 0, handle);
}

int troupe_lock_create(const troupe_lock_options *options, troupe_lock *lock)
{
    struct actor *actor;
    int result = world_enter(&actor);

    return result == TROUPE_OK ? lock_create(actor, options, &lock->id) : result;
}

int troupe_lock_open(const char *name, const troupe_lock_options *options, troupe_lock *lock)
{
    static const struct named named = { OBJECT_LOCK, "lock", lock_create, sync_destroy_here };

    return sync_open(&named, name, options, &lock->id);
}

int troupe_lock_acquire(troupe_lock lock, long timeout_ms)
{
    struct actor *actor;
    int result = world_enter(&actor);

    if (result != TROUPE_OK)
        return result;
    result = home_is_here(lock.id) ? acquire_here(actor, lock.id, home_deadline(timeout_ms))
                                   : acquire_there(actor, lock.id, home_deadline(timeout_ms));
    if (result == TROUPE_OK || result == TROUPE_OWNER_DIED)
        party_holds(actor, 1);
    return result;
}

int troupe_lock_release(troupe_lock lock)
{
    struct actor *actor;
    bool own = false;
    int result = world_enter(&actor);

    if (result != TROUPE_OK)
        return result;
    result = home_is_here(lock.id) ? release_here(actor, lock.id, &own)
                                   : release_there(actor, lock.id, &own);
    if (result == TROUPE_OK && own)
        party_holds(actor, -1);
    return result;
}

int troupe_lock_destroy(troupe_lock lock)
{
    return sync_destroy(lock.id, OBJECT_LOCK);
}

void lock_register(void)
{
    party_register(OBJECT_LOCK, mutex_party_end);
    service_register(SERVICE_LOCK_ACQUIRE, acquire_handler);
    service_register(SERVICE_LOCK_RELEASE, release_handler);
}
