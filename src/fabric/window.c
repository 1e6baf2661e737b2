/* The node's memory as an MPI-3 shared window, taken only when it is what it must be.
 *
 * MPI_Win_allocate_shared may give private memory, or a file already unlinked, which no process
 * without MPI can map. The window is kept when every rank of the node finds it to be one System V
 * segment that is already marked for removal, attaches that segment a second time by its id, and
 * reads there what the leader wrote through the window. Otherwise it is freed and the caller makes
 * a segment of its own.
 *
 * One window may hold the memory of all nodes, where they are simulated: each leader's part is its
 * node's, and every rank of the world can read all of it. */
#include "fabric/fabric_private.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"

/* Where a window's memory begins here, and the segment under it. */
struct window_view {
    unsigned char *base; /* the first whole page of what MPI gave */
    int shmid;
    size_t delta; /* of base in the segment */
};

/* What the leader tells its node. */
struct window_claim {
    bool found;
    int shmid;
    size_t delta;
    uint64_t token;
};

static MPI_Win window = MPI_WIN_NULL;
static MPI_Comm sharers; /* who make it: the node's ranks, or the world's */

/* Whether mine holds on every rank that makes it. */
static bool all_sharers(bool mine)
{
    int one = mine, all = 0;

    return MPI_Allreduce(&one, &all, 1, MPI_INT, MPI_MIN, sharers) == MPI_SUCCESS && all;
}

/* The bytes of all parts together. */
static size_t parts_sum(size_t part)
{
    unsigned long long mine = part, sum = 0;

    if (MPI_Allreduce(&mine, &sum, 1, MPI_UNSIGNED_LONG_LONG, MPI_SUM, sharers) != MPI_SUCCESS)
        return SIZE_MAX;
    return (size_t)sum;
}

/* Whether the window is worth asking for; its first rank's answer counts. One rank alone gets
 * private memory. An MPI that tells of failures warns of each window, so it makes only the one that
 * was asked for, of all nodes. Other backings than System V would be freed again. And a rank that
 * fails inside MPI_Win_allocate_shared leaves Open MPI's other ranks waiting for it, so what would
 * make it fail is tried first. */
static bool window_is_promising(size_t part)
{
    const char *backing = getenv("OMPI_MCA_shmem");
    size_t page = (size_t)sysconf(_SC_PAGESIZE), bytes;
    int promising = 0, rank, ranks, trial;

    MPI_Comm_rank(sharers, &rank);
    MPI_Comm_size(sharers, &ranks);
    if (ranks == 1)
        return false;
    bytes = parts_sum(part);
    if (rank == 0 && backing != NULL && strcmp(backing, "sysv") == 0 &&
        !(sharers == fabric.node && fabric_tells_failures())) {
        /* Open MPI puts its own state in front: some bytes for each rank. */
        trial = shmget(IPC_PRIVATE, bytes + (size_t)ranks * page, IPC_CREAT | S_IRUSR | S_IWUSR);
        promising = trial >= 0;
        if (trial >= 0)
            shmctl(trial, IPC_RMID, NULL);
    }
    return MPI_Bcast(&promising, 1, MPI_INT, 0, sharers) == MPI_SUCCESS && promising;
}

/* Finds the segment under base: a System V mapping's inode number is its id. */
static bool window_look(struct window_view *view)
{
    FILE *maps = fopen("/proc/self/maps", "re");
    uintptr_t base = (uintptr_t)view->base;
    bool found = false;
    char *line = NULL;
    size_t capacity = 0;

    if (maps == NULL)
        return false;
    while (!found && getline(&line, &capacity, maps) > 0) {
        uintptr_t start, end;
        int inode, path = 0;

        if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %*s %*s %*s %d %n", &start, &end, &inode,
                   &path) != 3 ||
            base < start || base >= end)
            continue;
        if (path == 0 || strncmp(line + path, "/SYSV", strlen("/SYSV")) != 0)
            break;
        view->shmid = inode;
        view->delta = base - start;
        found = true;
    }
    free(line);
    fclose(maps);
    return found;
}

/* Whether the segment the leader named is the one under this rank's window, can be attached once
 * more, and goes when its last process goes. */
static bool window_is_shared(const struct window_view *view, const struct window_claim *claim,
                             size_t bytes)
{
    struct shmid_ds state;
    unsigned char *again;
    bool same;

    if (!claim->found || view->shmid != claim->shmid || view->delta != claim->delta ||
        shmctl(view->shmid, IPC_STAT, &state) != 0 || !(state.shm_perm.mode & SHM_DEST) ||
        state.shm_segsz < view->delta + bytes)
        return false;
    again = shmat(view->shmid, NULL, SHM_RDONLY);
    if (again == (void *)-1)
        return false;
    same = atomic_load((_Atomic uint64_t *)(void *)(again + view->delta)) == claim->token &&
           atomic_load((_Atomic uint64_t *)(void *)view->base) == claim->token;
    shmdt(again);
    return same;
}

/* Proves the node's part on every rank of the node. base reads zero again on return. */
static bool window_prove(struct window_view *view, size_t bytes)
{
    bool leader = fabric.place.local_rank == 0, found = window_look(view), shared;
    struct window_claim claim = { .found = found,
                                  .shmid = view->shmid,
                                  .delta = view->delta,
                                  .token = clock_now() ^ (uint64_t)getpid() << 48 };
    _Atomic uint64_t *word = (_Atomic uint64_t *)(void *)view->base;

    if (leader)
        atomic_store(word, claim.token); /* before the broadcast that makes the others read it */
    if (MPI_Bcast(&claim, sizeof claim, MPI_BYTE, 0, fabric.node) != MPI_SUCCESS)
        return false;
    shared = all_sharers(found && window_is_shared(view, &claim, bytes));
    if (leader)
        atomic_store(word, 0);
    return shared;
}

static unsigned char *page_align(unsigned char *address, size_t page)
{
    return address + (page - (uintptr_t)address % page) % page;
}

/* Where a node's part begins in this process; NULL when MPI will not tell. */
static unsigned char *part_of(int node)
{
    int leader = sharers == fabric.world ? fabric.leader_of[node] : 0, unit;
    MPI_Aint bytes;
    void *base;

    return MPI_Win_shared_query(window, leader, &bytes, &unit, &base) == MPI_SUCCESS ? base : NULL;
}

bool window_create(size_t bytes, bool of_all_nodes, struct fabric_segment *segment)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t part = fabric.place.local_rank == 0 ? bytes + page : 0;
    struct window_view view = { .shmid = -1 };
    void *base;
    int code;

    sharers = of_all_nodes ? fabric.world : fabric.node;
    if (!window_is_promising(part))
        return false;
    code = MPI_Win_allocate_shared((MPI_Aint)part, 1, MPI_INFO_NULL, sharers, &base, &window);
    if (!all_sharers(code == MPI_SUCCESS)) {
        window = MPI_WIN_NULL; /* freeing is collective, and some have nothing to free */
        return false;
    }
    MPI_Win_set_errhandler(window, MPI_ERRORS_RETURN);
    base = part_of(fabric.place.node);
    if (!all_sharers(base != NULL)) {
        window_free();
        return false;
    }
    view.base = page_align(base, page);
    if (!window_prove(&view, bytes)) {
        window_free();
        return false;
    }
    segment->base = view.base;
    segment->bytes = bytes;
    snprintf(segment->address, sizeof segment->address, "sysv:%d:%zu:%zu", view.shmid, view.delta,
             bytes);
    segment->private_data = NULL;
    return true;
}

MPI_Win window_of_all_nodes(void)
{
    return sharers == fabric.world ? window : MPI_WIN_NULL;
}

MPI_Aint window_begin(int node)
{
    unsigned char *base = part_of(node);

    return page_align(base, (size_t)sysconf(_SC_PAGESIZE)) - base;
}

void window_free(void)
{
    if (window != MPI_WIN_NULL)
        MPI_Win_free(&window);
}
