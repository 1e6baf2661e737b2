/* Arrays that threads and processes use at once: no addition is lost, an array ends under its users
 * without a stray write, and users that are killed leave nothing behind. */
#include "solo.h"

#include "../counts.h"
#include "core/recover.h"
#include "object/array.h"

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WORKERS = 4, ADDITIONS = 20000, ENDINGS = 80, WORDS = 512 };
#define ARENA_BYTES (32u << 20)

static struct solo solo;

static int begin(void **state)
{
    (void)state;
    solo_begin(&solo, ARENA_BYTES);
    array_register();
    solo_warm();
    return 0;
}

static int end(void **state)
{
    (void)state;
    solo_end(&solo);
    return 0;
}

struct worker {
    troupe_array integers, doubles;
    pthread_t thread;
    int faults;
};

static void workers_run(struct worker *workers, void *(*work)(void *), void (*meanwhile)(void *),
                        void *context)
{
    for (int i = 0; i < WORKERS; i++)
        assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    if (meanwhile != NULL)
        meanwhile(context);
    for (int i = 0; i < WORKERS; i++) {
        pthread_join(workers[i].thread, NULL);
        assert_int_equal(workers[i].faults, 0);
    }
}

static troupe_array make(int type, uint64_t length)
{
    troupe_array_options options = { .type = type, .length = length };
    troupe_array array;

    assert_int_equal(troupe_array_create(&options, &array), TROUPE_OK);
    return array;
}

/* ---- additions --------------------------------------------------------------------------- */

/* One more by an addition, one more by comparing and setting, a half by an addition. */
static void *add_all(void *context)
{
    struct worker *own = context;

    for (int i = 0; i < ADDITIONS; i++) {
        int64_t seen = 0, next;

        own->faults += troupe_array_add(own->integers, 0, 1, NULL) != TROUPE_OK;
        own->faults += troupe_array_add_double(own->doubles, 1, 0.5, NULL) != TROUPE_OK;
        do {
            own->faults += troupe_array_get(own->integers, 1, &seen, sizeof seen) != TROUPE_OK;
            next = seen + 1;
        } while (troupe_array_compare_and_set(own->integers, 1, &seen, &next, sizeof seen) ==
                 TROUPE_DIFFERS);
    }
    return NULL;
}

static void no_addition_is_lost(void **state)
{
    struct worker workers[WORKERS];
    troupe_array integers = make(TROUPE_INT64, 2), doubles = make(TROUPE_DOUBLE, 2);
    int64_t counts[2];
    double sums[2];

    (void)state;
    for (int i = 0; i < WORKERS; i++)
        workers[i] = (struct worker){ .integers = integers, .doubles = doubles };
    workers_run(workers, add_all, NULL, NULL);
    assert_int_equal(troupe_array_get(integers, 0, counts, sizeof counts), TROUPE_OK);
    assert_int_equal(troupe_array_get(doubles, 0, sums, sizeof sums), TROUPE_OK);
    assert_int_equal(counts[0], WORKERS * ADDITIONS);
    assert_int_equal(counts[1], WORKERS * ADDITIONS);
    assert_true(sums[0] == 0.0 && sums[1] == WORKERS * ADDITIONS * 0.5);
    assert_int_equal(troupe_array_destroy(integers), TROUPE_OK);
    assert_int_equal(troupe_array_destroy(doubles), TROUPE_OK);
}

/* ---- the end, under use ------------------------------------------------------------------- */

/* Fills the array with ones, adds to it, and reads it, until it is gone. */
static void *use(void *context)
{
    struct worker *own = context;
    int64_t words[WORDS];
    int result = TROUPE_OK;

    for (int i = 0; i < WORDS; i++)
        words[i] = 1;
    for (uint64_t i = 0; result != TROUPE_BAD_HANDLE; i++) {
        if (i % 3 == 0)
            result = troupe_array_set(own->integers, 0, words, sizeof words);
        else if (i % 3 == 1)
            result = troupe_array_add(own->integers, i % WORDS, 1, NULL);
        else
            result = troupe_array_get(own->integers, 0, words, sizeof words);
        own->faults += result != TROUPE_OK && result != TROUPE_BAD_HANDLE;
    }
    return NULL;
}

/* Ends the array, and has its memory filled with zeros at once: they stay zeros. */
static void end_and_watch(void *context)
{
    troupe_array array = *(troupe_array *)context, next;
    int64_t words[WORDS], sum = 0;

    while (sum < 100)
        assert_int_equal(troupe_array_add(array, 0, 0, &sum) == TROUPE_OK
                             ? troupe_array_add(array, 0, 1, &sum)
                             : TROUPE_SYSTEM,
                         TROUPE_OK);
    assert_int_equal(troupe_array_destroy(array), TROUPE_OK);
    next = make(TROUPE_INT64, WORDS);
    for (int looks = 0; looks < 20; looks++) {
        assert_int_equal(troupe_array_get(next, 0, words, sizeof words), TROUPE_OK);
        for (int i = 0; i < WORDS; i++)
            assert_int_equal(words[i], 0);
    }
    assert_int_equal(troupe_array_destroy(next), TROUPE_OK);
}

static void ends_under_its_users(void **state)
{
    uint64_t nothing = solo_linked(&solo);

    (void)state;
    for (int i = 0; i < ENDINGS; i++) {
        struct worker workers[WORKERS];
        troupe_array array = make(TROUPE_INT64, WORDS);

        for (int at = 0; at < WORKERS; at++)
            workers[at] = (struct worker){ .integers = array };
        workers_run(workers, use, end_and_watch, &array);
    }
    assert_int_equal(solo_linked(&solo), nothing);
}

/* ---- killed ------------------------------------------------------------------------------- */

static void use_until_killed(troupe_array shared, _Atomic uint64_t *acknowledged)
{
    for (uint64_t turn = 0;; turn++) {
        troupe_array own = make(TROUPE_BYTE, 100 + turn % 7 * 20000);

        troupe_array_add(shared, 0, 1, NULL);
        troupe_array_set(own, 1, "bytes", 5);
        troupe_array_destroy(own);
        atomic_store(acknowledged, turn + 1);
    }
}

static uint32_t party_in(troupe_array array)
{
    int64_t party = 0;

    assert_int_equal(troupe_array_get(array, 0, &party, sizeof party), TROUPE_OK);
    return (uint32_t)party;
}

/* A process that dies with the array's lock leaves it to the next, who is told. */
static void lock_of_the_dead(void **state)
{
    troupe_array array = make(TROUPE_INT64, 2);
    troupe_lock lock;
    int status;
    pid_t pid;

    (void)state;
    assert_int_equal(troupe_array_get_lock(array, &lock), TROUPE_OK);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct actor *actor;

        if (solo_join_child(&actor) == TROUPE_OK &&
            troupe_lock_acquire(lock, TROUPE_NO_WAIT) == TROUPE_OK)
            troupe_array_add(array, 0, actor->party, NULL);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(troupe_lock_acquire(lock, TROUPE_NO_WAIT), TROUPE_TIMEOUT);
    assert_int_equal(slots_bury(&solo.actor->arena, party_in(array)), 1);
    recover_all(solo.actor);
    assert_int_equal(troupe_lock_acquire(lock, TROUPE_NO_WAIT), TROUPE_OWNER_DIED);
    assert_int_equal(troupe_lock_release(lock), TROUPE_OK);
    assert_int_equal(troupe_lock_acquire(lock, TROUPE_NO_WAIT), TROUPE_OK);
    assert_int_equal(troupe_lock_release(lock), TROUPE_OK);
    assert_int_equal(troupe_array_destroy(array), TROUPE_OK);
}

/* What a killed process had made and not told of stays: at most one array a round. So the shared
 * one alone is counted, and that it can be ended. */
static void killed(void **state)
{
    _Atomic uint64_t *told =
        mmap(NULL, ARENA_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    uint64_t random = 362436069, least = 0;
    long rounds = test_count(30, 1000);
    troupe_array shared = make(TROUPE_INT64, 1);
    int64_t sum = 0;

    (void)state;
    assert_true(told != MAP_FAILED);
    for (long round = 0; round < rounds; round++) {
        uint64_t wanted = 1 + solo_random(&random) % 300;
        pid_t pid;

        atomic_store(&told[0], 0);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            struct actor *actor;

            if (solo_join_child(&actor) == TROUPE_OK) {
                atomic_store(&told[1], actor->party);
                use_until_killed(shared, &told[0]);
            }
            _exit(0);
        }
        while (atomic_load(&told[0]) < wanted)
            usleep(50);
        kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        slots_bury(&solo.actor->arena, (uint32_t)atomic_load(&told[1]));
        recover_all(solo.actor);
        least += atomic_load(&told[0]);
        assert_int_equal(troupe_array_get(shared, 0, &sum, sizeof sum), TROUPE_OK);
        assert_in_range(sum, least, least + (uint64_t)round + 1);
        least = (uint64_t)sum;
    }
    assert_int_equal(troupe_array_destroy(shared), TROUPE_OK);
    assert_int_equal(troupe_array_get(shared, 0, &sum, sizeof sum), TROUPE_BAD_HANDLE);
    munmap(told, ARENA_PAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_addition_is_lost),
        cmocka_unit_test(ends_under_its_users),
        cmocka_unit_test(lock_of_the_dead),
        cmocka_unit_test(killed),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
