/* Layout and commitment of the arena. */
#include "core/arena.h"

#include "base/error.h"
#include "core/heap_private.h"
#include "core/memory.h"
#include "core/slot.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* Linux 5.14 */
#endif

#define ARENA_MAGIC 0x31617055727454ull /* "Trupa1": changes with the layout */
#define MEMORY_MARGIN (64ull << 20)     /* left to the rest of the machine */

static uint64_t round_up(uint64_t value, uint64_t unit)
{
    return (value + unit - 1) / unit * unit;
}

/* One slot for each 32 KiB of arena, so that small arenas keep room for data. */
static uint32_t slots_by_size(uint64_t bytes)
{
    uint64_t slots = bytes / (32u << 10);

    return slots > SLOT_COUNT_MAX ? SLOT_COUNT_MAX : (uint32_t)slots;
}

static void layout(struct arena_header *header, uint64_t bytes, uint32_t slots)
{
    uint64_t spans = bytes / SPAN_BYTES;

    header->bytes = bytes;
    header->slot_count = slots;
    header->map_words = round_up(spans, 64) / 64;
    header->slots = round_up(sizeof *header, ARENA_PAGE);
    header->spans = round_up(header->slots + slots * sizeof(struct slot), ARENA_PAGE);
    header->maps = header->spans + round_up(spans * sizeof(struct span), ARENA_PAGE);
    header->states =
        header->maps + round_up(HEAP_MAPS * header->map_words * sizeof(uint64_t), ARENA_PAGE);
    header->heap =
        round_up(header->states + spans * SPAN_BLOCKS_MAX * sizeof(uint16_t), SPAN_BYTES);
    header->span_count = header->heap < bytes ? (uint32_t)((bytes - header->heap) / SPAN_BYTES) : 0;
}

static void view(void *base, struct arena *arena)
{
    struct arena_header *header = base;

    arena->base = base;
    arena->header = header;
    arena->slots = arena_at(arena, header->slots);
    arena->spans = arena_at(arena, header->spans);
    arena->maps = arena_at(arena, header->maps);
    arena->states = arena_at(arena, header->states);
}

/* The whole tables of slots and descriptors may be large; only what lies below the committed spans
 * and the slots in use is touched. Descriptors and maps are committed here because a search may
 * read any of them; reading an untouched page of shared memory is safe, so only writes matter. */
int arena_format(void *base, uint64_t bytes, const struct arena_limits *limits, struct arena *arena)
{
    struct arena_header *header = base;
    uint32_t slots = limits != NULL && limits->slots > 0 ? limits->slots : slots_by_size(bytes);
    int result;

    if (bytes < ARENA_LEAST_BYTES)
        return fail(TROUPE_BAD_ARGUMENT, "arena: %llu bytes is too small; ask for at least %u",
                    (unsigned long long)bytes, ARENA_LEAST_BYTES);
    if (slots <= SLOT_FIRST || slots > SLOT_COUNT_MAX)
        return fail(TROUPE_BAD_ARGUMENT, "arena: %u slots; ask for %u to %u", slots, SLOT_FIRST + 1,
                    SLOT_COUNT_MAX);
    arena->base = base;
    result = arena_commit(arena, 0, ARENA_PAGE);
    if (result != TROUPE_OK)
        return result;
    layout(header, bytes, slots);
    if (header->span_count < 2)
        return fail(TROUPE_BAD_ARGUMENT, "arena: %llu bytes with %u slots leave no room for data",
                    (unsigned long long)bytes, slots);
    view(base, arena);
    atomic_store_explicit(&header->slot_high, SLOT_FIRST, memory_order_relaxed);
    header->magic = ARENA_MAGIC;
    return TROUPE_OK;
}

int arena_view(void *base, struct arena *arena)
{
    struct arena_header *header = base;

    if (header->magic != ARENA_MAGIC)
        return fail(TROUPE_MISMATCH, "arena: not one of this version of Troupe; all processes of a "
                                     "world must run the same program and library");
    view(base, arena);
    return TROUPE_OK;
}

/* For kernels before 5.14: the memory was seen to be there, so touching is as safe as it gets. */
static void touch(unsigned char *from, uint64_t bytes)
{
    for (uint64_t at = 0; at < bytes; at += ARENA_PAGE)
        atomic_fetch_or_explicit((_Atomic unsigned char *)(from + at), 0, memory_order_relaxed);
}

int arena_room(uint64_t bytes)
{
    uint64_t available = memory_available();

    if (available >= MEMORY_MARGIN && bytes <= available - MEMORY_MARGIN)
        return TROUPE_OK;
    return fail(TROUPE_FULL,
                "arena: %llu KiB more are needed, the machine or its control group has %llu KiB "
                "left, of which %llu KiB stay free; free entries or run where there is memory",
                (unsigned long long)bytes >> 10, (unsigned long long)available >> 10,
                (unsigned long long)MEMORY_MARGIN >> 10);
}

int arena_populate(const struct arena *arena, uint64_t offset, uint64_t bytes)
{
    uint64_t from = offset & ~(uint64_t)(ARENA_PAGE - 1);
    uint64_t size = round_up(offset + bytes, ARENA_PAGE) - from;

    if (madvise(arena->base + from, size, MADV_POPULATE_WRITE) == 0)
        return TROUPE_OK;
    if (errno != EINVAL && errno != ENOSYS)
        return fail_errno(TROUPE_FULL, "arena: the kernel refused %llu KiB of shared memory",
                          (unsigned long long)size >> 10);
    touch(arena->base + from, size);
    return TROUPE_OK;
}

int arena_commit(const struct arena *arena, uint64_t offset, uint64_t bytes)
{
    int result = arena_room(bytes);

    return result == TROUPE_OK ? arena_populate(arena, offset, bytes) : result;
}
