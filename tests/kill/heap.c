/* The allocator, killed at every instruction: small blocks, spans, runs, growth, a full arena. */
#include "harness.h"

#include "core/heap_private.h"
#include "core/tx.h"

#define SMALL_BYTES 100
#define OTHER_BYTES 5000
#define RUN_SPANS 3
#define RUN_BYTES (RUN_SPANS * (uint64_t)SPAN_BYTES)

/* memo: the block that the operation finds linked. */
enum { MEMO_BLOCK };

static void one_small(struct kill_world *world)
{
    world->memo[MEMO_BLOCK] = kill_block(world, SMALL_BYTES);
}

static void one_run(struct kill_world *world)
{
    world->memo[MEMO_BLOCK] = kill_block(world, RUN_BYTES);
}

/* All committed spans are in one run. */
static void nothing_left(struct kill_world *world)
{
    uint32_t free_spans;

    kill_block(world, SMALL_BYTES);
    free_spans = spans_ready(&world->arena) - 1;
    kill_block(world, (uint64_t)free_spans * SPAN_BYTES);
}

/* The arena is full but for some spans, one of which is carved and empty. */
static void fill_but(struct kill_world *world, uint64_t spans)
{
    uint64_t block;

    kill_block(world, SMALL_BYTES);
    kill_block(world, (world->arena.header->span_count - 1 - spans) * SPAN_BYTES);
    block = kill_block(world, OTHER_BYTES);
    tx_retire(&world->bystander, block);
    tx_commit(&world->bystander);
}

static void one_span_left(struct kill_world *world)
{
    fill_but(world, 1);
}

static void nearly_full(struct kill_world *world)
{
    fill_but(world, RUN_SPANS - 1);
}

static void run_left(struct kill_world *world)
{
    fill_but(world, RUN_SPANS);
}

/* Three spans are carved: the first is in use, the second in part, the third is empty. */
static void spans_to_retire(struct kill_world *world)
{
    uint64_t first, second;

    kill_block(world, SMALL_BYTES);
    first = kill_block(world, OTHER_BYTES);
    kill_block(world, OTHER_BYTES);
    second = kill_block(world, HEAP_SMALL_MOST);
    tx_retire(&world->bystander, first);
    tx_retire(&world->bystander, second);
    tx_commit(&world->bystander);
}

static void alloc(struct kill_world *world, uint64_t bytes)
{
    uint64_t offset;

    tx_alloc(&world->victim, bytes, &offset);
}

static void alloc_small(struct kill_world *world)
{
    alloc(world, SMALL_BYTES);
}

static void alloc_other(struct kill_world *world)
{
    alloc(world, OTHER_BYTES);
}

static void alloc_third(struct kill_world *world)
{
    alloc(world, HEAP_SMALL_MOST);
}

static void alloc_run(struct kill_world *world)
{
    alloc(world, RUN_BYTES);
}

static void alloc_and_link(struct kill_world *world)
{
    alloc(world, SMALL_BYTES);
    tx_commit(&world->victim);
}

static void alloc_run_and_link(struct kill_world *world)
{
    alloc(world, RUN_BYTES);
    tx_commit(&world->victim);
}

static void alloc_and_abort(struct kill_world *world)
{
    alloc(world, SMALL_BYTES);
    alloc(world, RUN_BYTES);
    tx_abort(&world->victim);
}

static void free_block(struct kill_world *world)
{
    tx_retire(&world->victim, world->memo[MEMO_BLOCK]);
    tx_commit(&world->victim);
}

static void take_block(struct kill_world *world)
{
    tx_take(&world->victim, world->memo[MEMO_BLOCK]);
    tx_commit(&world->victim);
    heap_release(&world->victim, world->memo[MEMO_BLOCK]);
}

static void retire_empty(struct kill_world *world)
{
    heap_retire_empty(&world->victim);
}

/* ---- checks: what a dead process had only in flight is gone ------------------------------ */

static bool nothing_came(struct kill_world *world, bool done)
{
    (void)done;
    return kill_expect_heap(world, 0, 0);
}

static bool small_came(struct kill_world *world, bool done)
{
    return kill_expect_heap(world, done, done ? (int64_t)heap_class_bytes(1) : 0);
}

static bool run_came(struct kill_world *world, bool done)
{
    return kill_expect_heap(world, done, done ? (int64_t)RUN_BYTES : 0);
}

static bool small_went(struct kill_world *world, bool done)
{
    return kill_expect_heap(world, -(int64_t)done, done ? -(int64_t)heap_class_bytes(1) : 0);
}

static bool run_went(struct kill_world *world, bool done)
{
    return kill_expect_heap(world, -(int64_t)done, done ? -(int64_t)RUN_BYTES : 0);
}

static void nothing_there(struct kill_world *world)
{
    (void)world;
}

static const struct kill_case cases[] = {
    { .name = "alloc_small",
      .prepare = one_small,
      .operation = alloc_small,
      .check = nothing_came,
      .literally = true },
    { .name = "alloc_first",
      .prepare = nothing_there,
      .operation = alloc_small,
      .check = nothing_came },
    { .name = "alloc_opens_span",
      .prepare = one_small,
      .operation = alloc_other,
      .check = nothing_came,
      .literally = true },
    { .name = "alloc_grows",
      .prepare = nothing_left,
      .operation = alloc_other,
      .check = nothing_came },
    { .name = "alloc_run", .prepare = one_small, .operation = alloc_run, .check = nothing_came },
    { .name = "alloc_run_grows",
      .prepare = nothing_left,
      .operation = alloc_run,
      .check = nothing_came },
    { .name = "alloc_run_full",
      .prepare = nearly_full,
      .operation = alloc_run,
      .check = nothing_came },
    { .name = "alloc_run_retires",
      .prepare = run_left,
      .operation = alloc_run,
      .check = nothing_came },
    { .name = "alloc_retires",
      .prepare = one_span_left,
      .operation = alloc_third,
      .check = nothing_came },
    { .name = "alloc_link",
      .prepare = one_small,
      .operation = alloc_and_link,
      .check = small_came,
      .literally = true },
    { .name = "alloc_run_link",
      .prepare = one_small,
      .operation = alloc_run_and_link,
      .check = run_came },
    { .name = "alloc_abort",
      .prepare = one_small,
      .operation = alloc_and_abort,
      .check = nothing_came },
    { .name = "free_small",
      .prepare = one_small,
      .operation = free_block,
      .check = small_went,
      .literally = true },
    { .name = "free_run",
      .prepare = one_run,
      .operation = free_block,
      .check = run_went,
      .literally = true },
    { .name = "take_small", .prepare = one_small, .operation = take_block, .check = small_went },
    { .name = "take_run", .prepare = one_run, .operation = take_block, .check = run_went },
    { .name = "retire_empty",
      .prepare = spans_to_retire,
      .operation = retire_empty,
      .check = nothing_came },
};

int main(int argc, char **argv)
{
    return kill_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
