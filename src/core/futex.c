/* The futex calls are the shared kind: sleepers and wakers map the arena at different addresses. */
#include "core/futex.h"

#include "base/clock.h"

#include <errno.h>
#include <linux/futex.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

bool futex_wait(_Atomic uint32_t *word, uint32_t seen, uint64_t deadline)
{
    struct timespec until, *limit = NULL;
    int saved = errno;
    long outcome;

    if (deadline != CLOCK_FOREVER) {
        until.tv_sec = (time_t)(deadline / 1000000000u);
        until.tv_nsec = (long)(deadline % 1000000000u);
        limit = &until;
    }
    /* FUTEX_WAIT_BITSET takes an absolute CLOCK_MONOTONIC time. */
    outcome =
        syscall(SYS_futex, word, FUTEX_WAIT_BITSET, seen, limit, NULL, FUTEX_BITSET_MATCH_ANY);
    if (outcome != 0 && errno == ETIMEDOUT) {
        errno = saved;
        return false;
    }
    errno = saved;
    return true;
}

int futex_wake(_Atomic uint32_t *word, int count)
{
    int saved = errno;
    long woken = syscall(SYS_futex, word, FUTEX_WAKE, count, NULL, NULL, 0);

    errno = saved;
    return woken > 0 ? (int)woken : 0;
}
