/* What a supervised process and its supervisor say to each other, over a local socket that keeps
 * message boundaries.
 *
 * The address is a string, "unix:@troupe-<32 hex digits>,<host>": a socket in the abstract
 * namespace, which leaves no file. Its name holds a random token, but names of such sockets are
 * public, so what guards it is the kernel's word on the peer: both sides refuse a peer of another
 * user. The host is told because a batch system carries the environment, and the address with it,
 * to hosts where nobody listens. */
#ifndef TROUPE_JOB_CONTROL_H
#define TROUPE_JOB_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "troupe/troupe.h"

#define CONTROL_ENVIRONMENT "TROUPE_SUPERVISOR"
#define CONTROL_ADDRESS_SIZE (64 + TROUPE_HOST_SIZE)
#define CONTROL_ROLE_SIZE 16
#define CONTROL_DESCRIPTORS_MAX 3
#define CONTROL_VERSION 2

enum control_kind {
    CONTROL_ATTACH = 1, /* to the supervisor: value is the rank; world, role, host too */
    CONTROL_FOLLOW,     /* the same of a forked child, with pipes of its own: not answered */
    CONTROL_ATTACHED,   /* the answer: flags, and the descriptors that they name */
    CONTROL_REFUSED,    /* the answer when versions differ; the connection ends */
    CONTROL_FLUSH,      /* to the supervisor: print what I wrote before this; value 1: and answer
                         * once it has left you */
    CONTROL_FLUSHED,    /* the answer */
    CONTROL_STATUS      /* to the supervisor, from the parent: value is its exit status */
};

/* Descriptors come in this order: standard output, standard error, standard input. With
 * CONTROL_FOLLOW they are the ends to read from. */
enum control_flags {
    CONTROL_ERROR_APART = 1, /* standard error has a descriptor of its own */
    CONTROL_INPUT = 2        /* a descriptor for standard input comes too */
};

struct control_message {
    uint32_t version;
    uint32_t kind;
    int32_t value;
    uint32_t flags;
    uint64_t world; /* a mark of the launcher's job, the same in all its ranks; 0: none */
    char role[CONTROL_ROLE_SIZE];
    char host[TROUPE_HOST_SIZE];
};

/* Makes up an address nobody can foresee. */
int control_address_make(char address[CONTROL_ADDRESS_SIZE]);

/* Where the random digits of an address begin. */
const char *control_token(const char *address);

/* Whether the address is of this host, or names none. */
bool control_is_here(const char *address);

/* Opens the supervisor's end; descriptors are close-on-exec here and below. */
int control_listen(const char *address, int *listener);

/* Takes a waiting connection.
 *
 * Returns     TROUPE_OK
 *             TROUPE_EMPTY  none waits, or the peer is another user's */
int control_accept(int listener, int *connection, pid_t *peer);

/* Returns TROUPE_LOST when nobody, or another user, listens there. */
int control_connect(const char *address, int *connection);

int control_send(int connection, const struct control_message *message, const int *descriptors,
                 int descriptor_count);

/* Receives one message; wait says whether to block for it.
 *
 * descriptors [CONTROL_DESCRIPTORS_MAX], close-on-exec; the caller owns them
 * Returns     TROUPE_OK, TROUPE_EMPTY (only without wait), TROUPE_LOST when the peer is gone */
int control_receive(int connection, int wait, struct control_message *message, int *descriptors,
                    int *descriptor_count);

#endif
