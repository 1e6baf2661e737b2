/* The public calls about results: waiting for them, reading them, giving them back.
 *
 * A result is read under its record's own lock, which its end takes, too; the pool's lock, which
 * the workers need, is not held for it. */
#include "pool/result.h"

#include "base/clock.h"
#include "base/error.h"
#include "core/lock.h"
#include "core/recover.h"
#include "core/root.h"
#include "core/world.h"
#include "pool/crew.h"
#include "pool/worker.h"

#include <stdio.h>
#include <string.h>

#define LOOK_MS 50 /* how often a waiter looks after the crew, and tells how far it is */

int pool_at_home(uint64_t handle)
{
    if (handle_kind(handle) == OBJECT_POOL && handle_node(handle) != world_here.node)
        return fail(TROUPE_BAD_HANDLE,
                    "the pool %016llx lives on node %d and is used there; this is node %d",
                    (unsigned long long)handle, handle_node(handle), world_here.node);
    return TROUPE_OK;
}

static int job_find(uint64_t handle, struct actor **actor, struct record **record)
{
    int result = world_enter(actor);

    return result == TROUPE_OK ? table_find(*actor, handle, OBJECT_JOB, record) : result;
}

static uint64_t pool_handle(const struct actor *actor, const struct job *job)
{
    return atomic_load(&record_at(&actor->arena, job->pool)->handle);
}

static unsigned state_get(const struct actor *actor, const struct job *job, uint64_t index)
{
    return atomic_load_explicit(&job_states(&actor->arena, job)[index], memory_order_acquire);
}

static int unknown_task(const struct job *job, uint64_t index)
{
    return fail(TROUPE_BAD_ARGUMENT, "task %llu is none of the map's %llu",
                (unsigned long long)index, (unsigned long long)job->n);
}

/* ---- waiting ------------------------------------------------------------------------------- */

struct awaited {
    struct record *record;
    uint64_t handle;
    /* Of a single result. */
    void *output;
    size_t bytes;
    uint64_t index;
};

static int done_look(struct actor *actor, void *context)
{
    const struct awaited *awaited = context;

    (void)actor;
    if (atomic_load(&awaited->record->handle) != awaited->handle)
        return TROUPE_BAD_HANDLE;
    return atomic_load(&job_of(awaited->record)->state) == JOB_DONE ? TROUPE_OK : TROUPE_TIMEOUT;
}

static uint64_t ended_count(struct actor *actor, struct record *record, uint64_t handle)
{
    const struct job *job = job_of(record);
    uint64_t count = 0;

    if (table_lock(actor, handle, OBJECT_JOB, &record) != TROUPE_OK)
        return 0;
    for (uint64_t i = 0; i < job->n; i++)
        count += state_outcome(state_get(actor, job, i)) != OUTCOME_NONE;
    lock_give(actor, &record->lock);
    return count;
}

/* Waits at the job's bell, and looks after the crew now and then: whoever waits sees to it that
 * there is somebody to wait for. */
static int await(struct actor *actor, struct awaited *awaited, uint64_t deadline,
                 bell_attempt attempt)
{
    const struct job *job = job_of(awaited->record);
    uint64_t pool = pool_handle(actor, job), tasks = job->n;

    if (pool_worker_is_in(pool) && attempt(actor, awaited) == TROUPE_TIMEOUT)
        return fail(TROUPE_DEADLOCK, "a task waits for a map on its own pool, whose workers may "
                                     "all be waiting so; use another pool");
    for (;;) {
        uint64_t look = clock_deadline(LOOK_MS);
        int result = bell_await(actor, &awaited->record->bell, look < deadline ? look : deadline,
                                TROUPE_TIMEOUT, attempt, awaited);

        if (result != TROUPE_TIMEOUT)
            return result;
        if (clock_left(deadline) == 0)
            return fail(TROUPE_TIMEOUT, "the map has not ended in time");
        crew_look(pool);
        listen_progress(awaited->handle, ended_count(actor, awaited->record, awaited->handle),
                        tasks);
    }
}

static int job_await(struct actor *actor, struct record *record, uint64_t handle, long timeout_ms)
{
    struct awaited awaited = { .record = record, .handle = handle };
    uint64_t tasks = job_of(record)->n;
    int result = await(actor, &awaited, clock_deadline(timeout_ms), done_look);

    if (result == TROUPE_OK) {
        listen_progress(handle, tasks, tasks);
        listen_ended(handle);
    }
    return result == TROUPE_BAD_HANDLE ? fail(result, "the result was closed while it was waited "
                                                      "for")
                                       : result;
}

int troupe_result_wait(troupe_result result, long timeout_ms)
{
    struct record *record;
    struct actor *actor;
    int outcome = job_find(result.id, &actor, &record);

    return outcome == TROUPE_OK ? job_await(actor, record, result.id, timeout_ms) : outcome;
}

int troupe_result_ready(troupe_result result, int *ready)
{
    struct record *record;
    struct actor *actor;
    int outcome = job_find(result.id, &actor, &record);

    if (outcome == TROUPE_OK)
        *ready = atomic_load(&job_of(record)->state) == JOB_DONE;
    return outcome;
}

/* ---- reading ------------------------------------------------------------------------------- */

/* The first task that has a note. */
static const struct note *first_note(const struct arena *arena, const struct job *job)
{
    const struct note *first = NULL;

    for (uint64_t place = atomic_load(&job->notes); place != 0;) {
        const struct note *note = arena_at(arena, place);

        if (first == NULL || note->index < first->index)
            first = note;
        place = atomic_load(&note->next);
    }
    return first;
}

static int note_say(const struct note *note)
{
    return fail_text(note->outcome == OUTCOME_GIVEN_UP ? TROUPE_GIVEN_UP : TROUPE_FAILED,
                     note->sentence);
}

static int unnoted_say(unsigned state, uint64_t index)
{
    return fail(state_outcome(state) == OUTCOME_FAILED ? TROUPE_FAILED : TROUPE_GIVEN_UP,
                "task %llu did not end well, and the arena had no room to note why",
                (unsigned long long)index);
}

/* Why tasks have no outcome. */
static int dropped_say(const struct actor *actor, const struct job *job)
{
    const struct pool *pool = pool_of(record_at(&actor->arena, job->pool));

    if (atomic_load(&pool->state) == POOL_BROKEN)
        return fail_text(pool->broken, pool->reason);
    return fail(TROUPE_CLOSED, "the pool was terminated before every task had run");
}

/* Copies the outputs of tasks that are done; they are taken for the whole when all are. */
static uint64_t outputs_copy(const struct actor *actor, const struct job *job, void *outputs)
{
    const unsigned char *from = arena_at(&actor->arena, job->outputs);
    uint64_t done = 0;

    for (uint64_t i = 0; i < job->n; i++)
        done += state_outcome(state_get(actor, job, i)) == OUTCOME_DONE;
    if (job->output_bytes == 0)
        return done;
    if (done == job->n) {
        memcpy(outputs, from, job->n * job->output_bytes);
        return done;
    }
    for (uint64_t i = 0; i < job->n; i++)
        if (state_outcome(state_get(actor, job, i)) == OUTCOME_DONE)
            memcpy((unsigned char *)outputs + i * job->output_bytes, from + i * job->output_bytes,
                   job->output_bytes);
    return done;
}

/* Without a note, for want of memory, the state tells. */
static int verdict(const struct actor *actor, const struct job *job, uint64_t done)
{
    const struct note *note = first_note(&actor->arena, job);

    if (note != NULL)
        return note_say(note);
    for (uint64_t i = 0; i < job->n && done < job->n; i++)
        if (state_outcome(state_get(actor, job, i)) > OUTCOME_DONE)
            return unnoted_say(state_get(actor, job, i), i);
    return done == job->n ? TROUPE_OK : dropped_say(actor, job);
}

int troupe_result_get(troupe_result result, void *outputs, size_t bytes, long timeout_ms)
{
    struct record *record;
    struct actor *actor;
    const struct job *job;
    int outcome = job_find(result.id, &actor, &record);

    if (outcome == TROUPE_OK)
        outcome = job_await(actor, record, result.id, timeout_ms);
    if (outcome == TROUPE_OK)
        outcome = table_lock(actor, result.id, OBJECT_JOB, &record);
    if (outcome != TROUPE_OK)
        return outcome;
    job = job_of(record);
    if (bytes < job->n * job->output_bytes)
        outcome = fail(TROUPE_TOO_LONG,
                       "the outputs of %llu tasks have %llu bytes each, and the "
                       "buffer %zu in all",
                       (unsigned long long)job->n, (unsigned long long)job->output_bytes, bytes);
    else
        outcome = verdict(actor, job, job->n > 0 ? outputs_copy(actor, job, outputs) : 0);
    lock_give(actor, &record->lock);
    return outcome;
}

static void status_fill(const struct actor *actor, const struct job *job, uint64_t index,
                        troupe_task_status *status)
{
    unsigned state = state_get(actor, job, index);
    const struct note *note = job_note_find(&actor->arena, job, index);
    bool dropped = state_outcome(state) == OUTCOME_NONE && atomic_load(&job->state) == JOB_DONE;

    memset(status, 0, sizeof *status);
    status->state = dropped ? TROUPE_TASK_DROPPED : (int)state_outcome(state);
    status->attempts = (int)state_deaths(state);
    if (state_outcome(state) == OUTCOME_DONE || state_outcome(state) == OUTCOME_FAILED)
        status->attempts++;
    if (note == NULL || state_outcome(state) == OUTCOME_NONE)
        return;
    status->code = (int)note->code;
    snprintf(status->reason, sizeof status->reason, "%s", note->sentence);
}

int troupe_result_task(troupe_result result, uint64_t index, troupe_task_status *status)
{
    struct record *record;
    struct actor *actor;
    int outcome = job_find(result.id, &actor, &record);

    if (outcome == TROUPE_OK)
        outcome = table_lock(actor, result.id, OBJECT_JOB, &record);
    if (outcome != TROUPE_OK)
        return outcome;
    if (index < job_of(record)->n)
        status_fill(actor, job_of(record), index, status);
    else
        outcome = unknown_task(job_of(record), index);
    lock_give(actor, &record->lock);
    return outcome;
}

/* ---- one by one ---------------------------------------------------------------------------- */

static bool can_be_given(const struct actor *actor, const struct job *job, uint64_t index)
{
    unsigned state = state_get(actor, job, index);

    return state_outcome(state) != OUTCOME_NONE && (state & STATE_TAKEN) == 0;
}

/* The next task with an outcome that nobody has taken. In order it is the one at the cursor;
 * otherwise the search goes on where the last one ended, round and round. */
static bool given_find(const struct actor *actor, struct job *job, uint64_t *index)
{
    uint64_t from = atomic_load(&job->cursor);

    *index = from;
    if (job->ordered)
        return from < job->n && can_be_given(actor, job, from);
    for (uint64_t i = 0; i < job->n; i++) {
        *index = from + i < job->n ? from + i : from + i - job->n;
        if (can_be_given(actor, job, *index))
            return true;
    }
    return false;
}

static int give(struct actor *actor, struct job *job, struct awaited *awaited)
{
    uint64_t index = awaited->index;
    _Atomic unsigned char *state = &job_states(&actor->arena, job)[index];
    const struct note *note = job_note_find(&actor->arena, job, index);

    if (awaited->bytes < job->output_bytes)
        return fail(TROUPE_TOO_LONG, "an output has %llu bytes, and the buffer %zu",
                    (unsigned long long)job->output_bytes, awaited->bytes);
    atomic_fetch_or(state, STATE_TAKEN);
    atomic_store(&job->cursor, index + 1 < job->n || job->ordered ? index + 1 : 0);
    if (state_outcome(atomic_load(state)) == OUTCOME_DONE) {
        if (job->output_bytes > 0)
            memcpy(awaited->output,
                   (unsigned char *)arena_at(&actor->arena, job->outputs) +
                       index * job->output_bytes,
                   job->output_bytes);
        return TROUPE_OK;
    }
    if (note != NULL)
        return note_say(note);
    return unnoted_say(atomic_load(state), index);
}

static int next_look(struct actor *actor, void *context)
{
    struct awaited *awaited = context;
    struct record *record;
    struct job *job;
    int result = table_lock(actor, awaited->handle, OBJECT_JOB, &record);
    bool done;

    if (result != TROUPE_OK)
        return result;
    job = job_of(record);
    done = atomic_load(&job->state) == JOB_DONE;
    if (given_find(actor, job, &awaited->index))
        result = give(actor, job, awaited);
    else if (done && job->ordered && awaited->index < job->n &&
             state_outcome(state_get(actor, job, awaited->index)) == OUTCOME_NONE)
        result = dropped_say(actor, job);
    else
        result = done ? fail(TROUPE_CLOSED, "there is no further result") : TROUPE_TIMEOUT;
    lock_give(actor, &record->lock);
    return result;
}

int troupe_result_next(troupe_result result, uint64_t *index, void *output, size_t bytes,
                       long timeout_ms)
{
    struct awaited awaited = { .handle = result.id, .output = output, .bytes = bytes };
    struct actor *actor;
    int outcome = job_find(result.id, &actor, &awaited.record);

    if (outcome != TROUPE_OK)
        return outcome;
    atomic_store(&job_of(awaited.record)->watched, 1);
    outcome = await(actor, &awaited, clock_deadline(timeout_ms), next_look);
    if (index != NULL &&
        (outcome == TROUPE_OK || outcome == TROUPE_FAILED || outcome == TROUPE_GIVEN_UP))
        *index = awaited.index;
    return outcome;
}

/* ---- giving back --------------------------------------------------------------------------- */

int troupe_result_close(troupe_result result)
{
    struct record *record, *pool;
    struct actor *actor;
    int outcome = job_find(result.id, &actor, &record);

    if (outcome != TROUPE_OK)
        return outcome;
    listen_forget(result.id);
    pool = record_at(&actor->arena, job_of(record)->pool);
    resume_begin(actor, RESUME_POOL, arena_offset(&actor->arena, pool));
    lock_take(actor, &pool->lock);
    if (atomic_load(&record->handle) == result.id) {
        atomic_store(&job_of(record)->closed, 1);
        job_end(actor, record);
    } else
        outcome = fail(TROUPE_BAD_HANDLE, "the result was closed before");
    lock_give(actor, &pool->lock);
    resume_end(actor);
    return outcome;
}

void result_close_quietly(troupe_result result)
{
    char sentence[POOL_REASON_BYTES];

    snprintf(sentence, sizeof sentence, "%s", troupe_last_error());
    if (troupe_result_close(result) != TROUPE_OK)
        fail_text(TROUPE_OK, sentence);
}
