#include "job/janitor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/procfs.h"

enum word {
    WORD_STARTED,   /* janitor: the command's process id */
    WORD_FAILED,    /* janitor: errno of exec */
    WORD_NO_FOLDER, /* janitor: errno of mkdir */
    WORD_ENDED,     /* janitor: the command's wait status */
    WORD_HELD,      /* janitor: everything has been told to stop */
    WORD_NOTE,      /* owner: a process id */
    WORD_SIGNAL,    /* owner: a signal for the command */
    WORD_HOLD,
    WORD_RESUME,
    WORD_END,
    WORD_DISMISS
};

struct message {
    int word;
    int value;
};

/* What the janitor's own process knows. */
struct duty {
    const struct janitor_options *options;
    int channel;
    int children; /* a signalfd for SIGCHLD */
    int launcher; /* a pidfd of the one that is awaited, -1: none */
    pid_t command;
    bool command_ended;
    struct leftovers_pids noted;
};

/* Signals that would end it, as the command must find them: index i belongs to ignored[i]. */
static const int ignored[] = { SIGHUP,  SIGINT,  SIGQUIT, SIGTERM, SIGPIPE,
                               SIGUSR1, SIGUSR2, SIGTSTP, SIGTTIN, SIGTTOU };
enum { IGNORED_COUNT = sizeof ignored / sizeof *ignored };

static bool say(int channel, enum word word, int value)
{
    struct message message = { (int)word, value };

    return send(channel, &message, sizeof message, MSG_NOSIGNAL) == (ssize_t)sizeof message;
}

/* False when the other side is gone, or, without waiting, has said nothing. */
static bool hear(int channel, bool wait, struct message *message, bool *gone)
{
    ssize_t size;

    do
        size = recv(channel, message, sizeof *message, wait ? 0 : MSG_DONTWAIT);
    while (size < 0 && errno == EINTR);
    *gone = size != (ssize_t)sizeof *message && !(size < 0 && errno == EAGAIN);
    return size == (ssize_t)sizeof *message;
}

/* ---- the janitor's process ------------------------------------------------------------------ */

static void descriptors_close_except(const int *kept, int count)
{
    long most = sysconf(_SC_OPEN_MAX);
    unsigned from = 0;

    for (int i = 0; i <= count; i++) {
        unsigned next = i < count ? (unsigned)kept[i] : ~0u;

        if (next > from && syscall(SYS_close_range, from, next - 1, 0) != 0)
            for (unsigned d = from; d < next && (long)d < most; d++)
                close((int)d);
        from = next + 1;
    }
}

/* Moves a descriptor to a fixed number above the standard three. */
static void descriptor_move(int *descriptor, int number)
{
    if (dup3(*descriptor, number, O_CLOEXEC) >= 0)
        *descriptor = number;
}

/* Blank arguments: a kill by the command line (pkill -f) must not find the janitor either. Who
 * hides where they lie only loses this. */
static void arguments_blank(void)
{
    struct procfs_process self;
    size_t size;

    if (!procfs_process(getpid(), &self) || self.arguments_end <= self.arguments)
        return;
    size = self.arguments_end - self.arguments;
    memset((void *)self.arguments, 0, size);
    memcpy((void *)self.arguments, "janitor", size > 7 ? 7 : size - 1);
}

static void command_become(const struct duty *duty, const struct sigaction *before, int report,
                           pid_t janitor)
{
    int reason;

    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != janitor)
        _exit(1);
    dup2(duty->options->output, STDOUT_FILENO);
    dup2(duty->options->error, STDERR_FILENO);
    for (int i = 0; i < IGNORED_COUNT; i++)
        sigaction(ignored[i], &before[i], NULL);
    sigprocmask(SIG_SETMASK, duty->options->mask, NULL);
    execve(duty->options->command[0], duty->options->command, duty->options->environment);
    reason = errno;
    if (write(report, &reason, sizeof reason) < 0)
        _exit(1);
    _exit(1);
}

static bool folders_make(const struct duty *duty)
{
    for (size_t i = 0; duty->options->folders != NULL && duty->options->folders[i] != NULL; i++)
        if (mkdir(duty->options->folders[i], 0700) != 0) {
            say(duty->channel, WORD_NO_FOLDER, errno);
            return false;
        }
    return true;
}

/* Starts the command and tells the owner. A pipe that closes at exec carries the reason when exec
 * fails. */
static bool command_start(struct duty *duty, const struct sigaction *before)
{
    pid_t self = getpid();
    int report[2], reason = 0;

    if (pipe2(report, O_CLOEXEC) != 0) {
        say(duty->channel, WORD_FAILED, errno);
        return false;
    }
    duty->command = fork();
    if (duty->command == 0)
        command_become(duty, before, report[1], self);
    close(report[1]);
    if (duty->command < 0)
        reason = errno;
    else if (read(report[0], &reason, sizeof reason) != (ssize_t)sizeof reason)
        reason = 0;
    close(report[0]);
    if (reason != 0) {
        say(duty->channel, WORD_FAILED, reason);
        return false;
    }
    return say(duty->channel, WORD_STARTED, duty->command);
}

static void children_reap(struct duty *duty)
{
    struct signalfd_siginfo signals[8];
    int status;
    pid_t ended;

    if (read(duty->children, signals, sizeof signals) < 0 && errno != EAGAIN)
        return;
    while ((ended = waitpid(-1, &status, WNOHANG | __WALL)) > 0)
        if (ended == duty->command) {
            duty->command_ended = true;
            say(duty->channel, WORD_ENDED, status);
        }
}

/* Obeys one message; false when the guard is over. */
static bool order_obey(struct duty *duty, const struct message *order)
{
    switch (order->word) {
    case WORD_NOTE:
        leftovers_note(&duty->noted, order->value);
        return true;
    case WORD_SIGNAL:
        if (!duty->command_ended)
            kill(duty->command, order->value);
        return true;
    case WORD_HOLD:
        leftovers_signal(SIGSTOP, &duty->noted);
        say(duty->channel, WORD_HELD, 0);
        return true;
    case WORD_RESUME:
        leftovers_signal(SIGCONT, &duty->noted);
        return true;
    case WORD_DISMISS:
        _exit(0);
    default:
        return false;
    }
}

/* Waits for the end of the command or of the owner. */
static void guard(struct duty *duty)
{
    struct pollfd both[2] = { { .fd = duty->channel, .events = POLLIN },
                              { .fd = duty->children, .events = POLLIN } };
    struct message order;
    bool gone = false;

    while (!duty->command_ended && !gone) {
        if (poll(both, 2, -1) < 0 && errno != EINTR)
            return;
        while (hear(duty->channel, false, &order, &gone))
            if (!order_obey(duty, &order))
                return;
        children_reap(duty);
    }
}

/* Where variable ends its folder's name with the launcher's own process id, behind mark. */
static const char *launcher_session_find(const char *variable, const char *mark, pid_t launcher)
{
    const char *session = getenv(variable), *name = session != NULL ? strrchr(session, '/') : NULL;
    char wanted[32];

    snprintf(wanted, sizeof wanted, "/%s.%d", mark, (int)launcher);
    return name != NULL && strcmp(name, wanted) == 0 ? name : NULL;
}

/* mpirun's folder holds its process id. Before Open MPI 5 it lies in one that all of the user's
 * share, which goes when it is empty. A launcher that ended by itself has removed both. */
static void launcher_session_remove(pid_t launcher)
{
    static const char before_5[] = "OMPI_MCA_orte_jobfam_session_dir",
                      since[] = "PMIX_SERVER_TMPDIR";
    const char *session = getenv(before_5);
    const char *name = launcher_session_find(before_5, "pid", launcher);
    char *above;

    if (launcher_session_find(since, "ompi", launcher) != NULL)
        leftovers_remove_folder(getenv(since));
    if (name == NULL)
        return;
    leftovers_remove_folder(session);
    above = strndup(session, (size_t)(name - session));
    if (above != NULL)
        rmdir(above);
    free(above);
}

static void launcher_bury(const struct duty *duty)
{
    struct pollfd end = { .fd = duty->launcher, .events = POLLIN };

    if (duty->launcher < 0)
        return;
    while (poll(&end, 1, -1) < 0 && errno == EINTR)
        ;
    launcher_session_remove(duty->options->awaited);
}

static void clean(struct duty *duty)
{
    int status = 0;

    if (duty->options->command != NULL) {
        leftovers_end_processes(duty->command_ended ? 0 : duty->command, &duty->noted, &status);
        if (!duty->command_ended)
            say(duty->channel, WORD_ENDED, status);
    }
    leftovers_remove_segments(&duty->noted);
    for (size_t i = 0; duty->options->folders != NULL && duty->options->folders[i] != NULL; i++)
        leftovers_remove_folder(duty->options->folders[i]);
}

static void signals_prepare(struct duty *duty, struct sigaction *before)
{
    struct sigaction ignore = { .sa_handler = SIG_IGN };
    sigset_t child;

    for (int i = 0; i < IGNORED_COUNT; i++)
        sigaction(ignored[i], &ignore, &before[i]);
    sigaction(SIGCHLD, &(struct sigaction){ .sa_handler = SIG_DFL }, NULL);
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigprocmask(SIG_SETMASK, &child, NULL);
    duty->children = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void standard_descriptors_replace(void)
{
    int nothing = open("/dev/null", O_RDWR);

    for (int i = STDIN_FILENO; i <= STDERR_FILENO && nothing >= 0; i++)
        if (i != nothing)
            dup2(nothing, i);
}

enum { CHANNEL_AT = 3, OUTPUT_AT, ERROR_AT, FIRST_FREE, LAUNCHER_AT = OUTPUT_AT };

static void live(const struct janitor_options *given, int channel, int launcher)
{
    struct janitor_options options = *given;
    struct sigaction before[IGNORED_COUNT];
    struct duty duty = { .options = &options, .channel = channel, .launcher = -1 };
    int kept[] = { CHANNEL_AT, OUTPUT_AT, ERROR_AT };
    size_t kept_count = 1;
    /* Out of the way first: any of them may have a number that another is moved to. */
    int aside = fcntl(channel, F_DUPFD_CLOEXEC, 2 * FIRST_FREE);

    if (options.command != NULL) {
        options.output = fcntl(options.output, F_DUPFD_CLOEXEC, 2 * FIRST_FREE);
        options.error = fcntl(options.error, F_DUPFD_CLOEXEC, 2 * FIRST_FREE);
        descriptor_move(&options.output, OUTPUT_AT);
        descriptor_move(&options.error, ERROR_AT);
        kept_count = 3;
    } else if (launcher >= 0) {
        duty.launcher = fcntl(launcher, F_DUPFD_CLOEXEC, 2 * FIRST_FREE);
        descriptor_move(&duty.launcher, LAUNCHER_AT);
        kept_count = 2;
    }
    duty.channel = aside;
    descriptor_move(&duty.channel, CHANNEL_AT);
    descriptors_close_except(kept, kept_count);
    standard_descriptors_replace();
    setsid();
    prctl(PR_SET_NAME, "janitor");
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    arguments_blank();
    signals_prepare(&duty, before);
    if (options.command == NULL || (folders_make(&duty) && command_start(&duty, before))) {
        if (options.command != NULL) {
            close(options.output);
            close(options.error);
        }
        if (chdir("/") != 0)
            _exit(1);
        guard(&duty);
    }
    launcher_bury(&duty);
    clean(&duty);
    _exit(0);
}

/* ---- the owner's side ----------------------------------------------------------------------- */

static int command_await_start(struct janitor *janitor, const struct janitor_options *options)
{
    struct message message = { WORD_FAILED, ECHILD };
    bool gone;

    if (hear(janitor->channel, true, &message, &gone) && message.word == WORD_STARTED) {
        janitor->command = message.value;
        return TROUPE_OK;
    }
    close(janitor->channel);
    waitpid(janitor->pid, NULL, 0);
    if (message.word == WORD_NO_FOLDER)
        return fail(TROUPE_SYSTEM, "cannot make the folder %s: %s; set TMPDIR", *options->folders,
                    strerror(message.value));
    return fail(TROUPE_LAUNCH, "cannot execute %s: %s", options->command[0],
                strerror(message.value));
}

int janitor_start(const struct janitor_options *options, struct janitor *janitor)
{
    struct janitor started = { .folders = options->folders };
    int pair[2], result, launcher = -1;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        return fail_errno(TROUPE_SYSTEM, "cannot open a channel to the janitor");
    if (options->command != NULL)
        prctl(PR_SET_CHILD_SUBREAPER, 1);
    else if (options->awaited > 0) /* here, while it surely lives: the janitor may come too late */
        launcher = (int)syscall(SYS_pidfd_open, options->awaited, 0);
    started.pid = fork();
    if (started.pid == 0)
        live(options, pair[1], launcher);
    close(pair[1]);
    if (launcher >= 0)
        close(launcher);
    if (started.pid < 0) {
        result = fail_errno(TROUPE_SYSTEM, "cannot start the janitor");
        close(pair[0]);
        return result;
    }
    started.channel = pair[0];
    if (options->command != NULL) {
        result = command_await_start(&started, options);
        if (result != TROUPE_OK)
            return result;
    }
    *janitor = started;
    return TROUPE_OK;
}

void janitor_note(struct janitor *janitor, pid_t pid)
{
    leftovers_note(&janitor->noted, pid);
    say(janitor->channel, WORD_NOTE, pid);
}

void janitor_signal(struct janitor *janitor, int signal_number)
{
    say(janitor->channel, WORD_SIGNAL, signal_number);
}

/* An end that is told instead of the answer is put aside for janitor_hear by peeking first. */
void janitor_hold(struct janitor *janitor)
{
    struct message message;
    bool gone;

    if (!say(janitor->channel, WORD_HOLD, 0))
        return;
    if (recv(janitor->channel, &message, sizeof message, MSG_PEEK) == (ssize_t)sizeof message &&
        message.word == WORD_HELD)
        hear(janitor->channel, true, &message, &gone);
}

void janitor_resume(struct janitor *janitor)
{
    say(janitor->channel, WORD_RESUME, 0);
}

void janitor_end(struct janitor *janitor)
{
    say(janitor->channel, WORD_END, 0);
}

enum janitor_news janitor_hear(struct janitor *janitor, int *status)
{
    struct message message;
    bool gone;

    if (hear(janitor->channel, false, &message, &gone) && message.word == WORD_ENDED) {
        *status = message.value;
        return JANITOR_COMMAND_ENDED;
    }
    return gone ? JANITOR_LEFT : JANITOR_NOTHING;
}

void janitor_finish(struct janitor *janitor, int *status)
{
    int ended = 0;

    close(janitor->channel);
    if (waitpid(janitor->pid, &ended, 0) == janitor->pid && WIFEXITED(ended) &&
        WEXITSTATUS(ended) == 0) {
        leftovers_pids_free(&janitor->noted);
        return;
    }
    leftovers_end_processes(janitor->command, &janitor->noted, status);
    leftovers_remove_segments(&janitor->noted);
    for (size_t i = 0; janitor->folders != NULL && janitor->folders[i] != NULL; i++)
        leftovers_remove_folder(janitor->folders[i]);
    leftovers_pids_free(&janitor->noted);
}

void janitor_dismiss(struct janitor *janitor)
{
    say(janitor->channel, WORD_DISMISS, 0);
    close(janitor->channel);
    waitpid(janitor->pid, NULL, 0);
    leftovers_pids_free(&janitor->noted);
}
