/* Pools: empty tasks a second, a call and back, and how near to the ideal uneven tasks come. */
#include "world.h"

#include <math.h>
#include <stdlib.h>
#include <time.h>

/* Sleeps of the balance bench: a Pareto distribution, cut at the longest. */
#define SLEEP_LEAST_US 1000.0
#define SLEEP_MOST_US 100000.0
#define SLEEP_TAIL 0.8
#define SLEEP_SEED 88172645463325252u

static int nothing(const void *input, size_t input_bytes, void *output, size_t output_bytes)
{
    (void)input, (void)input_bytes, (void)output, (void)output_bytes;
    return 0;
}

static int pool_end(troupe_pool pool, int result)
{
    int ended = troupe_pool_close(pool);

    if (ended == TROUPE_OK)
        ended = troupe_pool_join(pool, TROUPE_FOREVER);
    if (ended == TROUPE_OK)
        ended = troupe_pool_destroy(pool);
    return result != TROUPE_OK ? result : ended;
}

/* One map of so many empty tasks, with an int in and one out. */
static int map_once(troupe_pool pool, long count)
{
    int *numbers = calloc((size_t)count, sizeof *numbers);
    int result = TROUPE_NO_MEMORY;

    if (numbers != NULL)
        result = troupe_pool_map(pool, nothing, numbers, sizeof *numbers, (size_t)count, numbers,
                                 sizeof *numbers);
    free(numbers);
    return result;
}

int world_pool_map(const struct world_task *task, double *value)
{
    troupe_pool pool;
    int64_t begin;
    int result = troupe_pool_create(NULL, &pool);

    if (result != TROUPE_OK)
        return result;
    result = map_once(pool, task->count);
    begin = world_now();
    if (result == TROUPE_OK)
        result = map_once(pool, task->count);
    if (result == TROUPE_OK)
        *value = (double)task->count * 1e9 / (double)(world_now() - begin);
    return pool_end(pool, result);
}

static int apply_all(troupe_pool pool, long count)
{
    int result = TROUPE_OK;

    for (long i = 0; i < count && result == TROUPE_OK; i++)
        result = troupe_pool_apply(pool, nothing, NULL, 0, NULL, 0);
    return result;
}

int world_pool_apply(const struct world_task *task, double *value)
{
    troupe_pool pool;
    int64_t begin;
    int result = troupe_pool_create(NULL, &pool);

    if (result != TROUPE_OK)
        return result;
    result = apply_all(pool, task->count / WORLD_WARM_UP_PART);
    begin = world_now();
    if (result == TROUPE_OK)
        result = apply_all(pool, task->count);
    if (result == TROUPE_OK)
        *value = world_us_each(begin, task->count);
    return pool_end(pool, result);
}

/* ---- balance ------------------------------------------------------------------------------ */

/* Sleeps for the microseconds of its input, and tells how long that took: a timer's slack is not
 * the pool's doing. */
static int sleeper(const void *input, size_t input_bytes, void *output, size_t output_bytes)
{
    int64_t begin = world_now();
    long us = *(const long *)input;
    struct timespec time = { us / 1000000, us % 1000000 * 1000 };

    (void)input_bytes, (void)output_bytes;
    nanosleep(&time, NULL);
    *(long *)output = (long)(world_now() - begin) / 1000;
    return 0;
}

static void sleeps_choose(long *sleeps, long count)
{
    uint64_t seed = SLEEP_SEED;

    for (long i = 0; i < count; i++) {
        double part, us;

        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        part = (double)(seed >> 11) / (double)(UINT64_C(1) << 53);
        us = SLEEP_LEAST_US / pow(1 - part, 1 / SLEEP_TAIL);
        sleeps[i] = (long)(us < SLEEP_MOST_US ? us : SLEEP_MOST_US);
    }
}

/* What all together took, dealt out evenly; or what the longest one took. */
static double ideal_us(const long *took, long count, int workers)
{
    double sum = 0, longest = 0;

    for (long i = 0; i < count; i++) {
        sum += (double)took[i];
        longest = (double)took[i] > longest ? (double)took[i] : longest;
    }
    return sum / workers > longest ? sum / workers : longest;
}

static int sleep_all(troupe_pool pool, long *sleeps, long count, double *value)
{
    int64_t begin = world_now();
    int result = troupe_pool_map(pool, sleeper, sleeps, sizeof *sleeps, (size_t)count, sleeps,
                                 sizeof *sleeps);

    if (result == TROUPE_OK)
        *value =
            ideal_us(sleeps, count, troupe_world_size()) * 1000 / (double)(world_now() - begin);
    return result;
}

int world_pool_balance(const struct world_task *task, double *value)
{
    long *sleeps = calloc((size_t)task->count, sizeof *sleeps);
    troupe_pool pool;
    int result = sleeps != NULL ? troupe_pool_create(NULL, &pool) : TROUPE_NO_MEMORY;

    if (result == TROUPE_OK) {
        sleeps_choose(sleeps, task->count);
        result = pool_end(pool, sleep_all(pool, sleeps, task->count, value));
    }
    free(sleeps);
    return result;
}
