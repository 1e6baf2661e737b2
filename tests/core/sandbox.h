/* An arena for one test. */
#ifndef TROUPE_TESTS_CORE_SANDBOX_H
#define TROUPE_TESTS_CORE_SANDBOX_H

#include "core/slot.h"
#include "troupe/troupe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct sandbox {
    struct arena arena;
    struct actor actor;
    uint64_t bytes;
};

/* Fails the test when there is no memory. */
void sandbox_open(struct sandbox *sandbox, uint64_t bytes);
void sandbox_close(struct sandbox *sandbox);

/* A zeroed shared mapping. */
void *sandbox_map(uint64_t bytes);

#endif
