/* What a fresh process is told of GPUs, before its program starts. By default it gets what its
 * keeper's rank has; what its start chose is worked out here, in the keeper: a library of the
 * program's may start CUDA before any code of ours runs in it.
 *
 * What always holds: the environment that counts is the one that troupe_init found, for the parent
 * may change its own at any time; nothing is loaded until a start chooses. */
#include "runtime/runtime.h"

#include "base/error.h"
#include "object/process_gpus.h"
#include "topo/mask.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int fresh_gpus_init(const struct start *start, struct fresh_gpus *gpus)
{
    const char *mask = getenv(MASK_VARIABLE), *order = getenv(MASK_ORDER_VARIABLE);
    int result;

    *gpus = (struct fresh_gpus){ .start = start, .lock = PTHREAD_MUTEX_INITIALIZER };
    result = topo_options_read(&gpus->options);
    if (result != TROUPE_OK)
        return result;
    gpus->options.bind = PLAN_BIND_NONE;
    gpus->options.several_nodes = start->job.size > start->job.local_size;
    gpus->mask = mask != NULL ? strdup(mask) : NULL;
    gpus->order = order != NULL ? strdup(order) : NULL;
    gpus->topology = gpus->options.topology != NULL ? strdup(gpus->options.topology) : NULL;
    gpus->options.topology = gpus->topology;
    if ((mask != NULL && gpus->mask == NULL) || (order != NULL && gpus->order == NULL) ||
        (gpus->options.topology == NULL) != (gpus->topology == NULL)) {
        fresh_gpus_fini(gpus);
        return fail(TROUPE_NO_MEMORY, "no memory for a keeper's environment");
    }
    return TROUPE_OK;
}

void fresh_gpus_fini(struct fresh_gpus *gpus)
{
    topo_shares_close(gpus->shares);
    free(gpus->mask);
    free(gpus->order);
    free(gpus->topology);
    *gpus = (struct fresh_gpus){ 0 };
}

static int shares_open(struct fresh_gpus *gpus)
{
    struct topo_options options = gpus->options;

    if (gpus->shares != NULL)
        return TROUPE_OK;
    options.mask = gpus->mask;
    return topo_shares_open(gpus->start->job.local_rank, gpus->start->job.local_size, &options,
                            gpus->order, &gpus->shares);
}

/* The line that the keeper's rank would have in a plan for these GPUs. */
static int pool_share(struct fresh_gpus *gpus, const char *pool, struct topo_place *place)
{
    struct topo_options options = gpus->options;

    options.mask = pool;
    return topo_place_compute(gpus->start->job.local_rank, gpus->start->job.local_size, &options,
                              place);
}

static int choice_follow(struct fresh_gpus *gpus, uint64_t word, const char *text,
                         struct topo_taken *taken, struct topo_place *place)
{
    int result;

    if (gpus_kind(word) == GPUS_POOL)
        return pool_share(gpus, text, place);
    result = shares_open(gpus);
    if (result != TROUPE_OK)
        return result;
    if (gpus_kind(word) == GPUS_LIST)
        return topo_shares_name(gpus->shares, text, place);
    return topo_shares_take(gpus->shares, text, gpus_count(word), taken, place);
}

/* The variables, in fresh_gpus_lines's order: what was chosen, else the plan's, else as it was. */
static int lines_write(const struct fresh_gpus *gpus, const struct topo_place *place, bool unset,
                       struct fresh_lines *lines)
{
    const char *mask =
        place->cuda_visible_devices != NULL ? place->cuda_visible_devices : gpus->mask;
    const char *order = place->cuda_device_order != NULL ? place->cuda_device_order : gpus->order;
    const struct topo_variable wanted[FRESH_LINES] = {
        { MASK_VARIABLE, unset ? NULL : mask },
        { MASK_ORDER_VARIABLE, order },
        { "TROUPE_PLACED_GPU", unset ? NULL : place->gpu },
        { "TROUPE_PLACED_REASON", unset ? NULL : place->reason },
    };

    for (size_t i = 0; i < FRESH_LINES; i++) {
        if (asprintf(&lines->text[i], "%s%s%s", wanted[i].name, wanted[i].value != NULL ? "=" : "",
                     wanted[i].value != NULL ? wanted[i].value : "") < 0) {
            lines->text[i] = NULL;
            return fail(TROUPE_NO_MEMORY, "no memory for a fresh process's environment");
        }
    }
    return TROUPE_OK;
}

int fresh_gpus_take(struct fresh_gpus *gpus, struct actor *actor, uint64_t handle,
                    struct fresh_lines *lines)
{
    struct topo_place place = { 0 };
    uint64_t word = 0;
    char *text = NULL;
    int result = process_gpus_of(actor, handle, &word, &text);
    bool own = gpus_kind(word) != GPUS_AS_PLANNED && gpus_kind(word) != GPUS_UNSET;

    *lines = (struct fresh_lines){ .chosen = gpus_kind(word) != GPUS_AS_PLANNED };
    if (result == TROUPE_OK && own) {
        pthread_mutex_lock(&gpus->lock);
        result = choice_follow(gpus, word, text, &lines->taken, &place);
        pthread_mutex_unlock(&gpus->lock);
    }
    if (result == TROUPE_OK)
        result = lines_write(gpus, own ? &place : &gpus->start->place,
                             gpus_kind(word) == GPUS_UNSET, lines);
    topo_place_free(&place);
    free(text);
    if (result != TROUPE_OK)
        fresh_gpus_give(gpus, lines);
    return result;
}

void fresh_gpus_give(struct fresh_gpus *gpus, struct fresh_lines *lines)
{
    pthread_mutex_lock(&gpus->lock);
    if (lines->taken.count > 0)
        topo_shares_give(gpus->shares, &lines->taken);
    pthread_mutex_unlock(&gpus->lock);
    for (size_t i = 0; i < FRESH_LINES; i++)
        free(lines->text[i]);
    *lines = (struct fresh_lines){ 0 };
}
