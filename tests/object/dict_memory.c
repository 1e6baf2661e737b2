/* How many entries of 16 + 64 bytes an arena takes: 200 bytes each are enough for all that belongs
 * to them, and after all are deleted as many others fit. */
#include "solo.h"

#include "counts.h"

#include <stdio.h>

enum { ENTRIES = 30000, ENTRIES_FULL = 1000000, ENTRY_BYTES = 200, KEY_BYTES = 16 };

static troupe_bytes key_make(char *text, long round, long number)
{
    snprintf(text, KEY_BYTES + 1, "%c%0*ld", (char)('a' + round), KEY_BYTES - 1, number);
    return troupe_bytes_of(text, KEY_BYTES);
}

static void a_second_generation_fits(void **state)
{
    long entries = test_count(ENTRIES, ENTRIES_FULL);
    const unsigned char value[64] = { 1 };
    unsigned char back[64];
    char text[KEY_BYTES + 1];
    struct solo solo;
    uint64_t size;
    troupe_dict dict;

    (void)state;
    solo_begin(&solo, (size_t)entries * ENTRY_BYTES / ARENA_PAGE * ARENA_PAGE);
    assert_int_equal(troupe_dict_create(NULL, &dict), TROUPE_OK);
    for (long round = 0; round < 2; round++) {
        for (long i = 0; i < entries; i++)
            assert_int_equal(troupe_dict_set(dict, key_make(text, round, i),
                                             troupe_bytes_of(value, sizeof value)),
                             TROUPE_OK);
        assert_int_equal(troupe_dict_size(dict, &size), TROUPE_OK);
        assert_int_equal(size, entries);
        print_message("%ld entries: %.1f bytes each\n", entries,
                      (double)solo_linked(&solo) / (double)entries);
        for (long i = 0; i < entries; i++) {
            assert_int_equal(
                troupe_dict_get(dict, key_make(text, round, i), back, sizeof back, NULL),
                TROUPE_OK);
            assert_int_equal(troupe_dict_delete(dict, troupe_bytes_of(text, KEY_BYTES)), TROUPE_OK);
        }
    }
    assert_int_equal(troupe_dict_destroy(dict), TROUPE_OK);
    solo_end(&solo);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_second_generation_fits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
