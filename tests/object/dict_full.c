/* A full arena: what is in stays, freeing makes room, and it can be filled as far again. */
#include "solo.h"

#define ARENA_BYTES (4u << 20)

static struct solo solo;

static int put(troupe_dict dict, uint64_t number, size_t size)
{
    static unsigned char value[4096];

    memset(value, (int)(number % 251), sizeof value);
    return troupe_dict_set(dict, troupe_bytes_of(&number, sizeof number),
                           troupe_bytes_of(value, size));
}

/* Sets entries from a number on until one is refused; returns that one. */
static uint64_t fill(troupe_dict dict, uint64_t number, size_t size)
{
    int result;

    while ((result = put(dict, number, size)) == TROUPE_OK)
        number++;
    assert_int_equal(result, TROUPE_FULL);
    return number;
}

static void expect_all(troupe_dict dict, uint64_t count, size_t size)
{
    unsigned char value[4096];
    uint64_t entries;
    size_t is;

    assert_int_equal(troupe_dict_size(dict, &entries), TROUPE_OK);
    assert_int_equal(entries, count);
    for (uint64_t number = 0; number < count; number++) {
        assert_int_equal(troupe_dict_get(dict, troupe_bytes_of(&number, sizeof number), value,
                                         sizeof value, &is),
                         TROUPE_OK);
        assert_int_equal(is, size);
        assert_int_equal(value[0], number % 251);
        assert_int_equal(value[size - 1], number % 251);
    }
}

static void empty(troupe_dict dict, uint64_t count)
{
    for (uint64_t number = 0; number < count; number++)
        assert_int_equal(troupe_dict_delete(dict, troupe_bytes_of(&number, sizeof number)),
                         TROUPE_OK);
}

static void keeps_what_is_in(void **state)
{
    static const size_t sizes[] = { 64, 1000, 4096, 64 };
    troupe_dict dict;
    uint64_t first = 0, nothing, count;

    (void)state;
    assert_int_equal(troupe_dict_create(NULL, &dict), TROUPE_OK);
    for (int i = 0; i < 4; i++) {
        count = fill(dict, 0, sizes[i]);
        assert_true(count * sizes[i] > ARENA_BYTES / 4);
        assert_int_equal(put(dict, 0, sizes[i]), TROUPE_FULL);
        assert_non_null(strstr(troupe_last_error(), "free"));
        expect_all(dict, count, sizes[i]);
        empty(dict, 10);
        for (uint64_t number = 0; number < 10; number++)
            assert_int_equal(put(dict, number, sizes[i]), TROUPE_OK);
        expect_all(dict, count, sizes[i]);
        empty(dict, count);
        if (i == 0)
            first = count;
    }
    assert_true(count >= first - first / 20); /* the buckets of the first time stay */
    assert_int_equal(troupe_dict_destroy(dict), TROUPE_OK);
    nothing = solo_linked(&solo);
    assert_int_equal(troupe_dict_create(NULL, &dict), TROUPE_OK);
    fill(dict, 0, 64);
    assert_int_equal(troupe_dict_destroy(dict), TROUPE_OK);
    assert_int_equal(solo_linked(&solo), nothing);
}

/* Not even an empty dict fits: the sentence says so, and nothing is left of the attempt. */
static void refuses_a_dict_without_room(void **state)
{
    troupe_dict dict, other = { 7 };
    uint64_t before, count = 0;

    (void)state;
    assert_int_equal(troupe_dict_create(NULL, &dict), TROUPE_OK);
    for (size_t size = 4000; size > 16; size /= 2)
        count = fill(dict, count, size);
    before = solo_linked(&solo);
    assert_int_equal(troupe_dict_create(NULL, &other), TROUPE_FULL);
    assert_int_equal(other.id, 7);
    assert_int_equal(solo_linked(&solo), before);
    assert_int_equal(troupe_dict_destroy(dict), TROUPE_OK);
    assert_int_equal(troupe_dict_create(NULL, &other), TROUPE_OK);
    assert_int_equal(troupe_dict_destroy(other), TROUPE_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_what_is_in),
        cmocka_unit_test(refuses_a_dict_without_room),
    };
    int failed;

    solo_begin(&solo, ARENA_BYTES);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    solo_end(&solo);
    return failed;
}
