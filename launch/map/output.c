/* Holding and delivering outputs. A held file is named by its task, "N.out" and "N.err", and open
 * only while something is done with it. In a folder of results it has its last name but for a dot
 * in front, so that delivering is a rename. */
#include "output.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/text.h"

#define STREAM_HELD_MOST (256u << 10) /* of one stream in memory */
#define ALL_HELD_MOST (64u << 20)
#define COPY_BYTES (256u << 10)

static const char *const suffixes[MAP_STREAMS] = { [MAP_OUT] = "out", [MAP_ERR] = "err" };
static const int descriptors[MAP_STREAMS] = {
    [MAP_OUT] = STDOUT_FILENO, [MAP_ERR] = STDERR_FILENO
};

struct outputs {
    struct output_options options;
    char *spool; /* the folder for held files; NULL: not made yet */
    int folder;
    uint64_t held; /* in memory, of all tasks */
    char *copy;    /* [COPY_BYTES] */
};

/* ---- paths ----------------------------------------------------------------------------------- */

static int spool_make(struct outputs *outputs)
{
    const char *where = getenv("TMPDIR");

    if (outputs->spool != NULL)
        return TROUPE_OK;
    if (asprintf(&outputs->spool, "%s/troupe-map.XXXXXX",
                 where != NULL && *where != '\0' ? where : "/tmp") < 0) {
        outputs->spool = NULL;
        return fail(TROUPE_NO_MEMORY, "no memory for a folder's name");
    }
    if (mkdtemp(outputs->spool) == NULL) {
        fail_errno(TROUPE_SYSTEM, "cannot make %s for outputs; set TMPDIR", outputs->spool);
        free(outputs->spool);
        outputs->spool = NULL;
        return TROUPE_SYSTEM;
    }
    return TROUPE_OK;
}

/* The name of a held file, or, final, of a result. NULL when memory ran out. */
static char *path_make(const struct outputs *outputs, uint64_t seq, enum map_stream stream,
                       bool final)
{
    bool in_folder = outputs->options.folder != NULL;
    char *path;

    if (asprintf(&path, "%s/%s%" PRIu64 ".%s", in_folder ? outputs->options.folder : outputs->spool,
                 in_folder && !final ? "." : "", seq, suffixes[stream]) >= 0)
        return path;
    fail(TROUPE_NO_MEMORY, "no memory for a file's name");
    return NULL;
}

/* Opens a held file; -1 after a failure. */
static int held_open(struct outputs *outputs, uint64_t seq, enum map_stream stream, int flags)
{
    int opened = -1;
    char *path;

    if (outputs->options.folder == NULL && spool_make(outputs) != TROUPE_OK)
        return -1;
    path = path_make(outputs, seq, stream, false);
    if (path == NULL)
        return -1;
    opened = open(path, flags | O_CLOEXEC, 0666);
    if (opened < 0)
        fail_errno(TROUPE_SYSTEM, "cannot open %s for a task's output", path);
    free(path);
    return opened;
}

/* ---- writing --------------------------------------------------------------------------------- */

static int all_write(int descriptor, const char *bytes, size_t size, const char *what)
{
    while (size > 0) {
        ssize_t put = write(descriptor, bytes, size);

        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return fail_errno(TROUPE_SYSTEM, "cannot write %s", what);
        bytes += put;
        size -= (size_t)put;
    }
    return TROUPE_OK;
}

/* Each line with the tag in front; `at_start` says whether a line begins here. */
static int tagged_write(FILE *file, const char *bytes, size_t size, const char *tag,
                        size_t tag_bytes, bool *at_start)
{
    while (size > 0) {
        const char *end = memchr(bytes, '\n', size);
        size_t part = end != NULL ? (size_t)(end - bytes) + 1 : size;

        if (*at_start) {
            fwrite(tag, 1, tag_bytes, file);
            fputc('\t', file);
        }
        fwrite(bytes, 1, part, file);
        *at_start = end != NULL;
        bytes += part;
        size -= part;
    }
    return ferror(file) ? fail_errno(TROUPE_SYSTEM, "cannot write the output") : TROUPE_OK;
}

/* ---- holding --------------------------------------------------------------------------------- */

static int memory_hold(struct outputs *outputs, struct output_held *held, enum map_stream stream,
                       const void *bytes, size_t size)
{
    size_t before = held->streams[stream].in_memory;
    char *grown = realloc(held->streams[stream].bytes, before + size);

    if (grown == NULL)
        return fail(TROUPE_NO_MEMORY, "no memory for a task's output");
    memcpy(grown + before, bytes, size);
    held->streams[stream].bytes = grown;
    held->streams[stream].in_memory = before + size;
    outputs->held += size;
    return TROUPE_OK;
}

static void memory_drop(struct outputs *outputs, struct output_held *held, enum map_stream stream)
{
    outputs->held -= held->streams[stream].in_memory;
    free(held->streams[stream].bytes);
    held->streams[stream].bytes = NULL;
    held->streams[stream].in_memory = 0;
}

static int file_hold(struct outputs *outputs, struct output_held *held, uint64_t seq,
                     enum map_stream stream, const void *bytes, size_t size)
{
    bool is_first = held->streams[stream].in_file == 0;
    int file =
        held_open(outputs, seq, stream, O_WRONLY | O_CREAT | (is_first ? O_TRUNC : O_APPEND));
    int result = file < 0 ? TROUPE_SYSTEM : TROUPE_OK;

    if (result == TROUPE_OK && held->streams[stream].in_memory > 0)
        result = all_write(file, held->streams[stream].bytes, held->streams[stream].in_memory,
                           "a task's output to its file");
    if (result == TROUPE_OK)
        result = all_write(file, bytes, size, "a task's output to its file");
    if (file >= 0 && close(file) != 0 && result == TROUPE_OK)
        result = fail_errno(TROUPE_SYSTEM, "cannot write a task's output to its file");
    if (result != TROUPE_OK)
        return result;
    held->streams[stream].in_file += held->streams[stream].in_memory + size;
    memory_drop(outputs, held, stream);
    return TROUPE_OK;
}

int output_add(struct outputs *outputs, struct output_held *held, uint64_t seq,
               enum map_stream stream, const void *bytes, size_t size)
{
    if (size == 0)
        return TROUPE_OK;
    if (held->streams[stream].in_file == 0 &&
        held->streams[stream].in_memory + size <= STREAM_HELD_MOST &&
        outputs->held + size <= ALL_HELD_MOST)
        return memory_hold(outputs, held, stream, bytes, size);
    return file_hold(outputs, held, seq, stream, bytes, size);
}

uint64_t output_bytes(const struct output_held *held, enum map_stream stream)
{
    return held->streams[stream].in_memory + held->streams[stream].in_file;
}

static void file_remove(const struct outputs *outputs, uint64_t seq, enum map_stream stream)
{
    char *path = path_make(outputs, seq, stream, false);

    if (path != NULL)
        unlink(path);
    free(path);
}

void output_drop(struct outputs *outputs, struct output_held *held, uint64_t seq)
{
    for (int stream = 0; stream < MAP_STREAMS; stream++) {
        if (held->streams[stream].in_file > 0)
            file_remove(outputs, seq, (enum map_stream)stream);
        memory_drop(outputs, held, (enum map_stream)stream);
        held->streams[stream].in_file = 0;
    }
}

/* ---- printing -------------------------------------------------------------------------------- */

static int bytes_print(enum map_stream stream, const char *bytes, size_t size, const char *tag,
                       size_t tag_bytes, bool *at_start)
{
    FILE *file = stream == MAP_OUT ? stdout : stderr;

    if (tag != NULL)
        return tagged_write(file, bytes, size, tag, tag_bytes, at_start);
    return all_write(descriptors[stream], bytes, size, "the output");
}

static int file_print(struct outputs *outputs, uint64_t seq, enum map_stream stream,
                      const char *tag, size_t tag_bytes, bool *at_start)
{
    int file = held_open(outputs, seq, stream, O_RDONLY), result = TROUPE_OK;
    ssize_t got = 1;

    if (file < 0)
        return TROUPE_SYSTEM;
    while (result == TROUPE_OK && got > 0) {
        got = read(file, outputs->copy, COPY_BYTES);
        if (got < 0)
            result = fail_errno(TROUPE_SYSTEM, "cannot read a task's output again");
        else
            result = bytes_print(stream, outputs->copy, (size_t)got, tag, tag_bytes, at_start);
    }
    close(file);
    return result;
}

static int stream_print(struct outputs *outputs, struct output_held *held, uint64_t seq,
                        enum map_stream stream, const char *tag, size_t tag_bytes)
{
    bool at_start = true;
    int result;

    if (held->streams[stream].in_file > 0)
        result = file_print(outputs, seq, stream, tag, tag_bytes, &at_start);
    else
        result = bytes_print(stream, held->streams[stream].bytes, held->streams[stream].in_memory,
                             tag, tag_bytes, &at_start);
    if (result == TROUPE_OK && tag != NULL && fflush(stream == MAP_OUT ? stdout : stderr) != 0)
        result = fail_errno(TROUPE_SYSTEM, "cannot write the output");
    return result;
}

/* ---- files of their own ---------------------------------------------------------------------- */

/* Standard output always has its file, so that a task that is done can be seen; standard error has
 * one if anything came. */
static int stream_place(struct outputs *outputs, struct output_held *held, uint64_t seq,
                        enum map_stream stream, struct journal_file *placed)
{
    bool in_file = held->streams[stream].in_file > 0;
    struct journal_file file = { .descriptor = -1 };
    int result = TROUPE_OK;

    if (stream == MAP_ERR && output_bytes(held, stream) == 0)
        return TROUPE_OK;
    file.descriptor =
        held_open(outputs, seq, stream, O_WRONLY | (in_file ? O_APPEND : O_CREAT | O_TRUNC));
    file.from = path_make(outputs, seq, stream, false);
    file.to = path_make(outputs, seq, stream, true);
    if (file.descriptor < 0 || file.from == NULL || file.to == NULL)
        result = TROUPE_SYSTEM;
    if (result == TROUPE_OK && !in_file)
        result = all_write(file.descriptor, held->streams[stream].bytes,
                           held->streams[stream].in_memory, file.to);
    if (result == TROUPE_OK && outputs->options.safe) {
        *placed = file;
        return TROUPE_OK;
    }
    if (result == TROUPE_OK && rename(file.from, file.to) != 0)
        result = fail_errno(TROUPE_SYSTEM, "cannot rename %s", file.from);
    if (file.descriptor >= 0)
        close(file.descriptor);
    free(file.from);
    free(file.to);
    return result;
}

int output_deliver(struct outputs *outputs, struct output_held *held, uint64_t seq, const char *tag,
                   size_t tag_bytes, struct journal_file *files)
{
    bool places = outputs->options.folder != NULL;
    int result = TROUPE_OK;

    if (!outputs->options.tag)
        tag = NULL;
    for (int i = 0; i < MAP_STREAMS; i++)
        files[i] = (struct journal_file){ .descriptor = -1 };
    for (int i = 0; result == TROUPE_OK && i < MAP_STREAMS; i++) {
        enum map_stream stream = (enum map_stream)i;

        if (places)
            result = stream_place(outputs, held, seq, stream, &files[i]);
        else if (output_bytes(held, stream) > 0)
            result = stream_print(outputs, held, seq, stream, tag, tag_bytes);
        if (places)
            held->streams[i].in_file = 0; /* it has its last name, or will */
    }
    output_drop(outputs, held, seq);
    return result;
}

/* ---- all of them ----------------------------------------------------------------------------- */

int outputs_open(const struct output_options *options, struct outputs **outputs)
{
    struct outputs *made = calloc(1, sizeof *made);

    if (made != NULL)
        made->copy = malloc(COPY_BYTES);
    if (made == NULL || made->copy == NULL) {
        free(made);
        return fail(TROUPE_NO_MEMORY, "no memory for outputs");
    }
    made->options = *options;
    made->folder = -1;
    if (options->folder != NULL) {
        if (mkdir(options->folder, 0777) != 0 && errno != EEXIST)
            goto failed;
        made->folder = open(options->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (made->folder < 0)
            goto failed;
    }
    *outputs = made;
    return TROUPE_OK;

failed:
    fail_errno(TROUPE_SYSTEM, "cannot use the folder %s", options->folder);
    outputs_close(made);
    return TROUPE_SYSTEM;
}

int outputs_folder(const struct outputs *outputs)
{
    return outputs->folder;
}

void outputs_close(struct outputs *outputs)
{
    if (outputs == NULL)
        return;
    if (outputs->spool != NULL)
        rmdir(outputs->spool);
    if (outputs->folder >= 0)
        close(outputs->folder);
    free(outputs->spool);
    free(outputs->copy);
    free(outputs);
}
