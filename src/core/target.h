/* Functions that travel: a target is named by its object's build-id and its offset in that object,
 * so the same program finds it at another address, in another process, on another node. */
#ifndef TROUPE_CORE_TARGET_H
#define TROUPE_CORE_TARGET_H

#include "troupe/troupe.h"

struct target {
    uint64_t object; /* hash of the build-id, or of the code where there is none */
    uint64_t offset; /* from the object's load address */
};

/* Names a function. TROUPE_BAD_ARGUMENT when it lies in no loaded object's code. */
int target_name(troupe_target function, struct target *target);

/* Finds it in this process. TROUPE_MISMATCH when no loaded object has that name. */
int target_find(const struct target *target, troupe_target *function);

/* The hash of the program itself: equal on ranks that run the same binary. */
uint64_t target_program(void);

#endif
