/* The `troupe` command: finds the verb and runs it. It links no MPI, so that it works where MPI is
 * broken or absent and can say so; verbs that need MPI are programs of their own. */
#include "cmd.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "troupe/troupe.h"

static const struct cmd cmd_probe = {
    .name = "probe",
    .usage = "probe [options]",
    .summary = "Calls the roll: rank, host, cores and GPU of every rank",
};
static const struct cmd cmd_map = {
    .name = "map",
    .usage = "map [options] COMMAND …",
    .summary = "Runs a command for each input line over all ranks and GPUs",
};
static const struct cmd cmd_bench = {
    .name = "bench",
    .usage = "bench [names…] [options]",
    .summary = "Measures this cluster beside raw MPI and Python",
};

const struct cmd *const cmd_table[] = {
    &cmd_run, &cmd_wrap,  &cmd_env,    &cmd_plan, &cmd_probe,
    &cmd_map, &cmd_bench, &cmd_doctor, &cmd_help, NULL,
};

const struct cmd *cmd_find(const char *name)
{
    for (const struct cmd *const *cmd = cmd_table; *cmd != NULL; cmd++)
        if (strcmp((*cmd)->name, name) == 0)
            return *cmd;
    return NULL;
}

/* Letters to insert, delete or change to turn one word into the other; words beyond WORD_MAX
 * letters resemble nothing. */
static int distance(const char *from, const char *to)
{
    enum { WORD_MAX = 32 };
    int row[WORD_MAX + 1], rows = (int)strlen(from), columns = (int)strlen(to);

    if (rows > WORD_MAX || columns > WORD_MAX)
        return WORD_MAX;
    for (int j = 0; j <= columns; j++)
        row[j] = j;
    for (int i = 1; i <= rows; i++) {
        int diagonal = row[0];

        row[0] = i;
        for (int j = 1; j <= columns; j++) {
            int best = diagonal + (from[i - 1] != to[j - 1]);

            diagonal = row[j];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[columns];
}

static int verb_unknown(const char *word)
{
    const struct cmd *nearest = cmd_table[0];

    for (const struct cmd *const *cmd = cmd_table; *cmd != NULL; cmd++)
        if (distance(word, (*cmd)->name) < distance(word, nearest->name))
            nearest = *cmd;
    fprintf(stderr, "troupe: there is no verb %s; did you mean troupe %s? See troupe help\n", word,
            nearest->name);
    return CMD_USAGE;
}

bool cmd_self_path(char *path, int size)
{
    ssize_t length = readlink("/proc/self/exe", path, (size_t)size - 1);

    if (length < 0 || length == size - 1) {
        fprintf(stderr, "troupe: cannot read /proc/self/exe: %s; mount /proc\n", strerror(errno));
        return false;
    }
    path[length] = '\0';
    return true;
}

/* Becomes the program of an outside verb; returns only when it cannot. */
static int verb_become(const struct cmd *cmd, char **argv)
{
    static const char *const folders[] = { "", TROUPE_LIBEXEC "/" };
    char self[PATH_MAX];
    struct text path = { 0 };
    int failed = ENOENT;

    if (!cmd_self_path(self, sizeof self))
        return CMD_LAUNCHER_FAILED;
    strrchr(self, '/')[1] = '\0';
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        text_free(&path);
        text_append(&path, "%s%stroupe-%s", self, folders[i], cmd->name);
        if (path.broken)
            break;
        execv(path.data, argv);
        if (errno != ENOENT)
            failed = errno;
    }
    fprintf(stderr,
            "troupe %s: cannot run troupe-%s, which lies beside troupe or in " TROUPE_LIBEXEC
            " from there: %s; install Troupe whole\n",
            cmd->name, cmd->name, strerror(failed));
    text_free(&path);
    return failed == ENOENT ? CMD_NOT_FOUND : CMD_NOT_EXECUTABLE;
}

int cmd_dispatch(const struct cmd *cmd, int argc, char **argv)
{
    return cmd->run != NULL ? cmd->run(argc, argv) : verb_become(cmd, argv);
}

int main(int argc, char **argv)
{
    const struct cmd *cmd;

    if (argc < 2) {
        fprintf(stderr, "troupe: say what to do: troupe run -n 4 ./program; see troupe help\n");
        return CMD_USAGE;
    }
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
        printf("troupe %s\n", troupe_version());
        return CMD_OK;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
        return cmd_help.run(1, argv + 1);
    cmd = cmd_find(argv[1]);
    return cmd != NULL ? cmd_dispatch(cmd, argc - 1, argv + 1) : verb_unknown(argv[1]);
}
