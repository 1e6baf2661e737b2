/* What the MPI floor promises, one case a run, on every rank of a plain mpirun.
 *
 *   fabric_test CASE [ARGUMENT]     the cases are the table at the end
 *
 * Here: entering and leaving MPI. The others are in segment_cases.c and frames_cases.c. */
#include "fabric_cases.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <mpi.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/text.h"
#include "troupe/troupe.h"

#define MIB ((size_t)1 << 20)

extern char **environ;

const char identity[FABRIC_IDENTITY_MAX] = "the same on all ranks";
struct fabric_place place;

void expect(bool held, const char *format, ...)
{
    char promise[256];
    va_list arguments;

    if (held)
        return;
    va_start(arguments, format);
    vsnprintf(promise, sizeof promise, format, arguments);
    va_end(arguments);
    fprintf(stderr, "rank %d: broken: %s (last error: %s)\n", place.rank, promise,
            troupe_last_error());
    _exit(1);
}

void expect_result(int result, int wanted, const char *call)
{
    expect(result == wanted, "%s returned %s, not %s", call, troupe_result_name(result),
           troupe_result_name(wanted));
}

void expect_sentence(const char *part)
{
    expect(strstr(troupe_last_error(), part) != NULL, "the sentence says \"%s\"", part);
}

void world_start(void)
{
    fabric_settings_apply();
    expect_result(fabric_start(identity, sizeof identity, &place), TROUPE_OK, "fabric_start");
}

int nodes_wanted(void)
{
    long nodes = 1;

    text_to_long(getenv("TROUPE_SIMULATED_NODES"), 1, 1000, &nodes);
    return (int)nodes;
}

static int own_rank(void)
{
    long rank = -1;

    text_to_long(getenv("OMPI_COMM_WORLD_RANK"), 0, 1000000, &rank);
    return (int)rank;
}

static void case_identity(const char *differing)
{
    char part[32], mine[] = "the same";
    long odd = -1;

    expect(text_to_long(differing, 1, 1000000, &odd), "a rank");
    mine[0] = own_rank() >= odd ? 'T' : 't'; /* the first that differs is named */
    fabric_settings_apply();
    expect_result(fabric_start(mine, sizeof mine, &place), TROUPE_MISMATCH, "fabric_start");
    snprintf(part, sizeof part, "rank %ld on ", odd);
    expect_sentence(part);
    fabric_stop(true);
}

/* One rank's program initialised MPI too low, and all ranks say so. */
static void case_level(const char *unused)
{
    int level, finalized = 1;

    (void)unused;
    MPI_Init_thread(NULL, NULL, own_rank() == 1 ? MPI_THREAD_FUNNELED : MPI_THREAD_MULTIPLE,
                    &level);
    fabric_settings_apply();
    expect_result(fabric_start(identity, sizeof identity, &place), TROUPE_LAUNCH, "fabric_start");
    expect_sentence("MPI_THREAD_FUNNELED");
    expect_sentence("MPI_Init_thread(&argc, &argv, MPI_THREAD_MULTIPLE, &provided)");
    fabric_stop(true);
    MPI_Finalized(&finalized);
    expect(!finalized, "the program's MPI is left to the program");
    MPI_Finalize();
}

static void case_attached(const char *unused)
{
    struct fabric_segment segment;
    MPI_Errhandler before, after;
    int level, ranks[64], finalized = 1;

    (void)unused;
    MPI_Init_thread(NULL, NULL, MPI_THREAD_MULTIPLE, &level);
    MPI_Comm_get_errhandler(MPI_COMM_WORLD, &before);
    world_start();
    expect(getenv("OMPI_MCA_osc") == NULL, "settings that come too late are not made");
    MPI_Comm_get_errhandler(MPI_COMM_WORLD, &after);
    expect(before == after, "MPI_COMM_WORLD keeps its error handler");
    expect_result(fabric_segment_create(MIB, &segment), TROUPE_OK, "fabric_segment_create");
    expect(place.size <= (int)(sizeof ranks / sizeof *ranks), "few ranks");
    expect_result(fabric_allgather(&place.rank, sizeof place.rank, ranks), TROUPE_OK,
                  "fabric_allgather");
    for (int i = 0; i < place.size; i++)
        expect(ranks[i] == i, "gathered in rank order");
    expect_result(fabric_start(identity, sizeof identity, &place), TROUPE_ALREADY,
                  "a second start");
    fabric_stop(true);
    MPI_Finalized(&finalized);
    expect(!finalized, "the program's MPI is left to the program");
    MPI_Finalize();
    expect_result(fabric_start(identity, sizeof identity, &place), TROUPE_LAUNCH,
                  "a start after MPI_Finalize");
}

/* The environment asks for nodes that cannot be. */
static void case_bad_nodes(const char *unused)
{
    (void)unused;
    fabric_settings_apply();
    expect_result(fabric_start(identity, sizeof identity, &place), TROUPE_LAUNCH, "fabric_start");
    expect_sentence("TROUPE_SIMULATED_NODES=");
    fabric_stop(true);
}

static void case_settings(const char *unused)
{
    (void)unused;
    setenv("OMPI_MCA_osc", "sm,ucx", 1);
    unsetenv("OMPI_MCA_shmem");
    fabric_settings_apply();
    expect(strcmp(getenv("OMPI_MCA_osc"), "sm,ucx") == 0, "what the user set stands");
    expect(strcmp(getenv("OMPI_MCA_shmem"), "sysv") == 0, "what he did not is set");
    world_start();
    fabric_stop(true);
}

/* A write to nobody is an error, not the end; programs started from here have the default again. */
static void case_broken_pipe(const char *unused)
{
    char name[] = "sh", option[] = "-c", script[] = "kill -PIPE $$";
    char *const shell[] = { name, option, script, NULL };
    int ends[2], status;
    pid_t child;

    (void)unused;
    world_start();
    expect(pipe(ends) == 0 && close(ends[0]) == 0, "a pipe nobody reads");
    expect(write(ends[1], "", 1) == -1 && errno == EPIPE, "EPIPE");
    expect(posix_spawnp(&child, "sh", NULL, NULL, shell, environ) == 0, "a shell");
    expect(waitpid(child, &status, 0) == child && WIFSIGNALED(status) &&
               WTERMSIG(status) == SIGPIPE,
           "SIGPIPE ends the programs that a rank starts");
    fabric_stop(true);
}

static void handler_of_the_program(int number)
{
    (void)number;
}

static void case_own_handler(const char *unused)
{
    struct sigaction action = { .sa_handler = handler_of_the_program };

    (void)unused;
    sigaction(SIGPIPE, &action, NULL);
    world_start();
    sigaction(SIGPIPE, NULL, &action);
    expect(action.sa_handler == handler_of_the_program, "the program's handler stands");
    fabric_stop(true);
}

/* Waits until no rank is in a collective any more: whoever left while another was would be a death
 * in the middle of it. */
static void collectives_leave(void)
{
    int mine = place.rank == 0 ? shmget(IPC_PRIVATE, sizeof(int), IPC_CREAT | 0600) : -1;
    int *all = calloc((size_t)place.size, sizeof *all);
    _Atomic int *out;

    expect(all != NULL, "memory");
    expect_result(fabric_allgather(&mine, sizeof mine, all), TROUPE_OK, "fabric_allgather");
    out = shmat(all[0], NULL, 0);
    expect(out != (void *)-1, "a segment to count in");
    for (atomic_fetch_add(out, 1); atomic_load(out) < place.size;)
        sched_yield();
    shmctl(all[0], IPC_RMID, NULL);
    free(all);
}

/* After a loss nothing waits: each rank leaves by itself, also while others go on. */
static void case_unclean(const char *unused)
{
    static const char told[] = "left with its memory still mapped\n";
    struct fabric_segment segment;

    (void)unused;
    world_start();
    expect_result(fabric_segment_create(MIB, &segment), TROUPE_OK, "fabric_segment_create");
    collectives_leave();
    fabric_stop(false);
    segment.base[0] = 1; /* a fault here would end the rank before it says so */
    expect(write(STDOUT_FILENO, told, strlen(told)) > 0, "a line");
    _exit(0);
}

/* ---- a container that forbids cross-memory attach ---------------------------------------- */

#define BULK_BYTES ((size_t)4 << 20)

static void filter_install(void)
{
    struct sock_filter refuse[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_process_vm_readv, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_process_vm_writev, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = { sizeof refuse / sizeof *refuse, refuse };

    expect(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
               prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0,
           "a seccomp filter");
}

/* A large MPI message of the program's own passes without Open MPI's complaint. */
static void case_container(const char *unused)
{
    unsigned char *bulk = malloc(BULK_BYTES);
    unsigned char content = 7;

    (void)unused;
    expect(bulk != NULL, "memory");
    filter_install();
    world_start();
    memset(bulk, place.rank == 0 ? content : 0, BULK_BYTES);
    if (place.rank == 0)
        MPI_Send(bulk, (int)BULK_BYTES, MPI_BYTE, 1, 0, MPI_COMM_WORLD);
    else
        MPI_Recv(bulk, (int)BULK_BYTES, MPI_BYTE, 0, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    for (size_t i = 0; i < BULK_BYTES; i++)
        expect(bulk[i] == content, "byte %zu arrives", i);
    free(bulk);
    fabric_stop(true);
}

static const struct {
    const char *name;
    void (*run)(const char *argument);
} cases[] = {
    { "segment", case_segment },         { "false_window", case_false_window },
    { "too_large", case_too_large },     { "all_memory", case_all_memory },
    { "bad_address", case_bad_address }, { "killed", case_killed },
    { "frames", case_frames },           { "unread", case_unread },
    { "identity", case_identity },       { "level", case_level },
    { "attached", case_attached },       { "bad_nodes", case_bad_nodes },
    { "settings", case_settings },       { "broken_pipe", case_broken_pipe },
    { "own_handler", case_own_handler }, { "unclean", case_unclean },
    { "dead_peer", case_dead_peer },     { "container", case_container },
};

int main(int argc, char **argv)
{
    for (size_t i = 0; argc > 1 && i < sizeof cases / sizeof *cases; i++) {
        if (strcmp(cases[i].name, argv[1]) == 0) {
            cases[i].run(argc > 2 ? argv[2] : NULL);
            return 0;
        }
    }
    fprintf(stderr, "usage: fabric_test CASE [ARGUMENT]\n");
    return 2;
}
