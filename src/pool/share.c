/* The share's side: asking the home for parts of its jobs, and bringing results home. */
#include "pool/share.h"

#include "base/clock.h"
#include "base/error.h"
#include "core/futex.h"
#include "core/lock.h"
#include "core/recover.h"
#include "core/service.h"
#include "core/tx.h"
#include "core/world.h"
#include "pool/worker.h"

#include <stdlib.h>
#include <string.h>

/* How long the home may let a question wait; then the share looks at its own node again, where
 * somebody may have died. */
#define PATIENCE_LEAST_MS 10
#define PATIENCE_MOST_MS 320

/* ---- bringing results home ----------------------------------------------------------------- */

static uint64_t notes_bytes(const struct arena *arena, const struct job *job, uint64_t *count)
{
    uint64_t bytes = 0;

    *count = 0;
    for (uint64_t place = atomic_load(&job->notes); place != 0; ++*count) {
        const struct note *note = arena_at(arena, place);

        bytes += sizeof(struct share_note) + note->size;
        place = atomic_load(&note->next);
    }
    return bytes;
}

static void notes_write(const struct arena *arena, const struct job *job, unsigned char *into)
{
    for (uint64_t place = atomic_load(&job->notes); place != 0;) {
        const struct note *note = arena_at(arena, place);
        struct share_note head = { note->index, note->code, note->outcome, note->attempts,
                                   note->size };

        memcpy(into, &head, sizeof head);
        memcpy(into + sizeof head, note->sentence, note->size);
        into += sizeof head + note->size;
        place = atomic_load(&note->next);
    }
}

/* The message about a part that has ended; nobody changes that any more. NULL without memory. */
static unsigned char *ended_write(const struct arena *arena, const struct job *job, size_t *size)
{
    struct share_ended head = { job->lease, job->n, job->output_bytes, 0 };
    uint64_t notes = notes_bytes(arena, job, &head.notes), outputs = job->n * job->output_bytes;
    unsigned char *data;

    *size = sizeof head + job->n + outputs + notes;
    data = malloc(*size);
    if (data == NULL)
        return NULL;
    memcpy(data, &head, sizeof head);
    memcpy(data + sizeof head, arena_at(arena, job->data), job->n);
    if (outputs > 0)
        memcpy(data + sizeof head + job->n, arena_at(arena, job->outputs), outputs);
    notes_write(arena, job, data + sizeof head + job->n + outputs);
    return data;
}

/* A result the home does not want, it does not miss either; only one that did not arrive stays. */
static bool ended_send(struct worker *worker, const struct job *job)
{
    struct request request = { .op = SERVICE_POOL_RESULTS, .object = worker->handle };
    struct answer answer = { .data = NULL };
    unsigned char *data = ended_write(&worker->actor->arena, job, &request.size);
    int result;

    if (data == NULL)
        return false;
    request.data = data;
    result =
        service_call(worker->actor, handle_node(worker->handle), &request, BELL_NO_WAIT, &answer);
    free(data);
    free(answer.data);
    return result != TROUPE_NO_MEMORY && result != TROUPE_FULL;
}

static bool is_ended(const struct arena *arena, const struct job *job)
{
    uint64_t reporter = atomic_load(&job->maker);

    return atomic_load(&job->state) == JOB_DONE &&
           (reporter == 0 || !actor_tag_lives(arena, reporter));
}

/* Takes one part that has ended, to report it: nobody else does while we live. */
static _Atomic uint64_t *ended_take(struct worker *worker)
{
    const struct arena *arena = &worker->actor->arena;
    _Atomic uint64_t *found = NULL;

    lock_take(worker->actor, &worker->record->lock);
    for (int i = 0; i < POOL_HELD_MOST && found == NULL; i++) {
        uint64_t place = atomic_load(&worker->pool->held[i]);

        if (place == 0 || !is_ended(arena, job_of(record_at(arena, place))))
            continue;
        found = &worker->pool->held[i];
        atomic_store(&job_of(record_at(arena, place))->maker, actor_tag(worker->actor));
    }
    lock_give(worker->actor, &worker->record->lock);
    return found;
}

void share_report(struct worker *worker)
{
    struct actor *actor = worker->actor;
    _Atomic uint64_t *held;

    while ((held = ended_take(worker)) != NULL) {
        struct record *record = record_at(&actor->arena, atomic_load(held));
        bool sent = ended_send(worker, job_of(record));

        lock_take(actor, &worker->record->lock);
        atomic_store(&job_of(record)->maker, 0);
        if (sent) {
            tx_write(actor, held, 0);
            tx_write(actor, &job_of(record)->closed, 1);
            tx_commit(actor);
            job_end(actor, record);
        }
        lock_give(actor, &worker->record->lock);
        if (!sent)
            return;
    }
}

/* ---- asking for more ----------------------------------------------------------------------- */

bool share_may_ask(const struct worker *worker)
{
    uint64_t buyer = atomic_load(&worker->pool->buyer);

    return buyer == 0 || !actor_tag_lives(&worker->actor->arena, buyer);
}

static bool buyer_become(struct worker *worker)
{
    uint64_t seen = atomic_load(&worker->pool->buyer);

    return share_may_ask(worker) &&
           atomic_compare_exchange_strong(&worker->pool->buyer, &seen, actor_tag(worker->actor));
}

/* The numbers of the leases that the share has; how many of its places are free. */
static uint64_t held_list(struct worker *worker, uint64_t *numbers, uint64_t *count)
{
    uint64_t free_places = 0;

    *count = 0;
    lock_take(worker->actor, &worker->record->lock);
    for (int i = 0; i < POOL_HELD_MOST; i++) {
        uint64_t place = atomic_load(&worker->pool->held[i]);

        if (place == 0)
            free_places++;
        else
            numbers[(*count)++] = job_of(record_at(&worker->actor->arena, place))->lease;
    }
    lock_give(worker->actor, &worker->record->lock);
    return free_places;
}

/* The part becomes a job of the share. Without room for it, it is forgotten: the next question
 * gives it back. */
static int part_take(struct worker *worker, const struct answer *answer)
{
    struct share_part part;
    const unsigned char *after = (const unsigned char *)answer->data + sizeof part;
    struct job_order order = { .home = worker->handle };
    uint64_t handle;

    if (answer->size < sizeof part)
        return fail(TROUPE_MISMATCH, "a part of a map came without its head");
    memcpy(&part, answer->data, sizeof part);
    if (part.n > POOL_TASKS_MOST || answer->size < sizeof part + part.n + part.n * part.input_bytes)
        return fail(TROUPE_MISMATCH, "a part of a map came without its inputs");
    order.function = part.function;
    order.n = part.n;
    order.first = part.first;
    order.lease = part.lease;
    order.chunk = part.chunk;
    order.input_bytes = part.input_bytes;
    order.output_bytes = part.output_bytes;
    order.stop_at_failure = part.stop_at_failure != 0;
    order.states = after;
    order.inputs = after + part.n;
    return job_submit(worker->actor, worker->handle, &order, &handle);
}

static void ask(struct worker *worker)
{
    uint64_t numbers[POOL_HELD_MOST], count;
    struct answer answer = { .data = NULL };
    struct request request = { .op = SERVICE_POOL_LEASE,
                               .object = worker->handle,
                               .words = { (uint64_t)world_here.node,
                                          atomic_load(&worker->pool->occupied) },
                               .data = numbers };
    int result = TROUPE_TIMEOUT;

    if (held_list(worker, numbers, &count) == 0)
        return;
    request.size = count * sizeof *numbers;
    result = service_call(worker->actor, handle_node(worker->handle), &request,
                          clock_deadline(worker->patience_ms), &answer);
    if (result == TROUPE_OK)
        part_take(worker, &answer);
    else if (result == TROUPE_CLOSED || result == TROUPE_BAD_HANDLE || result == TROUPE_LOST)
        pool_destroy(worker->actor, worker->handle);
    if (result == TROUPE_OK)
        worker->patience_ms = PATIENCE_LEAST_MS;
    else if (worker->patience_ms < PATIENCE_MOST_MS)
        worker->patience_ms *= 2;
    free(answer.data);
}

bool share_look(struct worker *worker)
{
    if (!buyer_become(worker))
        return false;
    ask(worker);
    atomic_store(&worker->pool->buyer, 0);
    /* Who slept because we asked may ask now. */
    bell_ring(&worker->actor->arena, &worker->record->bell, 1);
    return true;
}

/* ---- what the home tells ------------------------------------------------------------------- */

static int make_handler(struct actor *actor, const struct request *request, bool last,
                        struct answer *answer, struct bell **bell)
{
    struct share_terms terms;
    struct pool made;
    struct record *record;
    uint64_t handle;
    int result;

    (void)last, (void)answer, (void)bell;
    if (request->size < sizeof terms)
        return fail(TROUPE_BAD_ARGUMENT, "a request for a pool's share came without its terms");
    memcpy(&terms, request->data, sizeof terms);
    if (request->size < sizeof terms + terms.argument_bytes)
        return fail(TROUPE_BAD_ARGUMENT, "a request for a pool's share came without its argument");
    if (table_find(actor, request->object, OBJECT_POOL, &record) == TROUPE_OK)
        return TROUPE_OK;
    memset(&made, 0, sizeof made);
    made.workers = terms.workers;
    made.seat_count = 2 * terms.workers;
    made.tries = terms.tries;
    made.max_tasks = terms.max_tasks;
    made.argument_bytes = terms.argument_bytes;
    made.initializer = terms.initializer;
    memcpy(made.name, terms.name, sizeof made.name);
    made.name[sizeof made.name - 1] = '\0';
    result = pool_make(actor, &made, (const unsigned char *)request->data + sizeof terms,
                       request->object, &handle);
    if (result == TROUPE_OK)
        resume_end(actor);
    return result;
}

static int end_handler(struct actor *actor, const struct request *request, bool last,
                       struct answer *answer, struct bell **bell)
{
    (void)last, (void)answer, (void)bell;
    return pool_destroy(actor, request->object);
}

void share_register_local(void)
{
    service_register(SERVICE_POOL_MAKE, make_handler);
    service_register(SERVICE_POOL_END, end_handler);
}
