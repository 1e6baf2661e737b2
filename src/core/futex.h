/* Sleeping on a word of the arena until another process changes it. */
#ifndef TROUPE_CORE_FUTEX_H
#define TROUPE_CORE_FUTEX_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Sleeps while *word == seen, until woken, until the deadline of base/clock.h, or for no reason at
 * all: the caller looks again. Returns false when the deadline has passed. */
bool futex_wait(_Atomic uint32_t *word, uint32_t seen, uint64_t deadline);

/* Wakes at most count sleepers and returns how many there were. */
int futex_wake(_Atomic uint32_t *word, int count);

#define FUTEX_ALL INT32_MAX

/* Tells the processor that the caller spins, before it sleeps. */
static inline void futex_spin_pause(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

#endif
