/* What a rank does: says who it is, then measures and verifies its memory. */
#include "probe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "device/device.h"
#include "topo/node.h"

/* A list that was allocated, into a field; of a longer one, its beginning. */
static void list_keep(char *list, char *field)
{
    if (list != NULL)
        snprintf(field, PROBE_LIST_SIZE, "%s", list);
    free(list);
}

static int gpu_describe(struct probe_presence *presence)
{
    troupe_gpu_properties properties;
    int result = troupe_gpu_properties_get(TROUPE_GPU_OWN, &properties);

    if (result != TROUPE_OK)
        return result;
    presence->on_gpu = true;
    memcpy(presence->gpu, properties.name, sizeof presence->gpu);
    memcpy(presence->pci, properties.pci, sizeof presence->pci);
    memcpy(presence->uuid, properties.uuid, sizeof presence->uuid);
    return TROUPE_OK;
}

/* Everything but the device comes first: a device that fails is then known by its rank and host. */
static void self_describe(struct probe_presence *presence)
{
    char *cores = NULL, *numa = NULL;

    *presence = (struct probe_presence){ .pid = (int)getpid(), .node = troupe_node() };
    gethostname(presence->host, sizeof presence->host - 1);
    if (node_here(&cores, &numa) == TROUPE_OK) {
        list_keep(cores, presence->cores);
        list_keep(numa, presence->numa);
    }
}

static int presence_tell(const struct probe_task *task, const struct probe_presence *presence)
{
    int rank = troupe_rank();

    return troupe_dict_set(task->presences, troupe_bytes_of(&rank, sizeof rank),
                           troupe_bytes_of(presence, sizeof *presence));
}

/* How many measure at the same time as this rank on its node. */
static int sharers(void)
{
    int nodes = troupe_world_nodes();

    return (troupe_world_size() + nodes - 1) / nodes;
}

static int measure(const struct probe_task *task, troupe_kernels *kernels,
                   const struct probe_presence *presence)
{
    const troupe_stream_options options = { .seconds = task->seconds, .sharers = sharers() };
    struct probe_figure figure = { .rank = troupe_rank() };
    troupe_stream_result measured;
    int result = troupe_kernels_stream(kernels, &options, &measured);

    if (result != TROUPE_OK)
        return result;
    figure.bytes_each_s = measured.bytes_each_s;
    figure.wrong = measured.wrong;
    if (presence->on_gpu)
        nvml_health_get(presence->pci, &figure.health);
    return troupe_queue_put(task->figures, &figure, sizeof figure, TROUPE_FOREVER);
}

/* The presence is told up to three times, each time with more in it. */
int probe_rank(const void *argument, size_t bytes)
{
    const struct probe_task *task = argument;
    struct probe_presence presence;
    troupe_kernels *kernels = NULL;
    int result;

    (void)bytes;
    self_describe(&presence);
    result = presence_tell(task, &presence);
    if (result == TROUPE_OK)
        result = troupe_kernels_open(TROUPE_KERNELS_ANYWHERE, &kernels);
    if (result == TROUPE_OK && troupe_kernels_where(kernels) == TROUPE_KERNELS_GPU)
        result = gpu_describe(&presence);
    if (result == TROUPE_OK)
        result = presence_tell(task, &presence);
    if (result == TROUPE_OK)
        result = device_attest();
    if (result == TROUPE_OK)
        result = measure(task, kernels, &presence);
    if (result != TROUPE_OK) {
        snprintf(presence.error, sizeof presence.error, "%s", troupe_last_error());
        presence_tell(task, &presence);
    }
    troupe_kernels_close(kernels);
    return result == TROUPE_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
