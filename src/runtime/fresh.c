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
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define FRESH_VARIABLE "TROUPE_FRESH"
#define DESCRIPTORS_MOST 65536 /* that are looked at one by one */

/* As in <linux/close_range.h>, which older systems lack; the number is the same everywhere. */
#define CALL_CLOSE_RANGE 436
#define CLOSE_AT_EXEC (1u << 2)

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

/* The lines that are added to the environment, the later ones before the earlier: ours, those about
 * GPUs, the order's own. A line without "=" takes its variable away. */
struct added {
    char **lines;
    size_t count;
};

static bool names_same(const char *variable, const char *line)
{
    size_t length = strcspn(variable, "=");

    return strncmp(variable, line, length) == 0 && (line[length] == '=' || line[length] == '\0');
}

/* Whether one of the added lines from `first` on speaks of this variable. */
static bool is_spoken_of(const char *variable, const struct added *added, size_t first)
{
    for (size_t i = first; i < added->count; i++)
        if (names_same(variable, added->lines[i]))
            return true;
    return false;
}

/* The child's environment: ours, less the launcher's, with the added lines. Freed as one array; the
 * strings stay their owners'. */
static char **environment_make(const struct added *added)
{
    size_t count = 0, used = 0;
    char **made;

    while (environ[count] != NULL)
        count++;
    made = calloc(count + added->count + 1, sizeof *made);
    for (size_t i = 0; made != NULL && i < count; i++)
        if (!is_launchers(environ[i]) && !is_spoken_of(environ[i], added, 0))
            made[used++] = environ[i];
    for (size_t i = 0; made != NULL && i < added->count; i++)
        if (strchr(added->lines[i], '=') != NULL && !is_spoken_of(added->lines[i], added, i + 1))
            made[used++] = added->lines[i];
    return made;
}

/* Ours, the GPUs' and the order's, of which the first is the directory. The order's lie in the
 * arena until the process ends. */
static int added_make(char *own, const struct fresh_lines *gpus, const struct order *order,
                      struct added *added)
{
    const char *end = order->setting + order->head.setting_bytes;
    size_t most = 1 + FRESH_LINES;

    for (const char *at = order->setting; at < end; at += strlen(at) + 1)
        most++;
    added->lines = calloc(most, sizeof *added->lines);
    if (added->lines == NULL)
        return fail(TROUPE_NO_MEMORY, "no memory for a fresh process's environment");
    added->lines[added->count++] = own;
    for (size_t i = 0; i < FRESH_LINES; i++)
        added->lines[added->count++] = gpus->text[i];
    for (const char *at = order->setting; at < end; at += strlen(at) + 1)
        if (at != order->setting)
            added->lines[added->count++] = (char *)at;
    return TROUPE_OK;
}

/* What the child is to do; it tells by `failed`, an errno in memory that it shares with us until it
 * has executed the program, what it could not. */
struct birth {
    char *const *argv;
    char *const *environment;
    const char *directory; /* NULL: where we are */
    const struct process_order *limits;
    pid_t keeper;
    volatile int failed;
};

/* What the program, or a library of its, has open is not the child's. In the child alone: a process
 * made by vfork has descriptors of its own. Kernels before 5.11 are asked one by one. */
static void descriptors_close_at_exec(void)
{
    struct rlimit most = { 0, 0 };

    if (syscall(CALL_CLOSE_RANGE, STDERR_FILENO + 1, ~0u, CLOSE_AT_EXEC) == 0)
        return;
    getrlimit(RLIMIT_NOFILE, &most);
    for (int i = STDERR_FILENO + 1; (rlim_t)i < most.rlim_cur && i < DESCRIPTORS_MOST; i++)
        fcntl(i, F_SETFD, FD_CLOEXEC);
}

/* In the child, between vfork and exec: system calls only. */
static void child_become(struct birth *birth)
{
    sigset_t none;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != birth->keeper)
        _exit(127);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    descriptors_close_at_exec();
    if (birth->directory == NULL || chdir(birth->directory) == 0) {
        process_limit(birth->limits);
        execve("/proc/self/exe", birth->argv, birth->environment);
    }
    birth->failed = errno;
    _exit(127);
}

/* A function of its own: what it keeps in registers, the child may change. */
static pid_t child_make(struct birth *birth)
{
    pid_t child = vfork();

    if (child == 0)
        child_become(birth);
    return child;
}

static pid_t child_check(pid_t child, const struct birth *birth)
{
    if (child < 0) {
        fail_errno(TROUPE_SYSTEM, "no process for a fresh start");
        return -1;
    }
    if (birth->failed == 0)
        return child;
    waitpid(child, NULL, 0);
    errno = birth->failed;
    fail_errno(TROUPE_SYSTEM, "a fresh process could not start in %s",
               birth->directory != NULL ? birth->directory : "its keeper's directory");
    return -1;
}

pid_t fresh_start(struct actor *actor, const struct start *start, const char *address, int local,
                  uint64_t handle, const struct fresh_lines *lines)
{
    char process[FABRIC_ADDRESS_SIZE + 128];
    struct birth birth = { .argv = start->argv, .keeper = getpid() };
    struct added added = { 0 };
    struct order order = { 0 };
    char **environment = NULL;
    pid_t child = -1;

    snprintf(process, sizeof process, FRESH_VARIABLE "=%s %016" PRIx64 " %d %d %d %d %d", address,
             handle, local, world_here.size, world_here.node, world_here.nodes, lines->chosen);
    if (process_order_find(actor, handle, &order) != TROUPE_OK ||
        added_make(process, lines, &order, &added) != TROUPE_OK)
        return -1;
    environment = environment_make(&added);
    if (environment != NULL) {
        birth.environment = environment;
        birth.limits = &order.head;
        if (order.head.setting_bytes > 0 && *order.setting != '\0')
            birth.directory = order.setting;
        child = child_check(child_make(&birth), &birth);
    } else
        fail(TROUPE_NO_MEMORY, "no memory for a fresh process's environment");
    free(environment);
    free(added.lines);
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

bool runtime_is_fresh(void)
{
    return getenv(FRESH_VARIABLE) != NULL;
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
    fabric_forsake();
    status = process_run(actor, handle, TROUPE_METHOD_SPAWN);
    world_leave();
    exit(status);
}
