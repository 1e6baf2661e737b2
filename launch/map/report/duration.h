/* Spans of time, for people: three figures and a unit, as 12.3 ms, 1.50 s, 2 m 05 s, 3 h 20 m. */
#ifndef TROUPE_LAUNCH_MAP_REPORT_DURATION_H
#define TROUPE_LAUNCH_MAP_REPORT_DURATION_H

#include <stdint.h>

enum { DURATION_BYTES = 32 };

/* Writes a span and returns text; a negative one is 0. */
const char *duration_write(int64_t us, char text[DURATION_BYTES]);

#endif
