/* How fast something is counted: over the last half minute, so that it follows what happens. */
#ifndef TROUPE_LAUNCH_MAP_REPORT_RATE_H
#define TROUPE_LAUNCH_MAP_REPORT_RATE_H

#include <stddef.h>
#include <stdint.h>

enum { RATE_SAMPLES = 32 };

struct rate_sample {
    uint64_t time_ns, count;
};

/* Start with all zero: a ring of samples, at least a second apart. */
struct rate {
    struct rate_sample samples[RATE_SAMPLES];
    size_t taken;
};

/* Tells what the count is now. */
void rate_tell(struct rate *rate, uint64_t now_ns, uint64_t count);

/* Counts a second; 0 while it is not known. */
double rate_each_second(const struct rate *rate, uint64_t now_ns, uint64_t count);

#endif
