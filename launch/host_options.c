#include "host_options.h"

#include "job/allocation.h"
#include "troupe/troupe.h"

static int refused(const struct cmd *cmd)
{
    return cmd_usage_error(cmd, "%s", troupe_last_error());
}

static int named_twice(const struct cmd *cmd)
{
    return cmd_usage_error(cmd, "the hosts are named twice; write one --hostfile or --host");
}

/* mpirun is given them in its own form, whatever theirs is. */
static int list_write(const struct cmd *cmd, struct host_options *options)
{
    if (hostfile_write(&options->hosts, &options->written) != TROUPE_OK)
        return refused(cmd);
    options->list = options->written.data;
    return CMD_OK;
}

int host_list_take(const struct cmd *cmd, const char *value, struct host_options *options)
{
    if (options->hosts.count > 0)
        return named_twice(cmd);
    if (hostfile_read_list(value, &options->hosts) != TROUPE_OK)
        return refused(cmd);
    options->list = value;
    options->has_tasks = true;
    return CMD_OK;
}

int host_file_take(const struct cmd *cmd, const char *value, struct host_options *options)
{
    if (options->hosts.count > 0)
        return named_twice(cmd);
    if (hostfile_read(value, &options->hosts) != TROUPE_OK)
        return refused(cmd);
    options->has_tasks = true;
    if (options->hosts.is_foreign)
        return list_write(cmd, options);
    options->file = value;
    return CMD_OK;
}

static int allocation_take(const struct cmd *cmd, struct host_options *options)
{
    struct allocation found;

    if (allocation_find(&found) != TROUPE_OK)
        return refused(cmd);
    options->hosts = found.hosts;
    options->has_tasks = found.has_tasks;
    options->gpus_each = found.gpus_each;
    options->gpus_elsewhere = found.gpus_elsewhere;
    options->are_known = found.is_known;
    return found.scheduler != NULL && !found.is_known ? list_write(cmd, options) : CMD_OK;
}

int host_options_decide(const struct cmd *cmd, struct host_options *options,
                        struct job_ranks_wanted *wanted)
{
    int status = options->hosts.count > 0 ? CMD_OK : allocation_take(cmd, options);

    job_ranks_want_hosts(&options->hosts, options->has_tasks, options->gpus_each, wanted);
    return status;
}

void host_options_free(struct host_options *options)
{
    hostfile_free(&options->hosts);
    text_free(&options->written);
}
