/* What a run came to: how many tasks ended how, how long they took, and which took longest. Memory
 * does not grow with the number of tasks. */
#ifndef TROUPE_LAUNCH_MAP_REPORT_SUMMARY_H
#define TROUPE_LAUNCH_MAP_REPORT_SUMMARY_H

#include <stddef.h>
#include <stdint.h>

#include "base/text.h"
#include "launch/map/record.h"

enum { SUMMARY_SLOWEST = 10, SUMMARY_COMMAND_BYTES = 96, SUMMARY_SPANS = 768 };

/* One of the slowest tasks. */
struct summary_slow {
    uint64_t seq;
    uint32_t rank;
    int64_t run_us;
    char command[SUMMARY_COMMAND_BYTES]; /* its beginning */
};

/* Start with all zero. */
struct summary {
    uint64_t counts[MAP_SKIPPED + 1]; /* by state */
    uint64_t again;                   /* attempts beyond the first */
    uint64_t out_bytes, err_bytes;
    int64_t run_us, gpu_us; /* of all tasks together */
    uint64_t spans[SUMMARY_SPANS];
    struct summary_slow slowest[SUMMARY_SLOWEST]; /* the slowest first */
    size_t slow_count;
};

void summary_add(struct summary *summary, const struct map_record *record);

/* Tasks that did not end well: those that failed, took too long, or were given up. */
uint64_t summary_failed(const struct summary *summary);

/* The run time that half of the tasks that ran stayed below, to 5 % or so; 0 before the first. */
int64_t summary_median_us(const struct summary *summary);

/* Appends the summary in lines for people; it begins with the counts. */
void summary_print(const struct summary *summary, int64_t elapsed_us, struct text *text);

#endif
