/* The mark is a variable of the environment, which the kernel shows as it was at a process's exec.
 * What takes it out of its children's, a daemon mostly, is not found, and ends with the world. */
#include "orphans.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define VARIABLE "TROUPE_MAP_WORKER"

enum {
    MARK_SIZE = 64,
    ENVIRONMENT_MOST = 1 << 18, /* bytes that are looked at */
    ROUNDS_MOST = 100           /* for a tree that forks faster than it is ended */
};

static void mark_write(uint64_t run, uint32_t worker, char *mark)
{
    snprintf(mark, MARK_SIZE, "%016" PRIx64 ".%u", run, worker);
}

void orphans_mark(uint64_t run, uint32_t worker)
{
    char mark[MARK_SIZE];

    mark_write(run, worker, mark);
    setenv(VARIABLE, mark, 1);
}

/* Whether a line of an environment is the mark. */
static bool has_line(const char *environment, size_t size, const char *line)
{
    for (size_t at = 0; at < size; at += strnlen(environment + at, size - at) + 1)
        if (strncmp(environment + at, line, size - at) == 0)
            return true;
    return false;
}

static bool is_marked(const char *pid, const char *line, char *buffer)
{
    char path[64];
    size_t used = 0;
    ssize_t got = 1;
    int file;

    snprintf(path, sizeof path, "/proc/%.16s/environ", pid);
    file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return false;
    while (got > 0 && used < ENVIRONMENT_MOST) {
        got = read(file, buffer + used, ENVIRONMENT_MOST - used);
        used += got > 0 ? (size_t)got : 0;
    }
    close(file);
    return has_line(buffer, used, line);
}

/* One look at all processes; whether one was found. One that is a zombie has no environment. */
static bool round_end(const char *line, char *buffer)
{
    DIR *folder = opendir("/proc");
    const struct dirent *entry;
    bool found = false;

    while (folder != NULL && (entry = readdir(folder)) != NULL) {
        pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);

        if (!isdigit((unsigned char)*entry->d_name) || pid == getpid() ||
            !is_marked(entry->d_name, line, buffer))
            continue;
        found = true;
        kill(pid, SIGKILL);
    }
    if (folder != NULL)
        closedir(folder);
    return found;
}

void orphans_end(uint64_t run, uint32_t worker)
{
    char mark[MARK_SIZE], line[sizeof VARIABLE + MARK_SIZE];
    char *buffer = malloc(ENVIRONMENT_MOST);

    mark_write(run, worker, mark);
    snprintf(line, sizeof line, VARIABLE "=%s", mark);
    for (int round = 0; buffer != NULL && round < ROUNDS_MOST && round_end(line, buffer); round++)
        ;
    free(buffer);
}
