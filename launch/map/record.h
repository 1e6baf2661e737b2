/* One task as it ended: what the journal, the job log, the timeline and the summary are made of. */
#ifndef TROUPE_LAUNCH_MAP_RECORD_H
#define TROUPE_LAUNCH_MAP_RECORD_H

#include <stddef.h>
#include <stdint.h>

enum map_state {
    MAP_DONE = 1,      /* its command ended with status 0 */
    MAP_FAILED = 2,    /* with another, or by a signal, or it could not be started */
    MAP_TIMED_OUT = 3, /* it was ended because it took too long */
    MAP_GIVEN_UP = 4,  /* whoever ran it died too often */
    MAP_SKIPPED = 5    /* it was not run: done before, or the list was halted */
};

struct map_record {
    uint64_t seq;  /* number of the input, from 1, in the order of the inputs */
    uint32_t rank; /* where it ran last */
    uint32_t node;
    uint32_t attempt; /* from 1 */
    int exit_code;    /* 0 to 255; -1 when a signal ended it */
    int signal;       /* 0, or what ended it */
    enum map_state state;
    int64_t start_us; /* wall clock, microseconds since 1970 */
    int64_t run_us;
    uint64_t out_bytes; /* what it wrote on standard output */
    uint64_t err_bytes; /* on standard error */
    uint32_t gpus;      /* how many it had; 0: none */
    const char *input;  /* [input_bytes] borrowed for the call */
    size_t input_bytes;
    const char *command; /* the words joined and quoted as for a shell; borrowed */
};

#endif
