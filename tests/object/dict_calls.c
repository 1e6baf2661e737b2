/* The calls beyond set, get and delete, on keys of the own node and of the other (pair.h). */
#include "pair.h"

#include "object/dict_remote.h"

#include <stdio.h>

enum { KEYS = 200 };

static troupe_dict dict;
static uint64_t here, there; /* what was linked before the dict was made */

static int begin(void **state)
{
    (void)state;
    pair_begin();
    return 0;
}

static int end(void **state)
{
    (void)state;
    pair_end();
    return 0;
}

static int dict_begin(void **state)
{
    (void)state;
    here = solo_linked(&pair.solo);
    there = pair_linked_there();
    assert_int_equal(troupe_dict_create(NULL, &dict), TROUPE_OK);
    pair.calls = 0;
    return 0;
}

static int dict_end(void **state)
{
    (void)state;
    assert_int_equal(troupe_dict_destroy(dict), TROUPE_OK);
    assert_int_equal(solo_linked(&pair.solo), here);
    assert_int_equal(pair_linked_there(), there);
    return 0;
}

/* Of the keys some are this node's and some the other's. */
static troupe_bytes key_of(int number)
{
    static int numbers[2 * KEYS];

    numbers[number] = number;
    return troupe_bytes_of(&numbers[number], sizeof number);
}

/* Values of 0 to 99 bytes. */
static troupe_bytes value_of(int number)
{
    static unsigned char values[256][100];

    memset(values[number % 256], number, sizeof values[0]);
    return troupe_bytes_of(values[number % 256], (size_t)number % 100);
}

static void fill(void)
{
    for (int i = 0; i < KEYS; i++)
        assert_int_equal(troupe_dict_set(dict, key_of(i), value_of(i)), TROUPE_OK);
}

static uint64_t size_of(void)
{
    uint64_t entries = UINT64_MAX;

    assert_int_equal(troupe_dict_size(dict, &entries), TROUPE_OK);
    return entries;
}

static void contains(void **state)
{
    int present = 7;

    (void)state;
    fill();
    for (int i = 0; i < 2 * KEYS; i++) {
        assert_int_equal(troupe_dict_contains(dict, key_of(i), &present), TROUPE_OK);
        assert_int_equal(present, i < KEYS);
    }
    assert_int_equal(troupe_dict_contains(dict, key_of(0), NULL), TROUPE_BAD_ARGUMENT);
}

static void gets_into_memory_of_its_own(void **state)
{
    void *value = NULL;
    size_t size;

    (void)state;
    fill();
    for (int i = 0; i < KEYS; i++) {
        assert_int_equal(troupe_dict_get_alloc(dict, key_of(i), &value, &size), TROUPE_OK);
        assert_int_equal(size, value_of(i).size);
        assert_memory_equal(value, value_of(i).data, size);
        assert_non_null(value);
        free(value);
        value = NULL;
    }
    assert_int_equal(troupe_dict_get_alloc(dict, key_of(KEYS), &value, &size), TROUPE_NOT_FOUND);
    assert_null(value);
    assert_int_equal(troupe_dict_get_alloc(dict, key_of(0), NULL, &size), TROUPE_BAD_ARGUMENT);
}

static void pops_each_key_once(void **state)
{
    unsigned char back[100];
    size_t size;

    (void)state;
    fill();
    for (int i = 0; i < KEYS; i++) {
        size_t bytes = value_of(i).size;

        if (bytes > 0) {
            assert_int_equal(troupe_dict_pop(dict, key_of(i), back, bytes - 1, &size),
                             TROUPE_TOO_LONG);
            assert_int_equal(size, bytes);
        }
        assert_int_equal(troupe_dict_pop(dict, key_of(i), back, sizeof back, &size), TROUPE_OK);
        assert_int_equal(size, bytes);
        assert_memory_equal(back, value_of(i).data, size);
        assert_int_equal(troupe_dict_pop(dict, key_of(i), back, sizeof back, &size),
                         TROUPE_NOT_FOUND);
    }
    assert_int_equal(size_of(), 0);
}

static void adds(void **state)
{
    int64_t sum = 0, number;
    size_t size;

    (void)state;
    for (int i = 0; i < KEYS; i++) {
        assert_int_equal(troupe_dict_add(dict, key_of(i), i, NULL), TROUPE_OK);
        assert_int_equal(troupe_dict_add(dict, key_of(i), -2 * i, &sum), TROUPE_OK);
        assert_int_equal(sum, -i);
        assert_int_equal(troupe_dict_get(dict, key_of(i), &number, sizeof number, &size),
                         TROUPE_OK);
        assert_int_equal(size, sizeof number);
        assert_int_equal(number, -i);
    }
    number = INT64_MAX;
    assert_int_equal(troupe_dict_set(dict, key_of(0), troupe_bytes_of(&number, sizeof number)),
                     TROUPE_OK);
    assert_int_equal(troupe_dict_add(dict, key_of(0), 1, &sum), TROUPE_OK);
    assert_true(sum == INT64_MIN);
    for (int i = 0; i < KEYS; i++)
        assert_int_equal(troupe_dict_set(dict, key_of(i), troupe_text("four")), TROUPE_OK);
    for (int i = 0; i < KEYS; i++)
        assert_int_equal(troupe_dict_add(dict, key_of(i), 1, &sum), TROUPE_BAD_ARGUMENT);
}

static void clears(void **state)
{
    (void)state;
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 20000; i++)
            assert_int_equal(troupe_dict_set(dict, troupe_bytes_of(&i, sizeof i), value_of(i)),
                             TROUPE_OK);
        assert_int_equal(troupe_dict_clear(dict), TROUPE_OK);
        assert_int_equal(size_of(), 0);
    }
    fill();
    assert_int_equal(size_of(), KEYS);
    assert_int_equal(troupe_dict_clear(dict), TROUPE_OK);
    assert_int_equal(troupe_dict_clear((troupe_dict){ 0 }), TROUPE_BAD_HANDLE);
}

/* One message for all keys of the other node. */
static void sets_and_gets_many(void **state)
{
    static unsigned char back[2 * KEYS][100];
    troupe_bytes keys[2 * KEYS], values[2 * KEYS];
    troupe_dict_value found[2 * KEYS];

    (void)state;
    for (int i = 0; i < 2 * KEYS; i++) {
        keys[i] = key_of(i);
        values[i] = value_of(i % 256);
        found[i] = (troupe_dict_value){ .data = back[i], .capacity = i % 3 == 0 ? 30 : 100 };
    }
    keys[KEYS - 1] = keys[0]; /* the later one wins */
    assert_int_equal(troupe_dict_set_many(dict, keys, values, KEYS), TROUPE_OK);
    assert_int_equal(pair.calls, 1);
    keys[KEYS - 1] = key_of(KEYS - 1);
    pair.calls = 0;
    assert_int_equal(troupe_dict_get_many(dict, keys, 2 * KEYS, found), TROUPE_OK);
    assert_int_equal(pair.calls, 1);
    for (int i = 0; i < 2 * KEYS; i++) {
        troupe_bytes value = value_of(i == 0 ? KEYS - 1 : i);
        bool fits = value.size <= found[i].capacity;

        if (i >= KEYS - 1) {
            assert_int_equal(found[i].result, TROUPE_NOT_FOUND);
            continue;
        }
        assert_int_equal(found[i].result, fits ? TROUPE_OK : TROUPE_TOO_LONG);
        assert_int_equal(found[i].size, value.size);
        if (fits)
            assert_memory_equal(back[i], value.data, value.size);
    }
}

/* Values of which a message holds few, and one that is larger than a message. */
static void cuts_what_is_large(void **state)
{
    enum { LARGE = 60000, COUNT = 8 };
    static unsigned char back[COUNT][5 * LARGE], large[5 * LARGE];
    troupe_bytes keys[COUNT], values[COUNT];
    troupe_dict_value found[COUNT];

    (void)state;
    for (size_t i = 0; i < sizeof large; i++)
        large[i] = (unsigned char)(i * 31 / 7);
    for (int i = 0; i < COUNT; i++) {
        keys[i] = key_of(i);
        values[i] = troupe_bytes_of(large, i == 5 ? sizeof large : LARGE + (size_t)i);
        found[i] = (troupe_dict_value){ .data = back[i], .capacity = sizeof back[i] };
    }
    assert_int_equal(troupe_dict_set_many(dict, keys, values, COUNT), TROUPE_OK);
    assert_int_equal(troupe_dict_get_many(dict, keys, COUNT, found), TROUPE_OK);
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(found[i].result, TROUPE_OK);
        assert_int_equal(found[i].size, values[i].size);
        assert_memory_equal(back[i], large, found[i].size);
    }
}

static void refuses_what_many_cannot_be(void **state)
{
    troupe_bytes keys[2] = { key_of(0), { NULL, 3 } }, values[2] = { value_of(1), value_of(2) };
    troupe_dict_value found = { .capacity = 1 };

    (void)state;
    assert_int_equal(troupe_dict_set_many(dict, keys, values, 2), TROUPE_BAD_ARGUMENT);
    assert_non_null(strstr(troupe_last_error(), "key 1 of 2"));
    keys[1] = troupe_bytes_of("k", 0);
    assert_int_equal(troupe_dict_set_many(dict, keys, values, 2), TROUPE_BAD_ARGUMENT);
    keys[1] = key_of(1);
    values[1] = troupe_bytes_of(NULL, 1);
    assert_int_equal(troupe_dict_set_many(dict, keys, values, 2), TROUPE_BAD_ARGUMENT);
    assert_int_equal(troupe_dict_set_many(dict, keys, NULL, 2), TROUPE_BAD_ARGUMENT);
    assert_int_equal(troupe_dict_get_many(dict, keys, 1, &found), TROUPE_BAD_ARGUMENT);
    assert_int_equal(troupe_dict_get_many(dict, NULL, 1, &found), TROUPE_BAD_ARGUMENT);
    assert_int_equal(troupe_dict_get_many(dict, NULL, 0, NULL), TROUPE_OK);
    assert_int_equal(troupe_dict_set_many(dict, NULL, NULL, 0), TROUPE_OK);
    assert_int_equal(size_of(), 0);
}

static void waits_for_what_is_there(void **state)
{
    (void)state;
    fill();
    for (int i = 0; i < 2 * KEYS; i++)
        assert_int_equal(troupe_dict_wait(dict, key_of(i), TROUPE_NO_WAIT),
                         i < KEYS ? TROUPE_OK : TROUPE_TIMEOUT);
    assert_int_equal(troupe_dict_wait(dict, key_of(KEYS), 1), TROUPE_TIMEOUT);
}

/* A request that another version, or nobody at all, could have sent. */
static void malformed_items_are_refused(void **state)
{
    static const enum service_op ops[] = { SERVICE_DICT_GET_MANY, SERVICE_DICT_SET_MANY };
    static const struct {
        uint64_t key, value, bytes;
    } cases[] = { { 0, 0, 10 }, { 11, 0, 10 },         { UINT64_MAX, 0, 10 },
                  { 4, 0, 3 },  { 4, UINT64_MAX, 10 }, { TROUPE_KEY_MAX + 1, 0, 10 } };
    unsigned char data[64] = { 0 };
    struct answer answer;

    (void)state;
    for (size_t i = 0; i < 2 * sizeof cases / sizeof *cases; i++) {
        struct request request = { .op = ops[i % 2], .object = dict.id, .data = data };
        uint64_t item[3] = { 1, cases[i / 2].key, cases[i / 2].value };

        memcpy(data, item, sizeof item);
        request.size = sizeof item + cases[i / 2].bytes;
        if (i == 8) /* as many bytes as one likes may come back */
            continue;
        assert_int_equal(__wrap_service_call(pair.solo.actor, 1, &request, BELL_NO_WAIT, &answer),
                         TROUPE_MISMATCH);
        request.size = sizeof item - 1;
        assert_int_equal(__wrap_service_call(pair.solo.actor, 1, &request, BELL_NO_WAIT, &answer),
                         TROUPE_MISMATCH);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(contains, dict_begin, dict_end),
        cmocka_unit_test_setup_teardown(gets_into_memory_of_its_own, dict_begin, dict_end),
        cmocka_unit_test_setup_teardown(pops_each_key_once, dict_begin, dict_end),
        cmocka_unit_test_setup_teardown(adds, dict_begin, dict_end),
        cmocka_unit_test_setup_teardown(clears, dict_begin, dict_end),
        cmocka_unit_test_setup_teardown(sets_and_gets_many, dict_begin, dict_end),
        cmocka_unit_test_setup_teardown(cuts_what_is_large, dict_begin, dict_end),
        cmocka_unit_test_setup_teardown(refuses_what_many_cannot_be, dict_begin, dict_end),
        cmocka_unit_test_setup_teardown(waits_for_what_is_there, dict_begin, dict_end),
        cmocka_unit_test_setup_teardown(malformed_items_are_refused, dict_begin, dict_end),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
