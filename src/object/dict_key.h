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

/* Checks a caller's buffer; what: for the sentence. */
int dict_buffer_check(const char *what, void *data, size_t capacity, struct dict_buffer *buffer);

/* The failure of a buffer that is too small. */
int dict_buffer_too_long(const char *what, const struct dict_buffer *buffer);

/* Makes the buffer at least as large as its size, without keeping what is in it. */
int dict_buffer_grow(struct dict_buffer *buffer);

/* Attempts, with a larger buffer each time that the value has outgrown it, as long as it may. */
struct share;
typedef int (*dict_attempt)(const struct share *share, const struct dict_key *key,
                            struct dict_buffer *value);
int dict_buffer_fill(const struct share *share, const struct dict_key *key,
                     struct dict_buffer *value, dict_attempt attempt);

#endif
