#include "job/lines.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A file takes anything; whatever else polls writable takes PIPE_BUF bytes without blocking. */
void lines_output_init(struct lines_output *output, int descriptor)
{
    struct stat status;

    memset(output, 0, sizeof *output);
    output->descriptor = descriptor;
    output->piece =
        fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode) ? SSIZE_MAX : PIPE_BUF;
}

void lines_output_free(struct lines_output *output)
{
    text_free(&output->queue);
    output->written = 0;
}

size_t lines_output_waiting(const struct lines_output *output)
{
    return output->queue.size - output->written;
}

/* The descriptor is not made non-blocking, for it is shared with the shell that started us. */
static bool writable(int descriptor)
{
    struct pollfd question = { .fd = descriptor, .events = POLLOUT };

    return poll(&question, 1, 0) == 1;
}

bool lines_output_write(struct lines_output *output)
{
    while (lines_output_waiting(output) > 0 && !output->broken && writable(output->descriptor)) {
        size_t size = lines_output_waiting(output);
        ssize_t written = write(output->descriptor, output->queue.data + output->written,
                                size < output->piece ? size : output->piece);

        if (written > 0)
            output->written += (size_t)written;
        else if (written < 0 && errno == EAGAIN)
            return false;
        else if (written < 0 && errno != EINTR)
            output->broken = true;
    }
    if (output->broken || lines_output_waiting(output) == 0) {
        output->queue.size = 0;
        output->written = 0;
        return true;
    }
    return false;
}

/* Keeps the queue from growing by what is already out. */
static void queue_compact(struct lines_output *output)
{
    size_t waiting = lines_output_waiting(output);

    if (output->written < waiting)
        return;
    memmove(output->queue.data, output->queue.data + output->written, waiting);
    output->queue.size = waiting;
    output->written = 0;
}

static void queue_append(struct lines_output *output, const char *bytes, size_t size)
{
    if (output->broken)
        return;
    if (output->written > 0)
        queue_compact(output);
    text_append_bytes(&output->queue, bytes, size);
    if (output->queue.broken) {
        /* Out of memory with a slow reader: what is queued goes out first, blocking. */
        output->queue.broken = false;
        while (!lines_output_write(output))
            poll(&(struct pollfd){ .fd = output->descriptor, .events = POLLOUT }, 1, -1);
        text_append_bytes(&output->queue, bytes, size);
        output->queue.broken = false;
    }
}

bool lines_stream_init(struct lines_stream *stream, struct lines_output *output, const char *prefix)
{
    memset(stream, 0, sizeof *stream);
    stream->output = output;
    if (prefix != NULL)
        stream->prefix = strdup(prefix);
    return prefix == NULL || stream->prefix != NULL;
}

static void prefixed_append(struct lines_stream *stream, const char *bytes, size_t size)
{
    struct lines_output *output = stream->output;
    const char *end = bytes + size;

    while (bytes < end) {
        const char *newline = memchr(bytes, '\n', (size_t)(end - bytes));
        const char *next = newline != NULL ? newline + 1 : end;

        if (output->unfinished != stream)
            queue_append(output, stream->prefix, strlen(stream->prefix));
        queue_append(output, bytes, (size_t)(next - bytes));
        output->unfinished = newline != NULL ? NULL : stream;
        bytes = next;
    }
}

/* Everything that leaves a stream leaves here. */
static void emit(struct lines_stream *stream, const char *bytes, size_t size)
{
    struct lines_output *output = stream->output;

    if (size == 0)
        return;
    if (output->unfinished != NULL && output->unfinished != stream) {
        queue_append(output, "\n", 1);
        output->unfinished = NULL;
    }
    if (stream->prefix != NULL) {
        prefixed_append(stream, bytes, size);
        return;
    }
    queue_append(output, bytes, size);
    output->unfinished = bytes[size - 1] == '\n' ? NULL : stream;
}

void lines_show(struct lines_stream *stream)
{
    if (stream->held.size == 0)
        return;
    emit(stream, stream->held.data, stream->held.size);
    stream->held.size = 0;
}

static void hold(struct lines_stream *stream, const char *bytes, size_t size)
{
    if (stream->held.size + size > LINES_HELD_MAX)
        lines_show(stream);
    text_append_bytes(&stream->held, bytes, size);
    if (stream->held.broken) {
        stream->held.broken = false;
        lines_show(stream);
        emit(stream, bytes, size);
    }
}

void lines_feed(struct lines_stream *stream, const char *bytes, size_t size)
{
    const char *newline = size > 0 ? memrchr(bytes, '\n', size) : NULL;
    size_t whole = newline != NULL ? (size_t)(newline + 1 - bytes) : 0;

    if (whole > 0) {
        lines_show(stream);
        emit(stream, bytes, whole);
    }
    if (size > whole)
        hold(stream, bytes + whole, size - whole);
}

void lines_move(struct lines_stream *from, struct lines_stream *to)
{
    if (from->output->unfinished == from && from->output == to->output)
        to->output->unfinished = to;
    if (from->held.size > 0)
        hold(to, from->held.data, from->held.size);
    from->held.size = 0;
}

/* The stream may go while its text stands unfinished on the output. That still makes the next
 * stream start a new line, but a later stream at the same address must not be taken for it. */
static const struct lines_stream ended;

void lines_end(struct lines_stream *stream)
{
    lines_show(stream);
    if (stream->output->unfinished == stream)
        stream->output->unfinished = &ended;
    text_free(&stream->held);
    free(stream->prefix);
    stream->prefix = NULL;
}
