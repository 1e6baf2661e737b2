/* The processes that a supervisor prints for, and their pipes.
 *
 * A member is one attachment: a connection, the read ends of the pipes it was handed, and a handle
 * on its process for signals. A process that attaches again (a Troupe program under `troupe wrap`,
 * or with another role) supersedes its former member, whose unfinished line it takes over. A
 * member is freed when its connection and pipes are closed and its process has ended.
 *
 * Everything that can be waited for is a source in one of two epoll sets: streams in one of their
 * own, so that reading can pause while the output is slow, the rest in the supervisor's. */
#ifndef TROUPE_JOB_MEMBERS_H
#define TROUPE_JOB_MEMBERS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "job/control.h"
#include "job/outputs.h"

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

struct member {
    struct member *next;
    struct source connection_source, process_source;
    int connection; /* -1: closed */
    int process;    /* a pidfd; -1: ended, or superseded */
    pid_t pid;
    int rank;
    bool superseded;
    char role[CONTROL_ROLE_SIZE];
    char host[TROUPE_HOST_SIZE];
    struct stream output, error;
};

struct members {
    /* The supervisor's. */
    int poll, streams_poll;
    struct outputs *outputs;
    bool tag_output;
    int input; /* handed to the parent; -1: none */
    /* Theirs. */
    struct member *first;
    struct member *foreground; /* has standard input: the parent, or rank 0's command */
    bool any_attached;
    uint64_t world; /* the first member's: a parent of another world is none of ours */
    bool parent_ended;
    bool status_known;
    int status; /* as the parent reported it */
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

/* Takes a new connection; the process says later who it is. */
void members_take(struct members *members, int connection, pid_t pid);

/* Answers a connection that is readable. Returns the process that attached just now, or 0. */
pid_t members_serve(struct members *members, struct member *member);

/* The process has ended. */
void members_bury(struct member *member);

/* Sends a signal to the parent, or where there is none, to every command's process group. Returns
 * how many there were. */
int members_signal(struct members *members, int signal_number);

/* Prints a prompt of the foreground's when it stands. Returns when to look again; CLOCK_FOREVER
 * when there is nothing to look for. */
uint64_t members_prompt(struct members *members);

/* Closes the pipes whose output is gone, so that their writers learn of it. */
void members_cut_broken(struct members *members);

/* Frees who has ended. */
void members_sweep(struct members *members);

/* Drains, prints and frees everything. */
void members_finish(struct members *members);

#endif
