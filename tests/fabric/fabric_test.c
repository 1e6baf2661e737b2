/* What the MPI floor promises, one case a run, on every rank of a plain mpirun.
 *
 *   fabric_test CASE [ARGUMENT]     the cases are the table at the end
 *
 * A rank that finds a promise broken says which and leaves with status 1, which ends the job. */
#include <errno.h>
#include <fcntl.h>
#include <mpi.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/text.h"
#include "fabric/fabric.h"
#include "troupe/troupe.h"

#define MIB ((size_t)1 << 20)
#define SEGMENT_BYTES (256 * MIB)
/* The proof's page and MPI's own in front of it, each of them perhaps a huge page. */
#define COMMITTED_MOST (4 * MIB)
#define UNREAD_FRAMES 100

extern char **environ;

static const char identity[] = "the same on all ranks";
static struct fabric_place place;

static void expect(bool held, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void expect(bool held, const char *format, ...)
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

static void expect_result(int result, int wanted, const char *call)
{
    expect(result == wanted, "%s returned %s, not %s", call, troupe_result_name(result),
           troupe_result_name(wanted));
}

static void expect_sentence(const char *part)
{
    expect(strstr(troupe_last_error(), part) != NULL, "the sentence says \"%s\"", part);
}

static void world_start(void)
{
    fabric_settings_apply();
    expect_result(fabric_start(identity, sizeof identity, &place), TROUPE_OK, "fabric_start");
}

static int nodes_wanted(void)
{
    long nodes = 1;

    text_to_long(getenv("TROUPE_SIMULATED_NODES"), 1, 1000, &nodes);
    return (int)nodes;
}

/* ---- the segment ------------------------------------------------------------------------ */

/* A process that has no MPI, made before MPI starts: it is told the address, adds one to the word
 * there, and says by its status whether it found what the rank had written. */
struct outsider {
    pid_t pid;
    int address; /* the writing end of its pipe */
};

#define OUTSIDER_FINDS 41u

static void outsider_run(int address_pipe)
{
    struct fabric_segment segment;
    char address[FABRIC_ADDRESS_SIZE] = "";
    ssize_t size = read(address_pipe, address, sizeof address - 1);
    unsigned found;

    if (size <= 0 || fabric_segment_attach(address, &segment) != TROUPE_OK) {
        fprintf(stderr, "outsider: \"%s\": %s\n", address, troupe_last_error());
        _exit(1);
    }
    found = atomic_fetch_add((_Atomic unsigned *)(void *)(segment.base + segment.bytes) - 1, 1);
    fabric_segment_detach(&segment);
    _exit(found == OUTSIDER_FINDS && segment.base == NULL ? 0 : 1);
}

static struct outsider outsider_make(void)
{
    struct outsider outsider;
    int ends[2];

    expect(pipe(ends) == 0, "a pipe");
    outsider.pid = fork();
    expect(outsider.pid >= 0, "a fork");
    if (outsider.pid == 0) {
        close(ends[1]);
        outsider_run(ends[0]);
    }
    close(ends[0]);
    outsider.address = ends[1];
    return outsider;
}

/* The leader's child works on the node's last word, so the far end is mapped too. */
static void outsider_check(struct outsider outsider, const struct fabric_segment *segment)
{
    _Atomic unsigned *word = (_Atomic unsigned *)(void *)(segment->base + segment->bytes) - 1;
    int status;

    if (place.local_rank == 0) {
        atomic_store(word, OUTSIDER_FINDS);
        expect(write(outsider.address, segment->address, strlen(segment->address)) > 0, "a write");
    }
    close(outsider.address);
    expect(waitpid(outsider.pid, &status, 0) == outsider.pid, "waitpid");
    expect(place.local_rank != 0 || status == 0, "a process without MPI attaches");
    expect_result(fabric_barrier(), TROUPE_OK, "fabric_barrier");
    expect(atomic_load(word) == OUTSIDER_FINDS + 1, "all see what it wrote");
}

/* The kernel's row for a segment: who made it and what is committed. */
static bool segment_row(const struct fabric_segment *segment, long *maker, unsigned long *committed)
{
    FILE *table = fopen("/proc/sysvipc/shm", "re");
    int wanted = -1, id;
    bool found = false;
    char line[512];

    sscanf(segment->address, "sysv:%d", &wanted);
    while (!found && table != NULL && fgets(line, sizeof line, table) != NULL)
        found = sscanf(line, "%*s %d %*s %*s %ld %*s %*s %*s %*s %*s %*s %*s %*s %*s %lu", &id,
                       maker, committed) == 3 &&
                id == wanted;
    if (table != NULL)
        fclose(table);
    return found;
}

/* Each rank writes its number at its place; its node's ranks see exactly those. */
static void sharing_check(const struct fabric_segment *segment)
{
    _Atomic int *slots = (_Atomic int *)(void *)segment->base;

    atomic_store(&slots[place.local_rank], place.rank + 1);
    expect_result(fabric_barrier(), TROUPE_OK, "fabric_barrier");
    for (int i = 0; i < place.local_size; i++)
        expect(atomic_load(&slots[i]) == place.rank - place.local_rank + i + 1,
               "rank %d of the node is seen", i);
    for (int i = place.local_size; i < place.size; i++)
        expect(atomic_load(&slots[i]) == 0, "other nodes are not seen");
}

static void backing_check(const struct fabric_segment *segment, const char *backing)
{
    size_t offset = 0;

    expect(sscanf(segment->address, "sysv:%*d:%zu", &offset) == 1, "the address is well formed");
    expect((offset > 0) == (strcmp(backing, "window") == 0), "the memory is the %s (%s)", backing,
           segment->address);
}

static void segment_check(struct outsider outsider, const char *backing)
{
    struct fabric_segment segment, second;
    unsigned long committed = 0;
    long maker = 0;

    expect(place.nodes == nodes_wanted(), "%d nodes", nodes_wanted());
    /* Only the leader's size counts. */
    expect_result(fabric_segment_create(place.local_rank == 0 ? SEGMENT_BYTES - 1 : 1, &segment),
                  TROUPE_OK, "fabric_segment_create");
    expect(segment.bytes == SEGMENT_BYTES, "the leader's size, in whole pages");
    expect((uintptr_t)segment.base % (uintptr_t)sysconf(_SC_PAGESIZE) == 0, "page-aligned");
    expect(*(uint64_t *)(void *)segment.base == 0, "it reads zero");
    backing_check(&segment, backing);
    expect(segment_row(&segment, &maker, &committed), "the kernel lists %s", segment.address);
    expect(committed <= COMMITTED_MOST, "nothing is committed, not %lu bytes", committed);
    expect_result(fabric_barrier(), TROUPE_OK, "fabric_barrier");
    sharing_check(&segment);
    outsider_check(outsider, &segment);
    expect_result(fabric_segment_create(SEGMENT_BYTES, &second), TROUPE_ALREADY, "a second one");
}

static void case_segment(const char *backing)
{
    struct outsider outsider = outsider_make();

    world_start();
    segment_check(outsider, backing);
    fabric_stop(true);
}

/* A window of another kind than the settings promised has to be found out by looking at it. */
static void case_false_window(const char *unused)
{
    struct outsider outsider = outsider_make();
    int level;

    (void)unused;
    setenv("OMPI_MCA_shmem", "mmap", 1);
    MPI_Init_thread(NULL, NULL, MPI_THREAD_MULTIPLE, &level);
    setenv("OMPI_MCA_shmem", "sysv", 1);
    world_start();
    segment_check(outsider, "segment");
    fabric_stop(true);
    MPI_Finalize();
}

static void case_too_large(const char *unused)
{
    struct fabric_segment segment;
    bool asks;

    (void)unused;
    world_start();
    asks = place.node == place.nodes - 1 && place.local_rank == 0;
    expect_result(fabric_segment_create(asks ? SIZE_MAX / 2 : MIB, &segment), TROUPE_SYSTEM,
                  "more than memory, on one node");
    expect_sentence("MiB");
    expect_result(fabric_segment_create(asks ? 0 : MIB, &segment), TROUPE_BAD_ARGUMENT, "no bytes");
    expect_result(fabric_segment_create(MIB, &segment), TROUPE_OK, "a size that fits, afterwards");
    fabric_stop(true);
}

/* All memory the host has, as a reservation, also when less of it is free. */
static void case_all_memory(const char *unused)
{
    size_t all = (size_t)sysconf(_SC_PHYS_PAGES) * (size_t)sysconf(_SC_PAGESIZE);
    struct fabric_segment segment;

    (void)unused;
    world_start();
    expect_result(fabric_segment_create(all, &segment), TROUPE_OK, "as much as the host has");
    fabric_stop(true);
}

static void case_bad_address(const char *unused)
{
    static const char *const bad[] = {
        "", "sysv:", "sysv:1:0", "posix:1:0:1", "sysv:1:0:1x", "sysv:a:0:1", "sysv:1:0:1:1"
    };
    char address[FABRIC_ADDRESS_SIZE];
    int shmid = -1;
    struct fabric_segment segment;

    (void)unused;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        expect_result(fabric_segment_attach(bad[i], &segment), TROUPE_BAD_ARGUMENT, bad[i]);
    expect_result(fabric_segment_attach(NULL, &segment), TROUPE_BAD_ARGUMENT, "NULL");
    expect_result(fabric_segment_attach("sysv:2147483647:0:4096", &segment), TROUPE_SYSTEM,
                  "an id that is gone");
    world_start();
    expect_result(fabric_segment_create(MIB, &segment), TROUPE_OK, "fabric_segment_create");
    expect_result(fabric_barrier(), TROUPE_OK, "fabric_barrier");
    expect(sscanf(segment.address, "sysv:%d", &shmid) == 1, "the address is well formed");
    snprintf(address, sizeof address, "sysv:%d:0:999999999999", shmid);
    expect_result(fabric_segment_attach(address, &segment), TROUPE_SYSTEM,
                  "an id whose segment is another");
    fabric_stop(true);
}

/* Writes down who was there and dies with all others; the script leftovers looks afterwards. */
static void case_killed(const char *file)
{
    struct fabric_segment segment;
    unsigned long committed;
    long maker;
    char line[128];
    int size, list = open(file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);

    world_start();
    expect_result(fabric_segment_create(SEGMENT_BYTES, &segment), TROUPE_OK,
                  "fabric_segment_create");
    expect(segment_row(&segment, &maker, &committed), "the kernel lists %s", segment.address);
    size = snprintf(line, sizeof line, "%ld %ld %s\n", (long)getpid(), maker,
                    getenv("OMPI_MCA_ess_base_jobid"));
    expect(write(list, line, (size_t)size) == size, "%s can be written", file);
    expect_result(fabric_barrier(), TROUPE_OK, "fabric_barrier");
    raise(SIGKILL);
}

/* ---- frames ----------------------------------------------------------------------------- */

/* What a sender's next frame is follows from its number alone, so a receiver can tell it whole. */
struct stream {
    uint64_t state;
    uint64_t sequence;
};

static void stream_start(struct stream *stream, int sender)
{
    stream->state = 0x9e3779b97f4a7c15u * (uint64_t)(sender + 1);
    stream->sequence = 0;
}

static uint64_t stream_random(struct stream *stream)
{
    stream->state ^= stream->state << 13;
    stream->state ^= stream->state >> 7;
    stream->state ^= stream->state << 17;
    return stream->state;
}

static size_t stream_next(struct stream *stream, uint64_t *frame)
{
    size_t bytes = stream_random(stream) % (FABRIC_FRAME_MAX + 1);

    for (size_t i = 0; i * sizeof *frame < bytes; i++)
        frame[i] = stream_random(stream);
    stream->sequence++;
    return bytes;
}

#define FRAME_WORDS (FABRIC_FRAME_MAX / sizeof(uint64_t))

/* Takes what has arrived; returns whether there was something. */
static bool stream_take(struct stream *streams)
{
    uint64_t frame[FRAME_WORDS], wanted[FRAME_WORDS];
    size_t bytes = 0, wanted_bytes;
    int node = -1, result = fabric_receive(&node, frame, &bytes);

    if (result == TROUPE_EMPTY)
        return false;
    expect_result(result, TROUPE_OK, "fabric_receive");
    expect(node >= 0 && node < place.nodes, "the sender's node, not %d", node);
    wanted_bytes = stream_next(&streams[node], wanted);
    expect(bytes == wanted_bytes && memcmp(frame, wanted, bytes) == 0,
           "frame %lu of node %d arrives whole and in its turn",
           (unsigned long)streams[node].sequence, node);
    return true;
}

/* Each leader sends `count` frames to every other and receives theirs, both at once. */
static void streams_run(uint64_t count)
{
    struct stream *incoming = calloc((size_t)place.nodes, sizeof *incoming), outgoing;
    uint64_t sent = 0, received = 0, others = (uint64_t)place.nodes - 1;
    uint64_t frame[FRAME_WORDS];
    size_t bytes;
    int to = 0, result;

    expect(incoming != NULL, "memory");
    for (int i = 0; i < place.nodes; i++)
        stream_start(&incoming[i], i);
    stream_start(&outgoing, place.node);
    bytes = stream_next(&outgoing, frame);
    while (sent < count || received < count * others) {
        if (sent < count && to != place.node) {
            result = fabric_send(to, frame, bytes);
            expect(result == TROUPE_OK || result == TROUPE_FULL, "fabric_send");
        } else {
            result = TROUPE_OK;
        }
        if (sent < count && result == TROUPE_OK && ++to == place.nodes) {
            to = 0;
            sent++;
            bytes = stream_next(&outgoing, frame);
        }
        if (stream_take(incoming))
            received++;
    }
    while (fabric_in_flight() > 0)
        stream_take(incoming);
    free(incoming);
}

static void case_frames(const char *count)
{
    uint64_t frame[FRAME_WORDS] = { 0 };
    size_t bytes = 0;
    long frames = 0;
    int node;

    expect(text_to_long(count, 1, 1000000000, &frames), "a number of frames");
    world_start();
    expect(place.nodes == nodes_wanted(), "%d nodes", nodes_wanted());
    expect_result(fabric_send(place.nodes, frame, 1), TROUPE_BAD_ARGUMENT, "to a node beyond");
    expect_result(fabric_send(-1, frame, 1), TROUPE_BAD_ARGUMENT, "to node -1");
    expect_result(fabric_send(0, frame, FABRIC_FRAME_MAX + 1), TROUPE_BAD_ARGUMENT, "too long");
    if (place.local_rank == 0) {
        streams_run((uint64_t)frames);
        expect_result(fabric_receive(&node, frame, &bytes), TROUPE_EMPTY, "and no frame more");
    }
    fabric_stop(true);
}

/* Frames that nobody takes hold nothing up at the end. */
static void case_unread(const char *unused)
{
    unsigned char frame[FABRIC_FRAME_MAX] = { 0 };
    size_t bytes;
    int node;

    (void)unused;
    world_start();
    if (place.local_rank == 0) {
        for (int i = 0; i < UNREAD_FRAMES; i++)
            expect_result(fabric_send((place.node + 1) % place.nodes, frame, sizeof frame),
                          TROUPE_OK, "fabric_send");
        fabric_receive(&node, frame, &bytes); /* some arrive in posted receives, some nowhere */
    }
    fabric_stop(true);
}

/* ---- the start -------------------------------------------------------------------------- */

static int own_rank(void)
{
    long rank = -1;

    text_to_long(getenv("OMPI_COMM_WORLD_RANK"), 0, 1000000, &rank);
    return (int)rank;
}

static void case_identity(const char *differing)
{
    long odd = -1;
    char part[32];
    const char *mine;

    expect(text_to_long(differing, 1, 1000000, &odd), "a rank");
    mine = own_rank() >= odd ? "another" : identity; /* the first that differs is named */
    fabric_settings_apply();
    expect_result(fabric_start(mine, strlen(mine), &place), TROUPE_MISMATCH, "fabric_start");
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

/* After a loss nothing waits: each rank leaves by itself, also while others go on. */
static void case_unclean(const char *unused)
{
    struct fabric_segment segment;

    (void)unused;
    world_start();
    expect_result(fabric_segment_create(MIB, &segment), TROUPE_OK, "fabric_segment_create");
    fabric_stop(false);
    segment.base[0] = 1; /* still mapped, for whoever is about to leave */
    _exit(0);
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
