/* Buffers: the caller's, which are checked, and those that grow. */
#include "object/dict_key.h"

#include "base/error.h"

#include <stdlib.h>

int dict_buffer_check(const char *what, void *data, size_t capacity, struct dict_buffer *buffer)
{
    if (data == NULL && capacity > 0)
        return fail(TROUPE_BAD_ARGUMENT,
                    "dict: the buffer for the %s is NULL with a capacity of %zu bytes; pass a "
                    "buffer, or 0",
                    what, capacity);
    *buffer = (struct dict_buffer){ .data = data, .capacity = capacity };
    return TROUPE_OK;
}

int dict_buffer_too_long(const char *what, const struct dict_buffer *buffer)
{
    return fail(TROUPE_TOO_LONG, "dict: the %s has %zu bytes, the buffer %zu; pass a larger one",
                what, buffer->size, buffer->capacity);
}

int dict_buffer_grow(struct dict_buffer *buffer)
{
    free(buffer->data);
    buffer->capacity = buffer->size;
    buffer->data = malloc(buffer->size);
    if (buffer->data != NULL)
        return TROUPE_OK;
    buffer->capacity = 0;
    return fail(TROUPE_NO_MEMORY, "dict: no memory for %zu bytes", buffer->size);
}

int dict_buffer_fill(const struct share *share, const struct dict_key *key,
                     struct dict_buffer *value, dict_attempt attempt)
{
    int result = attempt(share, key, value);

    while (result == TROUPE_TOO_LONG && value->size <= value->most) {
        result = dict_buffer_grow(value);
        if (result == TROUPE_OK)
            result = attempt(share, key, value);
    }
    return result;
}
