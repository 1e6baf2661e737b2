/* What a journal knows of each task, by the hash of its command and input: so that a list that was
 * changed between two runs still resumes rightly. An input may be in a list several times, so the
 * table counts. */
#ifndef TROUPE_LAUNCH_MAP_KEYS_H
#define TROUPE_LAUNCH_MAP_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct map_key {
    uint64_t low, high;
};

struct key_entry {
    struct map_key key;
    uint64_t seq;       /* the number that it went by last; 0: taken by this run */
    uint32_t good, bad; /* how often it ended so */
    uint32_t seen;      /* in this run's list */
    uint32_t attempts;  /* the highest number that one was begun with; 0: an empty entry */
};

/* Start with all zero. */
struct keys {
    struct key_entry *entries;
    size_t capacity; /* a power of two, or 0 */
    size_t count;
};

/* Finds an entry; NULL when there is none. */
struct key_entry *keys_find(const struct keys *keys, struct map_key key);

/* Finds it or makes it; NULL when memory ran out. The caller raises attempts. Entries move. */
struct key_entry *keys_put(struct keys *keys, struct map_key key);

void keys_free(struct keys *keys);

#endif
