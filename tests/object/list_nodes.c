/* A list of another node: the same calls, which travel. */
#include "pair.h"

#include "../counts.h"
#include "list_play.h"
#include "list_sound.h"
#include "object/list.h"

static int begin(void **state)
{
    (void)state;
    pair_begin();
    list_register();
    return 0;
}

static int end(void **state)
{
    (void)state;
    pair_end();
    return 0;
}

static troupe_list make_there(void)
{
    troupe_list list;

    pair_stand_on(1);
    assert_int_equal(troupe_list_create(NULL, &list), TROUPE_OK);
    pair_stand_on(0);
    assert_int_equal(handle_node(list.id), 1);
    return list;
}

static void plays_by_the_reference(void **state)
{
    uint64_t here = solo_linked(&pair.solo), there;
    struct list_play play;
    troupe_list list = make_there();

    (void)state;
    there = pair_linked_there();
    assert_true(play_begin(&play, list, 1500, 88172645463325252u));
    assert_true(play_run(&play, test_count(60000, 1000000)));
    assert_true(pair.calls >= 60000);
    assert_int_equal(troupe_list_clear(list), TROUPE_OK);
    assert_in_range(pair_linked_there(), there, there + 64 * RECORD_BYTES); /* records of extends */
    assert_int_equal(solo_linked(&pair.solo), here);
    assert_int_equal(troupe_list_destroy(list), TROUPE_OK);
    assert_int_equal(troupe_list_append(list, troupe_text("x")), TROUPE_BAD_HANDLE);
    play_end(&play);
}

static void is_found_by_name(void **state)
{
    troupe_list list, same, other;
    char item[4];

    (void)state;
    pair_stand_on(1);
    assert_int_equal(troupe_list_open("results", NULL, &list), TROUPE_OK);
    pair_stand_on(0);
    assert_int_equal(troupe_list_open("results", NULL, &same), TROUPE_OK);
    assert_int_equal(list.id, same.id);
    assert_int_equal(troupe_list_append(same, troupe_text("x")), TROUPE_OK);
    assert_int_equal(troupe_list_get(list, -1, item, sizeof item, NULL), TROUPE_OK);
    assert_int_equal(troupe_list_destroy(same), TROUPE_OK);
    assert_int_equal(troupe_list_open("results", NULL, &other), TROUPE_OK);
    assert_int_not_equal(other.id, list.id);
    assert_int_equal(troupe_list_open("", NULL, &list), TROUPE_BAD_ARGUMENT);
    assert_int_equal(troupe_list_destroy(other), TROUPE_OK);
}

static void a_malformed_request_is_refused(void **state)
{
    uint64_t sizes[2] = { 8, 9 };
    struct request request = { .op = SERVICE_LIST_EXTEND, .data = sizes, .size = sizeof sizes };
    troupe_list list = make_there();
    struct answer answer;
    uint64_t items;

    (void)state;
    request.object = list.id;
    for (uint64_t count = 0; count < 4; count++) {
        request.words[0] = count == 3 ? UINT64_MAX / 4 : count;
        assert_int_equal(__wrap_service_call(pair.solo.actor, 1, &request, BELL_NO_WAIT, &answer),
                         count == 1 ? TROUPE_OK : TROUPE_MISMATCH);
    }
    assert_int_equal(troupe_list_size(list, &items), TROUPE_OK);
    assert_int_equal(items, 1);
    assert_int_equal(troupe_list_destroy(list), TROUPE_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plays_by_the_reference),
        cmocka_unit_test(is_found_by_name),
        cmocka_unit_test(a_malformed_request_is_refused),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
