#include "base/clock.h"

#include <time.h>

uint64_t clock_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t clock_deadline(long timeout_ms)
{
    uint64_t now, wait = (uint64_t)timeout_ms;

    if (timeout_ms < 0)
        return CLOCK_FOREVER; /* most waits: they need no look at the clock */
    now = clock_now();
    return wait > (CLOCK_FOREVER - 1 - now) / 1000000u ? CLOCK_FOREVER : now + wait * 1000000u;
}

uint64_t clock_left(uint64_t deadline)
{
    uint64_t now;

    if (deadline == CLOCK_FOREVER)
        return CLOCK_FOREVER;
    now = clock_now();
    return deadline > now ? deadline - now : 0;
}
