/* troupe_init and troupe_finalize: which process becomes what, and how the world ends. */
#include "runtime/runtime.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "core/bell.h"
#include "core/futex.h"
#include "core/node.h"
#include "core/party.h"
#include "core/service.h"
#include "device/device.h"
#include "job/janitor.h"
#include "job/launcher_only.h"
#include "job/run.h"
#include "job/self.h"
#include "job/stdio.h"
#include "object/array.h"
#include "object/dict.h"
#include "object/list.h"
#include "object/names.h"
#include "object/process.h"
#include "object/process_gpus.h"
#include "object/queue.h"
#include "pool/pool.h"
#include "object/sync.h"
#include "runtime/attach.h"
#include "topo/trial.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORKERS_MOST 1000000
#define STRICT_VARIABLE "TROUPE_STRICT"
#define STRICT_STATUS 1
#define DAEMON_GRACE_MS 2000 /* on another node, from SIGTERM to SIGKILL */

/* The parent's and the keepers' own; constant after troupe_init. */
static struct start start;
static struct keeper *keeper;
static struct janitor janitor;
static bool has_janitor;
static pid_t owner; /* the process that troupe_init returned in; a forked child is another */
static bool called, ended;

/* The parent ends this node, too. */
static int end_handler(struct actor *actor, const struct request *request, bool last,
                       struct answer *answer, struct bell **bell)
{
    (void)last, (void)answer, (void)bell;
    node_state_set(actor, (enum node_state)request->words[0]);
    return TROUPE_OK;
}

void runtime_register(void)
{
    service_register(SERVICE_NODE_END, end_handler);
    party_calls_register();
    process_register();
    queue_register();
    dict_register();
    list_register();
    array_register();
    names_register();
    pool_register();
    sync_register();
    process_sync_output = job_stdio_sync;
    bell_mark_with(device_range_begin, device_range_end);
}

/* ---- without a launcher -------------------------------------------------------------------- */

static int workers_check(const troupe_init_options *options)
{
    if (options != NULL && (options->workers < 0 || options->workers > WORKERS_MOST))
        return fail(TROUPE_BAD_ARGUMENT, "workers = %d; ask for 1 to %d", options->workers,
                    WORKERS_MOST);
    return TROUPE_OK;
}

/* A topology file that hwloc ends on, by a signal, is named before anything depends on it. */
static int topology_check(void)
{
    struct topo_options options;
    int result = topo_options_read(&options);

    return result == TROUPE_OK ? topology_try(options.topology) : result;
}

/* What is wrong with a mask or a mode is said once, before any rank starts. */
static int places_check(int ranks)
{
    struct topo_place place;
    int result = topo_place_compute(0, ranks, NULL, &place);

    if (result == TROUPE_OK)
        topo_place_free(&place);
    return result;
}

/* The process a person started supervises the world it starts, and never returns. */
static void supervise(char **argv, const troupe_init_options *options) __attribute__((noreturn));
static void supervise(char **argv, const troupe_init_options *options)
{
    struct job_self self = { .run = { .command = argv } };
    int status = JOB_STATUS_USAGE;
    int result = topology_check();

    if (result == TROUPE_OK)
        result = workers_check(options);
    if (result == TROUPE_OK)
        result = job_self_decide(&start.job, options != NULL ? options->workers : 0, &self);
    if (result == TROUPE_OK && !self.run.goes_elsewhere)
        result = places_check(self.run.ranks);
    if (result == TROUPE_OK)
        result = job_self_start(&self.run, &status);
    if (result != TROUPE_OK && start.job.rank <= 0) /* all tasks of an srun fail alike */
        log_error("%s", troupe_last_error());
    job_self_free(&self);
    exit(status);
}

/* ---- under a launcher ---------------------------------------------------------------------- */

/* The keeper ends with the launcher, the rank with the keeper, whatever happens. */
static void end_with(pid_t ancestor)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != ancestor)
        _exit(1);
}

/* Signals that mpirun passes on to every process are the parent's; the others have no use for them
 * unless the program installed a handler. */
static void signals_leave_to_parent(void)
{
    static const int numbers[] = { SIGUSR1, SIGUSR2 };
    struct sigaction action;

    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (sigaction(numbers[i], NULL, &action) == 0 && action.sa_handler == SIG_DFL)
            signal(numbers[i], SIG_IGN);
}

static void rank_become(int pipe_ends[2], pid_t ancestor) __attribute__((noreturn));
static void rank_become(int pipe_ends[2], pid_t ancestor)
{
    static char name[32];

    end_with(ancestor);
    close(pipe_ends[0]);
    if (has_janitor)
        close(janitor.channel);
    snprintf(name, sizeof name, "troupe[rank %d]", start.job.rank);
    log_set_name(name);
    signals_leave_to_parent();
    job_stdio_attach(JOB_ROLE_RANK, start.job.rank);
    if (topo_place_apply(&start.place) != TROUPE_OK)
        log_warning("%s", troupe_last_error());
    process_gpus_remember();
    rank_main(&start, pipe_ends[1]);
}

/* What its rank forks for a process of the world is the rank's child only until a go-between has
 * ended: then it is the keeper's (object/process_fork.c). */
static int rank_fork(pid_t *rank, int *report_end)
{
    int ends[2];
    pid_t self = getpid();

    prctl(PR_SET_CHILD_SUBREAPER, 1);

    if (pipe(ends) != 0)
        return fail_errno(TROUPE_SYSTEM, "no pipe to the rank");
    fflush(NULL);
    *rank = fork();
    if (*rank == 0)
        rank_become(ends, self);
    close(ends[1]);
    *report_end = ends[0];
    if (*rank > 0)
        return TROUPE_OK;
    close(ends[0]);
    return fail_errno(TROUPE_SYSTEM, "no process for rank %d", start.job.rank);
}

/* Waits for the rank's word. A rank that ended without one leaves the others waiting in MPI: only
 * an end with an error makes the launcher end them. */
static int report_await(pid_t rank, int report_end, struct report *report)
{
    bool came = report_receive(report_end, report);
    int status = 0;

    close(report_end);
    if (came && report->result == TROUPE_OK)
        return TROUPE_OK;
    waitpid(rank, &status, 0);
    if (came)
        return fail_text(report->result, report->sentence);
    if (WIFSIGNALED(status))
        fail(TROUPE_LAUNCH, "rank %d was ended by signal %d (%s) before the world stood",
             start.job.rank, WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        fail(TROUPE_LAUNCH,
             "rank %d left with status %d before the world stood; MPI's own message "
             "is above",
             start.job.rank, WEXITSTATUS(status));
    log_error("%s", troupe_last_error());
    _exit(1);
}

/* The rank is a fork of this process, and CUDA does not survive one; nor does it read its mask
 * again. The parent says so for all. */
static void cuda_early_tell(void)
{
    char what[256];

    if (start.job.rank == 0 && device_cuda_runs(what, sizeof what))
        log_warning(
            "CUDA runs already, and no rank can use it: %s; call troupe_init before anything "
            "of CUDA's",
            what);
}

/* Under a launcher of the user's nobody else cleans up after a kill. */
static void janitor_hire(void)
{
    struct janitor_options options = { .output = -1, .error = -1, .awaited = getppid() };

    if (start.job.local_rank > 0 || getenv("TROUPE_SUPERVISOR") != NULL)
        return;
    has_janitor = janitor_start(&options, &janitor) == TROUPE_OK;
}

static void keeper_main(void) __attribute__((noreturn));
static void keeper_main(void)
{
    keeper_run(keeper);
    keeper_outwait_parent(keeper);
    keeper_close(keeper);
    if (has_janitor)
        janitor_dismiss(&janitor);
    exit(0);
}

static void finalize_at_exit(void)
{
    if (getpid() == owner && world_here.role == WORLD_PARENT)
        troupe_finalize(0);
}

static int world_enter_as(pid_t rank, const struct report *report, bool parent)
{
    int result = keeper_open(&start, report, rank, parent ? WORLD_PARENT : WORLD_KEEPER, &keeper);

    if (result == TROUPE_OK && has_janitor)
        janitor_note(&janitor, rank);
    if (!parent && result == TROUPE_OK)
        keeper_main();
    if (result == TROUPE_OK)
        result = keeper_run_beside(keeper);
    if (result != TROUPE_OK) {
        log_error("%s", troupe_last_error());
        _exit(1); /* the rank waits for us; only an error makes the launcher end it */
    }
    owner = getpid();
    atexit(finalize_at_exit);
    return TROUPE_OK;
}

static int start_under_launcher(void)
{
    struct report report;
    bool parent = start.job.rank == 0;
    struct topo_options options;
    pid_t rank = -1;
    int report_end = -1, result;

    end_with(getppid());
    launcher_only_forget();
    job_stdio_attach(parent ? JOB_ROLE_PARENT : JOB_ROLE_RANK, start.job.rank);
    log_set_name(parent ? "troupe" : "troupe[keeper]");
    cuda_early_tell();
    result = getenv("TROUPE_SUPERVISOR") == NULL ? topology_check() : TROUPE_OK;
    if (result == TROUPE_OK)
        result = topo_options_read(&options);
    options.several_nodes = start.job.size > start.job.local_size;
    options.own_mask = start.job.own_mask;
    if (result == TROUPE_OK)
        result =
            topo_place_compute(start.job.local_rank, start.job.local_size, &options, &start.place);
    if (result == TROUPE_OK) {
        janitor_hire();
        result = rank_fork(&rank, &report_end);
    }
    if (result != TROUPE_OK) {
        log_error("%s", troupe_last_error());
        _exit(1); /* before MPI_Init nobody waits for us: the launcher sees the error */
    }
    if (!parent)
        signals_leave_to_parent();
    topo_unbind();
    process_gpus_remember();
    result = report_await(rank, report_end, &report);
    if (result != TROUPE_OK && parent)
        log_error("%s", troupe_last_error());
    if (result != TROUPE_OK && !parent)
        exit(0); /* all ranks failed alike: the parent says why */
    return result == TROUPE_OK ? world_enter_as(rank, &report, parent) : result;
}

int troupe_init_with(int *argc, char ***argv, const troupe_init_options *options)
{
    int result;

    if (called || world_here.role != WORLD_NONE)
        return fail(TROUPE_ALREADY, "this process %s before; call troupe_init once, and first",
                    called ? "called troupe_init" : "entered a world");
    called = true;
    (void)argc; /* argv ends with NULL; argc stands in the call as in MPI_Init */
    start.argv = *argv;
    start.arena_bytes = options != NULL ? options->arena_bytes : 0;
    fresh_main();
    result = job_place_detect(&start.job);
    if (result != TROUPE_OK) {
        log_error("%s", troupe_last_error());
        return result;
    }
    if (!start.job.is_rank)
        supervise(*argv, options);
    runtime_register();
    return start_under_launcher();
}

int troupe_init(int *argc, char ***argv)
{
    return troupe_init_with(argc, argv, NULL);
}

/* ---- the end ---------------------------------------------------------------------------- */

/* What died in this world and was survived. */
struct losses {
    uint64_t ranks, processes;
};

/* Waits until no process is left on any node. One that ends may have started others elsewhere, so
 * the round is repeated until it finds nothing. */
static struct losses drain_all(struct actor *actor)
{
    const struct node *here = node_of(&actor->arena);
    struct request request = { .op = SERVICE_NODE_DRAIN };
    struct answer answer;
    struct losses lost;

    do {
        process_drain(actor);
        lost = (struct losses){ 0, 0 };
        for (int node = 0; node < world_here.nodes; node++) {
            if (node == world_here.node)
                continue;
            if (service_call(actor, node, &request, CLOCK_FOREVER, &answer) != TROUPE_OK)
                answer.words[0] = answer.words[1] = 1; /* the node is lost, and what it ran */
            lost.ranks += answer.words[0];
            lost.processes += answer.words[1];
            free(answer.data);
        }
    } while (process_unfinished(actor) > 0);
    lost.ranks += atomic_load(&here->lost);
    lost.processes += atomic_load(&here->crashed);
    return lost;
}

/* Has a node's daemons end: by SIGTERM or, with kills, by SIGKILL. Whether some are left. */
static bool daemons_end_on(struct actor *actor, int node, bool kills)
{
    struct request request = { .op = SERVICE_NODE_DAEMONS, .words = { kills } };
    struct answer answer;
    int result = service_call(actor, node, &request,
                              kills ? CLOCK_FOREVER : clock_deadline(DAEMON_GRACE_MS), &answer);

    if (result == TROUPE_OK)
        free(answer.data);
    return result != TROUPE_OK;
}

/* The daemons of all nodes, when nothing else runs any more. */
static void daemons_end(struct actor *actor)
{
    process_daemons_end(actor);
    for (int node = 0; node < world_here.nodes; node++)
        if (node != world_here.node && daemons_end_on(actor, node, false))
            daemons_end_on(actor, node, true);
}

static void others_end(struct actor *actor, enum node_state state)
{
    struct request request = { .op = SERVICE_NODE_END, .words = { state } };
    struct answer answer;

    for (int node = 0; node < world_here.nodes; node++)
        if (node != world_here.node &&
            service_call(actor, node, &request, BELL_NO_WAIT, &answer) == TROUPE_OK)
            free(answer.data);
}

static int keepers_look(struct actor *actor, void *unused)
{
    const struct node *node = node_of(&actor->arena);

    (void)unused;
    for (uint32_t local = 0; local < node->local_size; local++)
        if (atomic_load(&node->ranks[local].keeper_state) == KEEPER_READY)
            return 0;
    return 1;
}

static struct losses world_end(struct actor *actor)
{
    struct losses lost;
    enum node_state state;

    drain_all(actor);
    daemons_end(actor);
    lost = drain_all(actor);
    /* MPI may be left by the regular way only if every rank is there to do so. */
    state = lost.ranks == 0 ? NODE_ENDING : NODE_ABORTED;
    others_end(actor, state);
    node_state_set(actor, state);
    keeper_wait(keeper);
    bell_await(actor, &node_of(&actor->arena)->bell, CLOCK_FOREVER, 0, keepers_look, NULL);
    return lost;
}

/* With TROUPE_STRICT a death that was survived is a failure all the same. The supervisor is told at
 * once: main may return what it likes. */
static int status_judge(const struct losses *lost, int status)
{
    const char *strict = getenv(STRICT_VARIABLE);

    if (strict == NULL || *strict == '\0' || strcmp(strict, "0") == 0 || status != 0 ||
        lost->ranks + lost->processes == 0)
        return status;
    log_error("%llu rank(s) and %llu other process(es) died, and " STRICT_VARIABLE
              " says that this is a failure: status %d",
              (unsigned long long)lost->ranks, (unsigned long long)lost->processes, STRICT_STATUS);
    job_status_report(STRICT_STATUS);
    return STRICT_STATUS;
}

/* Why there is no world that the caller may end. Silent after a troupe_init that failed: it said
 * why, and main ends all the same by troupe_finalize. */
static void finalize_refuse(void)
{
    if (world_here.role != WORLD_NONE)
        log_error("troupe_finalize: only the process that troupe_init returned in may end the "
                  "world");
    else if (ended)
        log_error("troupe_finalize: the world was ended before; call it once");
    else if (!called)
        log_error("troupe_finalize: there is no world to end; call troupe_init before");
}

int troupe_finalize(int status)
{
    struct actor *actor;

    if (world_here.role == WORLD_SPMD) {
        ended = true;
        return attach_end(status);
    }
    if (world_here.role != WORLD_PARENT || getpid() != owner) {
        finalize_refuse();
        return status;
    }
    ended = true;
    job_stdio_sync();
    pool_end_all();
    if (world_enter(&actor) == TROUPE_OK) {
        struct losses lost = world_end(actor);

        status = status_judge(&lost, status);
    }
    keeper_close(keeper);
    keeper = NULL;
    if (has_janitor)
        janitor_dismiss(&janitor);
    has_janitor = false;
    topo_place_free(&start.place);
    return status;
}

int troupe_rank(void)
{
    return world_here.role == WORLD_NONE ? -1 : world_here.rank;
}

int troupe_world_size(void)
{
    return world_here.role == WORLD_NONE ? 0 : world_here.size;
}

int troupe_node(void)
{
    return world_here.role == WORLD_NONE ? -1 : world_here.node;
}

int troupe_world_nodes(void)
{
    return world_here.role == WORLD_NONE ? 0 : world_here.nodes;
}
