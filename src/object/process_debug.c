/* C cannot know what a struct's bytes mean, so a pointer that is sent to another process is found
 * by its value: a word at a multiple of its size that lies in memory that is mapped here. Handles
 * and small numbers never do; another number might by chance, hence a warning and no error. */
#include "object/process_debug.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "core/world.h"
#include "device/device.h"

#define VARIABLE "TROUPE_DEBUG"
#define WORD "arguments"
#define REGIONS_MORE 256
#define NAME_SIZE 96
#define LINE_SIZE 4352 /* a path and the numbers before it */

struct region {
    uint64_t from, to;
    char name[NAME_SIZE];
};

struct regions {
    struct region *data; /* in ascending order, as the kernel lists them */
    size_t count;
};

/* ---- what is mapped ----------------------------------------------------------------------- */

/* What a person calls it. */
static void region_name(struct region *region, const char *rights, const char *path)
{
    uint64_t here = (uint64_t)(uintptr_t)&here, arena = (uint64_t)(uintptr_t)world_here.arena.base;
    const char *slash = strrchr(path, '/');

    if (region->from <= here && here < region->to)
        snprintf(region->name, NAME_SIZE, "on the caller's stack");
    else if (region->from <= arena && arena < region->to)
        snprintf(region->name, NAME_SIZE, "in shared memory: send the object's handle");
    else if (rights[0] == '-')
        snprintf(region->name, NAME_SIZE, "in reserved memory, a device's perhaps");
    else if (slash != NULL)
        snprintf(region->name, NAME_SIZE, "in the caller's %.60s", slash + 1);
    else
        snprintf(region->name, NAME_SIZE, "on the caller's heap");
}

static bool region_append(struct regions *regions, const char *line)
{
    struct region region, *grown;
    char rights[8] = "";
    int path = 0;

    if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %7s %*s %*s %*s %n", &region.from, &region.to, rights,
               &path) < 3)
        return true;
    if (regions->count % REGIONS_MORE == 0) {
        grown = realloc(regions->data, (regions->count + REGIONS_MORE) * sizeof *grown);
        if (grown == NULL)
            return false;
        regions->data = grown;
    }
    region_name(&region, rights, line + path);
    regions->data[regions->count++] = region;
    return true;
}

static void regions_read(struct regions *regions)
{
    FILE *file = fopen("/proc/self/maps", "re");
    char line[LINE_SIZE];

    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (!region_append(regions, line))
            break;
    }
    if (file != NULL)
        fclose(file);
}

static int region_compare(const void *key, const void *element)
{
    uint64_t address = *(const uint64_t *)key;
    const struct region *region = element;

    return address < region->from ? -1 : address >= region->to;
}

/* ---- what is in the argument -------------------------------------------------------------- */

/* NULL when the word is no address. */
static const char *address_place(const struct regions *regions, uint64_t word)
{
    const struct region *region;

    if (device_has_memory(word))
        return "memory of a GPU of the caller's";
    region = bsearch(&word, regions->data, regions->count, sizeof *regions->data, region_compare);
    return region != NULL ? region->name : NULL;
}

static void words_check(const struct regions *regions, const char *name, const void *argument,
                        size_t bytes)
{
    const unsigned char *data = argument;

    for (size_t at = 0; at + sizeof(uint64_t) <= bytes; at += sizeof(uint64_t)) {
        const char *place;
        uint64_t word;

        memcpy(&word, data + at, sizeof word);
        place = address_place(regions, word);
        if (place == NULL)
            continue;
        log_warning("process %s: the word at byte %zu of its argument is an address, 0x%" PRIx64
                    ", %s; it means nothing in another process",
                    name, at, word, place);
        return;
    }
}

static bool is_wanted(void)
{
    const char *words = getenv(VARIABLE);

    return words != NULL && strstr(words, WORD) != NULL;
}

void process_argument_check(const char *name, const void *argument, size_t bytes)
{
    struct regions regions = { NULL, 0 };

    if (bytes < sizeof(uint64_t) || !is_wanted())
        return;
    regions_read(&regions);
    words_check(&regions, name, argument, bytes);
    free(regions.data);
}
