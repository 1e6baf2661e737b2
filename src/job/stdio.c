/* The supervised side. One connection for each process, never shared with a forked child: the
 * atfork handler lets the child forget it, so that answers cannot go to the wrong process. */
#include "job/stdio.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/error.h"
#include "job/control.h"

static struct {
    pthread_mutex_t lock; /* one request and its answer at a time */
    int connection;       /* -1: not attached */
    bool error_apart;     /* standard error has its own pipe */
    bool may_follow;      /* a child knows what the supervisor would answer */
    bool is_parent;
    bool reported;
} supervised = { .lock = PTHREAD_MUTEX_INITIALIZER, .connection = -1 };

static void supervised_forget(void)
{
    if (supervised.connection >= 0)
        close(supervised.connection);
    supervised.connection = -1;
    supervised.is_parent = false;
    supervised.reported = false;
    pthread_mutex_init(&supervised.lock, NULL);
}

static void supervised_lock(void)
{
    pthread_mutex_lock(&supervised.lock);
}

static void supervised_unlock(void)
{
    pthread_mutex_unlock(&supervised.lock);
}

static void exit_hook(int status, void *unused)
{
    (void)unused;
    job_status_report(status);
}

static void hooks_install(void)
{
    pthread_atfork(supervised_lock, supervised_unlock, supervised_forget);
    on_exit(exit_hook, NULL);
}

static void message_fill(struct control_message *message, enum control_kind kind, int value)
{
    memset(message, 0, sizeof *message);
    message->version = CONTROL_VERSION;
    message->kind = kind;
    message->value = value;
}

/* A mark of the job that started this process, from the name that its launcher gave it (FNV-1a).
 * A job that a rank starts inherits the supervisor's address, but not this. */
static uint64_t world_mark(void)
{
    const char *name = getenv("PMIX_NAMESPACE");
    uint64_t mark = 14695981039346656037u;

    if (name == NULL)
        return 0;
    for (; *name != '\0'; name++)
        mark = (mark ^ (unsigned char)*name) * 1099511628211u;
    return mark;
}

static void attach_fill(struct control_message *message, enum control_kind kind, const char *role,
                        int rank)
{
    message_fill(message, kind, rank);
    message->world = world_mark();
    snprintf(message->role, sizeof message->role, "%s", role);
    gethostname(message->host, sizeof message->host - 1);
}

/* Asks for the pipes. On success the caller owns the connection and the descriptors. */
static int attach_ask(const char *address, const char *role, int rank, int *connection,
                      struct control_message *answer, int *descriptors, int *count)
{
    struct control_message question;
    int opened, result = control_connect(address, &opened);

    if (result != TROUPE_OK)
        return result;
    attach_fill(&question, CONTROL_ATTACH, role, rank);
    result = control_send(opened, &question, NULL, 0);
    if (result == TROUPE_OK)
        result = control_receive(opened, 1, answer, descriptors, count);
    if (result == TROUPE_OK && answer->kind != CONTROL_ATTACHED)
        result = fail(TROUPE_MISMATCH,
                      "the supervisor speaks version %u, this program %d: build both from the "
                      "same Troupe",
                      answer->version, CONTROL_VERSION);
    if (result != TROUPE_OK) {
        close(opened);
        return result;
    }
    *connection = opened;
    return TROUPE_OK;
}

static void input_take(int descriptor)
{
    int opened = descriptor >= 0 ? descriptor : open("/dev/null", O_RDONLY | O_CLOEXEC);

    if (opened >= 0 && opened != STDIN_FILENO) {
        dup2(opened, STDIN_FILENO);
        close(opened);
    }
}

/* Puts the pipes in place and returns the connection, moved out of the way of 0, 1 and 2: a
 * process may have been started with those closed. */
static int descriptors_place(int connection, const struct control_message *answer, int *descriptors,
                             int count)
{
    int moved = fcntl(connection, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    int input = -1;

    for (int i = 0; i < count; i++) {
        int above = fcntl(descriptors[i], F_DUPFD_CLOEXEC, STDERR_FILENO + 1);

        close(descriptors[i]);
        descriptors[i] = above;
    }
    close(connection);
    if (answer->flags & CONTROL_INPUT)
        input = descriptors[--count];
    dup2(descriptors[0], STDOUT_FILENO);
    dup2(descriptors[count - 1], STDERR_FILENO);
    while (count > 0)
        close(descriptors[--count]);
    input_take(input);
    return moved;
}

/* __fbufsize tells a stream that the program made unbuffered: its size is 1. */
static void output_make_line_buffered(void)
{
    if (__fbufsize(stdout) != 1)
        setvbuf(stdout, NULL, _IOLBF, 0);
}

int job_stdio_attach(const char *role, int rank)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    const char *address = getenv(CONTROL_ENVIRONMENT);
    struct control_message answer;
    int descriptors[CONTROL_DESCRIPTORS_MAX], count, connection, result;

    if (address != NULL && !control_is_here(address)) {
        unsetenv(
            CONTROL_ENVIRONMENT); /* here this process is on its own, and so are its children */
        address = NULL;
    }
    if (address == NULL || *address == '\0') {
        output_make_line_buffered(); /* srun hands out pipes: lines would come at the end */
        return TROUPE_OK;
    }
    fflush(stdout);
    fflush(stderr);
    result = attach_ask(address, role, rank, &connection, &answer, descriptors, &count);
    if (result != TROUPE_OK)
        return result;
    pthread_once(&once, hooks_install);
    supervised_lock();
    if (supervised.connection >= 0)
        close(supervised.connection);
    supervised.connection = descriptors_place(connection, &answer, descriptors, count);
    supervised.error_apart = (answer.flags & CONTROL_ERROR_APART) != 0;
    supervised.is_parent = strcmp(role, JOB_ROLE_PARENT) == 0;
    supervised.reported = false;
    supervised.may_follow = true;
    supervised_unlock();
    output_make_line_buffered();
    return TROUPE_OK;
}

static int pipes_make(int count, int *reads, int *writes)
{
    int ends[2];

    for (int i = 0; i < count; i++) {
        if (pipe2(ends, O_CLOEXEC) != 0) {
            while (i-- > 0) {
                close(reads[i]);
                close(writes[i]);
            }
            return fail_errno(TROUPE_SYSTEM, "cannot make a pipe");
        }
        reads[i] = ends[0];
        writes[i] = ends[1];
    }
    return TROUPE_OK;
}

int job_stdio_follow(int rank)
{
    static const struct control_message no_input;
    struct control_message message;
    int reads[2], writes[2], connection, count = supervised.error_apart ? 2 : 1;
    const char *address = getenv(CONTROL_ENVIRONMENT);
    int result;

    if (!supervised.may_follow || address == NULL || *address == '\0')
        return job_stdio_attach(JOB_ROLE_RANK, rank);
    result = control_connect(address, &connection);
    if (result != TROUPE_OK)
        return result;
    attach_fill(&message, CONTROL_FOLLOW, JOB_ROLE_RANK, rank);
    result = pipes_make(count, reads, writes);
    if (result != TROUPE_OK) {
        close(connection);
        return result;
    }
    result = control_send(connection, &message, reads, count);
    for (int i = 0; i < count; i++)
        close(reads[i]);
    supervised_lock();
    supervised.connection = descriptors_place(connection, &no_input, writes, count);
    supervised_unlock();
    return result;
}

int job_stdio_attached(void)
{
    return supervised.connection >= 0;
}

/* Bytes in the pipe that the supervisor has not read yet. A descriptor that the program has
 * redirected may answer anything, which costs a needless request at worst. */
static bool unread(int descriptor)
{
    int waiting = 0;

    return ioctl(descriptor, FIONREAD, &waiting) == 0 && waiting > 0;
}

/* Asks the supervisor to print what was written, and waits for its answer. */
static void flush_ask(int settle)
{
    struct control_message message;
    int descriptors[CONTROL_DESCRIPTORS_MAX], count;

    supervised_lock();
    message_fill(&message, CONTROL_FLUSH, settle);
    if (supervised.connection >= 0 &&
        control_send(supervised.connection, &message, NULL, 0) == TROUPE_OK)
        control_receive(supervised.connection, 1, &message, descriptors, &count);
    supervised_unlock();
}

void job_stdio_sync(void)
{
    fflush(stdout);
    fflush(stderr);
    if (supervised.connection >= 0 &&
        (unread(STDOUT_FILENO) || (supervised.error_apart && unread(STDERR_FILENO))))
        flush_ask(0);
}

void job_stdio_settle(void)
{
    fflush(stdout);
    fflush(stderr);
    if (supervised.connection >= 0)
        flush_ask(1);
}

void job_status_report(int status)
{
    struct control_message message;

    supervised_lock();
    if (supervised.connection >= 0 && supervised.is_parent && !supervised.reported) {
        message_fill(&message, CONTROL_STATUS, status & 0xff);
        supervised.reported = control_send(supervised.connection, &message, NULL, 0) == TROUPE_OK;
    }
    supervised_unlock();
}
