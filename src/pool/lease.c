/* The home's side: giving parts of its jobs to other nodes, and taking their results.
 *
 * A lease is a seat with a number and a node in place of a worker. It is filled like any other, and
 * given back like that of a dead worker. */
#include "pool/share.h"

#include "base/error.h"
#include "core/futex.h"
#include "core/lock.h"
#include "core/service.h"
#include "core/tx.h"
#include "core/world.h"
#include "pool/crew.h"

#include <stdlib.h>
#include <string.h>

#define PART_BYTES (4u << 20) /* of inputs or outputs in one part, unless a task alone has more */

/* ---- giving -------------------------------------------------------------------------------- */

static bool is_held(uint64_t number, const struct request *request)
{
    const unsigned char *data = request->data;
    uint64_t held;

    for (size_t i = 0; i + sizeof held <= request->size; i += sizeof held) {
        memcpy(&held, data + i, sizeof held);
        if (held == number)
            return true;
    }
    return false;
}

/* What that node has been given and does not know. */
static void unknown_take_back(struct actor *actor, struct record *record,
                              const struct request *request)
{
    struct pool *pool = pool_of(record);

    for (uint64_t i = 0; i < pool->seat_count; i++) {
        struct seat *seat = seat_at(&actor->arena, pool, i);
        uint64_t number = atomic_load(&seat->lease);

        if (number == 0 || atomic_load(&seat->node) != request->words[0] ||
            is_held(number, request))
            continue;
        seat_give_back(actor, record, seat);
        bell_redeem(actor, FUTEX_ALL);
    }
}

static struct seat *lease_seat(const struct arena *arena, const struct pool *pool)
{
    for (uint64_t i = 0; i < pool->seat_count; i++) {
        struct seat *seat = seat_at(arena, pool, i);

        if (atomic_load(&seat->owner) == 0 && atomic_load(&seat->lease) == 0 &&
            atomic_load(&seat->job) == 0)
            return seat;
    }
    return NULL;
}

/* Fills a seat for the node, as large a part as its workers are of all. */
static struct seat *lease_make(struct actor *actor, struct record *record,
                               const struct request *request)
{
    struct pool *pool = pool_of(record);
    struct seat *seat = lease_seat(&actor->arena, pool);
    uint64_t there = request->words[1] > 0 ? request->words[1] : 1;
    struct seat_part part = { .divisor = 2 * pool->workers / there + 1, .bytes = PART_BYTES };

    if (seat == NULL || !seat_fill(actor, record, seat, &part))
        return NULL;
    tx_write(actor, &seat->claim, 0);
    tx_write(actor, &seat->node, request->words[0]);
    tx_write(actor, &pool->leases, atomic_load(&pool->leases) + 1);
    tx_write(actor, &seat->lease, atomic_load(&pool->leases) + 1);
    tx_commit(actor);
    return seat;
}

/* The job's own lock is held: it is not freed. */
static int part_write(struct actor *actor, const struct seat *seat, const struct job *job,
                      struct answer *answer)
{
    uint64_t range = atomic_load(&seat->range), low = range_low(range), n = range_left(range);
    struct share_part part = {
        atomic_load(&seat->lease), low,          n, job->input_bytes, job->output_bytes, job->chunk,
        job->stop_at_failure,      job->function
    };
    unsigned char *data;

    answer->size = sizeof part + n + n * job->input_bytes;
    data = malloc(answer->size);
    if (data == NULL) {
        answer->size = 0;
        return fail(TROUPE_NO_MEMORY, "no memory for a part of %llu tasks", (unsigned long long)n);
    }
    answer->data = data;
    memcpy(data, &part, sizeof part);
    memcpy(data + sizeof part, (unsigned char *)arena_at(&actor->arena, job->states) + low, n);
    if (job->input_bytes > 0)
        memcpy(data + sizeof part + n,
               (unsigned char *)arena_at(&actor->arena, job->inputs) + low * job->input_bytes,
               n * job->input_bytes);
    return TROUPE_OK;
}

/* The record's lock is held, and given. */
static int lease_give(struct actor *actor, struct record *record, const struct request *request,
                      struct answer *answer)
{
    struct pool *pool = pool_of(record);
    struct seat *seat = NULL;
    struct record *job;
    int result = SERVICE_PARK;

    unknown_take_back(actor, record, request);
    if (pool_is_over(pool))
        result = fail(TROUPE_CLOSED, "the pool %s has ended", pool->name);
    else
        seat = lease_make(actor, record, request);
    if (seat != NULL) {
        job = record_at(&actor->arena, atomic_load(&seat->job));
        lock_take(actor, &job->lock);
        lock_give(actor, &record->lock);
        result = part_write(actor, seat, job_of(job), answer);
        lock_give(actor, &job->lock);
    } else
        lock_give(actor, &record->lock);
    bell_redeem(actor, FUTEX_ALL);
    return result;
}

static int lease_handler(struct actor *actor, const struct request *request, bool last,
                         struct answer *answer, struct bell **bell)
{
    struct record *record;
    int result = table_lock(actor, request->object, OBJECT_POOL, &record);

    if (result != TROUPE_OK)
        return result;
    *bell = &record->bell;
    result = lease_give(actor, record, request, answer);
    if (result == SERVICE_PARK && last)
        return fail(TROUPE_TIMEOUT, "the pool has no task at the moment");
    return result;
}

/* ---- taking -------------------------------------------------------------------------------- */

static struct seat *lease_find(const struct arena *arena, const struct pool *pool, uint64_t number)
{
    for (uint64_t i = 0; i < pool->seat_count; i++)
        if (atomic_load(&seat_at(arena, pool, i)->lease) == number)
            return seat_at(arena, pool, i);
    return NULL;
}

static void note_take(struct actor *actor, struct record *record, uint64_t low,
                      const struct share_note *head, const char *sentence)
{
    struct note note = { .index = low + head->index,
                         .code = head->code,
                         .outcome = head->outcome,
                         .attempts = head->attempts };

    if (job_note_find(&actor->arena, job_of(record), note.index) == NULL)
        job_note(actor, record, &note, sentence);
}

/* The notes' room was checked before. */
static void notes_take(struct actor *actor, struct record *record, uint64_t low,
                       const unsigned char *from, uint64_t count)
{
    struct share_note head;

    for (; count > 0; count--) {
        memcpy(&head, from, sizeof head);
        note_take(actor, record, low, &head, (const char *)from + sizeof head);
        from += sizeof head + head.size;
    }
}

static bool notes_fit(const unsigned char *from, uint64_t size, uint64_t count)
{
    struct share_note head;

    for (; count > 0; count--) {
        if (size < sizeof head)
            return false;
        memcpy(&head, from, sizeof head);
        if (head.size == 0 || head.size > size - sizeof head ||
            from[sizeof head + head.size - 1] != '\0')
            return false;
        from += sizeof head + head.size;
        size -= sizeof head + head.size;
    }
    return true;
}

/* Outputs first, then the states (release): who sees a task's end sees its output. Returns how many
 * tasks have not ended. */
static uint64_t tasks_take(struct actor *actor, const struct job *job, uint64_t low,
                           const struct share_ended *head, const unsigned char *states)
{
    _Atomic unsigned char *own = job_states(&actor->arena, job) + low;
    uint64_t left = 0;

    if (head->output_bytes > 0)
        memcpy((unsigned char *)arena_at(&actor->arena, job->outputs) + low * head->output_bytes,
               states + head->n, head->n * head->output_bytes);
    for (uint64_t i = 0; i < head->n; i++) {
        if (state_outcome(atomic_load_explicit(&own[i], memory_order_relaxed)) == OUTCOME_NONE)
            atomic_store_explicit(&own[i], states[i], memory_order_release);
        left += state_outcome(states[i]) == OUTCOME_NONE;
    }
    return left;
}

/* The lease ends; what its node left, others may take. */
static void lease_end(struct actor *actor, struct record *record, struct seat *seat, uint64_t left)
{
    struct record *job = record_at(&actor->arena, atomic_load(&seat->job));

    if (left > 0 && atomic_load(&job_of(job)->stop) == 0)
        seat_give_back(actor, record, seat);
    else
        seat_clear(actor, record, seat);
    if (job_of(job)->stop_at_failure && atomic_load(&job_of(job)->failed) > 0 &&
        atomic_load(&job_of(job)->state) == JOB_OPEN && atomic_load(&job_of(job)->stop) == 0)
        job_stop(actor, record, job);
}

static int results_handler(struct actor *actor, const struct request *request, bool last,
                           struct answer *answer, struct bell **bell)
{
    const unsigned char *states = (const unsigned char *)request->data + sizeof(struct share_ended);
    struct share_ended head;
    struct record *record, *job;
    struct seat *seat;
    uint64_t room, low;
    int result;

    (void)last, (void)answer, (void)bell;
    if (request->size < sizeof head)
        return fail(TROUPE_BAD_ARGUMENT, "results came without their head");
    memcpy(&head, request->data, sizeof head);
    result = table_lock(actor, request->object, OBJECT_POOL, &record);
    if (result != TROUPE_OK)
        return result;
    seat = lease_find(&actor->arena, pool_of(record), head.lease);
    if (seat != NULL && head.lease != 0) {
        job = record_at(&actor->arena, atomic_load(&seat->job));
        low = range_low(atomic_load(&seat->range));
        room = head.n + head.n * head.output_bytes;
        if (head.n != range_left(atomic_load(&seat->range)) ||
            head.output_bytes != job_of(job)->output_bytes || request->size - sizeof head < room ||
            !notes_fit(states + room, request->size - sizeof head - room, head.notes))
            result = fail(TROUPE_BAD_ARGUMENT, "results came that are not those of their lease");
        else {
            notes_take(actor, job, low, states + room, head.notes);
            lease_end(actor, record, seat, tasks_take(actor, job_of(job), low, &head, states));
        }
    }
    lock_give(actor, &record->lock);
    bell_redeem(actor, FUTEX_ALL);
    return result;
}

/* ---- the other nodes ----------------------------------------------------------------------- */

static int call_all(struct actor *actor, const struct request *request)
{
    int result = TROUPE_OK;

    for (int node = 0; node < world_here.nodes && result == TROUPE_OK; node++) {
        struct answer answer = { .data = NULL };

        if (node == world_here.node)
            continue;
        result = service_call(actor, node, request, BELL_NO_WAIT, &answer);
        if (result == TROUPE_LOST)
            result = TROUPE_OK; /* whoever is left does the work */
        free(answer.data);
    }
    return result;
}

int share_make_all(struct actor *actor, uint64_t handle)
{
    struct request request = { .op = SERVICE_POOL_MAKE, .object = handle };
    struct share_terms *terms;
    struct record *record;
    const struct pool *pool;
    int result = table_find(actor, handle, OBJECT_POOL, &record);

    if (result != TROUPE_OK || world_here.nodes == 1)
        return result;
    pool = pool_of(record);
    request.size = sizeof *terms + pool->argument_bytes;
    terms = calloc(1, request.size);
    if (terms == NULL)
        return fail(TROUPE_NO_MEMORY, "no memory for a pool's terms");
    terms->workers = pool->workers;
    terms->tries = pool->tries;
    terms->max_tasks = pool->max_tasks;
    terms->argument_bytes = pool->argument_bytes;
    terms->initializer = pool->initializer;
    memcpy(terms->name, pool->name, sizeof terms->name);
    if (pool->argument_bytes > 0)
        memcpy(terms + 1, arena_at(&actor->arena, atomic_load(&pool->argument)),
               pool->argument_bytes);
    request.data = terms;
    result = call_all(actor, &request);
    free(terms);
    return result;
}

void share_end_all(struct actor *actor, uint64_t handle)
{
    const struct request request = { .op = SERVICE_POOL_END, .object = handle };

    for (int node = 0; node < world_here.nodes; node++) {
        struct answer answer = { .data = NULL };

        if (node != world_here.node)
            service_call(actor, node, &request, BELL_NO_WAIT, &answer);
        free(answer.data);
    }
}

void share_mend(struct actor *actor, uint64_t handle)
{
    struct record *record;
    struct pool *pool;

    if (world_here.nodes == 1 || table_lock(actor, handle, OBJECT_POOL, &record) != TROUPE_OK)
        return;
    pool = pool_of(record);
    for (uint64_t i = 0; i < pool->seat_count; i++) {
        struct seat *seat = seat_at(&actor->arena, pool, i);

        if (atomic_load(&seat->lease) != 0 &&
            !crew_lives_on(actor, pool, (int)atomic_load(&seat->node)))
            seat_give_back(actor, record, seat);
        bell_redeem(actor, FUTEX_ALL);
    }
    lock_give(actor, &record->lock);
}

void share_register(void)
{
    share_register_local();
    service_register(SERVICE_POOL_LEASE, lease_handler);
    service_register(SERVICE_POOL_RESULTS, results_handler);
}
