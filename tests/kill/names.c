/* Opening an object by its name, killed at every instruction: the name leads to an object that
 * lives or to none, and an object that was made without getting its name is ended by the next one
 * that makes an object of its kind. Linked with --wrap=world_enter: the dict of names is used by
 * its public calls. */
#include "harness.h"

#include "core/recover.h"
#include "core/root.h"
#include "core/table.h"
#include "core/world.h"
#include "object/dict.h"
#include "object/names.h"
#include "object/queue_local.h"

#define NAME "the queue"
#define OTHER "another"

/* memo: blocks and bytes of a name and its note. */
enum { MEMO_BLOCKS, MEMO_BYTES };

static struct actor *entered; /* who calls */

int __wrap_world_enter(struct actor **actor);

int __wrap_world_enter(struct actor **actor)
{
    *actor = entered;
    return TROUPE_OK;
}

static int make(struct actor *actor, const void *options, uint64_t *handle)
{
    return queue_make(actor, options, handle);
}

static int refuse(struct actor *actor, const void *options, uint64_t *handle)
{
    (void)actor, (void)options, (void)handle;
    return TROUPE_FULL;
}

static const struct named queues = { OBJECT_QUEUE, "queue", make, queue_destroy };
static const struct named found_only = { OBJECT_QUEUE, "queue", refuse, queue_destroy };

static int open_as(struct actor *actor, const struct named *named, const char *name,
                   uint64_t *handle)
{
    entered = actor;
    return names_open(actor, named, name, NULL, handle);
}

static void end(struct kill_world *world, uint64_t handle)
{
    entered = &world->bystander;
    queue_destroy(&world->bystander, handle);
    names_release(&world->bystander, handle);
}

static void no_names(struct kill_world *world)
{
    struct heap_usage before, after;
    uint64_t handle;

    world_here.nodes = 1;
    recover_register(RESUME_QUEUE_END, queue_end);
    table_format(&world->bystander, 0);
    names_format(&world->bystander);
    heap_usage_get(&world->arena, &before);
    open_as(&world->bystander, &queues, NAME, &handle);
    heap_usage_get(&world->arena, &after);
    world->memo[MEMO_BLOCKS] = after.linked_blocks - before.linked_blocks;
    world->memo[MEMO_BYTES] = after.linked_bytes - before.linked_bytes;
    end(world, handle);
}

/* As one leaves it that died after it had made a queue. */
static void an_orphan(struct kill_world *world)
{
    uint64_t handle;

    no_names(world);
    table_open_begin(&world->bystander, OBJECT_QUEUE);
    queue_make(&world->bystander, NULL, &handle);
    table_open_bury(&world->arena, world->bystander.slot);
}

/* As one leaves it that died in a destroy, before it had released the name. */
static void a_stale_name(struct kill_world *world)
{
    uint64_t handle;

    no_names(world);
    open_as(&world->bystander, &queues, NAME, &handle);
    queue_destroy(&world->bystander, handle);
}

static void operate_open(struct kill_world *world)
{
    uint64_t handle;

    open_as(&world->victim, &queues, NAME, &handle);
}

/* Ends orphans, as the next one does that opens a queue; a second time that changes nothing. */
static void bystander_opens(struct kill_world *world)
{
    uint64_t handle;

    if (open_as(&world->bystander, &queues, OTHER, &handle) == TROUPE_OK)
        end(world, handle);
}

static bool queues_live(struct kill_world *world, uint64_t expected)
{
    uint64_t index = 0, count = 0;
    const struct record *record;

    while ((record = table_next(&world->arena, &index)) != NULL)
        count += handle_kind(atomic_load(&record->handle)) == OBJECT_QUEUE;
    return kill_expect(world, count == expected, "%llu queues live, not %llu",
                       (unsigned long long)count, (unsigned long long)expected);
}

/* The name leads to a queue, the only one that lives, or there is none. */
static bool check_named(struct kill_world *world, bool done)
{
    uint64_t handle;
    int result;

    bystander_opens(world);
    result = open_as(&world->bystander, &found_only, NAME, &handle);
    return kill_expect(world, result == (done ? TROUPE_OK : TROUPE_FULL), "the name gives %d",
                       result) &&
           queues_live(world, done);
}

static bool check(struct kill_world *world, bool done)
{
    return check_named(world, done) &&
           kill_expect_heap(world, done ? (int64_t)world->memo[MEMO_BLOCKS] : 0,
                            done ? (int64_t)world->memo[MEMO_BYTES] : 0);
}

/* The name and a note were there before. The note of the dead goes first. */
static bool check_stale(struct kill_world *world, bool done)
{
    struct heap_usage now;

    if (!check_named(world, done))
        return false;
    heap_usage_get(&world->arena, &now);
    return (!done && now.linked_blocks == world->before.linked_blocks - 1) ||
           kill_expect_heap(world, 0, 0);
}

int main(int argc, char **argv)
{
    static const struct kill_case cases[] = {
        { .name = "names_open", .prepare = no_names, .operation = operate_open, .check = check },
        { .name = "names_open_orphan",
          .prepare = an_orphan,
          .operation = operate_open,
          .check = check },
        { .name = "names_open_stale",
          .prepare = a_stale_name,
          .operation = operate_open,
          .check = check_stale },
    };

    return kill_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
