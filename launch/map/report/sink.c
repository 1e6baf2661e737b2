#include "launch/map/report/sink.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"

enum { PIECE = 1 << 16 };

/* Ends a line that an earlier run left torn. */
static int torn_end(struct sink *sink)
{
    struct stat status;
    char last;

    if (fstat(sink->descriptor, &status) != 0)
        return fail_errno(TROUPE_SYSTEM, "cannot append to %s %s", sink->what, sink->path);
    if (!S_ISREG(status.st_mode) || status.st_size == 0)
        return TROUPE_OK;
    if (pread(sink->descriptor, &last, 1, status.st_size - 1) != 1)
        return fail_errno(TROUPE_SYSTEM, "cannot read %s %s", sink->what, sink->path);
    if (last != '\n')
        text_append_bytes(&sink->text, "\n", 1);
    return TROUPE_OK;
}

int sink_open(const char *what, const char *path, bool append, struct sink *sink)
{
    int flags = O_RDWR | O_CREAT | O_CLOEXEC | O_APPEND | (append ? 0 : O_TRUNC);
    int result = TROUPE_OK;

    *sink = (struct sink){ .what = what, .path = strdup(path), .descriptor = STDOUT_FILENO };
    if (sink->path == NULL)
        return fail(TROUPE_NO_MEMORY, "out of memory");
    if (strcmp(path, "-") == 0)
        return TROUPE_OK;
    sink->descriptor = open(path, flags, 0666);
    if (sink->descriptor < 0)
        result = fail_errno(TROUPE_SYSTEM, "cannot write %s %s", what, path);
    else if (append)
        result = torn_end(sink);
    if (result == TROUPE_OK)
        return TROUPE_OK;
    if (sink->descriptor >= 0)
        close(sink->descriptor);
    free(sink->path);
    return result;
}

bool sink_is_new(const struct sink *sink)
{
    struct stat status;

    return fstat(sink->descriptor, &status) != 0 || !S_ISREG(status.st_mode) || status.st_size == 0;
}

int sink_flush(struct sink *sink)
{
    size_t written = 0;
    int result = TROUPE_OK;

    if (sink->text.broken) {
        sink->text.broken = false;
        result = fail(TROUPE_NO_MEMORY, "no memory for a line of %s %s", sink->what, sink->path);
    }
    while (written < sink->text.size) {
        ssize_t size =
            write(sink->descriptor, sink->text.data + written, sink->text.size - written);

        if (size < 0 && errno == EINTR)
            continue;
        if (size < 0) {
            result = fail_errno(TROUPE_SYSTEM, "cannot write %s %s", sink->what, sink->path);
            break;
        }
        written += (size_t)size;
    }
    if (written > 0)
        memmove(sink->text.data, sink->text.data + written, sink->text.size - written);
    sink->text.size -= written;
    return result;
}

int sink_check(struct sink *sink)
{
    return sink->text.size >= PIECE || sink->text.broken ? sink_flush(sink) : TROUPE_OK;
}

int sink_close(struct sink *sink)
{
    int result = sink_flush(sink);

    if (sink->descriptor != STDOUT_FILENO && close(sink->descriptor) != 0 && result == TROUPE_OK)
        result = fail_errno(TROUPE_SYSTEM, "cannot write %s %s", sink->what, sink->path);
    text_free(&sink->text);
    free(sink->path);
    memset(sink, 0, sizeof *sink);
    return result;
}
