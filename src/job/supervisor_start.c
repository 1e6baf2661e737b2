/* The order matters: signals are blocked before anything is made that a signal could leave behind,
 * and mpirun starts before this process changes what its children would inherit. */
#include "job/supervisor.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/error.h"

static const int handled[] = {
    SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH, SIGTSTP
};

/* Blocks the signals that are to be passed on. One that was ignored (nohup) stays so. */
static int signals_open(struct supervisor *supervisor)
{
    sigset_t set;

    sigemptyset(&set);
    for (size_t i = 0; i < sizeof handled / sizeof *handled; i++) {
        struct sigaction action;

        if (sigaction(handled[i], NULL, &action) == 0 && action.sa_handler != SIG_IGN)
            sigaddset(&set, handled[i]);
    }
    supervisor->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (supervisor->signals < 0)
        return fail_errno(TROUPE_SYSTEM, "cannot receive signals");
    sigprocmask(SIG_BLOCK, &set, &supervisor->mask);
    return TROUPE_OK;
}

static int pipe_open(int ends[2])
{
    if (pipe2(ends, O_CLOEXEC) != 0)
        return fail_errno(TROUPE_SYSTEM, "cannot open a pipe");
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    return TROUPE_OK;
}

/* Starts mpirun with pipes for its own output and error. */
static int launcher_start(struct supervisor *supervisor, const struct job_line *line)
{
    int output[2] = { -1, -1 }, error[2] = { -1, -1 };
    struct janitor_options options = { .command = line->arguments.data,
                                       .environment = line->environment.data,
                                       .mask = &supervisor->mask,
                                       .folders = supervisor->folders };
    int result = pipe_open(output);

    if (result == TROUPE_OK)
        result = pipe_open(error);
    options.output = output[1];
    options.error = error[1];
    if (result == TROUPE_OK)
        result = janitor_start(&options, &supervisor->janitor);
    close(output[1]);
    close(error[1]);
    if (result != TROUPE_OK) {
        close(output[0]);
        close(error[0]);
        return result;
    }
    stream_open(supervisor->members.streams_poll, &supervisor->launcher_output, output[0],
                outputs_standard(&supervisor->outputs, OUTPUTS_OUTPUT), NULL);
    supervisor->launcher_error = error[0];
    lines_stream_init(&supervisor->launcher_lines,
                      outputs_standard(&supervisor->outputs, OUTPUTS_ERROR), NULL);
    supervisor->notices.passed = &supervisor->launcher_lines;
    supervisor->notices.launcher = supervisor->janitor.command;
    source_add(supervisor->members.streams_poll, error[0], &supervisor->notices_source);
    return TROUPE_OK;
}

/* Each rank takes several descriptors here, so the soft limit goes up to the hard one. The janitor
 * and mpirun are started before that and keep the user's. */
static void descriptors_raise(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

static int polls_open(struct supervisor *supervisor)
{
    supervisor->poll = epoll_create1(EPOLL_CLOEXEC);
    supervisor->members.poll = supervisor->poll;
    supervisor->members.streams_poll = epoll_create1(EPOLL_CLOEXEC);
    if (supervisor->poll < 0 || supervisor->members.streams_poll < 0)
        return fail_errno(TROUPE_SYSTEM, "cannot open an epoll set");
    return TROUPE_OK;
}

static int sources_add(struct supervisor *supervisor)
{
    struct {
        int descriptor;
        struct source *source;
        enum source_kind kind;
    } all[] = {
        { supervisor->listener, &supervisor->listener_source, SOURCE_LISTENER },
        { supervisor->signals, &supervisor->signals_source, SOURCE_SIGNALS },
        { supervisor->janitor.channel, &supervisor->janitor_source, SOURCE_JANITOR },
        { supervisor->members.streams_poll, &supervisor->streams_source, SOURCE_STREAMS },
    };

    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        all[i].source->kind = all[i].kind;
        if (source_add(supervisor->poll, all[i].descriptor, all[i].source) != 0)
            return fail_errno(TROUPE_SYSTEM, "cannot wait for events");
    }
    return TROUPE_OK;
}

int supervisor_start(struct supervisor *supervisor, const struct job_line *line)
{
    int result = signals_open(supervisor);

    if (result == TROUPE_OK)
        result = polls_open(supervisor);
    if (result == TROUPE_OK)
        result = control_listen(supervisor->address, &supervisor->listener);
    if (result == TROUPE_OK)
        result = launcher_start(supervisor, line);
    if (result == TROUPE_OK) {
        signal(SIGPIPE, SIG_IGN);
        descriptors_raise();
        result = sources_add(supervisor);
    }
    return result;
}
