/* `troupe plan`: which rank gets which cores and GPUs, and why, without running anything, also for
 * a machine that one does not have. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/text.h"
#include "cmd.h"
#include "place_options.h"
#include "plan_show.h"
#include "troupe/troupe.h"

enum { OPTION_ALL = PLACE_OPTION_OWN, OPTION_JSON, RANKS_MOST = 65536 };

struct request {
    struct plan_request plan;
    long ranks, all;
    bool json;
};

static int one_plan(const struct request *request, size_t ranks, json_t **json)
{
    struct plan_options options = { .ranks = ranks,
                                    .gpus_per_rank = request->plan.options.gpus_per_rank,
                                    .mode = request->plan.options.mode,
                                    .bind = request->plan.options.bind };
    struct plan plan;
    int result;

    if (request->plan.machine.gpus_count > 0)
        options.no_gpu = MASK_VARIABLE " hides them all";
    result = plan_make(&request->plan.machine, request->plan.pool.gpus, request->plan.pool.count,
                       &options, &plan);
    if (result != TROUPE_OK)
        return result;
    result = request->json ? plan_show_json(&request->plan, &plan, json)
                           : plan_show_table(&request->plan, &plan);
    plan_free(&plan);
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

    for (long ranks = 1; ranks <= request->all && result == TROUPE_OK; ranks++) {
        json_t *json = NULL;

        if (!request->json && ranks > 1)
            putchar('\n');
        result = one_plan(request, (size_t)ranks, &json);
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

static int machine_prepare(struct request *request)
{
    struct cpus own = { 0 };
    int result = machine_load(request->plan.options.topology, &request->plan.machine);

    if (result != TROUPE_OK)
        return result;
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
    json_t *json = NULL;
    int result = machine_prepare(request);

    if (result == TROUPE_OK)
        result = request->all > 0 ? all_plans(request)
                                  : one_plan(request, (size_t)request->ranks, &json);
    if (json != NULL)
        json_print(json);
    mask_pool_free(&request->plan.pool);
    machine_free(&request->plan.machine);
    return result == TROUPE_OK ? CMD_OK : cmd_usage_error(&cmd_plan, "%s", troupe_last_error());
}

static int count_take(const char *name, const char *value, long *count)
{
    if (!text_to_long(value, 1, RANKS_MOST, count))
        return cmd_usage_error(&cmd_plan, "%s %s is no number of ranks; write 1 to %d", name, value,
                               RANKS_MOST);
    return CMD_OK;
}

static int option_take(int letter, const char *value, struct request *request)
{
    switch (letter) {
    case 'n':
        return count_take("-n", value, &request->ranks);
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

static int plan(int argc, char **argv)
{
    struct request request = { .plan.given = { getenv(MASK_VARIABLE), getenv(MASK_ORDER_VARIABLE),
                                               false } };
    const char *value;
    int letter;

    if (topo_options_read(&request.plan.options) != TROUPE_OK)
        return cmd_usage_error(&cmd_plan, "%s", troupe_last_error());
    if (getenv("TROUPE_BIND") == NULL)
        request.plan.options.bind = PLAN_BIND_CORE; /* as `troupe run` has it */
    while ((letter = cmd_option_next(&cmd_plan, argc, argv, &value)) != CMD_OPTION_END)
        if (option_take(letter, value, &request) != CMD_OK)
            return CMD_USAGE;
    if (argc > optind)
        return cmd_usage_error(&cmd_plan, "%s: takes no command; write troupe run -n N %s",
                               argv[optind], argv[optind]);
    if (request.ranks == 0 && request.all == 0)
        return cmd_usage_error(&cmd_plan, "how many ranks? Write troupe plan -n 4");
    return request_run(&request);
}

static const struct cmd_option options_table[] = {
    { 'n', "ranks", "N", "Ranks on this node" },
    { OPTION_ALL, "all-n", "MAX", "A plan for each number of ranks from 1 to MAX" },
    { PLACE_OPTION_TOPO, "topo", "FILE", PLACE_HELP_TOPO },
    { PLACE_OPTION_MODE, "gpu-mode", "MODE", PLACE_HELP_MODE },
    { PLACE_OPTION_PER_RANK, "gpus-per-rank", "K", PLACE_HELP_PER_RANK },
    { PLACE_OPTION_BIND, "bind", "HOW", PLACE_HELP_BIND },
    { OPTION_JSON, "json", NULL, "One JSON object on standard output" },
    { 0, NULL, NULL, NULL },
};

const struct cmd cmd_plan = {
    .name = "plan",
    .usage = "plan -n N [options]",
    .summary = "Shows which rank gets which cores and GPUs, and why",
    .text = "CUDA_VISIBLE_DEVICES and TROUPE_TOPOLOGY count as they would in a run.\n",
    .options = options_table,
    .run = plan,
};
