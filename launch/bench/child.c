/* Output goes to memory files, so that nobody has to read while the child runs: the bench itself
 * sleeps and takes no processor from what it measures. */
#include "child.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

enum {
    /* A supervisor that was told to end has this long to take its ranks with it. */
    GRACE_MS = 10000
};

static void file_read(int file, struct text *text)
{
    char bytes[4096];
    ssize_t size;
    off_t at = 0;

    while ((size = pread(file, bytes, sizeof bytes, at)) > 0) {
        text_append_bytes(text, bytes, (size_t)size);
        at += size;
    }
}

static int spawn(const char *const *arguments, int output, int complaint, pid_t *pid)
{
    posix_spawn_file_actions_t actions;
    int failed = posix_spawn_file_actions_init(&actions);

    if (failed != 0)
        return failed;
    failed = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", 0, 0);
    if (failed == 0)
        failed = posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    if (failed == 0)
        failed = posix_spawn_file_actions_adddup2(&actions, complaint, STDERR_FILENO);
    /* The words are not changed: posix_spawnp only lacks the const. */
    if (failed == 0)
        failed = posix_spawnp(pid, arguments[0], &actions, NULL,
                              (char *const *)(uintptr_t)arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    return failed;
}

/* Whether the process behind a pidfd ended within so long. */
static bool ends_within(int pidfd, int limit_ms)
{
    struct pollfd end = { .fd = pidfd, .events = POLLIN };
    int ready;

    do
        ready = poll(&end, 1, limit_ms);
    while (ready < 0 && errno == EINTR);
    return ready > 0;
}

static int child_wait(pid_t pid, int limit_s, struct child *child)
{
    int pidfd = (int)syscall(SYS_pidfd_open, pid, 0), failed = 0;

    if (pidfd < 0)
        failed = errno;
    else if (!ends_within(pidfd, limit_s * 1000))
        failed = ETIME;
    if (failed != 0) {
        kill(pid, SIGTERM);
        if (pidfd < 0 || !ends_within(pidfd, GRACE_MS))
            kill(pid, SIGKILL);
    }
    while (waitpid(pid, &child->status, 0) < 0 && errno == EINTR)
        ;
    if (pidfd >= 0)
        close(pidfd);
    return failed;
}

int child_run(const char *const *arguments, int limit_s, struct child *child)
{
    int output = memfd_create("output", MFD_CLOEXEC), failed = 0;
    int complaint = memfd_create("complaint", MFD_CLOEXEC);
    uint64_t begin;
    pid_t pid;

    *child = (struct child){ 0 };
    if (output < 0 || complaint < 0)
        failed = errno;
    begin = clock_now();
    if (failed == 0)
        failed = spawn(arguments, output, complaint, &pid);
    if (failed == 0) {
        failed = child_wait(pid, limit_s, child);
        child->seconds = (double)(clock_now() - begin) / 1e9;
        file_read(output, &child->output);
        file_read(complaint, &child->complaint);
    }
    if (output >= 0)
        close(output);
    if (complaint >= 0)
        close(complaint);
    return failed;
}

void child_free(struct child *child)
{
    text_free(&child->output);
    text_free(&child->complaint);
}
