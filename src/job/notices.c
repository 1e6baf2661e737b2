#include "job/notices.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DASHES = 74 }; /* the length of Open MPI's line */

static bool is_dashes(const char *line, size_t size)
{
    return size == DASHES + 1 && strspn(line, "-") == DASHES;
}

/* "[host:4711] …" with mpirun's own process id. */
static bool is_launchers(const struct notices *notices, const char *line, size_t size)
{
    char mark[32];
    const char *end = memchr(line, ']', size);
    int length = snprintf(mark, sizeof mark, ":%d", (int)notices->launcher);

    if (strncmp(line, "mpirun: ", strlen("mpirun: ")) == 0 ||
        strncmp(line, "prterun: ", strlen("prterun: ")) == 0)
        return true;
    return line[0] == '[' && end != NULL && end - line > length &&
           memcmp(end - length, mark, (size_t)length) == 0;
}

static void line_sort(struct notices *notices, const char *line, size_t size)
{
    if (is_dashes(line, size) && notices->in_banner) {
        text_append_bytes(&notices->kept, notices->banner.data, notices->banner.size);
        text_append_bytes(&notices->kept, line, size);
        notices->banner.size = 0;
        notices->in_banner = false;
    } else if (is_dashes(line, size) || notices->in_banner) {
        text_append_bytes(&notices->banner, line, size);
        notices->in_banner = true;
    } else if (is_launchers(notices, line, size)) {
        text_append_bytes(&notices->kept, line, size);
    } else {
        lines_feed(notices->passed, line, size);
    }
}

void notices_feed(struct notices *notices, const char *bytes, size_t size)
{
    while (size > 0) {
        const char *newline = memchr(bytes, '\n', size);
        size_t taken = newline != NULL ? (size_t)(newline + 1 - bytes) : size;

        text_append_bytes(&notices->line, bytes, taken);
        if (newline != NULL && notices->line.size > 0) {
            line_sort(notices, notices->line.data, notices->line.size);
            notices->line.size = 0;
        }
        bytes += taken;
        size -= taken;
    }
}

void notices_end(struct notices *notices)
{
    lines_feed(notices->passed, notices->banner.data, notices->banner.size);
    if (notices->line.size > 0)
        line_sort(notices, notices->line.data, notices->line.size);
    notices->banner.size = 0;
    notices->line.size = 0;
    notices->in_banner = false;
}

bool notices_blame_program(const struct notices *notices)
{
    static const char *const words[] = { "exited on signal", "non-zero", "exiting improperly" };

    for (size_t i = 0; notices->kept.data != NULL && i < sizeof words / sizeof *words; i++)
        if (strstr(notices->kept.data, words[i]) != NULL)
            return true;
    return false;
}

bool notices_lost_host(const struct notices *notices, char host[TROUPE_HOST_SIZE])
{
    static const char lost[] = "lost communication with a remote daemon";
    const char *found = notices->kept.data != NULL ? strstr(notices->kept.data, lost) : NULL;
    size_t length;

    found = found != NULL ? strstr(found, "Remote daemon:") : NULL;
    found = found != NULL ? strstr(found, " on node ") : NULL;
    if (found == NULL)
        return false;
    found += strlen(" on node ");
    length = strcspn(found, " \n");
    if (length == 0 || length >= TROUPE_HOST_SIZE)
        return false;
    memcpy(host, found, length);
    host[length] = '\0';
    return true;
}

void notices_free(struct notices *notices)
{
    text_free(&notices->line);
    text_free(&notices->banner);
    text_free(&notices->kept);
}
