#include "job/stream.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/procfs.h"

enum {
    READ_SIZE = 65536, /* a pipe's usual capacity */
    /* An unfinished line that has stood so long, of a process that sleeps, is a prompt; of one
     * that runs it may be half of a line until the longest time is over. */
    PROMPT_QUIET_MS = 50,
    PROMPT_LONGEST_MS = 1000
};

static uint64_t milliseconds(uint64_t count)
{
    return count * 1000000u;
}

int source_add(int set, int descriptor, struct source *source)
{
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = source };

    return epoll_ctl(set, EPOLL_CTL_ADD, descriptor, &event);
}

int stream_open(int streams_poll, struct stream *stream, int pipe, struct lines_output *output,
                const char *prefix)
{
    memset(stream, 0, sizeof *stream);
    stream->source = (struct source){ SOURCE_STREAM, stream };
    stream->pipe = pipe;
    if (!lines_stream_init(&stream->lines, output, prefix))
        return -1;
    return source_add(streams_poll, pipe, &stream->source);
}

void stream_close(struct stream *stream)
{
    if (stream->pipe < 0)
        return;
    close(stream->pipe);
    stream->pipe = -1;
    lines_end(&stream->lines);
}

/* Returns whether there may be more. */
static bool stream_read_once(struct stream *stream)
{
    static char buffer[READ_SIZE];
    ssize_t size;

    if (stream->pipe < 0)
        return false;
    size = read(stream->pipe, buffer, sizeof buffer);
    if (size > 0) {
        lines_feed(&stream->lines, buffer, (size_t)size);
        stream->fed = clock_now();
        stream->next_look = stream->fed + milliseconds(PROMPT_QUIET_MS);
        return true;
    }
    if (size < 0 && (errno == EAGAIN || errno == EINTR))
        return errno == EINTR;
    stream_close(stream);
    return false;
}

void stream_read(struct stream *stream)
{
    stream_read_once(stream);
}

void stream_drain(struct stream *stream)
{
    while (stream_read_once(stream))
        ;
}

/* Whether the process sleeps, by its state in /proc; one that cannot be read has ended. */
static bool sleeps(pid_t pid)
{
    struct procfs_process process;

    return !procfs_process(pid, &process) || (process.state != 'R' && process.state != 'D');
}

/* While the output is slow, more of the line may wait in the pipe. */
static bool has_more(int pipe)
{
    int waiting = 0;

    return ioctl(pipe, FIONREAD, &waiting) == 0 && waiting > 0;
}

uint64_t stream_prompt(struct stream *stream, pid_t pid)
{
    uint64_t now;

    if (stream->pipe < 0 || stream->lines.held.size == 0 || has_more(stream->pipe))
        return CLOCK_FOREVER;
    now = clock_now();
    if (now < stream->next_look)
        return stream->next_look;
    if (sleeps(pid) || now >= stream->fed + milliseconds(PROMPT_LONGEST_MS)) {
        lines_show(&stream->lines);
        return CLOCK_FOREVER;
    }
    stream->next_look = now + milliseconds(PROMPT_QUIET_MS);
    return stream->next_look;
}
