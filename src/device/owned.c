/* What this process holds of its devices, so that what a target leaves behind is given back.
 *
 * What always holds: the tree has one entry for each kind and id, under a lock of its own; no CUDA
 * call is made under it. A failure to give something back is nobody's: the context is gone, or the
 * device is. */
#include "device/driver.h"

#include <inttypes.h>
#include <search.h>
#include <stdlib.h>

#include "base/error.h"
#include "device/device.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static void *tree;
static atomic_uint_least64_t sequence; /* of the last taking */

static int owned_compare(const void *left, const void *right)
{
    const struct owned *a = left, *b = right;

    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    return (a->id > b->id) - (a->id < b->id);
}

static bool entry_add(const struct owned *owned)
{
    struct owned *entry = malloc(sizeof *entry);
    struct owned **place;

    if (entry == NULL)
        return false;
    *entry = *owned;
    place = tsearch(entry, &tree, owned_compare);
    if (place == NULL || *place != entry)
        free(entry);
    if (place != NULL && *place != entry)
        (*place)->count++;
    return place != NULL;
}

int owned_add(enum owned_kind kind, int device, uint64_t id, uint64_t base)
{
    struct owned owned = { .kind = kind, .device = device, .id = id, .base = base, .count = 1 };
    bool kept;

    pthread_mutex_lock(&lock);
    owned.sequence = atomic_fetch_add_explicit(&sequence, 1, memory_order_relaxed) + 1;
    kept = entry_add(&owned);
    pthread_mutex_unlock(&lock);
    return kept ? TROUPE_OK : fail(TROUPE_NO_MEMORY, "no memory to keep %016" PRIx64, id);
}

bool owned_remove(enum owned_kind kind, uint64_t id, uint64_t *base)
{
    struct owned key = { .kind = kind, .id = id }, *entry;
    struct owned **place;

    pthread_mutex_lock(&lock);
    place = tfind(&key, &tree, owned_compare);
    entry = place != NULL ? *place : NULL;
    if (entry != NULL && base != NULL)
        *base = entry->base;
    if (entry != NULL && --entry->count == 0) {
        tdelete(entry, &tree, owned_compare);
        free(entry);
    }
    pthread_mutex_unlock(&lock);
    return entry != NULL;
}

bool device_has_memory(uint64_t address)
{
    struct owned key = { .kind = OWNED_MEMORY, .id = address };
    bool found;

    pthread_mutex_lock(&lock);
    found = tfind(&key, &tree, owned_compare) != NULL;
    pthread_mutex_unlock(&lock);
    return found;
}

/* ---- many at once ----------------------------------------------------------------------- */

/* The entries of one device, or those taken since a mark, chained. */
struct sweep {
    int device;     /* -1: any */
    uint64_t since; /* the sequence is above it */
    struct owned *found;
};

static void sweep_visit(const void *place, VISIT visit, void *context)
{
    struct sweep *sweep = context;
    struct owned *entry = *(struct owned *const *)place;

    if (visit != postorder && visit != leaf)
        return;
    if ((sweep->device < 0 || entry->device == sweep->device) && entry->sequence > sweep->since) {
        entry->next = sweep->found;
        sweep->found = entry;
    }
}

/* Takes them out of the tree, for the caller to free. */
static struct owned *sweep_take(int device, uint64_t since)
{
    struct sweep sweep = { device, since, NULL };

    pthread_mutex_lock(&lock);
    twalk_r(tree, sweep_visit, &sweep);
    for (struct owned *entry = sweep.found; entry != NULL; entry = entry->next)
        tdelete(entry, &tree, owned_compare);
    pthread_mutex_unlock(&lock);
    return sweep.found;
}

/* Frees the first of a chain and returns the rest. */
static struct owned *chain_pop(struct owned *first)
{
    struct owned *next = first->next;

    free(first);
    return next;
}

void owned_forget(int device)
{
    struct owned *entry = sweep_take(device, 0);

    while (entry != NULL)
        entry = chain_pop(entry);
}

static void give_back(const struct owned *owned)
{
    struct scope scope;

    if (!scope_reopen(owned->device, &scope))
        return;
    switch (owned->kind) {
    case OWNED_EVENT:
        scope.call->event_destroy((void *)(uintptr_t)owned->id);
        break;
    case OWNED_STREAM:
        scope.call->stream_destroy((void *)(uintptr_t)owned->id);
        break;
    case OWNED_SHARE:
        for (unsigned i = 0; i < owned->count; i++)
            scope.call->ipc_close_mem_handle(owned->base);
        break;
    case OWNED_SELF:
        break;
    case OWNED_MEMORY:
        scope.call->mem_free(owned->id);
        break;
    case OWNED_HOST:
        scope.call->mem_free_host((void *)(uintptr_t)owned->id);
        break;
    }
    scope_end(&scope, TROUPE_OK);
}

uint64_t device_mark(void)
{
    return atomic_load_explicit(&sequence, memory_order_relaxed);
}

void device_release(uint64_t mark)
{
    struct owned *entry;

    if (device_mark() == mark || guard_check("device_release") != TROUPE_OK)
        return;
    entry = sweep_take(-1, mark);
    while (entry != NULL) {
        give_back(entry);
        entry = chain_pop(entry);
    }
}
