/* A list that several threads, and several processes, work on at once: appends come in each one's
 * order, each item is popped once, readers see whole items, extends stay together, and a list that
 * ends under its users is gone for them. */
#include "solo.h"

#include "../counts.h"
#include "core/recover.h"
#include "list_sound.h"
#include "object/list.h"

#include <pthread.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WORKERS = 4, APPENDS = 5000, POPS = 4000, BATCH = 21, ENDINGS = 30, LETTERS = 26 };
#define ARENA_BYTES (128u << 20)

static struct solo solo;

static int begin(void **state)
{
    (void)state;
    solo_begin(&solo, ARENA_BYTES);
    list_register();
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
    troupe_list list;
    uint64_t number;
    pthread_t thread;
    _Atomic int *stop;
    uint64_t popped; /* the sum of the numbers, and how many */
    uint64_t pops;
    int faults;
};

static troupe_list workers_begin(struct worker *workers, void *(*work)(void *), _Atomic int *stop)
{
    troupe_list list;

    assert_int_equal(troupe_list_create(NULL, &list), TROUPE_OK);
    for (uint64_t i = 0; i < WORKERS; i++) {
        workers[i] = (struct worker){ .list = list, .number = i, .stop = stop };
        assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
    return list;
}

static void workers_end(struct worker *workers)
{
    for (int i = 0; i < WORKERS; i++) {
        pthread_join(workers[i].thread, NULL);
        assert_int_equal(workers[i].faults, 0);
    }
}

static void expect_sound(troupe_list list)
{
    struct list_reach reach = { 0 };
    struct record *record;

    assert_int_equal(table_find(solo.actor, list.id, OBJECT_LIST, &record), TROUPE_OK);
    assert_null(list_sound(&solo.actor->arena, record, &reach));
}

/* ---- appends ---------------------------------------------------------------------------- */

/* Items of 8 bytes in their cells and, every third, of 40 in blocks, which begin alike. */
static size_t item_make(uint64_t worker, uint64_t turn, uint64_t words[5])
{
    for (int i = 0; i < 5; i++)
        words[i] = worker << 32 | turn;
    return turn % 3 == 0 ? 5 * sizeof *words : sizeof *words;
}

/* Whether what was read is whole, and whose it is. */
static bool item_is_whole(const uint64_t words[5], size_t size, uint64_t *worker, uint64_t *turn)
{
    *worker = words[0] >> 32;
    *turn = words[0] & UINT32_MAX;
    if (*worker >= WORKERS || size != (*turn % 3 == 0 ? 5 : 1) * sizeof *words)
        return false;
    for (size_t i = 0; i < size / sizeof *words; i++)
        if (words[i] != words[0])
            return false;
    return true;
}

static void *append_all(void *context)
{
    struct worker *own = context;
    uint64_t words[5];

    for (uint64_t turn = 0; turn < APPENDS; turn++) {
        size_t size = item_make(own->number, turn, words);

        if (troupe_list_append(own->list, troupe_bytes_of(words, size)) != TROUPE_OK)
            own->faults++;
    }
    return NULL;
}

/* One walk from the front: each worker's turns come in order without a gap. */
static uint64_t walk(troupe_list list)
{
    troupe_cursor cursor = { { 0 } };
    uint64_t next[WORKERS] = { 0 }, words[5], worker, turn, items = 0;
    size_t size;

    while (troupe_list_next(list, &cursor, words, sizeof words, &size) == TROUPE_OK) {
        assert_true(item_is_whole(words, size, &worker, &turn));
        assert_int_equal(turn, next[worker]++);
        items++;
    }
    return items;
}

static void appends_are_linearisable(void **state)
{
    struct worker workers[WORKERS];
    troupe_list list = workers_begin(workers, append_all, NULL);
    uint64_t seen = 0, now;

    (void)state;
    do {
        now = walk(list);
        assert_true(now >= seen);
        seen = now;
    } while (now < (uint64_t)WORKERS * APPENDS);
    workers_end(workers);
    assert_int_equal(walk(list), (uint64_t)WORKERS * APPENDS);
    expect_sound(list);
    assert_int_equal(troupe_list_destroy(list), TROUPE_OK);
}

/* ---- changes everywhere ------------------------------------------------------------------ */

/* An item is one letter, as often as the letter's number says in words. */
static troupe_bytes letter_item(unsigned char *bytes, uint64_t random)
{
    unsigned char letter = (unsigned char)(random % LETTERS);

    memset(bytes, 'a' + letter, LETTERS * 8);
    return troupe_bytes_of(bytes, (size_t)letter * 8);
}

static bool letter_whole(const unsigned char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != 'a' + size / 8)
            return false;
    return size % 8 == 0 && size < LETTERS * 8;
}

static void *change_all(void *context)
{
    struct worker *own = context;
    uint64_t random = 88172645463325252u + own->number * 977;
    unsigned char bytes[LETTERS * 8];

    for (int i = 0; i < POPS; i++) {
        int64_t index = (int64_t)(solo_random(&random) >> 32) % 400;
        size_t size = 0;
        int result;

        switch (solo_random(&random) >> 33 & 3) {
        case 0:
            result = troupe_list_insert(own->list, index, letter_item(bytes, random >> 8));
            own->faults += result != TROUPE_OK;
            break;
        case 1:
            result = troupe_list_pop(own->list, index, bytes, sizeof bytes, &size);
            own->faults +=
                result == TROUPE_OK ? !letter_whole(bytes, size) : result != TROUPE_NOT_FOUND;
            break;
        case 2:
            result = troupe_list_set(own->list, index, letter_item(bytes, random >> 8));
            own->faults += result != TROUPE_OK && result != TROUPE_NOT_FOUND;
            break;
        default:
            result = troupe_list_get(own->list, -index - 1, bytes, sizeof bytes, &size);
            own->faults +=
                result == TROUPE_OK ? !letter_whole(bytes, size) : result != TROUPE_NOT_FOUND;
        }
    }
    return NULL;
}

static void changes_leave_it_whole(void **state)
{
    struct worker workers[WORKERS];
    uint64_t nothing = solo_linked(&solo);
    troupe_list list = workers_begin(workers, change_all, NULL);

    (void)state;
    workers_end(workers);
    expect_sound(list);
    assert_int_equal(troupe_list_destroy(list), TROUPE_OK);
    assert_int_equal(solo_linked(&solo), nothing);
}

/* ---- pops ------------------------------------------------------------------------------- */

/* Two workers append, two pop from the front and the back until all has come. */
static void *pass(void *context)
{
    struct worker *own = context;
    uint64_t words[5];
    size_t size;

    if (own->number % 2 == 0)
        return append_all(context);
    while (atomic_load(own->stop) < 2 * APPENDS) {
        int result =
            troupe_list_pop(own->list, own->number == 1 ? 0 : -1, words, sizeof words, &size);

        if (result == TROUPE_OK) {
            own->popped += words[0];
            own->pops++;
            atomic_fetch_add(own->stop, 1);
        } else if (result != TROUPE_NOT_FOUND)
            own->faults++;
    }
    return NULL;
}

static void each_item_is_popped_once(void **state)
{
    static _Atomic int popped;
    struct worker workers[WORKERS];
    troupe_list list = workers_begin(workers, pass, &popped);
    uint64_t sum = 0, wanted = 0, items;

    (void)state;
    workers_end(workers);
    for (uint64_t i = 0; i < WORKERS; i += 2)
        for (uint64_t turn = 0; turn < APPENDS; turn++)
            wanted += i << 32 | turn;
    for (int i = 0; i < WORKERS; i++)
        sum += workers[i].popped;
    assert_int_equal(sum, wanted);
    assert_int_equal(troupe_list_size(list, &items), TROUPE_OK);
    assert_int_equal(items, 0);
    expect_sound(list);
    assert_int_equal(troupe_list_destroy(list), TROUPE_OK);
}

/* ---- extends ---------------------------------------------------------------------------- */

static void *extend_all(void *context)
{
    struct worker *own = context;
    uint64_t words[BATCH];
    troupe_bytes items[BATCH];

    for (uint64_t turn = 0; turn < APPENDS / BATCH; turn++) {
        size_t count = 1 + turn % BATCH;

        for (uint64_t i = 0; i < count; i++) {
            words[i] = own->number << 48 | turn << 16 | i;
            items[i] = troupe_bytes_of(&words[i], sizeof words[i]);
        }
        if (troupe_list_extend(own->list, items, count) != TROUPE_OK)
            own->faults++;
    }
    return NULL;
}

/* Whether the items come in unbroken batches, up to a whole one at the end. */
static void expect_batches(troupe_list list)
{
    uint64_t word, first = 0, items, place = 0;

    assert_int_equal(troupe_list_size(list, &items), TROUPE_OK);
    while (place < items) {
        assert_int_equal(troupe_list_get(list, (int64_t)place, &first, sizeof first, NULL),
                         TROUPE_OK);
        assert_int_equal(first & 0xffff, 0);
        for (uint64_t i = 1; i < 1 + (first >> 16 & UINT32_MAX) % BATCH; i++) {
            assert_int_equal(troupe_list_get(list, (int64_t)(place + i), &word, sizeof word, NULL),
                             TROUPE_OK);
            assert_int_equal(word, first + i);
        }
        place += 1 + (first >> 16 & UINT32_MAX) % BATCH;
    }
    assert_int_equal(place, items);
}

static void extends_stay_together(void **state)
{
    struct worker workers[WORKERS];
    troupe_list list = workers_begin(workers, extend_all, NULL);

    (void)state;
    for (int looks = 0; looks < 5; looks++)
        expect_batches(list);
    workers_end(workers);
    expect_batches(list);
    expect_sound(list);
    assert_int_equal(troupe_list_destroy(list), TROUPE_OK);
}

/* ---- the end, under use ------------------------------------------------------------------ */

static void *use(void *context)
{
    struct worker *own = context;
    uint64_t words[5], worker, turn;
    int result = TROUPE_OK;

    for (uint64_t i = 0; result != TROUPE_BAD_HANDLE; i++) {
        size_t size = item_make(own->number, i, words);

        if (i % 3 != 2)
            result = troupe_list_append(own->list, troupe_bytes_of(words, size));
        else
            result = troupe_list_get(own->list, (int64_t)(i / 3), words, sizeof words, &size);
        if (i % 3 == 2 && result == TROUPE_OK && !item_is_whole(words, size, &worker, &turn))
            own->faults++;
        if (i % 500 == 499 && own->number == 0)
            result = troupe_list_clear(own->list);
        if (result != TROUPE_OK && result != TROUPE_BAD_HANDLE && result != TROUPE_NOT_FOUND)
            own->faults++;
    }
    return NULL;
}

static void ends_under_its_users(void **state)
{
    uint64_t nothing = solo_linked(&solo);

    (void)state;
    for (int i = 0; i < ENDINGS; i++) {
        struct worker workers[WORKERS];
        troupe_list list = workers_begin(workers, use, NULL);
        uint64_t items = 0;

        while (items < 50u * (unsigned)i)
            assert_int_equal(troupe_list_size(list, &items), TROUPE_OK);
        assert_int_equal(troupe_list_destroy(list), TROUPE_OK);
        workers_end(workers);
    }
    assert_int_equal(solo_linked(&solo), nothing);
}

/* ---- killed ----------------------------------------------------------------------------- */

/* Appends its numbers, extends and pops now and then, until it is killed. */
static void work_until_killed(troupe_list list, _Atomic uint64_t *acknowledged)
{
    troupe_bytes two[2];
    uint64_t words[5];
    size_t size;

    for (uint64_t turn = 0;; turn++) {
        size = item_make(1, turn, words);
        two[0] = two[1] = troupe_bytes_of(words, size);
        if (turn % 50 == 7)
            troupe_list_clear(list);
        if (turn % 5 == 4)
            troupe_list_pop(list, (int64_t)turn % 100, words, sizeof words, &size);
        if (turn % 7 == 0)
            troupe_list_extend(list, two, 2);
        else
            troupe_list_insert(list, -1, two[0]);
        atomic_store(acknowledged, turn + 1);
    }
}

static void killed(void **state)
{
    _Atomic uint64_t *shared =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    uint64_t nothing = solo_linked(&solo), random = 362436069;
    long rounds = test_count(25, 1000);
    troupe_list list;

    (void)state;
    assert_true(shared != MAP_FAILED);
    assert_int_equal(troupe_list_create(NULL, &list), TROUPE_OK);
    for (long round = 0; round < rounds; round++) {
        uint64_t wanted = solo_random(&random) % 400;
        pid_t pid;

        atomic_store(&shared[0], 0);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            struct actor *actor;

            if (solo_join_child(&actor) == TROUPE_OK) {
                atomic_store(&shared[1], actor->party);
                work_until_killed(list, &shared[0]);
            }
            _exit(0);
        }
        while (atomic_load(&shared[0]) < wanted)
            usleep(50);
        kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        slots_bury(&solo.actor->arena, (uint32_t)atomic_load(&shared[1]));
        recover_all(solo.actor);
        expect_sound(list);
        assert_int_equal(troupe_list_clear(list), TROUPE_OK);
    }
    assert_int_equal(troupe_list_destroy(list), TROUPE_OK);
    assert_int_equal(solo_linked(&solo), nothing);
    munmap(shared, 4096);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(appends_are_linearisable), cmocka_unit_test(changes_leave_it_whole),
        cmocka_unit_test(each_item_is_popped_once), cmocka_unit_test(extends_stay_together),
        cmocka_unit_test(ends_under_its_users),     cmocka_unit_test(killed),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
