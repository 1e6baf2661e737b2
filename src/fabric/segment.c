/* A node's shared memory: the MPI window when it serves (window.c), else a System V segment.
 *
 * What always holds: the segment's name is removed from the system while only its maker knows it
 * (Linux attaches by id as long as somebody is attached), so whatever kills the ranks, it goes with
 * its last process. It is a reservation: pages are committed by whoever touches them. */
#include "fabric/fabric_private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "base/error.h"

#define MIB ((size_t)1 << 20)

static struct fabric_segment mine; /* this rank's, for fabric_stop */

static size_t host_memory(void)
{
    struct sysinfo info;

    return sysinfo(&info) == 0 ? (size_t)info.totalram * info.mem_unit : SIZE_MAX;
}

/* The leader's size in whole pages, for the node. A reservation that memory could never back is
 * refused here, in figures, before anything is made. */
static int size_choose(size_t bytes, size_t *chosen)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), memory = host_memory();
    unsigned long long size = bytes;
    int result = fabric_check(MPI_Bcast(&size, 1, MPI_UNSIGNED_LONG_LONG, 0, fabric.node),
                              TROUPE_LAUNCH, "MPI_Bcast");

    if (result != TROUPE_OK)
        return result;
    if (size == 0)
        return fail(TROUPE_BAD_ARGUMENT, "the arena has 0 bytes; ask for at least one page");
    if (size > memory)
        return fail(TROUPE_SYSTEM,
                    "the arena has %llu MiB but this host's memory only %zu MiB; "
                    "ask for less (TROUPE_ARENA)",
                    size / MIB, memory / MIB);
    *chosen = (size_t)size + (page - size % page) % page;
    return TROUPE_OK;
}

/* Makes the segment and removes its name at once. */
static int leader_make(size_t bytes, int *shmid, void **base)
{
    int id = shmget(IPC_PRIVATE, bytes, IPC_CREAT | S_IRUSR | S_IWUSR | SHM_NORESERVE);
    void *mapped;
    int refused;

    if (id < 0)
        return fail_errno(TROUPE_SYSTEM,
                          "shmget of %zu MiB, on a host with %zu MiB; ask for less "
                          "(TROUPE_ARENA) or raise kernel.shmmax and kernel.shmall",
                          bytes / MIB, host_memory() / MIB);
    mapped = shmat(id, NULL, 0);
    refused = errno;
    shmctl(id, IPC_RMID, NULL);
    if (mapped == (void *)-1) {
        errno = refused;
        return fail_errno(TROUPE_SYSTEM, "shmat of %zu MiB (is ulimit -v set?)", bytes / MIB);
    }
    *shmid = id;
    *base = mapped;
    return TROUPE_OK;
}

static int own_create(size_t bytes, struct fabric_segment *segment)
{
    bool leader = fabric.place.local_rank == 0;
    int shmid = -1, sent,
        result = leader ? leader_make(bytes, &shmid, &segment->private_data) : TROUPE_OK;

    sent = fabric_check(MPI_Bcast(&shmid, 1, MPI_INT, 0, fabric.node), TROUPE_LAUNCH, "MPI_Bcast");
    if (result != TROUPE_OK)
        return result;
    if (sent != TROUPE_OK || shmid < 0)
        return sent; /* the leader tells its own failure */
    if (!leader) {
        void *base = shmat(shmid, NULL, 0);

        if (base == (void *)-1)
            return fail_errno(TROUPE_SYSTEM,
                              "shmat of the node's %zu MiB (do all its ranks run in "
                              "one IPC namespace?)",
                              bytes / MIB);
        segment->private_data = base;
    }
    segment->base = segment->private_data;
    segment->bytes = bytes;
    snprintf(segment->address, sizeof segment->address, "sysv:%d:0:%zu", shmid, bytes);
    return TROUPE_OK;
}

int fabric_segment_create(size_t bytes, struct fabric_segment *segment)
{
    struct fabric_segment made = { 0 };
    bool one_window = false;
    size_t chosen = 0;
    int result;

    if (mine.base != NULL)
        return fail(TROUPE_ALREADY, "fabric_segment_create: this world has its memory already");
    result = fabric_agree(size_choose(bytes, &chosen));
    if (result == TROUPE_OK)
        result = reads_choose(&one_window);
    if (result != TROUPE_OK)
        return result;
    /* Also the barrier after which every rank finds the proof's token erased. */
    result = fabric_agree(window_create(chosen, one_window, &made) ? TROUPE_OK
                                                                   : own_create(chosen, &made));
    if (result == TROUPE_OK)
        result = reads_open(&made);
    if (result != TROUPE_OK) {
        reads_close();
        fabric_segment_detach(&made);
        window_free();
        return result;
    }
    mine = made;
    *segment = made;
    return TROUPE_OK;
}

int fabric_segment_attach(const char *address, struct fabric_segment *segment)
{
    struct shmid_ds state;
    size_t delta, bytes;
    int shmid, end = 0;
    unsigned char *mapped;

    if (address == NULL || strlen(address) >= sizeof segment->address ||
        sscanf(address, "sysv:%d:%zu:%zu%n", &shmid, &delta, &bytes, &end) != 3 ||
        address[end] != '\0')
        return fail(TROUPE_BAD_ARGUMENT,
                    "\"%s\" is no segment's address; it reads "
                    "sysv:<id>:<offset>:<bytes>",
                    address != NULL ? address : "");
    if (shmctl(shmid, IPC_STAT, &state) != 0)
        return fail_errno(TROUPE_SYSTEM, "segment %s is gone: its world has ended", address);
    if (delta > state.shm_segsz || bytes > state.shm_segsz - delta)
        return fail(TROUPE_SYSTEM, "segment %s is gone: its id names another one, of %zu bytes",
                    address, (size_t)state.shm_segsz);
    mapped = shmat(shmid, NULL, 0);
    if (mapped == (void *)-1)
        return fail_errno(TROUPE_SYSTEM, "shmat of segment %s", address);
    memset(segment, 0, sizeof *segment);
    segment->base = mapped + delta;
    segment->bytes = bytes;
    segment->private_data = mapped;
    snprintf(segment->address, sizeof segment->address, "%s", address);
    return TROUPE_OK;
}

void fabric_segment_detach(struct fabric_segment *segment)
{
    if (segment->private_data != NULL)
        shmdt(segment->private_data);
    memset(segment, 0, sizeof *segment);
}

void segment_fini(void)
{
    fabric_segment_detach(&mine);
    window_free();
}
