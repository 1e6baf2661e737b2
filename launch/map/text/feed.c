#include "launch/map/text/feed.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "launch/map/text/inputs.h"

enum {
    PIECE = 1 << 18, /* bytes of one read */
    LOOK_AGAIN_MS = 1000,
    NS_EACH_MS = 1000000
};

static int watch_open(const char *path, struct feed *feed)
{
    if (!feed->is_regular)
        return fail(TROUPE_BAD_ARGUMENT,
                    "%s is no regular file, so it cannot be followed; give it as --inputs", path);
    feed->watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (feed->watch < 0)
        return fail_errno(TROUPE_SYSTEM, "cannot follow %s: inotify_init1", path);
    /* IN_ATTRIB tells of its removal: its last name is an attribute. */
    if (inotify_add_watch(feed->watch, path, IN_MODIFY | IN_ATTRIB) >= 0)
        return TROUPE_OK;
    close(feed->watch);
    return fail_errno(TROUPE_SYSTEM, "cannot follow %s: inotify_add_watch", path);
}

int feed_open(const char *path, char separator, bool follow, struct feed *feed)
{
    bool is_input = path == NULL || strcmp(path, "-") == 0;
    struct stat status;
    int result = TROUPE_OK;

    *feed = (struct feed){ .name = is_input ? "standard input" : path,
                           .descriptor = STDIN_FILENO,
                           .watch = -1,
                           .separator = separator,
                           .is_followed = follow };
    if (!is_input)
        feed->descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (feed->descriptor < 0)
        return fail_errno(TROUPE_NOT_FOUND, "cannot read the inputs: %s", feed->name);
    if (fstat(feed->descriptor, &status) != 0)
        result = fail_errno(TROUPE_SYSTEM, "cannot read the inputs: %s", feed->name);
    feed->is_regular = result == TROUPE_OK && S_ISREG(status.st_mode);
    if (feed->is_regular)
        feed->start = lseek(feed->descriptor, 0, SEEK_CUR);
    if (result == TROUPE_OK && follow)
        result = watch_open(feed->name, feed);
    if (result != TROUPE_OK && !is_input)
        close(feed->descriptor);
    return result;
}

void feed_close(struct feed *feed)
{
    if (feed->watch >= 0)
        close(feed->watch);
    if (feed->descriptor > STDIN_FILENO)
        close(feed->descriptor);
    free(feed->buffer);
    memset(feed, 0, sizeof *feed);
    feed->descriptor = feed->watch = -1;
}

int feed_descriptor(const struct feed *feed)
{
    if (feed->is_followed)
        return feed->watch;
    return feed->is_regular ? -1 : feed->descriptor;
}

/* Makes room for a piece and the byte behind it. */
static int room_make(struct feed *feed)
{
    size_t kept = feed->end - feed->begin;
    size_t capacity = feed->capacity > 0 ? feed->capacity : 2 * (size_t)PIECE;
    char *buffer;

    if (kept > INPUTS_BYTES_MAX)
        return fail(TROUPE_BAD_ARGUMENT,
                    "%s has an input of more than %zu MiB; does something else separate them?",
                    feed->name, INPUTS_BYTES_MAX >> 20);
    if (feed->end + PIECE < feed->capacity)
        return TROUPE_OK;
    if (kept > 0)
        memmove(feed->buffer, feed->buffer + feed->begin, kept);
    feed->searched -= feed->begin;
    feed->begin = 0;
    feed->end = kept;
    while (kept + PIECE >= capacity)
        capacity *= 2;
    if (capacity == feed->capacity)
        return TROUPE_OK;
    buffer = realloc(feed->buffer, capacity);
    if (buffer == NULL)
        return fail(TROUPE_NO_MEMORY, "no memory for an input of %zu bytes and more", kept);
    feed->buffer = buffer;
    feed->capacity = capacity;
    return TROUPE_OK;
}

/* Until a descriptor has something. Returns TROUPE_OK, TROUPE_TIMEOUT, TROUPE_SYSTEM, and
 * TROUPE_CANCELLED for a signal: whoever waits may want to look at what it meant. */
static int wait_for(const struct feed *feed, int descriptor, uint64_t deadline)
{
    struct pollfd question = { .fd = descriptor, .events = POLLIN };
    uint64_t left = clock_left(deadline);
    int wait_ms = -1, ready;

    if (left != CLOCK_FOREVER) {
        uint64_t rounded = left / NS_EACH_MS + (left % NS_EACH_MS != 0);

        wait_ms = rounded < INT32_MAX ? (int)rounded : INT32_MAX;
    }
    ready = poll(&question, 1, wait_ms);
    if (ready > 0)
        return TROUPE_OK;
    if (ready < 0 && errno != EINTR)
        return fail_errno(TROUPE_SYSTEM, "cannot wait for %s", feed->name);
    return ready < 0 ? TROUPE_CANCELLED : TROUPE_TIMEOUT;
}

/* Until a followed file may have grown. inotify does not know what another machine writes, so the
 * file is looked at now and then all the same. */
static int news_wait(const struct feed *feed, uint64_t deadline)
{
    char events[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
    uint64_t look = clock_deadline(LOOK_AGAIN_MS);
    int result = wait_for(feed, feed->watch, look < deadline ? look : deadline);

    if (result == TROUPE_OK)
        while (read(feed->watch, events, sizeof events) > 0)
            continue;
    return result == TROUPE_TIMEOUT && look < deadline ? TROUPE_OK : result;
}

/* At the end of a followed file, as far as it goes now. */
static int growth_wait(struct feed *feed, uint64_t deadline)
{
    struct stat status;

    if (fstat(feed->descriptor, &status) != 0)
        return fail_errno(TROUPE_SYSTEM, "cannot follow %s", feed->name);
    if (status.st_size < feed->start + feed->position)
        return fail(TROUPE_SYSTEM, "%s became shorter while it was followed; only append to it",
                    feed->name);
    if (status.st_size > feed->start + feed->position)
        return TROUPE_OK;
    feed->has_ended = status.st_nlink == 0;
    return feed->has_ended ? TROUPE_OK : news_wait(feed, deadline);
}

/* Reads a piece more, or finds that nothing more comes. */
static int feed_fill(struct feed *feed, uint64_t deadline)
{
    int result = room_make(feed);
    ssize_t size;

    if (result == TROUPE_OK && !feed->is_regular)
        result = wait_for(feed, feed->descriptor, deadline);
    if (result != TROUPE_OK)
        return result;
    size = read(feed->descriptor, feed->buffer + feed->end, PIECE);
    if (size < 0 && (errno == EINTR || errno == EAGAIN))
        return TROUPE_OK;
    if (size < 0)
        return fail_errno(TROUPE_SYSTEM, "cannot read on in %s", feed->name);
    feed->end += (size_t)size;
    feed->position += size;
    if (size > 0)
        return TROUPE_OK;
    if (feed->is_followed)
        return growth_wait(feed, deadline);
    feed->has_ended = true;
    return TROUPE_OK;
}

/* Where the next part ends, or NULL when it has not come whole. */
static char *part_end(struct feed *feed)
{
    char *end = NULL;

    if (feed->end > feed->searched)
        end = memchr(feed->buffer + feed->searched, feed->separator, feed->end - feed->searched);
    if (end == NULL)
        feed->searched = feed->end;
    if (end == NULL && feed->has_ended && feed->end > feed->begin)
        end = feed->buffer + feed->end;
    return end;
}

static bool is_end_mark(const struct feed *feed, const char *part, size_t size)
{
    return feed->is_followed && size == strlen(INPUTS_END_MARK) &&
           memcmp(part, INPUTS_END_MARK, size) == 0;
}

static int part_take(struct feed *feed, char *end, char **part, size_t *size)
{
    *part = feed->buffer + feed->begin;
    *size = (size_t)(end - *part);
    *end = '\0';
    feed->begin += *size + 1;
    if (feed->begin > feed->end)
        feed->begin = feed->end;
    feed->searched = feed->begin;
    if (!is_end_mark(feed, *part, *size))
        return 1;
    feed->has_ended = true;
    feed->begin = feed->searched = feed->end;
    return 0;
}

int feed_next(struct feed *feed, char **part, size_t *size, long timeout_ms)
{
    uint64_t deadline = clock_deadline(timeout_ms);
    char *end;

    for (;;) {
        int result;

        end = part_end(feed);
        if (end != NULL)
            return part_take(feed, end, part, size);
        if (feed->has_ended)
            return 0;
        result = feed_fill(feed, deadline);
        if (result != TROUPE_OK)
            return result == TROUPE_CANCELLED ? TROUPE_TIMEOUT : result;
    }
}

bool feed_total(const struct feed *feed, uint64_t *total)
{
    uint64_t parts = 0;
    int64_t at = feed->start;
    bool is_open = false; /* the last part has no separator behind it */
    char *piece;
    ssize_t size;

    if (!feed->is_regular || feed->is_followed || feed->start < 0)
        return false;
    piece = malloc(PIECE);
    while (piece != NULL && (size = pread(feed->descriptor, piece, PIECE, at)) > 0) {
        const char *from = piece, *last = piece + size, *end;

        while ((end = memchr(from, feed->separator, (size_t)(last - from))) != NULL) {
            parts++;
            from = end + 1;
        }
        is_open = from < last;
        at += size;
    }
    *total = parts + is_open;
    size = piece != NULL ? size : -1;
    free(piece);
    return size == 0;
}
