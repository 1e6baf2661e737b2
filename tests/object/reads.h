/* For tests that run a second time with TROUPE_REMOTE_READ=get: whether gets really were one-sided.
 * Needs the library's inside. */
#ifndef TROUPE_TESTS_OBJECT_READS_H
#define TROUPE_TESTS_OBJECT_READS_H

#include "object/dict_onesided.h"

#include <stdlib.h>
#include <string.h>

static inline bool reads_are_wanted(void)
{
    const char *word = getenv("TROUPE_REMOTE_READ");

    return word != NULL && strcmp(word, "get") == 0;
}

/* The gets of this process that were one-sided. */
static inline uint64_t reads_made(void)
{
    struct dict_onesided_counts counts;

    dict_onesided_count(&counts);
    return counts.read;
}

#endif
