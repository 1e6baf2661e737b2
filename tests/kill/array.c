/* Arrays, killed at every instruction: their making, an addition, their end, and the last user of
 * an array whose end has left it to that user. */
#include "harness.h"

#include "core/recover.h"
#include "core/root.h"
#include "core/table.h"
#include "object/array_local.h"

#define LENGTH 20 /* elements: a block of 192 bytes */
#define VALUE 5

/* memo: the array, its record */
enum { MEMO_ARRAY, MEMO_RECORD };

static uint64_t arrays(struct kill_world *world)
{
    uint64_t index = 0, found = 0;

    while (table_next(&world->arena, &index) != NULL)
        found++;
    return found;
}

/* Whether that many arrays are there, with as many blocks. */
static bool holds(struct kill_world *world, uint64_t wanted, int64_t more)
{
    return kill_expect(world, arrays(world) == wanted, "%u arrays are there, not %u",
                       (unsigned)arrays(world), (unsigned)wanted) &&
           kill_expect_heap(world, more, more * 192);
}

static void prepare(struct kill_world *world)
{
    troupe_array_options options = { .length = LENGTH };
    uint64_t spare, sum;

    table_format(&world->bystander, 0);
    recover_register(RESUME_ARRAY_USE, array_end);
    recover_register(RESUME_ARRAY_LEAVE, array_end);
    array_make(&world->bystander, NULL, &spare); /* the table's first records */
    array_destroy(&world->bystander, spare);
    array_make(&world->bystander, &options, &world->memo[MEMO_ARRAY]);
    array_add(&world->bystander, world->memo[MEMO_ARRAY], 1, TROUPE_INT64, VALUE, &sum);
}

static void make(struct kill_world *world)
{
    troupe_array_options options = { .length = LENGTH };
    uint64_t handle;

    array_make(&world->victim, &options, &handle);
}

static bool was_made(struct kill_world *world, bool done)
{
    return holds(world, 1u + done, done);
}

static void add(struct kill_world *world)
{
    uint64_t sum;

    array_add(&world->victim, world->memo[MEMO_ARRAY], 1, TROUPE_INT64, 1, &sum);
}

static bool was_added(struct kill_world *world, bool done)
{
    struct array_range range = { 1, sizeof(uint64_t), 0, sizeof(uint64_t) };
    uint64_t value = 0;

    return kill_expect(world,
                       array_get(&world->bystander, world->memo[MEMO_ARRAY], &range, &value) ==
                           TROUPE_OK,
                       "the array is gone") &&
           kill_expect(world, value == VALUE + (uint64_t)done, "the element is %u",
                       (unsigned)value) &&
           holds(world, 1, 0);
}

static void destroy(struct kill_world *world)
{
    array_destroy(&world->victim, world->memo[MEMO_ARRAY]);
}

static bool was_destroyed(struct kill_world *world, bool done)
{
    return holds(world, !done, -(int64_t)done);
}

/* The victim is at an element while the array is ended: so it stays until the victim is done. */
static void prepare_used(struct kill_world *world)
{
    struct record *record;

    prepare(world);
    table_find(&world->bystander, world->memo[MEMO_ARRAY], OBJECT_ARRAY, &record);
    world->memo[MEMO_RECORD] = arena_offset(&world->arena, record);
    resume_begin(&world->victim, RESUME_ARRAY_USE, world->memo[MEMO_RECORD]);
    array_destroy(&world->bystander, world->memo[MEMO_ARRAY]);
}

static void leave(struct kill_world *world)
{
    resume_begin(&world->victim, RESUME_ARRAY_LEAVE, world->memo[MEMO_RECORD]);
    array_end(&world->victim, world->memo[MEMO_RECORD]);
    resume_end(&world->victim);
}

/* A user that dies leaves as one that goes on: it is done in any case. */
static bool was_left(struct kill_world *world, bool done)
{
    (void)done;
    return holds(world, 0, -1);
}

static const struct kill_case cases[] = {
    { .name = "array_make", .prepare = prepare, .operation = make, .check = was_made },
    { .name = "array_add", .prepare = prepare, .operation = add, .check = was_added },
    { .name = "array_destroy", .prepare = prepare, .operation = destroy, .check = was_destroyed },
    { .name = "array_leave", .prepare = prepare_used, .operation = leave, .check = was_left },
};

int main(int argc, char **argv)
{
    return kill_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
