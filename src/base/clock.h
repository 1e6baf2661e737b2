/* Monotonic time and deadlines. */
#ifndef TROUPE_BASE_CLOCK_H
#define TROUPE_BASE_CLOCK_H

#include <stdint.h>

#define CLOCK_FOREVER UINT64_MAX

/* Nanoseconds of CLOCK_MONOTONIC. */
uint64_t clock_now(void);

/* The moment timeout_ms from now; CLOCK_FOREVER for a negative timeout. */
uint64_t clock_deadline(long timeout_ms);

/* Nanoseconds left until a deadline: 0 when it has passed, CLOCK_FOREVER for CLOCK_FOREVER. */
uint64_t clock_left(uint64_t deadline);

#endif
