/* Starting a group: its members get idle ranks one by one, and wait there until all have theirs. If
 * others take ranks away meanwhile, the group is called off and tried again. */
#include "base/clock.h"
#include "base/error.h"
#include "core/service.h"
#include "core/world.h"
#include "object/process_debug.h"
#include "object/process_gpus.h"
#include "object/process_group_local.h"
#include "object/process_start.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_KEPT 48    /* of the options' name, before the index */
#define LOOK_MS 20      /* how often a waiter asks other nodes for their idle ranks */
#define AGAIN_MOST_MS 8 /* two groups that took each other's ranks try again at different moments */

struct forming {
    struct actor *actor;
    struct order order;
    troupe_process_options options;
    char name[NAME_KEPT];
    int n;
    int node;           /* the only one, or -1 */
    uint64_t elsewhere; /* idle ranks of other nodes */
};

/* ---- enough ranks ------------------------------------------------------------------------- */

static bool counts(const struct forming *forming, int node)
{
    return forming->node < 0 || forming->node == node;
}

/* What other nodes have; their ranks come and go without ringing here. */
static int elsewhere_ask(struct forming *forming, uint64_t *living)
{
    struct request request = { .op = SERVICE_NODE_IDLE };
    struct answer answer;
    int result = TROUPE_OK;

    forming->elsewhere = *living = 0;
    for (int node = 0; node < world_here.nodes && result == TROUPE_OK; node++) {
        if (node == world_here.node || !counts(forming, node))
            continue;
        result = service_call(forming->actor, node, &request, BELL_NO_WAIT, &answer);
        if (result == TROUPE_LOST) {
            result = TROUPE_OK; /* it has no rank any more */
            continue;
        }
        if (result != TROUPE_OK)
            break;
        free(answer.data);
        forming->elsewhere += answer.words[0];
        *living += answer.words[1];
    }
    return result;
}

static int enough_look(struct actor *actor, void *context)
{
    const struct forming *forming = context;
    struct group_ranks here = { 0, 0 };

    if (counts(forming, world_here.node))
        group_ranks_count(actor, &here);
    return here.idle + forming->elsewhere >= (uint64_t)forming->n ? TROUPE_OK : TROUPE_BUSY;
}

/* A rank's target cannot have its own rank. */
static int living_check(const struct forming *forming, uint64_t living)
{
    struct group_ranks here = { 0, 0 };
    bool own = world_here.role == WORLD_RANK && process_current() != 0;

    if (counts(forming, world_here.node)) {
        group_ranks_count(forming->actor, &here);
        living += here.living - (own ? 1 : 0);
    }
    if (living >= (uint64_t)forming->n)
        return TROUPE_OK;
    return fail(TROUPE_NO_RANK, "a group of %d needs as many ranks, and %llu are left%s%s",
                forming->n, (unsigned long long)living, forming->node >= 0 ? " on that node" : "",
                own ? ", the caller's own not counted" : "");
}

static int enough_await(struct forming *forming, bool waits)
{
    uint64_t living, deadline;
    int result;

    do {
        result = elsewhere_ask(forming, &living);
        if (result == TROUPE_OK)
            result = living_check(forming, living);
        if (result != TROUPE_OK)
            return result;
        deadline = !waits ? BELL_NO_WAIT : clock_deadline(LOOK_MS);
        result = bell_await(forming->actor, &node_of(&forming->actor->arena)->idle_bell, deadline,
                            TROUPE_BUSY, enough_look, forming);
    } while (result == TROUPE_BUSY && waits);
    return result == TROUPE_BUSY ? fail(result, "fewer than %d ranks are idle", forming->n)
                                 : result;
}

/* ---- members ------------------------------------------------------------------------------ */

/* Under the group's lock, in which the member is counted. */
static int member_make(struct forming *forming, struct record *group, int index,
                       struct record **record, uint64_t *handle)
{
    struct process_order *head = &forming->order.head;
    int result;

    process_head_fill(forming->actor, &forming->options, head);
    snprintf(head->name, sizeof head->name, "%s-%d", forming->name, index);
    head->group = atomic_load(&group->handle);
    head->group_index = (uint64_t)index;
    head->group_size = (uint64_t)forming->n;
    lock_take(forming->actor, &group->lock);
    result = process_record_make(forming->actor, &forming->order, record, handle);
    lock_give(forming->actor, &group->lock);
    return result;
}

static int member_place(struct forming *forming, struct record *group, int index)
{
    struct group_member *member = &group_members(&forming->actor->arena, group_of(group))[index];
    struct record *record;
    int rank, result = member_make(forming, group, index, &record, &member->handle);

    if (result != TROUPE_OK)
        return result;
    result = process_idle_find(forming->actor, &forming->order, record, forming->node, &rank);
    if (result == TROUPE_OK)
        member->rank = rank;
    return result;
}

static void members_drop(struct forming *forming, const struct group_member *members, int made)
{
    for (int i = 0; i < made; i++)
        if (members[i].handle != 0)
            group_member_drop(forming->actor, members[i].handle);
}

/* A member that died before the decision makes it one for another try. */
static int group_form(struct forming *forming, troupe_process *processes)
{
    struct actor *actor = forming->actor;
    const struct group_member *members;
    struct record *group;
    uint64_t handle;
    int made = 0, result = group_make(actor, (uint64_t)forming->n, &group, &handle);

    if (result != TROUPE_OK)
        return result;
    members = group_members(&actor->arena, group_of(group));
    while (result == TROUPE_OK && made < forming->n)
        result = member_place(forming, group, made++);
    for (int i = 0; result == TROUPE_OK && i < forming->n; i++)
        processes[i].id = members[i].handle;
    if (result != TROUPE_OK)
        members_drop(forming, members, made);
    if (group_decide(actor, group, result == TROUPE_OK))
        return TROUPE_OK;
    for (int i = 0; result == TROUPE_OK && i < forming->n; i++)
        group_member_drop(actor, processes[i].id);
    return result == TROUPE_OK ? TROUPE_BUSY : result;
}

/* ---- start -------------------------------------------------------------------------------- */

static int group_options_check(int n, const troupe_process_options *options)
{
    if (n < 1 || n > world_here.size)
        return fail(TROUPE_BAD_ARGUMENT, "a group of %d; this world has ranks for 1 to %d", n,
                    world_here.size);
    if (options->method != TROUPE_METHOD_DEFAULT && options->method != TROUPE_METHOD_RANK)
        return fail(TROUPE_BAD_ARGUMENT, "a group runs on ranks, which have MPI; use "
                                         "TROUPE_METHOD_RANK or the default");
    if (options->where == TROUPE_ON_RANK)
        return fail(TROUPE_BAD_ARGUMENT,
                    "a group needs several ranks; use TROUPE_ON_NODE, or leave "
                    "`where` out");
    if (options->when_busy == TROUPE_BUSY_SPAWN)
        return fail(TROUPE_BAD_ARGUMENT, "a group runs on ranks: use TROUPE_BUSY_WAIT or _ERROR");
    return TROUPE_OK;
}

static int forming_init(struct forming *forming, int n, troupe_target target,
                        const troupe_process_options *options)
{
    int result = world_enter(&forming->actor);

    if (options != NULL)
        forming->options = *options;
    if (result == TROUPE_OK)
        result = order_options_check(&forming->options, &forming->options.method);
    if (result == TROUPE_OK)
        result = group_options_check(n, &forming->options);
    if (result == TROUPE_OK)
        result = target_name(target, &forming->order.head.target);
    if (result == TROUPE_OK)
        result = process_gpus_choose(&forming->options, &forming->order.head.gpus,
                                     &forming->order.gpus_text);
    forming->n = n;
    forming->node = forming->options.where == TROUPE_ON_NODE ? forming->options.place : -1;
    snprintf(forming->name, sizeof forming->name, "%s",
             forming->options.name != NULL ? forming->options.name : "group");
    forming->options.name = forming->name;
    return result;
}

static int no_look(struct actor *actor, void *unused)
{
    (void)actor, (void)unused;
    return TROUPE_BUSY;
}

/* For a moment that differs from caller to caller. */
static void pause_before_again(const struct forming *forming, unsigned tries)
{
    long ms = 1 + (long)((forming->actor->number * 7 + tries * 3) % AGAIN_MOST_MS);

    bell_await(forming->actor, &node_of(&forming->actor->arena)->idle_bell, clock_deadline(ms),
               TROUPE_BUSY, no_look, NULL);
}

int troupe_process_start_group(int n, troupe_target target, const void *argument, size_t bytes,
                               const troupe_process_options *options, troupe_process *processes)
{
    struct forming forming = { .order = { .argument = argument, .head.argument_bytes = bytes } };
    troupe_process *made;
    int result = forming_init(&forming, n, target, options);
    bool waits = forming.options.when_busy != TROUPE_BUSY_ERROR;

    if (result == TROUPE_OK && argument == NULL && bytes > 0)
        result = fail(TROUPE_BAD_ARGUMENT, "the argument is NULL but has %zu bytes", bytes);
    if (result != TROUPE_OK)
        return result;
    made = calloc((size_t)n, sizeof *made);
    if (made == NULL)
        return fail(TROUPE_NO_MEMORY, "no memory for %d handles", n);
    process_argument_check(forming.name, argument, bytes);
    if (process_sync_output != NULL)
        process_sync_output();
    for (unsigned tries = 0;; tries++) {
        result = enough_await(&forming, waits);
        if (result == TROUPE_OK)
            result = group_form(&forming, made);
        if (result != TROUPE_BUSY || !waits)
            break;
        pause_before_again(&forming, tries);
    }
    if (result == TROUPE_OK)
        memcpy(processes, made, (size_t)n * sizeof *made);
    free(made);
    return result;
}
