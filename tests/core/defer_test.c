/* When an answer waits for its reader's next request. The times are made up. */
#include "sandbox.h"

#include "core/defer.h"

#define SOON 1000u
#define LATE 1000000u

enum { RANK = 3, OTHER = 4, ENOUGH = 8, MANY = 10000 };

/* Answers, and a request to the same rank after a while; returns whether they were held. */
static bool exchange(struct defer *defer, uint64_t *now, uint64_t pause)
{
    bool held = defer_answers(defer, RANK, *now);

    *now += pause;
    defer_request(defer, RANK, held, *now);
    return held;
}

static int held_after(struct defer *defer, uint64_t *now)
{
    int count = 0;

    while (!exchange(defer, now, SOON) && count < MANY)
        count++;
    return count;
}

static void held_once_requests_follow(void **state)
{
    struct defer defer;
    uint64_t now = LATE;

    (void)state;
    defer_begin(&defer);
    assert_int_equal(held_after(&defer, &now), ENOUGH);
    for (int i = 0; i < MANY; i++)
        assert_true(exchange(&defer, &now, LATE)); /* what travelled along was worth it */
}

static void never_held_for_who_computes(void **state)
{
    struct defer defer;
    uint64_t now = LATE;

    (void)state;
    defer_begin(&defer);
    for (int i = 0; i < MANY; i++)
        assert_false(exchange(&defer, &now, i % ENOUGH == 0 ? LATE : SOON));
    for (int i = 0; i < MANY; i++)
        assert_false(defer_answers(&defer, RANK, now)); /* nothing is asked at all */
    for (int i = 0; i < MANY; i++) {
        assert_false(defer_answers(&defer, RANK, now));
        defer_request(&defer, OTHER, false, now);
    }
}

static void each_error_costs_twice_as_many(void **state)
{
    struct defer defer;
    uint64_t now = LATE;
    int needed = ENOUGH;

    (void)state;
    defer_begin(&defer);
    for (int error = 0; error < 4; error++, needed *= 2) {
        assert_int_equal(held_after(&defer, &now), needed);
        needed--; /* the one that was held and met its request */
        assert_true(defer_answers(&defer, RANK, now));
        needed += error == 0; /* it is never below the least */
        defer_request(&defer, RANK, false, now);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(held_once_requests_follow),
        cmocka_unit_test(never_held_for_who_computes),
        cmocka_unit_test(each_error_costs_twice_as_many),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
