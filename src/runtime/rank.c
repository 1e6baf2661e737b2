/* The rank: makes the world with its like, runs targets until the world ends, and leaves by exit(),
 * so that destructors, coverage and leak checks work. After a loss it leaves by _exit(), for
 * MPI_Finalize would wait for the dead. */
#include "runtime/runtime.h"

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "core/engine.h"
#include "core/memory.h"
#include "core/node.h"
#include "core/recover.h"
#include "core/service.h"
#include "core/table.h"
#include "core/target.h"
#include "job/stdio.h"
#include "object/dict_onesided.h"
#include "object/dict_seal.h"
#include "object/names.h"
#include "object/process.h"
#include "object/process_threads.h"
#include "topo/attest.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#define ARENA_SHARE 2 /* the default arena is memory / ARENA_SHARE / nodes on this host */

/* ---- the arena -------------------------------------------------------------------------- */

static int simulated_nodes(void)
{
    long nodes = 1;

    text_to_long(getenv("TROUPE_SIMULATED_NODES"), 1, 1 << 16, &nodes);
    return (int)nodes;
}

static int arena_choose(const struct start *start, uint64_t *bytes)
{
    const char *wanted = getenv("TROUPE_ARENA");
    uint64_t total = memory_total();

    *bytes = start->arena_bytes;
    if (*bytes == 0 && wanted != NULL && !text_to_bytes(wanted, bytes))
        return fail(TROUPE_BAD_ARGUMENT, "TROUPE_ARENA=%s is no size; write TROUPE_ARENA=512M",
                    wanted);
    if (*bytes == 0 && wanted == NULL)
        *bytes = total / ARENA_SHARE / (uint64_t)simulated_nodes();
    if (*bytes < ARENA_LEAST_BYTES)
        return fail(TROUPE_BAD_ARGUMENT, "an arena of %llu bytes is too small; the least is 1M",
                    (unsigned long long)*bytes);
    if (*bytes > total)
        return fail(TROUPE_BAD_ARGUMENT,
                    "an arena of %llu MiB is larger than the memory this node may use, %llu MiB; "
                    "write a smaller TROUPE_ARENA",
                    (unsigned long long)*bytes >> 20, (unsigned long long)total >> 20);
    *bytes &= ~(uint64_t)(SPAN_BYTES - 1);
    return TROUPE_OK;
}

/* What each rank tells the others: its result and its place. Every rank gathers all of these, so
 * they are small; what went wrong is told only where something did. */
struct muster {
    int result;
    uint32_t place; /* node << 16 | local rank */
    int32_t keeper; /* its pid */
    uint64_t host;  /* its name's hash */
};

struct complaint {
    char host[TROUPE_HOST_SIZE];
    char sentence[REPORT_SENTENCE];
};

/* What they learn from it. */
struct mustered {
    uint32_t *places; /* [ranks] */
    pid_t parent;     /* 0 when it is on another host */
};

static uint64_t host_hash(void)
{
    char host[TROUPE_HOST_SIZE] = "";

    gethostname(host, sizeof host - 1);
    return XXH3_64bits(host, strlen(host));
}

/* The sentence of the rank whose result is the first failure becomes everybody's. */
static int failure_share(const struct fabric_place *place, int rank, int result)
{
    struct complaint mine = { .host = "" };
    struct complaint *all = calloc((size_t)place->size, sizeof *all);
    int outcome;

    if (all == NULL)
        return fail(TROUPE_NO_MEMORY, "no memory for a list of %d ranks", place->size);
    gethostname(mine.host, sizeof mine.host - 1);
    if (place->rank == rank)
        snprintf(mine.sentence, sizeof mine.sentence, "%s", troupe_last_error());
    outcome = fabric_allgather(&mine, sizeof mine, all);
    if (outcome == TROUPE_OK)
        outcome = fail(result, "rank %d on %s: %s", rank, all[rank].host, all[rank].sentence);
    free(all);
    return outcome;
}

/* Gathers every rank's result; the first failure becomes everybody's. mustered may be NULL. */
static int agree(const struct fabric_place *place, int result, struct mustered *mustered)
{
    struct muster mine = { .result = result,
                           .place = (uint32_t)place->node << 16 | (uint32_t)place->local_rank,
                           .keeper = (int32_t)getppid(),
                           .host = host_hash() };
    struct muster *all = calloc((size_t)place->size, sizeof *all);
    int outcome;

    if (all == NULL)
        return fail(TROUPE_NO_MEMORY, "no memory for a list of %d ranks", place->size);
    outcome = fabric_allgather(&mine, sizeof mine, all);
    for (int rank = 0; outcome == TROUPE_OK && rank < place->size; rank++) {
        if (mustered != NULL)
            mustered->places[rank] = all[rank].place;
        if (all[rank].result != TROUPE_OK)
            outcome = failure_share(place, rank, all[rank].result);
    }
    if (mustered != NULL)
        mustered->parent = all[0].host == mine.host ? all[0].keeper : 0;
    free(all);
    return outcome;
}

/* ---- the world -------------------------------------------------------------------------- */

static int node_make(const struct fabric_segment *segment, const struct fabric_place *place,
                     const uint32_t *places, struct world *world, struct actor **actor)
{
    int result = arena_format(segment->base, segment->bytes, NULL, &world->arena);

    if (result == TROUPE_OK)
        result = world_join(world, actor);
    if (result == TROUPE_OK)
        result = table_format(*actor, place->node);
    if (result == TROUPE_OK)
        result = node_format(*actor, (uint32_t)place->node, (uint32_t)place->nodes,
                             (uint32_t)place->size, places);
    if (result == TROUPE_OK)
        result = names_format(*actor);
    if (result == TROUPE_OK && fabric_reads_are_on())
        result = dict_seals_begin(*actor);
    return result;
}

static int node_meet(const struct fabric_segment *segment, struct world *world,
                     struct actor **actor)
{
    int result = arena_view(segment->base, &world->arena);

    return result == TROUPE_OK ? world_join(world, actor) : result;
}

/* The rank takes its seat: idle, or, in an SPMD program, never to be idle. */
static void seat_take(struct actor *actor, int local, enum world_role role)
{
    struct rank_record *seat = &node_of(&actor->arena)->ranks[local];

    atomic_store(&seat->pid, (int32_t)getpid());
    atomic_store(&seat->keeper_pid, role == WORLD_RANK ? (int32_t)getppid() : 0);
    atomic_store(&seat->job, role == WORLD_RANK ? 0 : RANK_GONE);
}

/* Every rank comes to the same result at each of the agreements, so the stage that fails is the
 * last for all, and its reason is told once. After the last one every rank has its seat. */
static int world_make(const struct start *start, struct world *world,
                      const struct fabric_place *place, struct fabric_segment *segment,
                      struct mustered *mustered, struct actor **actor)
{
    uint64_t bytes = 0;
    int result = agree(place, arena_choose(start, &bytes), mustered);

    if (result == TROUPE_OK)
        result = fabric_segment_create(bytes, segment);
    if (result != TROUPE_OK)
        return result;
    if (place->local_rank == 0)
        result = node_make(segment, place, mustered->places, world, actor);
    result = agree(place, result, NULL);
    if (result != TROUPE_OK)
        return result;
    if (place->local_rank > 0)
        result = node_meet(segment, world, actor);
    if (result == TROUPE_OK)
        seat_take(*actor, place->local_rank, world->role);
    return agree(place, result, NULL);
}

static int world_make_at(const struct start *start, enum world_role role, struct report *report,
                         struct fabric_segment *segment, struct actor **actor)
{
    const struct fabric_place *place = &report->place;
    struct world world = { .role = role,
                           .rank = place->rank,
                           .size = place->size,
                           .node = place->node,
                           .nodes = place->nodes };
    struct mustered mustered = { calloc((size_t)place->size, sizeof(uint32_t)), 0 };
    int result;

    if (mustered.places == NULL)
        return fail(TROUPE_NO_MEMORY, "no memory for a list of %d ranks", place->size);
    result = world_make(start, &world, place, segment, &mustered, actor);
    report->parent = mustered.parent;
    free(mustered.places);
    return result;
}

int rank_world_make(const struct start *start, enum world_role role, struct report *report,
                    struct fabric_segment *segment, struct actor **actor)
{
    struct {
        char version[32];
        uint64_t program;
    } identity = { "", target_program() };
    int result;

    memset(report, 0, sizeof *report);
    snprintf(identity.version, sizeof identity.version, "%s", troupe_version());
    result = fabric_start(&identity, sizeof identity, &report->place);
    if (result == TROUPE_OK)
        result = world_make_at(start, role, report, segment, actor);
    if (result == TROUPE_OK)
        memcpy(report->address, segment->address, sizeof report->address);
    report->result = result;
    if (result != TROUPE_OK)
        snprintf(report->sentence, sizeof report->sentence, "%s", troupe_last_error());
    return result;
}

/* ---- calls between nodes ------------------------------------------------------------------ */

static pthread_t service_thread;
static bool service_runs;

/* A rank that cannot lead when its turn comes ends: its keeper then names the next. */
static void *service_main(void *unused)
{
    if (!service_await_lead(&world_here.arena, world_here.rank))
        return unused;
    if (engine_lead() == TROUPE_OK)
        service_run();
    else {
        log_error("rank %d cannot lead node %d: %s", world_here.rank, world_here.node,
                  troupe_last_error());
        raise(SIGKILL);
    }
    return unused;
}

static int service_thread_start(void)
{
    sigset_t all, before;
    int error;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    error = pthread_create(&service_thread, NULL, service_main, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error != 0)
        return fail(TROUPE_SYSTEM, "no thread for the service of node %d: %s", world_here.node,
                    strerror(error));
    service_runs = true;
    return TROUPE_OK;
}

int rank_service_start(void)
{
    int result;

    if (world_here.nodes == 1)
        return TROUPE_OK;
    result = engine_open(&world_here.arena, world_here.rank, world_here.size);
    return result == TROUPE_OK ? service_thread_start() : result;
}

static void reads_tell(void)
{
    struct dict_onesided_counts counts;

    dict_onesided_count(&counts);
    log_info("one-sided reads: %llu gets; %llu more met an entry that had changed, %llu came late",
             (unsigned long long)counts.read, (unsigned long long)counts.refused,
             (unsigned long long)counts.late);
}

void rank_service_end(void)
{
    if (dict_onesided_is_on())
        reads_tell();
    if (service_runs) {
        service_stop(&world_here.arena);
        pthread_join(service_thread, NULL);
        service_runs = false;
    }
    engine_close();
}

/* ---- life ------------------------------------------------------------------------------- */

/* The world is over, or never stood: everything out, MPI left, the process ended. */
static void leave(bool clean, int status) __attribute__((noreturn));
static void leave(bool clean, int status)
{
    rank_service_end();
    if (world_here.role != WORLD_NONE)
        world_leave(); /* fabric_stop unmaps the arena */
    fabric_stop(clean);
    if (clean)
        exit(status);
    fflush(NULL);
    _exit(status);
}

void rank_main(const struct start *start, int pipe)
{
    struct fabric_segment segment;
    struct report report;
    struct actor *actor;
    struct node *node;
    int result;

    fabric_settings_apply();
    result = rank_world_make(start, WORLD_RANK, &report, &segment, &actor);
    topo_place_attest(&start->place);
    if (result == TROUPE_OK && (result = rank_service_start()) != TROUPE_OK) {
        report.result = result;
        snprintf(report.sentence, sizeof report.sentence, "%s", troupe_last_error());
    }
    report_send(pipe, &report);
    close(pipe);
    if (result != TROUPE_OK)
        leave(true, 0);
    process_threads_remember();
    process_serve(actor, report.place.local_rank);
    node = node_of(&world_here.arena);
    leave(atomic_load(&node->state) == NODE_ENDING, 0);
}
