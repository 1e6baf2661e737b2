#include "runtime/nurses.h"

#include "base/error.h"
#include "base/log.h"
#include "core/futex.h"
#include "core/oom.h"
#include "core/recover.h"
#include "object/process.h"
#include "object/process_threads.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define STACK (256u << 10)
#define IDLE_MOST 2 /* a fork copies each thread's stack: more would cost more than they save */

struct nurse {
    struct nurses *nurses;
    uint64_t handle;
};

/* ---- children ----------------------------------------------------------------------------- */

/* Waits for a child's end and leaves it a zombie: its pid cannot come back before it is buried.
 * Returns false when the program has waited for our child itself: its end is then unknown. */
static bool end_await(pid_t pid)
{
    siginfo_t end;
    int result;

    do
        result = waitid(P_PID, (id_t)pid, &end, WEXITED | WNOWAIT);
    while (result != 0 && errno == EINTR);
    return result == 0;
}

int child_reap(pid_t pid)
{
    int status = 0;

    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -1;
    return status;
}

/* A slot may be in the hands of a waiter that recovers its locks: recover_all gives that one its
 * time. */
void child_bury(struct actor *actor, pid_t child)
{
    uint32_t party = (uint32_t)child;

    end_await(child);
    slots_bury(&actor->arena, party);
    while (slots_are_dead(&actor->arena, party))
        recover_all(actor);
}

int keeper_thread(pthread_t *thread, void *(*body)(void *), void *argument, bool detached)
{
    pthread_attr_t attributes;
    sigset_t all, before;
    int error;

    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK);
    if (detached)
        pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    error = pthread_create(thread, &attributes, body, argument);
    if (error == 0 && !detached)
        pthread_setname_np(*thread, THREAD_NAME); /* before the program can count it */
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return error == 0 ? TROUPE_OK
                      : fail(TROUPE_SYSTEM, "no thread for a keeper: %s", strerror(error));
}

/* ---- a process from its beginning to its end ----------------------------------------------- */

/* A signal that nobody asked for is told, and counted before the end is published. */
static void crash_tell(struct nurses *nurses, struct actor *actor, uint64_t handle, int number)
{
    char name[TROUPE_NAME_SIZE];
    int pid;

    if (!process_is_crash(actor, handle, number, name, &pid))
        return;
    atomic_fetch_add(&nurses->node->crashed, 1);
    log_warning("%s, pid %d on %s was ended by signal %d (%s)%s", name, pid, nurses->node->host,
                number, strsignal(number), number == SIGKILL && oom_struck() ? OOM_NOTE : "");
}

static void end_tell(struct nurses *nurses, struct actor *actor, uint64_t handle, int status)
{
    struct process_end end = { TROUPE_STATE_DONE, -1, 0, NULL, false };

    if (WIFSIGNALED(status)) {
        end.state = TROUPE_STATE_KILLED;
        end.signal = WTERMSIG(status);
        crash_tell(nurses, actor, handle, end.signal);
    } else
        end.exit_code = WEXITSTATUS(status);
    process_finish(actor, handle, &end);
}

static void failure_tell(struct actor *actor, uint64_t handle)
{
    struct process_end end = { TROUPE_STATE_FAILED, -1, 0, troupe_last_error(), false };

    process_finish(actor, handle, &end);
}

/* Returns how it ended. */
static int child_tend(struct nurses *nurses, struct actor *actor, uint64_t handle, int method,
                      pid_t child)
{
    process_running(actor, handle, (int)nurses->seat->rank, method, (int)child);
    child_bury(actor, child);
    process_reaped(actor, handle);
    return child_reap(child);
}

/* Its GPUs are given back before its end is published: whoever learns of it may ask for them. */
static void fresh_tend(struct nurses *nurses, struct actor *actor, uint64_t handle)
{
    struct fresh_lines lines;
    pid_t child = -1;
    int status = 0;

    if (fresh_gpus_take(&nurses->gpus, actor, handle, &lines) == TROUPE_OK) {
        child = fresh_start(actor, nurses->start, nurses->address, nurses->local, handle, &lines);
        if (child > 0)
            status = child_tend(nurses, actor, handle, TROUPE_METHOD_SPAWN, child);
        fresh_gpus_give(&nurses->gpus, &lines);
    }
    if (child > 0)
        end_tell(nurses, actor, handle, status);
    else
        failure_tell(actor, handle);
}

static void process_tend(struct nurses *nurses, struct actor *actor, uint64_t handle)
{
    pid_t child = process_forked_pid(actor, handle);

    if (child > 0)
        end_tell(nurses, actor, handle,
                 child_tend(nurses, actor, handle, TROUPE_METHOD_FORK, child));
    else if (!process_end_early(actor, handle))
        fresh_tend(nurses, actor, handle);
}

/* ---- nurses ------------------------------------------------------------------------------- */

/* Waits for the next process. Returns false when enough others wait, or none will come. */
static bool offer_await(struct nurses *nurses, uint64_t *handle)
{
    *handle = 0;
    pthread_mutex_lock(&nurses->lock);
    if (nurses->idle < IDLE_MOST) {
        nurses->idle++;
        while (nurses->offer == 0 && !nurses->closed)
            pthread_cond_wait(&nurses->offered, &nurses->lock);
        nurses->idle--;
        *handle = nurses->offer;
        nurses->offer = 0;
    }
    if (nurses->closed)
        pthread_cond_signal(&nurses->left);
    pthread_mutex_unlock(&nurses->lock);
    return *handle != 0;
}

/* Gives the process to a nurse that waits, if there is one. */
static bool offer_make(struct nurses *nurses, uint64_t handle)
{
    bool made;

    pthread_mutex_lock(&nurses->lock);
    made = nurses->idle > 0 && nurses->offer == 0;
    if (made) {
        nurses->offer = handle;
        pthread_cond_signal(&nurses->offered);
    }
    pthread_mutex_unlock(&nurses->lock);
    return made;
}

/* The keeper waits for that once the world ends, of which it is told by a ring, too: it counts
 * after that, or we see it. */
static void child_is_over(struct nurses *nurses, const struct arena *arena)
{
    atomic_fetch_sub(&nurses->children, 1);
    if (atomic_load(&nurses->node->state) != NODE_RUNNING)
        bell_ring(arena, &nurses->seat->keeper_bell, FUTEX_ALL);
}

static void *nurse_body(void *argument)
{
    struct nurse nurse = *(struct nurse *)argument;
    struct nurses *nurses = nurse.nurses;
    struct actor *actor;

    process_thread_own();
    free(argument);
    if (world_enter(&actor) != TROUPE_OK) {
        child_is_over(nurses, &world_here.arena);
        return NULL;
    }
    do {
        process_tend(nurses, actor, nurse.handle);
        child_is_over(nurses, &actor->arena);
    } while (offer_await(nurses, &nurse.handle));
    return NULL;
}

static int nurse_start(struct nurses *nurses, uint64_t handle)
{
    struct nurse *nurse = malloc(sizeof *nurse);
    pthread_t thread;
    int result;

    if (nurse == NULL)
        return fail(TROUPE_NO_MEMORY, "no memory for a fresh process");
    *nurse = (struct nurse){ nurses, handle };
    result = keeper_thread(&thread, nurse_body, nurse, true);
    if (result != TROUPE_OK)
        free(nurse);
    return result;
}

void nurses_begin(struct nurses *nurses, struct actor *actor, uint64_t handle)
{
    atomic_fetch_add(&nurses->children, 1);
    if (offer_make(nurses, handle) || nurse_start(nurses, handle) == TROUPE_OK)
        return;
    failure_tell(actor, handle);
    atomic_fetch_sub(&nurses->children, 1);
}

int nurses_init(struct nurses *nurses, const struct start *start)
{
    *nurses = (struct nurses){ .start = start,
                               .lock = PTHREAD_MUTEX_INITIALIZER,
                               .offered = PTHREAD_COND_INITIALIZER,
                               .left = PTHREAD_COND_INITIALIZER };
    return fresh_gpus_init(start, &nurses->gpus);
}

void nurses_dismiss(struct nurses *nurses)
{
    pthread_mutex_lock(&nurses->lock);
    nurses->closed = true;
    pthread_cond_broadcast(&nurses->offered);
    while (nurses->idle > 0)
        pthread_cond_wait(&nurses->left, &nurses->lock);
    pthread_mutex_unlock(&nurses->lock);
}

void nurses_fini(struct nurses *nurses)
{
    fresh_gpus_fini(&nurses->gpus);
}
