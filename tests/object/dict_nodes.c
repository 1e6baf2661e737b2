/* A dict over two nodes (pair.h): all calls, refusals, a node that is lost. */
#include "pair.h"

#include "object/dict_remote.h"

enum { ENTRIES = 3000 };

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

/* Values of 0 to 299 bytes, told by their number. */
static troupe_bytes value_of(int number)
{
    static unsigned char value[300];

    memset(value, number, sizeof value);
    return troupe_bytes_of(value, (size_t)number % sizeof value);
}

static void fill(troupe_dict dict)
{
    for (int i = 0; i < ENTRIES; i++)
        assert_int_equal(troupe_dict_set(dict, troupe_bytes_of(&i, sizeof i), value_of(i)),
                         TROUPE_OK);
}

static void expect(troupe_dict dict, int number)
{
    troupe_bytes value = value_of(number), key = troupe_bytes_of(&number, sizeof number);
    unsigned char back[300];
    size_t size = SIZE_MAX;

    assert_int_equal(troupe_dict_get(dict, key, back, sizeof back, &size), TROUPE_OK);
    assert_int_equal(size, value.size);
    assert_memory_equal(back, value.data, size);
    if (size == 0)
        return;
    assert_int_equal(troupe_dict_get(dict, key, back, size - 1, &size), TROUPE_TOO_LONG);
    assert_int_equal(size, value.size);
}

static void spreads_over_nodes(void **state)
{
    uint64_t here = solo_linked(&pair.solo), there = pair_linked_there(), entries;
    troupe_dict dict;

    (void)state;
    assert_int_equal(troupe_dict_create(NULL, &dict), TROUPE_OK);
    pair.calls = 0;
    fill(dict);
    assert_in_range(pair.calls, ENTRIES / 3, ENTRIES * 2 / 3);
    for (int i = 0; i < ENTRIES; i++)
        expect(dict, i);
    assert_int_equal(troupe_dict_size(dict, &entries), TROUPE_OK);
    assert_int_equal(entries, ENTRIES);
    for (int i = 0; i < ENTRIES; i += 2)
        assert_int_equal(troupe_dict_delete(dict, troupe_bytes_of(&i, sizeof i)), TROUPE_OK);
    for (int i = 0; i < ENTRIES; i += 2)
        assert_int_equal(troupe_dict_delete(dict, troupe_bytes_of(&i, sizeof i)), TROUPE_NOT_FOUND);
    for (int i = 1; i < ENTRIES; i += 2)
        expect(dict, i);
    assert_int_equal(troupe_dict_size(dict, &entries), TROUPE_OK);
    assert_int_equal(entries, ENTRIES / 2);
    assert_int_equal(troupe_dict_destroy(dict), TROUPE_OK);
    assert_int_equal(solo_linked(&pair.solo), here);
    assert_int_equal(pair_linked_there(), there);
}

static void walks_over_nodes(void **state)
{
    static bool shown[ENTRIES];
    troupe_cursor cursor = { { 0 } };
    unsigned char value[300];
    size_t key_size, size;
    troupe_dict dict;
    int key, steps = 0, result;

    (void)state;
    assert_int_equal(troupe_dict_create(NULL, &dict), TROUPE_OK);
    fill(dict);
    while ((result = troupe_dict_next(dict, &cursor, &key, sizeof key, &key_size, value, 1,
                                      &size)) != TROUPE_EMPTY) {
        if (result == TROUPE_TOO_LONG) {
            assert_true(size > 1);
            result = troupe_dict_next(dict, &cursor, &key, sizeof key, &key_size, value,
                                      sizeof value, &size);
        }
        assert_int_equal(result, TROUPE_OK);
        assert_int_equal(key_size, sizeof key);
        assert_in_range(key, 0, ENTRIES - 1);
        assert_false(shown[key]);
        shown[key] = true;
        assert_int_equal(size, value_of(key).size);
        assert_memory_equal(value, value_of(key).data, size);
        steps++;
    }
    assert_int_equal(steps, ENTRIES);
    assert_int_equal(troupe_dict_destroy(dict), TROUPE_OK);
}

static void sets_on_conditions_elsewhere(void **state)
{
    uint64_t here = solo_linked(&pair.solo), there = pair_linked_there();
    troupe_dict dict;

    (void)state;
    assert_int_equal(troupe_dict_create(NULL, &dict), TROUPE_OK);
    for (int i = 0; i < 100; i++) {
        troupe_bytes key = troupe_bytes_of(&i, sizeof i);
        unsigned char back[300];
        size_t size = 0;
        int stored = -1;

        assert_int_equal(troupe_dict_compare_and_set(dict, key, value_of(i), value_of(i)),
                         TROUPE_NOT_FOUND);
        assert_int_equal(
            troupe_dict_set_default(dict, key, value_of(i), back, sizeof back, &size, &stored),
            TROUPE_OK);
        assert_int_equal(stored, 1);
        assert_int_equal(
            troupe_dict_set_default(dict, key, value_of(299), back, sizeof back, &size, &stored),
            TROUPE_OK);
        assert_int_equal(stored, 0);
        assert_int_equal(size, value_of(i).size);
        assert_memory_equal(back, value_of(i).data, size);
        assert_int_equal(troupe_dict_compare_and_set(dict, key, value_of(i + 1), value_of(i)),
                         TROUPE_DIFFERS);
        expect(dict, i);
        assert_int_equal(dict_compare_and_delete(dict, key, value_of(i + 1)), TROUPE_DIFFERS);
        assert_int_equal(dict_compare_and_delete(dict, key, value_of(i)), TROUPE_OK);
        assert_int_equal(dict_compare_and_delete(dict, key, value_of(i)), TROUPE_NOT_FOUND);
    }
    assert_int_equal(troupe_dict_destroy(dict), TROUPE_OK);
    assert_int_equal(solo_linked(&pair.solo), here);
    assert_int_equal(pair_linked_there(), there);
}

/* A node without room refuses its share: then there is no dict anywhere. */
static void is_made_everywhere_or_nowhere(void **state)
{
    static unsigned char filler[4096];
    uint64_t here, there;
    troupe_dict dict, more = { 7 };

    (void)state;
    assert_int_equal(troupe_dict_create(NULL, &dict), TROUPE_OK);
    for (size_t size = 4000, number = 0; size > 16; size /= 2)
        for (int result = TROUPE_OK; result == TROUPE_OK; number++) {
            struct request request = { .op = SERVICE_DICT_SET, .object = dict.id };
            struct answer answer;

            memcpy(filler, &number, sizeof number);
            request.words[DICT_WORD_HASH] = number * 0x9e3779b97f4a7c15u;
            request.words[DICT_WORD_KEY] = sizeof number;
            request.data = filler;
            request.size = size;
            result = __wrap_service_call(pair.solo.actor, 1, &request, BELL_NO_WAIT, &answer);
            assert_true(result == TROUPE_OK || result == TROUPE_FULL);
        }
    here = solo_linked(&pair.solo);
    there = pair_linked_there();
    assert_int_equal(troupe_dict_create(NULL, &more), TROUPE_FULL);
    assert_non_null(strstr(troupe_last_error(), "free"));
    assert_int_equal(more.id, 7);
    assert_int_equal(solo_linked(&pair.solo), here);
    assert_int_equal(pair_linked_there(), there);
    assert_int_equal(troupe_dict_destroy(dict), TROUPE_OK);
}

static void a_malformed_request_is_refused(void **state)
{
    static const enum service_op ops[] = { SERVICE_DICT_SET, SERVICE_DICT_GET,
                                           SERVICE_DICT_DELETE };
    struct request request = { .data = "key", .size = 0 };
    struct answer answer;
    troupe_dict dict;

    (void)state;
    assert_int_equal(troupe_dict_create(NULL, &dict), TROUPE_OK);
    request.object = dict.id;
    request.words[DICT_WORD_KEY] = 4; /* a key longer than the data */
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        request.op = ops[i];
        request.size = ops[i] == SERVICE_DICT_SET ? 3 : 0;
        assert_int_equal(__wrap_service_call(pair.solo.actor, 1, &request, BELL_NO_WAIT, &answer),
                         TROUPE_MISMATCH);
    }
    assert_int_equal(troupe_dict_destroy(dict), TROUPE_OK);
}

static void a_lost_node_is_told(void **state)
{
    int results[2] = { 0, 0 }, other = 0;
    uint64_t entries = 7;
    troupe_dict dict;

    (void)state;
    assert_int_equal(troupe_dict_create(NULL, &dict), TROUPE_OK);
    pair.lost = true;
    for (int i = 0; i < 100; i++) {
        int result = troupe_dict_set(dict, troupe_bytes_of(&i, sizeof i), value_of(i));

        results[0] += result == TROUPE_OK;
        results[1] += result == TROUPE_LOST;
        other += result != TROUPE_OK && result != TROUPE_LOST;
    }
    assert_int_equal(other, 0);
    assert_true(results[0] > 0 && results[1] > 0);
    assert_int_equal(troupe_dict_size(dict, &entries), TROUPE_LOST);
    assert_int_equal(entries, 7);
    assert_int_equal(troupe_dict_destroy(dict), TROUPE_OK);
    pair.lost = false;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spreads_over_nodes),
        cmocka_unit_test(walks_over_nodes),
        cmocka_unit_test(sets_on_conditions_elsewhere),
        cmocka_unit_test(is_made_everywhere_or_nowhere),
        cmocka_unit_test(a_malformed_request_is_refused),
        cmocka_unit_test(a_lost_node_is_told),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
