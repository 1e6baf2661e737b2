/* How much a test does: little in every run, all of it when TROUPE_TEST_FULL=1 asks. */
#ifndef TROUPE_TESTS_COUNTS_H
#define TROUPE_TESTS_COUNTS_H

#include <stdlib.h>

static inline long test_count(long usual, long full)
{
    return getenv("TROUPE_TEST_FULL") != NULL ? full : usual;
}

#endif
