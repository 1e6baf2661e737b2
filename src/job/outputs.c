#include "job/outputs.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"

struct outputs_file {
    struct outputs_file *next;
    char *path;
    struct lines_output output;
};

static bool same_file(int one, int other)
{
    struct stat first, second;

    return fstat(one, &first) == 0 && fstat(other, &second) == 0 && first.st_dev == second.st_dev &&
           first.st_ino == second.st_ino;
}

int outputs_init(struct outputs *outputs, const char *folder)
{
    memset(outputs, 0, sizeof *outputs);
    lines_output_init(&outputs->standard[OUTPUTS_OUTPUT], STDOUT_FILENO);
    lines_output_init(&outputs->standard[OUTPUTS_ERROR], STDERR_FILENO);
    outputs->shared = folder == NULL && same_file(STDOUT_FILENO, STDERR_FILENO);
    outputs->folder = folder;
    if (folder == NULL)
        return TROUPE_OK;
    if (mkdir(folder, 0777) != 0 && errno != EEXIST)
        return fail_errno(TROUPE_SYSTEM, "cannot make the output folder %s", folder);
    if (access(folder, W_OK | X_OK) != 0)
        return fail_errno(TROUPE_SYSTEM, "cannot write into the output folder %s", folder);
    return TROUPE_OK;
}

struct lines_output *outputs_standard(struct outputs *outputs, enum outputs_kind kind)
{
    return &outputs->standard[outputs->shared ? OUTPUTS_OUTPUT : kind];
}

static struct outputs_file *file_open(const char *path)
{
    struct outputs_file *file = calloc(1, sizeof *file);
    int descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);

    if (file != NULL)
        file->path = strdup(path);
    if (descriptor < 0 || file == NULL || file->path == NULL) {
        log_error("cannot write %s: %s; its lines go to standard output and error", path,
                  strerror(errno));
        if (descriptor >= 0)
            close(descriptor);
        free(file);
        return NULL;
    }
    lines_output_init(&file->output, descriptor);
    return file;
}

struct lines_output *outputs_of(struct outputs *outputs, const char *name, enum outputs_kind kind)
{
    struct text path = { 0 };
    struct outputs_file *file;

    if (outputs->folder == NULL)
        return outputs_standard(outputs, kind);
    text_append(&path, "%s/%s.%s", outputs->folder, name, kind == OUTPUTS_OUTPUT ? "out" : "err");
    if (path.broken)
        return outputs_standard(outputs, kind);
    for (file = outputs->files; file != NULL; file = file->next)
        if (strcmp(file->path, path.data) == 0)
            break;
    if (file == NULL) {
        file = file_open(path.data);
        if (file != NULL) {
            file->next = outputs->files;
            outputs->files = file;
        }
    }
    text_free(&path);
    return file != NULL ? &file->output : outputs_standard(outputs, kind);
}

size_t outputs_write(struct outputs *outputs)
{
    size_t most = 0;

    for (int i = 0; i < 2; i++) {
        lines_output_write(&outputs->standard[i]);
        if (lines_output_waiting(&outputs->standard[i]) > most)
            most = lines_output_waiting(&outputs->standard[i]);
    }
    for (struct outputs_file *file = outputs->files; file != NULL; file = file->next)
        lines_output_write(&file->output);
    return most;
}

void outputs_finish(struct outputs *outputs)
{
    for (int i = 0; i < 2; i++) {
        struct lines_output *output = &outputs->standard[i];
        struct pollfd ready = { .fd = output->descriptor, .events = POLLOUT };

        while (!lines_output_write(output))
            if (poll(&ready, 1, -1) < 0 && errno != EINTR)
                break;
        lines_output_free(output);
    }
    while (outputs->files != NULL) {
        struct outputs_file *file = outputs->files;

        outputs->files = file->next;
        lines_output_write(&file->output);
        lines_output_free(&file->output);
        close(file->output.descriptor);
        free(file->path);
        free(file);
    }
}
