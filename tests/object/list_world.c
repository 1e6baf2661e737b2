/* Lists in a world of two nodes: each rank plays by the reference on a list of its own node and on
 * one of the parent's, and all append to one list, which shows each one's items in their order. */
#include "../counts.h"
#include "../world/harness.h"
#include "list_play.h"

enum { RANKS = 4, APPENDS = 500, MOST = 300 };

struct task {
    troupe_list common, lent;
    uint64_t number;
    long steps;
};

static bool plays(troupe_list list, const struct task *task, uint64_t seed)
{
    struct list_play play;
    bool fine = play_begin(&play, list, MOST, seed) && play_run(&play, task->steps);

    play_end(&play);
    return fine;
}

static int work(const void *argument, size_t bytes)
{
    const struct task *task = argument;
    troupe_list own;

    (void)bytes;
    for (uint64_t i = 0; i < APPENDS; i++) {
        uint64_t item = task->number << 32 | i;

        if (troupe_list_append(task->common, troupe_bytes_of(&item, sizeof item)) != TROUPE_OK)
            return 1;
    }
    if (!plays(task->lent, task, 977 + task->number) ||
        troupe_list_create(NULL, &own) != TROUPE_OK || !plays(own, task, 7919 + task->number))
        return 2;
    return troupe_list_destroy(own) == TROUPE_OK ? 0 : 3;
}

static void expect_orders(troupe_list common)
{
    uint64_t next[RANKS] = { 0 }, item;
    troupe_cursor cursor = { { 0 } };
    int items = 0;

    for (; troupe_list_next(common, &cursor, &item, sizeof item, NULL) == TROUPE_OK; items++) {
        assert_in_range(item >> 32, 0, RANKS - 1);
        assert_int_equal(item & UINT32_MAX, next[item >> 32]++);
    }
    assert_int_equal(items, RANKS * APPENDS);
}

static void ranks_share_lists(void **state)
{
    struct task task = { .steps = test_count(1500, 625000) };
    troupe_process crew[RANKS];
    troupe_list lent[RANKS];

    (void)state;
    assert_int_equal(troupe_list_open("common", NULL, &task.common), TROUPE_OK);
    for (int i = 0; i < RANKS; i++) {
        assert_int_equal(troupe_list_create(NULL, &lent[i]), TROUPE_OK);
        task.lent = lent[i];
        task.number = (uint64_t)i;
        crew[i] = harness_start_on(i, work, &task, sizeof task);
    }
    for (int i = 0; i < RANKS; i++) {
        harness_done(crew[i], 0);
        assert_int_equal(troupe_list_destroy(lent[i]), TROUPE_OK);
    }
    expect_orders(task.common);
    assert_int_equal(troupe_list_destroy(task.common), TROUPE_OK);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(ranks_share_lists) };

    if (troupe_init(&argc, &argv) != TROUPE_OK)
        return troupe_finalize(1);
    harness_watch((unsigned)test_count(100, 3000));
    return troupe_finalize(cmocka_run_group_tests(tests, NULL, NULL));
}
