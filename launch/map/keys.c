/* A hash table with open addressing: keys are hashes already, so their low bits are the place. */
#include "keys.h"

#include <stdlib.h>

enum { KEYS_LEAST = 1024, LOAD_OF_FOUR = 3 };

static struct key_entry *place_of(struct key_entry *entries, size_t capacity, struct map_key key)
{
    size_t at = key.low & (capacity - 1);

    while (entries[at].attempts > 0 &&
           (entries[at].key.low != key.low || entries[at].key.high != key.high))
        at = (at + 1) & (capacity - 1);
    return &entries[at];
}

struct key_entry *keys_find(const struct keys *keys, struct map_key key)
{
    struct key_entry *entry;

    if (keys->capacity == 0)
        return NULL;
    entry = place_of(keys->entries, keys->capacity, key);
    return entry->attempts > 0 ? entry : NULL;
}

static bool keys_grow(struct keys *keys)
{
    size_t capacity = keys->capacity > 0 ? 2 * keys->capacity : KEYS_LEAST;
    struct key_entry *entries = calloc(capacity, sizeof *entries);

    if (entries == NULL)
        return false;
    for (size_t i = 0; i < keys->capacity; i++)
        if (keys->entries[i].attempts > 0)
            *place_of(entries, capacity, keys->entries[i].key) = keys->entries[i];
    free(keys->entries);
    keys->entries = entries;
    keys->capacity = capacity;
    return true;
}

struct key_entry *keys_put(struct keys *keys, struct map_key key)
{
    struct key_entry *entry = keys_find(keys, key);

    if (entry != NULL)
        return entry;
    if (4 * (keys->count + 1) > LOAD_OF_FOUR * keys->capacity && !keys_grow(keys))
        return NULL;
    keys->count++;
    entry = place_of(keys->entries, keys->capacity, key);
    *entry = (struct key_entry){ .key = key, .attempts = 1 };
    return entry;
}

void keys_free(struct keys *keys)
{
    free(keys->entries);
    *keys = (struct keys){ 0 };
}
