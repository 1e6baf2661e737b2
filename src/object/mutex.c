/* Memory orders: taking acquires and giving releases, on the word. Giving acquires, too: what it
 * reads of the bell afterwards must not be older than the swap, see word_touch. */
#include "object/mutex.h"

#include "base/error.h"
#include "core/bell.h"
#include "core/futex.h"
#include "object/word.h"

struct mutex_holder mutex_holder_of(const struct actor *actor)
{
    uint64_t identity = atomic_load_explicit(&actor->slot->identity, memory_order_relaxed);

    return (struct mutex_holder){ party_of(actor), (uint64_t)table_node(&actor->arena) << 48 |
                                                       (uint64_t)actor->number << 32 |
                                                       slot_incarnation_of(identity) };
}

int mutex_make(struct actor *actor, bool recursive, uint64_t *handle)
{
    struct record *record;
    int result = table_reserve(actor, &record);

    if (result != TROUPE_OK)
        return result;
    atomic_store(&mutex_of(record)->recursive, recursive);
    word_begin(actor, record, 0);
    table_publish(actor, record, OBJECT_LOCK, 0, handle);
    return TROUPE_OK;
}

static int is_gone(uint64_t handle)
{
    return fail(TROUPE_BAD_HANDLE, "the lock %016llx was destroyed", (unsigned long long)handle);
}

/* ---- taking ----------------------------------------------------------------------------- */

static bool is_recursive(struct record *record)
{
    return atomic_load_explicit(&mutex_of(record)->recursive, memory_order_relaxed) != 0;
}

/* Only the very thread that holds the lock finds its own name here. */
static bool thread_holds(struct record *record, const struct mutex_holder *holder)
{
    return atomic_load_explicit(&mutex_of(record)->thread, memory_order_relaxed) == holder->thread;
}

bool mutex_is_held(struct record *record, const struct mutex_holder *holder)
{
    return word_value(atomic_load(&record->word)) == holder->party &&
           (!is_recursive(record) || thread_holds(record, holder));
}

/* By the holder alone. */
static uint64_t depth_add(struct mutex *mutex, uint64_t more)
{
    uint64_t depth = atomic_load_explicit(&mutex->depth, memory_order_relaxed) + more;

    atomic_store_explicit(&mutex->depth, depth, memory_order_relaxed);
    return depth;
}

static int take_again(struct record *record, uint64_t seen, const struct mutex_holder *holder)
{
    struct mutex *mutex = mutex_of(record);

    if (!is_recursive(record) || word_value(seen) != holder->party || !thread_holds(record, holder))
        return TROUPE_TIMEOUT;
    depth_add(mutex, 1);
    return TROUPE_OK;
}

int mutex_try(struct record *record, uint64_t handle, const struct mutex_holder *holder)
{
    struct mutex *mutex = mutex_of(record);
    uint64_t seen = atomic_load_explicit(&record->word, memory_order_relaxed);

    do {
        if (!word_lives(seen, handle))
            return is_gone(handle);
        if (word_value(seen) != 0)
            return take_again(record, seen, holder);
    } while (!atomic_compare_exchange_weak_explicit(&record->word, &seen,
                                                    word_with(seen, holder->party, 0),
                                                    memory_order_acquire, memory_order_relaxed));
    atomic_store_explicit(&mutex->thread, holder->thread, memory_order_relaxed);
    atomic_store_explicit(&mutex->depth, 1, memory_order_relaxed);
    return (seen & WORD_DIED) == 0
               ? TROUPE_OK
               : fail(TROUPE_OWNER_DIED, "the lock is yours, but its last holder died with it: "
                                         "look at what it guards");
}

static int is_in_doubt(void)
{
    return fail(TROUPE_LOST, "the leader of the lock's node died while it took or gave this lock "
                             "for you, and it cannot be told whether it did");
}

/* The word says that the thread's process holds the lock. It may be this thread: who took it for
 * another one has noted that by now, and whoever gave it before has noted nobody. */
static bool may_hold(struct record *record, const struct mutex_holder *holder)
{
    return thread_holds(record, holder) ||
           atomic_load_explicit(&mutex_of(record)->thread, memory_order_relaxed) == 0;
}

int mutex_try_again(struct record *record, uint64_t handle, const struct mutex_holder *holder)
{
    uint64_t seen = atomic_load_explicit(&record->word, memory_order_relaxed);

    if (!word_lives(seen, handle) || word_value(seen) != holder->party || !may_hold(record, holder))
        return mutex_try(record, handle, holder);
    if (is_recursive(record))
        return is_in_doubt();
    atomic_store_explicit(&mutex_of(record)->thread, holder->thread, memory_order_relaxed);
    return fail(TROUPE_OWNER_DIED, "the lock is yours; the leader of its node died while it gave "
                                   "it to you, and with it the knowledge whether its last holder "
                                   "had died: look at what it guards");
}

struct acquisition {
    struct record *record;
    uint64_t handle;
    const struct mutex_holder *holder;
};

static bool peek(struct actor *actor, void *context)
{
    const struct acquisition *acquisition = context;
    uint64_t seen = atomic_load_explicit(&acquisition->record->word, memory_order_relaxed);

    (void)actor;
    return word_value(seen) == 0;
}

static int attempt(struct actor *actor, void *context)
{
    const struct acquisition *acquisition = context;

    if (bell_announced(actor))
        word_touch(acquisition->record);
    return mutex_try(acquisition->record, acquisition->handle, acquisition->holder);
}

int mutex_acquire(struct actor *actor, struct record *record, uint64_t handle,
                  const struct mutex_holder *holder, uint64_t deadline)
{
    struct acquisition acquisition = { record, handle, holder };
    int result = mutex_try(record, handle, holder);

    if (result == TROUPE_TIMEOUT && deadline != BELL_NO_WAIT)
        result = bell_await_peek(actor, &record->bell, deadline, TROUPE_TIMEOUT, attempt, peek,
                                 &acquisition);
    return result == TROUPE_TIMEOUT ? fail(result, "somebody else holds the lock") : result;
}

/* ---- giving ----------------------------------------------------------------------------- */

static int not_yours(struct record *record)
{
    return word_value(atomic_load(&record->word)) == 0
               ? fail(TROUPE_BAD_ARGUMENT, "nobody holds the lock; release it once for each time "
                                           "it was taken")
               : fail(TROUPE_BAD_ARGUMENT,
                      "another thread holds the recursive lock; only that may release it");
}

/* Frees the word, and wakes one waiter; false if it is free, or gone. A plain lock may change
 * hands between the look and the swap: then it is the new holder's that is given, as if we had come
 * later. */
static bool word_free(struct actor *actor, struct record *record, uint64_t seen)
{
    uint64_t handle_part = word_with(seen, 0, 0);
    bool freed = false;

    bell_promise(actor, &record->bell);
    while (!freed && word_value(seen) != 0 && word_with(seen, 0, 0) == handle_part)
        freed = atomic_compare_exchange_weak_explicit(&record->word, &seen, handle_part,
                                                      memory_order_acq_rel, memory_order_relaxed);
    bell_redeem_asleep(actor, 1);
    return freed;
}

int mutex_release(struct actor *actor, struct record *record, uint64_t handle,
                  const struct mutex_holder *holder, bool *own)
{
    struct mutex *mutex = mutex_of(record);
    uint64_t seen = atomic_load_explicit(&record->word, memory_order_relaxed);

    if (!word_lives(seen, handle))
        return is_gone(handle);
    *own = word_value(seen) == holder->party;
    if (word_value(seen) == 0 || (is_recursive(record) && !mutex_is_held(record, holder)))
        return not_yours(record);
    if (is_recursive(record) && depth_add(mutex, UINT64_MAX) > 0)
        return TROUPE_OK;
    atomic_store_explicit(&mutex->thread, 0, memory_order_relaxed);
    return word_free(actor, record, seen) ? TROUPE_OK : not_yours(record);
}

int mutex_release_again(struct actor *actor, struct record *record, uint64_t handle,
                        const struct mutex_holder *holder, bool *own)
{
    uint64_t seen = atomic_load_explicit(&record->word, memory_order_relaxed);

    if (!word_lives(seen, handle))
        return is_gone(handle);
    if (is_recursive(record))
        return is_in_doubt();
    *own = true;
    return word_value(seen) == holder->party ? mutex_release(actor, record, handle, holder, own)
                                             : TROUPE_OK;
}

void mutex_release_all(struct actor *actor, struct record *record, uint64_t *depth)
{
    struct mutex *mutex = mutex_of(record);

    *depth = atomic_load_explicit(&mutex->depth, memory_order_relaxed);
    atomic_store_explicit(&mutex->thread, 0, memory_order_relaxed);
    word_free(actor, record, atomic_load_explicit(&record->word, memory_order_relaxed));
}

void mutex_party_end(struct actor *actor, struct record *record, uint64_t party, enum party_end end)
{
    uint64_t seen = atomic_load(&record->word);

    (void)end;
    if ((seen & WORD_LIVE) == 0 || word_value(seen) != party)
        return;
    bell_promise(actor, &record->bell);
    atomic_compare_exchange_strong(&record->word, &seen, word_with(seen, 0, WORD_DIED));
    bell_redeem(actor, FUTEX_ALL);
}
