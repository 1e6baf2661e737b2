/* Starting workers, and starting them again.
 *
 * A place of the crew is changed by compare-and-swap alone: from what was seen to the tag of
 * whoever starts a process for it, and from that to the process. A tag whose owner has died counts
 * as an empty place. */
#include "pool/crew.h"

#include "base/clock.h"
#include "base/error.h"
#include "core/lock.h"
#include "core/tx.h"
#include "core/world.h"
#include "object/process.h"
#include "pool/share.h"

#include <stdio.h>

#define JOIN_LOOK_MS 50
#define KILL_GRACE_MS 2000 /* from a termination to SIGKILL */
#define VAIN_MORE 8        /* beyond one for each worker: then the pool gives up starting */

static struct crew_entry *entries_of(const struct arena *arena, const struct pool *pool)
{
    return arena_at(arena, atomic_load(&pool->crew));
}

static bool is_process(uint64_t word)
{
    return handle_kind(word) == OBJECT_PROCESS;
}

static bool is_wanted(const struct pool *pool)
{
    uint64_t state = atomic_load(&pool->state);

    return state == POOL_OPEN || (state == POOL_CLOSED && atomic_load(&pool->jobs) > 0);
}

enum place { PLACE_EMPTY, PLACE_STARTING, PLACE_LIVES, PLACE_ENDED };

/* reason is that of the end, if it has one. */
static enum place place_look(const struct arena *arena, uint64_t word, char *reason)
{
    troupe_process_status status;

    if (word == 0)
        return PLACE_EMPTY;
    if (!is_process(word))
        return actor_tag_lives(arena, word) ? PLACE_STARTING : PLACE_EMPTY;
    if (troupe_process_join((troupe_process){ word }, TROUPE_NO_WAIT) == TROUPE_TIMEOUT)
        return PLACE_LIVES;
    if (troupe_process_status_get((troupe_process){ word }, &status) != TROUPE_OK)
        return PLACE_ENDED;
    if (status.reason[0] != '\0')
        snprintf(reason, POOL_REASON_BYTES, "%.*s", POOL_REASON_BYTES - 1, status.reason);
    else
        snprintf(reason, POOL_REASON_BYTES, "a worker left with code %d before it had a task",
                 status.exit_code);
    return PLACE_ENDED;
}

static int worker_start(const struct pool *pool, uint64_t handle, uint64_t index,
                        troupe_process *process)
{
    struct crew_order order = { handle, index };
    char name[TROUPE_NAME_SIZE];
    /* A daemon: a task that never ends does not keep the world from ending. */
    troupe_process_options options = { .name = name,
                                       .method = pool->method,
                                       .gpus = pool->gpus,
                                       .with_threads = pool->with_threads,
                                       .is_daemon = 1 };

    /* Fresh processes would all be the caller's node's. */
    if (pool->method == TROUPE_METHOD_SPAWN) {
        options.where = TROUPE_ON_NODE;
        options.place =
            (world_here.node + (int)(index % (uint64_t)world_here.nodes)) % world_here.nodes;
    }
    snprintf(name, sizeof name, "%.40s-%llu", pool->name, (unsigned long long)index);
    return troupe_process_start(pool_worker, &order, sizeof order, &options, process);
}

/* Starts a process for a place that was seen to be free. seen is closed when it was a process. */
static int place_fill(struct actor *actor, struct pool *pool, uint64_t handle, uint64_t index,
                      uint64_t seen)
{
    struct crew_entry *entry = &entries_of(&actor->arena, pool)[index];
    troupe_process process = { 0 };
    int result;

    if (!atomic_compare_exchange_strong(&entry->word, &seen, actor_tag(actor)))
        return TROUPE_OK;
    if (is_process(seen))
        troupe_process_close((troupe_process){ seen });
    result = worker_start(pool, handle, index, &process);
    atomic_store(&entry->word, result == TROUPE_OK ? process.id : 0);
    if (result == TROUPE_OK)
        atomic_fetch_add(&pool->vain, 1);
    return result;
}

static void missing_less(struct actor *actor, struct record *record)
{
    struct pool *pool = pool_of(record);

    lock_take(actor, &record->lock);
    if (atomic_load(&pool->missing) > 0) {
        tx_write(actor, &pool->missing, atomic_load(&pool->missing) - 1);
        tx_commit(actor);
    }
    lock_give(actor, &record->lock);
}

/* What a look at the crew came to. */
struct sight {
    uint64_t present; /* places with somebody, or somebody coming */
    int result;       /* of the last start that failed */
    char reason[POOL_REASON_BYTES];
};

/* Starting may be in vain for ever: a worker that cannot begin is started so many times. */
static bool is_in_vain(const struct pool *pool)
{
    return atomic_load(&pool->vain) > 2 * pool->workers + VAIN_MORE;
}

static void place_mend(struct actor *actor, struct record *record, uint64_t handle, uint64_t index,
                       struct sight *sight)
{
    struct pool *pool = pool_of(record);
    uint64_t word = atomic_load(&entries_of(&actor->arena, pool)[index].word);
    enum place place = place_look(&actor->arena, word, sight->reason);
    int result = TROUPE_OK;

    if (place == PLACE_EMPTY || place == PLACE_ENDED)
        result = is_in_vain(pool) ? fail_text(TROUPE_GIVEN_UP, sight->reason)
                                  : place_fill(actor, pool, handle, index, word);
    if (result != TROUPE_OK) {
        sight->result = result;
        snprintf(sight->reason, sizeof sight->reason, "%s", troupe_last_error());
        return;
    }
    sight->present++;
    if (place == PLACE_ENDED)
        missing_less(actor, record);
}

void crew_look(uint64_t handle)
{
    struct sight sight = { .result = TROUPE_OK };
    struct record *record;
    struct actor *actor;

    if (world_enter(&actor) != TROUPE_OK ||
        table_find(actor, handle, OBJECT_POOL, &record) != TROUPE_OK)
        return;
    for (uint64_t i = 0; i < pool_of(record)->workers && is_wanted(pool_of(record)); i++)
        place_mend(actor, record, handle, i, &sight);
    share_mend(actor, handle);
    if (sight.present == 0 && sight.result != TROUPE_OK)
        pool_break(actor, handle, sight.result, sight.reason);
}

void crew_replace(uint64_t handle, uint64_t index)
{
    struct record *record;
    struct actor *actor;
    uint64_t word;

    if (world_enter(&actor) != TROUPE_OK ||
        table_find(actor, handle, OBJECT_POOL, &record) != TROUPE_OK)
        return;
    word = atomic_load(&entries_of(&actor->arena, pool_of(record))[index].word);
    if (is_process(word))
        place_fill(actor, pool_of(record), handle, index, word);
}

/* ---- the end ------------------------------------------------------------------------------- */

/* The first process of the crew that has not ended; 0 when there is none. */
static uint64_t living_find(const struct arena *arena, const struct pool *pool)
{
    char unused[POOL_REASON_BYTES];

    for (uint64_t i = 0; i < pool->workers; i++) {
        uint64_t word = atomic_load(&entries_of(arena, pool)[i].word);

        if (place_look(arena, word, unused) == PLACE_LIVES)
            return word;
    }
    return 0;
}

static void crew_signal(struct actor *actor, const struct pool *pool, int (*send)(troupe_process))
{
    char unused[POOL_REASON_BYTES];

    for (uint64_t i = 0; i < pool->workers; i++) {
        uint64_t word = atomic_load(&entries_of(&actor->arena, pool)[i].word);

        if (place_look(&actor->arena, word, unused) == PLACE_LIVES)
            send((troupe_process){ word });
    }
}

void crew_terminate(uint64_t handle)
{
    struct record *record;
    struct actor *actor;

    if (world_enter(&actor) == TROUPE_OK &&
        table_find(actor, handle, OBJECT_POOL, &record) == TROUPE_OK)
        crew_signal(actor, pool_of(record), troupe_process_terminate);
}

/* Kills who is still there some time after the pool was terminated. */
static void laggards_kill(struct actor *actor, const struct pool *pool, uint64_t *patience)
{
    if (atomic_load(&pool->state) < POOL_TERMINATED)
        return;
    if (*patience == CLOCK_FOREVER)
        *patience = clock_deadline(KILL_GRACE_MS);
    else if (clock_left(*patience) == 0)
        crew_signal(actor, pool, troupe_process_kill);
}

int crew_join(uint64_t handle, uint64_t deadline)
{
    struct record *record;
    struct actor *actor;
    uint64_t word, patience = CLOCK_FOREVER;
    int result = world_enter(&actor);

    if (result == TROUPE_OK)
        result = table_find(actor, handle, OBJECT_POOL, &record);
    if (result == TROUPE_OK && atomic_load(&pool_of(record)->state) == POOL_OPEN)
        result = fail(TROUPE_BAD_ARGUMENT,
                      "the pool %s still takes tasks: close or terminate it before the join",
                      pool_of(record)->name);
    if (result != TROUPE_OK)
        return result;
    while ((word = living_find(&actor->arena, pool_of(record))) != 0) {
        if (clock_left(deadline) == 0)
            return fail(TROUPE_TIMEOUT, "workers of the pool %s have not ended in time",
                        pool_of(record)->name);
        laggards_kill(actor, pool_of(record), &patience);
        troupe_process_join((troupe_process){ word }, JOIN_LOOK_MS);
        crew_look(handle);
    }
    return TROUPE_OK;
}

void crew_end(struct actor *actor, struct record *record)
{
    struct pool *pool = pool_of(record);

    if (atomic_load(&pool->crew) == 0)
        return;
    for (uint64_t i = 0; i < pool->workers; i++) {
        uint64_t word = atomic_load(&entries_of(&actor->arena, pool)[i].word);

        if (is_process(word))
            troupe_process_close((troupe_process){ word });
    }
}

/* A process's own record, here at its home, has the node that runs it. */
static bool runs_on(struct actor *actor, uint64_t word, int node)
{
    struct record *record;

    return is_process(word) && table_find(actor, word, OBJECT_PROCESS, &record) == TROUPE_OK &&
           atomic_load(&process_of(record)->runner) == (uint64_t)node + 1 &&
           atomic_load(&process_of(record)->state) < TROUPE_STATE_DONE;
}

bool crew_lives_on(struct actor *actor, const struct pool *pool, int node)
{
    for (uint64_t i = 0; i < pool->workers; i++)
        if (runs_on(actor, atomic_load(&entries_of(&actor->arena, pool)[i].word), node))
            return true;
    return false;
}
