#include "object/process_gpus.h"

#include "core/node.h"
#include "core/world.h"
#include "topo/place.h"

#include <stdlib.h>
#include <string.h>

#define MASK_VARIABLE "CUDA_VISIBLE_DEVICES"
#define ORDER_VARIABLE "CUDA_DEVICE_ORDER"

static char *planned; /* NULL: it was not set */

static char *variable_copy(const char *name)
{
    const char *value = getenv(name);

    return value != NULL ? strdup(value) : NULL;
}

static void variable_put(const char *name, const char *value)
{
    if (value != NULL)
        setenv(name, value, 1);
    else
        unsetenv(name);
}

/* ---- the starter ------------------------------------------------------------------------ */

void process_mask_remember(void)
{
    free(planned);
    planned = variable_copy(MASK_VARIABLE);
}

uint64_t process_mask_choose(const char **text)
{
    const char *now = getenv(MASK_VARIABLE);

    if (now == NULL)
        return planned != NULL ? MASK_UNSET : MASK_AS_PLANNED;
    if (planned != NULL && strcmp(now, planned) == 0)
        return MASK_AS_PLANNED;
    *text = now;
    return strlen(now) + 1;
}

/* ---- the runner ------------------------------------------------------------------------- */

/* The runner's share of the chosen GPUs. Its cores stay as they are. */
static int share_set(const char *text)
{
    struct node *node = node_of(&world_here.arena);
    struct topo_options options;
    struct topo_place place;
    int number, local, result = topo_options_read(&options);

    if (result != TROUPE_OK)
        return result;
    node_place(&world_here.arena, world_here.rank, &number, &local);
    options.mask = text;
    options.bind = PLAN_BIND_NONE;
    options.several_nodes = world_here.nodes > 1;
    result = topo_place_compute(local, (int)node->local_size, &options, &place);
    if (result != TROUPE_OK)
        return result;
    variable_put(MASK_VARIABLE, place.cuda_visible_devices);
    if (place.cuda_device_order != NULL)
        variable_put(ORDER_VARIABLE, place.cuda_device_order);
    topo_place_free(&place);
    return TROUPE_OK;
}

int process_mask_set(uint64_t mask, const char *text, struct process_mask_kept *kept)
{
    kept->mask = kept->order = NULL;
    if (mask == MASK_AS_PLANNED)
        return TROUPE_OK;
    kept->mask = variable_copy(MASK_VARIABLE);
    kept->order = variable_copy(ORDER_VARIABLE);
    if (mask != MASK_UNSET)
        return share_set(text);
    variable_put(MASK_VARIABLE, NULL);
    return TROUPE_OK;
}

void process_mask_restore(uint64_t mask, struct process_mask_kept *kept)
{
    if (mask == MASK_AS_PLANNED)
        return;
    variable_put(MASK_VARIABLE, kept->mask);
    variable_put(ORDER_VARIABLE, kept->order);
    free(kept->mask);
    free(kept->order);
}
