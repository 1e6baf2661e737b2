/* The raw-MPI side of the benches: single-threaded, MPI_THREAD_SINGLE, nothing of Troupe's. Prints
 * one number on rank 0:
 *
 *   troupe-bench-mpi MODE COUNT BYTES
 *
 * Without a mode it is the empty program; `version` tells which MPI this is and starts none. */
#include <mpi.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STATUS_USAGE = 2, WARM_UP_PART = 10, TAG = 1, PAIRS = 2 };

struct task {
    long count;
    int bytes;
    int rank, ranks;
    char *message;
};

static void send_one(const struct task *task, int to)
{
    MPI_Send(task->message, task->bytes, MPI_BYTE, to, TAG, MPI_COMM_WORLD);
}

static void receive_one(const struct task *task, int from)
{
    MPI_Recv(task->message, task->bytes, MPI_BYTE, from, TAG, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
}

/* Messages a second from rank 0 to rank 1. The last one is answered, which ends the time at the
 * sender when all have been received. */
static double stream(const struct task *task)
{
    double begin = MPI_Wtime();

    for (long i = 0; i < task->count; i++)
        if (task->rank == 0)
            send_one(task, 1);
        else
            receive_one(task, 0);
    if (task->rank == 0)
        receive_one(task, 1);
    else
        send_one(task, 0);
    return (double)task->count / (MPI_Wtime() - begin);
}

/* The same in GB/s. */
static double bandwidth(const struct task *task)
{
    return stream(task) * task->bytes / 1e9;
}

/* Messages a second of two pairs of ranks at once, in sum: each of the first two sends, and each of
 * the next two receives. */
static double pairs(const struct task *task)
{
    bool sends = task->rank < PAIRS;
    int other = sends ? task->rank + PAIRS : task->rank - PAIRS;
    double begin, mine, slowest = 0;

    MPI_Barrier(MPI_COMM_WORLD);
    begin = MPI_Wtime();
    for (long i = 0; i < task->count && task->rank < 2 * PAIRS; i++)
        if (sends)
            send_one(task, other);
        else
            receive_one(task, other);
    mine = MPI_Wtime() - begin;
    MPI_Allreduce(&mine, &slowest, 1, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
    return PAIRS * (double)task->count / slowest;
}

static void trips(const struct task *task, long count)
{
    for (long i = 0; i < count; i++)
        if (task->rank == 0) {
            send_one(task, 1);
            receive_one(task, 1);
        } else {
            receive_one(task, 0);
            send_one(task, 0);
        }
}

/* Microseconds of a round trip. */
static double rtt(const struct task *task)
{
    double begin;

    trips(task, task->count / WARM_UP_PART);
    begin = MPI_Wtime();
    trips(task, task->count);
    return (MPI_Wtime() - begin) * 1e6 / (double)task->count;
}

/* Microseconds of two of them. */
static double rtt_two(const struct task *task)
{
    return 2 * rtt(task);
}

/* This process's share of memory in KiB; 0 when the kernel does not tell. */
static long memory_kib(void)
{
    FILE *file = fopen("/proc/self/smaps_rollup", "re");
    char line[256];
    long kib = 0;

    if (file == NULL)
        return 0;
    while (kib == 0 && fgets(line, sizeof line, file) != NULL)
        if (sscanf(line, "Pss: %ld", &kib) != 1)
            kib = 0;
    fclose(file);
    return kib;
}

/* MB of memory a rank, all of them being there. */
static double memory(const struct task *task)
{
    long mine, sum = 0;

    MPI_Barrier(MPI_COMM_WORLD);
    mine = memory_kib();
    MPI_Allreduce(&mine, &sum, 1, MPI_LONG, MPI_SUM, MPI_COMM_WORLD);
    return (double)sum / 1024.0 / task->ranks;
}

static const struct {
    const char *name;
    double (*measure)(const struct task *task);
    int ranks; /* at least */
} modes[] = {
    { "stream", stream, 2 }, { "bandwidth", bandwidth, 2 }, { "pairs", pairs, 2 * PAIRS },
    { "rtt", rtt, 2 },       { "rtt.two", rtt_two, 2 },     { "memory", memory, 1 },
};

static bool measure(const char *mode, struct task *task)
{
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
        if (strcmp(modes[i].name, mode) == 0 && task->ranks >= modes[i].ranks) {
            double value = modes[i].measure(task);

            if (task->rank == 0)
                printf("%.9g\n", value);
            return true;
        }
    return false;
}

/* Whether the words are MODE COUNT BYTES and were measured. */
static bool serve(int argc, char **argv)
{
    enum { WORDS = 4 };
    struct task task;
    bool served;

    if (argc != WORDS)
        return false;
    task.count = strtol(argv[2], NULL, 10);
    task.bytes = (int)strtol(argv[3], NULL, 10);
    if (task.count < 1 || task.bytes < 0)
        return false;
    task.message = calloc(1, (size_t)task.bytes + 1);
    if (task.message == NULL)
        return false;
    MPI_Comm_rank(MPI_COMM_WORLD, &task.rank);
    MPI_Comm_size(MPI_COMM_WORLD, &task.ranks);
    served = measure(argv[1], &task);
    free(task.message);
    return served;
}

static void version_print(void)
{
    char version[MPI_MAX_LIBRARY_VERSION_STRING];
    int length;

    MPI_Get_library_version(version, &length);
    printf("%.*s\n", (int)strcspn(version, ",\n"), version);
}

int main(int argc, char **argv)
{
    bool served;

    if (argc == 2 && strcmp(argv[1], "version") == 0) {
        version_print();
        return EXIT_SUCCESS;
    }
    MPI_Init(&argc, &argv);
    served = argc == 1 || serve(argc, argv);
    MPI_Finalize();
    if (!served)
        fprintf(stderr, "usage: troupe-bench-mpi [MODE COUNT BYTES], with 2 ranks or more\n");
    return served ? EXIT_SUCCESS : STATUS_USAGE;
}
