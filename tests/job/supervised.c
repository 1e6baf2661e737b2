/* A program that a supervisor supervises, on the job floor alone: rank 0 attaches as the parent,
 * the others as ranks. No MPI. Each mode plays one part of what run.bats and self.bats look at. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/text.h"
#include "job/place.h"
#include "job/ranks.h"
#include "job/self.h"
#include "job/stdio.h"
#include "troupe/troupe.h"

static struct job_place place;

static void give_up(const char *what)
{
    fprintf(stderr, "supervised: %s: %s\n", what, strerror(errno));
    exit(99);
}

/* ---- lines that tell whether they are whole ------------------------------------------------ */

enum { LONGEST = 200000 };

static unsigned checksum(const char *bytes, size_t size)
{
    unsigned sum = 2166136261u;

    for (size_t i = 0; i < size; i++)
        sum = (sum ^ (unsigned char)bytes[i]) * 16777619u;
    return sum;
}

static void write_in_pieces(const char *bytes, size_t size, unsigned *random)
{
    while (size > 0) {
        size_t piece = (size_t)rand_r(random) % (2 * size) + 1;
        ssize_t written = write(STDOUT_FILENO, bytes, piece < size ? piece : size);

        if (written < 0)
            give_up("write");
        bytes += written;
        size -= (size_t)written;
    }
}

/* Lines of any length, most short, some longer than any buffer: rank, number, checksum, payload.
 * The payload holds every byte but newline. */
static int write_lines(int count)
{
    unsigned random = (unsigned)place.rank + 1;
    char *line = malloc(LONGEST + 64);

    for (int i = 0; i < count && line != NULL; i++) {
        size_t most = rand_r(&random) % 10 == 0 ? LONGEST : 80;
        size_t size = (size_t)rand_r(&random) % most;
        char *payload = line + 40;
        int head;

        for (size_t j = 0; j < size; j++)
            payload[j] = (char)(rand_r(&random) % 245 + 11);
        head = snprintf(line, 40, "%d %d %08x ", place.rank, i, checksum(payload, size));
        memmove(line + head, payload, size);
        line[(size_t)head + size] = '\n';
        write_in_pieces(line, (size_t)head + size + 1, &random);
    }
    free(line);
    return 0;
}

/* Reads such lines and counts what is wrong: each is whole, each rank's are in order, all there. */
static int check_lines(int ranks, int count)
{
    int *next = calloc((size_t)ranks, sizeof *next);
    char *line = NULL;
    size_t capacity = 0;
    ssize_t size;
    int bad = 0;

    while ((size = getline(&line, &capacity, stdin)) > 0) {
        int rank, number, head = 0;
        unsigned sum;

        if (line[size - 1] != '\n' ||
            sscanf(line, "%d %d %8x%n", &rank, &number, &sum, &head) != 3 || rank < 0 ||
            rank >= ranks || number != next[rank] ||
            sum != checksum(line + head + 1, (size_t)(size - head - 2)))
            bad++;
        else
            next[rank]++;
    }
    for (int rank = 0; rank < ranks; rank++)
        bad += next[rank] != count;
    printf("%d bad\n", bad);
    free(line);
    free(next);
    return bad != 0;
}

/* ---- order --------------------------------------------------------------------------------- */

static char token_read(const char *path)
{
    int pipe = open(path, O_RDONLY);
    char token = 0;

    if (pipe < 0 || read(pipe, &token, 1) != 1)
        give_up(path);
    close(pipe);
    return token;
}

static void token_write(const char *path)
{
    int pipe = open(path, O_WRONLY);

    if (pipe < 0 || write(pipe, "t", 1) != 1)
        give_up(path);
    close(pipe);
}

/* The parent and rank 1 take turns through two FIFOs; each prints, syncs, and passes the token. */
static int take_turns(int turns, const char *to_rank, const char *to_parent)
{
    if (place.rank > 1)
        return 0;
    for (int turn = 0; turn < turns; turn++) {
        if (place.rank == 1 || turn > 0)
            token_read(place.rank == 1 ? to_rank : to_parent);
        printf("%d %s\n", turn, place.rank == 0 ? "parent" : "rank");
        if (turn % 2 == 0 && write(STDOUT_FILENO, "raw\n", 4) != 4)
            give_up("write");
        job_stdio_sync();
        token_write(place.rank == 1 ? to_parent : to_rank);
    }
    if (place.rank == 0)
        token_read(to_parent);
    return 0;
}

/* ---- ends ---------------------------------------------------------------------------------- */

static volatile sig_atomic_t caught;

static void catch (int signal_number)
{
    caught = signal_number;
}

/* Waits for a signal; a handled one becomes the status 40 + signal. */
static int wait_for_signal(int handled)
{
    sigset_t none;

    if (place.rank != 0)
        return 0;
    sigprocmask(SIG_BLOCK, NULL, &none);
    if (handled) {
        const int all[] = { SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2 };
        sigset_t block;

        sigemptyset(&block);
        for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
            sigaction(all[i], &(struct sigaction){ .sa_handler = catch }, NULL);
            sigaddset(&block, all[i]);
        }
        sigprocmask(SIG_BLOCK, &block, NULL);
    }
    printf("ready\n");
    while (caught == 0)
        sigsuspend(&none);
    return 40 + caught;
}

static _Noreturn void stay(void)
{
    for (;;)
        pause();
}

/* Leaves what is hard to clean: a child in a session of its own that ignores what can be ignored,
 * and a segment. Prints the process ids and the segment, then stays. */
static int leave_things(void)
{
    int segment = shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600);
    pid_t child = fork();

    signal(SIGTERM, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    if (child == 0) {
        setsid();
        stay();
    }
    printf("pid %d\npid %d\nsegment %d\n", (int)getpid(), (int)child, segment);
    job_stdio_sync();
    printf("launcher %d\n", (int)getppid());
    stay();
}

static int linger(void)
{
    if (place.rank == 0)
        return 0;
    signal(SIGTERM, SIG_IGN);
    stay();
}

static int say_and_die(void)
{
    if (place.rank != 0)
        return 0;
    printf("last words");
    fflush(stdout);
    raise(SIGKILL);
    return 0;
}

/* A forked child has pipes of its own at once: what it says before a sync comes in order, and the
 * last words of one that is killed come. */
static int have_children(int count)
{
    for (int i = 0; i < count; i++) {
        pid_t child;

        printf("%d parent\n", i);
        job_stdio_sync();
        child = fork();
        if (child < 0 || (child == 0 && job_stdio_follow(0) != TROUPE_OK))
            give_up("fork");
        if (child == 0) {
            printf("%d child\n", i);
            fprintf(stderr, "%d aside\n", i);
            job_stdio_sync();
            printf("last words %d\n", i);
            fflush(stdout);
            raise(SIGKILL);
        }
        waitpid(child, NULL, 0);
    }
    return 0;
}

/* A prompt without a newline; the answer's first byte becomes the status. */
static int prompt(void)
{
    int answer;

    if (place.rank != 0)
        return 0;
    printf("number? ");
    fflush(stdout);
    answer = getchar();
    printf("got %c\n", answer);
    return answer - '0';
}

/* ---- main ---------------------------------------------------------------------------------- */

static int number(const char *text)
{
    long value = 0;

    return text_to_long(text, 0, INT_MAX, &value) ? (int)value : 0;
}

static int play(char **argv)
{
    const char *mode = argv[1];

    if (strcmp(mode, "lines") == 0)
        return write_lines(number(argv[2]));
    if (strcmp(mode, "turns") == 0)
        return take_turns(number(argv[2]), argv[3], argv[4]);
    if (strcmp(mode, "status") == 0)
        return place.rank == 0 ? number(argv[2]) : 0;
    if (strcmp(mode, "handled") == 0)
        return wait_for_signal(1);
    if (strcmp(mode, "default") == 0)
        return wait_for_signal(0);
    if (strcmp(mode, "leave") == 0)
        return leave_things();
    if (strcmp(mode, "linger") == 0)
        return linger();
    if (strcmp(mode, "die") == 0)
        return say_and_die();
    if (strcmp(mode, "prompt") == 0)
        return prompt();
    if (strcmp(mode, "children") == 0)
        return place.rank == 0 ? have_children(number(argv[2])) : 0;
    errno = EINVAL;
    give_up(mode);
    return 99;
}

static int start_itself(char **argv)
{
    struct job_run run = { .command = argv };
    int status = 99;

    if (job_ranks_default(&run.ranks) != TROUPE_OK || job_self_start(&run, &status) != TROUPE_OK)
        fprintf(stderr, "supervised: %s\n", troupe_last_error());
    return status;
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return 99;
    if (strcmp(argv[1], "check") == 0)
        return check_lines(number(argv[2]), number(argv[3]));
    if (job_place_detect(&place) != TROUPE_OK)
        give_up(troupe_last_error());
    if (!place.is_rank)
        return start_itself(argv);
    if (job_stdio_attach(place.rank == 0 ? JOB_ROLE_PARENT : JOB_ROLE_RANK, place.rank) !=
        TROUPE_OK)
        give_up(troupe_last_error());
    return play(argv);
}
