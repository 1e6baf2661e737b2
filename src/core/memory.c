/* Memory as the kernel tells it. Page cache that a group could give back counts as available: it is
 * read from memory.stat, else a file-heavy job would seem full. Figures that cannot be read do not
 * limit. */
#include "core/memory.h"

#include "base/procfs.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define GROUP_PATH_MAX 4096

static uint64_t meminfo(const char *field)
{
    int64_t kilobytes;

    return procfs_number("/proc/meminfo", field, &kilobytes) && kilobytes > 0
               ? (uint64_t)kilobytes * 1024
               : UINT64_MAX;
}

/* One number of a group's file; UINT64_MAX for "max" and for what cannot be read. */
static uint64_t group_number(const char *directory, const char *name)
{
    char path[GROUP_PATH_MAX + 64];
    int64_t number;

    snprintf(path, sizeof path, "%s/%s", directory, name);
    return procfs_number(path, NULL, &number) && number >= 0 ? (uint64_t)number : UINT64_MAX;
}

/* Bytes of page cache that the group would drop before it kills. */
static uint64_t group_reclaimable(const char *directory)
{
    char path[GROUP_PATH_MAX + 64], name[64];
    unsigned long long value;
    uint64_t bytes = 0;
    FILE *file;

    snprintf(path, sizeof path, "%s/memory.stat", directory);
    file = fopen(path, "re");
    if (file == NULL)
        return 0;
    while (fscanf(file, "%63s %llu", name, &value) == 2)
        if (strcmp(name, "inactive_file") == 0 || strcmp(name, "total_inactive_file") == 0)
            bytes = value;
    fclose(file);
    return bytes;
}

static void group_look(const char *directory, const char *limit_name, const char *usage_name,
                       uint64_t *limit, uint64_t *left)
{
    uint64_t most = group_number(directory, limit_name), used, room, spare;

    if (most == UINT64_MAX)
        return;
    used = group_number(directory, usage_name);
    if (used == UINT64_MAX)
        used = 0;
    spare = group_reclaimable(directory);
    used -= used < spare ? used : spare;
    room = most > used ? most - used : 0;
    if (most < *limit)
        *limit = most;
    if (room < *left)
        *left = room;
}

/* Looks at a group and at every group above it. */
static void groups_walk(const char *mount, char *group, const char *limit_name,
                        const char *usage_name, uint64_t *limit, uint64_t *left)
{
    char directory[GROUP_PATH_MAX];
    char *slash;

    for (;;) {
        snprintf(directory, sizeof directory, "%s%s", mount, group);
        group_look(directory, limit_name, usage_name, limit, left);
        slash = strrchr(group, '/');
        if (slash == NULL || group[0] == '\0')
            return;
        *slash = '\0';
    }
}

static void groups_read(uint64_t *limit, uint64_t *left)
{
    FILE *file = fopen("/proc/self/cgroup", "re");
    char line[GROUP_PATH_MAX], *group;

    *limit = *left = UINT64_MAX;
    if (file == NULL)
        return;
    while (fgets(line, sizeof line, file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        group = strchr(line, ':');
        group = group != NULL ? strchr(group + 1, ':') : NULL;
        if (group == NULL)
            continue;
        if (strncmp(line, "0::", 3) == 0)
            groups_walk("/sys/fs/cgroup", group + 1, "memory.max", "memory.current", limit, left);
        else if (strstr(line, ":memory:") != NULL)
            groups_walk("/sys/fs/cgroup/memory", group + 1, "memory.limit_in_bytes",
                        "memory.usage_in_bytes", limit, left);
    }
    fclose(file);
}

uint64_t memory_available(void)
{
    uint64_t limit, left, machine = meminfo("MemAvailable:");

    groups_read(&limit, &left);
    return machine < left ? machine : left;
}

uint64_t memory_total(void)
{
    uint64_t limit, left, machine = meminfo("MemTotal:");

    groups_read(&limit, &left);
    return machine < limit ? machine : limit;
}
