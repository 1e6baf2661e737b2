/* Text, clock and the figures of memory. */
#include "sandbox.h"

#include "base/clock.h"
#include "base/text.h"
#include "core/memory.h"

#include <string.h>

static void numbers_are_read_whole(void **state)
{
    static const char *const bad[] = {
        "", "-", "+1", " 1", "1 ", "abc", "1x", "0x1", "99999999999999999999", "11", "-6"
    };
    long value = 42;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(text_to_long(bad[i], -5, 10, &value));
    assert_false(text_to_long(NULL, -5, 10, &value));
    assert_int_equal(value, 42);
    assert_true(text_to_long("10", -5, 10, &value));
    assert_int_equal(value, 10);
    assert_true(text_to_long("-5", -5, 10, &value));
    assert_int_equal(value, -5);
}

static void sizes_are_read_with_units(void **state)
{
    static const struct {
        const char *text;
        uint64_t bytes;
    } good[] = { { "0", 0 },     { "4096", 4096 }, { "64M", 64ull << 20 }, { "1.5G", 3ull << 29 },
                 { "2k", 2048 }, { "1KiB", 1024 }, { "1KB", 1024 },        { "1T", 1ull << 40 } };
    static const char *const bad[] = { "", "M", "-1", "1X", "1MM", "1KiBs", "9999999999T", "1 M" };
    uint64_t bytes;

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_true(text_to_bytes(good[i].text, &bytes));
        assert_int_equal(bytes, good[i].bytes);
    }
    bytes = 42;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(text_to_bytes(bad[i], &bytes));
    assert_int_equal(bytes, 42);
}

static void strings_grow(void **state)
{
    struct text text = { 0 };

    (void)state;
    for (int i = 0; i < 1000; i++)
        text_append(&text, "%d,", i % 10);
    text_append_bytes(&text, "a\0b", 3);
    assert_false(text.broken);
    assert_int_equal(text.size, 2003);
    assert_memory_equal(text.data, "0,1,2,", 6);
    assert_memory_equal(text.data + 2000, "a\0b", 4);
    text_free(&text);
    assert_null(text.data);
}

static void deadlines_never_wrap(void **state)
{
    uint64_t now = clock_now();

    (void)state;
    assert_int_equal(clock_deadline(TROUPE_FOREVER), CLOCK_FOREVER);
    assert_int_equal(clock_deadline(INT64_MAX), CLOCK_FOREVER);
    assert_true(clock_deadline(0) >= now && clock_deadline(0) < CLOCK_FOREVER);
    assert_true(clock_deadline(1000) >= now + 1000000000u);
    assert_int_equal(clock_left(CLOCK_FOREVER), CLOCK_FOREVER);
    assert_int_equal(clock_left(now), 0);
    assert_true(clock_left(clock_deadline(3600000)) <= 3600000000000u);
    assert_true(clock_now() >= now);
}

static void memory_is_told(void **state)
{
    (void)state;
    assert_true(memory_total() > 0);
    assert_true(memory_available() <= memory_total());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_read_whole), cmocka_unit_test(sizes_are_read_with_units),
        cmocka_unit_test(strings_grow),           cmocka_unit_test(deadlines_never_wrap),
        cmocka_unit_test(memory_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
