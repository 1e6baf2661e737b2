/* The public calls about a pool as a whole.
 *
 * A pool belongs to the process that made it: an actor of its own, kept here, names the pool in its
 * slot, and when the process dies, recovery terminates the pool. A target that returns leaves its
 * pools like a process that ends. */
#include "pool/pool.h"

#include "base/clock.h"
#include "base/error.h"
#include "core/party.h"
#include "core/recover.h"
#include "core/root.h"
#include "core/world.h"
#include "pool/crew.h"
#include "pool/result.h"
#include "pool/share.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TRIES_USUAL 3
#define WORKERS_MOST 16384 /* half of the slots that a node can have */

struct owned {
    struct owned *next;
    uint64_t handle;
    struct actor actor;
};

static struct owned *owned;
static pthread_mutex_t owned_lock = PTHREAD_MUTEX_INITIALIZER;

/* ---- making -------------------------------------------------------------------------------- */

static int options_check(const troupe_pool_options *options)
{
    if (options->workers < 0 || options->workers > WORKERS_MOST)
        return fail(TROUPE_BAD_ARGUMENT, "workers = %d; ask for 1 to %d, or 0 for one a rank",
                    options->workers, WORKERS_MOST);
    if (options->tries < 0 || options->tries > POOL_TRIES_MOST)
        return fail(TROUPE_BAD_ARGUMENT, "tries = %d; use 1 to %d, or 0 for %d", options->tries,
                    POOL_TRIES_MOST, TRIES_USUAL);
    if (options->max_tasks < 0)
        return fail(TROUPE_BAD_ARGUMENT, "max_tasks = %d; use 1 or more, or 0 for no limit",
                    options->max_tasks);
    if (options->argument == NULL && options->argument_bytes > 0)
        return fail(TROUPE_BAD_ARGUMENT, "the initializer's argument is NULL but has %zu bytes",
                    options->argument_bytes);
    if (options->name != NULL && strlen(options->name) >= TROUPE_NAME_SIZE)
        return fail(TROUPE_BAD_ARGUMENT, "the name \"%s\" has %zu bytes; use at most %d",
                    options->name, strlen(options->name), TROUPE_NAME_SIZE - 1);
    return TROUPE_OK;
}

/* A seat for each worker one for its successor while both are there, and those that other nodes
 * lease. */
static int pool_describe(const troupe_pool_options *options, struct pool *made)
{
    memset(made, 0, sizeof *made);
    made->workers = (uint64_t)(options->workers > 0 ? options->workers : troupe_world_size());
    made->seat_count = 2 * made->workers + share_leases_most(world_here.nodes);
    made->tries = (uint64_t)(options->tries > 0 ? options->tries : TRIES_USUAL);
    made->max_tasks = (uint64_t)options->max_tasks;
    made->method = options->method;
    made->gpus = options->gpus;
    made->with_threads = options->with_threads;
    made->argument_bytes = options->argument_bytes;
    snprintf(made->name, sizeof made->name, "%s", options->name != NULL ? options->name : "pool");
    return options->initializer != NULL ? target_name(options->initializer, &made->initializer)
                                        : TROUPE_OK;
}

static void owned_free(struct owned *mine)
{
    if (mine == NULL)
        return;
    resume_end(&mine->actor);
    actor_close(&mine->actor);
    free(mine);
}

/* Frees what is kept of a pool that ended without us: with the run of a target. */
static void owned_sweep(struct actor *actor)
{
    struct owned **link = &owned, *mine;
    struct record *record;

    pthread_mutex_lock(&owned_lock);
    while ((mine = *link) != NULL)
        if (table_find(actor, mine->handle, OBJECT_POOL, &record) == TROUPE_OK)
            link = &mine->next;
        else {
            *link = mine->next;
            owned_free(mine);
        }
    pthread_mutex_unlock(&owned_lock);
}

static void owned_add(struct owned *mine)
{
    pthread_mutex_lock(&owned_lock);
    mine->next = owned;
    owned = mine;
    pthread_mutex_unlock(&owned_lock);
}

/* Takes one off the list: that of the handle, or, for 0, any. */
static struct owned *owned_take(uint64_t handle)
{
    struct owned **link = &owned, *found;

    pthread_mutex_lock(&owned_lock);
    while (*link != NULL && handle != 0 && (*link)->handle != handle)
        link = &(*link)->next;
    found = *link;
    if (found != NULL)
        *link = found->next;
    pthread_mutex_unlock(&owned_lock);
    return found;
}

static int owned_make(struct pool *made, const void *argument, struct owned **mine)
{
    int result;

    *mine = calloc(1, sizeof **mine);
    if (*mine == NULL)
        return fail(TROUPE_NO_MEMORY, "no memory for a pool");
    result = actor_open(&world_here.arena, (uint32_t)getpid(), &(*mine)->actor);
    if (result != TROUPE_OK) {
        free(*mine);
        return result;
    }
    atomic_store(&made->owner, actor_tag(&(*mine)->actor));
    result = pool_make(&(*mine)->actor, made, argument, 0, &(*mine)->handle);
    if (result != TROUPE_OK)
        owned_free(*mine);
    return result;
}

/* Starts the crew; a pool that could start nobody is broken by that. */
static int crew_start(struct actor *actor, uint64_t handle)
{
    struct record *record;

    crew_look(handle);
    if (table_find(actor, handle, OBJECT_POOL, &record) != TROUPE_OK ||
        atomic_load(&pool_of(record)->state) == POOL_OPEN)
        return TROUPE_OK;
    return fail_text(pool_of(record)->broken, pool_of(record)->reason);
}

int troupe_pool_create(const troupe_pool_options *options, troupe_pool *pool)
{
    static const troupe_pool_options defaults;
    const troupe_pool_options *chosen = options != NULL ? options : &defaults;
    struct pool made;
    struct owned *mine;
    struct actor *actor;
    int result = world_enter(&actor);

    if (result == TROUPE_OK)
        result = options_check(chosen);
    if (result == TROUPE_OK)
        result = pool_describe(chosen, &made);
    if (result != TROUPE_OK)
        return result;
    owned_sweep(actor);
    made.party = party_of(actor);
    result = owned_make(&made, chosen->argument, &mine);
    if (result != TROUPE_OK)
        return result;
    result = share_make_all(actor, mine->handle);
    if (result == TROUPE_OK)
        result = crew_start(actor, mine->handle);
    if (result != TROUPE_OK) {
        pool_destroy(actor, mine->handle);
        share_end_all(actor, mine->handle);
        owned_free(mine);
        return result;
    }
    party_holds(actor, 1);
    pool->id = mine->handle;
    owned_add(mine);
    return TROUPE_OK;
}

/* ---- ending -------------------------------------------------------------------------------- */

static int at_home(uint64_t handle, struct actor **actor)
{
    int result = world_enter(actor);

    return result == TROUPE_OK ? pool_at_home(handle) : result;
}

static int shut(uint64_t handle, enum pool_state state)
{
    struct actor *actor;
    int result = at_home(handle, &actor);

    if (result == TROUPE_OK)
        result = pool_shut(actor, handle, state);
    if (result == TROUPE_OK && state == POOL_TERMINATED) {
        share_end_all(actor, handle);
        crew_terminate(handle);
    }
    return result;
}

int troupe_pool_close(troupe_pool pool)
{
    return shut(pool.id, POOL_CLOSED);
}

int troupe_pool_terminate(troupe_pool pool)
{
    return shut(pool.id, POOL_TERMINATED);
}

int troupe_pool_join(troupe_pool pool, long timeout_ms)
{
    struct actor *actor;
    int result = at_home(pool.id, &actor);

    return result == TROUPE_OK ? crew_join(pool.id, clock_deadline(timeout_ms)) : result;
}

/* While the workers are known: the last of them to leave frees the pool. */
static int end(struct actor *actor, uint64_t handle)
{
    int result = pool_shut(actor, handle, POOL_TERMINATED);

    if (result != TROUPE_OK)
        return result;
    share_end_all(actor, handle);
    crew_terminate(handle);
    return pool_destroy(actor, handle);
}

int troupe_pool_destroy(troupe_pool pool)
{
    struct actor *actor;
    int result = at_home(pool.id, &actor);

    if (result != TROUPE_OK)
        return result;
    result = end(actor, pool.id);
    if (result != TROUPE_OK)
        return result;
    party_holds(actor, -1);
    owned_free(owned_take(pool.id));
    return TROUPE_OK;
}

void pool_end_all(void)
{
    struct actor *actor;
    struct owned *mine;

    if (world_enter(&actor) != TROUPE_OK)
        return;
    while ((mine = owned_take(0)) != NULL) {
        end(actor, mine->handle);
        owned_free(mine);
    }
}

/* Shares learn of it when they ask for more. */
static void pool_party_end(struct actor *actor, struct record *record, uint64_t party,
                           enum party_end end)
{
    (void)end;
    if (pool_of(record)->party == party)
        pool_destroy(actor, atomic_load(&record->handle));
}

void pool_register(void)
{
    party_register(OBJECT_POOL, pool_party_end);
    recover_register(RESUME_POOL, pool_mend);
    recover_register(RESUME_POOL_JOB, job_mend);
    share_register();
}
