/* A plan as a table. All cells are text first, so that columns can be as wide as their widest. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "plan_show.h"
#include "troupe/troupe.h"

int plan_show_mask(const struct plan_request *request, const struct plan *plan, size_t rank,
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

/* A row of the table. */
enum { COLUMN_RANK, COLUMN_CPUS, COLUMN_NUMA, COLUMN_GPU, COLUMN_MASK, COLUMN_WHY, COLUMNS };

struct row {
    char *cells[COLUMNS];
};

static bool numa_has_core(const struct machine *machine, size_t numa)
{
    for (size_t core = 0; core < machine->cores_count; core++)
        if (machine->cores[core].numa == numa)
            return true;
    return false;
}

static void numa_draw(const struct plan_request *request, const struct plan_node *node, size_t numa)
{
    const struct machine *machine = &request->machine;
    const struct plan *plan = &node->plan;
    struct cpus cpus = { 0 };
    int id = machine->numa[numa].os_index;
    char *list;

    for (size_t core = 0; core < machine->cores_count; core++)
        if (machine->cores[core].numa == numa &&
            cpus_add_all(&cpus, &machine->cores[core].pus) != TROUPE_OK)
            break;
    list = cpus_list(&cpus);
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
                printf(" %zu", node->first + i);
    }
    putchar('\n');
}

static void node_draw(const struct plan_request *request, const struct plan_node *node)
{
    const struct machine *machine = &request->machine;

    printf("%s: %zu NUMA node%s, %zu cores, %zu GPUs, %zu ranks\n", node->name, machine->numa_count,
           machine->numa_count == 1 ? "" : "s", machine->cores_count, machine->gpus_count,
           node->plan.ranks_count);
    for (size_t i = 0; i < machine->numa_count; i++)
        numa_draw(request, node, i);
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

static int row_fill(const struct plan_request *request, const struct plan_node *node, size_t rank,
                    struct row *row)
{
    const struct plan *plan = &node->plan;
    struct text number = { 0 };
    const char *order;
    int result = plan_show_mask(request, plan, rank, &row->cells[COLUMN_MASK], &order);

    if (result == TROUPE_OK && row->cells[COLUMN_MASK] == NULL)
        row->cells[COLUMN_MASK] = strdup("(unset)");
    text_append(&number, "%zu", node->first + rank);
    row->cells[COLUMN_RANK] = number.data;
    row->cells[COLUMN_CPUS] = cpus_list(&plan->ranks[rank].cpus);
    row->cells[COLUMN_NUMA] = cpus_list(&plan->ranks[rank].numa);
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

static int ranks_print(const struct plan_request *request, const struct plan_node *node)
{
    size_t count = node->plan.ranks_count;
    struct row *rows = calloc(count + 1, sizeof *rows);
    int result = rows != NULL ? TROUPE_OK : TROUPE_NO_MEMORY;

    for (size_t i = 0; i < count && result == TROUPE_OK; i++)
        result = row_fill(request, node, i, &rows[i]);
    if (result == TROUPE_OK && count > 0)
        rows_print(rows, count);
    for (size_t i = 0; rows != NULL && i < count; i++)
        for (int j = 0; j < COLUMNS; j++)
            free(rows[i].cells[j]);
    free(rows);
    return result;
}

static int node_print(const struct plan_request *request, const struct plan_node *node)
{
    const struct plan *plan = &node->plan;
    int result;

    node_draw(request, node);
    result = ranks_print(request, node);
    if (plan->idle_count > 0) {
        printf("\nidle:");
        for (size_t i = 0; i < plan->idle_count; i++)
            printf(" [%d] %s", request->machine.gpus[plan->idle[i]].index,
                   request->machine.gpus[plan->idle[i]].pci);
        putchar('\n');
    }
    return result;
}

void plan_show_score(const struct plan_world *world, double *plan, double *naive)
{
    size_t ranks = 0;

    *plan = *naive = 0;
    for (size_t i = 0; i < world->count; i++) {
        const struct plan *node = &world->nodes[i].plan;

        *plan += node->score * (double)node->ranks_count;
        *naive += node->naive * (double)node->ranks_count;
        ranks += node->ranks_count;
    }
    if (ranks > 0) {
        *plan /= (double)ranks;
        *naive /= (double)ranks;
    }
}

int plan_show_table(const struct plan_request *request, const struct plan_world *world)
{
    double score, naive;
    int result = TROUPE_OK;

    for (size_t i = 0; i < world->count && result == TROUPE_OK; i++) {
        if (i > 0)
            putchar('\n');
        result = node_print(request, &world->nodes[i]);
    }
    plan_show_score(world, &score, &naive);
    if (request->pool.count > 0)
        printf("\nlocality %.2f (local_rank %% GPUs with cores in order: %.2f; 1 is all near)\n",
               score, naive);
    return result;
}
