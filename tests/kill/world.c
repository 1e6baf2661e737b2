/* The small arena of the kill tests, and what must hold of it after every recovery. */
#include "harness.h"

#include "core/heap_private.h"
#include "core/tx.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#define KILL_SLOTS 8

bool kill_expect(struct kill_world *world, bool holds, const char *format, ...)
{
    va_list arguments;

    if (holds)
        return true;
    va_start(arguments, format);
    vsnprintf(world->complaint, sizeof world->complaint, format, arguments);
    va_end(arguments);
    return false;
}

bool kill_expect_heap(struct kill_world *world, int64_t blocks, int64_t bytes)
{
    struct heap_usage now;

    heap_usage_get(&world->arena, &now);
    return kill_expect(
        world,
        now.linked_blocks == world->before.linked_blocks + (uint64_t)blocks &&
            now.linked_bytes == world->before.linked_bytes + (uint64_t)bytes &&
            now.flight_blocks == 0,
        "%llu blocks of %llu bytes are linked, %llu in flight; before it were %llu "
        "of %llu, and %lld of %lld should have come",
        (unsigned long long)now.linked_blocks, (unsigned long long)now.linked_bytes,
        (unsigned long long)now.flight_blocks, (unsigned long long)world->before.linked_blocks,
        (unsigned long long)world->before.linked_bytes, (long long)blocks, (long long)bytes);
}

uint64_t kill_block(struct kill_world *world, uint64_t bytes)
{
    uint64_t offset = 0;

    if (tx_alloc(&world->bystander, bytes, &offset) != TROUPE_OK)
        return 0;
    memset(arena_at(&world->arena, offset), 0, bytes);
    tx_commit(&world->bystander);
    return offset;
}

bool kill_world_make(struct kill_world *world)
{
    struct arena_limits limits = { .slots = KILL_SLOTS };
    void *base = mmap(NULL, KILL_ARENA_BYTES, PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

    memset(world, 0, sizeof *world);
    return base != MAP_FAILED &&
           arena_format(base, KILL_ARENA_BYTES, &limits, &world->arena) == TROUPE_OK &&
           actor_open(&world->arena, SLOT_NONE, &world->bystander) == TROUPE_OK &&
           actor_open(&world->arena, SLOT_NONE, &world->victim) == TROUPE_OK &&
           actor_open(&world->arena, SLOT_NONE, &world->recoverer) == TROUPE_OK;
}

void kill_world_end(struct kill_world *world)
{
    munmap(world->arena.base, KILL_ARENA_BYTES);
}

void kill_bury(struct kill_world *world, const struct actor *actor)
{
    slots_bury(&world->arena, actor->party);
}

/* ---- sound ------------------------------------------------------------------------------- */

/* Whether a slot describes no work. */
static bool slot_empty(struct kill_world *world, uint32_t number)
{
    struct slot *slot = slot_at(&world->arena, number);
    uint64_t left = atomic_load(&slot->tx_phase) | atomic_load(&slot->redo_count) |
                    atomic_load(&slot->run) | atomic_load(&slot->bell) | atomic_load(&slot->resume);

    for (int i = 0; i < SLOT_PROMISES; i++)
        left |= atomic_load(&slot->promises[i]);
    for (int i = 0; i < SLOT_LOCKS; i++)
        left |= atomic_load(&slot->locks[i]);
    for (int i = 0; i < SLOT_BLOCKS; i++)
        left |= atomic_load(&slot->blocks[i]);
    return kill_expect(world, left == 0, "slot %u still describes work", number);
}

static bool slots_sound(struct kill_world *world)
{
    uint32_t high = atomic_load(&world->arena.header->slot_high);

    for (uint32_t number = SLOT_FIRST; number < high; number++) {
        struct slot *slot = slot_at(&world->arena, number);
        uint64_t identity = atomic_load(&slot->identity);
        uint64_t claim = atomic_load(&slot->recoverer);

        if (!kill_expect(world, slot_state_of(identity) != SLOT_DEAD, "slot %u is still dead",
                         number) ||
            !kill_expect(world, (uint32_t)claim != world->bystander.number,
                         "slot %u is still claimed by its recoverer", number) ||
            (slot_state_of(identity) == SLOT_FREE && !slot_empty(world, number)))
            return false;
    }
    return true;
}

static bool states_free(struct kill_world *world, uint32_t span, uint32_t from)
{
    for (uint32_t block = from; block < SPAN_BLOCKS_MAX; block++)
        if (!kill_expect(world, *state_at(&world->arena, span, block) == BLOCK_FREE,
                         "block %u of span %u is beyond use and has state %u", block, span,
                         (unsigned)*state_at(&world->arena, span, block)))
            return false;
    return true;
}

static bool small_sound(struct kill_world *world, uint32_t span, uint32_t klass)
{
    uint32_t blocks;

    if (!kill_expect(world, klass < heap_class_count(), "span %u has class %u", span, klass))
        return false;
    blocks = heap_class_blocks(klass);
    for (uint32_t block = 0; block < blocks; block++)
        if (!kill_expect(world, *state_at(&world->arena, span, block) <= BLOCK_LINKED,
                         "block %u of span %u is in flight with slot %u", block, span,
                         (unsigned)*state_at(&world->arena, span, block)))
            return false;
    return states_free(world, span, blocks);
}

static bool run_sound(struct kill_world *world, uint32_t head, uint32_t count)
{
    uint16_t state = *state_at(&world->arena, head, 0);

    if (!kill_expect(world, count > 0 && head + count <= world->arena.header->span_count,
                     "the run at span %u has %u spans", head, count) ||
        !kill_expect(world, state == BLOCK_LINKED, "the run at span %u has state %u", head, state))
        return false;
    for (uint32_t span = head + 1; span < head + count; span++)
        if (!kill_expect(world, *span_at(&world->arena, span) == span_word(SPAN_BODY, 0, 0, head),
                         "span %u is not the body of the run at span %u", span, head) ||
            !states_free(world, span, 0))
            return false;
    return states_free(world, head, 1);
}

/* One span, or a whole run: next is where the following one starts. */
static bool span_sound(struct kill_world *world, uint32_t span, uint32_t *next)
{
    uint64_t word = *span_at(&world->arena, span);

    *next = span + 1;
    switch (span_kind_of(word)) {
    case SPAN_FREE:
        return kill_expect(world, word == 0, "free span %u has word %llx", span,
                           (unsigned long long)word) &&
               states_free(world, span, 0);
    case SPAN_SMALL:
        return small_sound(world, span, span_class_of(word));
    case SPAN_LARGE:
        *next = span + span_run_of(word);
        return run_sound(world, span, span_run_of(word));
    default:
        return kill_expect(world, false, "span %u is lost: word %llx", span,
                           (unsigned long long)word);
    }
}

bool kill_sound(struct kill_world *world)
{
    struct arena_header *header = world->arena.header;
    uint32_t ready = spans_ready(&world->arena), span = 0;

    if (!slots_sound(world) ||
        !kill_expect(world, header->large_lock.word == 0 && header->commit_lock.word == 0,
                     "a lock of the arena is still held") ||
        !kill_expect(world, ready <= header->span_count, "%u spans are committed of %u", ready,
                     header->span_count))
        return false;
    while (span < ready)
        if (!span_sound(world, span, &span))
            return false;
    return true;
}

/* ---- usable ------------------------------------------------------------------------------ */

/* The longest stretch of spans that hold nothing, whatever they are called. */
static uint32_t longest_empty(const struct arena *arena)
{
    uint32_t longest = 0, length = 0;

    for (uint32_t span = 0; span < arena->header->span_count; span++) {
        uint64_t word = span < spans_ready(arena) ? *span_at(arena, span) : 0;
        bool used = span_kind_of(word) == SPAN_LARGE || span_kind_of(word) == SPAN_BODY;

        for (uint32_t block = 0; span_kind_of(word) == SPAN_SMALL && block < SPAN_BLOCKS_MAX;
             block++)
            used |= *state_at(arena, span, block) != BLOCK_FREE;
        length = used ? 0 : length + 1;
        longest = length > longest ? length : longest;
    }
    return longest;
}

static bool obtains(struct kill_world *world, uint64_t bytes)
{
    uint64_t offset;
    bool got = tx_alloc(&world->bystander, bytes, &offset) == TROUPE_OK;

    if (got)
        tx_abort(&world->bystander);
    return kill_expect(world, got, "%llu bytes are free and cannot be had: %s",
                       (unsigned long long)bytes, troupe_last_error());
}

bool kill_usable(struct kill_world *world)
{
    uint32_t empty = longest_empty(&world->arena);

    return empty == 0 || (obtains(world, (uint64_t)empty * SPAN_BYTES) && obtains(world, 1) &&
                          obtains(world, HEAP_SMALL_MOST));
}
