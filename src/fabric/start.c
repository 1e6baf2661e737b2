/* Entering and leaving MPI: the thread level, the communicators, who stands on which node.
 *
 * What always holds: our communicators are our own and return their errors; the program's
 * MPI_COMM_WORLD keeps its error handler. A step that can fail on one rank alone is followed by
 * fabric_agree, so no rank goes into a collective that another never enters. */
#include "fabric/fabric_private.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"

#define SENTENCE_SIZE 512

struct fabric_world fabric = {
    .world = MPI_COMM_NULL,
    .node = MPI_COMM_NULL,
    .frames = MPI_COMM_NULL,
};

/* A failure as it travels to the other ranks. */
struct failure {
    int result;
    char host[TROUPE_HOST_SIZE];
    char sentence[SENTENCE_SIZE];
};

struct identity {
    uint64_t bytes;
    unsigned char data[FABRIC_IDENTITY_MAX];
};

int fabric_check(int code, int result, const char *call)
{
    char reason[MPI_MAX_ERROR_STRING] = "";
    int length;

    if (code == MPI_SUCCESS)
        return TROUPE_OK;
    if (MPI_Error_string(code, reason, &length) != MPI_SUCCESS)
        snprintf(reason, sizeof reason, "error %d", code);
    return fail(result, "%s: %s", call, reason);
}

static void host_name(char *host)
{
    if (gethostname(host, TROUPE_HOST_SIZE) != 0)
        snprintf(host, TROUPE_HOST_SIZE, "an unnamed host");
    host[TROUPE_HOST_SIZE - 1] = '\0';
}

int fabric_agree(int result)
{
    int rank = fabric.place.rank, first = result == TROUPE_OK ? fabric.place.size : rank, lowest;
    struct failure failure = { .result = result };
    int agreed = fabric_check(MPI_Allreduce(&first, &lowest, 1, MPI_INT, MPI_MIN, fabric.world),
                              TROUPE_LAUNCH, "MPI_Allreduce");

    if (agreed != TROUPE_OK || lowest == fabric.place.size)
        return agreed;
    host_name(failure.host);
    snprintf(failure.sentence, sizeof failure.sentence, "%s", troupe_last_error());
    agreed = fabric_check(MPI_Bcast(&failure, sizeof failure, MPI_BYTE, lowest, fabric.world),
                          TROUPE_LAUNCH, "MPI_Bcast");
    if (agreed != TROUPE_OK || lowest == rank)
        return agreed != TROUPE_OK ? agreed : result;
    return fail(failure.result, "rank %d on %s: %s", lowest, failure.host, failure.sentence);
}

/* A handler, not SIG_IGN: programs that a target starts by exec get the default back. */
static void broken_pipe_drop(int signal_number)
{
    (void)signal_number;
}

static void broken_pipe_survive(void)
{
    struct sigaction action;

    if (sigaction(SIGPIPE, NULL, &action) != 0 || action.sa_handler != SIG_DFL)
        return;
    action.sa_handler = broken_pipe_drop;
    action.sa_flags = SA_RESTART;
    sigemptyset(&action.sa_mask);
    sigaction(SIGPIPE, &action, NULL);
}

/* Our communicators all descend from this duplicate and inherit MPI_ERRORS_RETURN from it. */
static int world_duplicate(void)
{
    MPI_Errhandler programs;
    int result = fabric_check(MPI_Comm_get_errhandler(MPI_COMM_WORLD, &programs), TROUPE_LAUNCH,
                              "MPI_Comm_get_errhandler");

    if (result != TROUPE_OK)
        return result;
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    result =
        fabric_check(MPI_Comm_dup(MPI_COMM_WORLD, &fabric.world), TROUPE_LAUNCH, "MPI_Comm_dup");
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, programs);
    MPI_Errhandler_free(&programs);
    return result;
}

static int mpi_enter(void)
{
    int running = 0, ended = 0, provided, result;

    MPI_Finalized(&ended);
    if (ended)
        return fail(TROUPE_LAUNCH,
                    "MPI was finalized before; a process can use it only once: start "
                    "Troupe before MPI_Finalize");
    MPI_Initialized(&running);
    if (!running) {
        result = fabric_check(MPI_Init_thread(NULL, NULL, MPI_THREAD_MULTIPLE, &provided),
                              TROUPE_LAUNCH, "MPI_Init_thread");
        if (result != TROUPE_OK)
            return result;
        fabric.initialised_here = true;
    }
    result = world_duplicate();
    if (result != TROUPE_OK)
        return result;
    fabric.entered = true;
    MPI_Comm_rank(fabric.world, &fabric.place.rank);
    MPI_Comm_size(fabric.world, &fabric.place.size);
    return TROUPE_OK;
}

static int thread_level_check(void)
{
    int level = MPI_THREAD_SINGLE;
    const char *name;

    MPI_Query_thread(&level);
    if (level >= MPI_THREAD_MULTIPLE)
        return TROUPE_OK;
    name = level == MPI_THREAD_SERIALIZED ? "MPI_THREAD_SERIALIZED"
           : level == MPI_THREAD_FUNNELED ? "MPI_THREAD_FUNNELED"
                                          : "MPI_THREAD_SINGLE";
    if (fabric.initialised_here)
        return fail(TROUPE_LAUNCH,
                    "this MPI library gives no more than %s; Troupe needs one built "
                    "with MPI_THREAD_MULTIPLE",
                    name);
    return fail(TROUPE_LAUNCH,
                "the program initialised MPI with %s; call MPI_Init_thread(&argc, "
                "&argv, MPI_THREAD_MULTIPLE, &provided) instead",
                name);
}

static int identity_check(const struct identity *mine)
{
    struct identity first = *mine;
    int result = fabric_check(MPI_Bcast(&first, sizeof first, MPI_BYTE, 0, fabric.world),
                              TROUPE_LAUNCH, "MPI_Bcast");
    bool same = memcmp(&first, mine, sizeof first) == 0;
    int differs = same ? fabric.place.size : fabric.place.rank, lowest;
    char host[TROUPE_HOST_SIZE];

    if (result == TROUPE_OK)
        result = fabric_check(MPI_Allreduce(&differs, &lowest, 1, MPI_INT, MPI_MIN, fabric.world),
                              TROUPE_LAUNCH, "MPI_Allreduce");
    if (result != TROUPE_OK || lowest == fabric.place.size)
        return result;
    host_name(host);
    result = fabric_check(MPI_Bcast(host, sizeof host, MPI_BYTE, lowest, fabric.world),
                          TROUPE_LAUNCH, "MPI_Bcast");
    if (result != TROUPE_OK)
        return result;
    return fail(TROUPE_MISMATCH,
                "rank %d on %s runs another program, or another build of it, than "
                "rank 0; start the same file on every host",
                lowest, host);
}

/* How many groups to make of the machine's ranks; only for ranks that all share one host. */
static int simulated_nodes_check(MPI_Comm machine, int *nodes)
{
    int ranks, result = fabric_simulated_nodes(nodes);

    MPI_Comm_size(machine, &ranks);
    if (result != TROUPE_OK || *nodes == 1)
        return result;
    if (ranks != fabric.place.size)
        return fail(TROUPE_LAUNCH,
                    "TROUPE_SIMULATED_NODES=%d but the ranks are on several hosts; "
                    "unset it",
                    *nodes);
    if (*nodes > ranks)
        return fail(TROUPE_LAUNCH,
                    "TROUPE_SIMULATED_NODES=%d needs as many ranks, and there are %d; "
                    "write at most %d",
                    *nodes, ranks, ranks);
    return TROUPE_OK;
}

static int node_split(void)
{
    MPI_Comm machine = MPI_COMM_NULL;
    int nodes = 1;
    int result = fabric_check(
        MPI_Comm_split_type(fabric.world, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &machine),
        TROUPE_LAUNCH, "MPI_Comm_split_type");

    if (result != TROUPE_OK)
        return result;
    result = fabric_agree(simulated_nodes_check(machine, &nodes));
    if (result == TROUPE_OK) /* rank 0's environment counts */
        result = fabric_check(MPI_Bcast(&nodes, 1, MPI_INT, 0, fabric.world), TROUPE_LAUNCH,
                              "MPI_Bcast");
    fabric.is_one_host = nodes > 1;
    if (result == TROUPE_OK && nodes == 1) {
        fabric.node = machine;
        return TROUPE_OK;
    }
    if (result == TROUPE_OK)
        result = fabric_check(
            MPI_Comm_split(fabric.world,
                           (int)((int64_t)fabric.place.rank * nodes / fabric.place.size), 0,
                           &fabric.node),
            TROUPE_LAUNCH, "MPI_Comm_split");
    MPI_Comm_free(&machine);
    return result;
}

/* Numbers the nodes from each rank's leader: a rank that is its own leader opens the next node. */
static void nodes_number(const int *leader_of_rank)
{
    struct fabric_place *place = &fabric.place;

    place->nodes = 0;
    for (int rank = 0; rank < place->size; rank++) {
        int leader = leader_of_rank[rank];

        if (leader == rank) {
            fabric.leader_of[place->nodes] = rank;
            fabric.node_of[rank] = place->nodes++;
        } else {
            fabric.node_of[rank] = fabric.node_of[leader]; /* the leader is the lower rank */
        }
    }
    place->node = fabric.node_of[place->rank];
}

static int nodes_find(void)
{
    struct fabric_place *place = &fabric.place;
    size_t ranks = (size_t)place->size;
    int *leader_of_rank = malloc(ranks * sizeof *leader_of_rank);
    int leader = place->rank, result = TROUPE_OK;

    MPI_Comm_rank(fabric.node, &place->local_rank);
    MPI_Comm_size(fabric.node, &place->local_size);
    fabric.node_of = malloc(ranks * sizeof *fabric.node_of);
    fabric.leader_of = malloc(ranks * sizeof *fabric.leader_of);
    if (leader_of_rank == NULL || fabric.node_of == NULL || fabric.leader_of == NULL)
        result = fail(TROUPE_LAUNCH, "no memory for a table of %zu ranks", ranks);
    result = fabric_agree(result);
    if (result == TROUPE_OK)
        result = fabric_check(MPI_Bcast(&leader, 1, MPI_INT, 0, fabric.node), TROUPE_LAUNCH,
                              "MPI_Bcast");
    if (result == TROUPE_OK)
        result = fabric_allgather(&leader, sizeof leader, leader_of_rank);
    if (result == TROUPE_OK)
        nodes_number(leader_of_rank);
    free(leader_of_rank);
    return result;
}

int fabric_start(const void *identity, size_t identity_bytes, struct fabric_place *place)
{
    struct identity mine = { .bytes = identity_bytes };
    int result;

    if (fabric.entered)
        return fail(TROUPE_ALREADY, "fabric_start: MPI is in use already");
    if (identity_bytes > sizeof mine.data)
        return fail(TROUPE_LAUNCH, "an identity of %zu bytes; at most %zu fit", identity_bytes,
                    sizeof mine.data);
    memcpy(mine.data, identity, identity_bytes);
    broken_pipe_survive();
    result = mpi_enter();
    if (result == TROUPE_OK)
        result = fabric_agree(thread_level_check());
    if (result == TROUPE_OK)
        result = identity_check(&mine);
    if (result == TROUPE_OK)
        result = node_split();
    if (result == TROUPE_OK)
        result = nodes_find();
    if (result == TROUPE_OK)
        result = fabric_agree(frames_init());
    if (result == TROUPE_OK)
        result =
            fabric_check(MPI_Comm_dup(fabric.world, &fabric.frames), TROUPE_LAUNCH, "MPI_Comm_dup");
    if (result == TROUPE_OK)
        *place = fabric.place;
    return result;
}

int fabric_node_of(int rank)
{
    return fabric.node_of[rank];
}

int fabric_leader_of(int node)
{
    return fabric.leader_of[node];
}

int fabric_allgather(const void *mine, size_t bytes, void *all)
{
    return fabric_check(
        MPI_Allgather(mine, (int)bytes, MPI_BYTE, all, (int)bytes, MPI_BYTE, fabric.world),
        TROUPE_LAUNCH, "MPI_Allgather");
}

int fabric_barrier(void)
{
    return fabric_check(MPI_Barrier(fabric.world), TROUPE_LAUNCH, "MPI_Barrier");
}

static void communicator_free(MPI_Comm *communicator)
{
    if (*communicator != MPI_COMM_NULL)
        MPI_Comm_free(communicator);
}

void fabric_stop(bool clean)
{
    if (!clean || !fabric.entered)
        return;
    fabric.entered = false;
    frames_fini();
    reads_close();
    segment_fini();
    communicator_free(&fabric.frames);
    communicator_free(&fabric.node);
    communicator_free(&fabric.world);
    free(fabric.node_of);
    free(fabric.leader_of);
    fabric.node_of = fabric.leader_of = NULL;
    if (fabric.initialised_here &&
        fabric_check(MPI_Finalize(), TROUPE_LAUNCH, "MPI_Finalize") != TROUPE_OK)
        log_warning("%s", troupe_last_error());
}

/* Open MPI looks at the first word at the beginning of every call, from 5 on at the second, and
 * reports through its run-time only if the third says that it is there: in a fork its threads are
 * not. None is documented, but they are exported, and the same since 4.0; weak, so that another MPI
 * does without. */
extern _Atomic int32_t ompi_mpi_state __attribute__((weak));
extern _Atomic int32_t ompi_instance_count __attribute__((weak));
extern volatile bool ompi_rte_initialized __attribute__((weak));
#define OMPI_STATE_FINALIZED 5

void fabric_forsake(void)
{
    fabric_group_forsake();
    if (&ompi_rte_initialized != NULL)
        ompi_rte_initialized = false;
    if (&ompi_mpi_state != NULL)
        atomic_store(&ompi_mpi_state, OMPI_STATE_FINALIZED);
    if (&ompi_instance_count != NULL)
        atomic_store(&ompi_instance_count, 0);
}
