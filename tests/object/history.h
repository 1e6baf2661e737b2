/* Histories of operations on one key by several clients, and whether they are linearisable: whether
 * each operation can be thought to have happened at one moment between its call and its return
 * (Wing and Gong, "Testing and verifying concurrent objects", 1993).
 *
 * A value is a number; 0 is for a key that is not there. */
#ifndef TROUPE_TESTS_OBJECT_HISTORY_H
#define TROUPE_TESTS_OBJECT_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HISTORY_CLIENTS 4

enum history_kind {
    HISTORY_GET,     /* saw */
    HISTORY_SET,     /* gave */
    HISTORY_POP,     /* saw what it removed */
    HISTORY_DEFAULT, /* gave; saw what was there, or what it gave */
    HISTORY_COMPARE, /* expected, gave; done or not */
    HISTORY_ADD      /* gave; saw the sum */
};

struct history_entry {
    uint64_t begin, end; /* of one clock for all clients */
    uint64_t gave, expected, saw;
    enum history_kind kind;
    bool done; /* of a compare: it was the expected value */
};

/* What one client did, in its order. */
struct history_client {
    const struct history_entry *entries; /* [count] */
    size_t count;
};

/* Whether the history is linearisable, from a key that is not there. */
bool history_is_linearisable(const struct history_client clients[HISTORY_CLIENTS]);

#endif
