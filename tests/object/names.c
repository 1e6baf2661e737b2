/* Names of objects over two nodes: one object for all who open a name, none left when it is
 * destroyed, and a stale name taken over. */
#include "pair.h"

#include <stdio.h>

#define NAME_DICT "the dict"

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

static troupe_dict open_name(const char *name)
{
    troupe_dict dict = { 0 };

    assert_int_equal(troupe_dict_open(name, NULL, &dict), TROUPE_OK);
    return dict;
}

/* Names whose homes are one node and the other: some of many are. */
static void a_name_leads_to_one_dict(void **state)
{
    enum { NAMES = 20 };
    uint64_t here = solo_linked(&pair.solo), there = pair_linked_there();
    troupe_dict dicts[NAMES];
    char name[32];

    (void)state;
    for (int i = 0; i < NAMES; i++) {
        snprintf(name, sizeof name, "name %d", i);
        dicts[i] = open_name(name);
        assert_int_equal(troupe_dict_set(dicts[i], troupe_text("i"), troupe_bytes_of(&i, sizeof i)),
                         TROUPE_OK);
    }
    for (int i = 0; i < NAMES; i++) {
        snprintf(name, sizeof name, "name %d", i);
        assert_true(open_name(name).id == dicts[i].id);
        assert_int_equal(troupe_dict_destroy(dicts[i]), TROUPE_OK);
    }
    assert_int_equal(solo_linked(&pair.solo), here);
    assert_int_equal(pair_linked_there(), there);
}

static void a_destroyed_name_is_free(void **state)
{
    troupe_dict dict = open_name(NAME_DICT), again;

    (void)state;
    assert_int_equal(troupe_dict_destroy(dict), TROUPE_OK);
    again = open_name(NAME_DICT);
    assert_true(again.id != dict.id);
    assert_int_equal(troupe_dict_destroy(again), TROUPE_OK);
    assert_int_equal(troupe_dict_destroy(again), TROUPE_BAD_HANDLE);
}

static void names_have_limits(void **state)
{
    char longest[TROUPE_OBJECT_NAME_MAX + 2];
    troupe_dict dict = { 7 };

    (void)state;
    memset(longest, 'n', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    assert_int_equal(troupe_dict_open(longest, NULL, &dict), TROUPE_BAD_ARGUMENT);
    assert_non_null(strstr(troupe_last_error(), "256"));
    assert_int_equal(troupe_dict_open("", NULL, &dict), TROUPE_BAD_ARGUMENT);
    assert_int_equal(troupe_dict_open(NULL, NULL, &dict), TROUPE_BAD_ARGUMENT);
    assert_int_equal(troupe_dict_open("x", NULL, NULL), TROUPE_BAD_ARGUMENT);
    assert_int_equal(dict.id, 7);
    longest[TROUPE_OBJECT_NAME_MAX] = '\0';
    dict = open_name(longest);
    assert_int_equal(troupe_dict_destroy(dict), TROUPE_OK);
}

/* ---- objects that are only records ------------------------------------------------------- */

static int made;
static uint64_t rival; /* claims the name while the next create runs */

static int record_create(struct actor *actor, const void *options, uint64_t *handle)
{
    struct record *record;
    int result = table_reserve(actor, &record);

    (void)options;
    if (result != TROUPE_OK)
        return result;
    table_publish(actor, record, OBJECT_LIST, 0, handle);
    made++;
    return TROUPE_OK;
}

static int record_destroy(struct actor *actor, uint64_t handle)
{
    struct record *record;
    int result = table_lock(actor, handle, OBJECT_LIST, &record);

    if (result == TROUPE_OK)
        table_retire(actor, record);
    made--;
    return result;
}

static const struct named plain = { OBJECT_LIST, "list", record_create, record_destroy };

static int contested_create(struct actor *actor, const void *options, uint64_t *handle)
{
    if (rival == 0)
        assert_int_equal(names_open(actor, &plain, options, NULL, &rival), TROUPE_OK);
    return record_create(actor, options, handle);
}

static const struct named contested = { OBJECT_LIST, "list", contested_create, record_destroy };

static void the_loser_of_a_race_gets_the_winners(void **state)
{
    static const char *const names[] = { "a", "b", "c", "d", "e", "f", "g", "h" };
    uint64_t here = solo_linked(&pair.solo), there = pair_linked_there(), handle;

    (void)state;
    made = 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        rival = 0;
        assert_int_equal(names_open(pair.solo.actor, &contested, names[i], names[i], &handle),
                         TROUPE_OK);
        assert_true(handle == rival);
        assert_int_equal(made, 1);
        assert_int_equal(record_destroy(pair.solo.actor, handle), TROUPE_OK);
        names_release(pair.solo.actor, handle);
    }
    assert_int_equal(solo_linked(&pair.solo), here);
    assert_int_equal(pair_linked_there(), there);
}

/* Its destroyer died before it released the name. */
static void a_stale_name_is_taken_over(void **state)
{
    static const char *const names[] = { "a", "b", "c", "d", "e", "f", "g", "h" };
    uint64_t here = solo_linked(&pair.solo), there = pair_linked_there(), old, fresh;

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        assert_int_equal(names_open(pair.solo.actor, &plain, names[i], NULL, &old), TROUPE_OK);
        assert_int_equal(record_destroy(pair.solo.actor, old), TROUPE_OK);
        assert_int_equal(names_open(pair.solo.actor, &plain, names[i], NULL, &fresh), TROUPE_OK);
        assert_true(fresh != old);
        names_release(pair.solo.actor, old);
        assert_int_equal(names_open(pair.solo.actor, &plain, names[i], NULL, &old), TROUPE_OK);
        assert_true(fresh == old);
        assert_int_equal(record_destroy(pair.solo.actor, fresh), TROUPE_OK);
        names_release(pair.solo.actor, fresh);
    }
    assert_int_equal(solo_linked(&pair.solo), here);
    assert_int_equal(pair_linked_there(), there);
}

/* Opened on one node, found and destroyed on the other. */
static void a_foreign_object_keeps_its_name(void **state)
{
    uint64_t here = solo_linked(&pair.solo), there = pair_linked_there(), handle, found;
    char name[32];

    (void)state;
    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof name, "far %d", i);
        pair_stand_on(1);
        assert_int_equal(names_open(&pair.far, &plain, name, NULL, &handle), TROUPE_OK);
        assert_int_equal(handle_node(handle), 1);
        pair_stand_on(0);
        assert_int_equal(names_open(pair.solo.actor, &plain, name, NULL, &found), TROUPE_OK);
        assert_true(found == handle);
        assert_int_equal(record_destroy(&pair.far, handle), TROUPE_OK);
        if (i % 2 == 0)
            names_release(pair.solo.actor, handle);
        assert_int_equal(names_open(pair.solo.actor, &plain, name, NULL, &found), TROUPE_OK);
        assert_int_equal(handle_node(found), 0);
        assert_int_equal(record_destroy(pair.solo.actor, found), TROUPE_OK);
        names_release(pair.solo.actor, found);
    }
    assert_int_equal(solo_linked(&pair.solo), here);
    assert_int_equal(pair_linked_there(), there);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_leads_to_one_dict),
        cmocka_unit_test(a_destroyed_name_is_free),
        cmocka_unit_test(names_have_limits),
        cmocka_unit_test(the_loser_of_a_race_gets_the_winners),
        cmocka_unit_test(a_stale_name_is_taken_over),
        cmocka_unit_test(a_foreign_object_keeps_its_name),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
