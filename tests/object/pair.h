/* A world of two nodes in one process: each node is an arena of its own, and the calls between them
 * go straight to the handlers that the objects register. The test stands on one of the nodes and
 * calls from there. It is linked with --wrap for world_enter, service_call and service_register. */
#ifndef TROUPE_TESTS_OBJECT_PAIR_H
#define TROUPE_TESTS_OBJECT_PAIR_H

#include "solo.h"

#include "core/service.h"
#include "object/dict.h"

#define PAIR_ARENA_BYTES (16u << 20)

static struct {
    struct solo solo;      /* node 0, and this process's place in the world */
    struct actor far;      /* of node 1 */
    struct actor *here[2]; /* who calls, on each node */
    service_handler handlers[SERVICE_OPS];
    int calls;
    bool lost; /* the other node answers no more */
} pair;

int __wrap_world_enter(struct actor **actor);
void __wrap_service_register(enum service_op op, service_handler handler);
int __wrap_service_call(struct actor *actor, int node, const struct request *request,
                        uint64_t deadline, struct answer *answer);

static inline void pair_stand_on(int node)
{
    world_here.node = node;
}

int __wrap_world_enter(struct actor **actor)
{
    *actor = pair.here[world_here.node];
    return TROUPE_OK;
}

void __wrap_service_register(enum service_op op, service_handler handler)
{
    pair.handlers[op] = handler;
}

/* A request that would be parked is told at once that its time is over. */
int __wrap_service_call(struct actor *actor, int node, const struct request *request,
                        uint64_t deadline, struct answer *answer)
{
    struct bell *bell = NULL;
    int result, own = world_here.node;

    (void)deadline;
    assert_ptr_equal(actor, pair.here[own]);
    assert_int_equal(node, !own);
    memset(answer, 0, sizeof *answer);
    pair.calls++;
    if (pair.lost)
        return TROUPE_LOST;
    pair_stand_on(node);
    result = pair.handlers[request->op](pair.here[node], request, true, answer, &bell);
    pair_stand_on(own);
    if (result == TROUPE_OK || result == TROUPE_TOO_LONG)
        return result;
    free(answer->data);
    memset(answer, 0, sizeof *answer);
    return result;
}

static inline void pair_begin(void)
{
    struct arena arena;
    void *base =
        mmap(NULL, PAIR_ARENA_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    solo_begin(&pair.solo, PAIR_ARENA_BYTES);
    world_here.nodes = 2;
    assert_true(base != MAP_FAILED);
    assert_int_equal(arena_format(base, PAIR_ARENA_BYTES, NULL, &arena), TROUPE_OK);
    assert_int_equal(actor_open(&arena, SLOT_NONE, &pair.far), TROUPE_OK);
    assert_int_equal(table_format(&pair.far, 1), TROUPE_OK);
    assert_int_equal(names_format(&pair.far), TROUPE_OK);
    pair.here[0] = pair.solo.actor;
    pair.here[1] = &pair.far;
    dict_register();
    names_register();
    solo_warm();
}

static inline void pair_end(void)
{
    actor_close(&pair.far);
    munmap(pair.far.arena.base, PAIR_ARENA_BYTES);
    solo_end(&pair.solo);
}

static inline uint64_t pair_linked_there(void)
{
    struct heap_usage usage;

    heap_usage_get(&pair.far.arena, &usage);
    assert_int_equal(usage.flight_blocks, 0);
    return usage.linked_bytes;
}

#endif
