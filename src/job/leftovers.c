#include "job/leftovers.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/procfs.h"
#include "base/text.h"

void leftovers_note(struct leftovers_pids *pids, pid_t pid)
{
    size_t byte = (size_t)pid / CHAR_BIT;

    if (byte >= pids->size) {
        size_t size = 2 * byte + 1;
        unsigned char *bits = realloc(pids->bits, size);

        if (bits == NULL)
            return;
        memset(bits + pids->size, 0, size - pids->size);
        pids->bits = bits;
        pids->size = size;
    }
    pids->bits[byte] |= (unsigned char)(1u << (size_t)pid % CHAR_BIT);
}

static bool is_noted(const struct leftovers_pids *pids, pid_t pid)
{
    size_t byte = (size_t)pid / CHAR_BIT;

    return byte < pids->size && (pids->bits[byte] >> (size_t)pid % CHAR_BIT & 1) != 0;
}

void leftovers_pids_free(struct leftovers_pids *pids)
{
    free(pids->bits);
    memset(pids, 0, sizeof *pids);
}

/* ---- processes ---------------------------------------------------------------------------- */

struct relation {
    pid_t pid, parent;
};

struct relations {
    struct relation *rows;
    size_t count, capacity;
};

/* One that nobody has waited for yet is gone too: PID 1 of a container may never do it. */
static bool process_is_gone(pid_t pid)
{
    struct procfs_process process;

    return (kill(pid, 0) != 0 && errno == ESRCH) ||
           (procfs_process(pid, &process) && (process.state == 'Z' || process.state == 'X'));
}

static void relations_add(struct relations *all, pid_t pid, pid_t parent)
{
    if (all->count == all->capacity) {
        size_t capacity = all->capacity > 0 ? 2 * all->capacity : 256;
        struct relation *rows = realloc(all->rows, capacity * sizeof *rows);

        if (rows == NULL)
            return;
        all->rows = rows;
        all->capacity = capacity;
    }
    all->rows[all->count++] = (struct relation){ pid, parent };
}

static void relations_read(struct relations *all)
{
    DIR *folder = opendir("/proc");
    struct dirent *entry;

    if (folder == NULL)
        return;
    while ((entry = readdir(folder)) != NULL) {
        struct procfs_process process;
        long pid;

        if (text_to_long(entry->d_name, 1, INT_MAX, &pid) && procfs_process((pid_t)pid, &process))
            relations_add(all, (pid_t)pid, process.parent);
    }
    closedir(folder);
}

/* Moves every process below root to the front of the rows, nearest first, and returns how many
 * there are. */
static size_t descendants_gather(struct relations *all, pid_t root)
{
    size_t found = 0, next = 0;
    pid_t above = root;

    for (;;) {
        for (size_t i = found; i < all->count; i++)
            if (all->rows[i].parent == above) {
                struct relation row = all->rows[i];

                all->rows[i] = all->rows[found];
                all->rows[found++] = row;
            }
        if (next == found)
            return found;
        above = all->rows[next++].pid;
    }
}

void leftovers_signal(int signal_number, struct leftovers_pids *noted)
{
    struct relations all = { 0 };
    size_t count;

    relations_read(&all);
    count = descendants_gather(&all, getpid());
    for (size_t i = 0; i < count; i++) {
        leftovers_note(noted, all.rows[i].pid);
        kill(all.rows[i].pid, signal_number);
    }
    free(all.rows);
}

/* Waits for children: for one at least, unless flags say WNOHANG, and for all that have ended.
 * False when there is no child any more. */
static bool children_bury(pid_t watched, int flags, int *status)
{
    int ended_status;
    pid_t ended;

    while ((ended = waitpid(-1, &ended_status, flags | __WALL)) > 0) {
        if (ended == watched)
            *status = ended_status;
        flags = WNOHANG;
    }
    return ended == 0 || errno != ECHILD;
}

/* Whoever is killed leaves its children to the caller, so the tree is looked at again after every
 * death until there is no child. A subreaper without a child has nothing below it: after a run that
 * ended well the tree, which is every process of the host, need not be read at all. */
void leftovers_end_processes(pid_t watched, struct leftovers_pids *noted, int *status)
{
    while (children_bury(watched, WNOHANG, status)) {
        leftovers_signal(SIGKILL, noted);
        if (!children_bury(watched, 0, status))
            return;
    }
}

/* ---- segments ----------------------------------------------------------------------------- */

void leftovers_remove_segments(const struct leftovers_pids *noted)
{
    FILE *table = noted->size > 0 ? fopen("/proc/sysvipc/shm", "re") : NULL;
    char line[512];

    if (table == NULL)
        return;
    while (fgets(line, sizeof line, table) != NULL) {
        int segment, creator;
        unsigned owner;

        /* key shmid perms size cpid lpid nattch uid … */
        if (sscanf(line, "%*d %d %*o %*u %d %*d %*u %u", &segment, &creator, &owner) != 3)
            continue;
        if (owner == geteuid() && is_noted(noted, creator) && process_is_gone(creator))
            shmctl(segment, IPC_RMID, NULL);
    }
    fclose(table);
}

/* ---- folders ------------------------------------------------------------------------------ */

static void folder_empty(int folder)
{
    DIR *listing = fdopendir(folder);
    struct dirent *entry;

    if (listing == NULL) {
        close(folder);
        return;
    }
    while ((entry = readdir(listing)) != NULL) {
        int inner;

        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (unlinkat(dirfd(listing), entry->d_name, 0) == 0)
            continue;
        inner =
            openat(dirfd(listing), entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (inner >= 0)
            folder_empty(inner);
        unlinkat(dirfd(listing), entry->d_name, AT_REMOVEDIR);
    }
    closedir(listing);
}

void leftovers_remove_folder(const char *path)
{
    struct stat status;
    int folder = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (folder < 0)
        return;
    if (fstat(folder, &status) != 0 || status.st_uid != geteuid()) {
        close(folder);
        return;
    }
    folder_empty(folder);
    rmdir(path);
}
