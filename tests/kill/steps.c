/* Stepping with ptrace. Tracer and child share one core, which spares the wakes of the other.
 *
 * The child marks the work by raising MARK before and after it. A timer interrupts the tracer's
 * waits: so it sees a child that sleeps, which it rescues, and tells when nothing moves at all. */
#include "steps.h"

#include "core/memory.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/time.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define MARK SIGUSR1
#define TICK_US 20000
#define TICKS_OF_SILENCE 3000 /* a minute without a step: the watchdog gives up */
#define STEPS_MOST 20000000u

static struct {
    const char *name, *phase;
    volatile size_t step;
    volatile sig_atomic_t silence;
} watched;

/* ---- the watchdog ------------------------------------------------------------------------ */

static void on_tick(int signal_number)
{
    (void)signal_number;
    if (++watched.silence > TICKS_OF_SILENCE) {
        fprintf(stderr, "%s: nothing moves while %s, after step %zu\n", watched.name, watched.phase,
                watched.step);
        _exit(1);
    }
}

void steps_watch(const char *name, const char *phase, size_t step)
{
    struct itimerval tick = { { 0, TICK_US }, { 0, TICK_US } };
    struct sigaction action = { .sa_handler = on_tick };

    if (watched.name == NULL) {
        sigaction(SIGALRM, &action, NULL); /* without SA_RESTART: it ends waits */
        setitimer(ITIMER_REAL, &tick, NULL);
    }
    watched.name = name;
    watched.phase = phase;
    watched.step = step;
    watched.silence = 0;
}

/* ---- stepping ---------------------------------------------------------------------------- */

static bool asleep(pid_t child)
{
    char path[64], text[256] = "";
    const char *after;
    FILE *file;

    snprintf(path, sizeof path, "/proc/%d/stat", (int)child);
    file = fopen(path, "re");
    if (file == NULL)
        return false;
    if (fgets(text, sizeof text, file) == NULL)
        text[0] = '\0';
    fclose(file);
    after = strrchr(text, ')');
    return after != NULL && after[1] == ' ' && after[2] == 'S';
}

int steps_await(struct kill_world *world, pid_t child, void (*rescue)(struct kill_world *world))
{
    int status;

    while (waitpid(child, &status, 0) < 0) {
        if (errno != EINTR)
            return -1;
        if (rescue != NULL && asleep(child))
            rescue(world);
    }
    watched.silence = 0;
    return status;
}

static bool stopped_by(int status, int signal_number)
{
    return status != -1 && WIFSTOPPED(status) && WSTOPSIG(status) == signal_number;
}

/* Forks a child that stands at the beginning of the work. */
static pid_t child_start(struct kill_world *world, void (*work)(struct kill_world *world))
{
    pid_t child = fork();

    if (child == 0) {
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
            _exit(1);
        raise(MARK);
        work(world);
        raise(MARK);
        _exit(0);
    }
    if (child > 0 && !stopped_by(steps_await(world, child, NULL), MARK)) {
        waitpid(child, NULL, 0);
        return -1;
    }
    return child;
}

static void child_kill(pid_t child)
{
    kill(child, SIGKILL);
    while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
        ;
}

/* Reading the machine's memory figures takes 400 000 instructions of the C library and touches no
 * arena: where we know the machine's call convention it is one step, like a system call. */
#if defined(__x86_64__)
#define BREAKPOINT 0xccl
#define REGISTER(name) ((void *)offsetof(struct user_regs_struct, name))

static bool at_memory_figures(pid_t child)
{
    return ptrace(PTRACE_PEEKUSER, child, REGISTER(rip), NULL) == (long)(intptr_t)memory_available;
}

/* Runs to the return of the function that the child has just entered. */
static int child_return(struct kill_world *world, pid_t child)
{
    long stack = ptrace(PTRACE_PEEKUSER, child, REGISTER(rsp), NULL);
    long back = ptrace(PTRACE_PEEKDATA, child, (void *)stack, NULL);
    long code = ptrace(PTRACE_PEEKTEXT, child, (void *)back, NULL);
    int status;

    ptrace(PTRACE_POKETEXT, child, (void *)back, (void *)((code & ~0xffl) | BREAKPOINT));
    ptrace(PTRACE_CONT, child, NULL, NULL);
    status = steps_await(world, child, NULL);
    ptrace(PTRACE_POKETEXT, child, (void *)back, (void *)code);
    ptrace(PTRACE_POKEUSER, child, REGISTER(rip), (void *)back);
    return status;
}
#else
static bool at_memory_figures(pid_t child)
{
    (void)child;
    return false;
}

static int child_return(struct kill_world *world, pid_t child)
{
    return steps_await(world, child, NULL);
}
#endif

/* One instruction. 1: go on; 0: the work is at its end; -1: the child did something else. */
static int child_step(struct kill_world *world, pid_t child,
                      void (*rescue)(struct kill_world *world))
{
    int status;

    if (at_memory_figures(child))
        status = child_return(world, child);
    else if (ptrace(PTRACE_SINGLESTEP, child, NULL, NULL) == 0)
        status = steps_await(world, child, rescue);
    else
        return -1;
    if (stopped_by(status, SIGTRAP))
        return 1;
    if (stopped_by(status, MARK))
        return 0;
    kill_expect(world, false, "the stepped process ended with wait status %x", (unsigned)status);
    return -1;
}

bool steps_record(struct kill_world *world, void (*work)(struct kill_world *world),
                  void (*rescue)(struct kill_world *world), struct trail *trail)
{
    pid_t child = child_start(world, work);
    int outcome = child > 0 ? 1 : -1;

    trail_follow(trail, &world->arena);
    while (outcome == 1 && trail->steps < STEPS_MOST) {
        outcome = child_step(world, child, rescue);
        watched.step = ++trail->steps;
        trail_follow(trail, &world->arena);
    }
    if (child > 0)
        child_kill(child);
    return outcome == 0 && kill_expect(world, !trail->full, "too many images for this test");
}

bool steps_kill_traced(struct kill_world *world, void (*work)(struct kill_world *world),
                       size_t steps)
{
    pid_t child = child_start(world, work);
    int outcome = child > 0 ? 1 : -1;

    for (size_t step = 0; step < steps && outcome == 1; step++)
        outcome = child_step(world, child, NULL);
    if (child > 0)
        child_kill(child);
    return outcome >= 0;
}

/* ---- whether it is allowed --------------------------------------------------------------- */

static void stay_on_one_core(void)
{
    cpu_set_t cores;
    int core = sched_getcpu();

    if (core < 0)
        return;
    CPU_ZERO(&cores);
    CPU_SET(core, &cores);
    sched_setaffinity(0, sizeof cores, &cores);
}

static void nothing(struct kill_world *world)
{
    (void)world;
}

bool steps_allowed(const char **reason)
{
    struct kill_world world;
    pid_t child;
    int outcome;

    stay_on_one_core();
    steps_watch("steps_allowed", "trying ptrace", 0);
    child = child_start(&world, nothing);
    *reason = "ptrace of an own child is not allowed here (a container's seccomp, perhaps)";
    if (child < 0)
        return false;
    outcome = child_step(&world, child, NULL);
    child_kill(child);
    *reason = "this machine cannot single-step";
    return outcome == 1;
}
