#include "topo/trial.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "topo/machine.h"

/* Leaves without a trace: no core file, no handler of ours, an end when it takes too long. */
static void child_run(const char *xml) __attribute__((noreturn));
static void child_run(const char *xml)
{
    const struct rlimit none = { 0, 0 };
    struct machine machine;

    setrlimit(RLIMIT_CORE, &none);
    signal(SIGSEGV, SIG_DFL);
    signal(SIGALRM, SIG_DFL);
    alarm(TRIAL_SECONDS);
    _exit(machine_load(xml, &machine) == TROUPE_OK ? 0 : 1);
}

/* The child's sentence went with it. What failed there without harm fails here. */
static int failure_tell(const char *xml)
{
    struct machine machine;
    int result = machine_load(xml, &machine);

    if (result == TROUPE_OK)
        machine_free(&machine);
    return result;
}

int topology_try(const char *xml)
{
    int status = 0;
    pid_t child;

    if (xml == NULL)
        return TROUPE_OK;
    child = fork();
    if (child < 0)
        return fail_errno(TROUPE_SYSTEM, "no process to try %s in", xml);
    if (child == 0)
        child_run(xml);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        continue;
    if (WIFSIGNALED(status))
        return fail(TROUPE_BAD_ARGUMENT,
                    "%s: hwloc %s on this topology file: it is cut or edited; write it anew with: "
                    "lstopo FILE.xml",
                    xml, WTERMSIG(status) == SIGALRM ? "is never done" : "crashes");
    return WEXITSTATUS(status) == 0 ? TROUPE_OK : failure_tell(xml);
}
