/* What the picture of a run shows, kept in memory that does not grow with the number of tasks.
 *
 * What always holds: a row has a few bars for each of its columns, since neighbours that lie in one
 * column together become one bar when there are more. The span of the run only grows, and a column
 * with it, so what was too narrow to see stays so. */
#ifndef TROUPE_LAUNCH_MAP_REPORT_BARS_H
#define TROUPE_LAUNCH_MAP_REPORT_BARS_H

#include <stddef.h>
#include <stdint.h>

#include "launch/map/record.h"

enum { BARS_LABEL_CHARACTERS = 48 };

struct bar {
    int64_t start_us, end_us;
    uint64_t seq;         /* of the first task */
    uint32_t tasks;       /* how many it stands for */
    uint32_t failed;      /* how many of them did not end well */
    enum map_state state; /* the worst */
    int exit_code, signal;
    uint32_t attempt;
    char *label; /* the beginning of the input, in UTF-8; NULL when there are several tasks */
};

struct bars_row {
    struct bar *bars;
    size_t count, capacity;
    int64_t busy_us;
    uint32_t node;
};

struct bars {
    struct bars_row *rows; /* by rank */
    size_t row_count;
    size_t columns; /* of a row */
    int64_t first_us, last_us;
    uint64_t counts[MAP_SKIPPED + 1];
};

/* ranks       how many rows there will be, as far as it is known
 * first_us    when the run began
 * Returns     TROUPE_OK, TROUPE_NO_MEMORY */
int bars_init(uint32_t ranks, int64_t first_us, struct bars *bars);

/* Returns     TROUPE_OK, TROUPE_NO_MEMORY */
int bars_add(struct bars *bars, const struct map_record *record);

/* Sorts each row by time, and makes one bar of neighbours that lie in one column. */
void bars_settle(struct bars *bars);

void bars_free(struct bars *bars);

#endif
