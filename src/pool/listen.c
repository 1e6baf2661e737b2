/* Callbacks: this process's own, kept until the result has ended or is closed. */
#include "pool/result.h"

#include "base/error.h"

#include <pthread.h>
#include <stdlib.h>

struct listener {
    struct listener *next;
    uint64_t handle;
    troupe_map_options options;
};

static struct listener *listeners;
static pthread_mutex_t listeners_lock = PTHREAD_MUTEX_INITIALIZER;

int result_listen(troupe_result result, const troupe_map_options *options)
{
    struct listener *made;

    if (options->progress == NULL && options->ended == NULL)
        return TROUPE_OK;
    made = malloc(sizeof *made);
    if (made == NULL) {
        troupe_result_close(result);
        return fail(TROUPE_NO_MEMORY, "no memory for a callback");
    }
    made->handle = result.id;
    made->options = *options;
    pthread_mutex_lock(&listeners_lock);
    made->next = listeners;
    listeners = made;
    pthread_mutex_unlock(&listeners_lock);
    return TROUPE_OK;
}

/* Copies the options of a result, and with take forgets them. False when there are none. */
static bool find(uint64_t handle, bool take, troupe_map_options *options)
{
    struct listener **link = &listeners, *found;

    pthread_mutex_lock(&listeners_lock);
    while (*link != NULL && (*link)->handle != handle)
        link = &(*link)->next;
    found = *link;
    if (found != NULL)
        *options = found->options;
    if (found != NULL && take) {
        *link = found->next;
        free(found);
    }
    pthread_mutex_unlock(&listeners_lock);
    return found != NULL;
}

/* The callbacks run without the lock: they may start maps and wait for them. */
void listen_progress(uint64_t handle, uint64_t ended, uint64_t tasks)
{
    troupe_map_options options;

    if (find(handle, false, &options) && options.progress != NULL)
        options.progress(ended, tasks, options.context);
}

void listen_ended(uint64_t handle)
{
    troupe_map_options options;

    if (find(handle, true, &options) && options.ended != NULL)
        options.ended((troupe_result){ handle }, options.context);
}

void listen_forget(uint64_t handle)
{
    troupe_map_options options;

    find(handle, true, &options);
}
