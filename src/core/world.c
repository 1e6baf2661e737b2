#include "core/world.h"

#include "base/error.h"
#include "core/party.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

struct world world_here;

/* Every call looks at it. With this model that is one load, also in the shared library, which may
 * still be opened at run time: there is room for a few such words. */
static _Thread_local struct actor *own __attribute__((tls_model("initial-exec")));
static struct actor *first; /* of the thread that joined */
static pthread_key_t at_thread_end;
static bool left, forked;

/* Held by a thread that gives its slot back at its end, and by the one that leaves the world: the
 * arena may be unmapped after that. */
static pthread_mutex_t leaving = PTHREAD_MUTEX_INITIALIZER;

static void actor_drop(void *actor)
{
    pthread_mutex_lock(&leaving);
    if (first != NULL) {
        party_inherit(actor, first->slot);
        actor_close(actor);
    }
    pthread_mutex_unlock(&leaving);
    free(actor);
}

static void on_fork_in_child(void)
{
    pthread_mutex_init(&leaving, NULL); /* a thread that held it is not here */
    forked = world_here.role != WORLD_NONE;
}

static void hooks_install(void)
{
    pthread_key_create(&at_thread_end, actor_drop);
    pthread_atfork(NULL, NULL, on_fork_in_child);
}

static int own_open(void)
{
    int result;

    own = malloc(sizeof *own);
    if (own == NULL)
        return fail(TROUPE_NO_MEMORY, "no memory for a thread's %zu bytes", sizeof *own);
    result = actor_open(&world_here.arena, (uint32_t)getpid(), own);
    if (result != TROUPE_OK) {
        free(own);
        own = NULL;
    }
    return result;
}

int world_join(const struct world *world, struct actor **actor)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    int result;

    pthread_once(&once, hooks_install);
    world_here = *world;
    left = forked = false;
    result = own_open();
    if (result != TROUPE_OK) {
        world_here.role = WORLD_NONE;
        return result;
    }
    first = own;
    *actor = own;
    return TROUPE_OK;
}

/* The copies of the caller's actors name the caller's slots, which live on in the caller: they are
 * forgotten, and nothing is given back. */
int world_rejoin(int rank, struct actor **actor)
{
    int result;

    pthread_setspecific(at_thread_end, NULL);
    free(own);
    own = first = NULL;
    world_here.role = WORLD_FORK;
    world_here.rank = rank;
    result = own_open();
    if (result != TROUPE_OK)
        return result;
    forked = false;
    first = own;
    *actor = own;
    return TROUPE_OK;
}

void world_leave(void)
{
    pthread_mutex_lock(&leaving);
    if (first != NULL) {
        actor_close(first);
        free(first);
    }
    first = own = NULL;
    left = true;
    pthread_mutex_unlock(&leaving);
    world_here.role = WORLD_NONE;
}

int world_enter(struct actor **actor)
{
    int result;

    if (world_here.role == WORLD_NONE)
        return left ? fail(TROUPE_NOT_RUNNING, "called after troupe_finalize; call it before")
                    : fail(TROUPE_NOT_RUNNING, "called before troupe_init; call that first");
    if (forked)
        return fail(TROUPE_FORKED, "called in a child made by fork(), which has no place in the "
                                   "world; start processes with troupe_process_start");
    if (own == NULL) {
        result = own_open();
        if (result != TROUPE_OK)
            return result;
        pthread_setspecific(at_thread_end, own);
    }
    *actor = own;
    return TROUPE_OK;
}
