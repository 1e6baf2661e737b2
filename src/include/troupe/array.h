/* Arrays: typed memory that every process of the world reads and changes. A shared value is an
 * array of one. */
#ifndef TROUPE_ARRAY_H
#define TROUPE_ARRAY_H

#include "troupe/sync.h"
#include "troupe/types.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct troupe_array {
    uint64_t id;
} troupe_array;

/* What an element is. */
enum { TROUPE_INT64 = 0, TROUPE_DOUBLE = 1, TROUPE_BYTE = 2 };

typedef struct troupe_array_options {
    int type;        /* TROUPE_INT64, TROUPE_DOUBLE, TROUPE_BYTE */
    uint64_t length; /* elements; 0: one, a shared value */
} troupe_array_options;

/* Makes an array of zeros that lives on the caller's node. options may be NULL: one int64_t.
 *
 * Returns     TROUPE_OK
 *             TROUPE_BAD_ARGUMENT  no such type, or more bytes than can be counted
 *             TROUPE_FULL          no room in the arena */
TROUPE_API int troupe_array_create(const troupe_array_options *options, troupe_array *array);

/* Finds the array of this name, or makes it: the same one for all who open the name, in any
 * process, until it is destroyed. Of several who open it at once, one makes it, on its node.
 *
 * name        1 to TROUPE_OBJECT_NAME_MAX characters; other kinds have names of their own
 * options     for whoever makes it */
TROUPE_API int troupe_array_open(const char *name, const troupe_array_options *options,
                                 troupe_array *array);

/* Copies elements out. One element of 8 bytes is read at one moment (sequentially consistent);
 * several are each read whole, but not all at one moment: hold the array's lock for that. A range
 * of TROUPE_BYTE elements is copied as memory is.
 *
 * index       of the first element
 * elements    [bytes]
 * bytes       a multiple of an element's: sizeof of what is passed
 * Returns     TROUPE_OK
 *             TROUPE_NOT_FOUND     the array ends before
 *             TROUPE_BAD_ARGUMENT  bytes is no multiple
 * Threads     any; takes no lock */
TROUPE_API int troupe_array_get(troupe_array array, uint64_t index, void *elements, size_t bytes);

/* Copies elements in, as troupe_array_get copies them out. */
TROUPE_API int troupe_array_set(troupe_array array, uint64_t index, const void *elements,
                                size_t bytes);

/* Adds to an element at one moment: no addition is lost, whoever adds at the same time. An int64_t
 * wraps around.
 *
 * sum         the element after this addition; may be NULL
 * Returns     TROUPE_OK
 *             TROUPE_NOT_FOUND     there is no such element
 *             TROUPE_BAD_ARGUMENT  the elements are of another type
 * Threads     any; takes no lock */
TROUPE_API int troupe_array_add(troupe_array array, uint64_t index, int64_t amount, int64_t *sum);
TROUPE_API int troupe_array_add_double(troupe_array array, uint64_t index, double amount,
                                       double *sum);

/* Replaces an element by desired if it is the expected one, bit for bit, at one moment.
 *
 * expected, desired  [bytes] one element each
 * Returns     TROUPE_OK            it was, and is desired now
 *             TROUPE_DIFFERS       it is another; look at it and decide anew
 *             TROUPE_NOT_FOUND     there is no such element
 *             TROUPE_BAD_ARGUMENT  bytes is not one element's */
TROUPE_API int troupe_array_compare_and_set(troupe_array array, uint64_t index,
                                            const void *expected, const void *desired,
                                            size_t bytes);

/* The number of elements. */
TROUPE_API int troupe_array_length(troupe_array array, uint64_t *length);

/* The elements themselves, for processes of the array's node: shared memory, which the program may
 * use as it likes, with C11 atomics too, until the array is destroyed. It begins on a cache line,
 * and on a page from 32 KiB on.
 *
 * pointer     valid in the calling process alone
 * Returns     TROUPE_OK
 *             TROUPE_BAD_ARGUMENT  the array lives on another node: use get and set there */
TROUPE_API int troupe_array_pointer(troupe_array array, void **pointer);

/* The array's own lock, for what must happen to several elements at one moment: by agreement, since
 * no other call looks at it. It is taken and released as any lock (troupe/sync.h), a holder's death
 * is told by TROUPE_OWNER_DIED, and it ends with the array. */
TROUPE_API int troupe_array_get_lock(troupe_array array, troupe_lock *lock);

/* Ends the array and frees its elements, once the calls that are at them are over. Pointers to them
 * must no longer be used. */
TROUPE_API int troupe_array_destroy(troupe_array array);

#ifdef __cplusplus
}
#endif

#endif
