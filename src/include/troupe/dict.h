/* The global dict: keys and values that every process of the world reads and changes. */
#ifndef TROUPE_DICT_H
#define TROUPE_DICT_H

#include "troupe/types.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct troupe_dict {
    uint64_t id;
} troupe_dict;

/* Room for later options; none yet. */
typedef struct troupe_dict_options {
    uint64_t expected_entries; /* a hint that saves growing; 0: none */
} troupe_dict_options;

#define TROUPE_KEY_MAX 65536

/* Makes a dict whose entries are spread over the nodes by a hash of their keys. */
TROUPE_API int troupe_dict_create(const troupe_dict_options *options, troupe_dict *dict);

/* Finds the dict of this name, or makes it: the same one for all who open the name, in any
 * process, until it is destroyed. Of several who open it at once, one makes it.
 *
 * name        1 to TROUPE_OBJECT_NAME_MAX characters; other kinds have names of their own
 * options     for whoever makes it
 * Returns     TROUPE_OK
 *             TROUPE_BAD_ARGUMENT  the name is empty or too long
 *             TROUPE_FULL          there was none, and no room to make it */
TROUPE_API int troupe_dict_open(const char *name, const troupe_dict_options *options,
                                troupe_dict *dict);

/* Stores a copy of value under key, replacing what was there.
 *
 * key         1 to TROUPE_KEY_MAX bytes of anything
 * value       0 or more bytes of anything
 * Returns     TROUPE_OK        stored: it survives the caller's death
 *             TROUPE_FULL      the arena of the key's node has no room; the old value stays
 *             TROUPE_BAD_ARGUMENT  the key has 0 or more than TROUPE_KEY_MAX bytes
 * Threads     any; waits for nobody longer than one bucket's change takes */
TROUPE_API int troupe_dict_set(troupe_dict dict, troupe_bytes key, troupe_bytes value);

/* Stores value under key unless the key is there, and tells what the key's value is afterwards.
 *
 * found       [capacity] bytes, room for value at least: the key's value; NULL: only its size
 * size        the bytes of the key's value, also when it did not fit; may be NULL
 * stored      1: it was absent, and is value now; 0: it was there; may be NULL
 * Returns     TROUPE_OK
 *             TROUPE_TOO_LONG      it was there, and *size exceeds capacity
 *             TROUPE_BAD_ARGUMENT  found has no room for value; nothing was done
 *             TROUPE_FULL          no room to store it */
TROUPE_API int troupe_dict_set_default(troupe_dict dict, troupe_bytes key, troupe_bytes value,
                                       void *found, size_t capacity, size_t *size, int *stored);

/* Replaces the value of key by desired if it is byte for byte the expected one, at one moment.
 *
 * Returns     TROUPE_OK        it was, and is desired now
 *             TROUPE_DIFFERS   it is another; look at it and decide anew
 *             TROUPE_NOT_FOUND the key is not there; troupe_dict_set_default makes it
 *             TROUPE_FULL      no room for desired */
TROUPE_API int troupe_dict_compare_and_set(troupe_dict dict, troupe_bytes key,
                                           troupe_bytes expected, troupe_bytes desired);

/* Copies the value of key.
 *
 * value       [capacity] bytes; filled only on success
 * size        the value's bytes, also when it did not fit; may be NULL
 * Returns     TROUPE_OK
 *             TROUPE_NOT_FOUND
 *             TROUPE_TOO_LONG   *size exceeds capacity */
TROUPE_API int troupe_dict_get(troupe_dict dict, troupe_bytes key, void *value, size_t capacity,
                               size_t *size);

/* The same in memory of its own.
 *
 * value       from malloc, also for an empty value: the caller frees it with free()
 * size        may be NULL
 * Returns     TROUPE_OK; TROUPE_NOT_FOUND; TROUPE_NO_MEMORY */
TROUPE_API int troupe_dict_get_alloc(troupe_dict dict, troupe_bytes key, void **value,
                                     size_t *size);

/* Tells whether key is there: 1 or 0. */
TROUPE_API int troupe_dict_contains(troupe_dict dict, troupe_bytes key, int *present);

/* Waits until key is there, without using the CPU. Another may have removed it by the time of the
 * caller's next call.
 *
 * timeout_ms  TROUPE_NO_WAIT, TROUPE_FOREVER, or milliseconds
 * Returns     TROUPE_OK
 *             TROUPE_TIMEOUT     it did not appear in time
 *             TROUPE_BAD_HANDLE  the dict was destroyed, also meanwhile */
TROUPE_API int troupe_dict_wait(troupe_dict dict, troupe_bytes key, long timeout_ms);

/* Copies the value of key and removes it, at one moment: of several who pop a key one gets it.
 *
 * Returns     as troupe_dict_get; what does not fit stays in the dict */
TROUPE_API int troupe_dict_pop(troupe_dict dict, troupe_bytes key, void *value, size_t capacity,
                               size_t *size);

/* Adds to the number under key, at one moment: no addition is lost, whoever adds at the same time.
 * Where the key is not there, the number was 0. A number is a value of 8 bytes, an int64_t, which
 * troupe_dict_get and _set read and write; beyond its range it wraps around.
 *
 * sum         the number after this addition; may be NULL
 * Returns     TROUPE_OK
 *             TROUPE_BAD_ARGUMENT  the value has not 8 bytes, so it is no number
 *             TROUPE_FULL          no room for a new key */
TROUPE_API int troupe_dict_add(troupe_dict dict, troupe_bytes key, int64_t amount, int64_t *sum);

/* Removes key. Returns TROUPE_NOT_FOUND when it was not there. */
TROUPE_API int troupe_dict_delete(troupe_dict dict, troupe_bytes key);

/* Stores many values, each as troupe_dict_set does; keys of another node travel together. Of equal
 * keys the last one wins.
 *
 * keys        [count]
 * values      [count]
 * Returns     TROUPE_OK            all are stored
 *             TROUPE_BAD_ARGUMENT  a key or a value cannot be; nothing was stored
 *             others, as troupe_dict_set: then some are stored and some are not */
TROUPE_API int troupe_dict_set_many(troupe_dict dict, const troupe_bytes *keys,
                                    const troupe_bytes *values, size_t count);

/* Where one of many values goes. */
typedef struct troupe_dict_value {
    void *data; /* [capacity] */
    size_t capacity;
    size_t size; /* set: the value's bytes, also when it did not fit */
    int result;  /* set: TROUPE_OK, TROUPE_NOT_FOUND or TROUPE_TOO_LONG */
} troupe_dict_value;

/* Copies the values of many keys; those of another node travel together. Each value is one that its
 * key had during the call, not all at one moment.
 *
 * keys        [count]
 * values      [count] data and capacity are the caller's to set
 * Returns     TROUPE_OK: each value has its own result; otherwise none of them means anything */
TROUPE_API int troupe_dict_get_many(troupe_dict dict, const troupe_bytes *keys, size_t count,
                                    troupe_dict_value *values);

/* The number of entries, true at some moment on each node. */
TROUPE_API int troupe_dict_size(troupe_dict dict, uint64_t *entries);

/* Steps to the next entry, in no order. An entry that is there throughout the walk is seen once,
 * also while the dict grows; one set or deleted meanwhile is seen once or not at all.
 *
 * cursor      zero before the first call
 * key         [key_capacity]; key_size may be NULL
 * value       [value_capacity]; value_size may be NULL
 * Returns     TROUPE_OK
 *             TROUPE_EMPTY     the walk is over
 *             TROUPE_TOO_LONG  the sizes are set, the cursor stays before this entry */
TROUPE_API int troupe_dict_next(troupe_dict dict, troupe_cursor *cursor, void *key,
                                size_t key_capacity, size_t *key_size, void *value,
                                size_t value_capacity, size_t *value_size);

/* Removes all entries: those that are there throughout the call are gone afterwards. One that is
 * set meanwhile may stay. The room for buckets is kept. */
TROUPE_API int troupe_dict_clear(troupe_dict dict);

/* Ends the dict and frees its entries. */
TROUPE_API int troupe_dict_destroy(troupe_dict dict);

#ifdef __cplusplus
}
#endif

#endif
