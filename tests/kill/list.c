/* The list, killed at every instruction of each change. After every recovery each list's tree is
 * walked through, every linked block of the heap must be a list's, and the items must be those from
 * before the operation or those from after it. */
#include "harness.h"

#include "../counts.h"
#include "../object/list_sound.h"
#include "core/recover.h"
#include "core/root.h"

#define BYTES_BLOCK 100u /* an item with a block of its own */
#define NEW_ITEM 200u
#define BATCH 2

/* memo: the list; blocks and bytes that are no list's; items prepared. */
enum { MEMO_LIST, MEMO_BLOCKS, MEMO_BYTES, MEMO_ITEMS };

/* ---- what stands ------------------------------------------------------------------------ */

static bool nothing_lost(struct kill_world *world, uint64_t lists)
{
    struct list_reach reach = { 0 };
    struct heap_usage now;
    struct record *record;
    uint64_t index = 0, found = 0;

    while ((record = table_next(&world->arena, &index)) != NULL) {
        const char *wrong = list_sound(&world->arena, record, &reach);

        found++;
        if (!kill_expect(world, wrong == NULL, "%s", wrong != NULL ? wrong : ""))
            return false;
    }
    heap_usage_get(&world->arena, &now);
    return kill_expect(world, found == lists, "there are %u lists", (unsigned)found) &&
           kill_expect(world,
                       now.linked_blocks == world->memo[MEMO_BLOCKS] + reach.blocks &&
                           now.linked_bytes == world->memo[MEMO_BYTES] + reach.bytes,
                       "%u blocks are linked, of which lists have %u and others %u",
                       (unsigned)now.linked_blocks, (unsigned)reach.blocks,
                       (unsigned)world->memo[MEMO_BLOCKS]);
}

/* Item i is its number: every third a byte in a block of many, the others a word. */
static troupe_bytes item_of(uint64_t number)
{
    static unsigned char bytes[BYTES_BLOCK];

    memset(bytes, 0, sizeof bytes);
    bytes[0] = (unsigned char)number;
    return troupe_bytes_of(bytes, number % 3 == 0 ? BYTES_BLOCK : sizeof(uint64_t));
}

/* Whether the item at `at` is that number. */
static bool stands(struct kill_world *world, uint64_t at, uint64_t number)
{
    unsigned char bytes[BYTES_BLOCK] = { 0 };
    struct list_buffer buffer = { bytes, sizeof bytes, 0 };
    int result = list_item_get(&world->bystander, world->memo[MEMO_LIST], (int64_t)at, &buffer);

    return kill_expect(world, result == TROUPE_OK, "item %u: result %d", (unsigned)at, result) &&
           kill_expect(world, bytes[0] == number && buffer.size == item_of(number).size,
                       "item %u is number %u of %u bytes, not %u", (unsigned)at, bytes[0],
                       (unsigned)buffer.size, (unsigned)number);
}

/* Whether the list is the prepared one with `more` new items at a place, or without so many. */
static bool is_with(struct kill_world *world, uint64_t place, int64_t more)
{
    uint64_t items = 0, gone = more < 0 ? (uint64_t)-more : 0, came = more > 0 ? (uint64_t)more : 0;
    uint64_t wanted = world->memo[MEMO_ITEMS] + came - gone;

    if (list_count(&world->bystander, world->memo[MEMO_LIST], &items) != TROUPE_OK ||
        !kill_expect(world, items == wanted, "%u items are counted, not %u", (unsigned)items,
                     (unsigned)wanted))
        return false;
    for (uint64_t at = 0; at < wanted; at++) {
        uint64_t number = at < place          ? at
                          : at < place + came ? NEW_ITEM + at - place
                                              : at - came + gone;

        if (!stands(world, at, number))
            return false;
    }
    return nothing_lost(world, 1);
}

/* ---- preparing -------------------------------------------------------------------------- */

static void prepare(struct kill_world *world, uint64_t items)
{
    struct heap_usage usage;
    uint64_t spare;

    table_format(&world->bystander, 0);
    recover_register(RESUME_LIST_EXTEND, list_resume_extend);
    recover_register(RESUME_LIST_CLEAR, list_resume_clear);
    recover_register(RESUME_LIST_DESTROY, list_resume_destroy);
    list_make(&world->bystander, NULL, &spare); /* the table's first records */
    list_destroy(&world->bystander, spare);
    heap_usage_get(&world->arena, &usage);
    world->memo[MEMO_BLOCKS] = usage.linked_blocks;
    world->memo[MEMO_BYTES] = usage.linked_bytes;
    world->memo[MEMO_ITEMS] = items;
    list_make(&world->bystander, NULL, &world->memo[MEMO_LIST]);
    for (uint64_t i = 0; i < items; i++)
        list_item_insert(&world->bystander, world->memo[MEMO_LIST], INT64_MAX, item_of(i));
}

/* ---- append and insert ------------------------------------------------------------------ */

static void append(struct kill_world *world)
{
    list_item_insert(&world->victim, world->memo[MEMO_LIST], INT64_MAX, item_of(NEW_ITEM));
}

static bool was_appended(struct kill_world *world, bool done)
{
    return is_with(world, world->memo[MEMO_ITEMS], done);
}

static void insert_third(struct kill_world *world)
{
    list_item_insert(&world->victim, world->memo[MEMO_LIST], 3, item_of(NEW_ITEM));
}

static bool was_inserted_third(struct kill_world *world, bool done)
{
    return is_with(world, 3, done);
}

static void prepare_none(struct kill_world *world)
{
    prepare(world, 0);
}

static void prepare_five(struct kill_world *world)
{
    prepare(world, 5);
}

/* One full leaf. */
static void prepare_full(struct kill_world *world)
{
    prepare(world, LIST_CELLS);
}

/* A full leaf behind others, under a root with room. */
static void prepare_full_behind(struct kill_world *world)
{
    prepare(world, 3 * LIST_CELLS);
}

/* ---- set -------------------------------------------------------------------------------- */

static void set_third(struct kill_world *world)
{
    list_item_set(&world->victim, world->memo[MEMO_LIST], 3, item_of(NEW_ITEM));
}

static bool was_set(struct kill_world *world, bool done)
{
    for (uint64_t at = 0; at < world->memo[MEMO_ITEMS]; at++)
        if (!stands(world, at, at == 3 && done ? NEW_ITEM : at))
            return false;
    return nothing_lost(world, 1);
}

/* ---- pop -------------------------------------------------------------------------------- */

static void pop(struct kill_world *world, int64_t index)
{
    static unsigned char bytes[BYTES_BLOCK];
    struct list_buffer buffer = { bytes, sizeof bytes, 0 };

    list_item_pop(&world->victim, world->memo[MEMO_LIST], index, &buffer);
}

static void pop_first(struct kill_world *world)
{
    pop(world, 0);
}

static bool was_popped_first(struct kill_world *world, bool done)
{
    return is_with(world, 0, -(int64_t)done);
}

static void pop_last(struct kill_world *world)
{
    pop(world, -1);
}

static bool was_popped_last(struct kill_world *world, bool done)
{
    return is_with(world, world->memo[MEMO_ITEMS] - done, -(int64_t)done);
}

static void prepare_one(struct kill_world *world)
{
    prepare(world, 1);
}

/* A leaf of one item behind a full one: a pop frees it, and the root has one child then. */
static void prepare_one_behind(struct kill_world *world)
{
    prepare(world, LIST_CELLS + 1);
}

/* Two leaves that one more pop makes sparse enough to become one, under a root with three. */
static void prepare_sparse(struct kill_world *world)
{
    static unsigned char bytes[BYTES_BLOCK];
    struct list_buffer buffer = { bytes, sizeof bytes, 0 };
    uint64_t list;

    prepare(world, 2 * LIST_CELLS + 4);
    list = world->memo[MEMO_LIST];
    for (uint32_t i = 0; i < LIST_CELLS - 5; i++)
        list_item_pop(&world->bystander, list, 5, &buffer);
    for (uint32_t i = 0; i < LIST_CELLS - 6; i++)
        list_item_pop(&world->bystander, list, 10, &buffer);
    for (uint64_t i = 0; i < 15; i++)
        list_item_set(&world->bystander, list, (int64_t)i, item_of(i));
    world->memo[MEMO_ITEMS] = 15;
}

/* ---- extend ----------------------------------------------------------------------------- */

static void extend(struct kill_world *world)
{
    static unsigned char bytes[BATCH][BYTES_BLOCK];
    troupe_bytes items[BATCH];

    for (uint64_t i = 0; i < BATCH; i++) {
        troupe_bytes item = item_of(NEW_ITEM + i);

        memcpy(bytes[i], item.data, item.size);
        items[i] = troupe_bytes_of(bytes[i], item.size);
    }
    list_extend(&world->victim, world->memo[MEMO_LIST], items, BATCH);
}

static bool was_extended(struct kill_world *world, bool done)
{
    return is_with(world, world->memo[MEMO_ITEMS], done ? BATCH : 0);
}

/* ---- the whole list --------------------------------------------------------------------- */

static void create(struct kill_world *world)
{
    uint64_t handle;

    list_make(&world->victim, NULL, &handle);
}

static bool was_created(struct kill_world *world, bool done)
{
    return nothing_lost(world, 1u + done);
}

static void clear(struct kill_world *world)
{
    list_clear(&world->victim, world->memo[MEMO_LIST]);
}

static bool was_cleared(struct kill_world *world, bool done)
{
    return is_with(world, 0, done ? -(int64_t)world->memo[MEMO_ITEMS] : 0);
}

static void destroy(struct kill_world *world)
{
    list_destroy(&world->victim, world->memo[MEMO_LIST]);
}

static bool was_destroyed(struct kill_world *world, bool done)
{
    return done ? nothing_lost(world, 0) : is_with(world, 0, 0);
}

static const struct kill_case cases[] = {
    { .name = "list_append_first",
      .prepare = prepare_none,
      .operation = append,
      .check = was_appended },
    { .name = "list_append", .prepare = prepare_five, .operation = append, .check = was_appended },
    { .name = "list_append_root",
      .prepare = prepare_full,
      .operation = append,
      .check = was_appended },
    { .name = "list_insert",
      .prepare = prepare_five,
      .operation = insert_third,
      .check = was_inserted_third },
    { .name = "list_insert_split",
      .prepare = prepare_full_behind,
      .operation = insert_third,
      .check = was_inserted_third },
    { .name = "list_set", .prepare = prepare_five, .operation = set_third, .check = was_set },
    { .name = "list_pop_first",
      .prepare = prepare_five,
      .operation = pop_first,
      .check = was_popped_first },
    { .name = "list_pop_only",
      .prepare = prepare_one,
      .operation = pop_first,
      .check = was_popped_first },
    { .name = "list_pop_leaf",
      .prepare = prepare_one_behind,
      .operation = pop_last,
      .check = was_popped_last },
    { .name = "list_pop_merges",
      .prepare = prepare_sparse,
      .operation = pop_first,
      .check = was_popped_first },
    { .name = "list_extend", .prepare = prepare_five, .operation = extend, .check = was_extended },
    { .name = "list_clear", .prepare = prepare_five, .operation = clear, .check = was_cleared },
    { .name = "list_destroy",
      .prepare = prepare_one_behind,
      .operation = destroy,
      .check = was_destroyed },
    /* From here on with TROUPE_TEST_FULL=1: the same steps in other places. */
    { .name = "list_append_literally",
      .prepare = prepare_five,
      .operation = append,
      .check = was_appended,
      .literally = true },
    { .name = "list_append_leaf",
      .prepare = prepare_full_behind,
      .operation = append,
      .check = was_appended },
    { .name = "list_insert_root",
      .prepare = prepare_full,
      .operation = insert_third,
      .check = was_inserted_third },
    { .name = "list_extend_leaf",
      .prepare = prepare_full,
      .operation = extend,
      .check = was_extended },
    { .name = "list_create", .prepare = prepare_five, .operation = create, .check = was_created },
    { .name = "list_clear_many",
      .prepare = prepare_full_behind,
      .operation = clear,
      .check = was_cleared },
};
#define USUAL 13

int main(int argc, char **argv)
{
    long all = sizeof cases / sizeof *cases;

    return kill_main(argc, argv, cases, (size_t)test_count(USUAL, all));
}
