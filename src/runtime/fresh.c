/* Fresh processes (TROUPE_METHOD_SPAWN): a child of a keeper's thread that executes this program
 * again. It inherits nothing but descriptors 0 to 2, the environment without the launcher's
 * variables, and the address of the arena, where its handle names its target and argument. */
#include "runtime/runtime.h"

#include "base/error.h"
#include "base/log.h"
#include "core/table.h"
#include "job/stdio.h"
#include "object/process.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define FRESH_VARIABLE "TROUPE_FRESH"
#define PLACE_LINES 4

extern char **environ;

/* Variables that would make the child believe it is a rank. */
static bool is_launchers(const char *variable)
{
    static const char *const prefixes[] = { "OMPI_", "PMIX_", "PMI_", "PRTE_" };

    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
        if (strncmp(variable, prefixes[i], strlen(prefixes[i])) == 0)
            return true;
    return false;
}

/* Whether one of the added lines sets this variable. */
static bool is_set(const char *variable, char *const *added, size_t added_count)
{
    size_t length = strcspn(variable, "=");

    for (size_t i = 0; i < added_count; i++)
        if (strncmp(variable, added[i], length) == 0 && added[i][length] == '=')
            return true;
    return false;
}

/* The child's environment: ours, less the launcher's, with the added lines. Freed as one array; the
 * strings stay their owners'. */
static char **environment_make(char *const *added, size_t added_count)
{
    size_t count = 0, used = 0;
    char **made;

    while (environ[count] != NULL)
        count++;
    made = calloc(count + added_count + 1, sizeof *made);
    for (size_t i = 0; made != NULL && i < count; i++)
        if (!is_launchers(environ[i]) && !is_set(environ[i], added, added_count))
            made[used++] = environ[i];
    for (size_t i = 0; made != NULL && i < added_count; i++)
        made[used++] = added[i];
    return made;
}

/* Lines for the rank's GPUs, as its place has them; returns how many. The caller frees them. */
static size_t place_lines(const struct topo_place *place, char *lines[PLACE_LINES])
{
    const struct {
        const char *name, *value;
    } wanted[PLACE_LINES] = {
        { "CUDA_VISIBLE_DEVICES", place->cuda_visible_devices },
        { "CUDA_DEVICE_ORDER", place->cuda_device_order },
        { "TROUPE_PLACED_GPU", place->gpu },
        { "TROUPE_PLACED_REASON", place->reason },
    };
    size_t count = 0;

    for (size_t i = 0; i < PLACE_LINES; i++)
        if (wanted[i].value != NULL &&
            asprintf(&lines[count], "%s=%s", wanted[i].name, wanted[i].value) > 0)
            count++;
    return count;
}

/* In the child, between vfork and exec: system calls only. */
static void child_become(pid_t keeper, char *const *argv, char *const *environment)
{
    sigset_t none;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != keeper)
        _exit(127);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execve("/proc/self/exe", argv, environment);
    _exit(127);
}

/* A function of its own: what it keeps in registers, the child may change. */
static pid_t child_make(char *const *argv, char *const *environment)
{
    pid_t keeper = getpid(), child = vfork();

    if (child == 0)
        child_become(keeper, argv, environment);
    if (child < 0)
        fail_errno(TROUPE_SYSTEM, "no process for a fresh start");
    return child;
}

pid_t fresh_start(const struct start *start, const char *address, int local, uint64_t handle)
{
    char line[FABRIC_ADDRESS_SIZE + 128], *added[1 + PLACE_LINES] = { line };
    size_t count = 1 + place_lines(&start->place, added + 1);
    char **environment;
    pid_t child = -1;

    snprintf(line, sizeof line, FRESH_VARIABLE "=%s %016" PRIx64 " %d %d %d %d", address, handle,
             local, world_here.size, world_here.node, world_here.nodes);
    environment = environment_make(added, count);
    if (environment != NULL)
        child = child_make(start->argv, environment);
    else
        fail(TROUPE_NO_MEMORY, "no memory for a fresh process's environment");
    free(environment);
    for (size_t i = 1; i < count; i++)
        free(added[i]);
    return child;
}

/* ---- in the child ------------------------------------------------------------------------- */

static int fresh_join(const char *line, struct actor **actor, uint64_t *handle)
{
    struct world world = { .role = WORLD_SPAWN, .rank = -1 };
    char address[FABRIC_ADDRESS_SIZE];
    struct fabric_segment segment;
    int local, result;

    if (sscanf(line, "%63s %" SCNx64 " %d %d %d %d", address, handle, &local, &world.size,
               &world.node, &world.nodes) != 6)
        return fail(TROUPE_LAUNCH, FRESH_VARIABLE "=%s is none of Troupe's", line);
    result = fabric_segment_attach(address, &segment);
    if (result == TROUPE_OK)
        result = arena_view(segment.base, &world.arena);
    if (result == TROUPE_OK) {
        world.rank = (int)node_of(&world.arena)->ranks[local].rank;
        job_stdio_attach(JOB_ROLE_RANK, world.rank);
        result = world_join(&world, actor);
    }
    return result;
}

void fresh_main(void)
{
    const char *line = getenv(FRESH_VARIABLE);
    struct actor *actor;
    uint64_t handle;
    int status;

    if (line == NULL)
        return;
    log_set_name("troupe[fresh]");
    runtime_register();
    if (fresh_join(line, &actor, &handle) != TROUPE_OK) {
        log_error("%s", troupe_last_error());
        exit(1);
    }
    unsetenv(FRESH_VARIABLE);
    status = process_run(actor, handle, TROUPE_METHOD_SPAWN);
    world_leave();
    exit(status);
}
