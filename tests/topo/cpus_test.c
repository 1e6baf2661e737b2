/* Sets of CPUs: what is written is read again, and what is no list is refused whole. */
#include "topo_test.h"

#include <stdlib.h>
#include <string.h>

#include "topo/cpus.h"

static void expect_list(const struct cpus *cpus, const char *list)
{
    struct text text = { 0 };

    text_append(&text, "%s", "");
    cpus_append_list(&text, cpus);
    assert_string_equal(text.data, list);
    text_free(&text);
}

static void lists_are_read_and_written(void **state)
{
    static const char *const lists[][2] = {
        { "0", "0" },   { "0-3", "0-3" },     { "0,1,2,3", "0-3" }, { "8,0-3\n", "0-3,8" },
        { "3-3", "3" }, { "0-1,1-2", "0-2" }, { "", "" },           { "1023-1025", "1023-1025" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        struct cpus cpus = { 0 };

        assert_int_equal(cpus_read_list(lists[i][0], &cpus), TROUPE_OK);
        expect_list(&cpus, lists[i][1]);
        cpus_free(&cpus);
    }
}

static void what_is_no_list_changes_nothing(void **state)
{
    static const char *const wrong[] = {
        "a", "0-", "-1", "3-1", "0,", "0,,1", "0 1", "0-3x", ",0"
    };
    struct cpus cpus = { 0 };

    (void)state;
    assert_int_equal(cpus_add(&cpus, 5), TROUPE_OK);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(cpus_read_list(wrong[i], &cpus), TROUPE_BAD_ARGUMENT);
        assert_non_null(strstr(troupe_last_error(), wrong[i]));
        expect_list(&cpus, "5");
    }
    cpus_free(&cpus);
}

static void sets_meet_and_contain(void **state)
{
    struct cpus all = { 0 }, some = { 0 }, none = { 0 };

    (void)state;
    assert_int_equal(cpus_read_list("0-7", &all), TROUPE_OK);
    assert_int_equal(cpus_read_list("6-7", &some), TROUPE_OK);
    assert_true(cpus_meet(&all, &some));
    assert_false(cpus_meet(&all, &none));
    assert_true(cpus_contains_all(&all, &some));
    assert_true(cpus_contains_all(&all, &none));
    assert_false(cpus_contains_all(&some, &all));
    assert_int_equal(cpus_add(&some, 9), TROUPE_OK);
    assert_true(cpus_meet(&all, &some));
    assert_false(cpus_contains_all(&all, &some));
    cpus_free(&all);
    cpus_free(&some);
}

static void binding_is_what_the_kernel_then_says(void **state)
{
    struct cpus before = { 0 }, one = { 0 }, after = { 0 };

    (void)state;
    assert_int_equal(cpus_of_process(0, &before), TROUPE_OK);
    assert_true(before.count > 0);
    assert_int_equal(cpus_add(&one, before.ids[before.count - 1]), TROUPE_OK);
    assert_int_equal(cpus_bind(&one), TROUPE_OK);
    assert_int_equal(cpus_of_process(0, &after), TROUPE_OK);
    assert_int_equal(after.count, 1);
    assert_int_equal(after.ids[0], one.ids[0]);
    assert_int_equal(cpus_bind(&before), TROUPE_OK);
    one.count = 0;
    assert_int_equal(cpus_bind(&one), TROUPE_SYSTEM);
    cpus_free(&before);
    cpus_free(&one);
    cpus_free(&after);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_are_read_and_written),
        cmocka_unit_test(what_is_no_list_changes_nothing),
        cmocka_unit_test(sets_meet_and_contain),
        cmocka_unit_test(binding_is_what_the_kernel_then_says),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
