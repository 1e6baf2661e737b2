/* What the fuzz targets of this room share. */
#ifndef TROUPE_TESTS_MAP_FUZZ_H
#define TROUPE_TESTS_MAP_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "troupe/troupe.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void insist(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "fuzz: %s (%s)\n", what, troupe_last_error());
    abort();
}

/* A string of the bytes up to their first zero. */
static inline char *string_of(const uint8_t *data, size_t size)
{
    char *string = strndup((const char *)data, size);

    insist(string != NULL, "no memory");
    return string;
}

#endif
