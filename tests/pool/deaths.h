/* What the tests of pools whose workers are killed share: the tasks, and random moments. */
#ifndef TROUPE_TESTS_POOL_DEATHS_H
#define TROUPE_TESTS_POOL_DEATHS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#define TASKS 10000
#define TASK_SPINS 600

static uint64_t seed = 88172645463325252u;

static inline uint64_t random_next(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

/* A pause of less than so many microseconds. */
static inline void random_pause(unsigned within_us)
{
    struct timespec time = { 0, (long)(random_next() % within_us) * 1000 };

    nanosleep(&time, NULL);
}

/* Some microseconds of work, so that kills meet tasks. */
static inline int work(const void *input, size_t input_bytes, void *output, size_t output_bytes)
{
    uint64_t value;

    (void)input_bytes, (void)output_bytes;
    memcpy(&value, input, sizeof value);
    for (int i = 0; i < TASK_SPINS; i++)
        value = value * 6364136223846793005u + 1;
    memcpy(output, &value, sizeof value);
    return 0;
}

static inline uint64_t worked(uint64_t value)
{
    work(&value, sizeof value, &value, sizeof value);
    return value;
}

#endif
