/* The pool's record: its making, its states, its end. */
#include "pool/pool_local.h"

#include "base/error.h"
#include "core/futex.h"
#include "core/lock.h"
#include "core/recover.h"
#include "core/root.h"
#include "core/tx.h"
#include "pool/crew.h"

#include <stdio.h>
#include <string.h>

_Static_assert(sizeof(struct pool) <= RECORD_ROOM, "a pool fits its record");

/* ---- making -------------------------------------------------------------------------------- */

static int block_make(struct actor *actor, _Atomic uint64_t *word, uint64_t bytes,
                      const void *contents)
{
    uint64_t place;
    int result = bytes > 0 ? tx_alloc(actor, bytes, &place) : TROUPE_OK;

    if (result != TROUPE_OK || bytes == 0)
        return result;
    if (contents != NULL)
        memcpy(arena_at(&actor->arena, place), contents, bytes);
    else
        memset(arena_at(&actor->arena, place), 0, bytes);
    atomic_store(word, place);
    return TROUPE_OK;
}

/* The record and its blocks appear by one transaction. */
int pool_make(struct actor *actor, const struct pool *made, const void *argument, uint64_t foreign,
              uint64_t *handle)
{
    struct record *record;
    struct pool *pool;
    int result = table_reserve(actor, &record);

    if (result != TROUPE_OK)
        return result;
    resume_begin(actor, RESUME_POOL, arena_offset(&actor->arena, record));
    pool = pool_of(record);
    memcpy((void *)pool, (const void *)made, sizeof *pool);
    result = block_make(actor, &pool->seats, pool->seat_count * sizeof(struct seat), NULL);
    if (result == TROUPE_OK && foreign == 0)
        result = block_make(actor, &pool->crew, pool->workers * sizeof(struct crew_entry), NULL);
    if (result == TROUPE_OK)
        result = block_make(actor, &pool->argument, pool->argument_bytes, argument);
    if (result != TROUPE_OK) {
        tx_abort(actor);
        table_drop(actor, record);
        resume_end(actor);
        return result;
    }
    table_publish(actor, record, OBJECT_POOL, foreign, handle);
    return TROUPE_OK;
}

/* ---- shutting ------------------------------------------------------------------------------ */

/* Nothing that has not begun will: the banks first, then the seats that nobody sits on. Those who
 * sit see the state themselves. Can be done again from anywhere. */
static void tasks_drop(struct actor *actor, struct record *record)
{
    struct pool *pool = pool_of(record);
    uint64_t first;

    while ((first = atomic_load(&pool->first)) != 0) {
        job_stop(actor, record, record_at(&actor->arena, first));
        bell_redeem(actor, FUTEX_ALL);
    }
    for (uint64_t i = 0; i < pool->seat_count; i++) {
        struct seat *seat = seat_at(&actor->arena, pool, i);

        if (atomic_load(&seat->owner) != 0)
            continue;
        seat_clear(actor, record, seat);
        bell_redeem(actor, FUTEX_ALL);
    }
}

static void shut_locked(struct actor *actor, struct record *record, enum pool_state state)
{
    struct pool *pool = pool_of(record);

    if (atomic_load(&pool->state) < state) {
        tx_write(actor, &pool->state, state);
        tx_commit(actor);
    }
    if (atomic_load(&pool->state) >= POOL_TERMINATED)
        tasks_drop(actor, record);
}

/* Takes the lock, and puts the pool into the caller's slot until unlocked. */
static int pool_hold(struct actor *actor, uint64_t handle, struct record **record, bool *named)
{
    int result = table_find(actor, handle, OBJECT_POOL, record);

    if (result != TROUPE_OK)
        return result;
    *named = actor_resume(actor, RESUME_POOL, arena_offset(&actor->arena, *record));
    result = table_lock(actor, handle, OBJECT_POOL, record);
    if (result != TROUPE_OK && *named)
        resume_end(actor);
    return result;
}

static void pool_let_go(struct actor *actor, struct record *record, bool named)
{
    bell_promise(actor, &record->bell);
    pool_leave_record(actor, record);
    bell_redeem(actor, FUTEX_ALL);
    if (named)
        resume_end(actor);
}

int pool_shut(struct actor *actor, uint64_t handle, enum pool_state state)
{
    struct record *record;
    bool named;
    int result = pool_hold(actor, handle, &record, &named);

    if (result != TROUPE_OK)
        return result;
    shut_locked(actor, record, state);
    pool_let_go(actor, record, named);
    return TROUPE_OK;
}

void pool_break(struct actor *actor, uint64_t handle, int result, const char *sentence)
{
    struct record *record;
    struct pool *pool;
    bool named;

    if (pool_hold(actor, handle, &record, &named) != TROUPE_OK)
        return;
    pool = pool_of(record);
    if (atomic_load(&pool->state) < POOL_TERMINATED) {
        pool->broken = result;
        snprintf(pool->reason, sizeof pool->reason, "%s", sentence);
    }
    shut_locked(actor, record, POOL_BROKEN);
    pool_let_go(actor, record, named);
}

int pool_destroy(struct actor *actor, uint64_t handle)
{
    struct record *record;
    bool named;
    int result = pool_hold(actor, handle, &record, &named);

    if (result != TROUPE_OK)
        return result;
    shut_locked(actor, record, POOL_TERMINATED);
    atomic_store(&pool_of(record)->destroyed, 1);
    pool_let_go(actor, record, named);
    return TROUPE_OK;
}

/* ---- the end ------------------------------------------------------------------------------- */

/* The next job of this pool after index. */
static struct record *job_next(const struct arena *arena, uint64_t pool, uint64_t *index)
{
    struct record *record;

    while ((record = table_next(arena, index)) != NULL)
        if (handle_kind(atomic_load(&record->handle)) == OBJECT_JOB && job_of(record)->pool == pool)
            return record;
    return NULL;
}

static void block_free(struct actor *actor, _Atomic uint64_t *word)
{
    uint64_t place = atomic_load(word);

    if (place == 0)
        return;
    tx_retire(actor, place);
    tx_write(actor, word, 0);
    tx_commit(actor);
}

/* Nobody is in it, and all its jobs are done. */
static void pool_end(struct actor *actor, struct record *record)
{
    struct pool *pool = pool_of(record);
    uint64_t index = 0;
    struct record *job;

    while ((job = job_next(&actor->arena, arena_offset(&actor->arena, record), &index)) != NULL) {
        atomic_store(&job_of(job)->closed, 1);
        job_end(actor, job);
    }
    crew_end(actor, record);
    block_free(actor, &pool->crew);
    block_free(actor, &pool->seats);
    block_free(actor, &pool->argument);
    table_retire(actor, record);
}

void pool_leave_record(struct actor *actor, struct record *record)
{
    const struct pool *pool = pool_of(record);

    if (atomic_load(&pool->destroyed) != 0 && atomic_load(&pool->occupied) == 0)
        pool_end(actor, record);
    else
        lock_give(actor, &record->lock);
}

/* ---- the dead ------------------------------------------------------------------------------ */

static void seats_mend(struct actor *actor, struct record *record)
{
    struct pool *pool = pool_of(record);

    for (uint64_t i = 0; i < pool->seat_count && atomic_load(&pool->seats) != 0; i++) {
        struct seat *seat = seat_at(&actor->arena, pool, i);
        uint64_t owner = atomic_load(&seat->owner);

        if (owner == 0 || actor_tag_lives(&actor->arena, owner))
            continue;
        seat_give_back(actor, record, seat);
        bell_redeem(actor, FUTEX_ALL);
    }
}

/* The creator's death ends the pool, a worker's its claim; whoever else was at it may have been
 * about to free a job. */
void pool_mend(struct actor *actor, uint64_t place)
{
    struct record *record = record_at(&actor->arena, place), *job;
    struct pool *pool = pool_of(record);
    uint64_t index = 0;

    lock_take(actor, &record->lock);
    if (handle_kind(atomic_load(&record->handle)) != OBJECT_POOL) {
        lock_give(actor, &record->lock);
        return;
    }
    seats_mend(actor, record);
    if (atomic_load(&pool->owner) != 0 &&
        !actor_tag_lives(&actor->arena, atomic_load(&pool->owner))) {
        shut_locked(actor, record, POOL_TERMINATED);
        atomic_store(&pool->destroyed, 1);
    }
    if (atomic_load(&pool->state) >= POOL_TERMINATED && atomic_load(&pool->seats) != 0)
        tasks_drop(actor, record);
    while ((job = job_next(&actor->arena, place, &index)) != NULL) {
        job_mend(actor, arena_offset(&actor->arena, job));
        job_end(actor, job);
    }
    bell_promise(actor, &record->bell);
    pool_leave_record(actor, record);
    bell_redeem(actor, FUTEX_ALL);
}
