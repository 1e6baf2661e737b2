/* The processes that a supervisor prints for, and their pipes.
 *
 * A member is one attachment: a connection, the read ends of the pipes it was handed, and a handle
 * on its process for signals. A process that attaches again (a Troupe program under `troupe wrap`,
 * or with another role) supersedes its former member, whose unfinished line it takes over. A
 * member is freed when its connection and pipes are closed and its process has ended. */
#ifndef TROUPE_JOB_MEMBERS_H
#define TROUPE_JOB_MEMBERS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "job/control.h"
#include "job/outputs.h"
#include "job/stream.h"

struct member {
    struct member *next;
    struct source connection_source, process_source;
    int connection; /* -1: closed */
    int process;    /* a pidfd; -1: ended, or superseded */
    pid_t pid;
    int rank;
    bool superseded;
    bool settles; /* waits for word that what it wrote has been handed on */
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
    bool settling;             /* some member settles */
    bool any_attached;
    uint64_t world; /* the first member's: a parent of another world is none of ours */
    bool parent_ended;
    bool status_known;
    int status; /* as the parent reported it */
};

/* Takes a new connection; the process says later who it is. NULL without memory. */
struct member *members_take(struct members *members, int connection, pid_t pid);

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

/* All that was read has been written: tells those who wait for that. */
void members_settle(struct members *members);

/* Closes the pipes whose output is gone, so that their writers learn of it. */
void members_cut_broken(struct members *members);

/* Frees who has ended. */
void members_sweep(struct members *members);

/* Drains, prints and frees everything. */
void members_finish(struct members *members);

#endif
