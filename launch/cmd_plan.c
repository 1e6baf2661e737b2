/* `troupe plan`: which rank gets which cores and GPUs, and why, without running anything, also for
 * machines that one does not have. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/text.h"
#include "cmd.h"
#include "host_options.h"
#include "job/ranks.h"
#include "place_options.h"
#include "plan_show.h"
#include "plan_world.h"
#include "troupe/troupe.h"

enum {
    OPTION_ALL = PLACE_OPTION_OWN,
    OPTION_JSON,
    OPTION_PER_NODE,
    OPTION_PER_GPU,
    OPTION_HOST,
    OPTION_HOSTFILE,
    RANKS_MOST = 65536
};

struct request {
    struct plan_request plan;
    struct host_options hosts;
    struct job_ranks_wanted wanted;
    int all;
    bool json;
};

/* ---- plans ---------------------------------------------------------------------------------- */

static int one_plan(const struct request *request, int ranks, int per_node, json_t **json)
{
    struct plan_world world;
    int result = plan_world_make(&request->plan, &request->hosts.hosts, ranks, per_node, &world);

    if (result != TROUPE_OK)
        return result;
    result = request->json ? plan_show_json(&request->plan, &world, json)
                           : plan_show_table(&request->plan, &world);
    plan_world_free(&world);
    return result;
}

static void json_print(json_t *json)
{
    json_dumpf(json, stdout, JSON_INDENT(1) | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(6));
    putchar('\n');
    json_decref(json);
}

static int all_plans(const struct request *request)
{
    json_t *plans = json_array();
    int result = TROUPE_OK;

    for (int ranks = 1; ranks <= request->all && result == TROUPE_OK; ranks++) {
        json_t *json = NULL;

        if (!request->json && ranks > 1)
            putchar('\n');
        result = one_plan(request, ranks, 0, &json);
        if (json != NULL) {
            json_object_set_new(json, "n", json_integer(ranks));
            json_array_append_new(plans, json);
        }
    }
    if (request->json && result == TROUPE_OK)
        json_print(json_pack("{s:i, s:O}", "schema", PLAN_SCHEMA, "plans", plans));
    json_decref(plans);
    return result;
}

static int decided_plan(struct request *request)
{
    json_t *json = NULL;
    int ranks, per_node, result;

    request->wanted.topology = request->plan.options.topology;
    result = job_ranks_decide(&request->wanted, &ranks, &per_node);
    if (result == TROUPE_OK)
        result = one_plan(request, ranks, per_node, &json);
    if (json != NULL)
        json_print(json);
    return result;
}

static int machine_prepare(struct request *request)
{
    struct cpus own = { 0 };
    int result = machine_load(request->plan.options.topology, &request->plan.machine);

    if (result != TROUPE_OK)
        return result;
    request->plan.given.several_nodes = request->hosts.hosts.count > 1;
    if (request->plan.options.topology == NULL) {
        result = cpus_of_process(0, &own);
        if (result == TROUPE_OK)
            machine_restrict(&request->plan.machine, &own);
        cpus_free(&own);
    }
    if (result == TROUPE_OK &&
        request->plan.machine.gpus_count + request->plan.machine.denied_count > 0)
        result = mask_read(&request->plan.machine, &request->plan.given, &request->plan.pool);
    if (result == TROUPE_OK && request->plan.pool.note != NULL)
        fprintf(stderr, "troupe plan: %s\n", request->plan.pool.note);
    return result;
}

static int request_run(struct request *request)
{
    int result = machine_prepare(request);

    if (result == TROUPE_OK)
        result = request->all > 0 ? all_plans(request) : decided_plan(request);
    mask_pool_free(&request->plan.pool);
    machine_free(&request->plan.machine);
    return result == TROUPE_OK ? CMD_OK : cmd_usage_error(&cmd_plan, "%s", troupe_last_error());
}

/* ---- options -------------------------------------------------------------------------------- */

static int count_take(const char *name, const char *value, int *count)
{
    long number;

    if (!text_to_long(value, 1, RANKS_MOST, &number))
        return cmd_usage_error(&cmd_plan, "%s %s is no number of ranks; write 1 to %d", name, value,
                               RANKS_MOST);
    *count = (int)number;
    return CMD_OK;
}

static int option_take(int letter, const char *value, struct request *request)
{
    switch (letter) {
    case 'n':
        return count_take("-n", value, &request->wanted.ranks);
    case OPTION_PER_NODE:
        return count_take("--per-node", value, &request->wanted.per_node);
    case OPTION_PER_GPU:
        return count_take("--per-gpu", value, &request->wanted.per_gpu);
    case OPTION_HOST:
        return host_list_take(&cmd_plan, value, &request->hosts);
    case OPTION_HOSTFILE:
        return host_file_take(&cmd_plan, value, &request->hosts);
    case OPTION_ALL:
        return count_take("--all-n", value, &request->all);
    case OPTION_JSON:
        request->json = true;
        return CMD_OK;
    case CMD_OPTION_BAD:
        return CMD_USAGE;
    default:
        return place_option_take(&cmd_plan, letter, value, &request->plan.options);
    }
}

static int request_read(struct request *request, int argc, char **argv)
{
    const char *value;
    int letter, status = CMD_OK;

    if (topo_options_read(&request->plan.options) != TROUPE_OK)
        return cmd_usage_error(&cmd_plan, "%s", troupe_last_error());
    if (getenv("TROUPE_BIND") == NULL)
        request->plan.options.bind = PLAN_BIND_CORE; /* as `troupe run` has it */
    while (status == CMD_OK &&
           (letter = cmd_option_next(&cmd_plan, argc, argv, &value)) != CMD_OPTION_END)
        status = option_take(letter, value, request);
    if (status == CMD_OK && argc > optind)
        return cmd_usage_error(&cmd_plan, "%s: takes no command; write troupe run -n N %s",
                               argv[optind], argv[optind]);
    return status == CMD_OK ? host_options_decide(&cmd_plan, &request->hosts, &request->wanted)
                            : status;
}

static int plan(int argc, char **argv)
{
    struct request request = { .plan.given = { getenv(MASK_VARIABLE), getenv(MASK_ORDER_VARIABLE),
                                               false } };
    int status = request_read(&request, argc, argv);

    if (status == CMD_OK)
        status = place_topology_check(&cmd_plan, &request.plan.options);
    if (status == CMD_OK)
        status = request_run(&request);
    host_options_free(&request.hosts);
    return status;
}

static const struct cmd_option options_table[] = {
    { 'n', "ranks", "N", "Ranks in all (default: as troupe run)" },
    { OPTION_PER_NODE, "per-node", "K", "Ranks on each host" },
    { OPTION_PER_GPU, "per-gpu", "K", "Ranks for each GPU of each host" },
    { OPTION_ALL, "all-n", "MAX", "A plan for each number of ranks from 1 to MAX" },
    { PLACE_OPTION_TOPO, "topo", "FILE", PLACE_HELP_TOPO },
    { OPTION_HOSTFILE, "hostfile", "FILE", "Hosts, one a line: node1 slots=4" },
    { OPTION_HOST, "host", "LIST", "Hosts: node1,node2:4" },
    { PLACE_OPTION_MODE, "gpu-mode", "MODE", PLACE_HELP_MODE },
    { PLACE_OPTION_PER_RANK, "gpus-per-rank", "K", PLACE_HELP_PER_RANK },
    { PLACE_OPTION_BIND, "bind", "HOW", PLACE_HELP_BIND },
    { OPTION_JSON, "json", NULL, "One JSON object on standard output" },
    { 0, NULL, NULL, NULL },
};

const struct cmd cmd_plan = {
    .name = "plan",
    .usage = "plan [-n N] [options]",
    .summary = "Shows which rank gets which cores and GPUs, and why",
    .text =
        "CUDA_VISIBLE_DEVICES and TROUPE_TOPOLOGY count as they would in a run. Several hosts\n"
        "are taken to be alike: like this one, or like the file of --topo. Ranks fill a host's\n"
        "slots before the next host's.\n",
    .options = options_table,
    .run = plan,
};
