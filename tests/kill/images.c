/* Images of the arena, and the trail of those that a recording passes through. */
#include "steps.h"

#include "core/heap_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <xxhash.h>

#define TRAIL_BYTES ((size_t)4 << 30) /* of addresses; memory comes with the images */

static size_t bytes_in_use(const struct arena *arena)
{
    uint32_t ready = spans_ready(arena), span = ready;

    while (span > 0 && span_kind_of(*span_at(arena, span - 1)) == SPAN_FREE)
        span--;
    return arena->header->heap + (size_t)span * SPAN_BYTES;
}

void image_take(const struct arena *arena, struct image *image)
{
    image->size = bytes_in_use(arena);
    image->bytes = malloc(image->size);
    if (image->bytes == NULL)
        return;
    memcpy(image->bytes, arena->base, image->size);
    image->hash = XXH3_64bits(image->bytes, image->size);
}

void image_restore(const struct arena *arena, const struct image *image)
{
    memcpy(arena->base, image->bytes, image->size);
    memset(arena->base + image->size, 0, KILL_ARENA_BYTES - image->size);
}

struct trail *trail_open(void)
{
    void *memory = mmap(NULL, TRAIL_BYTES, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (memory == MAP_FAILED) {
        perror("kill: memory for images");
        exit(1);
    }
    return memory;
}

void trail_close(struct trail *trail)
{
    munmap(trail, TRAIL_BYTES);
}

bool trail_knows(const struct trail *trail, uint64_t hash)
{
    for (size_t i = 0; i < trail->count; i++)
        if (trail->images[i].hash == hash)
            return true;
    return false;
}

/* Adds what was last seen. */
static void trail_add(struct trail *trail)
{
    struct image image = { trail->bytes + trail->used, trail->last_size, 0, trail->steps };

    image.hash = XXH3_64bits(trail->last, trail->last_size);
    if (trail_knows(trail, image.hash))
        return;
    if (trail->count == TRAIL_IMAGES ||
        sizeof *trail + trail->used + trail->last_size > TRAIL_BYTES) {
        trail->full = true;
        return;
    }
    memcpy(image.bytes, trail->last, trail->last_size);
    trail->used += trail->last_size;
    trail->images[trail->count++] = image;
}

void trail_follow(struct trail *trail, const struct arena *arena)
{
    size_t size = bytes_in_use(arena);

    if (trail->count > 0 && size == trail->last_size && memcmp(trail->last, arena->base, size) == 0)
        return;
    memcpy(trail->last, arena->base, size);
    trail->last_size = size;
    trail_add(trail);
}
