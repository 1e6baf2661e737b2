/* Arrays: each call, here and on another node. */
#include "pair.h"

#include "object/array.h"
#include "object/sync.h"

/* As many bytes as some pieces of a message and a bit. */
#define LONG_BYTES (5u * (1u << 19) + 8u)

static int begin(void **state)
{
    (void)state;
    pair_begin();
    array_register();
    lock_register();
    return 0;
}

static int end(void **state)
{
    (void)state;
    pair_end();
    return 0;
}

/* On that node; the calls are made on node 0. */
static troupe_array make_on(int node, int type, uint64_t length)
{
    troupe_array_options options = { .type = type, .length = length };
    troupe_array array;

    pair_stand_on(node);
    assert_int_equal(troupe_array_create(&options, &array), TROUPE_OK);
    pair_stand_on(0);
    return array;
}

static void expect_int64(troupe_array array, uint64_t index, int64_t wanted)
{
    int64_t value = ~wanted;

    assert_int_equal(troupe_array_get(array, index, &value, sizeof value), TROUPE_OK);
    assert_int_equal(value, wanted);
}

/* ---- each call, here and there ----------------------------------------------------------- */

static void integers(int node)
{
    troupe_array array = make_on(node, TROUPE_INT64, 5);
    int64_t three[] = { -1, 1ll << 62, 7 }, back[5] = { 9, 9, 9, 9, 9 }, sum = 0, other = 6;
    uint64_t length;
    double fraction;

    assert_int_equal(troupe_array_length(array, &length), TROUPE_OK);
    assert_int_equal(length, 5);
    assert_int_equal(troupe_array_set(array, 1, three, sizeof three), TROUPE_OK);
    assert_int_equal(troupe_array_get(array, 0, back, sizeof back), TROUPE_OK);
    assert_memory_equal(back, ((int64_t[]){ 0, -1, 1ll << 62, 7, 0 }), sizeof back);
    assert_int_equal(troupe_array_add(array, 3, -10, &sum), TROUPE_OK);
    assert_int_equal(sum, -3);
    assert_int_equal(troupe_array_add(array, 2, INT64_MAX, NULL), TROUPE_OK); /* it wraps around */
    expect_int64(array, 2, (int64_t)((1ull << 62) + INT64_MAX));
    sum = -3;
    assert_int_equal(troupe_array_compare_and_set(array, 3, &other, &sum, sizeof sum),
                     TROUPE_DIFFERS);
    assert_int_equal(troupe_array_compare_and_set(array, 3, &sum, &other, sizeof sum), TROUPE_OK);
    expect_int64(array, 3, 6);

    assert_int_equal(troupe_array_get(array, 3, back, 3 * sizeof *back), TROUPE_NOT_FOUND);
    assert_non_null(strstr(troupe_last_error(), "3 to 5 of 5"));
    assert_int_equal(troupe_array_set(array, 4, three, 2 * sizeof *three), TROUPE_NOT_FOUND);
    assert_int_equal(troupe_array_set(array, UINT64_MAX, three, sizeof *three), TROUPE_NOT_FOUND);
    expect_int64(array, 4, 0);
    assert_int_equal(troupe_array_get(array, 5, NULL, 0), TROUPE_OK);
    assert_int_equal(troupe_array_add(array, 5, 1, &sum), TROUPE_NOT_FOUND);
    assert_int_equal(troupe_array_get(array, 0, back, 4), TROUPE_BAD_ARGUMENT);
    assert_int_equal(troupe_array_get(array, 0, NULL, 8), TROUPE_BAD_ARGUMENT);
    assert_int_equal(troupe_array_add_double(array, 0, 1.0, &fraction), TROUPE_BAD_ARGUMENT);
    assert_int_equal(troupe_array_compare_and_set(array, 0, &sum, &other, 4), TROUPE_BAD_ARGUMENT);
    assert_int_equal(troupe_array_destroy(array), TROUPE_OK);
    assert_int_equal(troupe_array_get(array, 0, back, 8), TROUPE_BAD_HANDLE);
    assert_int_equal(troupe_array_add(array, 0, 1, NULL), TROUPE_BAD_HANDLE);
    assert_int_equal(troupe_array_destroy(array), TROUPE_BAD_HANDLE);
}

static void doubles(int node)
{
    troupe_array array = make_on(node, TROUPE_DOUBLE, 2);
    double value = 0.5, sum = 0;

    assert_int_equal(troupe_array_set(array, 1, &value, sizeof value), TROUPE_OK);
    assert_int_equal(troupe_array_add_double(array, 1, 0.25, &sum), TROUPE_OK);
    assert_true(sum == 0.75);
    assert_int_equal(troupe_array_get(array, 1, &value, sizeof value), TROUPE_OK);
    assert_true(value == 0.75);
    assert_int_equal(troupe_array_add(array, 1, 1, NULL), TROUPE_BAD_ARGUMENT);
    assert_non_null(strstr(troupe_last_error(), "troupe_array_add_double"));
    assert_int_equal(troupe_array_destroy(array), TROUPE_OK);
}

static void bytes(int node)
{
    troupe_array array = make_on(node, TROUPE_BYTE, LONG_BYTES);
    unsigned char *all = malloc(LONG_BYTES), *back = malloc(LONG_BYTES), zero = 0, one = 1;

    for (uint32_t i = 0; i < LONG_BYTES; i++)
        all[i] = (unsigned char)(i * 31 + i / 257);
    assert_int_equal(troupe_array_get(array, LONG_BYTES - 1, back, 1), TROUPE_OK);
    assert_int_equal(*back, 0);
    assert_int_equal(troupe_array_set(array, 0, all, LONG_BYTES), TROUPE_OK);
    assert_int_equal(troupe_array_get(array, 0, back, LONG_BYTES), TROUPE_OK);
    assert_memory_equal(back, all, LONG_BYTES);
    assert_int_equal(troupe_array_get(array, 13, back, LONG_BYTES - 13), TROUPE_OK);
    assert_memory_equal(back, all + 13, LONG_BYTES - 13);
    memset(all, 0, 100);
    assert_int_equal(troupe_array_set(array, 1, all, LONG_BYTES), TROUPE_NOT_FOUND);
    assert_int_equal(troupe_array_get(array, 1, back, 1), TROUPE_OK);
    assert_int_equal(*back, 31); /* nothing of it was set */
    assert_int_equal(troupe_array_compare_and_set(array, 0, &one, &zero, 1), TROUPE_DIFFERS);
    assert_int_equal(troupe_array_compare_and_set(array, 0, &zero, &one, 1), TROUPE_OK);
    assert_int_equal(troupe_array_get(array, 0, back, 1), TROUPE_OK);
    assert_int_equal(*back, 1);
    assert_int_equal(troupe_array_destroy(array), TROUPE_OK);
    free(all);
    free(back);
}

static void here(void **state)
{
    uint64_t nothing = solo_linked(&pair.solo);
    int calls = pair.calls;

    (void)state;
    integers(0);
    doubles(0);
    bytes(0);
    assert_int_equal(pair.calls, calls);
    assert_int_equal(solo_linked(&pair.solo), nothing);
}

static void there(void **state)
{
    uint64_t nothing = solo_linked(&pair.solo);
    int calls = pair.calls;

    (void)state;
    integers(1);
    doubles(1);
    bytes(1);
    assert_true(pair.calls > calls + 20);
    assert_int_equal(solo_linked(&pair.solo), nothing);
}

static void a_value_is_an_array_of_one(void **state)
{
    troupe_array value, same;
    uint64_t length;

    (void)state;
    assert_int_equal(troupe_array_create(NULL, &value), TROUPE_OK);
    assert_int_equal(troupe_array_length(value, &length), TROUPE_OK);
    assert_int_equal(length, 1);
    expect_int64(value, 0, 0);
    assert_int_equal(troupe_array_destroy(value), TROUPE_OK);
    assert_int_equal(troupe_array_open("count", NULL, &value), TROUPE_OK);
    pair_stand_on(1);
    assert_int_equal(troupe_array_open("count", NULL, &same), TROUPE_OK);
    pair_stand_on(0);
    assert_int_equal(value.id, same.id);
    assert_int_equal(troupe_array_destroy(value), TROUPE_OK);
}

static void points_on_its_node_alone(void **state)
{
    troupe_array near = make_on(0, TROUPE_INT64, 10000), far = make_on(1, TROUPE_INT64, 1);
    void *pointer = NULL;

    (void)state;
    assert_int_equal(troupe_array_pointer(near, &pointer), TROUPE_OK);
    assert_int_equal((uintptr_t)pointer % ARENA_PAGE, 0);
    ((int64_t *)pointer)[9999] = 5;
    expect_int64(near, 9999, 5);
    assert_int_equal(troupe_array_pointer(far, &pointer), TROUPE_BAD_ARGUMENT);
    assert_non_null(strstr(troupe_last_error(), "lives on node 1 and this is node 0"));
    assert_int_equal(troupe_array_destroy(near), TROUPE_OK);
    assert_int_equal(troupe_array_destroy(far), TROUPE_OK);
}

static void has_a_lock_of_its_own(void **state)
{
    troupe_array near = make_on(0, TROUPE_INT64, 1), far = make_on(1, TROUPE_INT64, 1);
    troupe_lock lock, other, none = { 7 };

    (void)state;
    assert_int_equal(troupe_array_get_lock(near, &lock), TROUPE_OK);
    assert_int_equal(troupe_lock_acquire(lock, TROUPE_NO_WAIT), TROUPE_OK);
    assert_int_equal(troupe_lock_acquire(lock, TROUPE_NO_WAIT), TROUPE_TIMEOUT);
    assert_int_equal(troupe_array_add(near, 0, 1, NULL), TROUPE_OK);
    assert_int_equal(troupe_lock_release(lock), TROUPE_OK);
    assert_int_equal(troupe_lock_release(lock), TROUPE_BAD_ARGUMENT);
    assert_int_equal(troupe_lock_destroy(lock), TROUPE_BAD_HANDLE);
    assert_int_equal(troupe_array_get_lock(far, &other), TROUPE_OK);
    assert_int_equal(troupe_lock_acquire(other, TROUPE_NO_WAIT), TROUPE_OK);
    assert_int_equal(troupe_lock_acquire(other, TROUPE_NO_WAIT), TROUPE_TIMEOUT);
    assert_int_equal(troupe_lock_release(other), TROUPE_OK);
    assert_int_equal(troupe_array_get_lock((troupe_array){ 9 }, &none), TROUPE_BAD_HANDLE);
    assert_int_equal(troupe_array_get_lock(near, NULL), TROUPE_BAD_ARGUMENT);
    assert_int_equal(none.id, 7);
    assert_int_equal(troupe_array_destroy(near), TROUPE_OK);
    assert_int_equal(troupe_array_destroy(far), TROUPE_OK);
    assert_int_equal(troupe_lock_acquire(lock, TROUPE_NO_WAIT), TROUPE_BAD_HANDLE);
}

static void refuses_what_cannot_be(void **state)
{
    troupe_array_options options = { .type = 3, .length = 1 };
    uint64_t nothing = solo_linked(&pair.solo);
    troupe_array array;
    struct request request = { .op = SERVICE_ARRAY_GET, .words = { 0, 8, 4, 8 } };
    struct answer answer;

    (void)state;
    assert_int_equal(troupe_array_create(&options, &array), TROUPE_BAD_ARGUMENT);
    options = (troupe_array_options){ TROUPE_INT64, UINT64_MAX / 8 };
    assert_int_equal(troupe_array_create(&options, &array), TROUPE_FULL);
    options.length = PAIR_ARENA_BYTES / 8;
    assert_int_equal(troupe_array_create(&options, &array), TROUPE_FULL);
    assert_int_equal(troupe_array_create(NULL, NULL), TROUPE_BAD_ARGUMENT);
    assert_int_equal(solo_linked(&pair.solo), nothing);
    request.object = make_on(1, TROUPE_INT64, 4).id;
    assert_int_equal(__wrap_service_call(pair.here[0], 1, &request, 0, &answer),
                     TROUPE_BAD_ARGUMENT);
    request.words[2] = 8;
    assert_int_equal(__wrap_service_call(pair.here[0], 1, &request, 0, &answer), TROUPE_NOT_FOUND);
    request.words[3] = UINT64_MAX;
    assert_int_equal(__wrap_service_call(pair.here[0], 1, &request, 0, &answer), TROUPE_MISMATCH);
    assert_int_equal(troupe_array_destroy((troupe_array){ request.object }), TROUPE_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(here),
        cmocka_unit_test(there),
        cmocka_unit_test(a_value_is_an_array_of_one),
        cmocka_unit_test(points_on_its_node_alone),
        cmocka_unit_test(has_a_lock_of_its_own),
        cmocka_unit_test(refuses_what_cannot_be),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
