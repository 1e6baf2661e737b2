/* Arrays, killed at every instruction: their making, what reads and changes elements, their end,
 * and the last user of an array whose end has left it to that user. */
#include "harness.h"

#include "core/recover.h"
#include "core/root.h"
#include "core/table.h"
#include "object/array_local.h"

#define LENGTH 20 /* elements: a block of 192 bytes */
#define VALUE 5
#define CHANGED 7
#define CHANGES 3 /* elements that are set at once, from 1 on */

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

static uint64_t element(struct kill_world *world, uint64_t index)
{
    struct array_range range = { index, sizeof(uint64_t), 0, sizeof(uint64_t) };
    uint64_t value = UINT64_MAX;

    array_get(&world->bystander, world->memo[MEMO_ARRAY], &range, &value);
    return value;
}

static void add(struct kill_world *world)
{
    uint64_t sum;

    array_add(&world->victim, world->memo[MEMO_ARRAY], 1, TROUPE_INT64, 1, &sum);
}

static bool was_added(struct kill_world *world, bool done)
{
    uint64_t is = element(world, 1);

    return kill_expect(world, is == VALUE + (uint64_t)done, "the element is %u", (unsigned)is) &&
           holds(world, 1, 0);
}

static void get(struct kill_world *world)
{
    uint64_t values[CHANGES];
    struct array_range range = { 1, sizeof values, 0, sizeof values };

    array_get(&world->victim, world->memo[MEMO_ARRAY], &range, values);
}

static bool was_read(struct kill_world *world, bool done)
{
    (void)done;
    return kill_expect(world, element(world, 1) == VALUE, "a reader changed the element") &&
           holds(world, 1, 0);
}

static void set(struct kill_world *world)
{
    const uint64_t values[CHANGES] = { CHANGED, CHANGED, CHANGED };
    struct array_range range = { 1, sizeof values, 0, sizeof values };

    array_set(&world->victim, world->memo[MEMO_ARRAY], &range, values);
}

/* Each element is whole, the old one or the new one, and no other is touched. */
static bool was_set(struct kill_world *world, bool done)
{
    for (uint64_t i = 0; i < LENGTH; i++) {
        bool among = i >= 1 && i < 1 + CHANGES;
        uint64_t is = element(world, i), was = i == 1 ? VALUE : 0;

        if (!kill_expect(world, (among && is == CHANGED) || (!(among && done) && is == was),
                         "element %u is %u", (unsigned)i, (unsigned)is))
            return false;
    }
    return holds(world, 1, 0);
}

/* Once with what is not there, then with what is. */
static void compare_and_set(struct kill_world *world)
{
    array_compare_and_set(&world->victim, world->memo[MEMO_ARRAY], 1, CHANGED, 0, sizeof(uint64_t));
    array_compare_and_set(&world->victim, world->memo[MEMO_ARRAY], 1, VALUE, CHANGED,
                          sizeof(uint64_t));
}

static bool was_compared(struct kill_world *world, bool done)
{
    uint64_t is = element(world, 1);

    return kill_expect(world, is == (done ? CHANGED : VALUE), "the element is %u", (unsigned)is) &&
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
    { .name = "array_get", .prepare = prepare, .operation = get, .check = was_read },
    { .name = "array_set", .prepare = prepare, .operation = set, .check = was_set },
    { .name = "array_compare_and_set",
      .prepare = prepare,
      .operation = compare_and_set,
      .check = was_compared },
    { .name = "array_destroy", .prepare = prepare, .operation = destroy, .check = was_destroyed },
    { .name = "array_leave", .prepare = prepare_used, .operation = leave, .check = was_left },
};

int main(int argc, char **argv)
{
    return kill_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
