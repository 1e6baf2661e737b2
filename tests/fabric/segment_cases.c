/* The node's memory: shared by all ranks of the node and nobody else, reachable without MPI, not
 * committed, refused in words. */
#include "fabric_cases.h"

#include <fcntl.h>
#include <mpi.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "troupe/troupe.h"

#define MIB ((size_t)1 << 20)
#define SEGMENT_BYTES (256 * MIB)
/* The proof's page and MPI's own in front of it, each of them perhaps a huge page. */
#define COMMITTED_MOST (4 * MIB)

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

    if (size <= 0) /* not the leader's: it is told nothing */
        _exit(1);
    if (fabric_segment_attach(address, &segment) != TROUPE_OK) {
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

/* Open MPI 5 warns of each window of a world of several nodes, so Troupe makes none there. */
static bool windows_are_warned_of(void)
{
    char version[MPI_MAX_LIBRARY_VERSION_STRING] = "";
    int length, major;

    MPI_Get_library_version(version, &length);
    return place.nodes > 1 && sscanf(version, "Open MPI v%d", &major) == 1 && major >= 5;
}

static void backing_check(const struct fabric_segment *segment, const char *backing)
{
    bool window = strcmp(backing, "window") == 0 && !windows_are_warned_of();
    size_t offset = 0;

    expect(sscanf(segment->address, "sysv:%*d:%zu", &offset) == 1, "the address is well formed");
    expect((offset > 0) == window, "the memory is the %s (%s)", backing, segment->address);
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

void case_segment(const char *backing)
{
    struct outsider outsider = outsider_make();

    world_start();
    segment_check(outsider, backing);
    fabric_stop(true);
}

/* A window of another kind than the settings promised has to be found out by looking at it. */
void case_false_window(const char *unused)
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

void case_too_large(const char *unused)
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
void case_all_memory(const char *unused)
{
    size_t all = (size_t)sysconf(_SC_PHYS_PAGES) * (size_t)sysconf(_SC_PAGESIZE);
    struct fabric_segment segment;

    (void)unused;
    world_start();
    expect_result(fabric_segment_create(all, &segment), TROUPE_OK, "as much as the host has");
    fabric_stop(true);
}

void case_bad_address(const char *unused)
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
void case_killed(const char *file)
{
    struct fabric_segment segment;
    unsigned long committed;
    long maker;
    char line[128];
    const char *job = getenv("OMPI_MCA_ess_base_jobid"); /* not from Open MPI 5 on */
    int size, list = open(file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);

    world_start();
    expect_result(fabric_segment_create(SEGMENT_BYTES, &segment), TROUPE_OK,
                  "fabric_segment_create");
    expect(segment_row(&segment, &maker, &committed), "the kernel lists %s", segment.address);
    size =
        snprintf(line, sizeof line, "%ld %ld %s\n", (long)getpid(), maker, job != NULL ? job : "");
    expect(write(list, line, (size_t)size) == size, "%s can be written", file);
    expect_result(fabric_barrier(), TROUPE_OK, "fabric_barrier");
    raise(SIGKILL);
}
