/* Growth to many entries, walks while others insert, an end while others are at work. */
#include "solo.h"

#include <pthread.h>

enum { MANY = 200000, STEADY = 5000, COMING = 60000, USERS = 4, USED = 600, ENDINGS = 400 };
#define ARENA_BYTES (256u << 20)

static struct solo solo;

static int put(troupe_dict dict, uint64_t number)
{
    return troupe_dict_set(dict, troupe_bytes_of(&number, sizeof number),
                           troupe_bytes_of(&number, sizeof number));
}

static bool stands(troupe_dict dict, uint64_t number)
{
    uint64_t value = ~number;

    return troupe_dict_get(dict, troupe_bytes_of(&number, sizeof number), &value, sizeof value,
                           NULL) == TROUPE_OK &&
           value == number;
}

static void grows(void **state)
{
    troupe_dict dict;
    uint64_t entries;

    (void)state;
    assert_int_equal(troupe_dict_create(NULL, &dict), TROUPE_OK);
    for (uint64_t i = 0; i < MANY; i++) {
        assert_int_equal(put(dict, i), TROUPE_OK);
        if (i % 1000 == 0)
            for (uint64_t back = 0; back <= i; back += 997)
                assert_true(stands(dict, back));
    }
    for (uint64_t i = 0; i < MANY; i++)
        assert_true(stands(dict, i));
    for (uint64_t i = MANY; i < 2 * MANY; i++)
        assert_false(stands(dict, i));
    assert_int_equal(troupe_dict_size(dict, &entries), TROUPE_OK);
    assert_int_equal(entries, MANY);
    assert_int_equal(troupe_dict_destroy(dict), TROUPE_OK);
}

/* Inserts, replaces steady entries' values, and deletes entries of its own, until told to stop. */
struct churn {
    troupe_dict dict;
    _Atomic int faults;
};

static void *churn(void *context)
{
    struct churn *own = context;

    for (uint64_t i = STEADY; i < STEADY + COMING; i++) {
        uint64_t gone = i - STEADY / 2;

        if (put(own->dict, i) != TROUPE_OK || put(own->dict, i % STEADY) != TROUPE_OK)
            own->faults++;
        if (i % 3 == 0 && gone >= STEADY &&
            troupe_dict_delete(own->dict, troupe_bytes_of(&gone, sizeof gone)) != TROUPE_OK)
            own->faults++;
    }
    return NULL;
}

/* One walk: each steady entry once, each other at most once. */
static void walk_once(troupe_dict dict)
{
    static unsigned char shown[STEADY + COMING];
    troupe_cursor cursor = { { 0 } };
    uint64_t key, value;
    size_t key_size;

    memset(shown, 0, sizeof shown);
    while (troupe_dict_next(dict, &cursor, &key, sizeof key, &key_size, &value, sizeof value,
                            NULL) == TROUPE_OK) {
        assert_int_equal(key_size, sizeof key);
        assert_true(key < STEADY + COMING);
        assert_int_equal(key, value);
        assert_int_equal(shown[key]++, 0);
    }
    for (uint64_t i = 0; i < STEADY; i++)
        assert_int_equal(shown[i], 1);
}

static void walks_while_it_grows(void **state)
{
    struct churn own = { 0 };
    pthread_t thread;

    (void)state;
    assert_int_equal(troupe_dict_create(NULL, &own.dict), TROUPE_OK);
    for (uint64_t i = 0; i < STEADY; i++)
        assert_int_equal(put(own.dict, i), TROUPE_OK);
    assert_int_equal(pthread_create(&thread, NULL, churn, &own), 0);
    for (int walks = 0; walks < 10; walks++)
        walk_once(own.dict);
    pthread_join(thread, NULL);
    walk_once(own.dict);
    assert_int_equal(own.faults, 0);
    assert_int_equal(troupe_dict_destroy(own.dict), TROUPE_OK);
}

/* A user of one of the dicts that come and go; its values carry the dict's number. */
struct user {
    troupe_dict dict;
    uint64_t number;
    pthread_t thread;
    _Atomic int faults;
};

static int put_numbered(const struct user *user, uint64_t key)
{
    uint64_t value = user->number << 32 | key;

    return troupe_dict_set(user->dict, troupe_bytes_of(&key, sizeof key),
                           troupe_bytes_of(&value, sizeof value));
}

/* Uses the dict until it is gone: before that, each entry is there and is this dict's. */
static void *use(void *context)
{
    struct user *user = context;
    int result = TROUPE_OK;

    for (uint64_t i = 0; result != TROUPE_BAD_HANDLE; i++) {
        uint64_t key = i * 7 % USED, value = 0, entries;

        if (i % 5 == 0)
            result = put_numbered(user, key);
        else if (i % 64 == 1)
            result = troupe_dict_size(user->dict, &entries);
        else
            result = troupe_dict_get(user->dict, troupe_bytes_of(&key, sizeof key), &value,
                                     sizeof value, NULL);
        if (result != TROUPE_OK && result != TROUPE_BAD_HANDLE)
            user->faults++;
        if (result == TROUPE_OK && value != 0 && value != (user->number << 32 | key))
            user->faults++;
    }
    return NULL;
}

static void user_begin(struct user *user, uint64_t number)
{
    user->number = number;
    assert_int_equal(troupe_dict_create(NULL, &user->dict), TROUPE_OK);
    for (uint64_t key = 0; key < USED; key++)
        assert_int_equal(put_numbered(user, key), TROUPE_OK);
    assert_int_equal(pthread_create(&user->thread, NULL, use, user), 0);
}

/* Dicts end while others read and write them, and the next ones take their memory at once. */
static void ends_while_in_use(void **state)
{
    struct user users[USERS] = { 0 };
    uint64_t nothing;

    (void)state;
    solo_warm();
    nothing = solo_linked(&solo);
    for (uint64_t number = 1; number <= ENDINGS; number++) {
        struct user *user = &users[number % USERS];

        if (number > USERS) {
            pthread_join(user->thread, NULL);
            assert_int_equal(user->faults, 0);
        }
        user_begin(user, number);
        assert_int_equal(troupe_dict_destroy(user->dict), TROUPE_OK);
    }
    for (int i = 0; i < USERS; i++) {
        pthread_join(users[i].thread, NULL);
        assert_int_equal(users[i].faults, 0);
    }
    assert_int_equal(solo_linked(&solo), nothing);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grows),
        cmocka_unit_test(walks_while_it_grows),
        cmocka_unit_test(ends_while_in_use),
    };
    int failed;

    solo_begin(&solo, ARENA_BYTES);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    solo_end(&solo);
    return failed;
}
