/* Seats: how a worker comes to its tasks, and what is left when it dies.
 *
 * Memory orders: the claim is stored (release) before the compare-and-swap on the range (acquire
 * and release), so a range that is seen without those tasks comes with the claim that has them. Who
 * holds a range by its flag (acquire) sees the range as its owner left it; letting go is a release.
 * The redo of a transaction writes the range again only while the flag is up, so it never undoes a
 * claim. */
#include "pool/pool_local.h"

#include "core/lock.h"
#include "core/recover.h"
#include "core/tx.h"

#include <stdio.h>

uint64_t actor_tag(const struct actor *actor)
{
    return (uint64_t)slot_incarnation_of(atomic_load(&actor->slot->identity)) << 32 | actor->number;
}

bool actor_tag_lives(const struct arena *arena, uint64_t tag)
{
    uint64_t identity = atomic_load(&slot_at(arena, (uint32_t)tag)->identity);

    return slot_state_of(identity) == SLOT_LIVE && slot_incarnation_of(identity) == tag >> 32;
}

bool actor_resume(struct actor *actor, int kind, uint64_t place)
{
    if (atomic_load(&actor->slot->resume) != 0)
        return false;
    resume_begin(actor, kind, place);
    return true;
}

/* ---- coming and going ---------------------------------------------------------------------- */

static struct seat *vacant_find(const struct arena *arena, const struct pool *pool)
{
    struct seat *found = NULL;

    for (uint64_t i = 0; i < pool->seat_count; i++) {
        struct seat *seat = seat_at(arena, pool, i);

        if (atomic_load(&seat->owner) != 0 || atomic_load(&seat->lease) != 0)
            continue;
        if (atomic_load(&seat->job) != 0)
            return seat;
        if (found == NULL)
            found = seat;
    }
    return found;
}

struct seat *seat_take(struct actor *actor, struct record *record)
{
    struct pool *pool = pool_of(record);
    struct seat *seat = vacant_find(&actor->arena, pool);

    if (seat == NULL)
        return NULL;
    tx_write(actor, &seat->owner, actor_tag(actor));
    tx_write(actor, &pool->occupied, atomic_load(&pool->occupied) + 1);
    tx_write(actor, &pool->vain, 0);
    tx_commit(actor);
    return seat;
}

void seat_vacate(struct actor *actor, struct record *record, struct seat *seat)
{
    struct pool *pool = pool_of(record);

    tx_write(actor, &seat->owner, 0);
    tx_write(actor, &pool->occupied, atomic_load(&pool->occupied) - 1);
    tx_commit(actor);
}

void seat_leave(struct actor *actor, struct record *record, struct seat *seat)
{
    uint64_t place = atomic_load(&seat->job);
    bool done;

    if (place == 0)
        return;
    tx_write(actor, &seat->job, 0);
    done = job_seat_left(actor, record, place);
    tx_commit(actor);
    if (done)
        job_end(actor, record_at(&actor->arena, place));
}

/* ---- claiming ------------------------------------------------------------------------------ */

/* Waits until whoever takes from the range is done; one that died at it left the flag. */
static void range_wait(struct actor *actor, struct record *record, struct seat *seat)
{
    lock_take(actor, &record->lock);
    atomic_fetch_and_explicit(&seat->range, ~(uint64_t)RANGE_HELD, memory_order_release);
    lock_give(actor, &record->lock);
}

bool seat_claim(struct actor *actor, struct record *record, struct seat *seat,
                const _Atomic unsigned char *states, uint64_t most, uint64_t *low, uint64_t *count)
{
    for (;;) {
        uint64_t seen = atomic_load_explicit(&seat->range, memory_order_relaxed);
        unsigned state;

        if (seen & RANGE_HELD) {
            range_wait(actor, record, seat);
            continue;
        }
        *low = range_low(seen);
        *count = range_left(seen) < most ? range_left(seen) : most;
        if (*count == 0)
            return false;
        state = atomic_load_explicit(&states[*low], memory_order_relaxed);
        atomic_store_explicit(&seat->claim, claim_make(*low, *count, state_deaths(state) + 1),
                              memory_order_release);
        if (atomic_compare_exchange_strong_explicit(&seat->range, &seen,
                                                    range_make(*low + *count, range_high(seen)),
                                                    memory_order_acq_rel, memory_order_relaxed))
            return true;
    }
}

void seat_drop(struct actor *actor, struct record *record, struct seat *seat)
{
    for (;;) {
        uint64_t seen = atomic_load_explicit(&seat->range, memory_order_relaxed);

        if (seen & RANGE_HELD)
            range_wait(actor, record, seat);
        else if (atomic_compare_exchange_strong(&seat->range, &seen,
                                                range_make(range_high(seen), range_high(seen))))
            return;
    }
}

/* ---- filling ------------------------------------------------------------------------------- */

static uint64_t at_most(const struct seat_part *part, const struct job *job, uint64_t tasks)
{
    uint64_t bytes = job->input_bytes > job->output_bytes ? job->input_bytes : job->output_bytes;
    uint64_t most = part->bytes / (bytes + 1);

    if (part->bytes == 0 || tasks <= most)
        return tasks;
    return most > 0 ? most : 1;
}

/* From the oldest job that has any in its bank; whole chunks while there are. */
static bool fill_from_bank(struct actor *actor, struct record *record, struct seat *seat,
                           const struct seat_part *part)
{
    struct pool *pool = pool_of(record);
    uint64_t place = atomic_load(&pool->first), bank, left, take;
    struct job *job;

    if (place == 0)
        return false;
    job = job_of(record_at(&actor->arena, place));
    bank = atomic_load(&job->bank);
    left = range_left(bank);
    take = (left + part->divisor - 1) / part->divisor;
    take = (take + job->chunk - 1) / job->chunk * job->chunk;
    take = at_most(part, job, take < left ? take : left);
    tx_write(actor, &seat->range, range_make(range_low(bank), range_low(bank) + take));
    tx_write(actor, &seat->job, place);
    tx_write(actor, &job->seats, atomic_load(&job->seats) + 1);
    tx_write(actor, &job->bank, range_make(range_low(bank) + take, range_high(bank)));
    if (take == left) {
        tx_write(actor, &pool->first, atomic_load(&job->next));
        if (atomic_load(&job->next) == 0)
            tx_write(actor, &pool->last, 0);
    }
    tx_commit(actor);
    return true;
}

static struct seat *richest_find(const struct arena *arena, const struct pool *pool)
{
    struct seat *found = NULL;
    uint64_t most = 0;

    for (uint64_t i = 0; i < pool->seat_count; i++) {
        struct seat *seat = seat_at(arena, pool, i);
        uint64_t left = range_left(atomic_load_explicit(&seat->range, memory_order_relaxed));

        if (left > most && atomic_load(&seat->lease) == 0) {
            most = left;
            found = seat;
        }
    }
    return found;
}

/* The upper half of what another seat has before it. The flag keeps the owner's hands off; it stays
 * up in what the transaction writes, and falls after it. Whoever takes the last task of a seat
 * without a worker takes its place at the job, too. */
static bool steal(struct actor *actor, struct seat *seat, struct seat *other,
                  const struct seat_part *part)
{
    uint64_t seen = atomic_fetch_or_explicit(&other->range, RANGE_HELD, memory_order_acquire);
    uint64_t left = range_left(seen), place = atomic_load(&other->job), middle;
    struct job *job = job_of(record_at(&actor->arena, place));

    if (left > 0) {
        middle = range_high(seen) - at_most(part, job, (left + 1) / 2);
        tx_write(actor, &seat->range, range_make(middle, range_high(seen)));
        tx_write(actor, &seat->job, place);
        if (left == 1 && atomic_load(&other->owner) == 0)
            tx_write(actor, &other->job, 0);
        else
            tx_write(actor, &job->seats, atomic_load(&job->seats) + 1);
        tx_write(actor, &other->range, range_make(range_low(seen), middle) | RANGE_HELD);
        tx_commit(actor);
    }
    atomic_fetch_and_explicit(&other->range, ~(uint64_t)RANGE_HELD, memory_order_release);
    return left > 0;
}

bool seat_fill(struct actor *actor, struct record *record, struct seat *seat,
               const struct seat_part *part)
{
    struct seat *other;

    if (fill_from_bank(actor, record, seat, part))
        return true;
    while ((other = richest_find(&actor->arena, pool_of(record))) != NULL)
        if (steal(actor, seat, other, part))
            return true;
    return false;
}

bool seats_have_work(const struct arena *arena, const struct pool *pool)
{
    return atomic_load(&pool->first) != 0 || richest_find(arena, pool) != NULL;
}

/* ---- the dead ------------------------------------------------------------------------------ */

static void gave_up_note(struct actor *actor, struct record *job, uint64_t index, unsigned deaths)
{
    struct note note = { .index = index, .outcome = OUTCOME_GIVEN_UP, .attempts = deaths };
    char sentence[POOL_REASON_BYTES];

    snprintf(sentence, sizeof sentence,
             "task %llu was given up: %u workers ended while they ran it",
             (unsigned long long)(job_of(job)->first + index), deaths);
    job_note(actor, job, &note, sentence);
}

/* The task that the dead worker ran. It may have ended, and its failure may be noted; otherwise it
 * runs again, or not. The claim has the number of the attempt, so that doing this twice counts one
 * death. Returns whether it has its outcome. */
static bool task_died(struct actor *actor, const struct pool *pool, struct record *record,
                      uint64_t claim)
{
    struct job *job = job_of(record);
    uint64_t index = claim_low(claim);
    _Atomic unsigned char *state = &job_states(&actor->arena, job)[index];
    unsigned deaths = claim_attempt(claim);
    const struct note *note;

    if (state_outcome(atomic_load(state)) != OUTCOME_NONE)
        return true;
    note = job_note_find(&actor->arena, job, index);
    if (note == NULL && (deaths < pool->tries || atomic_load(&pool->state) == POOL_TERMINATED)) {
        atomic_store(state, state_make(deaths, OUTCOME_NONE));
        return false;
    }
    if (note == NULL)
        gave_up_note(actor, record, index, deaths);
    atomic_store(state, state_make(deaths, note != NULL ? note->outcome : OUTCOME_GIVEN_UP));
    return true;
}

void seat_give_back(struct actor *actor, struct record *record, struct seat *seat)
{
    struct pool *pool = pool_of(record);
    uint64_t range = atomic_load(&seat->range) & ~(uint64_t)RANGE_HELD;
    uint64_t claim = atomic_load(&seat->claim), place = atomic_load(&seat->job);
    uint64_t low = range_low(range);
    bool done = false;

    bell_promise(actor, &record->bell);
    if (place != 0 && claim != 0 && claim_low(claim) != low) {
        low = claim_low(claim);
        low += task_died(actor, pool, record_at(&actor->arena, place), claim);
    }
    tx_write(actor, &seat->range, range_make(low, range_high(range)));
    tx_write(actor, &seat->claim, 0);
    tx_write(actor, &seat->lease, 0);
    if (atomic_load(&seat->owner) != 0) {
        tx_write(actor, &seat->owner, 0);
        tx_write(actor, &pool->occupied, atomic_load(&pool->occupied) - 1);
        tx_write(actor, &pool->missing, atomic_load(&pool->missing) + 1);
    }
    if (place != 0 && low == range_high(range)) {
        tx_write(actor, &seat->job, 0);
        done = job_seat_left(actor, record, place);
    }
    tx_commit(actor);
    if (done)
        job_end(actor, record_at(&actor->arena, place));
}

void seat_clear(struct actor *actor, struct record *record, struct seat *seat)
{
    uint64_t high = range_high(atomic_load(&seat->range));

    if (atomic_load(&seat->job) == 0)
        return;
    tx_write(actor, &seat->range, range_make(high, high));
    tx_write(actor, &seat->lease, 0);
    tx_commit(actor);
    seat_leave(actor, record, seat);
}
