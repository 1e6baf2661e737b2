/* What a call brings along: a key with its hash, and a place for what it is given. */
#ifndef TROUPE_OBJECT_DICT_KEY_H
#define TROUPE_OBJECT_DICT_KEY_H

#include "troupe/troupe.h"

#include <stdbool.h>

#define XXH_INLINE_ALL /* a call, and a choice by length inside it, cost half of a short hash */
#include <xxhash.h>

struct dict_key {
    const void *data;
    size_t size;
    uint64_t hash;
};

/* A place for a key or a value. The size is set also when it did not fit. */
struct dict_buffer {
    void *data;
    size_t capacity;
    size_t size;
    size_t most; /* above capacity: data is from malloc, or NULL, and may be made so large */
};

static inline void dict_key_make(const void *data, size_t size, struct dict_key *key)
{
    key->data = data;
    key->size = size;
    key->hash = XXH3_64bits(data, size);
}

/* The largest that may come into it. */
static inline size_t dict_buffer_most(const struct dict_buffer *buffer)
{
    return buffer->most > buffer->capacity ? buffer->most : buffer->capacity;
}

/* Whether another attempt, in a larger buffer, may succeed where the last one was TOO_LONG. */
static inline bool dict_buffer_may_grow(const struct dict_buffer *buffer)
{
    return buffer->size > buffer->capacity && buffer->size <= buffer->most;
}

/* Makes the buffer at least as large as its size, without keeping what is in it. */
int dict_buffer_grow(struct dict_buffer *buffer);

#endif
