/* A queue among threads over one mapping, for ThreadSanitizer: putters and getters of every kind at
 * once. Each message comes exactly once, and each getter sees those of one putter in order. */
#include "counts.h"
#include "solo.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

enum {
    ARENA_BYTES = 64 << 20,
    PUTTERS = 3,
    GETTERS = 3,
    MANY = 9,
    WORDS_MOST = 300, /* of a message: some lie in the ring, some in blocks */
    MESSAGE_BYTES = WORDS_MOST * sizeof(uint64_t)
};

static struct solo solo;
static long each; /* messages of a putter */

struct crowd {
    troupe_queue queue;
    _Atomic unsigned char *seen; /* [PUTTERS * each] */
    _Atomic int failures;
};

struct member {
    struct crowd *crowd;
    unsigned number;
    uint64_t random;
    int64_t last[PUTTERS]; /* what a getter saw of each putter */
    pthread_t thread;
};

/* putter, sequence, and the sequence again in every word behind. */
static size_t message_make(struct member *member, long sequence, uint64_t *words)
{
    size_t count = 2 + solo_random(&member->random) % (WORDS_MOST - 2);

    if (solo_random(&member->random) % 4 != 0)
        count = 2 + count % 12;
    words[0] = member->number;
    for (size_t i = 1; i < count; i++)
        words[i] = (uint64_t)sequence;
    return count * sizeof *words;
}

static void message_judge(struct member *member, const void *data, size_t size, bool in_order)
{
    uint64_t words[WORDS_MOST];
    bool good = size >= 2 * sizeof *words && size <= sizeof words;

    memcpy(words, data, good ? size : 0);
    good = good && words[0] < PUTTERS && words[1] < (uint64_t)each;
    for (size_t i = 2; good && i < size / sizeof *words; i++)
        good = words[i] == words[1];
    good = good && (!in_order || (int64_t)words[1] > member->last[words[0]]) &&
           atomic_fetch_add(&member->crowd->seen[words[0] * (uint64_t)each + words[1]], 1) == 0;
    if (good)
        member->last[words[0]] = (int64_t)words[1];
    else
        atomic_fetch_add(&member->crowd->failures, 1);
}

static long put_several(struct member *member, long sequence)
{
    static _Thread_local uint64_t words[MANY][WORDS_MOST];
    troupe_bytes messages[MANY];
    long count = each - sequence < MANY ? each - sequence : MANY;
    size_t done;

    for (long i = 0; i < count; i++)
        messages[i] = troupe_bytes_of(words[i], message_make(member, sequence + i, words[i]));
    if (troupe_queue_put_many(member->crowd->queue, messages, (size_t)count, &done,
                              TROUPE_FOREVER) != TROUPE_OK)
        atomic_fetch_add(&member->crowd->failures, 1);
    return count;
}

static void *putter(void *context)
{
    static _Thread_local uint64_t words[WORDS_MOST];
    struct member *member = context;
    long sequence = 0;

    while (sequence < each) {
        if (solo_random(&member->random) % 3 == 0) {
            sequence += put_several(member, sequence);
            continue;
        }
        if (troupe_queue_put(member->crowd->queue, words, message_make(member, sequence, words),
                             TROUPE_FOREVER) != TROUPE_OK)
            atomic_fetch_add(&member->crowd->failures, 1);
        sequence++;
    }
    return NULL;
}

static int get_one(struct member *member)
{
    static _Thread_local unsigned char message[MESSAGE_BYTES];
    size_t size;
    int result =
        troupe_queue_get(member->crowd->queue, message, sizeof message, &size, TROUPE_FOREVER);

    if (result == TROUPE_OK)
        message_judge(member, message, size, true);
    return result;
}

static int get_several(struct member *member)
{
    static _Thread_local unsigned char buffer[3 * MESSAGE_BYTES];
    troupe_bytes views[MANY];
    size_t count;
    int result = troupe_queue_get_many(member->crowd->queue, buffer, sizeof buffer, views, MANY,
                                       &count, TROUPE_FOREVER);

    for (size_t i = 0; result == TROUPE_OK && i < count; i++)
        message_judge(member, views[i].data, views[i].size, true);
    return result;
}

static int lease_one(struct member *member)
{
    static _Thread_local unsigned char message[MESSAGE_BYTES];
    troupe_lease lease;
    size_t size;
    int result = troupe_queue_lease(member->crowd->queue, message, sizeof message, &size, &lease,
                                    TROUPE_FOREVER);

    if (result != TROUPE_OK)
        return result;
    message_judge(member, message, size, true);
    return troupe_queue_done(member->crowd->queue, lease);
}

static void *getter(void *context)
{
    struct member *member = context;
    int result = TROUPE_OK;

    while (result == TROUPE_OK)
        switch (solo_random(&member->random) % 4) {
        case 0:
            result = get_several(member);
            break;
        case 1:
            result = lease_one(member);
            break;
        default:
            result = get_one(member);
        }
    if (result != TROUPE_CLOSED)
        atomic_fetch_add(&member->crowd->failures, 1);
    return NULL;
}

static void members_start(struct crowd *crowd, struct member *members, int count,
                          void *(*work)(void *))
{
    for (int i = 0; i < count; i++) {
        members[i] = (struct member){ .crowd = crowd, .number = (unsigned)i };
        members[i].random = (uint64_t)i * 77 + (work == getter ? 13 : 7);
        memset(members[i].last, 0xff, sizeof members[i].last);
        assert_int_equal(pthread_create(&members[i].thread, NULL, work, &members[i]), 0);
    }
}

static void members_join(struct member *members, int count)
{
    for (int i = 0; i < count; i++)
        assert_int_equal(pthread_join(members[i].thread, NULL), 0);
}

static void play(uint64_t max_messages, uint64_t max_bytes)
{
    troupe_queue_options options = { .max_messages = max_messages, .max_bytes = max_bytes };
    struct member putters[PUTTERS], getters[GETTERS];
    uint64_t before = solo_linked(&solo);
    struct crowd crowd = { .seen = calloc((size_t)(PUTTERS * each), 1) };

    assert_non_null(crowd.seen);
    assert_int_equal(troupe_queue_create(&options, &crowd.queue), TROUPE_OK);
    members_start(&crowd, getters, GETTERS, getter);
    members_start(&crowd, putters, PUTTERS, putter);
    members_join(putters, PUTTERS);
    assert_int_equal(troupe_queue_close(crowd.queue), TROUPE_OK);
    members_join(getters, GETTERS);
    assert_int_equal(crowd.failures, 0);
    for (long i = 0; i < PUTTERS * each; i++)
        assert_int_equal(crowd.seen[i], 1);
    assert_int_equal(troupe_queue_destroy(crowd.queue), TROUPE_OK);
    assert_int_equal(solo_linked(&solo), before);
    free((void *)crowd.seen);
}

static void test_unbounded(void **state)
{
    (void)state;
    play(0, 0);
}

static void test_one_message(void **state)
{
    (void)state;
    play(1, 0);
}

static void test_few_messages(void **state)
{
    (void)state;
    play(5, 0);
}

static void test_few_bytes(void **state)
{
    (void)state;
    play(0, MESSAGE_BYTES + 100);
}

static int begin(void **state)
{
    (void)state;
    each = test_count(3000, 200000);
    solo_begin(&solo, ARENA_BYTES);
    solo_warm();
    return 0;
}

static int end(void **state)
{
    (void)state;
    solo_end(&solo);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unbounded),
        cmocka_unit_test(test_one_message),
        cmocka_unit_test(test_few_messages),
        cmocka_unit_test(test_few_bytes),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
