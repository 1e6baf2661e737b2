/* Fresh processes (TROUPE_METHOD_SPAWN): a child of a keeper's thread that executes this program
 * again. It inherits nothing but descriptors 0 to 2, the environment without the launcher's
 * variables, and the address of the arena, where its handle names its target and argument. */
#include "runtime/runtime.h"

#include "base/error.h"
#include "base/log.h"
#include "core/table.h"
#include "job/stdio.h"
#include "object/process.h"
#include "object/process_gpus.h"

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

/* Whether a line is about this variable. */
static bool is_named(const char *variable, const struct fresh_lines *lines)
{
    size_t length = strcspn(variable, "=");

    for (size_t i = 0; i < FRESH_LINES; i++)
        if (strncmp(variable, lines->text[i], length) == 0 &&
            strcspn(lines->text[i], "=") == length)
            return true;
    return false;
}

/* The child's environment: ours, less the launcher's, with the line that names its process and
 * those about GPUs. Freed as one array; the strings stay their owners'. */
static char **environment_make(char *process, const struct fresh_lines *lines)
{
    size_t count = 0, used = 0;
    char **made;

    while (environ[count] != NULL)
        count++;
    made = calloc(count + 1 + FRESH_LINES + 1, sizeof *made);
    if (made == NULL)
        return NULL;
    for (size_t i = 0; i < count; i++)
        if (!is_launchers(environ[i]) && !is_named(environ[i], lines))
            made[used++] = environ[i];
    for (size_t i = 0; i < FRESH_LINES; i++)
        if (strchr(lines->text[i], '=') != NULL)
            made[used++] = lines->text[i];
    made[used++] = process;
    return made;
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

pid_t fresh_start(const struct start *start, const char *address, int local, uint64_t handle,
                  const struct fresh_lines *lines)
{
    char process[FABRIC_ADDRESS_SIZE + 128];
    char **environment;
    pid_t child = -1;

    snprintf(process, sizeof process, FRESH_VARIABLE "=%s %016" PRIx64 " %d %d %d %d %d", address,
             handle, local, world_here.size, world_here.node, world_here.nodes, lines->chosen);
    environment = environment_make(process, lines);
    if (environment != NULL)
        child = child_make(start->argv, environment);
    else
        fail(TROUPE_NO_MEMORY, "no memory for a fresh process's environment");
    free(environment);
    return child;
}

/* ---- in the child ------------------------------------------------------------------------- */

static int fresh_join(const char *line, struct actor **actor, uint64_t *handle)
{
    struct world world = { .role = WORLD_SPAWN, .rank = -1 };
    char address[FABRIC_ADDRESS_SIZE];
    struct fabric_segment segment;
    int local, chosen, result;

    if (sscanf(line, "%63s %" SCNx64 " %d %d %d %d %d", address, handle, &local, &world.size,
               &world.node, &world.nodes, &chosen) != 7)
        return fail(TROUPE_LAUNCH, FRESH_VARIABLE "=%s is none of Troupe's", line);
    if (chosen)
        process_gpus_chosen();
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
