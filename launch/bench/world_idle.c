/* What an idle world costs, as the kernel counts it: processor time and memory of every rank and
 * keeper on this host, the parent included. The launcher and what supervises it are not counted. */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>

enum {
    /* What the start and the last process left to do is done by then: waiters spin for less. */
    SETTLE_MS = 500,
    MILLISECONDS = 1000,
    NANOSECONDS_A_MS = 1000000
};

/* The ranks and their keepers. */
struct crew {
    pid_t *pids;
    size_t count;
};

static int nothing(const void *argument, size_t bytes)
{
    (void)argument;
    (void)bytes;
    return 0;
}

static void pause_for(long milliseconds)
{
    struct timespec left = { milliseconds / MILLISECONDS,
                             milliseconds % MILLISECONDS * NANOSECONDS_A_MS };

    while (nanosleep(&left, &left) != 0)
        ;
}

/* Opens /proc/PID/NAME; NULL after one line. */
static FILE *process_file(pid_t pid, const char *name)
{
    char path[64];
    FILE *file;

    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
    file = fopen(path, "re");
    if (file == NULL)
        perror(path);
    return file;
}

/* The number behind a word that begins a line of /proc/PID/NAME. */
static int process_number(pid_t pid, const char *name, const char *word, long *number)
{
    FILE *file = process_file(pid, name);
    char line[256];
    bool found = false;

    if (file == NULL)
        return TROUPE_SYSTEM;
    while (!found && fgets(line, sizeof line, file) != NULL)
        found = strncmp(line, word, strlen(word)) == 0 &&
                sscanf(line + strlen(word), "%ld", number) == 1;
    fclose(file);
    if (!found)
        fprintf(stderr, "/proc/%d/%s has no line %s\n", (int)pid, name, word);
    return found ? TROUPE_OK : TROUPE_SYSTEM;
}

/* The pids of a rank and of its keeper, which is its parent. */
static int pair_find(int rank, pid_t pids[2])
{
    troupe_process_status status;
    troupe_process process;
    long keeper;
    int result = world_start_on(rank, nothing, NULL, 0, &process);

    if (result == TROUPE_OK)
        result = troupe_process_join(process, TROUPE_FOREVER);
    if (result == TROUPE_OK)
        result = troupe_process_status_get(process, &status);
    if (result == TROUPE_OK)
        result = world_end(process);
    if (result == TROUPE_OK)
        result = process_number(status.pid, "status", "PPid:", &keeper);
    if (result != TROUPE_OK)
        return result;
    pids[0] = status.pid;
    pids[1] = (pid_t)keeper;
    return TROUPE_OK;
}

static int crew_find(struct crew *crew)
{
    int ranks = troupe_world_size(), result = TROUPE_OK;

    crew->count = 2 * (size_t)ranks;
    crew->pids = calloc(crew->count, sizeof *crew->pids);
    if (crew->pids == NULL)
        return TROUPE_NO_MEMORY;
    for (int rank = 0; rank < ranks && result == TROUPE_OK; rank++)
        result = pair_find(rank, &crew->pids[2 * rank]);
    if (result != TROUPE_OK) {
        free(crew->pids);
        crew->pids = NULL;
    }
    return result;
}

/* Nanoseconds that all their threads have run so far. */
static int crew_ran(const struct crew *crew, int64_t *nanoseconds)
{
    int64_t sum = 0;

    for (size_t i = 0; i < crew->count; i++) {
        struct timespec ran;
        clockid_t clock;

        if (clock_getcpuclockid(crew->pids[i], &clock) != 0 || clock_gettime(clock, &ran) != 0) {
            fprintf(stderr, "process %d has no clock; did it end?\n", (int)crew->pids[i]);
            return TROUPE_SYSTEM;
        }
        sum += (int64_t)ran.tv_sec * MILLISECONDS * NANOSECONDS_A_MS + ran.tv_nsec;
    }
    *nanoseconds = sum;
    return TROUPE_OK;
}

/* Per cent of a core that a rank and its keeper use, over so many milliseconds. */
static int crew_watch(const struct crew *crew, long milliseconds, double *value)
{
    int64_t before, after, begin, lasted;
    int result;

    pause_for(SETTLE_MS);
    begin = world_now();
    result = crew_ran(crew, &before);
    pause_for(milliseconds);
    lasted = world_now() - begin;
    if (result == TROUPE_OK)
        result = crew_ran(crew, &after);
    if (result == TROUPE_OK)
        *value = 100.0 * (double)(after - before) / (double)lasted / troupe_world_size();
    return result;
}

int world_idle_cpu(const struct world_task *task, double *value)
{
    struct crew crew;
    int result = crew_find(&crew);

    if (result != TROUPE_OK)
        return result;
    result = crew_watch(&crew, task->count, value);
    free(crew.pids);
    return result;
}

/* Ends when the queue is closed. */
static int blocked(const void *argument, size_t bytes)
{
    char message[8];

    (void)bytes;
    return troupe_queue_get(*(const troupe_queue *)argument, message, sizeof message, NULL,
                            TROUPE_FOREVER) == TROUPE_CLOSED
               ? EXIT_SUCCESS
               : EXIT_FAILURE;
}

static int blocked_start(troupe_queue queue, troupe_process *processes, int *started)
{
    int result = TROUPE_OK;

    for (*started = 0; *started < troupe_world_size() && result == TROUPE_OK;
         *started += result == TROUPE_OK)
        result = world_start_on(*started, blocked, &queue, sizeof queue, &processes[*started]);
    return result;
}

int world_queue_idle(const struct world_task *task, double *value)
{
    troupe_process *processes = calloc((size_t)troupe_world_size(), sizeof *processes);
    int result = processes != NULL ? TROUPE_OK : TROUPE_NO_MEMORY, started = 0;
    struct crew crew = { NULL, 0 };
    troupe_queue queue;

    if (result == TROUPE_OK)
        result = crew_find(&crew);
    if (result == TROUPE_OK)
        result = troupe_queue_create(NULL, &queue);
    if (result == TROUPE_OK) {
        result = blocked_start(queue, processes, &started);
        if (result == TROUPE_OK)
            result = crew_watch(&crew, task->count, value);
        troupe_queue_close(queue);
    }
    for (int i = 0; i < started; i++) {
        int ended = world_end(processes[i]);

        result = result != TROUPE_OK ? result : ended;
    }
    free(crew.pids);
    free(processes);
    return result;
}

int world_memory(const struct world_task *task, double *value)
{
    struct crew crew;
    long kib, sum = 0;
    int result = crew_find(&crew);

    (void)task;
    if (result != TROUPE_OK)
        return result;
    for (size_t i = 0; i < crew.count && result == TROUPE_OK; i++) {
        result = process_number(crew.pids[i], "smaps_rollup", "Pss:", &kib);
        sum += result == TROUPE_OK ? kib : 0;
    }
    free(crew.pids);
    if (result == TROUPE_OK)
        *value = (double)sum / 1024.0 / troupe_world_size();
    return result;
}
