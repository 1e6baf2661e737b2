/* `troupe plan`: which rank gets which cores and GPUs, and why, without running anything, also for
 * a machine that one does not have. The table is for people, --json for programs. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "cmd.h"
#include "place_options.h"
#include "topo/mask.h"
#include "topo/plan.h"
#include "troupe/troupe.h"

enum { OPTION_ALL = PLACE_OPTION_OWN, OPTION_JSON, RANKS_MOST = 65536, SCHEMA = 1 };

/* What was asked, and what every plan is made from. */
struct request {
    struct topo_options options;
    struct mask_given given;
    struct machine machine;
    struct mask_pool pool;
    long ranks, all;
    bool json;
};

/* The mask that a rank would see, to be freed; NULL when the variable would be unset. */
static int mask_text(const struct request *request, const struct plan *plan, size_t rank,
                     char **mask, const char **order)
{
    int result = TROUPE_OK;

    *mask = NULL;
    *order = NULL;
    if (request->machine.gpus_count > 0)
        result = mask_write(&request->machine, &request->given, &request->pool, plan,
                            request->options.mode, rank, mask, order);
    if (result != TROUPE_OK || *mask != NULL || request->given.value == NULL)
        return result;
    *mask = strdup(request->given.value);
    return *mask != NULL ? TROUPE_OK : TROUPE_NO_MEMORY;
}

/* ---- the table -------------------------------------------------------------------------- */

/* A row of the table, all of it text, so that the columns can be as wide as their widest. */
enum { COLUMN_RANK, COLUMN_CPUS, COLUMN_NUMA, COLUMN_GPU, COLUMN_MASK, COLUMN_WHY, COLUMNS };

struct row {
    char *cells[COLUMNS];
};

static char *list_text(const struct cpus *cpus)
{
    struct text text = { 0 };

    text_append(&text, "%s", "");
    cpus_append_list(&text, cpus);
    return text.data;
}

static bool numa_has_core(const struct machine *machine, size_t numa)
{
    for (size_t core = 0; core < machine->cores_count; core++)
        if (machine->cores[core].numa == numa)
            return true;
    return false;
}

static void numa_draw(const struct request *request, const struct plan *plan, size_t numa)
{
    const struct machine *machine = &request->machine;
    struct cpus cpus = { 0 };
    int id = machine->numa[numa].os_index;
    char *list;

    for (size_t core = 0; core < machine->cores_count; core++)
        if (machine->cores[core].numa == numa &&
            cpus_add_all(&cpus, &machine->cores[core].pus) != TROUPE_OK)
            break;
    list = list_text(&cpus);
    printf("  NUMA %-3d  CPUs %s", id, list != NULL ? list : "?");
    free(list);
    cpus_free(&cpus);
    for (size_t i = 0; i < machine->gpus_count; i++)
        if (cpus_contains(&machine->gpus[i].numa, id))
            printf("  [%d] %s", machine->gpus[i].index, machine->gpus[i].pci);
    if (plan->bound && numa_has_core(machine, numa)) {
        printf("  ranks");
        for (size_t i = 0; i < plan->ranks_count; i++)
            if (cpus_contains(&plan->ranks[i].numa, id))
                printf(" %zu", i);
    }
    putchar('\n');
}

static void node_draw(const struct request *request, const struct plan *plan)
{
    const struct machine *machine = &request->machine;

    printf("%s: %zu NUMA node%s, %zu cores, %zu GPUs, %zu ranks\n", machine->name,
           machine->numa_count, machine->numa_count == 1 ? "" : "s", machine->cores_count,
           machine->gpus_count, plan->ranks_count);
    for (size_t i = 0; i < machine->numa_count; i++)
        numa_draw(request, plan, i);
    for (size_t i = 0; i < machine->gpus_count; i++)
        if (!machine->gpus[i].located)
            printf("  somewhere  [%d] %s\n", machine->gpus[i].index, machine->gpus[i].pci);
    for (size_t i = 0; i < machine->denied_count; i++)
        printf("  denied     %s\n", machine->denied[i].pci);
}

static char *gpus_text(const struct machine *machine, const struct plan_rank *rank)
{
    struct text text = { 0 };

    text_append(&text, "%s", rank->gpus_count == 0 ? "none" : "");
    for (size_t i = 0; i < rank->gpus_count; i++)
        text_append(&text, "%s%d", i > 0 ? "," : "", machine->gpus[rank->gpus[i]].index);
    return text.data;
}

static int row_fill(const struct request *request, const struct plan *plan, size_t rank,
                    struct row *row)
{
    struct text number = { 0 };
    const char *order;
    int result = mask_text(request, plan, rank, &row->cells[COLUMN_MASK], &order);

    if (result == TROUPE_OK && row->cells[COLUMN_MASK] == NULL)
        row->cells[COLUMN_MASK] = strdup("(unset)");
    text_append(&number, "%zu", rank);
    row->cells[COLUMN_RANK] = number.data;
    row->cells[COLUMN_CPUS] = list_text(&plan->ranks[rank].cpus);
    row->cells[COLUMN_NUMA] = list_text(&plan->ranks[rank].numa);
    row->cells[COLUMN_GPU] = gpus_text(&request->machine, &plan->ranks[rank]);
    row->cells[COLUMN_WHY] = strdup(plan->ranks[rank].reason);
    for (int i = 0; i < COLUMNS; i++)
        if (row->cells[i] == NULL)
            return TROUPE_NO_MEMORY;
    return result;
}

static void rows_print(const struct row *rows, size_t count)
{
    static const char *const heads[COLUMNS] = {
        "rank", "CPUs", "NUMA", "GPU", "CUDA_VISIBLE_DEVICES", "why"
    };
    int widths[COLUMNS];

    for (int i = 0; i < COLUMNS; i++) {
        widths[i] = (int)strlen(heads[i]);
        for (size_t row = 0; row < count; row++)
            if ((int)strlen(rows[row].cells[i]) > widths[i])
                widths[i] = (int)strlen(rows[row].cells[i]);
    }
    putchar('\n');
    for (int i = 0; i < COLUMN_WHY; i++)
        printf("%-*s  ", widths[i], heads[i]);
    puts(heads[COLUMN_WHY]);
    for (size_t row = 0; row < count; row++) {
        for (int i = 0; i < COLUMN_WHY; i++)
            printf("%-*s  ", widths[i], rows[row].cells[i]);
        puts(rows[row].cells[COLUMN_WHY]);
    }
}

static int ranks_print(const struct request *request, const struct plan *plan)
{
    struct row *rows = calloc(plan->ranks_count, sizeof *rows);
    int result = rows != NULL ? TROUPE_OK : TROUPE_NO_MEMORY;

    for (size_t i = 0; i < plan->ranks_count && result == TROUPE_OK; i++)
        result = row_fill(request, plan, i, &rows[i]);
    if (result == TROUPE_OK)
        rows_print(rows, plan->ranks_count);
    for (size_t i = 0; rows != NULL && i < plan->ranks_count; i++)
        for (int j = 0; j < COLUMNS; j++)
            free(rows[i].cells[j]);
    free(rows);
    return result;
}

static int plan_print(const struct request *request, const struct plan *plan)
{
    int result;

    node_draw(request, plan);
    result = ranks_print(request, plan);
    if (plan->idle_count > 0) {
        printf("\nidle:");
        for (size_t i = 0; i < plan->idle_count; i++)
            printf(" [%d] %s", request->machine.gpus[plan->idle[i]].index,
                   request->machine.gpus[plan->idle[i]].pci);
        putchar('\n');
    }
    if (request->pool.count > 0)
        printf("\nlocality %.2f (local_rank %% GPUs with cores in order: %.2f; 1 is all near)\n",
               plan->score, plan->naive);
    return result;
}

/* ---- JSON ------------------------------------------------------------------------------- */

static json_t *text_or_null(const char *text)
{
    return text != NULL ? json_string(text) : json_null();
}

static json_t *list_json(const struct cpus *cpus)
{
    char *text = list_text(cpus);
    json_t *json = text_or_null(text);

    free(text);
    return json;
}

static json_t *gpu_json(const struct machine_gpu *gpu)
{
    json_t *numa = json_array();

    for (size_t i = 0; i < gpu->numa.count; i++)
        json_array_append_new(numa, json_integer(gpu->numa.ids[i]));
    return json_pack("{s:i, s:s, s:o, s:o, s:b, s:o}", "index", gpu->index, "pci", gpu->pci, "uuid",
                     text_or_null(gpu->uuid), "name", text_or_null(gpu->name), "mig", gpu->instance,
                     "numa", numa);
}

static json_t *gpus_short_json(const struct machine *machine, const size_t *gpus, size_t count)
{
    json_t *array = json_array();

    for (size_t i = 0; i < count; i++) {
        const struct machine_gpu *gpu = &machine->gpus[gpus[i]];

        json_array_append_new(array, json_pack("{s:i, s:s, s:o}", "index", gpu->index, "pci",
                                               gpu->pci, "uuid", text_or_null(gpu->uuid)));
    }
    return array;
}

static json_t *rank_json(const struct request *request, const struct plan *plan, size_t number)
{
    const struct plan_rank *rank = &plan->ranks[number];
    json_t *shared = json_array(), *json;
    const char *order;
    char *mask;

    if (mask_text(request, plan, number, &mask, &order) != TROUPE_OK) {
        json_decref(shared);
        return NULL;
    }
    for (size_t i = 0; i < rank->shared_count; i++)
        json_array_append_new(shared, json_integer((json_int_t)rank->shared_with[i]));
    json = json_pack("{s:I, s:I, s:o, s:o, s:b, s:o, s:o, s:o, s:o, s:s}", "rank",
                     (json_int_t)number, "local_rank", (json_int_t)number, "cpus",
                     list_json(&rank->cpus), "numa", list_json(&rank->numa), "bound", plan->bound,
                     "gpus", gpus_short_json(&request->machine, rank->gpus, rank->gpus_count),
                     "cuda_visible_devices", text_or_null(mask), "cuda_device_order",
                     text_or_null(order), "shared_with", shared, "reason", rank->reason);
    free(mask);
    return json;
}

static json_t *plan_json(const struct request *request, const struct plan *plan)
{
    const struct machine *machine = &request->machine;
    json_t *gpus = json_array(), *ranks = json_array(), *node;

    for (size_t i = 0; i < machine->gpus_count; i++)
        json_array_append_new(gpus, gpu_json(&machine->gpus[i]));
    for (size_t i = 0; i < plan->ranks_count; i++)
        json_array_append_new(ranks, rank_json(request, plan, i));
    node = json_pack("{s:s, s:o, s:o, s:o}", "name", machine->name, "gpus", gpus, "idle",
                     gpus_short_json(machine, plan->idle, plan->idle_count), "ranks", ranks);
    return json_pack("{s:i, s:[o], s:{s:f, s:f}}", "schema", SCHEMA, "nodes", node, "score", "plan",
                     plan->score, "naive", plan->naive);
}

/* ---- the verb --------------------------------------------------------------------------- */

static int one_plan(const struct request *request, size_t ranks, json_t **json)
{
    struct plan_options options = { .ranks = ranks,
                                    .gpus_per_rank = request->options.gpus_per_rank,
                                    .mode = request->options.mode,
                                    .bind = request->options.bind };
    struct plan plan;
    int result;

    if (request->machine.gpus_count > 0)
        options.no_gpu = MASK_VARIABLE " hides them all";
    result = plan_make(&request->machine, request->pool.gpus, request->pool.count, &options, &plan);
    if (result != TROUPE_OK)
        return result;
    if (request->json)
        *json = plan_json(request, &plan);
    else
        result = plan_print(request, &plan);
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
        json_print(json_pack("{s:i, s:O}", "schema", SCHEMA, "plans", plans));
    json_decref(plans);
    return result;
}

static int machine_prepare(struct request *request)
{
    struct cpus own = { 0 };
    int result = machine_load(request->options.topology, &request->machine);

    if (result != TROUPE_OK)
        return result;
    if (request->options.topology == NULL) {
        result = cpus_of_process(0, &own);
        if (result == TROUPE_OK)
            machine_restrict(&request->machine, &own);
        cpus_free(&own);
    }
    if (result == TROUPE_OK && request->machine.gpus_count + request->machine.denied_count > 0)
        result = mask_read(&request->machine, &request->given, &request->pool);
    if (result == TROUPE_OK && request->pool.note != NULL)
        fprintf(stderr, "troupe plan: %s\n", request->pool.note);
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
    mask_pool_free(&request->pool);
    machine_free(&request->machine);
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
        return place_option_take(&cmd_plan, letter, value, &request->options);
    }
}

static int plan(int argc, char **argv)
{
    struct request request = { .given = { getenv(MASK_VARIABLE), getenv(MASK_ORDER_VARIABLE),
                                          false } };
    const char *value;
    int letter;

    if (topo_options_read(&request.options) != TROUPE_OK)
        return cmd_usage_error(&cmd_plan, "%s", troupe_last_error());
    if (getenv("TROUPE_BIND") == NULL)
        request.options.bind = PLAN_BIND_CORE; /* as `troupe run` has it */
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
