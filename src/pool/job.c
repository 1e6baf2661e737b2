/* Jobs: one map each, from its making until somebody has closed it and nobody is at it. */
#include "pool/pool_local.h"

#include "base/error.h"
#include "core/futex.h"
#include "core/lock.h"
#include "core/recover.h"
#include "core/root.h"
#include "core/tx.h"

#include <string.h>

_Static_assert(sizeof(struct job) <= RECORD_ROOM, "a job fits its record");

/* ---- making -------------------------------------------------------------------------------- */

static uint64_t align_up(uint64_t bytes)
{
    return (bytes + ARENA_LINE - 1) / ARENA_LINE * ARENA_LINE;
}

static void job_fill(struct job *job, const struct job_order *order)
{
    job->n = order->n;
    job->input_bytes = order->input_bytes;
    job->output_bytes = order->output_bytes;
    job->chunk = order->chunk > 0 ? order->chunk : 1;
    job->stop_at_failure = order->stop_at_failure;
    job->ordered = order->ordered;
    job->first = order->first;
    atomic_store(&job->watched, order->watched);
    job->home = order->home;
    job->lease = order->lease;
    job->function = order->function;
    atomic_store(&job->bank, range_make(0, order->n));
}

static int record_make(struct actor *actor, uint64_t pool, const struct job_order *order,
                       struct record **record, uint64_t *handle, bool *named)
{
    int result = table_reserve(actor, record);

    if (result != TROUPE_OK)
        return result;
    job_fill(job_of(*record), order);
    job_of(*record)->pool = pool;
    atomic_store(&job_of(*record)->maker, actor_tag(actor));
    *named = actor_resume(actor, RESUME_POOL_JOB, arena_offset(&actor->arena, *record));
    table_publish(actor, *record, OBJECT_JOB, 0, handle);
    return TROUPE_OK;
}

/* The block is filled outside of every lock: it may be large. */
static int data_make(struct actor *actor, struct job *job, const struct job_order *order)
{
    uint64_t inputs = align_up(job->n), outputs = inputs + align_up(job->n * job->input_bytes);
    uint64_t place;
    int result = tx_alloc(actor, outputs + job->n * job->output_bytes + 1, &place);

    if (result != TROUPE_OK)
        return result;
    job->states = place;
    job->inputs = place + inputs;
    job->outputs = place + outputs;
    tx_write(actor, &job->data, place);
    tx_commit(actor);
    if (order->states != NULL)
        memcpy(arena_at(&actor->arena, place), order->states, job->n);
    else
        memset(arena_at(&actor->arena, place), 0, job->n);
    if (job->n * job->input_bytes > 0)
        memcpy(arena_at(&actor->arena, job->inputs), order->inputs, job->n * job->input_bytes);
    return TROUPE_OK;
}

static int shut_say(const struct pool *pool)
{
    if (atomic_load(&pool->state) == POOL_BROKEN)
        return fail_text(pool->broken, pool->reason);
    return fail(TROUPE_CLOSED, "the pool %s was %s; make another", pool->name,
                atomic_load(&pool->state) == POOL_CLOSED ? "closed" : "terminated");
}

static _Atomic uint64_t *held_find(struct pool *pool)
{
    for (int i = 0; i < POOL_HELD_MOST; i++)
        if (atomic_load(&pool->held[i]) == 0)
            return &pool->held[i];
    return NULL;
}

/* The job is linked, and from now on the pool's. */
static int job_link(struct actor *actor, struct record *pool_record, struct record *record)
{
    struct pool *pool = pool_of(pool_record);
    struct job *job = job_of(record);
    uint64_t place = arena_offset(&actor->arena, record), last = atomic_load(&pool->last);
    _Atomic uint64_t *held = NULL;

    if (atomic_load(&pool->state) != POOL_OPEN)
        return shut_say(pool);
    if (job->home != 0 && (held = held_find(pool)) == NULL)
        return fail(TROUPE_FULL, "the share of the pool %s has all the parts it can have",
                    pool->name);
    if (job->n == 0) {
        tx_write(actor, &job->state, JOB_DONE);
        tx_commit(actor);
        return TROUPE_OK;
    }
    bell_promise(actor, &pool_record->bell);
    if (held != NULL)
        tx_write(actor, held, place);
    tx_write(actor, &job->maker, 0);
    tx_write(actor, &job->state, JOB_OPEN);
    tx_write(actor, last != 0 ? &job_of(record_at(&actor->arena, last))->next : &pool->first,
             place);
    tx_write(actor, &pool->last, place);
    tx_write(actor, &pool->jobs, atomic_load(&pool->jobs) + 1);
    tx_commit(actor);
    return TROUPE_OK;
}

int job_submit(struct actor *actor, uint64_t pool, const struct job_order *order, uint64_t *handle)
{
    struct record *pool_record, *record;
    uint64_t made;
    bool named;
    int result = table_find(actor, pool, OBJECT_POOL, &pool_record);

    if (result == TROUPE_OK)
        result = record_make(actor, arena_offset(&actor->arena, pool_record), order, &record, &made,
                             &named);
    if (result != TROUPE_OK)
        return result;
    result = data_make(actor, job_of(record), order);
    if (result == TROUPE_OK)
        result = table_lock(actor, pool, OBJECT_POOL, &pool_record);
    if (result == TROUPE_OK) {
        result = job_link(actor, pool_record, record);
        lock_give(actor, &pool_record->lock);
        bell_redeem(actor, order->n < FUTEX_ALL ? (int)order->n : FUTEX_ALL);
    }
    if (result == TROUPE_OK)
        *handle = made;
    else
        job_mend(actor, arena_offset(&actor->arena, record));
    if (named)
        resume_end(actor);
    return result;
}

/* ---- running dry --------------------------------------------------------------------------- */

/* Nothing new when the caller has promised this bell before. */
static void promise_once(struct actor *actor, struct bell *bell)
{
    uint64_t place = arena_offset(&actor->arena, bell);

    for (int i = 0; i < SLOT_PROMISES; i++)
        if (atomic_load(&actor->slot->promises[i]) == place)
            return;
    bell_promise(actor, bell);
}

/* Writes, in the open transaction, that the job is done, and promises the bells. */
static void done_write(struct actor *actor, struct record *pool_record, struct record *record)
{
    struct pool *pool = pool_of(pool_record);
    uint64_t jobs = atomic_load(&pool->jobs) - 1;

    tx_write(actor, &job_of(record)->state, JOB_DONE);
    tx_write(actor, &pool->jobs, jobs);
    bell_promise(actor, &record->bell);
    if (jobs == 0 && atomic_load(&pool->state) != POOL_OPEN)
        promise_once(actor, &pool_record->bell);
}

bool job_seat_left(struct actor *actor, struct record *pool, uint64_t place)
{
    struct record *record = record_at(&actor->arena, place);
    struct job *job = job_of(record);
    uint64_t seats = atomic_load(&job->seats) - 1;
    bool done = seats == 0 && range_left(atomic_load(&job->bank)) == 0;

    tx_write(actor, &job->seats, seats);
    if (done)
        done_write(actor, pool, record);
    return done;
}

/* The word that leads to a job in the pool's list; NULL when it is not in it. */
static _Atomic uint64_t *link_find(const struct arena *arena, struct pool *pool, uint64_t place,
                                   uint64_t *before)
{
    _Atomic uint64_t *link = &pool->first;

    *before = 0;
    while (atomic_load(link) != 0 && atomic_load(link) != place) {
        *before = atomic_load(link);
        link = &job_of(record_at(arena, *before))->next;
    }
    return atomic_load(link) == place ? link : NULL;
}

void job_stop(struct actor *actor, struct record *pool_record, struct record *record)
{
    struct pool *pool = pool_of(pool_record);
    struct job *job = job_of(record);
    uint64_t before, place = arena_offset(&actor->arena, record);
    _Atomic uint64_t *link = link_find(&actor->arena, pool, place, &before);
    bool done = false;

    tx_write(actor, &job->stop, 1);
    if (link != NULL) {
        tx_write(actor, &job->bank, range_make(job->n, job->n));
        tx_write(actor, link, atomic_load(&job->next));
        if (atomic_load(&pool->last) == place)
            tx_write(actor, &pool->last, before);
        done = atomic_load(&job->seats) == 0;
    }
    if (done)
        done_write(actor, pool_record, record);
    tx_commit(actor);
    if (done)
        job_end(actor, record);
}

/* ---- notes --------------------------------------------------------------------------------- */

const struct note *job_note_find(const struct arena *arena, const struct job *job, uint64_t index)
{
    uint64_t place = atomic_load(&job->notes);

    while (place != 0) {
        const struct note *note = arena_at(arena, place);

        if (note->index == index)
            return note;
        place = atomic_load(&note->next);
    }
    return NULL;
}

/* Without memory for the note, the count alone tells. */
void job_note(struct actor *actor, struct record *record, const struct note *note,
              const char *sentence)
{
    struct job *job = job_of(record);
    uint64_t size = strlen(sentence) + 1, place;
    _Atomic uint64_t *count = note->outcome == OUTCOME_GIVEN_UP ? &job->given_up : &job->failed;

    if (tx_alloc(actor, sizeof *note + size, &place) == TROUPE_OK) {
        struct note *made = arena_at(&actor->arena, place);

        atomic_store(&made->next, atomic_load(&job->notes));
        made->index = note->index;
        made->code = note->code;
        made->outcome = note->outcome;
        made->attempts = note->attempts;
        made->size = size;
        memcpy(made->sentence, sentence, size);
        tx_write(actor, &job->notes, place);
    }
    tx_write(actor, count, atomic_load(count) + 1);
    tx_commit(actor);
}

/* ---- ending -------------------------------------------------------------------------------- */

static void data_free(struct actor *actor, struct job *job)
{
    uint64_t place;

    while ((place = atomic_load(&job->notes)) != 0) {
        const struct note *note = arena_at(&actor->arena, place);

        tx_write(actor, &job->notes, atomic_load(&note->next));
        tx_retire(actor, place);
        tx_commit(actor);
    }
    place = atomic_load(&job->data);
    if (place == 0)
        return;
    tx_retire(actor, place);
    tx_write(actor, &job->data, 0);
    tx_commit(actor);
}

void job_end(struct actor *actor, struct record *record)
{
    struct job *job = job_of(record);

    if (atomic_load(&job->state) != JOB_DONE || atomic_load(&job->closed) == 0)
        return;
    lock_take(actor, &record->lock);
    data_free(actor, job);
    table_retire(actor, record);
}

void job_mend(struct actor *actor, uint64_t place)
{
    struct record *record = record_at(&actor->arena, place);
    struct job *job = job_of(record);

    lock_take(actor, &record->lock);
    if (handle_kind(atomic_load(&record->handle)) != OBJECT_JOB ||
        atomic_load(&job->state) != JOB_NEW ||
        (actor_tag_lives(&actor->arena, atomic_load(&job->maker)) &&
         atomic_load(&job->maker) != actor_tag(actor))) {
        lock_give(actor, &record->lock);
        return;
    }
    data_free(actor, job);
    table_retire(actor, record);
}
