/* A group, killed at every instruction of its start (alone, with a member on another node, and
 * called off because a rank was taken), of a member's run from the decision to its end, of the last
 * end of a group, and of whoever recovers any of them.
 *
 * After every recovery all of the members run, or none: the group says so to every rank that has a
 * member, no rank has one that the group does not count, and the heap holds the group and what its
 * members take along, and nothing else. */
#include "harness.h"

#include "core/recover.h"
#include "core/root.h"
#include "core/service.h"
#include "core/world.h"
#include "object/process_group_local.h"
#include "object/process_start.h"

#include <string.h>

enum { MEMBERS = 2, RANKS = 3, ARGUMENT = 7 };
enum { MEMO_GROUP, MEMO_FIRST, MEMO_SECOND, MEMO_MADE };

/* ---- a world without MPI, and another node ------------------------------------------------- */

static struct actor *caller;
static int elsewhere; /* what the other node answers a start with */

int __wrap_world_enter(struct actor **actor);
int __wrap_service_call(struct actor *actor, int node, const struct request *request,
                        uint64_t deadline, struct answer *answer);

int __wrap_world_enter(struct actor **actor)
{
    *actor = caller;
    return TROUPE_OK;
}

/* It has an idle rank when asked, the world's last, and may have lost it when it is to run. */
int __wrap_service_call(struct actor *actor, int node, const struct request *request,
                        uint64_t deadline, struct answer *answer)
{
    (void)actor, (void)node, (void)deadline;
    memset(answer, 0, sizeof *answer);
    if (request->op == SERVICE_NODE_IDLE) {
        answer->words[0] = answer->words[1] = 1;
        return TROUPE_OK;
    }
    answer->words[0] = RANKS;
    return request->op == SERVICE_PROCESS_START ? elsewhere : TROUPE_LOST;
}

static int target(const void *argument, size_t bytes)
{
    (void)argument, (void)bytes;
    return 3;
}

/* The table's first part is there, which is zeroed when it is made. */
static void table_begin(struct kill_world *world)
{
    struct record *record;

    table_format(&world->bystander, 0);
    if (table_reserve(&world->bystander, &record) == TROUPE_OK)
        table_drop(&world->bystander, record);
}

/* The parent's node, with so many idle ranks of its own; the others are the other node's. */
static void prepare(struct kill_world *world, uint32_t own)
{
    uint32_t places[RANKS];

    for (uint32_t rank = 0; rank < RANKS; rank++)
        places[rank] = rank < own ? rank : 1u << 16 | (rank - own);
    process_group_register();
    process_start_register();
    table_begin(world);
    node_format(&world->bystander, 0, own < RANKS ? 2 : 1, RANKS, places);
    for (uint32_t local = 0; local < own; local++)
        atomic_store(&node_of(&world->arena)->ranks[local].job, 0);
    caller = &world->victim;
    elsewhere = TROUPE_OK;
    world_here = (struct world){ .role = WORLD_KEEPER,
                                 .rank = -1,
                                 .size = RANKS,
                                 .nodes = own < RANKS ? 2 : 1,
                                 .arena = world->arena };
}

static void group_start(struct actor *actor, troupe_process *members)
{
    const troupe_process_options options = { .when_busy = TROUPE_BUSY_ERROR };
    uint64_t argument = ARGUMENT;

    caller = actor;
    troupe_process_start_group(MEMBERS, target, &argument, sizeof argument, &options, members);
}

/* ---- the look ------------------------------------------------------------------------------ */

static struct record *record_next(struct kill_world *world, enum object_kind kind, uint64_t *index)
{
    struct record *record;

    while ((record = table_next(&world->arena, index)) != NULL)
        if (handle_kind(atomic_load(&record->handle)) == kind)
            return record;
    return NULL;
}

static bool is_over(const struct process *process)
{
    return atomic_load(&process->state) >= TROUPE_STATE_DONE;
}

static unsigned ranks_with(struct kill_world *world, uint64_t handle)
{
    const struct node *node = node_of(&world->arena);
    unsigned ranks = 0;

    for (uint32_t local = 0; local < node->local_size; local++)
        ranks += atomic_load(&node->ranks[local].job) == handle;
    return ranks;
}

/* A member that has not ended is its rank's, or the other node's, and the group's. */
static bool member_is_sound(struct kill_world *world, struct record *record)
{
    const struct process *process = process_of(record);
    unsigned ranks = ranks_with(world, atomic_load(&record->handle));
    bool away = atomic_load(&process->runner) != 0;

    if (is_over(process))
        return kill_expect(world, atomic_load(&process->argument) == 0, "an end kept its argument");
    return kill_expect(world, ranks + away == 1, "a member has %u ranks%s", ranks,
                       away ? " and another node" : "");
}

/* Members that have not ended; all of them are counted. */
static bool members_count(struct kill_world *world, unsigned *members)
{
    struct record *record;
    uint64_t index = 0;

    *members = 0;
    while ((record = record_next(world, OBJECT_PROCESS, &index)) != NULL) {
        if (!member_is_sound(world, record))
            return false;
        *members += !is_over(process_of(record));
    }
    return true;
}

/* No rank has a process that is gone. */
static bool ranks_are_sound(struct kill_world *world)
{
    const struct node *node = node_of(&world->arena);
    struct record *record;

    for (uint32_t local = 0; local < node->local_size; local++) {
        uint64_t job = atomic_load(&node->ranks[local].job);

        if (!kill_expect(world,
                         job == 0 || table_find(&world->bystander, job, OBJECT_PROCESS, &record) ==
                                         TROUPE_OK,
                         "rank %u has a process that is gone", local))
            return false;
    }
    return true;
}

/* The group's state, or GROUP_OFF when there is none; -1 when something is wrong. */
static int world_look(struct kill_world *world, unsigned *members)
{
    uint64_t index = 0;
    struct record *record = record_next(world, OBJECT_GROUP, &index);
    struct heap_usage now;
    unsigned left;

    if (!members_count(world, members) || !ranks_are_sound(world) ||
        !kill_expect(world, record_next(world, OBJECT_GROUP, &index) == NULL,
                     "two groups are there"))
        return -1;
    left = record == NULL ? 0 : (unsigned)atomic_load(&group_of(record)->left);
    heap_usage_get(&world->arena, &now);
    if (!kill_expect(world, left == *members, "the group counts %u, and %u have not ended", left,
                     *members) ||
        !kill_expect(world, record == NULL || left > 0, "a group without members is left") ||
        !kill_expect(world,
                     now.flight_blocks == 0 && now.linked_blocks == world->before.linked_blocks -
                                                                        world->memo[MEMO_MADE] +
                                                                        (record != NULL) + *members,
                     "%llu blocks are linked, for %u members",
                     (unsigned long long)now.linked_blocks, *members))
        return -1;
    return record == NULL ? GROUP_OFF : (int)atomic_load(&group_of(record)->state);
}

/* ---- the start ------------------------------------------------------------------------------ */

static void prepare_start(struct kill_world *world)
{
    prepare(world, RANKS);
}

static void prepare_far(struct kill_world *world)
{
    prepare(world, 1);
}

static void prepare_taken(struct kill_world *world)
{
    prepare(world, 1);
    elsewhere = TROUPE_BUSY;
}

static void operate_start(struct kill_world *world)
{
    troupe_process members[MEMBERS];

    group_start(&world->victim, members);
}

/* Before the decision none of them runs; those that had a rank learn there that it is off. */
static bool check_start(struct kill_world *world, bool done)
{
    unsigned members;
    int state = world_look(world, &members);

    if (state < 0)
        return false;
    if (done)
        return state == GROUP_RUNS && kill_expect(world, members == MEMBERS, "%u run", members);
    return kill_expect(world, state == GROUP_OFF, "the group is in state %d", state);
}

/* It never is one: whether the start has returned or not, nobody runs. */
static bool check_taken(struct kill_world *world, bool done)
{
    (void)done;
    return check_start(world, false);
}

/* ---- a member ------------------------------------------------------------------------------- */

static void members_note(struct kill_world *world, const troupe_process *members)
{
    struct record *record;

    for (int i = 0; i < MEMBERS; i++)
        world->memo[MEMO_FIRST + i] = members[i].id;
    table_find(&world->bystander, members[0].id, OBJECT_PROCESS, &record);
    world->memo[MEMO_GROUP] = atomic_load(&process_of(record)->group);
    world->memo[MEMO_MADE] = 1 + MEMBERS; /* blocks: the group's, and an argument each */
}

static void prepare_member(struct kill_world *world)
{
    troupe_process members[MEMBERS];

    prepare(world, RANKS);
    group_start(&world->bystander, members);
    members_note(world, members);
    caller = &world->victim;
    world_here.role = WORLD_RANK;
    world_here.rank = 0;
}

/* The other member has ended, and its rank gone on. */
static void prepare_last(struct kill_world *world)
{
    static const struct process_end end = { TROUPE_STATE_DONE, 0, 0, NULL, false };

    prepare_member(world);
    process_finish(&world->bystander, world->memo[MEMO_SECOND], &end);
    process_rank_next(&world->bystander, &node_of(&world->arena)->ranks[1]);
    world->memo[MEMO_MADE]--;
}

/* What a rank does with its job. */
static void operate_member(struct kill_world *world)
{
    struct rank_record *rank = &node_of(&world->arena)->ranks[0];

    process_run(&world->victim, atomic_load(&rank->job), TROUPE_METHOD_RANK);
    process_rank_next(&world->victim, rank);
}

/* Its end is whole or not there; if it is not, the rank's keeper writes it (process_rank_lost). */
static bool check_member(struct kill_world *world, bool done)
{
    struct record *record;
    unsigned members;
    int state = world_look(world, &members);

    if (state < 0 || !kill_expect(world,
                                  table_find(&world->bystander, world->memo[MEMO_FIRST],
                                             OBJECT_PROCESS, &record) == TROUPE_OK,
                                  "the handle is gone"))
        return false;
    return kill_expect(world, is_over(process_of(record)) == done, "the member is in state %d",
                       (int)atomic_load(&process_of(record)->state)) &&
           (!done ||
            kill_expect(world, atomic_load(&process_of(record)->exit) >> 16 == 3, "with code %d",
                        (int)(atomic_load(&process_of(record)->exit) >> 16)));
}

/* ---- a rank's end ---------------------------------------------------------------------------- */

/* By a keeper's thread: the sibling is told before the end is there. */
static void operate_lost(struct kill_world *world)
{
    process_rank_lost(&world->victim, 0, -1, 9);
}

static bool check_lost(struct kill_world *world, bool done)
{
    struct record *record;

    if (table_find(&world->bystander, world->memo[MEMO_FIRST], OBJECT_PROCESS, &record) !=
        TROUPE_OK)
        return kill_expect(world, false, "the handle is gone");
    return kill_expect(world, is_over(process_of(record)) == done, "the member is in state %d",
                       (int)atomic_load(&process_of(record)->state));
}

int main(int argc, char **argv)
{
    static const struct kill_case cases[] = {
        { .name = "start",
          .prepare = prepare_start,
          .operation = operate_start,
          .check = check_start },
        { .name = "start_far",
          .prepare = prepare_far,
          .operation = operate_start,
          .check = check_start },
        { .name = "taken",
          .prepare = prepare_taken,
          .operation = operate_start,
          .check = check_taken },
        { .name = "member",
          .prepare = prepare_member,
          .operation = operate_member,
          .check = check_member },
        { .name = "last",
          .prepare = prepare_last,
          .operation = operate_member,
          .check = check_member },
        { .name = "lost",
          .prepare = prepare_member,
          .operation = operate_lost,
          .check = check_lost },
    };

    return kill_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
