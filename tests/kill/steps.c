/* Stepping with ptrace. Tracer and child share one core, which spares the wakes of the other.
 *
 * The child marks the work by raising MARK before and after it. A timer interrupts the tracer's
 * waits: so it sees a child that sleeps, which it rescues, and tells when nothing moves at all. */
#include "steps.h"

#include "core/heap_private.h"
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
#include <xxhash.h>

#define MARK SIGUSR1
#define TICK_US 20000
#define TICKS_OF_SILENCE 3000 /* a minute without a step: the watchdog gives up */
#define STEPS_MOST 20000000u

static struct {
    const char *name, *phase;
    volatile size_t step;
    volatile sig_atomic_t silence;
} watched;

/* ---- images ------------------------------------------------------------------------------ */

static size_t bytes_in_use(const struct arena *arena)
{
    uint32_t ready = spans_ready(arena), span = ready;

    while (span > 0 && span_kind_of(*span_at(arena, span - 1)) == SPAN_FREE)
        span--;
    return arena->header->heap + (size_t)span * SPAN_BYTES;
}

void image_take(const struct arena *arena, struct image *image)
{
    image->size = bytes_in_use(arena);
    image->bytes = malloc(image->size);
    if (image->bytes == NULL)
        return;
    memcpy(image->bytes, arena->base, image->size);
    image->hash = XXH3_64bits(image->bytes, image->size);
}

void image_restore(const struct arena *arena, const struct image *image)
{
    memcpy(arena->base, image->bytes, image->size);
    memset(arena->base + image->size, 0, KILL_ARENA_BYTES - image->size);
}

void trail_free(struct trail *trail)
{
    for (size_t i = 0; i < trail->count; i++)
        free(trail->images[i].bytes);
    free(trail->images);
    memset(trail, 0, sizeof *trail);
}

static bool trail_knows(const struct trail *trail, uint64_t hash)
{
    for (size_t i = 0; i < trail->count; i++)
        if (trail->images[i].hash == hash)
            return true;
    return false;
}

/* Adds what the arena is now, unless it was seen before. False without memory. */
static bool trail_add(struct trail *trail, const struct arena *arena)
{
    struct image image = { .step = trail->steps }, *images;

    image_take(arena, &image);
    if (image.bytes == NULL)
        return false;
    if (trail_knows(trail, image.hash)) {
        free(image.bytes);
        return true;
    }
    if (trail->count == trail->capacity) {
        trail->capacity = trail->capacity > 0 ? 2 * trail->capacity : 64;
        images = realloc(trail->images, trail->capacity * sizeof *images);
        if (images == NULL)
            return false;
        trail->images = images;
    }
    trail->images[trail->count++] = image;
    return true;
}

/* Adds what a step left, where it changed anything; last is the arena after the step before. */
static bool trail_follow(struct trail *trail, const struct arena *arena, unsigned char *last,
                         size_t *last_bytes)
{
    size_t bytes = bytes_in_use(arena);

    if (bytes == *last_bytes && memcmp(last, arena->base, bytes) == 0)
        return true;
    memcpy(last, arena->base, bytes);
    *last_bytes = bytes;
    return trail_add(trail, arena);
}

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

/* Waits until the child stops or ends; rescues it when it sleeps. Returns its wait status. */
static int child_await(struct kill_world *world, pid_t child,
                       void (*rescue)(struct kill_world *world))
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
    if (child > 0 && !stopped_by(child_await(world, child, NULL), MARK)) {
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
    status = child_await(world, child, NULL);
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
    return child_await(world, child, NULL);
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
        status = child_await(world, child, rescue);
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
    unsigned char *last = malloc(KILL_ARENA_BYTES);
    size_t last_bytes = 0;
    bool whole = last != NULL && trail_follow(trail, &world->arena, last, &last_bytes);
    pid_t child = whole ? child_start(world, work) : -1;
    int outcome = child > 0 ? 1 : -1;

    while (outcome == 1 && whole && trail->steps < STEPS_MOST) {
        outcome = child_step(world, child, rescue);
        watched.step = ++trail->steps;
        whole = trail_follow(trail, &world->arena, last, &last_bytes);
    }
    if (child > 0)
        child_kill(child);
    free(last);
    return outcome == 0 && whole;
}

bool steps_kill(struct kill_world *world, void (*work)(struct kill_world *world), size_t steps)
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
