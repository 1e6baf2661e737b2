#include "object/process_gpus.h"

#include "base/error.h"
#include "core/node.h"
#include "core/world.h"
#include "device/device.h"
#include "topo/place.h"

#include <stdlib.h>
#include <string.h>

#define MASK_VARIABLE "CUDA_VISIBLE_DEVICES"
#define ORDER_VARIABLE "CUDA_DEVICE_ORDER"
#define PLACED_GPU_VARIABLE "TROUPE_PLACED_GPU"
#define WHAT_SIZE 400

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

/* CUDA reads the variable once: where it runs, another value comes too late. gpu says which devices
 * the value means, for troupe_gpu_open. */
static int mask_change(const char *mask, const char *gpu)
{
    const char *now = getenv(MASK_VARIABLE);
    char what[WHAT_SIZE];
    bool same = now == mask || (now != NULL && mask != NULL && strcmp(now, mask) == 0);

    if (!same && device_cuda_runs(what, sizeof what))
        return fail(TROUPE_CUDA_STARTED,
                    "TROUPE_CUDA_STARTED: " MASK_VARIABLE "=%s comes too late here, for CUDA runs; "
                    "start it with TROUPE_METHOD_SPAWN (%s)",
                    mask != NULL ? mask : "(unset)", what);
    variable_put(MASK_VARIABLE, mask);
    variable_put(PLACED_GPU_VARIABLE, gpu);
    return TROUPE_OK;
}

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
    result = mask_change(place.cuda_visible_devices, place.gpu);
    if (result == TROUPE_OK && place.cuda_device_order != NULL)
        variable_put(ORDER_VARIABLE, place.cuda_device_order);
    topo_place_free(&place);
    return result;
}

int process_mask_set(uint64_t mask, const char *text, struct process_mask_kept *kept)
{
    kept->mask = kept->order = kept->gpu = NULL;
    if (mask == MASK_AS_PLANNED)
        return TROUPE_OK;
    kept->mask = variable_copy(MASK_VARIABLE);
    kept->order = variable_copy(ORDER_VARIABLE);
    kept->gpu = variable_copy(PLACED_GPU_VARIABLE);
    return mask != MASK_UNSET ? share_set(text) : mask_change(NULL, NULL);
}

void process_mask_restore(uint64_t mask, struct process_mask_kept *kept)
{
    if (mask == MASK_AS_PLANNED)
        return;
    variable_put(MASK_VARIABLE, kept->mask);
    variable_put(ORDER_VARIABLE, kept->order);
    variable_put(PLACED_GPU_VARIABLE, kept->gpu);
    free(kept->mask);
    free(kept->order);
    free(kept->gpu);
}
