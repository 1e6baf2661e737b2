/* Whole lines from many writers onto one descriptor.
 *
 * A lines_stream collects what one process writes to one of its descriptors; a lines_output is
 * where finished lines go. A line leaves its stream only when it is finished, so lines of
 * different streams never mix. Unfinished text leaves early in two cases: a prompt that its
 * writer leaves standing (lines_show), and the last text of a writer that ended (lines_end). What
 * another stream prints after such text starts on a line of its own.
 *
 * Lines may hold any bytes. A line beyond LINES_HELD_MAX is passed on in pieces.
 *
 * The output never blocks: what the descriptor does not take now stays queued, in order. Single
 * threaded. */
#ifndef TROUPE_JOB_LINES_H
#define TROUPE_JOB_LINES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/text.h"

#define LINES_HELD_MAX ((size_t)64 << 20)

struct lines_stream;

struct lines_output {
    int descriptor;
    size_t piece; /* what one write may hold without blocking once the descriptor is writable */
    struct text queue; /* bytes before `written` are out already */
    size_t written;
    bool broken;                           /* the reader is gone: everything is dropped */
    const struct lines_stream *unfinished; /* whose text ends without a newline, or NULL */
};

struct lines_stream {
    struct lines_output *output;
    char *prefix;     /* owned; set in front of every line; NULL for none */
    struct text held; /* the beginning of an unfinished line */
};

void lines_output_init(struct lines_output *output, int descriptor);

/* Frees the queue; the descriptor stays open. */
void lines_output_free(struct lines_output *output);

/* Writes as much as the descriptor takes without blocking.
 *
 * Returns     whether all is out, or the output is broken */
bool lines_output_write(struct lines_output *output);

/* Bytes that wait for the descriptor. */
size_t lines_output_waiting(const struct lines_output *output);

/* prefix is copied; NULL for none. False when memory ran out. */
bool lines_stream_init(struct lines_stream *stream, struct lines_output *output,
                       const char *prefix);

void lines_feed(struct lines_stream *stream, const char *bytes, size_t size);

/* Passes on the unfinished line as it stands. */
void lines_show(struct lines_stream *stream);

/* Gives the unfinished line to the stream that goes on for the same process. */
void lines_move(struct lines_stream *from, struct lines_stream *to);

/* Passes on what is left, and frees. */
void lines_end(struct lines_stream *stream);

#endif
