/* Whether a process waits in a circle: for a process that waits for a rank, while every rank that
 * could run that one waits likewise.
 *
 * The graph: a process that joins another without a timeout leads to it; one that waits for a rank
 * leads to what the ranks run that could take it. Whatever is reached and does neither will go on
 * and free a rank in time; if nothing such is reached, nobody will. Processes of other nodes are
 * taken to go on. Nothing is locked: a change while we look only makes us see somebody who goes on,
 * and whoever begins to wait last looks again. */
#include "object/process.h"

#define REACHED_MOST 512

struct search {
    struct actor *actor;
    struct node *node;
    uint64_t reached[REACHED_MOST]; /* handles */
    uint32_t count;
    bool goes_on;      /* somebody does, or the search is too large */
    bool needs_a_rank; /* somebody waits for one */
};

static void reach(struct search *search, uint64_t handle)
{
    for (uint32_t i = 0; i < search->count; i++)
        if (search->reached[i] == handle)
            return;
    if (search->count < REACHED_MOST)
        search->reached[search->count++] = handle;
    else
        search->goes_on = true;
}

/* The ranks are few; whose list it is in makes no difference unless a place was asked for. */
static bool is_in(const struct arena *arena, const struct process_list *list, uint64_t place)
{
    uint64_t at = atomic_load(&list->first);

    for (uint32_t steps = 0; at != 0 && at != place && steps < REACHED_MOST; steps++)
        at = atomic_load(&process_of(arena_at(arena, at))->next);
    return at == place;
}

static void job_reach(struct search *search, const struct rank_record *rank)
{
    uint64_t job = atomic_load(&rank->job);

    if (job == 0 || job == RANK_STARTING)
        search->goes_on = true;
    else if (job != RANK_GONE)
        reach(search, job);
}

/* It waits: for one rank, for any, or for its keeper, who goes on. */
static void waiting_reach(struct search *search, struct record *record)
{
    const struct arena *arena = &search->actor->arena;
    uint64_t place = arena_offset(arena, record);
    bool for_any = is_in(arena, &search->node->waiting, place), found = for_any;

    for (uint32_t local = 0; local < search->node->local_size; local++) {
        const struct rank_record *rank = &search->node->ranks[local];
        bool for_this = !for_any && is_in(arena, &rank->waiting, place);

        found = found || for_this;
        if (for_any || for_this)
            job_reach(search, rank);
    }
    search->needs_a_rank = search->needs_a_rank || found;
    search->goes_on = search->goes_on || !found;
}

static void follow(struct search *search, uint64_t handle)
{
    struct record *record;
    const struct process *process;
    uint64_t awaited;

    if (table_find(search->actor, handle, OBJECT_PROCESS, &record) != TROUPE_OK) {
        search->goes_on = true;
        return;
    }
    process = process_of(record);
    awaited = atomic_load(&process->awaits);
    if (atomic_load(&process->runner) != 0)
        search->goes_on = true;
    else if (atomic_load(&process->state) == TROUPE_STATE_WAITING)
        waiting_reach(search, record);
    else if (atomic_load(&process->state) == TROUPE_STATE_RUNNING && awaited != 0)
        reach(search, awaited);
    else
        search->goes_on = true;
}

/* Nobody waits for a rank most of the time. */
static bool ranks_are_wanted(const struct node *node)
{
    bool wanted = atomic_load(&node->waiting.first) != 0;

    for (uint32_t local = 0; !wanted && local < node->local_size; local++)
        wanted = atomic_load(&node->ranks[local].waiting.first) != 0;
    return wanted;
}

bool process_is_deadlocked(struct actor *actor, uint64_t handle)
{
    struct search search = { .actor = actor, .node = node_of(&actor->arena) };

    if (!ranks_are_wanted(search.node))
        return false;
    reach(&search, handle);
    for (uint32_t i = 0; i < search.count && !search.goes_on; i++)
        follow(&search, search.reached[i]);
    return search.needs_a_rank && !search.goes_on;
}
