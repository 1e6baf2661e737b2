/* Room for ranks on this host: each limit of the kernel's gives a number of ranks that fit. */
#include "job/run.h"

#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/error.h"
#include "base/procfs.h"

enum {
    /* A keeper, and a rank with Open MPI's two threads and Troupe's service. */
    TASKS_A_RANK = 5,
    /* An empty rank and its keeper hold 6 MiB of their own with Open MPI 4.1, measured; what a
     * program adds nobody knows, so this leaves a little. */
    MEMORY_A_RANK_KIB = 10 * 1024
};

/* Processes and threads that exist: the number after the slash in /proc/loadavg. */
static int64_t tasks_now(void)
{
    int64_t tasks = 0;

    return procfs_number("/proc/loadavg", "/", &tasks) ? tasks : 0;
}

/* The caller's control group below a mount point, as the line of /proc/self/cgroup names it. */
static bool cgroup_file(const char *controller, const char *mount, const char *name, char *path,
                        size_t size)
{
    FILE *file = fopen("/proc/self/cgroup", "re");
    char line[PATH_MAX];
    bool found = false;

    if (file == NULL)
        return false;
    while (!found && fgets(line, sizeof line, file) != NULL) {
        char *group = strstr(line, controller);

        if (group == NULL)
            continue;
        group += strlen(controller);
        group[strcspn(group, "\n")] = '\0';
        snprintf(path, size, "%s%s/%s", mount, group, name);
        found = access(path, R_OK) == 0;
    }
    fclose(file);
    return found;
}

/* What a control group's limit leaves; false when it has none. Version 2 first, then version 1. */
static bool cgroup_left(const char *controller, const char *limit_v1, const char *used_v1,
                        const char *limit_v2, const char *used_v2, int64_t *left)
{
    char limit_path[2 * PATH_MAX], used_path[2 * PATH_MAX], word[32], mount[64];
    int64_t limit, used;

    snprintf(word, sizeof word, ":%s:", controller);
    snprintf(mount, sizeof mount, "/sys/fs/cgroup/%s", controller);
    if (!(cgroup_file("0::", "/sys/fs/cgroup", limit_v2, limit_path, sizeof limit_path) &&
          cgroup_file("0::", "/sys/fs/cgroup", used_v2, used_path, sizeof used_path)) &&
        !(cgroup_file(word, mount, limit_v1, limit_path, sizeof limit_path) &&
          cgroup_file(word, mount, used_v1, used_path, sizeof used_path)))
        return false;
    if (!procfs_number(limit_path, NULL, &limit) || !procfs_number(used_path, NULL, &used))
        return false;
    *left = limit - used;
    return true;
}

struct room {
    int64_t ranks;
    const char *limit; /* what sets it */
};

static void room_narrow(struct room *room, int64_t left, int64_t each, const char *limit)
{
    int64_t ranks = left > 0 ? left / each : 0;

    if (ranks < room->ranks)
        *room = (struct room){ ranks, limit };
}

static void room_of_tasks(struct room *room)
{
    struct rlimit limit;
    int64_t number;

    if (procfs_number("/proc/sys/kernel/pid_max", NULL, &number))
        room_narrow(room, number - tasks_now(), TASKS_A_RANK, "processes (kernel.pid_max)");
    if (procfs_number("/proc/sys/kernel/threads-max", NULL, &number))
        room_narrow(room, number - tasks_now(), TASKS_A_RANK, "threads (kernel.threads-max)");
    if (geteuid() != 0 && getrlimit(RLIMIT_NPROC, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
        room_narrow(room, (int64_t)limit.rlim_cur, TASKS_A_RANK, "processes (ulimit -u)");
    if (cgroup_left("pids", "pids.max", "pids.current", "pids.max", "pids.current", &number))
        room_narrow(room, number, TASKS_A_RANK, "processes (the control group's pids.max)");
}

static void room_of_memory(struct room *room)
{
    int64_t number;

    if (procfs_number("/proc/meminfo", "MemAvailable:", &number))
        room_narrow(room, number, MEMORY_A_RANK_KIB, "memory");
    if (cgroup_left("memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "memory.max",
                    "memory.current", &number))
        room_narrow(room, number / 1024, MEMORY_A_RANK_KIB, "memory (the control group's limit)");
}

int job_room_check(int ranks)
{
    struct room room = { INT_MAX, "" };

    room_of_tasks(&room);
    room_of_memory(&room);
    if (ranks <= room.ranks)
        return TROUPE_OK;
    return fail(
        TROUPE_FULL,
        "there is no room for %d ranks on this host: %s would do for about %lld; ask for fewer",
        ranks, room.limit, (long long)room.ranks);
}
