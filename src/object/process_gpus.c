#include "object/process_gpus.h"

#include "base/error.h"
#include "core/node.h"
#include "core/world.h"
#include "device/device.h"
#include "object/process.h"
#include "topo/place.h"

#include <stdlib.h>
#include <string.h>

#define MASK_VARIABLE "CUDA_VISIBLE_DEVICES"
#define ORDER_VARIABLE "CUDA_DEVICE_ORDER"
#define PLACED_GPU_VARIABLE "TROUPE_PLACED_GPU"
#define WHAT_SIZE 400

static char *planned; /* NULL: it was not set */
static bool chosen;   /* nothing was planned: whatever the variable is, it travels */

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

void process_gpus_remember(void)
{
    free(planned);
    planned = variable_copy(MASK_VARIABLE);
}

void process_gpus_chosen(void)
{
    chosen = true;
}

static uint64_t word_make(enum gpus_kind kind, size_t count, const char *text)
{
    return (uint64_t)kind << 56 | (uint64_t)count << 32 | (text != NULL ? strlen(text) + 1 : 0);
}

/* What the environment says, if that is not the plan's word. */
static uint64_t environment_choose(const char **text)
{
    const char *now = getenv(MASK_VARIABLE);
    bool same = now == planned || (now != NULL && planned != NULL && strcmp(now, planned) == 0);

    if (same && !chosen)
        return word_make(GPUS_AS_PLANNED, 0, NULL);
    if (now == NULL)
        return word_make(GPUS_UNSET, 0, NULL);
    *text = now;
    return word_make(GPUS_POOL, 0, now);
}

static int options_check(const troupe_process_options *options)
{
    if (options->gpus < 0 || options->gpus > GPUS_COUNT_MOST)
        return fail(TROUPE_BAD_ARGUMENT, "gpus = %d is no number of GPUs; ask for 1 to %d",
                    options->gpus, GPUS_COUNT_MOST);
    if (options->gpus > 0 && options->gpu_list != NULL)
        return fail(TROUPE_BAD_ARGUMENT,
                    "gpus = %d and gpu_list = \"%s\"; give a number or a list, not both",
                    options->gpus, options->gpu_list);
    if ((options->gpus > 0 || options->gpu_list != NULL) && options->method != TROUPE_METHOD_SPAWN)
        return fail(TROUPE_BAD_ARGUMENT,
                    "GPUs of its own are for a fresh process; add .method = TROUPE_METHOD_SPAWN");
    if (options->gpu_list != NULL && strlen(options->gpu_list) >= UINT32_MAX)
        return fail(TROUPE_BAD_ARGUMENT, "gpu_list has %zu bytes", strlen(options->gpu_list));
    return TROUPE_OK;
}

int process_gpus_choose(const troupe_process_options *options, uint64_t *word, const char **text)
{
    int result = options_check(options);

    if (result != TROUPE_OK)
        return result;
    if (options->gpu_list != NULL) {
        *text = options->gpu_list;
        *word = word_make(GPUS_LIST, 0, options->gpu_list);
        return TROUPE_OK;
    }
    *word = environment_choose(text);
    if (options->gpus > 0)
        *word = word_make(GPUS_COUNT, (size_t)options->gpus,
                          gpus_kind(*word) == GPUS_POOL ? *text : NULL);
    return TROUPE_OK;
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

int process_gpus_set(uint64_t word, const char *text, struct process_gpus_kept *kept)
{
    kept->mask = kept->order = kept->gpu = NULL;
    if (gpus_kind(word) == GPUS_AS_PLANNED)
        return TROUPE_OK;
    kept->mask = variable_copy(MASK_VARIABLE);
    kept->order = variable_copy(ORDER_VARIABLE);
    kept->gpu = variable_copy(PLACED_GPU_VARIABLE);
    return gpus_kind(word) == GPUS_UNSET ? mask_change(NULL, NULL) : share_set(text);
}

void process_gpus_restore(uint64_t word, struct process_gpus_kept *kept)
{
    if (gpus_kind(word) == GPUS_AS_PLANNED)
        return;
    variable_put(MASK_VARIABLE, kept->mask);
    variable_put(ORDER_VARIABLE, kept->order);
    variable_put(PLACED_GPU_VARIABLE, kept->gpu);
    free(kept->mask);
    free(kept->order);
    free(kept->gpu);
}

/* ---- a fresh process's keeper -------------------------------------------------------------- */

int process_gpus_of(struct actor *actor, uint64_t handle, uint64_t *word, char **text)
{
    const struct process *process;
    struct record *record;
    int result = table_find(actor, handle, OBJECT_PROCESS, &record);

    if (result != TROUPE_OK)
        return result;
    process = process_of(record);
    *word = process->order.gpus;
    *text = NULL;
    if (gpus_text_size(*word) == 0)
        return TROUPE_OK;
    *text = strdup((const char *)arena_at(&actor->arena, atomic_load(&process->argument)) +
                   process->order.argument_bytes);
    return *text != NULL ? TROUPE_OK : fail(TROUPE_NO_MEMORY, "no memory for a process's GPUs");
}
