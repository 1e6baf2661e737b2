/* Waiting for a key, by threads of one node: woken by its insertion, through growth, by the dict's
 * end, and by nothing else. */
#include "solo.h"

#include "base/clock.h"

#include <pthread.h>
#include <unistd.h>

#define ARENA_BYTES (32u << 20)
#define LONG_MS 60000 /* no wait that ends as it should takes this long */
enum { WAITERS = 8, ENTRIES = 5000 };

static struct solo solo;

struct waiter {
    pthread_t thread;
    troupe_dict dict;
    int key;
    int result;
    long timeout_ms;
};

static troupe_bytes key_of(const int *number)
{
    return troupe_bytes_of(number, sizeof *number);
}

static void *waiter_run(void *argument)
{
    struct waiter *waiter = argument;

    waiter->result = troupe_dict_wait(waiter->dict, key_of(&waiter->key), waiter->timeout_ms);
    return NULL;
}

static void waiters_start(struct waiter *waiters, troupe_dict dict, long timeout_ms)
{
    for (int i = 0; i < WAITERS; i++) {
        waiters[i] = (struct waiter){ .dict = dict, .key = -i - 1, .timeout_ms = timeout_ms };
        assert_int_equal(pthread_create(&waiters[i].thread, NULL, waiter_run, &waiters[i]), 0);
    }
}

static void waiters_end(struct waiter *waiters, int result)
{
    for (int i = 0; i < WAITERS; i++) {
        assert_int_equal(pthread_join(waiters[i].thread, NULL), 0);
        assert_int_equal(waiters[i].result, result);
    }
}

static troupe_dict make(void)
{
    troupe_dict dict;

    assert_int_equal(troupe_dict_create(NULL, &dict), TROUPE_OK);
    return dict;
}

/* Other keys come in the meantime, so that the dict grows and each stripe is rung for. */
static void a_key_wakes_who_waits_for_it(void **state)
{
    struct waiter waiters[WAITERS];
    troupe_dict dict = make();

    (void)state;
    waiters_start(waiters, dict, LONG_MS);
    for (int i = 0; i < ENTRIES; i++)
        assert_int_equal(troupe_dict_set(dict, key_of(&i), troupe_text("")), TROUPE_OK);
    for (int i = 0; i < WAITERS; i++)
        assert_int_equal(troupe_dict_add(dict, key_of(&waiters[i].key), 1, NULL), TROUPE_OK);
    waiters_end(waiters, TROUPE_OK);
    assert_int_equal(troupe_dict_destroy(dict), TROUPE_OK);
}

static void no_other_key_does(void **state)
{
    struct waiter waiters[WAITERS];
    troupe_dict dict = make();
    uint64_t began = clock_now();

    (void)state;
    waiters_start(waiters, dict, 100);
    for (int i = 0; i < ENTRIES; i++)
        assert_int_equal(troupe_dict_set(dict, key_of(&i), troupe_text("")), TROUPE_OK);
    waiters_end(waiters, TROUPE_TIMEOUT);
    assert_true(clock_now() - began >= 100 * 1000000);
    assert_int_equal(troupe_dict_destroy(dict), TROUPE_OK);
}

static void the_dicts_end_wakes_all(void **state)
{
    struct waiter waiters[WAITERS];
    uint64_t nothing = solo_linked(&solo);
    troupe_dict dict = make();

    (void)state;
    waiters_start(waiters, dict, LONG_MS);
    usleep(10000); /* some sleep by now; those who come later find no dict */
    assert_int_equal(troupe_dict_destroy(dict), TROUPE_OK);
    waiters_end(waiters, TROUPE_BAD_HANDLE);
    assert_int_equal(solo_linked(&solo), nothing);
}

/* The words that two threads write in turn, each waiting for the other's. */
struct turns {
    troupe_dict dict;
    int first;
};

static void *turns_run(void *argument)
{
    const struct turns *turns = argument;
    int *result = malloc(sizeof *result);

    *result = TROUPE_OK;
    for (int i = turns->first; *result == TROUPE_OK && i < ENTRIES; i += 2) {
        int before = i - 1;

        if (i > 0)
            *result = troupe_dict_wait(turns->dict, key_of(&before), LONG_MS);
        if (*result == TROUPE_OK)
            *result = troupe_dict_set(turns->dict, key_of(&i), troupe_text(""));
    }
    return result;
}

static void two_take_turns(void **state)
{
    troupe_dict dict = make();
    struct turns turns[2] = { { dict, 0 }, { dict, 1 } };
    pthread_t threads[2];

    (void)state;
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, turns_run, &turns[i]), 0);
    for (int i = 0; i < 2; i++) {
        void *result;

        assert_int_equal(pthread_join(threads[i], &result), 0);
        assert_int_equal(*(int *)result, TROUPE_OK);
        free(result);
    }
    assert_int_equal(troupe_dict_destroy(dict), TROUPE_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_wakes_who_waits_for_it),
        cmocka_unit_test(no_other_key_does),
        cmocka_unit_test(the_dicts_end_wakes_all),
        cmocka_unit_test(two_take_turns),
    };
    int failed;

    solo_begin(&solo, ARENA_BYTES);
    solo_warm();
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    solo_end(&solo);
    return failed;
}
