/* A place outlives the process that applied it: below `troupe wrap` a program computes none of its
 * own, and its keepers take back what was meant for the rank. */
#include "topo/placed.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "topo/mask.h"
#include "topo/node.h"

/* What an applied place leaves to those below it. TROUPE_PLACED names the job and the rank it was
 * made for, so that a job started from within a placed rank makes its own. */
#define PLACED "TROUPE_PLACED"
#define PLACED_CPUS "TROUPE_PLACED_CPUS"
#define PLACED_GPU "TROUPE_PLACED_GPU"
#define PLACED_REASON "TROUPE_PLACED_REASON"
#define PLACED_MASK "TROUPE_PLACED_MASK" /* what CUDA_VISIBLE_DEVICES was: "=0,1", "" when unset */
#define PLACED_ORDER "TROUPE_PLACED_ORDER" /* what CUDA_DEVICE_ORDER was, likewise */

static int no_memory(void)
{
    return fail(TROUPE_NO_MEMORY, "topo: no memory for a rank's place");
}

/* PMIx's namespace is the job's; without PMIx there is none. */
int placed_identify(struct topo_place *place)
{
    const char *job = getenv("PMIX_NAMESPACE");
    struct text name = { 0 };

    text_append(&name, "%s:%d", job != NULL ? job : "", place->local_rank);
    place->identity = name.data;
    return name.broken ? no_memory() : TROUPE_OK;
}

bool placed_already(const struct topo_place *place)
{
    const char *placed = getenv(PLACED);

    return placed != NULL && strcmp(placed, place->identity) == 0 && getenv(PLACED_GPU) != NULL &&
           getenv(PLACED_REASON) != NULL;
}

/* Copies a variable's value; NULL when it is unset. */
static int variable_copy(const char *name, char **value)
{
    const char *now = getenv(name);

    if (now == NULL)
        return TROUPE_OK;
    *value = strdup(now);
    return *value != NULL ? TROUPE_OK : no_memory();
}

/* The mask above us was set for this rank: it counts as this place's own, so that a keeper that
 * takes it back for itself still knows it. */
static int mask_inherited(struct topo_place *place)
{
    int result = variable_copy(PLACED_MASK, &place->mask_before);

    if (result == TROUPE_OK)
        result = variable_copy(PLACED_ORDER, &place->order_before);
    if (result == TROUPE_OK && place->mask_before != NULL)
        result = variable_copy(MASK_VARIABLE, &place->cuda_visible_devices);
    if (result == TROUPE_OK && place->order_before != NULL)
        result = variable_copy(MASK_ORDER_VARIABLE, &place->cuda_device_order);
    return result;
}

int placed_inherit(struct topo_place *place)
{
    int result = node_here(&place->cpus, &place->numa);

    place->here = true;
    if (result == TROUPE_OK)
        result = mask_inherited(place);
    if (result == TROUPE_OK)
        result = variable_copy(PLACED_GPU, &place->gpu);
    if (result == TROUPE_OK)
        result = variable_copy(PLACED_REASON, &place->reason);
    return result;
}

int placed_keep(const char *name, char **kept)
{
    const char *now = getenv(name);
    struct text text = { 0 };

    text_append(&text, "%s%s", now != NULL ? "=" : "", now != NULL ? now : "");
    *kept = text.data;
    return text.broken ? no_memory() : TROUPE_OK;
}

void topo_place_variables(const struct topo_place *place,
                          struct topo_variable variables[TOPO_VARIABLES])
{
    const struct topo_variable all[TOPO_VARIABLES] = {
        { PLACED, place->identity },
        { PLACED_CPUS, place->cpus },
        { PLACED_GPU, place->gpu },
        { PLACED_REASON, place->reason },
        { PLACED_MASK, place->mask_before },
        { PLACED_ORDER, place->order_before },
        { MASK_VARIABLE, place->cuda_visible_devices },
        { MASK_ORDER_VARIABLE, place->cuda_device_order },
    };

    memcpy(variables, all, sizeof all);
}

/* Sets a variable to what another says that it was; nothing where that one says nothing. */
static int variable_restore(const char *name, const char *kept)
{
    const char *before = getenv(kept);

    if (before == NULL)
        return TROUPE_OK;
    if ((*before == '=' ? setenv(name, before + 1, 1) : unsetenv(name)) != 0)
        return no_memory();
    unsetenv(kept);
    return TROUPE_OK;
}

/* Whether the place in the environment was made for a rank of this very job. */
static bool placed_in_this_job(void)
{
    const char *placed = getenv(PLACED), *job = getenv("PMIX_NAMESPACE");
    size_t size = job != NULL ? strlen(job) : 0;

    return placed != NULL && strncmp(placed, job != NULL ? job : "", size) == 0 &&
           placed[size] == ':';
}

int topo_unbind(void)
{
    int result = TROUPE_OK;

    if (placed_in_this_job()) {
        result = variable_restore(MASK_VARIABLE, PLACED_MASK);
        if (result == TROUPE_OK)
            result = variable_restore(MASK_ORDER_VARIABLE, PLACED_ORDER);
        unsetenv(PLACED);
    }
    return result == TROUPE_OK ? node_unbind() : result;
}
