/* What a supervisor waits for, and the pipes among it.
 *
 * Everything that can be waited for is a source in one of two epoll sets: streams in one of their
 * own, so that reading can pause while the output is slow, the rest in the supervisor's. A stream
 * is the read end of a pipe whose lines go to an output. */
#ifndef TROUPE_JOB_STREAM_H
#define TROUPE_JOB_STREAM_H

#include <stdint.h>
#include <sys/types.h>

#include "job/lines.h"

enum source_kind {
    SOURCE_LISTENER,
    SOURCE_SIGNALS,
    SOURCE_JANITOR,
    SOURCE_STREAMS, /* the epoll set of streams */
    SOURCE_CONNECTION,
    SOURCE_PROCESS,
    SOURCE_STREAM,
    SOURCE_NOTICES /* mpirun's standard error */
};

struct source {
    enum source_kind kind;
    void *owner; /* the member or stream */
};

struct stream {
    struct source source;
    struct lines_stream lines;
    int pipe;           /* -1: not there, or ended */
    uint64_t fed;       /* when it last brought something */
    uint64_t next_look; /* when to ask whether its unfinished line is a prompt */
};

/* Adds a descriptor to an epoll set. */
int source_add(int set, int descriptor, struct source *source);

/* Starts reading a pipe, which must not block, into lines of an output. */
int stream_open(int streams_poll, struct stream *stream, int pipe, struct lines_output *output,
                const char *prefix);

/* Reads what is there, once; ends the stream at its end. */
void stream_read(struct stream *stream);

/* Reads until nothing is there. */
void stream_drain(struct stream *stream);

/* Prints what is held and closes. */
void stream_close(struct stream *stream);

/* Prints the unfinished line when it stands: it is a prompt. pid is the process that writes it.
 * Returns when to look again; CLOCK_FOREVER when there is nothing to look for. */
uint64_t stream_prompt(struct stream *stream, pid_t pid);

#endif
