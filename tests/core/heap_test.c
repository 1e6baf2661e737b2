/* The allocator by one thread: every size, a full arena, room that comes back, transactions; and
 * late takers, whose moment threads would rarely meet, played by hand. */
#include "sandbox.h"

#include "core/heap_private.h"
#include "core/recover.h"
#include "core/tx.h"

#include <string.h>

#define ARENA_BYTES (4u << 20)
#define BLOCKS_MOST 65536

static uint64_t linked(struct sandbox *sandbox, uint64_t bytes)
{
    uint64_t offset;

    assert_int_equal(tx_alloc(&sandbox->actor, bytes, &offset), TROUPE_OK);
    tx_commit(&sandbox->actor);
    return offset;
}

static void unlinked(struct sandbox *sandbox, uint64_t offset)
{
    tx_retire(&sandbox->actor, offset);
    tx_commit(&sandbox->actor);
}

static struct heap_usage usage_of(struct sandbox *sandbox)
{
    struct heap_usage usage;

    heap_usage_get(&sandbox->arena, &usage);
    return usage;
}

static void every_size_has_its_room(void **state)
{
    static const uint64_t sizes[] = { 0,    1,     63,    64,    65,    512,   513,   4096,
                                      8193, 21824, 21825, 32767, 32768, 32769, 65537, 1u << 20 };
    uint64_t offsets[sizeof sizes / sizeof *sizes];
    struct sandbox sandbox;
    size_t count = sizeof sizes / sizeof *sizes;

    (void)state;
    sandbox_open(&sandbox, ARENA_BYTES);
    for (size_t i = 0; i < count; i++) {
        offsets[i] = linked(&sandbox, sizes[i]);
        assert_int_equal(offsets[i] % HEAP_BLOCK_LEAST, 0);
        assert_true(heap_block_bytes(&sandbox.arena, offsets[i]) >= sizes[i]);
        memset(arena_at(&sandbox.arena, offsets[i]), (int)i + 1, sizes[i]);
    }
    for (size_t i = 0; i < count; i++) {
        const unsigned char *bytes = arena_at(&sandbox.arena, offsets[i]);

        for (uint64_t at = 0; at < sizes[i]; at++)
            assert_int_equal(bytes[at], i + 1);
        unlinked(&sandbox, offsets[i]);
    }
    assert_int_equal(usage_of(&sandbox).linked_blocks, 0);
    assert_int_equal(usage_of(&sandbox).linked_bytes, 0);
    sandbox_close(&sandbox);
}

static void more_than_the_arena_changes_nothing(void **state)
{
    static const uint64_t sizes[] = { ARENA_BYTES, 1ull << 40, UINT64_MAX };
    struct sandbox sandbox;
    struct heap_usage before;

    (void)state;
    sandbox_open(&sandbox, ARENA_BYTES);
    linked(&sandbox, 100);
    before = usage_of(&sandbox);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        uint64_t offset = 42;
        struct heap_usage after;

        assert_int_equal(tx_alloc(&sandbox.actor, sizes[i], &offset), TROUPE_FULL);
        assert_non_null(strstr(troupe_last_error(), "KiB are free"));
        after = usage_of(&sandbox);
        assert_memory_equal(&before, &after, sizeof before);
        assert_int_equal(offset, 42);
        assert_int_equal(sandbox.actor.slot->blocks[0], 0);
    }
    sandbox_close(&sandbox);
}

/* Fills the arena with blocks of a size; returns how many. */
static uint32_t fill(struct sandbox *sandbox, uint64_t bytes, uint64_t *offsets)
{
    uint32_t count = 0;

    while (count < BLOCKS_MOST && tx_alloc(&sandbox->actor, bytes, &offsets[count]) == TROUPE_OK) {
        tx_commit(&sandbox->actor);
        count++;
    }
    return count;
}

static void freed_small_blocks_make_room_for_a_large_one(void **state)
{
    static uint64_t offsets[BLOCKS_MOST];
    struct sandbox sandbox;
    uint64_t large, all;
    uint32_t count;

    (void)state;
    sandbox_open(&sandbox, ARENA_BYTES);
    all = (uint64_t)sandbox.arena.header->span_count * SPAN_BYTES;
    for (int round = 0; round < 3; round++) {
        count = fill(&sandbox, 64, offsets);
        assert_int_equal(count, all / 64);
        assert_int_equal(tx_alloc(&sandbox.actor, 1, &large), TROUPE_FULL);
        assert_int_equal(tx_alloc(&sandbox.actor, SPAN_BYTES, &large), TROUPE_FULL);
        while (count > 0)
            unlinked(&sandbox, offsets[--count]);
        large = linked(&sandbox, all);
        assert_int_equal(heap_block_bytes(&sandbox.arena, large), all);
        assert_int_equal(tx_alloc(&sandbox.actor, 1, &offsets[0]), TROUPE_FULL);
        unlinked(&sandbox, large);
        assert_int_equal(usage_of(&sandbox).free_bytes, all);
    }
    sandbox_close(&sandbox);
}

static void every_class_fills_its_spans(void **state)
{
    static uint64_t offsets[BLOCKS_MOST];
    struct sandbox sandbox;

    (void)state;
    sandbox_open(&sandbox, ARENA_LEAST_BYTES);
    for (uint32_t klass = 0; klass < heap_class_count(); klass++) {
        uint32_t bytes = heap_class_bytes(klass);
        uint32_t count = fill(&sandbox, bytes, offsets);

        assert_int_equal(count, sandbox.arena.header->span_count * heap_class_blocks(klass));
        for (uint32_t i = 0; i < count; i++)
            assert_int_equal(heap_block_bytes(&sandbox.arena, offsets[i]), bytes);
        while (count > 0)
            unlinked(&sandbox, offsets[--count]);
    }
    sandbox_close(&sandbox);
}

static void commit_and_abort(void **state)
{
    struct sandbox sandbox;
    uint64_t old, taken, fresh, blocks[SLOT_BLOCKS + 1];
    _Atomic uint64_t *word;

    (void)state;
    sandbox_open(&sandbox, ARENA_BYTES);
    word = arena_at(&sandbox.arena, linked(&sandbox, sizeof *word));
    atomic_store(word, 1);
    old = linked(&sandbox, 1000);
    taken = linked(&sandbox, 70000);
    for (int commits = 0; commits < 2; commits++) {
        assert_int_equal(tx_alloc(&sandbox.actor, 10, &fresh), TROUPE_OK);
        tx_retire(&sandbox.actor, old);
        tx_take(&sandbox.actor, taken);
        tx_write(&sandbox.actor, word, 2);
        assert_int_equal(usage_of(&sandbox).flight_blocks, 3);
        commits == 0 ? tx_abort(&sandbox.actor) : tx_commit(&sandbox.actor);
        assert_int_equal(atomic_load(word), 1 + commits);
        assert_int_equal(usage_of(&sandbox).linked_blocks, commits == 0 ? 3 : 2);
    }
    assert_int_equal(usage_of(&sandbox).flight_blocks, 1); /* the one that was taken */
    heap_release(&sandbox.actor, taken);
    heap_release(&sandbox.actor, taken);
    assert_int_equal(usage_of(&sandbox).flight_blocks, 0);
    for (int i = 0; i < SLOT_BLOCKS; i++)
        assert_int_equal(tx_alloc(&sandbox.actor, 10, &blocks[i]), TROUPE_OK);
    assert_int_equal(tx_alloc(&sandbox.actor, 10, &blocks[SLOT_BLOCKS]), TROUPE_SYSTEM);
    tx_abort(&sandbox.actor);
    assert_int_equal(usage_of(&sandbox).linked_blocks, 2);
    sandbox_close(&sandbox);
}

/* A taker saw a block free, its span became another's run, and the taker died between its swap and
 * its second look: the run must stay. */
static void a_late_taker_does_not_free_a_run(void **state)
{
    struct sandbox sandbox;
    struct actor late;
    uint64_t small, run;
    uint32_t span;

    (void)state;
    sandbox_open(&sandbox, ARENA_BYTES);
    assert_int_equal(actor_open(&sandbox.arena, SLOT_NONE, &late), TROUPE_OK);
    small = linked(&sandbox, 100);
    span = (uint32_t)((small - sandbox.arena.header->heap) / SPAN_BYTES);
    unlinked(&sandbox, small);
    assert_int_equal(heap_retire_empty(&sandbox.actor), 1);
    run = linked(&sandbox, 3 * (uint64_t)SPAN_BYTES);
    assert_int_equal(run, small);
    atomic_store(&late.slot->blocks[0], note_make(ROLE_NEW, span + 1, 5));
    atomic_store(state_at(&sandbox.arena, span + 1, 5), (uint16_t)late.number);
    atomic_store(&late.slot->blocks[1], note_make(ROLE_NEW, span, 5));
    atomic_store(state_at(&sandbox.arena, span, 5), (uint16_t)late.number);
    assert_int_equal(slots_bury(&sandbox.arena, late.party), 1);
    assert_int_equal(recover_all(&sandbox.actor), 1);
    assert_int_equal(usage_of(&sandbox).linked_blocks, 1);
    assert_int_equal(usage_of(&sandbox).linked_bytes, 3 * (uint64_t)SPAN_BYTES);
    assert_int_equal(atomic_load(state_at(&sandbox.arena, span, 5)), BLOCK_FREE);
    assert_int_equal(atomic_load(state_at(&sandbox.arena, span + 1, 5)), BLOCK_FREE);
    sandbox_close(&sandbox);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_size_has_its_room),
        cmocka_unit_test(more_than_the_arena_changes_nothing),
        cmocka_unit_test(freed_small_blocks_make_room_for_a_large_one),
        cmocka_unit_test(every_class_fills_its_spans),
        cmocka_unit_test(commit_and_abort),
        cmocka_unit_test(a_late_taker_does_not_free_a_run),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
