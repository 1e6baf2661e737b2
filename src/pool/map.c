/* The public calls that give a pool something to do. */
#include "pool/result.h"

#include "base/clock.h"
#include "base/error.h"
#include "core/world.h"
#include "pool/worker.h"

/* What a map is, whichever call brings it. */
struct map {
    troupe_pool pool;
    troupe_task task;
    const void *inputs;
    size_t input_bytes, n, output_bytes;
    bool watched, ordered;
};

static int sizes_check(const struct map *map)
{
    if (map->n > POOL_TASKS_MOST)
        return fail(TROUPE_TOO_LONG, "a map of %zu tasks; the most is %u: use several", map->n,
                    POOL_TASKS_MOST);
    if (map->n == 0)
        return TROUPE_OK;
    if (map->inputs == NULL && map->input_bytes > 0)
        return fail(TROUPE_BAD_ARGUMENT, "the inputs are NULL but have %zu bytes each",
                    map->input_bytes);
    if (map->input_bytes > SIZE_MAX / 4 / map->n || map->output_bytes > SIZE_MAX / 4 / map->n)
        return fail(TROUPE_TOO_LONG,
                    "%zu tasks with inputs of %zu and outputs of %zu bytes fit no memory", map->n,
                    map->input_bytes, map->output_bytes);
    return TROUPE_OK;
}

static int submit(struct actor *actor, const struct map *map, const troupe_map_options *options,
                  uint64_t *handle)
{
    struct job_order order = { .inputs = map->inputs,
                               .n = map->n,
                               .input_bytes = map->input_bytes,
                               .output_bytes = map->output_bytes,
                               .watched = map->watched,
                               .ordered = map->ordered };
    int result = pool_at_home(map->pool.id);

    if (result == TROUPE_OK)
        result = sizes_check(map);
    if (result == TROUPE_OK)
        result = target_name((troupe_target)(void (*)(void))map->task, &order.function);
    if (result != TROUPE_OK)
        return result;
    if (options != NULL) {
        order.chunk = options->chunksize < POOL_CHUNK_MOST ? options->chunksize : POOL_CHUNK_MOST;
        order.stop_at_failure = options->stop_at_failure != 0;
    }
    return job_submit(actor, map->pool.id, &order, handle);
}

static int start(const struct map *map, const troupe_map_options *options, troupe_result *result)
{
    struct actor *actor;
    int outcome = world_enter(&actor);

    if (outcome == TROUPE_OK)
        outcome = submit(actor, map, options, &result->id);
    if (outcome == TROUPE_OK && options != NULL)
        outcome = result_listen(*result, options);
    return outcome;
}

/* Waits for it, reads it, and closes it. */
static int finish(const struct map *map, void *outputs)
{
    troupe_result made = { 0 };
    int result = pool_worker_is_in(map->pool.id)
                     ? fail(TROUPE_DEADLOCK, "a task waits for a map on its own pool, whose "
                                             "workers may all be waiting so; use another pool")
                     : start(map, NULL, &made);

    if (result != TROUPE_OK)
        return result;
    result = troupe_result_get(made, outputs, map->n * map->output_bytes, TROUPE_FOREVER);
    if (result != TROUPE_BAD_HANDLE)
        result_close_quietly(made);
    return result;
}

int troupe_pool_map(troupe_pool pool, troupe_task task, const void *inputs, size_t input_bytes,
                    size_t n, void *outputs, size_t output_bytes)
{
    struct map map = { pool, task, inputs, input_bytes, n, output_bytes, false, false };

    return finish(&map, outputs);
}

int troupe_pool_apply(troupe_pool pool, troupe_task task, const void *input, size_t input_bytes,
                      void *output, size_t output_bytes)
{
    struct map map = { pool, task, input, input_bytes, 1, output_bytes, false, false };

    return finish(&map, output);
}

int troupe_pool_map_async(troupe_pool pool, troupe_task task, const void *inputs,
                          size_t input_bytes, size_t n, size_t output_bytes,
                          const troupe_map_options *options, troupe_result *result)
{
    struct map map = { pool, task, inputs, input_bytes, n, output_bytes, false, false };

    return start(&map, options, result);
}

int troupe_pool_apply_async(troupe_pool pool, troupe_task task, const void *input,
                            size_t input_bytes, size_t output_bytes, troupe_result *result)
{
    struct map map = { pool, task, input, input_bytes, 1, output_bytes, false, false };

    return start(&map, NULL, result);
}

int troupe_pool_imap(troupe_pool pool, troupe_task task, const void *inputs, size_t input_bytes,
                     size_t n, size_t output_bytes, const troupe_map_options *options,
                     troupe_result *result)
{
    struct map map = { pool, task, inputs, input_bytes, n, output_bytes, true, true };

    return start(&map, options, result);
}

int troupe_pool_imap_unordered(troupe_pool pool, troupe_task task, const void *inputs,
                               size_t input_bytes, size_t n, size_t output_bytes,
                               const troupe_map_options *options, troupe_result *result)
{
    struct map map = { pool, task, inputs, input_bytes, n, output_bytes, true, false };

    return start(&map, options, result);
}
