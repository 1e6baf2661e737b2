/* Tasks' outputs, from the first piece to where they belong: printed whole, one task after the
 * other, or in files of their own. Small ones are held in memory, within a limit for all of them
 * together; the others go to files in a folder that is removed at the end. */
#ifndef TROUPE_LAUNCH_MAP_OUTPUT_H
#define TROUPE_LAUNCH_MAP_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "journal.h"
#include "message.h"

/* What is held of a task's output. Starts with all zero. */
struct output_held {
    struct {
        char *bytes; /* [in_memory] */
        size_t in_memory;
        uint64_t in_file; /* if any, all of them are */
    } streams[MAP_STREAMS];
};

struct output_options {
    const char *folder; /* files there in place of printing; NULL: print */
    bool tag;
    bool safe; /* files take their place by the journal */
};

struct outputs;

/* Returns     TROUPE_OK, TROUPE_SYSTEM, TROUPE_NO_MEMORY */
int outputs_open(const struct output_options *options, struct outputs **outputs);

/* The folder of files, a descriptor; -1 when outputs are printed. */
int outputs_folder(const struct outputs *outputs);

/* Holds a piece.
 *
 * Returns     TROUPE_OK
 *             TROUPE_SYSTEM  no room on the disk, in the sentence's folder */
int output_add(struct outputs *outputs, struct output_held *held, uint64_t seq,
               enum map_stream stream, const void *bytes, size_t size);

uint64_t output_bytes(const struct output_held *held, enum map_stream stream);

/* Forgets what is held. */
void output_drop(struct outputs *outputs, struct output_held *held, uint64_t seq);

/* Prints or places what is held, and forgets it.
 *
 * tag         what goes in front of each line, if lines are tagged
 * files       [JOURNAL_FILES] filled for the journal, which is to put them in their place
 * Returns     as output_add */
int output_deliver(struct outputs *outputs, struct output_held *held, uint64_t seq, const char *tag,
                   size_t tag_bytes, struct journal_file *files);

/* Removes the folder; NULL is allowed. */
void outputs_close(struct outputs *outputs);

#endif
