/* One value of 8 MiB, with TROUPE_TEST_FULL=1 of 1 GiB, through each object that holds one: from
 * the parent to a rank of another node and back. Each byte depends on its place, and the far side
 * changes them all. */
#include "counts.h"
#include "world/harness.h"

#include <stdio.h>
#include <string.h>

enum { FAR_RANK = 1, AWAY = 1, BACK = 2 };

struct large {
    troupe_queue queue;
    troupe_dict dict;
    troupe_list list;
    troupe_array array;
    size_t bytes;
};

static uint64_t word(size_t place, uint64_t way)
{
    return (place + way) * UINT64_C(0x9e3779b97f4a7c15);
}

static void fill(uint64_t *words, size_t bytes, uint64_t way)
{
    for (size_t i = 0; i < bytes / sizeof *words; i++)
        words[i] = word(i, way);
}

static int is_filled(const uint64_t *words, size_t bytes, uint64_t way)
{
    for (size_t i = 0; i < bytes / sizeof *words; i++)
        if (words[i] != word(i, way))
            return 0;
    return 1;
}

/* Takes everything out; what has come right is counted. */
static int large_take(const struct large *large, uint64_t *room, uint64_t way)
{
    size_t bytes = large->bytes, size = 0;
    int right = 0;

    right += troupe_queue_get(large->queue, room, bytes, &size, HARNESS_LIMIT_MS) == TROUPE_OK &&
             size == bytes && is_filled(room, bytes, way);
    right += troupe_dict_get(large->dict, troupe_text("key"), room, bytes, &size) == TROUPE_OK &&
             size == bytes && is_filled(room, bytes, way);
    right += troupe_list_pop(large->list, -1, room, bytes, &size) == TROUPE_OK && size == bytes &&
             is_filled(room, bytes, way);
    right +=
        troupe_array_get(large->array, 0, room, bytes) == TROUPE_OK && is_filled(room, bytes, way);
    return right;
}

static int large_give(const struct large *large, uint64_t *room, uint64_t way)
{
    troupe_bytes all = troupe_bytes_of(room, large->bytes);
    int given = 0;

    fill(room, large->bytes, way);
    given += troupe_queue_put(large->queue, room, large->bytes, HARNESS_LIMIT_MS) == TROUPE_OK;
    given += troupe_dict_set(large->dict, troupe_text("key"), all) == TROUPE_OK;
    given += troupe_list_append(large->list, all) == TROUPE_OK;
    given += troupe_array_set(large->array, 0, room, large->bytes) == TROUPE_OK;
    return given;
}

/* Returns how many of the four came right, and ten times how many it gave back. */
static int far_side(const void *argument, size_t bytes)
{
    const struct large *large = argument;
    uint64_t *room = malloc(large->bytes);
    int right, given;

    (void)bytes;
    if (room == NULL)
        return 1;
    right = large_take(large, room, AWAY);
    given = large_give(large, room, BACK);
    free(room);
    return right + 10 * given;
}

static void large_values_cross_nodes_and_return(void **state)
{
    struct large large = { .bytes = (size_t)test_count(8, 1024) << 20 };
    troupe_array_options options = { .length = large.bytes / sizeof(uint64_t) };
    uint64_t *room = malloc(large.bytes);

    (void)state;
    assert_non_null(room);
    assert_int_equal(troupe_queue_create(NULL, &large.queue), TROUPE_OK);
    assert_int_equal(troupe_dict_create(NULL, &large.dict), TROUPE_OK);
    assert_int_equal(troupe_list_create(NULL, &large.list), TROUPE_OK);
    assert_int_equal(troupe_array_create(&options, &large.array), TROUPE_OK);
    assert_int_equal(large_give(&large, room, AWAY), 4);
    harness_done(harness_start_on(FAR_RANK, far_side, &large, sizeof large), 44);
    assert_int_equal(large_take(&large, room, BACK), 4);
    free(room);
    assert_int_equal(troupe_queue_destroy(large.queue), TROUPE_OK);
    assert_int_equal(troupe_dict_destroy(large.dict), TROUPE_OK);
    assert_int_equal(troupe_list_destroy(large.list), TROUPE_OK);
    assert_int_equal(troupe_array_destroy(large.array), TROUPE_OK);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(large_values_cross_nodes_and_return),
    };

    if (troupe_init(&argc, &argv) != TROUPE_OK)
        return 1;
    harness_watch((unsigned)test_count(60, 600));
    return troupe_finalize(cmocka_run_group_tests(tests, NULL, NULL));
}
