/* A worker's life: it takes a seat, runs what comes, and leaves when the pool has ended.
 *
 * The worker works on the pool by an actor of its own, not by its thread's: that slot names the
 * pool as unfinished work from the first to the last moment, so whoever buries the worker mends the
 * pool, while tasks use the thread's actor for whatever they like. */
#include "pool/worker.h"

#include "base/clock.h"
#include "base/error.h"
#include "core/futex.h"
#include "core/lock.h"
#include "core/recover.h"
#include "core/root.h"
#include "core/world.h"
#include "pool/crew.h"
#include "pool/share.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MISSING_LOOK_MS 20 /* how soon after a death the crew is looked after again */

static _Thread_local struct worker *here; /* whose task this thread runs */

/* For the handler of SIGTERM; NULL: this process is no worker any more. */
static const struct pool *_Atomic terminable;
static _Atomic bool in_tasks;

/* ---- one task ------------------------------------------------------------------------------ */

static void failure_note(struct worker *worker, uint64_t index, int code, unsigned attempt)
{
    struct note note = {
        .index = index, .code = code, .outcome = OUTCOME_FAILED, .attempts = attempt
    };

    if (worker->told[0] == '\0')
        snprintf(worker->told, sizeof worker->told, "task %llu returned %d",
                 (unsigned long long)(worker->job->first + index), code);
    lock_take(worker->actor, &worker->record->lock);
    job_note(worker->actor, worker->job_record, &note, worker->told);
    if (worker->job->stop_at_failure && atomic_load(&worker->job->stop) == 0)
        job_stop(worker->actor, worker->record, worker->job_record);
    lock_give(worker->actor, &worker->record->lock);
}

/* The output is written before the state says so (release); who reads the state acquires. */
static void task_run(struct worker *worker, uint64_t index, unsigned deaths)
{
    const struct job *job = worker->job;
    int code;

    worker->task = index;
    worker->attempt = (int)deaths + 1;
    code = worker->function(worker->inputs + index * job->input_bytes, job->input_bytes,
                            worker->outputs + index * job->output_bytes, job->output_bytes);
    if (code != 0 && atomic_load(&worker->pool->state) >= POOL_TERMINATED)
        return; /* it was cancelled, and is dropped */
    if (code != 0) {
        failure_note(worker, index, code, deaths + 1);
        worker->told[0] = '\0';
    }
    atomic_store_explicit(&worker->states[index],
                          state_make(deaths, code == 0 ? OUTCOME_DONE : OUTCOME_FAILED),
                          memory_order_release);
    if (atomic_load_explicit(&job->watched, memory_order_relaxed) != 0)
        bell_ring(&worker->actor->arena, &worker->job_record->bell, FUTEX_ALL);
}

static bool must_stop(const struct worker *worker)
{
    return atomic_load_explicit(&worker->pool->state, memory_order_relaxed) >= POOL_TERMINATED ||
           atomic_load_explicit(&worker->job->stop, memory_order_relaxed) != 0;
}

/* The claim goes along with the task that runs, after the state of the one before. */
static void claim_run(struct worker *worker, uint64_t low, uint64_t count)
{
    for (uint64_t left = count; left > 0 && !must_stop(worker); left--, low++) {
        unsigned state = atomic_load_explicit(&worker->states[low], memory_order_relaxed);

        if (left < count)
            atomic_store_explicit(&worker->seat->claim,
                                  claim_make(low, left, state_deaths(state) + 1),
                                  memory_order_release);
        if (state_outcome(state) == OUTCOME_NONE)
            task_run(worker, low, state_deaths(state));
        worker->ran++;
    }
}

static bool worn_out(const struct worker *worker)
{
    return worker->pool->max_tasks != 0 && worker->ran >= worker->pool->max_tasks;
}

static void range_run(struct worker *worker)
{
    uint64_t low, count;

    atomic_store_explicit(&in_tasks, true, memory_order_relaxed);
    while (!worn_out(worker) && seat_claim(worker->actor, worker->record, worker->seat,
                                           worker->states, worker->job->chunk, &low, &count)) {
        if (must_stop(worker))
            seat_drop(worker->actor, worker->record, worker->seat);
        else
            claim_run(worker, low, count);
    }
    atomic_store_explicit(&worker->seat->claim, 0, memory_order_release);
    atomic_store_explicit(&in_tasks, false, memory_order_relaxed);
}

/* ---- finding work -------------------------------------------------------------------------- */

/* A function that this process does not have fails each of its tasks with that sentence. */
static int missing_function(const void *input, size_t input_bytes, void *output,
                            size_t output_bytes)
{
    troupe_target unused;

    (void)input, (void)input_bytes, (void)output, (void)output_bytes;
    return troupe_task_fail(target_find(&here->job->function, &unused), "%s", troupe_last_error());
}

/* What the tasks of the seat's job need, found once. */
static void job_view(struct worker *worker)
{
    const struct arena *arena = &worker->actor->arena;
    troupe_target found;

    worker->job_record = record_at(arena, atomic_load(&worker->seat->job));
    worker->job = job_of(worker->job_record);
    worker->states = job_states(arena, worker->job);
    worker->inputs = arena_at(arena, worker->job->inputs);
    worker->outputs = arena_at(arena, worker->job->outputs);
    worker->function = missing_function;
    if (target_find(&worker->job->function, &found) == TROUPE_OK)
        worker->function = (troupe_task)(void (*)(void))found;
}

void worker_run(struct worker *worker)
{
    job_view(worker);
    range_run(worker);
}

enum { LOOK_NOTHING = 0, LOOK_WORK = 1, LOOK_LEAVE = 2, LOOK_ASK = 3 };

/* The bank is given out in parts of what is left, so that the parts shrink. */
bool worker_next(struct worker *worker)
{
    struct pool *pool = worker->pool;
    struct seat_part part = { .divisor = 2 * (worker->is_shared ? atomic_load(&pool->occupied)
                                                                : pool->workers) };
    bool filled = false;

    lock_take(worker->actor, &worker->record->lock);
    seat_leave(worker->actor, worker->record, worker->seat);
    if (atomic_load(&worker->pool->state) < POOL_TERMINATED)
        filled = seat_fill(worker->actor, worker->record, worker->seat, &part);
    lock_give(worker->actor, &worker->record->lock);
    bell_redeem(worker->actor, FUTEX_ALL);
    return filled;
}

static int work_look(struct actor *actor, void *context)
{
    struct worker *worker = context;
    int found = LOOK_NOTHING;

    if (seats_have_work(&actor->arena, worker->pool))
        found = worker_next(worker) ? LOOK_WORK : LOOK_NOTHING;
    if (found == LOOK_NOTHING && pool_is_over(worker->pool))
        return LOOK_LEAVE;
    return found == LOOK_NOTHING && worker->is_shared && share_may_ask(worker) ? LOOK_ASK : found;
}

/* Sleeps until there is work or the end; while somebody is missing, only for a moment. */
static int work_sleep(struct worker *worker)
{
    bool missing = atomic_load(&worker->pool->missing) != 0 && !worker->is_shared;
    uint64_t deadline = missing ? clock_deadline(MISSING_LOOK_MS) : CLOCK_FOREVER;
    int found =
        bell_await(worker->actor, &worker->record->bell, deadline, LOOK_NOTHING, work_look, worker);

    if (found == LOOK_NOTHING)
        crew_look(worker->handle);
    return found;
}

/* What has ended in a share goes home before anything else is begun: somebody waits for it. */
static int work_await(struct worker *worker)
{
    int found = worker_next(worker) ? LOOK_WORK : LOOK_NOTHING;

    if (worker->is_shared)
        share_report(worker);
    while (found == LOOK_NOTHING || found == LOOK_ASK) {
        if (worker->is_shared && share_look(worker))
            found = work_look(worker->actor, worker);
        else
            found = work_sleep(worker);
        if (worker->is_shared)
            share_report(worker);
    }
    return found;
}

/* ---- coming and going ---------------------------------------------------------------------- */

static int initialize(const struct worker *worker)
{
    const struct pool *pool = worker->pool;
    troupe_target initializer;
    int result;

    if (pool->initializer.object == 0 && pool->initializer.offset == 0)
        return 0;
    result = target_find(&pool->initializer, &initializer);
    if (result != TROUPE_OK)
        return result;
    return initializer(arena_at(&worker->actor->arena, atomic_load(&pool->argument)),
                       pool->argument_bytes);
}

static int sit_down(struct worker *worker)
{
    int result;

    resume_begin(worker->actor, RESUME_POOL, arena_offset(&worker->actor->arena, worker->record));
    result = table_lock(worker->actor, worker->handle, OBJECT_POOL, &worker->record);
    if (result != TROUPE_OK)
        return result;
    worker->seat = seat_take(worker->actor, worker->record);
    lock_give(worker->actor, &worker->record->lock);
    if (worker->seat == NULL)
        return fail(TROUPE_FULL, "the pool has no seat for another worker");
    return TROUPE_OK;
}

/* A worker that is worn out leaves its range to the others, and a successor. */
void worker_stand_up(struct worker *worker)
{
    if (!pool_is_over(worker->pool) && !worker->is_shared)
        crew_replace(worker->handle, worker->index);
    lock_take(worker->actor, &worker->record->lock);
    if (range_left(atomic_load(&worker->seat->range)) == 0)
        seat_leave(worker->actor, worker->record, worker->seat);
    seat_vacate(worker->actor, worker->record, worker->seat);
    if (atomic_load(&worker->pool->state) >= POOL_TERMINATED)
        seat_clear(worker->actor, worker->record, worker->seat);
    bell_promise(worker->actor, &worker->record->bell);
    pool_leave_record(worker->actor, worker->record);
    bell_redeem(worker->actor, FUTEX_ALL);
}

static void work(struct worker *worker)
{
    if (atomic_load(&worker->seat->job) != 0)
        worker_run(worker);
    while (!worn_out(worker) && work_await(worker) == LOOK_WORK)
        worker_run(worker);
    worker_stand_up(worker);
}

/* SIGTERM ends a worker that is in a task, or whose pool goes on; one that is about to leave does
 * so in order. */
static void terminate_unless_leaving(int number)
{
    const struct pool *pool = atomic_load(&terminable);

    if (!atomic_load(&in_tasks) && (pool == NULL || atomic_load(&pool->state) >= POOL_TERMINATED))
        return;
    signal(number, SIG_DFL);
    raise(number); /* comes when the handler has returned */
}

/* In a process of the worker's own, unless the program has a handler; a fork of a worker has
 * ours. */
static void termination_heed(const struct worker *worker)
{
    struct sigaction action;

    if (world_here.role != WORLD_SPAWN && world_here.role != WORLD_FORK)
        return;
    atomic_store(&in_tasks, false);
    atomic_store(&terminable, worker->pool);
    if (sigaction(SIGTERM, NULL, &action) == 0 && action.sa_handler == SIG_DFL)
        signal(SIGTERM, terminate_unless_leaving);
}

/* A pool that is gone needs no worker: that is no failure. */
static int live(struct worker *worker)
{
    int result = table_find(worker->actor, worker->handle, OBJECT_POOL, &worker->record);

    if (result != TROUPE_OK)
        return result == TROUPE_BAD_HANDLE ? 0 : WORKER_FAILED;
    worker->pool = pool_of(worker->record);
    worker->is_shared = handle_node(worker->handle) != world_here.node;
    worker->patience_ms = 1;
    if (initialize(worker) != 0)
        return WORKER_NOT_INITIALIZED;
    termination_heed(worker);
    result = sit_down(worker);
    if (result == TROUPE_OK)
        work(worker);
    atomic_store(&terminable, NULL);
    return result == TROUPE_OK || result == TROUPE_BAD_HANDLE ? 0 : WORKER_FAILED;
}

int pool_worker(const void *argument, size_t bytes)
{
    const struct crew_order *order = argument;
    struct worker worker = { .handle = order->pool, .index = order->index }, *outer = here;
    struct actor own;
    int code;

    if (bytes != sizeof *order ||
        actor_open(&world_here.arena, (uint32_t)getpid(), &own) != TROUPE_OK)
        return WORKER_FAILED;
    worker.actor = &own;
    here = &worker;
    code = live(&worker);
    here = outer;
    resume_end(&own);
    actor_close(&own);
    return code;
}

/* ---- what a task may ask ------------------------------------------------------------------- */

bool pool_worker_is_in(uint64_t handle)
{
    return here != NULL && here->handle == handle;
}

uint64_t troupe_task_index(void)
{
    return here != NULL && here->job != NULL ? here->job->first + here->task : 0;
}

int troupe_task_attempt(void)
{
    return here != NULL ? here->attempt : 0;
}

int troupe_task_fail(int code, const char *format, ...)
{
    va_list arguments;

    if (here != NULL) {
        va_start(arguments, format);
        vsnprintf(here->told, sizeof here->told, format, arguments);
        va_end(arguments);
    }
    return code;
}
