/* A child that steps itself, by the processor's trap flag: ten times as quick as ptrace.
 *
 * Recording by write protection: the child runs at full speed until an instruction writes to the
 * arena. That faults; the page is opened and the one instruction stepped; then the page is closed
 * again and the arena looked at. Killing: the flag stays set, and the child kills itself when its
 * time has come.
 *
 * What always holds while recording, between two such instructions: the whole arena is read-only.
 * An instruction that repeats (rep stos) is as many steps as it has rounds. The kernel must not
 * write to the arena: nothing of ours asks it to, but for committing pages, which are all there
 * (madvise is wrapped). */
#include "steps.h"

#include "core/memory.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#if defined(__x86_64__)

#define TRAP_FLAG 0x100
#define PAGES_OPEN 4 /* more than one instruction writes to */

/* ---- recording --------------------------------------------------------------------------- */

static struct {
    const struct arena *arena;
    struct trail *trail;
    uintptr_t page_bytes;
    unsigned char *open[PAGES_OPEN];
    int opened;
} recording;

int __real_madvise(void *address, size_t bytes, int advice);
int __wrap_madvise(void *address, size_t bytes, int advice);
int __wrap_madvise(void *address, size_t bytes, int advice)
{
    return recording.trail != NULL ? 0 : __real_madvise(address, bytes, advice);
}

static void on_write(int number, siginfo_t *info, void *context)
{
    ucontext_t *machine = context;
    unsigned char *page = (unsigned char *)((uintptr_t)info->si_addr & ~(recording.page_bytes - 1));

    if (page < recording.arena->base || page >= recording.arena->base + KILL_ARENA_BYTES ||
        recording.opened == PAGES_OPEN ||
        mprotect(page, recording.page_bytes, PROT_READ | PROT_WRITE) != 0) {
        signal(number, SIG_DFL); /* not ours: the instruction comes again, and ends the child */
        return;
    }
    recording.open[recording.opened++] = page;
    machine->uc_mcontext.gregs[REG_EFL] |= TRAP_FLAG;
}

static void on_written(int number, siginfo_t *info, void *context)
{
    ucontext_t *machine = context;

    (void)number, (void)info;
    machine->uc_mcontext.gregs[REG_EFL] &= ~(greg_t)TRAP_FLAG;
    while (recording.opened > 0)
        mprotect(recording.open[--recording.opened], recording.page_bytes, PROT_READ);
    recording.trail->steps++;
    trail_follow(recording.trail, recording.arena);
}

static void handle(int number, void (*handler)(int, siginfo_t *, void *))
{
    struct sigaction action = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO };

    sigaction(number, &action, NULL);
}

static void child_run(struct kill_world *world, void (*work)(struct kill_world *world),
                      struct trail *trail) __attribute__((noreturn));
static void child_run(struct kill_world *world, void (*work)(struct kill_world *world),
                      struct trail *trail)
{
    recording.arena = &world->arena;
    recording.trail = trail;
    recording.page_bytes = (uintptr_t)sysconf(_SC_PAGESIZE);
    handle(SIGSEGV, on_write);
    handle(SIGTRAP, on_written);
    if (mprotect(world->arena.base, KILL_ARENA_BYTES, PROT_READ) != 0)
        _exit(1);
    work(world);
    _exit(0);
}

bool writes_record(struct kill_world *world, void (*work)(struct kill_world *world),
                   void (*rescue)(struct kill_world *world), struct trail *trail)
{
    pid_t child;
    int status;

    trail_follow(trail, &world->arena);
    child = fork();
    if (child == 0)
        child_run(world, work, trail);
    if (child < 0)
        return kill_expect(world, false, "fork: %s", strerror(errno));
    status = steps_await(world, child, rescue);
    return kill_expect(world, WIFEXITED(status) && WEXITSTATUS(status) == 0,
                       "the recorded process ended with wait status %x", (unsigned)status) &&
           kill_expect(world, !trail->full, "too many images for this test");
}

/* ---- killing ----------------------------------------------------------------------------- */

static size_t steps_left;

/* Reading the machine's memory figures takes 400 000 instructions of the C library and touches no
 * arena: it is one step, like a system call, made here in the child's stead. */
static void memory_figures(ucontext_t *machine)
{
    greg_t *registers = machine->uc_mcontext.gregs;
    const uintptr_t *stack = (const uintptr_t *)registers[REG_RSP];

    registers[REG_RAX] = (greg_t)memory_available();
    registers[REG_RIP] = (greg_t)*stack;
    registers[REG_RSP] += (greg_t)sizeof *stack;
}

static void on_step(int number, siginfo_t *info, void *context)
{
    ucontext_t *machine = context;

    (void)number, (void)info;
    if (steps_left-- == 0)
        kill(getpid(), SIGKILL);
    if (machine->uc_mcontext.gregs[REG_RIP] == (greg_t)(uintptr_t)memory_available)
        memory_figures(machine);
}

static void child_step(struct kill_world *world, void (*work)(struct kill_world *world),
                       size_t steps) __attribute__((noreturn));
static void child_step(struct kill_world *world, void (*work)(struct kill_world *world),
                       size_t steps)
{
    steps_left = steps;
    handle(SIGTRAP, on_step);
    __asm__ volatile("pushfq; orq $0x100, (%%rsp); popfq" ::: "memory", "cc");
    work(world);
    _exit(0); /* the flag ends with the process */
}

bool steps_kill(struct kill_world *world, void (*work)(struct kill_world *world), size_t steps)
{
    pid_t child = fork();
    int status;

    if (child == 0)
        child_step(world, work, steps);
    if (child < 0)
        return kill_expect(world, false, "fork: %s", strerror(errno));
    status = steps_await(world, child, NULL);
    return kill_expect(world,
                       (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) || WIFEXITED(status),
                       "the killed process ended with wait status %x", (unsigned)status);
}

#else

int __real_madvise(void *address, size_t bytes, int advice);
int __wrap_madvise(void *address, size_t bytes, int advice);
int __wrap_madvise(void *address, size_t bytes, int advice)
{
    return __real_madvise(address, bytes, advice);
}

bool writes_record(struct kill_world *world, void (*work)(struct kill_world *world),
                   void (*rescue)(struct kill_world *world), struct trail *trail)
{
    return steps_record(world, work, rescue, trail);
}

bool steps_kill(struct kill_world *world, void (*work)(struct kill_world *world), size_t steps)
{
    return steps_kill_traced(world, work, steps);
}

#endif
