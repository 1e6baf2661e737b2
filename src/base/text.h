/* Reading numbers and sizes that people wrote, and growing strings. */
#ifndef TROUPE_BASE_TEXT_H
#define TROUPE_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Reads a whole decimal number between least and most, nothing before or after it.
 * value is set only when true is returned. */
bool text_to_long(const char *text, long least, long most, long *value);

/* Reads a size: "64M", "1.5G", "4096"; K, M, G, T are powers of 1024, an "iB" or "B" may follow. */
bool text_to_bytes(const char *text, uint64_t *bytes);

/* A string that grows. Start with all zero; text is never NULL after the first append that
 * succeeded. A failed append leaves it as it was and marks it broken: check once at the end. */
struct text {
    char *data;
    size_t size; /* without the final zero */
    size_t capacity;
    bool broken; /* memory ran out */
};

void text_append(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_append_bytes(struct text *text, const void *bytes, size_t size);
void text_free(struct text *text);

#endif
