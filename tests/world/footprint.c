#include "world/footprint.h"

#include "core/heap.h"
#include "core/world.h"
#include "world/harness.h"

#include <dirent.h>
#include <stdio.h>

static int entries(const char *path)
{
    DIR *folder = opendir(path);
    int count = 0;

    while (folder != NULL && readdir(folder) != NULL)
        count++;
    if (folder != NULL)
        closedir(folder);
    return count;
}

static int descriptors(const void *argument, size_t bytes)
{
    (void)argument, (void)bytes;
    return entries("/proc/self/fd");
}

/* Zombies count as children: the kernel lists them until they are waited for. */
static int children_count(void)
{
    char path[64], word[32];
    struct dirent *thread;
    DIR *threads = opendir("/proc/self/task");
    int count = 0;

    while (threads != NULL && (thread = readdir(threads)) != NULL) {
        FILE *file;

        snprintf(path, sizeof path, "/proc/self/task/%.16s/children", thread->d_name);
        file = fopen(path, "r");
        while (file != NULL && fscanf(file, "%31s", word) == 1)
            count++;
        if (file != NULL)
            fclose(file);
    }
    if (threads != NULL)
        closedir(threads);
    return count;
}

struct footprint footprint_take(void)
{
    struct footprint taken = { .own_descriptors = entries("/proc/self/fd"),
                               .threads = entries("/proc/self/task"),
                               .children = children_count() };
    struct heap_usage usage;

    taken.rank_descriptors = harness_end(harness_start_on(0, descriptors, NULL, 0)).exit_code;
    heap_usage_get(&world_here.arena, &usage);
    taken.linked_bytes = usage.linked_bytes;
    taken.flight_blocks = usage.flight_blocks;
    return taken;
}

void footprint_assert_same(const struct footprint *before, const struct footprint *after)
{
    assert_int_equal(after->own_descriptors, before->own_descriptors);
    assert_int_equal(after->rank_descriptors, before->rank_descriptors);
    assert_int_equal(after->children, before->children);
    assert_int_equal(after->linked_bytes, before->linked_bytes);
    assert_int_equal(after->flight_blocks, before->flight_blocks);
}
