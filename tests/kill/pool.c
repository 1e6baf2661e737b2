/* The pool, killed at every instruction of its making, of a worker's claims, tasks, failures and
 * leave, of taking half of another one's range, and of a map's beginning and end.
 *
 * After every recovery each task without an end is in exactly one place: the bank or one seat's
 * range; each one with an end has its output or its note; the job is done when all have ended; and
 * the heap holds the pool, its jobs and notes, and nothing else. */
#include "counts.h"
#include "harness.h"

#include "core/lock.h"
#include "core/recover.h"
#include "core/root.h"
#include "pool/crew.h"
#include "pool/share.h"
#include "pool/worker.h"

#include <string.h>

#define TASKS_MOST 8u
#define TRIES 2u

enum { MEMO_POOL, MEMO_JOB, MEMO_SEAT, MEMO_RECORD, MEMO_MADE };

/* ---- what workers of a world have besides ------------------------------------------------- */

void crew_look(uint64_t handle)
{
    (void)handle;
}

void crew_replace(uint64_t handle, uint64_t index)
{
    (void)handle, (void)index;
}

void crew_end(struct actor *actor, struct record *record)
{
    (void)actor, (void)record;
}

void share_report(struct worker *worker)
{
    (void)worker;
}

bool share_look(struct worker *worker)
{
    (void)worker;
    return false;
}

bool share_may_ask(const struct worker *worker)
{
    (void)worker;
    return false;
}

/* ---- tools -------------------------------------------------------------------------------- */

static int number_task(const void *input, size_t input_bytes, void *output, size_t output_bytes)
{
    uint64_t value;

    (void)output_bytes;
    memcpy(&value, input, input_bytes);
    value++;
    memcpy(output, &value, sizeof value);
    return 0;
}

static int failing_task(const void *input, size_t input_bytes, void *output, size_t output_bytes)
{
    number_task(input, input_bytes, output, output_bytes);
    return 1;
}

static struct record *pool_record(struct kill_world *world)
{
    return record_at(&world->arena, world->memo[MEMO_RECORD]);
}

static struct seat *victims_seat(struct kill_world *world)
{
    return arena_at(&world->arena, world->memo[MEMO_SEAT]);
}

static void make(struct kill_world *world, struct actor *actor, uint64_t *handle)
{
    struct pool made;

    (void)world;
    memset(&made, 0, sizeof made);
    made.workers = 2;
    made.seat_count = 3;
    made.tries = TRIES;
    pool_make(actor, &made, NULL, 0, handle);
}

static void submit(struct kill_world *world, struct actor *actor, troupe_task task, uint64_t n,
                   uint64_t chunk, bool stop, uint64_t *handle)
{
    static const uint64_t inputs[TASKS_MOST] = { 0, 1, 2, 3, 4, 5, 6, 7 };
    struct job_order order = { .inputs = inputs,
                               .n = n,
                               .input_bytes = sizeof *inputs,
                               .output_bytes = sizeof *inputs,
                               .chunk = chunk,
                               .stop_at_failure = stop };

    target_name((troupe_target)(void (*)(void))task, &order.function);
    job_submit(actor, world->memo[MEMO_POOL], &order, handle);
}

/* A worker takes a seat and a part of the bank. */
static struct seat *sit(struct kill_world *world, struct actor *actor, uint64_t divisor)
{
    struct record *record = pool_record(world);
    struct seat_part part = { .divisor = divisor };
    struct seat *seat;

    resume_begin(actor, RESUME_POOL, world->memo[MEMO_RECORD]);
    lock_take(actor, &record->lock);
    seat = seat_take(actor, record);
    if (divisor > 0)
        seat_fill(actor, record, seat, &part);
    lock_give(actor, &record->lock);
    return seat;
}

static void prepare_pool(struct kill_world *world)
{
    struct record *record;

    recover_register(RESUME_POOL, pool_mend);
    recover_register(RESUME_POOL_JOB, job_mend);
    table_format(&world->bystander, 0);
    make(world, &world->bystander, &world->memo[MEMO_POOL]);
    resume_end(&world->bystander);
    table_find(&world->bystander, world->memo[MEMO_POOL], OBJECT_POOL, &record);
    world->memo[MEMO_RECORD] = arena_offset(&world->arena, record);
}

/* A job whose tasks are shared between the bank, the victim and, if asked, the bystander. */
static void prepare_job(struct kill_world *world, troupe_task task, uint64_t n, uint64_t chunk,
                        bool stop)
{
    prepare_pool(world);
    submit(world, &world->bystander, task, n, chunk, stop, &world->memo[MEMO_JOB]);
}

static void victim_sits(struct kill_world *world, uint64_t divisor)
{
    world->memo[MEMO_SEAT] = arena_offset(&world->arena, sit(world, &world->victim, divisor));
}

static struct worker victim_worker(struct kill_world *world)
{
    return (struct worker){ .actor = &world->victim,
                            .handle = world->memo[MEMO_POOL],
                            .record = pool_record(world),
                            .pool = pool_of(pool_record(world)),
                            .seat = victims_seat(world) };
}

/* ---- the look ----------------------------------------------------------------------------- */

static void range_count(uint64_t range, unsigned *places)
{
    for (uint64_t i = range_low(range); i < range_high(range) && i < TASKS_MOST; i++)
        places[i]++;
}

static bool seats_count(struct kill_world *world, uint64_t job, unsigned *places)
{
    const struct pool *pool = pool_of(pool_record(world));
    uint64_t occupied = 0, at_job = 0;

    for (uint64_t i = 0; i < pool->seat_count; i++) {
        const struct seat *seat = seat_at(&world->arena, pool, i);

        occupied += atomic_load(&seat->owner) != 0;
        at_job += atomic_load(&seat->job) == job;
        range_count(atomic_load(&seat->range), places);
        if (!kill_expect(world,
                         atomic_load(&seat->owner) == 0 ||
                             actor_tag_lives(&world->arena, atomic_load(&seat->owner)),
                         "a dead worker sits") ||
            !kill_expect(world,
                         atomic_load(&seat->owner) != 0 || atomic_load(&seat->job) == 0 ||
                             range_left(atomic_load(&seat->range)) > 0,
                         "an empty seat without a worker is at a job"))
            return false;
    }
    return kill_expect(world, occupied == atomic_load(&pool->occupied), "%u seats are occupied",
                       (unsigned)occupied) &&
           kill_expect(world, at_job == atomic_load(&job_of(record_at(&world->arena, job))->seats),
                       "%u seats are at the job", (unsigned)at_job);
}

static bool task_is_sound(struct kill_world *world, const struct job *job, uint64_t index,
                          unsigned places)
{
    enum outcome outcome = state_outcome(job_states(&world->arena, job)[index]);
    const uint64_t *outputs = arena_at(&world->arena, job->outputs);
    bool stopped = atomic_load(&job->stop) != 0;

    if (outcome == OUTCOME_NONE)
        return kill_expect(world, places == 1 || (stopped && places == 0),
                           "task %u waits in %u places", (unsigned)index, places);
    if (!kill_expect(world, places == 0, "task %u has ended, and waits", (unsigned)index))
        return false;
    if (outcome == OUTCOME_DONE)
        return kill_expect(world, outputs[index] == index + 1, "task %u has no output",
                           (unsigned)index);
    return kill_expect(world, job_note_find(&world->arena, job, index) != NULL,
                       "task %u has no note", (unsigned)index);
}

static bool check_job(struct kill_world *world, bool done)
{
    unsigned places[TASKS_MOST] = { 0 };
    struct record *record;
    const struct job *job;
    uint64_t ended = 0, notes = 0;

    (void)done;
    if (!kill_expect(world,
                     table_find(&world->bystander, world->memo[MEMO_JOB], OBJECT_JOB, &record) ==
                         TROUPE_OK,
                     "the job is gone"))
        return false;
    job = job_of(record);
    if (!seats_count(world, arena_offset(&world->arena, record), places))
        return false;
    range_count(atomic_load(&job->bank), places);
    for (uint64_t i = 0; i < job->n; i++) {
        if (!task_is_sound(world, job, i, places[i]))
            return false;
        ended += state_outcome(job_states(&world->arena, job)[i]) != OUTCOME_NONE;
        notes += job_note_find(&world->arena, job, i) != NULL;
    }
    return kill_expect(world, notes == atomic_load(&job->failed) + atomic_load(&job->given_up),
                       "%u notes are counted wrong", (unsigned)notes) &&
           kill_expect(world,
                       ended == job->n || atomic_load(&job->state) != JOB_DONE ||
                           atomic_load(&job->stop) != 0,
                       "the job is done before its tasks") &&
           kill_expect(world, (ended < job->n) || atomic_load(&job->state) == JOB_DONE,
                       "the tasks have ended, the job has not");
}

/* ---- a worker ------------------------------------------------------------------------------- */

static void prepare_run(struct kill_world *world)
{
    prepare_job(world, number_task, 3, 1, false);
    victim_sits(world, 2);
}

static void prepare_run_chunk(struct kill_world *world)
{
    prepare_job(world, number_task, 4, 3, false);
    victim_sits(world, 1);
}

static void operate_run(struct kill_world *world)
{
    struct worker worker = victim_worker(world);

    do
        worker_run(&worker);
    while (worker_next(&worker));
}

static void prepare_fail(struct kill_world *world)
{
    prepare_job(world, failing_task, 2, 1, false);
    victim_sits(world, 1);
}

static void prepare_stop(struct kill_world *world)
{
    prepare_job(world, failing_task, 4, 1, true);
    victim_sits(world, 2);
}

/* The task has killed a worker before: this is the last try. */
static void prepare_last_try(struct kill_world *world)
{
    struct record *record;

    prepare_job(world, number_task, 2, 2, false);
    victim_sits(world, 1);
    table_find(&world->bystander, world->memo[MEMO_JOB], OBJECT_JOB, &record);
    atomic_store(&job_states(&world->arena, job_of(record))[0],
                 state_make(TRIES - 1, OUTCOME_NONE));
}

/* The bystander has all: the victim takes from it, and both have the flag in between. */
static void prepare_steal(struct kill_world *world)
{
    prepare_job(world, number_task, 3, 1, false);
    sit(world, &world->bystander, 1);
    resume_end(&world->bystander);
    victim_sits(world, 0);
}

static void operate_steal(struct kill_world *world)
{
    struct worker worker = victim_worker(world);

    worker_next(&worker);
}

/* A seat without a worker, and its last task. */
static void prepare_inherit(struct kill_world *world)
{
    struct seat *seat;

    prepare_job(world, number_task, 1, 1, false);
    seat = sit(world, &world->bystander, 1);
    lock_take(&world->bystander, &pool_record(world)->lock);
    seat_vacate(&world->bystander, pool_record(world), seat);
    lock_give(&world->bystander, &pool_record(world)->lock);
    resume_end(&world->bystander);
    resume_begin(&world->victim, RESUME_POOL, world->memo[MEMO_RECORD]);
    world->memo[MEMO_SEAT] = arena_offset(&world->arena, seat + 1);
    atomic_store(&(seat + 1)->owner, actor_tag(&world->victim));
    atomic_store(&pool_of(pool_record(world))->occupied, 1);
}

static void prepare_sit(struct kill_world *world)
{
    prepare_job(world, number_task, 3, 1, false);
}

static void operate_sit(struct kill_world *world)
{
    sit(world, &world->victim, 2);
}

static void operate_stand_up(struct kill_world *world)
{
    struct worker worker = victim_worker(world);

    worker_stand_up(&worker);
}

/* ---- pools and jobs ----------------------------------------------------------------------- */

static uint64_t records_live(struct kill_world *world, enum object_kind kind)
{
    uint64_t index = 0, count = 0;
    struct record *record;

    while ((record = table_next(&world->arena, &index)) != NULL)
        count += handle_kind(atomic_load(&record->handle)) == kind;
    return count;
}

static void prepare_empty(struct kill_world *world)
{
    recover_register(RESUME_POOL, pool_mend);
    table_format(&world->bystander, 0);
}

/* The pool belongs to whom makes it, and so goes with the victim. */
static void operate_make(struct kill_world *world)
{
    struct pool made;

    memset(&made, 0, sizeof made);
    made.workers = 2;
    made.seat_count = 3;
    atomic_store(&made.owner, actor_tag(&world->victim));
    pool_make(&world->victim, &made, NULL, 0, &world->memo[MEMO_MADE]);
}

static bool check_make(struct kill_world *world, bool done)
{
    (void)done;
    return kill_expect(world, records_live(world, OBJECT_POOL) == 0, "the pool lives") &&
           kill_expect(world, atomic_load(&world->arena.header->roots[ROOT_TABLE]) != 0,
                       "no table");
}

static void operate_submit(struct kill_world *world)
{
    submit(world, &world->victim, number_task, 3, 1, false, &world->memo[MEMO_MADE]);
}

static bool check_submit(struct kill_world *world, bool done)
{
    const struct pool *pool = pool_of(pool_record(world));
    uint64_t jobs = records_live(world, OBJECT_JOB);

    return kill_expect(world, jobs == done, "%u jobs live", (unsigned)jobs) &&
           kill_expect(world, atomic_load(&pool->jobs) == jobs, "%u jobs are counted",
                       (unsigned)atomic_load(&pool->jobs)) &&
           kill_expect(world, (atomic_load(&pool->first) != 0) == (jobs == 1), "the list is wrong");
}

static void operate_terminate(struct kill_world *world)
{
    pool_shut(&world->victim, world->memo[MEMO_POOL], POOL_TERMINATED);
}

static bool check_terminate(struct kill_world *world, bool done)
{
    const struct pool *pool = pool_of(pool_record(world));

    if (!done)
        return kill_expect(world, atomic_load(&pool->state) == POOL_OPEN, "it is shut") &&
               check_job(world, false);
    return kill_expect(world, atomic_load(&pool->state) == POOL_TERMINATED, "it is not shut") &&
           kill_expect(world, atomic_load(&pool->jobs) == 0, "a job is not done") &&
           kill_expect(world, atomic_load(&pool->first) == 0, "a job is in the list");
}

static void operate_destroy(struct kill_world *world)
{
    pool_destroy(&world->victim, world->memo[MEMO_POOL]);
}

/* Terminated, and not yet destroyed, is a state on the way: whoever destroys is gone, the pool and
 * its creator are not. */
static bool check_destroy(struct kill_world *world, bool done)
{
    uint64_t pools = records_live(world, OBJECT_POOL);

    if (pools == 1 && atomic_load(&pool_of(pool_record(world))->state) == POOL_TERMINATED)
        return check_terminate(world, true);
    return kill_expect(world, pools == !done, "%u pools live", (unsigned)pools) &&
           kill_expect(world, records_live(world, OBJECT_JOB) == pools, "a job is left") &&
           (done || check_job(world, false));
}

static void prepare_half_stolen(struct kill_world *world)
{
    prepare_job(world, number_task, 4, 1, false);
}

/* Those that every run sees come first; the others go the same ways once more. */
#define USUAL 6

int main(int argc, char **argv)
{
    static const struct kill_case cases[] = {
        {
            .name = "run",
            .prepare = prepare_run,
            .operation = operate_run,
            .check = check_job,
        },
        { .name = "last_try",
          .prepare = prepare_last_try,
          .operation = operate_run,
          .check = check_job },
        { .name = "steal",
          .prepare = prepare_steal,
          .operation = operate_steal,
          .check = check_job,
          .literally = true },
        { .name = "inherit",
          .prepare = prepare_inherit,
          .operation = operate_run,
          .check = check_job },
        { .name = "stand_up",
          .prepare = prepare_run,
          .operation = operate_stand_up,
          .check = check_job },
        { .name = "terminate",
          .prepare = prepare_half_stolen,
          .operation = operate_terminate,
          .check = check_terminate },
        { .name = "run_chunk",
          .prepare = prepare_run_chunk,
          .operation = operate_run,
          .check = check_job },
        { .name = "fail", .prepare = prepare_fail, .operation = operate_run, .check = check_job },
        { .name = "stop", .prepare = prepare_stop, .operation = operate_run, .check = check_job },
        { .name = "sit", .prepare = prepare_sit, .operation = operate_sit, .check = check_job },
        { .name = "make",
          .prepare = prepare_empty,
          .operation = operate_make,
          .check = check_make },
        { .name = "submit",
          .prepare = prepare_pool,
          .operation = operate_submit,
          .check = check_submit },
        { .name = "destroy",
          .prepare = prepare_half_stolen,
          .operation = operate_destroy,
          .check = check_destroy },
    };
    long all = sizeof cases / sizeof *cases;

    return kill_main(argc, argv, cases, (size_t)(argc > 1 ? all : test_count(USUAL, all)));
}
