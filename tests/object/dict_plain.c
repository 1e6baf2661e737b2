/* The dict's calls, one by one: results, limits, sizes, what an ended dict says, memory. */
#include "solo.h"

#include <stdio.h>

#define ARENA_BYTES (64u << 20)

static struct solo solo;

static int begin(void **state)
{
    (void)state;
    solo_begin(&solo, ARENA_BYTES);
    return 0;
}

static int end(void **state)
{
    (void)state;
    solo_end(&solo);
    return 0;
}

static troupe_dict make(void)
{
    troupe_dict dict;

    assert_int_equal(troupe_dict_create(NULL, &dict), TROUPE_OK);
    return dict;
}

static uint64_t size_of(troupe_dict dict)
{
    uint64_t entries = UINT64_MAX;

    assert_int_equal(troupe_dict_size(dict, &entries), TROUPE_OK);
    return entries;
}

static void stores_and_finds(void **state)
{
    troupe_dict dict = make();
    char text[16] = "untouched";
    size_t size = 99;

    (void)state;
    assert_int_equal(troupe_dict_get(dict, troupe_text("W"), text, sizeof text, &size),
                     TROUPE_NOT_FOUND);
    assert_string_equal(text, "untouched");
    assert_int_equal(size, 99);
    assert_int_equal(troupe_dict_set(dict, troupe_text("W"), troupe_text("one")), TROUPE_OK);
    assert_int_equal(troupe_dict_set(dict, troupe_text("W"), troupe_text("three")), TROUPE_OK);
    assert_int_equal(size_of(dict), 1);
    assert_int_equal(troupe_dict_get(dict, troupe_text("W"), text, sizeof text, &size), TROUPE_OK);
    assert_int_equal(size, 5);
    assert_memory_equal(text, "threeched", 9);
    assert_int_equal(troupe_dict_delete(dict, troupe_text("W")), TROUPE_OK);
    assert_int_equal(troupe_dict_delete(dict, troupe_text("W")), TROUPE_NOT_FOUND);
    assert_int_equal(size_of(dict), 0);
    assert_int_equal(troupe_dict_destroy(dict), TROUPE_OK);
}

static void sets_a_default_once(void **state)
{
    troupe_dict dict = make();
    char found[8] = "";
    size_t size = 0;
    int stored = -1;

    (void)state;
    assert_int_equal(troupe_dict_set_default(dict, troupe_text("W"), troupe_text("one"), found,
                                             sizeof found, &size, &stored),
                     TROUPE_OK);
    assert_int_equal(stored, 1);
    assert_int_equal(size, 3);
    assert_memory_equal(found, "one", 3);
    assert_int_equal(troupe_dict_set_default(dict, troupe_text("W"), troupe_text("second"), found,
                                             sizeof found, &size, &stored),
                     TROUPE_OK);
    assert_int_equal(stored, 0);
    assert_int_equal(size, 3);
    assert_memory_equal(found, "one", 3);
    assert_int_equal(size_of(dict), 1);
    assert_int_equal(troupe_dict_destroy(dict), TROUPE_OK);
}

/* Without a place for it the value is not copied, and so is never too long. */
static void a_default_minds_its_buffer(void **state)
{
    troupe_dict dict = make();
    char found[4] = "old";
    size_t size = 0;
    int stored = -1;

    (void)state;
    assert_int_equal(troupe_dict_set_default(dict, troupe_text("W"), troupe_text("longer"), found,
                                             sizeof found, &size, &stored),
                     TROUPE_BAD_ARGUMENT);
    assert_int_equal(size_of(dict), 0);
    assert_int_equal(troupe_dict_set_default(dict, troupe_text("W"), troupe_text("longer"), NULL, 0,
                                             &size, &stored),
                     TROUPE_OK);
    assert_int_equal(size, 6);
    assert_int_equal(stored, 1);
    assert_int_equal(troupe_dict_set_default(dict, troupe_text("W"), troupe_text("x"), found,
                                             sizeof found, &size, &stored),
                     TROUPE_TOO_LONG);
    assert_int_equal(size, 6);
    assert_string_equal(found, "old");
    size = 0;
    assert_int_equal(
        troupe_dict_set_default(dict, troupe_text("W"), troupe_text("x"), NULL, 0, &size, &stored),
        TROUPE_OK);
    assert_int_equal(size, 6);
    assert_int_equal(stored, 0);
    assert_int_equal(
        troupe_dict_set_default(dict, troupe_text("E"), troupe_text(""), found, 0, NULL, NULL),
        TROUPE_OK);
    assert_int_equal(troupe_dict_destroy(dict), TROUPE_OK);
}

static void compares_before_it_sets(void **state)
{
    troupe_dict dict = make();
    char text[8];

    (void)state;
    assert_int_equal(
        troupe_dict_compare_and_set(dict, troupe_text("W"), troupe_text(""), troupe_text("new")),
        TROUPE_NOT_FOUND);
    assert_int_equal(size_of(dict), 0);
    assert_int_equal(troupe_dict_set(dict, troupe_text("W"), troupe_text("one")), TROUPE_OK);
    assert_int_equal(
        troupe_dict_compare_and_set(dict, troupe_text("W"), troupe_text("on"), troupe_text("new")),
        TROUPE_DIFFERS);
    assert_int_equal(
        troupe_dict_compare_and_set(dict, troupe_text("W"), troupe_text("ony"), troupe_text("new")),
        TROUPE_DIFFERS);
    assert_int_equal(
        troupe_dict_compare_and_set(dict, troupe_text("W"), troupe_text("one"), troupe_text("two")),
        TROUPE_OK);
    assert_int_equal(troupe_dict_get(dict, troupe_text("W"), text, sizeof text, NULL), TROUPE_OK);
    assert_memory_equal(text, "two", 3);
    assert_int_equal(
        troupe_dict_compare_and_set(dict, troupe_text("W"), troupe_text("two"), troupe_text("")),
        TROUPE_OK);
    assert_int_equal(
        troupe_dict_compare_and_set(dict, troupe_text("W"), troupe_text(""), troupe_text("three")),
        TROUPE_OK);
    assert_int_equal(size_of(dict), 1);
    assert_int_equal(troupe_dict_destroy(dict), TROUPE_OK);
}

/* "WeThinkIn!" has ten letters and nine keys: the later writer of "n" wins. */
static void later_writer_wins(void **state)
{
    static const char letters[] = "WeThinkIn!";
    troupe_dict dict = make();
    int at = -1;

    (void)state;
    for (int i = 0; i < 10; i++)
        assert_int_equal(
            troupe_dict_set(dict, troupe_bytes_of(&letters[i], 1), troupe_bytes_of(&i, sizeof i)),
            TROUPE_OK);
    assert_int_equal(size_of(dict), 9);
    assert_int_equal(troupe_dict_get(dict, troupe_text("n"), &at, sizeof at, NULL), TROUPE_OK);
    assert_int_equal(at, 8);
    assert_int_equal(troupe_dict_destroy(dict), TROUPE_OK);
}

static void refuses_what_it_cannot_take(void **state)
{
    static char key[TROUPE_KEY_MAX + 1];
    troupe_dict dict = make();
    troupe_cursor cursor = { { 0 } };
    uint64_t entries;
    char byte;

    (void)state;
    assert_int_equal(troupe_dict_create(NULL, NULL), TROUPE_BAD_ARGUMENT);
    assert_int_equal(troupe_dict_set(dict, troupe_bytes_of(key, 0), troupe_text("")),
                     TROUPE_BAD_ARGUMENT);
    assert_int_equal(troupe_dict_set(dict, troupe_bytes_of(key, sizeof key), troupe_text("")),
                     TROUPE_BAD_ARGUMENT);
    assert_non_null(strstr(troupe_last_error(), "65537"));
    assert_int_equal(troupe_dict_set(dict, troupe_bytes_of(NULL, 3), troupe_text("")),
                     TROUPE_BAD_ARGUMENT);
    assert_int_equal(troupe_dict_set(dict, troupe_text("k"), troupe_bytes_of(NULL, 3)),
                     TROUPE_BAD_ARGUMENT);
    assert_int_equal(troupe_dict_set(dict, troupe_text("k"), troupe_bytes_of(&byte, SIZE_MAX)),
                     TROUPE_FULL);
    assert_int_equal(troupe_dict_get(dict, troupe_text("k"), NULL, 1, NULL), TROUPE_BAD_ARGUMENT);
    assert_int_equal(troupe_dict_size(dict, NULL), TROUPE_BAD_ARGUMENT);
    assert_int_equal(troupe_dict_next(dict, NULL, NULL, 0, NULL, NULL, 0, NULL),
                     TROUPE_BAD_ARGUMENT);
    assert_int_equal(troupe_dict_next(dict, &cursor, NULL, 1, NULL, NULL, 0, NULL),
                     TROUPE_BAD_ARGUMENT);
    assert_int_equal(troupe_dict_size((troupe_dict){ 0 }, &entries), TROUPE_BAD_HANDLE);
    assert_int_equal(troupe_dict_destroy(dict), TROUPE_OK);
}

/* Keys and values at and around every boundary of words, lines, classes and spans. */
static void takes_every_size(void **state)
{
    static const size_t sizes[] = { 0,   1,    7,     8,     9,     63,    64,    65,     255,
                                    256, 4095, 32767, 32768, 65535, 65536, 65537, 131072, 3000000 };
    static unsigned char key[TROUPE_KEY_MAX], value[3000000 + 1], back[3000000 + 1];
    troupe_dict dict = make();
    uint64_t random = 88172645463325252u;
    size_t size;

    (void)state;
    for (size_t i = 0; i < sizeof value; i++)
        value[i] = (unsigned char)solo_random(&random);
    for (size_t k = 1; k < sizeof sizes / sizeof *sizes && sizes[k] <= TROUPE_KEY_MAX; k++)
        for (size_t v = 0; v < sizeof sizes / sizeof *sizes; v++) {
            troupe_bytes name = troupe_bytes_of(key, sizes[k]);

            memcpy(key, value + v, sizes[k]);
            memset(back, 0xee, sizes[v] + 1);
            assert_int_equal(troupe_dict_set(dict, name, troupe_bytes_of(value, sizes[v])),
                             TROUPE_OK);
            assert_int_equal(troupe_dict_get(dict, name, back, sizes[v], &size), TROUPE_OK);
            assert_int_equal(size, sizes[v]);
            assert_memory_equal(back, value, sizes[v]);
            assert_int_equal(back[sizes[v]], 0xee);
            if (sizes[v] > 0) {
                size = 0;
                assert_int_equal(troupe_dict_get(dict, name, back, sizes[v] - 1, &size),
                                 TROUPE_TOO_LONG);
                assert_int_equal(size, sizes[v]);
            }
            assert_int_equal(troupe_dict_delete(dict, name), TROUPE_OK);
        }
    assert_int_equal(size_of(dict), 0);
    assert_int_equal(troupe_dict_destroy(dict), TROUPE_OK);
}

/* A value that fits no buffer stops the walk before itself; with room the walk goes on. */
static void walks(void **state)
{
    troupe_dict dict = make();
    troupe_cursor cursor = { { 0 } };
    bool seen[100] = { false };
    int key, value, result, steps = 0;
    size_t key_size, value_size;

    (void)state;
    assert_int_equal(troupe_dict_next(dict, &cursor, &key, sizeof key, NULL, NULL, 0, NULL),
                     TROUPE_EMPTY);
    for (int i = 0; i < 100; i++)
        assert_int_equal(
            troupe_dict_set(dict, troupe_bytes_of(&i, sizeof i), troupe_bytes_of(&i, sizeof i)),
            TROUPE_OK);
    cursor = (troupe_cursor){ { 0 } };
    for (;;) {
        result =
            troupe_dict_next(dict, &cursor, &key, sizeof key, &key_size, &value, 1, &value_size);
        if (result == TROUPE_EMPTY)
            break;
        assert_int_equal(result, TROUPE_TOO_LONG);
        assert_int_equal(value_size, sizeof value);
        assert_int_equal(troupe_dict_next(dict, &cursor, &key, sizeof key, &key_size, &value,
                                          sizeof value, &value_size),
                         TROUPE_OK);
        assert_int_equal(key, value);
        assert_false(seen[key]);
        seen[key] = true;
        steps++;
    }
    assert_int_equal(steps, 100);
    assert_int_equal(
        troupe_dict_next(dict, &cursor, &key, sizeof key, NULL, &value, sizeof value, NULL),
        TROUPE_EMPTY);
    assert_int_equal(troupe_dict_destroy(dict), TROUPE_OK);
}

static void an_ended_dict_says_so(void **state)
{
    troupe_dict dict = make();
    troupe_cursor cursor = { { 0 } };
    uint64_t entries;

    (void)state;
    assert_int_equal(troupe_dict_set(dict, troupe_text("k"), troupe_text("v")), TROUPE_OK);
    assert_int_equal(troupe_dict_destroy(dict), TROUPE_OK);
    assert_int_equal(troupe_dict_destroy(dict), TROUPE_BAD_HANDLE);
    assert_int_equal(troupe_dict_set(dict, troupe_text("k"), troupe_text("v")), TROUPE_BAD_HANDLE);
    assert_int_equal(troupe_dict_get(dict, troupe_text("k"), NULL, 0, NULL), TROUPE_BAD_HANDLE);
    assert_int_equal(troupe_dict_delete(dict, troupe_text("k")), TROUPE_BAD_HANDLE);
    assert_int_equal(troupe_dict_size(dict, &entries), TROUPE_BAD_HANDLE);
    assert_int_equal(troupe_dict_next(dict, &cursor, NULL, 0, NULL, NULL, 0, NULL),
                     TROUPE_BAD_HANDLE);
}

/* A dict that is emptied holds what it held when it was filled and emptied before; a destroyed one
 * holds nothing. */
static void memory_comes_back(void **state)
{
    enum { ENTRIES = 20000 };
    troupe_dict_options options = { .expected_entries = 50000 };
    troupe_dict dict = make();
    uint64_t nothing, emptied[2];

    (void)state;
    assert_int_equal(troupe_dict_destroy(dict), TROUPE_OK);
    nothing = solo_linked(&solo);
    dict = make();
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < ENTRIES; i++)
            assert_int_equal(
                troupe_dict_set(dict, troupe_bytes_of(&i, sizeof i), troupe_text("some value")),
                TROUPE_OK);
        assert_int_equal(size_of(dict), ENTRIES);
        for (int i = 0; i < ENTRIES; i++)
            assert_int_equal(troupe_dict_delete(dict, troupe_bytes_of(&i, sizeof i)), TROUPE_OK);
        assert_int_equal(size_of(dict), 0);
        emptied[round] = solo_linked(&solo);
    }
    assert_true(emptied[0] > nothing);
    assert_true(emptied[1] - nothing < ENTRIES * sizeof(uint64_t) * 4);
    for (int i = 0; i < ENTRIES; i++)
        assert_int_equal(troupe_dict_set(dict, troupe_bytes_of(&i, sizeof i), troupe_text("again")),
                         TROUPE_OK);
    assert_int_equal(troupe_dict_destroy(dict), TROUPE_OK);
    assert_int_equal(solo_linked(&solo), nothing);
    assert_int_equal(troupe_dict_create(&options, &dict), TROUPE_OK);
    assert_true(solo_linked(&solo) - nothing > options.expected_entries * 8);
    assert_int_equal(troupe_dict_destroy(dict), TROUPE_OK);
    assert_int_equal(solo_linked(&solo), nothing);
}

/* Many dicts live side by side, more than there are neighbours of a lock. */
static void many_dicts(void **state)
{
    enum { DICTS = 200 };
    troupe_dict dicts[DICTS];
    int value;

    (void)state;
    for (int i = 0; i < DICTS; i++) {
        dicts[i] = make();
        assert_int_equal(
            troupe_dict_set(dicts[i], troupe_text("key"), troupe_bytes_of(&i, sizeof i)),
            TROUPE_OK);
    }
    for (int i = 0; i < DICTS; i++) {
        assert_int_equal(troupe_dict_get(dicts[i], troupe_text("key"), &value, sizeof value, NULL),
                         TROUPE_OK);
        assert_int_equal(value, i);
        assert_int_equal(troupe_dict_destroy(dicts[i]), TROUPE_OK);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stores_and_finds),
        cmocka_unit_test(sets_a_default_once),
        cmocka_unit_test(a_default_minds_its_buffer),
        cmocka_unit_test(compares_before_it_sets),
        cmocka_unit_test(later_writer_wins),
        cmocka_unit_test(refuses_what_it_cannot_take),
        cmocka_unit_test(takes_every_size),
        cmocka_unit_test(walks),
        cmocka_unit_test(an_ended_dict_says_so),
        cmocka_unit_test(memory_comes_back),
        cmocka_unit_test(many_dicts),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
