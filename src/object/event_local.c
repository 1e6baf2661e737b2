#include "object/event_local.h"

#include "base/error.h"
#include "core/futex.h"
#include "object/word.h"

static int is_gone(uint64_t handle)
{
    return fail(TROUPE_BAD_HANDLE, "the event %016llx was destroyed", (unsigned long long)handle);
}

static uint64_t value_set(uint64_t value)
{
    return (value & EVENT_SET) != 0 ? value : ((value >> 1) + 1) << 1 | EVENT_SET;
}

static int change(struct record *record, uint64_t handle, bool set)
{
    uint64_t seen = atomic_load_explicit(&record->word, memory_order_relaxed), value;

    do {
        if (!word_lives(seen, handle))
            return is_gone(handle);
        value = word_value(seen);
        value = set ? value_set(value) : value & ~(uint64_t)EVENT_SET;
    } while (!atomic_compare_exchange_weak_explicit(&record->word, &seen,
                                                    word_with(seen, value & WORD_VALUE_MASK, 0),
                                                    memory_order_acq_rel, memory_order_relaxed));
    return TROUPE_OK;
}

int event_change(struct actor *actor, uint64_t handle, bool set)
{
    struct record *record;
    int result = table_find(actor, handle, OBJECT_EVENT, &record);

    if (result != TROUPE_OK)
        return result;
    if (set)
        bell_promise(actor, &record->bell);
    result = change(record, handle, set);
    bell_redeem_asleep(actor, FUTEX_ALL);
    return result;
}

int event_look(const struct event_wait *wait)
{
    uint64_t seen = atomic_load_explicit(&wait->record->word, memory_order_acquire);

    if (!word_lives(seen, wait->handle))
        return is_gone(wait->handle);
    return (word_value(seen) & EVENT_SET) != 0 || word_value(seen) >> 1 != wait->before >> 1
               ? TROUPE_OK
               : TROUPE_TIMEOUT;
}

static bool peek(struct actor *actor, void *context)
{
    (void)actor;
    return event_look(context) == TROUPE_OK;
}

static int attempt(struct actor *actor, void *context)
{
    const struct event_wait *wait = context;

    if (bell_announced(actor))
        word_touch(wait->record);
    return event_look(wait);
}

int event_value(struct actor *actor, uint64_t handle, uint64_t *value)
{
    struct record *record;
    int result = table_find(actor, handle, OBJECT_EVENT, &record);

    if (result == TROUPE_OK)
        *value = word_value(atomic_load_explicit(&record->word, memory_order_acquire));
    return result;
}

int event_is_not_set(void)
{
    return fail(TROUPE_TIMEOUT, "the event was not set in time");
}

int event_await(struct actor *actor, uint64_t handle, uint64_t deadline)
{
    struct event_wait wait = { NULL, handle, 0 };
    int result = table_find(actor, handle, OBJECT_EVENT, &wait.record);

    if (result != TROUPE_OK)
        return result;
    wait.before = word_value(atomic_load_explicit(&wait.record->word, memory_order_acquire));
    result =
        bell_await_peek(actor, &wait.record->bell, deadline, TROUPE_TIMEOUT, attempt, peek, &wait);
    return result == TROUPE_TIMEOUT ? event_is_not_set() : result;
}

int event_make(struct actor *actor, uint64_t *handle)
{
    struct record *record;
    int result = table_reserve(actor, &record);

    if (result != TROUPE_OK)
        return result;
    word_begin(actor, record, 0);
    table_publish(actor, record, OBJECT_EVENT, 0, handle);
    return TROUPE_OK;
}
