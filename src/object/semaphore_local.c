#include "object/semaphore_local.h"

#include "base/error.h"
#include "object/word.h"

struct semaphore {
    _Atomic uint64_t most;
};

static struct semaphore *semaphore_of(struct record *record)
{
    return (struct semaphore *)record->body;
}

static int is_gone(uint64_t handle)
{
    return fail(TROUPE_BAD_HANDLE, "the semaphore %016llx was destroyed",
                (unsigned long long)handle);
}

int semaphore_try(struct record *record, uint64_t handle)
{
    uint64_t seen = atomic_load_explicit(&record->word, memory_order_relaxed);

    do {
        if (!word_lives(seen, handle))
            return is_gone(handle);
        if (word_value(seen) == 0)
            return TROUPE_TIMEOUT;
    } while (!atomic_compare_exchange_weak_explicit(&record->word, &seen,
                                                    word_with(seen, word_value(seen) - 1, 0),
                                                    memory_order_acquire, memory_order_relaxed));
    return TROUPE_OK;
}

struct taking {
    struct record *record;
    uint64_t handle;
};

static bool peek(struct actor *actor, void *context)
{
    const struct taking *taking = context;

    (void)actor;
    return word_value(atomic_load_explicit(&taking->record->word, memory_order_relaxed)) != 0;
}

static int attempt(struct actor *actor, void *context)
{
    const struct taking *taking = context;

    if (bell_announced(actor))
        word_touch(taking->record);
    return semaphore_try(taking->record, taking->handle);
}

int semaphore_is_empty(void)
{
    return fail(TROUPE_TIMEOUT, "the semaphore's value is 0");
}

int semaphore_acquire(struct actor *actor, uint64_t handle, uint64_t deadline)
{
    struct taking taking = { NULL, handle };
    int result = table_find(actor, handle, OBJECT_SEMAPHORE, &taking.record);

    if (result == TROUPE_OK)
        result = semaphore_try(taking.record, handle);
    if (result == TROUPE_TIMEOUT && deadline != BELL_NO_WAIT)
        result = bell_await_peek(actor, &taking.record->bell, deadline, TROUPE_TIMEOUT, attempt,
                                 peek, &taking);
    return result == TROUPE_TIMEOUT ? semaphore_is_empty() : result;
}

static int add(struct record *record, uint64_t handle, uint64_t n)
{
    uint64_t most = atomic_load_explicit(&semaphore_of(record)->most, memory_order_relaxed);
    uint64_t seen = atomic_load_explicit(&record->word, memory_order_relaxed);

    do {
        if (!word_lives(seen, handle))
            return is_gone(handle);
        if (word_value(seen) + n > most)
            return fail(TROUPE_BAD_ARGUMENT,
                        "the semaphore's value is %llu and may be %llu at most; release as often "
                        "as it was acquired",
                        (unsigned long long)word_value(seen), (unsigned long long)most);
    } while (!atomic_compare_exchange_weak_explicit(&record->word, &seen,
                                                    word_with(seen, word_value(seen) + n, 0),
                                                    memory_order_acq_rel, memory_order_relaxed));
    return TROUPE_OK;
}

int semaphore_release(struct actor *actor, uint64_t handle, uint64_t n)
{
    struct record *record;
    int result = table_find(actor, handle, OBJECT_SEMAPHORE, &record);

    if (result != TROUPE_OK)
        return result;
    bell_promise(actor, &record->bell);
    result = add(record, handle, n);
    bell_redeem_asleep(actor, (int)(n < TROUPE_SEMAPHORE_MOST ? n : TROUPE_SEMAPHORE_MOST));
    return result;
}

int semaphore_value(struct actor *actor, uint64_t handle, uint64_t *value)
{
    struct record *record;
    int result = table_find(actor, handle, OBJECT_SEMAPHORE, &record);

    if (result == TROUPE_OK)
        *value = word_value(atomic_load(&record->word));
    return result;
}

int semaphore_make(struct actor *actor, uint32_t value, bool bounded, uint64_t *handle)
{
    struct record *record;
    int result = table_reserve(actor, &record);

    if (result != TROUPE_OK)
        return result;
    atomic_store(&semaphore_of(record)->most, bounded ? value : TROUPE_SEMAPHORE_MOST);
    word_begin(actor, record, value);
    table_publish(actor, record, OBJECT_SEMAPHORE, 0, handle);
    return TROUPE_OK;
}
