#include "place_options.h"

#include <stdio.h>

#include "base/text.h"
#include "topo/trial.h"
#include "troupe/troupe.h"

enum { GPUS_PER_RANK_MOST = 1024 };

int place_option_take(const struct cmd *cmd, int letter, const char *value,
                      struct topo_options *options)
{
    long count;

    switch (letter) {
    case PLACE_OPTION_MODE:
        if (!plan_mode_read(value, &options->mode))
            return cmd_usage_error(cmd, "--gpu-mode %s is no mode; write isolate, peer or ordered",
                                   value);
        return CMD_OK;
    case PLACE_OPTION_PER_RANK:
        if (!text_to_long(value, 1, GPUS_PER_RANK_MOST, &count))
            return cmd_usage_error(cmd, "--gpus-per-rank %s is no number of GPUs; write 1 to %d",
                                   value, GPUS_PER_RANK_MOST);
        options->gpus_per_rank = (size_t)count;
        return CMD_OK;
    case PLACE_OPTION_BIND:
        if (!plan_bind_read(value, &options->bind))
            return cmd_usage_error(cmd, "--bind %s is no binding; write core, numa or none", value);
        return CMD_OK;
    case PLACE_OPTION_TOPO:
        options->topology = value;
        return CMD_OK;
    default:
        return CMD_USAGE;
    }
}

static int failed(const struct cmd *cmd)
{
    fprintf(stderr, "troupe %s: %s\n", cmd->name, troupe_last_error());
    return CMD_USAGE;
}

int place_topology_check(const struct cmd *cmd, const struct topo_options *options)
{
    return topology_try(options->topology) == TROUPE_OK ? CMD_OK : failed(cmd);
}

int place_detect(const struct cmd *cmd, struct job_place *detected)
{
    if (job_place_detect(detected) != TROUPE_OK)
        return failed(cmd);
    if (detected->local_rank < 0 && detected->launcher != JOB_LAUNCHER_NONE && detected->is_rank) {
        fprintf(
            stderr,
            "troupe %s: %s does not say which rank of its node this is; start it with mpirun or "
            "srun\n",
            cmd->name, job_launcher_name(detected->launcher));
        return CMD_USAGE;
    }
    if (detected->local_rank < 0)
        detected->local_rank = 0;
    if (detected->local_size < 0 && detected->local_rank > 0) {
        fprintf(
            stderr,
            "troupe %s: %s does not say how many ranks this node has; give every node as many\n",
            cmd->name, job_launcher_name(detected->launcher));
        return CMD_USAGE;
    }
    if (detected->local_size < 0)
        detected->local_size = 1;
    return CMD_OK;
}

int place_compute(const struct cmd *cmd, const struct job_place *detected,
                  struct topo_options *options, struct topo_place *place)
{
    options->several_nodes = detected->size > detected->local_size;
    options->own_mask = detected->own_mask;
    if (topo_place_compute(detected->local_rank, detected->local_size, options, place) != TROUPE_OK)
        return failed(cmd);
    return CMD_OK;
}
