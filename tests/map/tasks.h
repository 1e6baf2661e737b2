/* Tasks as the reports are told of them. */
#ifndef TROUPE_TESTS_MAP_TASKS_H
#define TROUPE_TESTS_MAP_TASKS_H

#include <string.h>

#include "launch/map/record.h"

enum { TASKS_US_EACH_S = 1000000 };

/* When the runs of these tests begin. */
#define TASKS_START_US (INT64_C(1700000000) * TASKS_US_EACH_S)

/* A task that went well: number seq on a rank, from one moment of the run on, for a time. */
static inline struct map_record task_done(uint64_t seq, uint32_t rank, double from_s, double took_s)
{
    return (struct map_record){ .seq = seq,
                                .rank = rank,
                                .node = rank / 2,
                                .attempt = 1,
                                .state = MAP_DONE,
                                .start_us = TASKS_START_US + (int64_t)(from_s * TASKS_US_EACH_S),
                                .run_us = (int64_t)(took_s * TASKS_US_EACH_S),
                                .input = "a.wav",
                                .input_bytes = strlen("a.wav"),
                                .command = "infer a.wav" };
}

static inline struct map_record task_failed(uint64_t seq, uint32_t rank, double from_s,
                                            double took_s)
{
    struct map_record record = task_done(seq, rank, from_s, took_s);

    record.state = MAP_FAILED;
    record.exit_code = 3;
    return record;
}

static inline struct map_record task_killed(uint64_t seq, uint32_t rank, double from_s,
                                            double took_s)
{
    struct map_record record = task_failed(seq, rank, from_s, took_s);

    record.exit_code = -1;
    record.signal = 9;
    return record;
}

#endif
