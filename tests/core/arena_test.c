/* The arena's limits, and the life of slots. */
#include "sandbox.h"

#include <string.h>
#include <sys/mman.h>

static void arenas_that_are_refused(void **state)
{
    void *base = sandbox_map(ARENA_LEAST_BYTES);
    struct arena_limits none = { .slots = SLOT_FIRST }, crowd = { .slots = SLOT_COUNT_MAX + 1 },
                        many = { .slots = 4096 };
    struct arena arena;

    (void)state;
    assert_int_equal(arena_format(base, ARENA_LEAST_BYTES - 1, NULL, &arena), TROUPE_BAD_ARGUMENT);
    assert_non_null(strstr(troupe_last_error(), "1048575 bytes is too small"));
    assert_int_equal(arena_format(base, ARENA_LEAST_BYTES, &none, &arena), TROUPE_BAD_ARGUMENT);
    assert_int_equal(arena_format(base, ARENA_LEAST_BYTES, &crowd, &arena), TROUPE_BAD_ARGUMENT);
    assert_int_equal(arena_format(base, ARENA_LEAST_BYTES, &many, &arena), TROUPE_BAD_ARGUMENT);
    assert_non_null(strstr(troupe_last_error(), "leave no room for data"));
    assert_int_equal(arena_view(base, &arena), TROUPE_MISMATCH);
    munmap(base, ARENA_LEAST_BYTES);
}

static void the_least_arena_is_viewed(void **state)
{
    struct sandbox sandbox;
    struct arena again;

    (void)state;
    sandbox_open(&sandbox, ARENA_LEAST_BYTES);
    assert_int_equal(arena_view(sandbox.arena.base, &again), TROUPE_OK);
    assert_memory_equal(&again, &sandbox.arena, sizeof again);
    assert_int_equal(arena_offset(&again, arena_at(&again, 4711)), 4711);
    sandbox_close(&sandbox);
}

static void more_than_the_machine_has(void **state)
{
    struct sandbox sandbox;

    (void)state;
    sandbox_open(&sandbox, ARENA_LEAST_BYTES);
    assert_int_equal(arena_commit(&sandbox.arena, 0, UINT64_MAX >> 2), TROUPE_FULL);
    assert_non_null(strstr(troupe_last_error(), "KiB more are needed"));
    sandbox_close(&sandbox);
}

static void slots_are_taken_and_given_back(void **state)
{
    struct sandbox sandbox;
    struct actor actors[64];
    uint32_t count = 0, incarnation;

    (void)state;
    sandbox_open(&sandbox, ARENA_LEAST_BYTES);
    while (actor_open(&sandbox.arena, SLOT_NONE, &actors[count]) == TROUPE_OK)
        count++;
    assert_int_equal(count, sandbox.arena.header->slot_count - SLOT_FIRST - 1);
    assert_non_null(strstr(troupe_last_error(), "slots of this node are taken"));
    incarnation = slot_incarnation_of(atomic_load(&actors[3].slot->identity));
    actor_close(&actors[3]);
    assert_int_equal(actor_open(&sandbox.arena, actors[5].party, &actors[3]), TROUPE_OK);
    assert_int_equal(slot_incarnation_of(atomic_load(&actors[3].slot->identity)), incarnation + 1);
    assert_int_equal(actors[3].party, actors[5].number);
    sandbox_close(&sandbox);
}

static void a_process_is_buried_with_its_threads(void **state)
{
    struct sandbox sandbox;
    struct actor first, second, other;
    uint32_t deaths;

    (void)state;
    sandbox_open(&sandbox, ARENA_LEAST_BYTES);
    assert_int_equal(actor_open(&sandbox.arena, SLOT_NONE, &first), TROUPE_OK);
    assert_int_equal(actor_open(&sandbox.arena, first.party, &second), TROUPE_OK);
    assert_int_equal(actor_open(&sandbox.arena, SLOT_NONE, &other), TROUPE_OK);
    deaths = atomic_load(&sandbox.arena.header->deaths);
    assert_int_equal(slots_bury(&sandbox.arena, SLOT_NONE), 0);
    assert_int_equal(slots_bury(&sandbox.arena, first.party), 2);
    assert_int_equal(slots_bury(&sandbox.arena, first.party), 0);
    assert_int_equal(atomic_load(&sandbox.arena.header->deaths), deaths + 2);
    assert_int_equal(slot_state_of(atomic_load(&second.slot->identity)), SLOT_DEAD);
    assert_int_equal(slot_state_of(atomic_load(&other.slot->identity)), SLOT_LIVE);
    sandbox_close(&sandbox);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arenas_that_are_refused),
        cmocka_unit_test(the_least_arena_is_viewed),
        cmocka_unit_test(more_than_the_machine_has),
        cmocka_unit_test(slots_are_taken_and_given_back),
        cmocka_unit_test(a_process_is_buried_with_its_threads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
