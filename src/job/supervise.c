/* One thread and one epoll loop. What it waits for: signals (blocked, read from a descriptor),
 * the janitor's news, new connections, messages of members, and, in an epoll set of their own, the
 * pipes. That set is left out while the output is more than BACKLOG_MAX behind, so that a slow
 * reader slows the ranks and nothing is lost.
 *
 * The end: the janitor leaves when every process is gone and every folder removed; what is left in
 * the pipes is then printed, and the outcome told. */
#include "job/supervise.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "job/supervisor.h"

enum {
    BACKLOG_MAX = 4 << 20,
    EVENTS_MAX = 64,
    LINGER_MS = 5000,        /* mpirun may stay so long after the parent, and again after SIGTERM */
    SECOND_SIGNAL_MS = 5000, /* a second SIGINT within this time ends the world at once */
    SESSION_BASE_MAX = 60    /* longer, and names of sockets below it might not fit */
};

/* ---- signals -------------------------------------------------------------------------------- */

static bool asks_for_end(int signal_number)
{
    return signal_number == SIGINT || signal_number == SIGTERM || signal_number == SIGHUP ||
           signal_number == SIGQUIT;
}

static void end_at_once(struct supervisor *supervisor, int signal_number)
{
    supervisor->ending_signal = signal_number;
    janitor_end(&supervisor->janitor);
}

/* The terminal's stop: the world stops, then the supervisor, and both go on together. */
static void stop_together(struct supervisor *supervisor)
{
    janitor_hold(&supervisor->janitor);
    outputs_write(&supervisor->outputs);
    raise(SIGSTOP);
    janitor_resume(&supervisor->janitor);
}

static void signal_pass(struct supervisor *supervisor, int signal_number)
{
    uint64_t now = clock_now();
    bool again = supervisor->last_signal != 0 &&
                 now - supervisor->last_signal < SECOND_SIGNAL_MS * UINT64_C(1000000);

    if (signal_number == SIGTSTP) {
        stop_together(supervisor);
        return;
    }
    if (!asks_for_end(signal_number)) {
        members_signal(&supervisor->members, signal_number);
        return;
    }
    supervisor->last_signal = now;
    if (again || members_signal(&supervisor->members, signal_number) == 0)
        end_at_once(supervisor, signal_number);
}

static void signals_read(struct supervisor *supervisor)
{
    struct signalfd_siginfo signals[8];
    ssize_t size = read(supervisor->signals, signals, sizeof signals);

    for (ssize_t i = 0; i < size / (ssize_t)sizeof *signals; i++)
        signal_pass(supervisor, (int)signals[i].ssi_signo);
}

/* ---- the loop ------------------------------------------------------------------------------- */

static void notices_read(struct supervisor *supervisor)
{
    char buffer[4096];
    ssize_t size;

    if (supervisor->launcher_error < 0)
        return;
    while ((size = read(supervisor->launcher_error, buffer, sizeof buffer)) > 0)
        notices_feed(&supervisor->notices, buffer, (size_t)size);
    if (size < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    close(supervisor->launcher_error);
    supervisor->launcher_error = -1;
}

static void janitor_listen(struct supervisor *supervisor)
{
    switch (janitor_hear(&supervisor->janitor, &supervisor->launcher_status)) {
    case JANITOR_COMMAND_ENDED:
        supervisor->launcher_ended = true;
        break;
    case JANITOR_LEFT:
        supervisor->janitor_left = true;
        break;
    case JANITOR_NOTHING:
        break;
    }
}

static void connection_serve(struct supervisor *supervisor, struct member *member)
{
    pid_t attached = members_serve(&supervisor->members, member);

    if (attached != 0)
        janitor_note(&supervisor->janitor, attached);
}

/* Its first message is mostly there. */
static void connections_take(struct supervisor *supervisor)
{
    int connection;
    pid_t pid;

    while (control_accept(supervisor->listener, &connection, &pid) == TROUPE_OK) {
        struct member *member = members_take(&supervisor->members, connection, pid);

        if (member != NULL)
            connection_serve(supervisor, member);
    }
}

static void source_serve(struct supervisor *supervisor, struct source *source);

/* A forked child may have written and ended before its parent wrote what is ready now, and may
 * still knock. */
static void streams_serve(struct supervisor *supervisor)
{
    struct epoll_event events[EVENTS_MAX];
    int count = epoll_wait(supervisor->members.streams_poll, events, EVENTS_MAX, 0);

    connections_take(supervisor);
    for (int i = 0; i < count; i++)
        source_serve(supervisor, events[i].data.ptr);
}

static void source_serve(struct supervisor *supervisor, struct source *source)
{
    switch (source->kind) {
    case SOURCE_LISTENER:
        connections_take(supervisor);
        break;
    case SOURCE_SIGNALS:
        signals_read(supervisor);
        break;
    case SOURCE_JANITOR:
        janitor_listen(supervisor);
        break;
    case SOURCE_STREAMS:
        streams_serve(supervisor);
        break;
    case SOURCE_CONNECTION:
        connection_serve(supervisor, source->owner);
        break;
    case SOURCE_PROCESS:
        members_bury(source->owner);
        break;
    case SOURCE_STREAM:
        stream_read(source->owner);
        break;
    case SOURCE_NOTICES:
        notices_read(supervisor);
        break;
    }
}

/* Leaves the pipes alone while the output is behind. */
static void streams_pause(struct supervisor *supervisor, bool pause)
{
    if (pause == supervisor->streams_paused)
        return;
    supervisor->streams_paused = pause;
    if (pause)
        epoll_ctl(supervisor->poll, EPOLL_CTL_DEL, supervisor->members.streams_poll, NULL);
    else
        source_add(supervisor->poll, supervisor->members.streams_poll, &supervisor->streams_source);
}

/* mpirun should follow the parent; one that does not is ended. */
static void linger_check(struct supervisor *supervisor)
{
    if (!supervisor->members.parent_ended || supervisor->launcher_ended)
        return;
    if (supervisor->linger_deadline == CLOCK_FOREVER) {
        supervisor->linger_deadline = clock_deadline(LINGER_MS);
    } else if (clock_left(supervisor->linger_deadline) == 0) {
        log_info("mpirun stays after the parent: it is ended");
        if (supervisor->linger_signal == SIGTERM)
            janitor_signal(&supervisor->janitor, SIGTERM);
        else
            janitor_end(&supervisor->janitor);
        supervisor->linger_signal = SIGKILL;
        supervisor->linger_deadline = clock_deadline(LINGER_MS);
    }
}

static int timeout_until(uint64_t deadline)
{
    uint64_t left = clock_left(deadline);

    if (left == CLOCK_FOREVER)
        return -1;
    left = left / 1000000 + 1;
    return left > INT_MAX ? INT_MAX : (int)left;
}

/* While output waits, its descriptors are waited for too: they cannot all join an epoll set (a
 * file cannot), so poll watches them beside it. */
static void wait_for_events(struct supervisor *supervisor, uint64_t deadline)
{
    struct lines_output *standard = supervisor->outputs.standard;
    struct pollfd all[3] = { { .fd = supervisor->poll, .events = POLLIN } };
    nfds_t count = 1;

    for (int i = 0; i < 2; i++)
        if (lines_output_waiting(&standard[i]) > 0)
            all[count++] = (struct pollfd){ .fd = standard[i].descriptor, .events = POLLOUT };
    poll(all, count, timeout_until(deadline));
}

static void loop(struct supervisor *supervisor)
{
    struct epoll_event events[EVENTS_MAX];

    while (!supervisor->janitor_left) {
        uint64_t deadline = members_prompt(&supervisor->members);
        size_t waiting;
        int count;

        waiting = outputs_write(&supervisor->outputs);
        if (waiting == 0)
            members_settle(&supervisor->members);
        streams_pause(supervisor, waiting > BACKLOG_MAX);
        members_cut_broken(&supervisor->members);
        linger_check(supervisor);
        if (supervisor->linger_deadline < deadline)
            deadline = supervisor->linger_deadline;
        wait_for_events(supervisor, deadline);
        count = epoll_wait(supervisor->poll, events, EVENTS_MAX, 0);
        for (int i = 0; i < count; i++)
            source_serve(supervisor, events[i].data.ptr);
        members_sweep(&supervisor->members);
    }
}

/* ---- the end -------------------------------------------------------------------------------- */

static void kept_print(struct supervisor *supervisor)
{
    struct text *kept = &supervisor->notices.kept;

    lines_feed(&supervisor->launcher_lines, kept->data, kept->size);
}

static int outcome(struct supervisor *supervisor)
{
    int status = supervisor->launcher_status;
    char host[TROUPE_HOST_SIZE];

    if (notices_lost_host(&supervisor->notices, host)) {
        log_error("%s does not answer mpirun any more: it is off, or cut off; the world is ended",
                  host);
        if (!supervisor->members.status_known)
            return JOB_STATUS_LAUNCHER_FAILED;
    }
    if (supervisor->members.status_known)
        return supervisor->members.status;
    if (supervisor->ending_signal != 0)
        return JOB_STATUS_SIGNAL + supervisor->ending_signal;
    if (WIFSIGNALED(status)) {
        log_error("mpirun was killed by signal %d; the world is ended", WTERMSIG(status));
        return JOB_STATUS_LAUNCHER_FAILED;
    }
    if (WEXITSTATUS(status) != 0 && !supervisor->members.any_attached &&
        !notices_blame_program(&supervisor->notices)) {
        kept_print(supervisor);
        log_error("mpirun could not start the ranks; what it said stands above");
        return JOB_STATUS_LAUNCHER_FAILED;
    }
    return WEXITSTATUS(status);
}

static int finish(struct supervisor *supervisor)
{
    int status;

    janitor_finish(&supervisor->janitor, &supervisor->launcher_status);
    connections_take(supervisor);
    stream_drain(&supervisor->launcher_output);
    stream_close(&supervisor->launcher_output);
    notices_read(supervisor);
    notices_end(&supervisor->notices);
    members_finish(&supervisor->members);
    status = outcome(supervisor);
    lines_end(&supervisor->launcher_lines);
    outputs_finish(&supervisor->outputs);
    return status;
}

static void close_all(struct supervisor *supervisor)
{
    const int descriptors[] = { supervisor->poll, supervisor->members.streams_poll,
                                supervisor->signals, supervisor->listener,
                                supervisor->launcher_error };

    for (size_t i = 0; i < sizeof descriptors / sizeof *descriptors; i++)
        if (descriptors[i] >= 0)
            close(descriptors[i]);
    notices_free(&supervisor->notices);
    sigprocmask(SIG_SETMASK, &supervisor->mask, NULL);
}

/* Names a private folder for Open MPI's session files, so that they can be removed whatever
 * happens. The random part is the address's. */
static void session_name(struct supervisor *supervisor)
{
    const char *base = getenv("TMPDIR");

    if (base == NULL || *base == '\0' || strlen(base) > SESSION_BASE_MAX || access(base, W_OK) != 0)
        base = "/tmp";
    snprintf(supervisor->session, sizeof supervisor->session, "%s/troupe.%.16s", base,
             control_token(supervisor->address));
    supervisor->folders[0] = supervisor->session;
}

/* Standard input goes to the parent as it is, unless it is a terminal that belongs to another job
 * now (we were started with &): then there is nothing to read, as for mpirun. */
static int input_choose(void)
{
    if (fcntl(STDIN_FILENO, F_GETFD) < 0)
        return -1;
    return isatty(STDIN_FILENO) && tcgetpgrp(STDIN_FILENO) != getpgrp() ? -1 : STDIN_FILENO;
}

/* A standard descriptor that was closed must not become one of ours. */
static void descriptors_fill(void)
{
    int filled;

    do
        filled = open("/dev/null", O_RDWR | O_CLOEXEC);
    while (filled >= 0 && filled <= STDERR_FILENO);
    if (filled > STDERR_FILENO)
        close(filled);
}

static int supervise(struct supervisor *supervisor, int *status)
{
    struct job_line line;
    int result = control_address_make(supervisor->address);

    if (result == TROUPE_OK)
        result = outputs_init(&supervisor->outputs, supervisor->run->output_folder);
    if (result != TROUPE_OK)
        return result;
    session_name(supervisor);
    result = job_line_build(supervisor->run, supervisor->session, &line, status);
    if (result != TROUPE_OK)
        return result;
    words_set(&line.environment, CONTROL_ENVIRONMENT, supervisor->address);
    if (geteuid() == 0)
        log_warning("running as root: mpirun is told to allow it");
    result = line.environment.broken ? fail(TROUPE_NO_MEMORY, "out of memory")
                                     : supervisor_start(supervisor, &line);
    job_line_free(&line);
    if (result != TROUPE_OK)
        return result;
    loop(supervisor);
    *status = finish(supervisor);
    return TROUPE_OK;
}

int job_supervise(const struct job_run *run, int *status)
{
    struct supervisor supervisor = { .run = run,
                                     .poll = -1,
                                     .signals = -1,
                                     .listener = -1,
                                     .launcher_error = -1,
                                     .launcher_output.pipe = -1,
                                     .linger_signal = SIGTERM,
                                     .linger_deadline = CLOCK_FOREVER };
    int result;

    *status = JOB_STATUS_USAGE;
    result = run->goes_elsewhere ? TROUPE_OK : job_room_check(run->ranks);
    if (result != TROUPE_OK)
        return result;
    *status = JOB_STATUS_LAUNCHER_FAILED;
    sigprocmask(SIG_BLOCK, NULL, &supervisor.mask);
    supervisor.notices_source.kind = SOURCE_NOTICES;
    supervisor.members.streams_poll = -1;
    supervisor.members.outputs = &supervisor.outputs;
    supervisor.members.tag_output = run->tag_output;
    supervisor.members.input = input_choose();
    descriptors_fill();
    result = supervise(&supervisor, status);
    close_all(&supervisor);
    return result;
}
