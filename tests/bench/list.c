/* Lists of commands, for `troupe bench`: troupe map, GNU parallel and xargs at the same list, each
 * started as a user would start it, from the start of the program to its end.
 *
 *   troupe-bench-list MODE COUNT BYTES JOBS TROUPE
 *
 * The numbers 1 to COUNT are the inputs, one a line on standard input. Prints one number. Status
 * 77: the program that MODE names is not on this machine. */
#include <errno.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { STATUS_USAGE = 2, STATUS_ABSENT = 77, WORDS_MOST = 16, NAP_MS = 50 };

#define NAP "0.05" /* NAP_MS, as sleep reads it */

struct run {
    double seconds;
    long memory_kib; /* of the largest process */
};

struct request {
    long count;
    int jobs_number;
    const char *jobs;
    const char *troupe;
    const char *log; /* of a run, with its journal beside it */
};

static int complain(const char *what)
{
    fprintf(stderr, "troupe-bench-list: %s: %s\n", what, strerror(errno));
    return EXIT_FAILURE;
}

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* A file in memory with the numbers; -1 when there is none. */
static int list_make(long count)
{
    int list = memfd_create("list", MFD_CLOEXEC);
    FILE *file = list >= 0 ? fdopen(dup(list), "w") : NULL;
    bool is_whole = file != NULL;

    for (long i = 1; i <= count && is_whole; i++)
        is_whole = fprintf(file, "%ld\n", i) > 0;
    if (file != NULL && fclose(file) != 0)
        is_whole = false;
    if (is_whole && lseek(list, 0, SEEK_SET) == 0)
        return list;
    if (list >= 0)
        close(list);
    return -1;
}

/* Starts words with the list as standard input and no standard output. */
static int list_spawn(char *const *words, int list, pid_t *pid)
{
    posix_spawn_file_actions_t actions;
    int failed = posix_spawn_file_actions_init(&actions);

    if (failed != 0)
        return failed;
    failed = posix_spawn_file_actions_adddup2(&actions, list, STDIN_FILENO);
    if (failed == 0)
        failed = posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", 1, 0);
    if (failed == 0)
        failed = posix_spawnp(pid, words[0], &actions, NULL, words, environ);
    posix_spawn_file_actions_destroy(&actions);
    return failed;
}

/* Runs words over the list; EXIT_SUCCESS, or the status to end with. */
static int list_run(char *const *words, long count, struct run *run)
{
    int list = list_make(count), status, failed;
    struct rusage usage;
    double begin = now();
    pid_t pid;

    if (list < 0)
        return complain("no memory for the list");
    failed = list_spawn(words, list, &pid);
    close(list);
    if (failed == ENOENT) {
        fprintf(stderr, "troupe-bench-list: %s is not here; install it\n", words[0]);
        return STATUS_ABSENT;
    }
    errno = failed;
    if (failed != 0 || wait4(pid, &status, 0, &usage) != pid)
        return complain(words[0]);
    *run = (struct run){ .seconds = now() - begin, .memory_kib = usage.ru_maxrss };
    if (status == 0)
        return EXIT_SUCCESS;
    fprintf(stderr, "troupe-bench-list: %s did not end well: %#x\n", words[0], (unsigned)status);
    return EXIT_FAILURE;
}

static char *const command_true[] = { (char *)"true", NULL };
static char *const command_nap[] = { (char *)"sh", (char *)"-c", (char *)"exec sleep " NAP, NULL };
static char *const command_builtin[] = { (char *)":", NULL };

/* The words of one of the three programs, with the command behind them. */
static void words_make(const struct request *request, const char *program, char **command,
                       char **words)
{
    char *map[] = { (char *)request->troupe, (char *)"map", (char *)"-q", (char *)"-n",
                    (char *)request->jobs,   (char *)"--",  NULL };
    char *parallel[] = { (char *)"parallel", (char *)"-j", (char *)request->jobs, NULL };
    char *xargs[] = { (char *)"xargs", (char *)"-P", (char *)request->jobs,
                      (char *)"-n",    (char *)"1",  NULL };
    char **front = strcmp(program, "map") == 0        ? map
                   : strcmp(program, "parallel") == 0 ? parallel
                                                      : xargs;
    size_t count = 0;

    while (*front != NULL)
        words[count++] = *front++;
    /* The builtin shows what all but the command takes: its journal and job log belong to it. */
    if (command == (char **)command_builtin) {
        words[count - 1] = (char *)"--joblog";
        words[count++] = (char *)request->log;
        words[count++] = (char *)"--";
    }
    while (*command != NULL && count < WORDS_MOST - 1)
        words[count++] = *command++;
    words[count] = NULL;
}

/* Commands a second, the program's start and end included. */
static int rate_measure(const struct request *request, char *const *words, double *figure)
{
    struct run run;
    int status = list_run(words, request->count, &run);

    if (status == EXIT_SUCCESS)
        *figure = (double)request->count / run.seconds;
    return status;
}

/* What a further command that sleeps takes beyond its sleep: a list of one for each job is taken
 * off, and with it the program's start. */
static int overhead_measure(const struct request *request, char *const *words, double *figure)
{
    struct run first, whole;
    long more = request->count - request->jobs_number;
    int status = list_run(words, request->jobs_number, &first);

    if (status == EXIT_SUCCESS)
        status = list_run(words, request->count, &whole);
    if (status == EXIT_SUCCESS)
        *figure =
            (whole.seconds - first.seconds) * 1e3 * request->jobs_number / (double)more - NAP_MS;
    return status;
}

/* The largest process of the run, in MB. */
static int memory_measure(const struct request *request, char *const *words, double *figure)
{
    struct run run;
    int status = list_run(words, request->count, &run);

    if (status == EXIT_SUCCESS)
        *figure = (double)run.memory_kib * 1024 / 1e6;
    return status;
}

static const struct {
    const char *name, *program;
    char *const *command;
    int (*measure)(const struct request *request, char *const *words, double *figure);
} modes[] = {
    { "true.map", "map", command_true, rate_measure },
    { "true.parallel", "parallel", command_true, rate_measure },
    { "true.xargs", "xargs", command_true, rate_measure },
    { "nap.map", "map", command_nap, overhead_measure },
    { "nap.xargs", "xargs", command_nap, overhead_measure },
    { "builtin.map", "map", command_builtin, rate_measure },
    { "builtin.memory", "map", command_builtin, memory_measure },
};

/* Runs a mode with a folder for its files, which is removed after it. */
static int mode_run(size_t mode, struct request *request)
{
    static const char *const names[] = { "log", "log.journal" };
    char folder[] = "/tmp/troupe-bench-XXXXXX", *words[WORDS_MOST];
    char paths[sizeof names / sizeof *names][sizeof folder + sizeof "/log.journal"];
    double figure;
    int status;

    if (mkdtemp(folder) == NULL)
        return complain(folder);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        snprintf(paths[i], sizeof paths[i], "%s/%s", folder, names[i]);
    request->log = paths[0];
    words_make(request, modes[mode].program, (char **)modes[mode].command, words);
    status = modes[mode].measure(request, words, &figure);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unlink(paths[i]);
    rmdir(folder);
    if (status == EXIT_SUCCESS)
        printf("%.9g\n", figure);
    return status;
}

int main(int argc, char **argv)
{
    struct request request;

    if (argc != 6) {
        fprintf(stderr, "usage: troupe-bench-list MODE COUNT BYTES JOBS TROUPE\n");
        return STATUS_USAGE;
    }
    request = (struct request){ .count = strtol(argv[2], NULL, 10),
                                .jobs_number = (int)strtol(argv[4], NULL, 10),
                                .jobs = argv[4],
                                .troupe = argv[5] };
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
        if (strcmp(modes[i].name, argv[1]) == 0)
            return mode_run(i, &request);
    fprintf(stderr, "troupe-bench-list: there is no mode %s\n", argv[1]);
    return STATUS_USAGE;
}
