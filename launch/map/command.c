/* Starting and burying commands. Between vfork and exec the child shares the worker's memory: it
 * makes system calls only, and says by one word there what went wrong. */
#include "command.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* What the child needs to become the command. */
struct birth {
    char *const *argv, *const *envp;
    const struct command_limits *limits;
    int input, output, error;
    pid_t worker;
    volatile int failed; /* an errno of the child's */
};

static void limit_set(int resource, uint64_t most)
{
    struct rlimit limit = { most, most };

    if (most > 0)
        setrlimit(resource, &limit);
}

/* What the library ignores, or may, the command would ignore as well; what was ignored before the
 * run, as by nohup, stays so. */
static void signals_as_new(void)
{
    sigset_t none;

    signal(SIGPIPE, SIG_DFL);
    signal(SIGUSR1, SIG_DFL);
    signal(SIGUSR2, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static void child_become(struct birth *birth) __attribute__((noreturn));
static void child_become(struct birth *birth)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != birth->worker)
        _exit(EXIT_FAILURE);
    setpgid(0, 0);
    signals_as_new();
    limit_set(RLIMIT_AS, birth->limits->memory_bytes);
    limit_set(RLIMIT_CPU, birth->limits->cpu_seconds);
    if (dup2(birth->input, STDIN_FILENO) >= 0 && dup2(birth->output, STDOUT_FILENO) >= 0 &&
        dup2(birth->error, STDERR_FILENO) >= 0)
        execvpe(birth->argv[0], birth->argv, birth->envp);
    birth->failed = errno;
    _exit(EXIT_FAILURE);
}

/* A function of its own: what it keeps in registers, the child may change. */
static pid_t child_make(struct birth *birth)
{
    pid_t child = vfork();

    if (child == 0)
        child_become(birth);
    return child;
}

static void ends_close(const int *ends)
{
    close(ends[0]);
    close(ends[1]);
}

/* The command's ends block as it expects; ours do not. */
static int pipes_make(int out[2], int err[2])
{
    int failed;

    if (pipe2(out, O_CLOEXEC) != 0)
        return errno;
    if (pipe2(err, O_CLOEXEC) != 0) {
        failed = errno;
        ends_close(out);
        return failed;
    }
    fcntl(out[0], F_SETFL, O_NONBLOCK);
    fcntl(err[0], F_SETFL, O_NONBLOCK);
    return 0;
}

int command_start(char *const *argv, char *const *envp, const struct command_limits *limits,
                  int empty_input, struct command *command)
{
    int out[2], err[2], failed = pipes_make(out, err);
    struct birth birth = { .argv = argv, .envp = envp, .limits = limits, .input = empty_input };
    pid_t child;

    if (failed != 0)
        return failed;
    birth.output = out[1];
    birth.error = err[1];
    birth.worker = getpid();
    child = child_make(&birth);
    failed = child < 0 ? errno : birth.failed;
    close(out[1]);
    close(err[1]);
    if (failed == 0) {
        *command = (struct command){ child, { out[0], err[0] } };
        return 0;
    }
    if (child > 0)
        waitpid(child, NULL, 0);
    close(out[0]);
    close(err[0]);
    return failed;
}

void command_signal(const struct command *command, int signal_number)
{
    kill(-command->pid, signal_number);
}

bool command_has_ended(const struct command *command)
{
    siginfo_t end = { .si_pid = 0 };

    return waitid(P_PID, (id_t)command->pid, &end, WEXITED | WNOHANG | WNOWAIT) != 0 ||
           end.si_pid != 0;
}

void command_bury(const struct command *command, int *exit_code, int *signal_number)
{
    int status = 0;

    while (waitpid(command->pid, &status, 0) < 0 && errno == EINTR)
        ;
    *exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    *signal_number = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}
