/* Gets that read the other node's memory themselves, over two nodes in one process (pair.h): the
 * test's read_remote copies from the other arena, or refuses. What is looked for: which gets read
 * and which ask, and that both tell the same. */
#include "pair.h"

#include "core/read.h"
#include "object/dict_onesided.h"
#include "object/dict_remote.h"

bool __wrap_read_is_on(void);
int __wrap_read_remote(const struct arena *own, int node, uint64_t offset, uint64_t bytes,
                       void *to);

enum { LARGE = 8000 };

static bool is_slow; /* no read can be had */

bool __wrap_read_is_on(void)
{
    return true;
}

int __wrap_read_remote(const struct arena *own, int node, uint64_t offset, uint64_t bytes, void *to)
{
    const struct arena *there = &pair.here[node]->arena;

    assert_ptr_equal(own->base, pair.here[world_here.node]->arena.base);
    assert_true(node != world_here.node);
    assert_true(bytes <= SEAL_MOST && offset + bytes <= there->header->bytes);
    if (is_slow)
        return TROUPE_EMPTY;
    memcpy(to, arena_at(there, offset), bytes);
    return TROUPE_OK;
}

static troupe_dict dict;
static int far_key = -1; /* whose home is the other node; places of former tests' keys are known */

static int begin(void **state)
{
    struct dict_key key;

    (void)state;
    is_slow = false;
    pair_begin();
    if (dict_seals_begin(pair.here[0]) != TROUPE_OK || dict_seals_begin(pair.here[1]) != TROUPE_OK)
        return -1;
    do {
        far_key++;
        dict_key_make(&far_key, sizeof far_key, &key);
    } while (dict_home(key.hash) == 0);
    return troupe_dict_create(NULL, &dict) == TROUPE_OK ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    pair_end();
    return 0;
}

static troupe_bytes key_view(void)
{
    return troupe_bytes_of(&far_key, sizeof far_key);
}

static void set(const char *text)
{
    assert_int_equal(troupe_dict_set(dict, key_view(), troupe_text(text)), TROUPE_OK);
}

/* Gets the value, and expects so many messages and so many reads. */
static void expect(const char *text, int asks, uint64_t reads)
{
    struct dict_onesided_counts before, after;
    char value[64];
    size_t size;

    dict_onesided_count(&before);
    pair.calls = 0;
    assert_int_equal(troupe_dict_get(dict, key_view(), value, sizeof value, &size), TROUPE_OK);
    assert_int_equal(size, strlen(text));
    assert_memory_equal(value, text, size);
    dict_onesided_count(&after);
    assert_int_equal(pair.calls, asks);
    assert_int_equal(after.read - before.read, reads);
}

static void the_second_get_reads(void **state)
{
    (void)state;
    set("one");
    expect("one", 1, 0);
    expect("one", 0, 1);
    expect("one", 0, 1);
}

static void a_changed_entry_is_asked_for_once(void **state)
{
    (void)state;
    set("one");
    expect("one", 1, 0);
    set("other");
    expect("other", 1, 0);
    expect("other", 0, 1);
    assert_int_equal(troupe_dict_set(dict, key_view(), troupe_bytes_of(NULL, 0)), TROUPE_OK);
    expect("", 1, 0);
    expect("", 0, 1);
}

static void a_removed_entry_is_not_there(void **state)
{
    char value[64];

    (void)state;
    set("one");
    expect("one", 1, 0);
    assert_int_equal(troupe_dict_delete(dict, key_view()), TROUPE_OK);
    assert_int_equal(troupe_dict_get(dict, key_view(), value, sizeof value, NULL),
                     TROUPE_NOT_FOUND);
    set("two");
    expect("two", 1, 0);
    expect("two", 0, 1);
}

static void without_a_read_it_asks(void **state)
{
    struct dict_onesided_counts counts;

    (void)state;
    set("one");
    expect("one", 1, 0);
    is_slow = true;
    expect("one", 1, 0);
    dict_onesided_count(&counts);
    assert_true(counts.late > 0);
    is_slow = false;
    expect("one", 0, 1);
}

/* Sizes, presence and memory of its own come from a read as they come from an answer. */
static void other_calls_read_too(void **state)
{
    int present = 0;
    size_t size = 0;
    void *value;

    (void)state;
    set("a value");
    expect("a value", 1, 0);
    pair.calls = 0;
    assert_int_equal(troupe_dict_contains(dict, key_view(), &present), TROUPE_OK);
    assert_true(present);
    assert_int_equal(troupe_dict_get(dict, key_view(), &present, sizeof present, &size),
                     TROUPE_TOO_LONG);
    assert_int_equal(size, strlen("a value"));
    assert_int_equal(troupe_dict_get_alloc(dict, key_view(), &value, &size), TROUPE_OK);
    assert_int_equal(size, strlen("a value"));
    assert_memory_equal(value, "a value", size);
    free(value);
    assert_int_equal(pair.calls, 0);
}

static void large_values_are_asked_for(void **state)
{
    static char large[LARGE];
    char back[LARGE];

    (void)state;
    assert_int_equal(troupe_dict_set(dict, key_view(), troupe_bytes_of(large, sizeof large)),
                     TROUPE_OK);
    pair.calls = 0;
    for (int i = 0; i < 2; i++)
        assert_int_equal(troupe_dict_get(dict, key_view(), back, sizeof back, NULL), TROUPE_OK);
    assert_int_equal(pair.calls, 2);
}

static void a_destroyed_dict_is_gone(void **state)
{
    char value[64];

    (void)state;
    set("one");
    expect("one", 1, 0);
    assert_int_equal(troupe_dict_destroy(dict), TROUPE_OK);
    assert_int_equal(troupe_dict_get(dict, key_view(), value, sizeof value, NULL),
                     TROUPE_BAD_HANDLE);
    assert_int_equal(troupe_dict_create(NULL, &dict), TROUPE_OK);
    assert_int_equal(troupe_dict_get(dict, key_view(), value, sizeof value, NULL),
                     TROUPE_NOT_FOUND);
}

/* More keys than the table has room for: places are forgotten, values never. */
static void the_table_forgets(void **state)
{
    enum { KEYS = 30000, TWICE = 2 };
    struct dict_onesided_counts before, after;

    (void)state;
    for (int i = 0; i < KEYS; i++)
        assert_int_equal(
            troupe_dict_set(dict, troupe_bytes_of(&i, sizeof i), troupe_bytes_of(&i, sizeof i)),
            TROUPE_OK);
    dict_onesided_count(&before);
    for (int i = 0; i < TWICE * KEYS; i++) {
        int key = i % KEYS, back = -1;

        assert_int_equal(
            troupe_dict_get(dict, troupe_bytes_of(&key, sizeof key), &back, sizeof back, NULL),
            TROUPE_OK);
        assert_int_equal(back, key);
    }
    dict_onesided_count(&after);
    assert_true(after.read > before.read);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_second_get_reads, begin, end),
        cmocka_unit_test_setup_teardown(a_changed_entry_is_asked_for_once, begin, end),
        cmocka_unit_test_setup_teardown(a_removed_entry_is_not_there, begin, end),
        cmocka_unit_test_setup_teardown(without_a_read_it_asks, begin, end),
        cmocka_unit_test_setup_teardown(other_calls_read_too, begin, end),
        cmocka_unit_test_setup_teardown(large_values_are_asked_for, begin, end),
        cmocka_unit_test_setup_teardown(a_destroyed_dict_is_gone, begin, end),
        cmocka_unit_test_setup_teardown(the_table_forgets, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
