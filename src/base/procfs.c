#include "base/procfs.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

#define LINE_MOST 1024 /* some 52 numbers and a name of 64 characters at most */

bool procfs_number(const char *path, const char *after, int64_t *number)
{
    FILE *file = fopen(path, "re");
    char line[LINE_MOST];
    bool found = false;
    long long value;

    if (file == NULL)
        return false;
    while (!found && fgets(line, sizeof line, file) != NULL) {
        const char *at = after != NULL ? strstr(line, after) : line;

        found = at != NULL && sscanf(at + (after != NULL ? strlen(after) : 0), "%lld", &value) == 1;
    }
    fclose(file);
    if (found)
        *number = value;
    return found;
}

/* The fields from the third on. The second one, the command's name in parentheses, may hold
 * anything: parentheses, blanks, ends of lines. */
static char *fields_read(const char *path, char line[static LINE_MOST])
{
    FILE *file = fopen(path, "re");
    char *end;

    if (file == NULL)
        return NULL;
    line[fread(line, 1, LINE_MOST - 1, file)] = '\0';
    fclose(file);
    end = strrchr(line, ')');
    return end != NULL ? end + 1 : NULL;
}

bool procfs_process(pid_t pid, struct procfs_process *process)
{
    char path[64], line[LINE_MOST];
    const char *fields, *field;
    unsigned long user, system, start = 0, end = 0;

    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    fields = field = fields_read(path, line);
    if (fields == NULL || sscanf(fields, " %c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu",
                                 &process->state, &process->parent, &user, &system) != 4)
        return false;
    for (int number = 4; field != NULL && number <= 48; number++)
        field = strchr(field + 1, ' ');
    if (field != NULL)
        sscanf(field, " %lu %lu", &start, &end);
    process->cpu = (uint64_t)user + system;
    process->arguments = start;
    process->arguments_end = end;
    return true;
}

static bool thread_is_busy(pid_t pid, const char *thread)
{
    char path[320], line[LINE_MOST];
    const char *fields;

    snprintf(path, sizeof path, "/proc/%d/task/%s/stat", (int)pid, thread);
    fields = fields_read(path, line);
    return fields != NULL && (fields[1] == 'R' || fields[1] == 'D');
}

bool procfs_is_busy(pid_t pid)
{
    char path[64];
    struct dirent *entry;
    bool busy = false;
    DIR *threads;

    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    threads = opendir(path);
    if (threads == NULL)
        return false;
    while (!busy && (entry = readdir(threads)) != NULL)
        busy = entry->d_name[0] != '.' && thread_is_busy(pid, entry->d_name);
    closedir(threads);
    return busy;
}
