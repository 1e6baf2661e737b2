/* A message in bulk that lands in the arena (dock.h), killed at every instruction from the
 * landing's memory to its end: the queue has the message or has not, and nobody keeps the block.
 * Linked with --wrap=actor_open: what this process opens for itself is the victim's. */
#include "harness.h"

#include "core/dock.h"
#include "core/recover.h"
#include "core/root.h"
#include "core/table.h"
#include "object/queue_local.h"
#include "object/queue_ring.h"

#include <stddef.h>
#include <string.h>
#include <unistd.h>

#define SIZE 2000u
#define BLOCK_BYTES 2560 /* of the message */

enum { MEMO_QUEUE, MEMO_MESSAGES };

static uint32_t party; /* the victim's */

int __wrap_actor_open(const struct arena *arena, uint32_t of, struct actor *actor);
int __real_actor_open(const struct arena *arena, uint32_t of, struct actor *actor);

int __wrap_actor_open(const struct arena *arena, uint32_t of, struct actor *actor)
{
    return __real_actor_open(arena, of == (uint32_t)getpid() ? party : of, actor);
}

static int put(struct kill_world *world, struct actor *actor, const struct queue_put *put)
{
    struct queue_put copy = *put;

    copy.handle = world->memo[MEMO_QUEUE];
    return queue_put_try(actor, &copy);
}

static void prepare_empty(struct kill_world *world)
{
    recover_register(RESUME_QUEUE_END, queue_end);
    table_format(&world->bystander, 0);
    queue_make(&world->bystander, NULL, &world->memo[MEMO_QUEUE]);
    world->memo[MEMO_MESSAGES] = 0;
    party = world->victim.party;
    dock_allow(SERVICE_QUEUE_PUT, offsetof(struct message, data));
    dock_begin(&world->arena);
}

static void prepare_one(struct kill_world *world)
{
    prepare_empty(world);
    put(world, &world->bystander, &(struct queue_put){ .data = "", .size = 1 });
    world->memo[MEMO_MESSAGES]++;
}

/* The next message needs another segment. */
static void prepare_full(struct kill_world *world)
{
    static const unsigned char small[QUEUE_INLINE_MOST];
    uint64_t place = 0, span = HEAD_BYTES + QUEUE_INLINE_MOST, last;

    prepare_empty(world);
    for (; place + span + HEAD_BYTES <= SEGMENT_BYTES; place += span) {
        put(world, &world->bystander, &(struct queue_put){ .data = small, .size = sizeof small });
        world->memo[MEMO_MESSAGES]++;
    }
    last = SEGMENT_BYTES - place - 3 * HEAD_BYTES;
    put(world, &world->bystander, &(struct queue_put){ .data = small, .size = last });
    world->memo[MEMO_MESSAGES]++;
}

static void prepare_closed(struct kill_world *world)
{
    prepare_empty(world);
    queue_close(&world->bystander, world->memo[MEMO_QUEUE]);
}

/* What the leader does with an announced message: memory, MPI's writing, the request, its end. */
static void operate_landing(struct kill_world *world)
{
    struct dock *dock = dock_take(SERVICE_QUEUE_PUT, SIZE);

    if (dock == NULL)
        return;
    dock->data[0] = 1;
    dock->data[SIZE - 1] = 1;
    put(world, &dock->actor,
        &(struct queue_put){
            .data = dock->data, .size = SIZE, .sure = true, .landed = dock->block });
    dock_give(dock);
}

/* Its caller was cancelled, or has died: nothing is put. */
static void operate_landing_in_vain(struct kill_world *world)
{
    struct dock *dock = dock_take(SERVICE_QUEUE_PUT, SIZE);

    (void)world;
    if (dock != NULL)
        dock_give(dock);
}

static bool holds(struct kill_world *world, uint64_t more, int64_t blocks, int64_t bytes)
{
    uint64_t messages = 0;

    queue_count(&world->bystander, world->memo[MEMO_QUEUE], &messages);
    return kill_expect(world, messages == world->memo[MEMO_MESSAGES] + more,
                       "%llu messages, not %llu", (unsigned long long)messages,
                       (unsigned long long)(world->memo[MEMO_MESSAGES] + more)) &&
           kill_expect_heap(world, blocks, bytes);
}

static bool check_landing(struct kill_world *world, bool done)
{
    return holds(world, done, done, done ? BLOCK_BYTES : 0);
}

static bool check_segment(struct kill_world *world, bool done)
{
    return holds(world, done, done ? 2 : 0, done ? BLOCK_BYTES + (int64_t)SEGMENT_BYTES : 0);
}

static bool check_nothing(struct kill_world *world, bool done)
{
    (void)done;
    return kill_expect_heap(world, 0, 0);
}

int main(int argc, char **argv)
{
    static const struct kill_case cases[] = {
        { .name = "landing",
          .prepare = prepare_one,
          .operation = operate_landing,
          .check = check_landing },
        { .name = "landing_segment",
          .prepare = prepare_full,
          .operation = operate_landing,
          .check = check_segment },
        { .name = "landing_refused",
          .prepare = prepare_closed,
          .operation = operate_landing,
          .check = check_nothing },
        { .name = "landing_in_vain",
          .prepare = prepare_empty,
          .operation = operate_landing_in_vain,
          .check = check_nothing },
    };

    return kill_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
