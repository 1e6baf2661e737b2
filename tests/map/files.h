/* A file of a test's own, and what stands in it. */
#ifndef TROUPE_TESTS_MAP_FILES_H
#define TROUPE_TESTS_MAP_FILES_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/text.h"

/* Makes an empty file; path has the room for its name. */
static inline int file_make(char *path, size_t size)
{
    int descriptor;

    snprintf(path, size, "/tmp/troupe-map-XXXXXX");
    descriptor = mkstemp(path);
    return descriptor < 0 ? -1 : close(descriptor);
}

/* Reads a file whole; data is NULL when it cannot be read. Freed by text_free. */
static inline struct text file_read(const char *path)
{
    struct text text = { 0 };
    char piece[4096];
    FILE *file = fopen(path, "r");
    size_t size;

    if (file == NULL)
        return text;
    text_append_bytes(&text, "", 0);
    while ((size = fread(piece, 1, sizeof piece, file)) > 0)
        text_append_bytes(&text, piece, size);
    fclose(file);
    return text;
}

#endif
