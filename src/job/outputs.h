/* Where a run's lines go: the supervisor's own standard output and error, or files, one for each
 * rank and descriptor, in a folder. */
#ifndef TROUPE_JOB_OUTPUTS_H
#define TROUPE_JOB_OUTPUTS_H

#include <stdbool.h>

#include "job/lines.h"

struct outputs_file;

struct outputs {
    struct lines_output standard[2]; /* output, error */
    bool shared; /* both are the same file or terminal: one queue, so that their order stays */
    const char *folder; /* NULL: no files */
    struct outputs_file *files;
};

enum outputs_kind { OUTPUTS_OUTPUT, OUTPUTS_ERROR };

/* Makes the folder if there is one to be made.
 *
 * Returns     TROUPE_OK
 *             TROUPE_SYSTEM  the folder cannot be made or written to */
int outputs_init(struct outputs *outputs, const char *folder);

/* The supervisor's own standard output or error. */
struct lines_output *outputs_standard(struct outputs *outputs, enum outputs_kind kind);

/* Where a process's lines go; name is "rank-3" or "parent". Without a folder, or when the file
 * cannot be opened (one line says so), the standard ones. */
struct lines_output *outputs_of(struct outputs *outputs, const char *name, enum outputs_kind kind);

/* Writes what can be written without blocking; returns the bytes of the longest queue left. */
size_t outputs_write(struct outputs *outputs);

/* Blocks until everything is out or its reader is gone, and frees. */
void outputs_finish(struct outputs *outputs);

#endif
