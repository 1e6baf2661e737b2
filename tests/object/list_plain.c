/* The list's calls, one by one: results, indexes, limits, what an ended list says, memory; random
 * play against a reference with a look at the tree. */
#include "solo.h"

#include "../counts.h"
#include "list_play.h"
#include "list_sound.h"

#define ARENA_BYTES (128u << 20)
#define MANY 60000u

static struct solo solo;

static int begin(void **state)
{
    (void)state;
    solo_begin(&solo, ARENA_BYTES);
    solo_warm();
    return 0;
}

static int end(void **state)
{
    (void)state;
    solo_end(&solo);
    return 0;
}

static troupe_list make(void)
{
    troupe_list list;

    assert_int_equal(troupe_list_create(NULL, &list), TROUPE_OK);
    return list;
}

static uint64_t size_of(troupe_list list)
{
    uint64_t items = UINT64_MAX;

    assert_int_equal(troupe_list_size(list, &items), TROUPE_OK);
    return items;
}

static void append_text(troupe_list list, const char *text)
{
    assert_int_equal(troupe_list_append(list, troupe_text(text)), TROUPE_OK);
}

/* The items as one text. */
static const char *shown(troupe_list list)
{
    static char all[200];
    troupe_cursor cursor = { { 0 } };
    char item[32];
    size_t size, at = 0;

    while (troupe_list_next(list, &cursor, item, sizeof item, &size) == TROUPE_OK)
        at += (size_t)snprintf(all + at, sizeof all - at, "%.*s ", (int)size, item);
    all[at > 0 ? at - 1 : 0] = '\0';
    return all;
}

static void expect_sound(troupe_list list)
{
    struct list_reach reach = { 0 };
    struct record *record;

    assert_int_equal(table_find(solo.actor, list.id, OBJECT_LIST, &record), TROUPE_OK);
    assert_null(list_sound(&solo.actor->arena, record, &reach));
}

/* ---- the calls -------------------------------------------------------------------------- */

static void does_as_python(void **state)
{
    troupe_bytes three[] = { troupe_text("x"), troupe_text("a longer item"), troupe_text("z") };
    troupe_list list = make();
    char item[32] = "untouched";
    size_t size = 99;

    (void)state;
    assert_int_equal(troupe_list_get(list, 0, item, sizeof item, &size), TROUPE_NOT_FOUND);
    assert_int_equal(troupe_list_pop(list, -1, item, sizeof item, &size), TROUPE_NOT_FOUND);
    assert_non_null(strstr(troupe_last_error(), "-1 among 0"));
    assert_string_equal(item, "untouched");
    assert_int_equal(size, 99);
    append_text(list, "b");
    append_text(list, "d");
    assert_int_equal(troupe_list_insert(list, 1, troupe_text("c")), TROUPE_OK);
    assert_int_equal(troupe_list_insert(list, -100, troupe_text("a")), TROUPE_OK);
    assert_int_equal(troupe_list_insert(list, 100, troupe_text("f")), TROUPE_OK);
    assert_int_equal(troupe_list_insert(list, -1, troupe_text("e")), TROUPE_OK);
    assert_string_equal(shown(list), "a b c d e f");
    assert_int_equal(troupe_list_set(list, -2, troupe_text("E")), TROUPE_OK);
    assert_int_equal(troupe_list_set(list, 6, troupe_text("no")), TROUPE_NOT_FOUND);
    assert_int_equal(troupe_list_set(list, -7, troupe_text("no")), TROUPE_NOT_FOUND);
    assert_int_equal(troupe_list_pop(list, 1, item, sizeof item, &size), TROUPE_OK);
    assert_memory_equal(item, "bntouched", 9);
    assert_int_equal(size, 1);
    assert_int_equal(troupe_list_extend(list, three, 3), TROUPE_OK);
    assert_int_equal(troupe_list_extend(list, NULL, 0), TROUPE_OK);
    assert_string_equal(shown(list), "a c d E f x a longer item z");
    assert_int_equal(size_of(list), 8);
    assert_int_equal(troupe_list_clear(list), TROUPE_OK);
    assert_int_equal(size_of(list), 0);
    assert_string_equal(shown(list), "");
    assert_int_equal(troupe_list_destroy(list), TROUPE_OK);
}

static void sizes_from_nothing_up(void **state)
{
    static const size_t sizes[] = { 0, 1, 7, 8, 9, 63, 64, 65, 4096, 32768, 32769, 3000000 };
    unsigned char *bytes = malloc(3000000), *back = malloc(3000000);
    troupe_list list = make();
    void *item;
    size_t size;

    (void)state;
    for (size_t i = 0; i < 3000000; i++)
        bytes[i] = (unsigned char)(i * 7 + i / 251);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        assert_int_equal(troupe_list_append(list, troupe_bytes_of(bytes, sizes[i])), TROUPE_OK);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        assert_int_equal(troupe_list_get(list, (int64_t)i, back, sizes[i], &size), TROUPE_OK);
        assert_int_equal(size, sizes[i]);
        assert_memory_equal(back, bytes, size);
        assert_int_equal(troupe_list_get_alloc(list, (int64_t)i, &item, &size), TROUPE_OK);
        assert_non_null(item);
        assert_int_equal(size, sizes[i]);
        assert_memory_equal(item, bytes, size);
        free(item);
        if (sizes[i] == 0)
            continue;
        size = 0;
        assert_int_equal(troupe_list_pop(list, (int64_t)i, back, sizes[i] - 1, &size),
                         TROUPE_TOO_LONG);
        assert_int_equal(size, sizes[i]);
    }
    assert_int_equal(size_of(list), sizeof sizes / sizeof *sizes);
    assert_int_equal(troupe_list_destroy(list), TROUPE_OK);
    free(bytes);
    free(back);
}

static void refuses_what_is_wrong(void **state)
{
    troupe_list_options options = { .max_items = 2 };
    troupe_bytes three[3] = { { NULL, 0 } };
    troupe_bytes nowhere = troupe_bytes_of(NULL, 5);
    troupe_list list;
    uint64_t size;
    char item[4];

    (void)state;
    assert_int_equal(troupe_list_create(&options, NULL), TROUPE_BAD_ARGUMENT);
    assert_int_equal(troupe_list_create(&options, &list), TROUPE_OK);
    assert_int_equal(troupe_list_append(list, nowhere), TROUPE_BAD_ARGUMENT);
    assert_int_equal(troupe_list_extend(list, &nowhere, 1), TROUPE_BAD_ARGUMENT);
    assert_int_equal(troupe_list_extend(list, NULL, 1), TROUPE_BAD_ARGUMENT);
    assert_int_equal(troupe_list_get(list, 0, NULL, 4, NULL), TROUPE_BAD_ARGUMENT);
    assert_int_equal(troupe_list_next(list, NULL, item, 4, NULL), TROUPE_BAD_ARGUMENT);
    assert_int_equal(troupe_list_size(list, NULL), TROUPE_BAD_ARGUMENT);
    assert_int_equal(troupe_list_extend(list, three, 3), TROUPE_FULL);
    assert_non_null(strstr(troupe_last_error(), "max_items is 2"));
    assert_int_equal(troupe_list_extend(list, three, 2), TROUPE_OK);
    assert_int_equal(troupe_list_append(list, three[0]), TROUPE_FULL);
    assert_int_equal(troupe_list_insert(list, 0, three[0]), TROUPE_FULL);
    assert_int_equal(troupe_list_destroy(list), TROUPE_OK);
    assert_int_equal(troupe_list_append(list, three[0]), TROUPE_BAD_HANDLE);
    assert_int_equal(troupe_list_extend(list, three, 3), TROUPE_BAD_HANDLE);
    assert_int_equal(troupe_list_get(list, 0, item, 4, NULL), TROUPE_BAD_HANDLE);
    assert_int_equal(troupe_list_size(list, &size), TROUPE_BAD_HANDLE);
    assert_int_equal(troupe_list_clear(list), TROUPE_BAD_HANDLE);
    assert_int_equal(troupe_list_destroy(list), TROUPE_BAD_HANDLE);
    assert_int_equal(troupe_list_destroy((troupe_list){ 7 }), TROUPE_BAD_HANDLE);
}

/* ---- many ------------------------------------------------------------------------------- */

static void expect_numbers(troupe_list list, uint64_t first, uint64_t count)
{
    uint64_t value;

    for (uint64_t i = 0; i < count; i++) {
        assert_int_equal(troupe_list_get(list, (int64_t)i, &value, sizeof value, NULL), TROUPE_OK);
        assert_int_equal(value, first + i);
    }
}

/* An item of 8 bytes lies in its cell: 16 bytes, and a fifteenth of what leads there. */
static void grows_and_shrinks(void **state)
{
    troupe_list list = make();
    uint64_t nothing = solo_linked(&solo), value;

    (void)state;
    for (uint64_t i = 0; i < MANY; i++)
        assert_int_equal(troupe_list_append(list, troupe_bytes_of(&i, sizeof i)), TROUPE_OK);
    expect_numbers(list, 0, MANY);
    expect_sound(list);
    assert_in_range(solo_linked(&solo) - nothing, MANY * 16, MANY * 19);
    for (uint64_t i = 0; i < MANY / 2; i++) {
        assert_int_equal(troupe_list_pop(list, 0, &value, sizeof value, NULL), TROUPE_OK);
        assert_int_equal(value, i);
    }
    expect_numbers(list, MANY / 2, MANY / 2);
    expect_sound(list);
    for (uint64_t i = MANY; i-- > MANY / 2;) {
        assert_int_equal(troupe_list_pop(list, -1, &value, sizeof value, NULL), TROUPE_OK);
        assert_int_equal(value, i);
    }
    assert_int_equal(size_of(list), 0);
    assert_int_equal(solo_linked(&solo), nothing);
    for (uint64_t i = MANY; i-- > 0;)
        assert_int_equal(troupe_list_insert(list, 0, troupe_bytes_of(&i, sizeof i)), TROUPE_OK);
    expect_numbers(list, 0, MANY);
    expect_sound(list);
    assert_int_equal(troupe_list_clear(list), TROUPE_OK);
    assert_int_equal(solo_linked(&solo), nothing);
    assert_int_equal(troupe_list_destroy(list), TROUPE_OK);
}

/* Items of a middle, taken out one by one, leave no sparse nodes behind. */
static void thins_out(void **state)
{
    troupe_list list = make();
    uint64_t nothing = solo_linked(&solo), value;

    (void)state;
    for (uint64_t i = 0; i < MANY; i++)
        assert_int_equal(troupe_list_append(list, troupe_bytes_of(&i, sizeof i)), TROUPE_OK);
    for (uint64_t kept = 0; kept < MANY / 30; kept++)
        for (int gone = 0; gone < 29; gone++)
            assert_int_equal(troupe_list_pop(list, (int64_t)kept, &value, sizeof value, NULL),
                             TROUPE_OK);
    assert_int_equal(size_of(list), MANY / 30);
    for (uint64_t i = 0; i < MANY / 30; i++) {
        assert_int_equal(troupe_list_get(list, (int64_t)i, &value, sizeof value, NULL), TROUPE_OK);
        assert_int_equal(value, i * 30 + 29);
    }
    expect_sound(list);
    assert_in_range(solo_linked(&solo) - nothing, 1, MANY / 30 * 64);
    assert_int_equal(troupe_list_destroy(list), TROUPE_OK);
}

/* Extends of every small size and of some thousands, on lists of several sizes. */
static void extends_join(void **state)
{
    enum { MOST = 4000 };
    static uint64_t numbers[MOST];
    static troupe_bytes items[MOST];
    static const size_t counts[] = { 1,  2,  3,   5,   8,   10,  11,   14,   15, 16, 17,
                                     31, 40, 225, 226, 240, 900, 3375, 4000, 1,  2,  15 };
    uint64_t nothing = solo_linked(&solo);

    (void)state;
    for (size_t before = 0; before < 600; before = before * 2 + 1) {
        troupe_list list = make();
        uint64_t number = 0;

        for (; number < before; number++)
            assert_int_equal(troupe_list_append(list, troupe_bytes_of(&number, sizeof number)),
                             TROUPE_OK);
        for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
            for (size_t at = 0; at < counts[i]; at++) {
                numbers[at] = number++;
                items[at] = troupe_bytes_of(&numbers[at], sizeof numbers[at]);
            }
            assert_int_equal(troupe_list_extend(list, items, counts[i]), TROUPE_OK);
            expect_sound(list);
        }
        expect_numbers(list, 0, number);
        assert_int_equal(size_of(list), number);
        assert_int_equal(troupe_list_destroy(list), TROUPE_OK);
    }
    assert_int_equal(solo_linked(&solo), nothing);
}

static void plays_by_the_reference(void **state)
{
    uint64_t nothing = solo_linked(&solo);
    long rounds = test_count(10, 1500);

    (void)state;
    for (long round = 0; round < rounds; round++) {
        troupe_list list = make();
        struct list_play play;

        assert_true(play_begin(&play, list, 2500, (uint64_t)round * 7919 + 88172645463325252u));
        assert_true(play_run(&play, 10000));
        expect_sound(list);
        play_end(&play);
        assert_int_equal(troupe_list_destroy(list), TROUPE_OK);
        assert_int_equal(solo_linked(&solo), nothing);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(does_as_python),
        cmocka_unit_test(sizes_from_nothing_up),
        cmocka_unit_test(refuses_what_is_wrong),
        cmocka_unit_test(grows_and_shrinks),
        cmocka_unit_test(thins_out),
        cmocka_unit_test(extends_join),
        cmocka_unit_test(plays_by_the_reference),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
