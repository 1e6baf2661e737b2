/* Who runs a process: idle ranks, waiting lists, keepers.
 *
 * Locks: a rank's lock, then the node's, then a keeper's. Each placement is one transaction that
 * writes the runner's word or list and the process's `assigned` together, so a starter that dies
 * leaves the process either placed or to be failed by recovery. */
#include "object/process.h"

#include "base/error.h"
#include "core/futex.h"
#include "core/ledger.h"
#include "core/tx.h"
#include "object/process_group.h"

static _Atomic uint64_t *next_of(const struct arena *arena, uint64_t place)
{
    return &process_of(arena_at(arena, place))->next;
}

static void job_write(struct actor *actor, struct rank_record *rank, struct record *record)
{
    tx_write(actor, &rank->job, atomic_load(&record->handle));
    tx_write(actor, &process_of(record)->assigned, 1);
    bell_promise(actor, &rank->bell);
}

/* Gives the process to the rank if that is idle. */
static bool rank_offer(struct actor *actor, struct rank_record *rank, struct record *record)
{
    bool idle = false;

    if (atomic_load_explicit(&rank->job, memory_order_relaxed) != 0)
        return false;
    lock_take(actor, &rank->lock);
    if (atomic_load(&rank->job) == 0) {
        job_write(actor, rank, record);
        ledger_witness(actor);
        tx_commit(actor);
        idle = true;
    }
    lock_give(actor, &rank->lock);
    if (idle)
        bell_redeem(actor, 1);
    return idle;
}

/* The first idle rank, not the next in turn: one that was busy a moment ago still spins. */
static bool idle_offer(struct actor *actor, struct record *record, int *rank)
{
    struct node *node = node_of(&actor->arena);

    for (uint32_t local = 0; local < node->local_size; local++) {
        /* If it is, that is the answer to the node that asked. */
        ledger_word(actor, 0, (uint64_t)node->ranks[local].rank + 1);
        if (rank_offer(actor, &node->ranks[local], record)) {
            *rank = (int)node->ranks[local].rank;
            return true;
        }
    }
    return false;
}

/* Gives the rank, whose lock is held, the next process that waits for it or for any rank. */
static bool rank_feed_locked(struct actor *actor, struct node *node, struct rank_record *rank)
{
    struct process_list *list = &rank->waiting;
    bool shared = atomic_load(&list->first) == 0;
    uint64_t first;

    if (shared) {
        list = &node->waiting;
        lock_take(actor, &node->lock);
    }
    first = atomic_load(&list->first);
    if (first != 0) {
        job_write(actor, rank, arena_at(&actor->arena, first));
        list_pop(actor, list, next_of(&actor->arena, first));
    } else {
        tx_write(actor, &rank->job, 0);
        bell_promise(actor, &node->idle_bell);
    }
    tx_commit(actor);
    if (shared)
        lock_give(actor, &node->lock);
    return first != 0;
}

/* After the rank's lock: its bell if it was fed, and that of an idle one. */
static void rank_fed(struct actor *actor, bool fed)
{
    if (fed)
        bell_redeem(actor, 1);
    else
        bell_redeem_asleep(actor, FUTEX_ALL);
}

static void rank_feed(struct actor *actor, struct node *node, struct rank_record *rank)
{
    bool fed = false;

    lock_take(actor, &rank->lock);
    if (atomic_load(&rank->job) == 0)
        fed = rank_feed_locked(actor, node, rank);
    lock_give(actor, &rank->lock);
    rank_fed(actor, fed);
}

void process_rank_next(struct actor *actor, struct rank_record *rank)
{
    bool fed;

    lock_take(actor, &rank->lock);
    fed = rank_feed_locked(actor, node_of(&actor->arena), rank);
    lock_give(actor, &rank->lock);
    rank_fed(actor, fed);
}

static bool ranks_left(const struct node *node)
{
    for (uint32_t local = 0; local < node->local_size; local++)
        if (atomic_load(&node->ranks[local].job) != RANK_GONE)
            return true;
    return false;
}

/* A rank may have become idle while we appended, without looking at the list again: so look. */
static int any_rank_wait(struct actor *actor, struct record *record)
{
    struct node *node = node_of(&actor->arena);

    if (!ranks_left(node))
        return fail(TROUPE_NO_RANK, "no rank of node %u is left to run it", node->number);
    lock_take(actor, &node->lock);
    list_append(actor, &node->waiting, arena_offset(&actor->arena, record), next_of);
    tx_write(actor, &process_of(record)->assigned, 1);
    ledger_witness(actor);
    tx_commit(actor);
    lock_give(actor, &node->lock);
    for (uint32_t local = 0; local < node->local_size; local++)
        if (atomic_load(&node->ranks[local].job) == 0)
            rank_feed(actor, node, &node->ranks[local]);
    return TROUPE_OK;
}

static int this_rank_now(struct actor *actor, struct record *record, int local)
{
    struct rank_record *rank = &node_of(&actor->arena)->ranks[local];

    if (rank_offer(actor, rank, record))
        return TROUPE_OK;
    if (atomic_load(&rank->job) == RANK_GONE)
        return fail(TROUPE_NO_RANK, "rank %u has ended; choose another", rank->rank);
    return fail(TROUPE_BUSY, "rank %u is busy", rank->rank);
}

static int this_rank_wait(struct actor *actor, struct record *record, int local)
{
    struct node *node = node_of(&actor->arena);
    struct rank_record *rank = &node->ranks[local];
    bool gone;

    lock_take(actor, &rank->lock);
    gone = atomic_load(&rank->job) == RANK_GONE;
    if (!gone && atomic_load(&rank->job) == 0)
        job_write(actor, rank, record);
    else if (!gone) {
        list_append(actor, &rank->waiting, arena_offset(&actor->arena, record), next_of);
        tx_write(actor, &process_of(record)->assigned, 1);
    }
    if (!gone)
        ledger_witness(actor);
    tx_commit(actor);
    lock_give(actor, &rank->lock);
    bell_redeem(actor, 1);
    return gone ? fail(TROUPE_NO_RANK, "rank %u has ended; choose another", rank->rank) : TROUPE_OK;
}

/* The record's own bell is for a forked child, which waits to be adopted. */
void process_adopt(struct actor *actor, struct record *record, int local)
{
    struct rank_record *rank = &node_of(&actor->arena)->ranks[local];

    bell_promise(actor, &rank->keeper_bell);
    bell_promise(actor, &record->bell);
    lock_take(actor, &rank->keeper_lock);
    list_append(actor, &rank->spawns, arena_offset(&actor->arena, record), next_of);
    tx_write(actor, &process_of(record)->assigned, 1);
    ledger_witness(actor);
    tx_commit(actor);
    lock_give(actor, &rank->keeper_lock);
    bell_redeem(actor, FUTEX_ALL);
}

/* One that is not ready yet finds its list when it is. */
bool process_keeper_is_there(const struct rank_record *rank)
{
    return atomic_load(&rank->keeper_pid) != 0 && atomic_load(&rank->keeper_state) != KEEPER_DONE;
}

static int fresh_request(struct actor *actor, struct record *record)
{
    struct node *node = node_of(&actor->arena);
    uint32_t from = atomic_fetch_add_explicit(&node->cursor, 1, memory_order_relaxed);

    for (uint32_t step = 0; step < node->local_size; step++) {
        uint32_t local = (from + step) % node->local_size;

        if (!process_keeper_is_there(&node->ranks[local]))
            continue;
        process_adopt(actor, record, (int)local);
        return TROUPE_OK;
    }
    return fail(TROUPE_NO_RANK,
                "no keeper of node %u can start a process; under troupe_attach "
                "there is none: use troupe_init",
                node->number);
}

int process_assign(struct actor *actor, struct record *record, enum process_mode mode, int local,
                   int *rank)
{
    *rank = -1;
    switch (mode) {
    case MODE_IDLE_RANK:
        return idle_offer(actor, record, rank)
                   ? TROUPE_OK
                   : fail(TROUPE_BUSY,
                          "no rank of node %u is idle; wait for one, or let when_busy "
                          "say so",
                          node_of(&actor->arena)->number);
    case MODE_ANY_RANK:
        return any_rank_wait(actor, record);
    case MODE_THIS_RANK:
        return this_rank_wait(actor, record, local);
    case MODE_FRESH:
        return fresh_request(actor, record);
    case MODE_THIS_RANK_NOW:
        return this_rank_now(actor, record, local);
    }
    return fail(TROUPE_BAD_ARGUMENT, "unknown way %d to run a process", mode);
}

uint64_t process_next_fresh(struct actor *actor, int local)
{
    struct rank_record *rank = &node_of(&actor->arena)->ranks[local];
    uint64_t first, handle = 0;

    lock_take(actor, &rank->keeper_lock);
    first = atomic_load(&rank->spawns.first);
    if (first != 0) {
        handle = atomic_load(&((struct record *)arena_at(&actor->arena, first))->handle);
        list_pop(actor, &rank->spawns, next_of(&actor->arena, first));
        tx_commit(actor);
    }
    lock_give(actor, &rank->keeper_lock);
    return handle;
}

/* Notes that a record leaves a list, whose lock is held; false when it is not in it. */
static bool list_leave(struct actor *actor, struct process_list *list, uint64_t place)
{
    const struct arena *arena = &actor->arena;
    uint64_t before = 0, at = atomic_load(&list->first), next;

    while (at != 0 && at != place) {
        before = at;
        at = atomic_load(next_of(arena, at));
    }
    if (at == 0)
        return false;
    next = atomic_load(next_of(arena, at));
    tx_write(actor, before != 0 ? next_of(arena, before) : &list->first, next);
    if (next == 0)
        tx_write(actor, &list->last, before);
    return true;
}

/* From a list to a keeper, in one transaction. */
static bool divert_from(struct actor *actor, struct lock *lock, struct process_list *list,
                        uint64_t place, struct rank_record *keeper)
{
    bool found;

    if (atomic_load(&list->first) == 0)
        return false;
    lock_take(actor, lock);
    found = list_leave(actor, list, place);
    if (found) {
        bell_promise(actor, &keeper->keeper_bell);
        lock_take(actor, &keeper->keeper_lock);
        list_append(actor, &keeper->spawns, place, next_of);
        tx_commit(actor);
        lock_give(actor, &keeper->keeper_lock);
    }
    lock_give(actor, lock);
    bell_redeem(actor, FUTEX_ALL);
    return found;
}

static struct rank_record *keeper_any(struct node *node)
{
    for (uint32_t local = 0; local < node->local_size; local++)
        if (process_keeper_is_there(&node->ranks[local]))
            return &node->ranks[local];
    return NULL;
}

void process_divert(struct actor *actor, struct record *record)
{
    struct node *node = node_of(&actor->arena);
    struct rank_record *keeper = keeper_any(node);
    uint64_t place = arena_offset(&actor->arena, record);
    bool found = keeper == NULL || divert_from(actor, &node->lock, &node->waiting, place, keeper);

    for (uint32_t local = 0; !found && local < node->local_size; local++) {
        struct rank_record *rank = &node->ranks[local];

        found = divert_from(actor, &rank->lock, &rank->waiting, place, keeper);
    }
}

/* Takes one process off a list whose rank is gone; 0 when it is empty. */
static uint64_t orphan_take(struct actor *actor, struct rank_record *rank)
{
    uint64_t first, handle = 0;

    lock_take(actor, &rank->lock);
    first = atomic_load(&rank->waiting.first);
    if (first != 0) {
        handle = atomic_load(&((struct record *)arena_at(&actor->arena, first))->handle);
        list_pop(actor, &rank->waiting, next_of(&actor->arena, first));
        tx_commit(actor);
    }
    lock_give(actor, &rank->lock);
    return handle;
}

/* Nobody is left to run what waits for any rank of this node. */
static uint64_t stranded_take(struct actor *actor, struct node *node)
{
    uint64_t first, handle = 0;

    lock_take(actor, &node->lock);
    first = ranks_left(node) ? 0 : atomic_load(&node->waiting.first);
    if (first != 0) {
        handle = atomic_load(&((struct record *)arena_at(&actor->arena, first))->handle);
        list_pop(actor, &node->waiting, next_of(&actor->arena, first));
        tx_commit(actor);
    }
    lock_give(actor, &node->lock);
    return handle;
}

/* Whoever waits for what waits for a rank looks whether anybody is left to run it. */
static void joiners_wake(struct actor *actor, struct node *node)
{
    for (uint32_t local = 0; local < node->local_size; local++) {
        uint64_t job = atomic_load(&node->ranks[local].job);
        struct record *record;

        if (job == 0 || job == RANK_GONE || job == RANK_STARTING ||
            table_find(actor, job, OBJECT_PROCESS, &record) != TROUPE_OK)
            continue;
        job = atomic_load(&process_of(record)->awaits);
        if (job != 0 && table_find(actor, job, OBJECT_PROCESS, &record) == TROUPE_OK)
            bell_ring(&actor->arena, &record->bell, FUTEX_ALL);
    }
}

void process_rank_lost(struct actor *actor, int local, int exit_code, int signal)
{
    static const struct process_end orphaned = { TROUPE_STATE_FAILED, -1, 0,
                                                 "the rank that it waited for has ended", false };
    struct node *node = node_of(&actor->arena);
    struct rank_record *rank = &node->ranks[local];
    struct process_end end = { signal != 0 ? TROUPE_STATE_KILLED : TROUPE_STATE_DONE, exit_code,
                               signal, NULL, false };
    uint64_t job, handle;

    lock_take(actor, &rank->lock);
    job = atomic_load(&rank->job);
    tx_write(actor, &rank->job, RANK_GONE);
    tx_commit(actor);
    lock_give(actor, &rank->lock);
    if (job == RANK_GONE)
        return;
    if (job != 0 && job != RANK_STARTING) {
        process_group_bereave(actor, job);
        process_finish(actor, job, &end);
    }
    while ((handle = orphan_take(actor, rank)) != 0)
        process_finish(actor, handle, &orphaned);
    while ((handle = stranded_take(actor, node)) != 0)
        process_finish(actor, handle, &orphaned);
    joiners_wake(actor, node);
}
