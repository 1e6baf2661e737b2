#include "object/process_group.h"

#include "base/clock.h"
#include "base/error.h"
#include "core/futex.h"
#include "core/recover.h"
#include "core/root.h"
#include "core/service.h"
#include "core/tx.h"
#include "core/world.h"
#include "object/process_group_local.h"

#include <stdlib.h>
#include <string.h>

_Static_assert(sizeof(struct group) <= RECORD_ROOM, "a group fits its record");

/* ---- the record's life -------------------------------------------------------------------- */

int group_make(struct actor *actor, uint64_t n, struct record **record, uint64_t *handle)
{
    uint64_t bytes = n * sizeof(struct group_member), place;
    struct group *group;
    int result = table_reserve(actor, record);

    if (result != TROUPE_OK)
        return result;
    result = tx_alloc(actor, bytes, &place);
    if (result != TROUPE_OK) {
        tx_abort(actor);
        table_drop(actor, *record);
        return result;
    }
    memset(arena_at(&actor->arena, place), 0, bytes);
    group = group_of(*record);
    group->n = n;
    atomic_store(&group->members, place);
    atomic_store(&group->forming, 1);
    atomic_store(&group->left, 1);
    resume_begin(actor, RESUME_GROUP, arena_offset(&actor->arena, *record));
    table_publish(actor, *record, OBJECT_GROUP, 0, handle);
    return TROUPE_OK;
}

void process_group_count(struct actor *actor, uint64_t handle)
{
    struct record *record;

    if (table_find(actor, handle, OBJECT_GROUP, &record) == TROUPE_OK)
        tx_write(actor, &group_of(record)->left, atomic_load(&group_of(record)->left) + 1);
}

/* In the open transaction, under the group's lock. */
static void count_less(struct actor *actor, struct group *group)
{
    uint64_t left = atomic_load(&group->left) - 1;

    tx_write(actor, &group->left, left);
    if (left == 0)
        tx_retire(actor, atomic_load(&group->members));
}

/* Gives the lock, and frees the record of a group without a count. */
static void let_go(struct actor *actor, struct record *record)
{
    if (atomic_load(&group_of(record)->left) == 0)
        table_retire(actor, record);
    else
        lock_give(actor, &record->lock);
}

/* Who dies between the commit and the retirement would leave the record for good, so the slot names
 * it, unless it names work already: a starter's, whose recovery looks at its group anyway. */
struct record *process_group_hold(struct actor *actor, const struct process *process)
{
    uint64_t handle = atomic_load(&process->group);
    struct record *record;

    if (handle == 0 || handle_node(handle) != table_node(&actor->arena) ||
        table_lock(actor, handle, OBJECT_GROUP, &record) != TROUPE_OK)
        return NULL;
    if (atomic_load(&actor->slot->resume) == 0)
        resume_begin(actor, RESUME_GROUP_END, arena_offset(&actor->arena, record));
    count_less(actor, group_of(record));
    return record;
}

void process_group_let_go(struct actor *actor, struct record *record)
{
    if (record == NULL)
        return;
    let_go(actor, record);
    if (atomic_load(&actor->slot->resume) >> 56 == RESUME_GROUP_END)
        resume_end(actor);
}

bool group_decide(struct actor *actor, struct record *record, bool complete)
{
    struct group *group = group_of(record);
    bool runs;

    lock_take(actor, &record->lock);
    runs = complete && atomic_load(&group->bereaved) == 0;
    bell_promise(actor, &record->bell);
    tx_write(actor, &group->state, runs ? GROUP_RUNS : GROUP_OFF);
    tx_write(actor, &group->forming, 0);
    count_less(actor, group);
    tx_commit(actor);
    let_go(actor, record);
    bell_redeem(actor, FUTEX_ALL);
    resume_end(actor);
    return runs;
}

void group_member_drop(struct actor *actor, uint64_t handle)
{
    static const struct process_end end = { TROUPE_STATE_FAILED, -1, 0,
                                            "its group did not come together", false };
    struct record *record;

    if (table_find(actor, handle, OBJECT_PROCESS, &record) != TROUPE_OK)
        return;
    if (atomic_load(&process_of(record)->assigned) == 0)
        process_finish(actor, handle, &end);
    process_close_here(actor, handle);
}

/* ---- the dead ----------------------------------------------------------------------------- */

static void members_drop(struct actor *actor, uint64_t group)
{
    struct record *record;
    uint64_t index = 0;

    while ((record = table_next(&actor->arena, &index)) != NULL) {
        uint64_t handle = atomic_load(&record->handle);

        if (handle_kind(handle) == OBJECT_PROCESS &&
            atomic_load(&process_of(record)->group) == group &&
            handle_node(handle) == table_node(&actor->arena))
            group_member_drop(actor, handle);
    }
}

/* In the open transaction that ends the forming. */
static void call_off(struct actor *actor, struct record *record)
{
    struct group *group = group_of(record);

    bell_promise(actor, &record->bell);
    tx_write(actor, &group->state, GROUP_OFF);
    tx_write(actor, &group->forming, 0);
    count_less(actor, group);
    tx_commit(actor);
}

/* The starter died. Before the decision, the group is called off; it still counts, so the group is
 * there whatever its members do meanwhile. After it, the starter or who recovered it may have died
 * before it looked whether its count was the last. */
static void starter_resume(struct actor *actor, uint64_t place)
{
    struct record *record = arena_at(&actor->arena, place);
    uint64_t handle = atomic_load(&record->handle);
    bool forming = atomic_load(&group_of(record)->forming) != 0;

    if (handle_kind(handle) != OBJECT_GROUP)
        return;
    if (forming)
        members_drop(actor, handle);
    lock_take(actor, &record->lock);
    if (forming)
        call_off(actor, record);
    if (atomic_load(&record->handle) == handle)
        let_go(actor, record);
    else
        lock_give(actor, &record->lock);
    bell_redeem(actor, FUTEX_ALL);
}

/* Whoever took a count away died before it looked whether that was the last. */
static void end_resume(struct actor *actor, uint64_t place)
{
    struct record *record = arena_at(&actor->arena, place);

    lock_take(actor, &record->lock);
    if (handle_kind(atomic_load(&record->handle)) == OBJECT_GROUP)
        let_go(actor, record);
    else
        lock_give(actor, &record->lock);
}

/* ---- the decision ------------------------------------------------------------------------- */

struct awaited {
    struct record *record;
    uint64_t handle;
};

static int decision_look(struct actor *actor, void *context)
{
    const struct awaited *awaited = context;

    (void)actor;
    if (atomic_load(&awaited->record->handle) != awaited->handle)
        return GROUP_OFF;
    return (int)atomic_load(&group_of(awaited->record)->state);
}

/* The asking member counts, so the record is there. */
static int ranks_copy(const struct arena *arena, struct record *record, int **ranks, int *n)
{
    const struct group *group = group_of(record);
    const struct group_member *members = group_members(arena, group);
    int *copy = malloc(group->n * sizeof *copy);

    if (copy == NULL)
        return fail(TROUPE_NO_MEMORY, "no memory for the ranks of a group of %llu",
                    (unsigned long long)group->n);
    for (uint64_t i = 0; i < group->n; i++)
        copy[i] = (int)members[i].rank;
    *ranks = copy;
    *n = (int)group->n;
    return TROUPE_OK;
}

static int decision_here(struct actor *actor, uint64_t handle, bool *runs, int **ranks, int *n)
{
    struct awaited awaited = { NULL, handle };
    int result = table_find(actor, handle, OBJECT_GROUP, &awaited.record);

    if (result != TROUPE_OK)
        return result;
    *runs = bell_await(actor, &awaited.record->bell, CLOCK_FOREVER, GROUP_FORMING, decision_look,
                       &awaited) == GROUP_RUNS;
    return *runs ? ranks_copy(&actor->arena, awaited.record, ranks, n) : TROUPE_OK;
}

int process_group_decision(struct actor *actor, uint64_t handle, bool *runs, int **ranks, int *n)
{
    struct request request = { .op = SERVICE_GROUP_JOIN, .object = handle };
    struct answer answer;
    int result;

    if (handle_node(handle) == world_here.node)
        return decision_here(actor, handle, runs, ranks, n);
    result = service_call(actor, handle_node(handle), &request, CLOCK_FOREVER, &answer);
    if (result != TROUPE_OK)
        return result;
    *runs = answer.words[0] == GROUP_RUNS;
    *ranks = answer.data;
    *n = (int)(answer.size / sizeof **ranks);
    return TROUPE_OK;
}

static int join_handler(struct actor *actor, const struct request *request, bool last,
                        struct answer *answer, struct bell **bell)
{
    struct record *record;
    int *ranks = NULL, n = 0, result = table_find(actor, request->object, OBJECT_GROUP, &record);

    if (result != TROUPE_OK)
        return result;
    answer->words[0] = atomic_load(&group_of(record)->state);
    *bell = &record->bell;
    if (answer->words[0] == GROUP_FORMING)
        return last ? fail(TROUPE_TIMEOUT, "the group still forms") : SERVICE_PARK;
    if (answer->words[0] == GROUP_RUNS)
        result = ranks_copy(&actor->arena, record, &ranks, &n);
    answer->data = ranks;
    answer->size = (size_t)n * sizeof *ranks;
    return result;
}

/* ---- a member's death --------------------------------------------------------------------- */

/* The dead member counts until its end is written, so the block is there. */
static int members_here(struct actor *actor, uint64_t handle, uint64_t **handles, size_t *n)
{
    struct record *record;
    struct group *group;
    int result = table_lock(actor, handle, OBJECT_GROUP, &record);
    bool first;

    if (result != TROUPE_OK)
        return result;
    group = group_of(record);
    first = atomic_exchange(&group->bereaved, 1) == 0 && atomic_load(&group->state) == GROUP_RUNS;
    *handles = first ? malloc(group->n * sizeof **handles) : NULL;
    if (first && *handles == NULL)
        result = fail(TROUPE_NO_MEMORY, "no memory for a list of %llu processes",
                      (unsigned long long)group->n);
    for (size_t i = 0; *handles != NULL && i < group->n; i++)
        (*handles)[i] = group_members(&actor->arena, group)[i].handle;
    *n = *handles != NULL ? group->n : 0;
    lock_give(actor, &record->lock);
    return result;
}

int process_group_members(struct actor *actor, uint64_t handle, uint64_t **handles, size_t *n)
{
    struct request request = { .op = SERVICE_GROUP_BEREAVE, .object = handle };
    struct answer answer;
    int result;

    if (handle_node(handle) == world_here.node)
        return members_here(actor, handle, handles, n);
    result = service_call(actor, handle_node(handle), &request, BELL_NO_WAIT, &answer);
    if (result != TROUPE_OK)
        return result;
    *handles = answer.data;
    *n = answer.size / sizeof **handles;
    return TROUPE_OK;
}

static int bereave_handler(struct actor *actor, const struct request *request, bool last,
                           struct answer *answer, struct bell **bell)
{
    uint64_t *handles = NULL;
    size_t n = 0;
    int result = members_here(actor, request->object, &handles, &n);

    (void)last, (void)bell;
    answer->data = handles;
    answer->size = n * sizeof *handles;
    return result;
}

/* ---- ranks -------------------------------------------------------------------------------- */

/* The locks are touched for those who are about to sleep: see bell_redeem_asleep. */
void group_ranks_count(struct actor *actor, struct group_ranks *ranks)
{
    struct node *node = node_of(&actor->arena);

    *ranks = (struct group_ranks){ 0, 0 };
    for (uint32_t local = 0; local < node->local_size; local++) {
        uint64_t job;

        lock_touch(&node->ranks[local].lock);
        job = atomic_load(&node->ranks[local].job);
        ranks->idle += job == 0;
        ranks->living += job != RANK_GONE;
    }
}

static int idle_handler(struct actor *actor, const struct request *request, bool last,
                        struct answer *answer, struct bell **bell)
{
    struct group_ranks ranks;

    (void)request, (void)last, (void)bell;
    group_ranks_count(actor, &ranks);
    answer->words[0] = ranks.idle;
    answer->words[1] = ranks.living;
    return TROUPE_OK;
}

void process_group_register(void)
{
    recover_register(RESUME_GROUP, starter_resume);
    recover_register(RESUME_GROUP_END, end_resume);
    service_register(SERVICE_GROUP_JOIN, join_handler);
    service_register(SERVICE_GROUP_BEREAVE, bereave_handler);
    service_register(SERVICE_NODE_IDLE, idle_handler);
}
