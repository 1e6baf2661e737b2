/* Queues in one process: every call, every size, limits by count, by bytes and by the arena, with
 * timeouts on each call; leases; and what a queue leaves behind. */
#include "counts.h"
#include "solo.h"

#include "base/clock.h"
#include "core/heap.h"
#include "core/party.h"
#include "object/queue_local.h"
#include "object/queue_ring.h"

#include <stdio.h>
#include <string.h>

enum { ARENA_BYTES = 64 << 20, SHORT_MS = 30, LARGEST = 1 << 20 };

static struct solo solo;

static int begin(void **state)
{
    (void)state;
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

static troupe_queue make(uint64_t max_messages, uint64_t max_bytes)
{
    troupe_queue_options options = { .max_messages = max_messages, .max_bytes = max_bytes };
    troupe_queue queue;

    assert_int_equal(troupe_queue_create(&options, &queue), TROUPE_OK);
    return queue;
}

static void destroy(troupe_queue queue)
{
    assert_int_equal(troupe_queue_destroy(queue), TROUPE_OK);
}

/* A message that tells its number and size by each byte. */
static void fill(unsigned char *message, size_t size, unsigned number)
{
    for (size_t i = 0; i < size; i++)
        message[i] = (unsigned char)(number * 31 + i * 7 + size);
}

static bool is_filled(const unsigned char *message, size_t size, unsigned number)
{
    for (size_t i = 0; i < size; i++)
        if (message[i] != (unsigned char)(number * 31 + i * 7 + size))
            return false;
    return true;
}

/* Sizes around every boundary: a word, a line, the ring's largest, a segment, a span, a run. */
static size_t size_of(unsigned number)
{
    static const size_t sizes[] = { 0,
                                    1,
                                    7,
                                    8,
                                    9,
                                    63,
                                    64,
                                    65,
                                    QUEUE_INLINE_MOST - 1,
                                    QUEUE_INLINE_MOST,
                                    QUEUE_INLINE_MOST + 1,
                                    SEGMENT_BYTES,
                                    SPAN_BYTES - 1,
                                    SPAN_BYTES + 1,
                                    LARGEST };

    return sizes[number % (sizeof sizes / sizeof *sizes)];
}

static void put(troupe_queue queue, unsigned number)
{
    static unsigned char message[LARGEST];

    fill(message, size_of(number), number);
    assert_int_equal(troupe_queue_put(queue, message, size_of(number), TROUPE_NO_WAIT), TROUPE_OK);
}

static void get(troupe_queue queue, unsigned number)
{
    static unsigned char message[LARGEST];
    size_t size;

    assert_int_equal(troupe_queue_get(queue, message, sizeof message, &size, TROUPE_NO_WAIT),
                     TROUPE_OK);
    assert_int_equal(size, size_of(number));
    assert_true(is_filled(message, size, number));
}

static void test_sizes_in_order(void **state)
{
    troupe_queue queue = make(0, 0);
    uint64_t before = solo_linked(&solo), messages;
    unsigned in = 0, out = 0;

    (void)state;
    for (unsigned round = 1; round < 30; round++) {
        for (unsigned i = 0; i < round; i++)
            put(queue, in++);
        assert_int_equal(troupe_queue_size(queue, &messages), TROUPE_OK);
        assert_int_equal(messages, in - out);
        for (unsigned i = 0; i < (round + 1) / 2; i++)
            get(queue, out++);
    }
    while (out < in)
        get(queue, out++);
    assert_in_range(solo_linked(&solo) - before, 1, SEGMENT_BYTES);
    destroy(queue);
}

static void test_empty_full_size(void **state)
{
    troupe_queue queue = make(1, 0);
    int is_empty, is_full;

    (void)state;
    assert_int_equal(troupe_queue_empty(queue, &is_empty), TROUPE_OK);
    assert_int_equal(troupe_queue_full(queue, &is_full), TROUPE_OK);
    assert_true(is_empty && !is_full);
    put(queue, 3);
    assert_int_equal(troupe_queue_empty(queue, &is_empty), TROUPE_OK);
    assert_int_equal(troupe_queue_full(queue, &is_full), TROUPE_OK);
    assert_true(!is_empty && is_full);
    destroy(queue);
}

static void test_too_long_stays(void **state)
{
    static unsigned char small[QUEUE_INLINE_MOST];
    troupe_queue queue = make(0, 100000);
    troupe_bytes view;
    troupe_lease lease;
    size_t size = 0, count;

    (void)state;
    for (unsigned number = 7; number < 12; number += 4) { /* in the ring, and in a block */
        put(queue, number);
        assert_int_equal(troupe_queue_get(queue, small, 5, &size, TROUPE_FOREVER), TROUPE_TOO_LONG);
        assert_int_equal(size, size_of(number));
        assert_int_equal(troupe_queue_get_many(queue, small, 5, &view, 1, &count, TROUPE_FOREVER),
                         TROUPE_TOO_LONG);
        assert_int_equal(view.size, size_of(number));
        size = 0;
        assert_int_equal(troupe_queue_lease(queue, small, 5, &size, &lease, TROUPE_FOREVER),
                         TROUPE_TOO_LONG);
        assert_int_equal(size, size_of(number));
        get(queue, number);
    }
    assert_int_equal(troupe_queue_put(queue, small, 100001, TROUPE_FOREVER), TROUPE_TOO_LONG);
    assert_int_equal(troupe_queue_put(queue, small, (size_t)1 << 40, TROUPE_FOREVER),
                     TROUPE_TOO_LONG);
    destroy(queue);
}

static void test_get_alloc(void **state)
{
    troupe_queue queue = make(0, 0);
    unsigned char *message;
    void *taken;
    size_t size;

    (void)state;
    for (unsigned number = 0; number < 15; number++) {
        put(queue, number);
        assert_int_equal(troupe_queue_get_alloc(queue, &taken, &size, TROUPE_FOREVER), TROUPE_OK);
        message = taken;
        assert_non_null(message);
        assert_int_equal(size, size_of(number));
        assert_true(is_filled(message, size, number));
        free(message);
    }
    assert_int_equal(troupe_queue_get_alloc(queue, &taken, &size, TROUPE_NO_WAIT), TROUPE_EMPTY);
    destroy(queue);
}

/* Several at a time, of mixed sizes, through a buffer that seldom holds all. */
static void test_many(void **state)
{
    enum { MANY = 300, BUFFER = 300000 };
    static unsigned char bytes[MANY][QUEUE_INLINE_MOST * 2];
    static unsigned char buffer[BUFFER];
    troupe_queue queue = make(0, 0);
    troupe_bytes messages[MANY], views[MANY];
    unsigned out = 0;
    size_t done, count;

    (void)state;
    for (unsigned i = 0; i < MANY; i++) {
        size_t size = i % 50 == 49 ? QUEUE_INLINE_MOST + i : i % 200;

        fill(bytes[i], size, i);
        messages[i] = troupe_bytes_of(bytes[i], size);
    }
    assert_int_equal(troupe_queue_put_many(queue, messages, MANY, &done, TROUPE_NO_WAIT),
                     TROUPE_OK);
    assert_int_equal(done, MANY);
    while (out < MANY) {
        assert_int_equal(troupe_queue_get_many(queue, buffer, 20000, views, 1 + out % 70, &count,
                                               TROUPE_NO_WAIT),
                         TROUPE_OK);
        assert_in_range(count, 1, 1 + out % 70);
        for (size_t i = 0; i < count; i++, out++) {
            assert_int_equal(views[i].size, messages[out].size);
            assert_int_equal((uintptr_t)views[i].data % 8, 0);
            assert_true(is_filled(views[i].data, views[i].size, out));
        }
    }
    assert_int_equal(troupe_queue_get_many(queue, buffer, BUFFER, views, MANY, &count, SHORT_MS),
                     TROUPE_EMPTY);
    assert_int_equal(troupe_queue_put_many(queue, NULL, 0, &done, TROUPE_NO_WAIT), TROUPE_OK);
    assert_int_equal(done, 0);
    destroy(queue);
}

/* ---- limits ----------------------------------------------------------------------------- */

/* A wait that ends with a result, not before its time; how much later is the machine's affair. */
#define assert_waits(call, result)                                                                 \
    do {                                                                                           \
        uint64_t begun = clock_now();                                                              \
        assert_int_equal(call, result);                                                            \
        assert_true(clock_now() - begun >= SHORT_MS * 1000000ull);                                 \
    } while (0)

static void test_full_by_count(void **state)
{
    troupe_queue queue = make(3, 0);
    troupe_bytes messages[5];
    size_t done;

    (void)state;
    for (int i = 0; i < 5; i++)
        messages[i] = troupe_bytes_of("12345", (size_t)i);
    for (int round = 0; round < 100; round++) {
        assert_int_equal(troupe_queue_put_many(queue, messages, 5, &done, TROUPE_NO_WAIT),
                         TROUPE_FULL);
        assert_int_equal(done, 3);
        assert_int_equal(troupe_queue_put(queue, "", 0, TROUPE_NO_WAIT), TROUPE_FULL);
        for (int i = 0; i < 3; i++)
            assert_int_equal(troupe_queue_get(queue, &(char[8]){ 0 }, 8, &done, TROUPE_NO_WAIT),
                             TROUPE_OK);
    }
    for (unsigned i = 0; i < 3; i++)
        put(queue, i);
    assert_waits(troupe_queue_put(queue, "", 0, SHORT_MS), TROUPE_FULL);
    assert_waits(troupe_queue_put_many(queue, messages, 5, &done, SHORT_MS), TROUPE_FULL);
    assert_int_equal(done, 0);
    destroy(queue);
}

static void test_full_by_bytes(void **state)
{
    troupe_queue queue = make(0, 100);
    char text[100] = "";
    size_t size;

    (void)state;
    assert_int_equal(troupe_queue_put(queue, text, 60, TROUPE_NO_WAIT), TROUPE_OK);
    assert_int_equal(troupe_queue_put(queue, text, 41, TROUPE_NO_WAIT), TROUPE_FULL);
    assert_waits(troupe_queue_put(queue, text, 41, SHORT_MS), TROUPE_FULL);
    assert_int_equal(troupe_queue_put(queue, text, 40, TROUPE_NO_WAIT), TROUPE_OK);
    assert_int_equal(troupe_queue_put(queue, text, 0, TROUPE_NO_WAIT), TROUPE_OK);
    assert_int_equal(troupe_queue_put(queue, text, 1, TROUPE_NO_WAIT), TROUPE_FULL);
    assert_int_equal(troupe_queue_get(queue, text, sizeof text, &size, TROUPE_NO_WAIT), TROUPE_OK);
    assert_int_equal(troupe_queue_put(queue, text, 61, TROUPE_NO_WAIT), TROUPE_FULL);
    assert_int_equal(troupe_queue_put(queue, text, 60, TROUPE_NO_WAIT), TROUPE_OK);
    destroy(queue);
}

/* The arena fills up by small messages, and by large ones; what was put comes out, and after the
 * end all memory is back. */
static void test_full_by_arena(void **state)
{
    static const size_t sizes[] = { 64, 5000, LARGEST };
    static unsigned char message[LARGEST];
    uint64_t before = solo_linked(&solo);

    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        troupe_queue queue = make(0, 0);
        unsigned in = 0;
        size_t size;

        do
            fill(message, sizes[i], in);
        while (troupe_queue_put(queue, message, sizes[i], TROUPE_NO_WAIT) == TROUPE_OK && ++in);
        assert_in_range(in, 1, ARENA_BYTES / sizes[i]);
        assert_waits(troupe_queue_put(queue, message, sizes[i], SHORT_MS), TROUPE_FULL);
        for (unsigned out = 0; out < in; out++) {
            assert_int_equal(troupe_queue_get(queue, message, LARGEST, &size, TROUPE_NO_WAIT),
                             TROUPE_OK);
            assert_true(size == sizes[i] && is_filled(message, size, out));
        }
        assert_int_equal(troupe_queue_put(queue, message, sizes[i], TROUPE_NO_WAIT), TROUPE_OK);
        destroy(queue);
        assert_int_equal(solo_linked(&solo), before);
    }
}

static void test_waits_for_messages(void **state)
{
    troupe_queue queue = make(0, 0);
    char text[8];
    troupe_bytes view;
    troupe_lease lease;
    void *message;
    size_t size;

    (void)state;
    assert_waits(troupe_queue_get(queue, text, 8, &size, SHORT_MS), TROUPE_EMPTY);
    assert_waits(troupe_queue_get_alloc(queue, &message, &size, SHORT_MS), TROUPE_EMPTY);
    assert_waits(troupe_queue_get_many(queue, text, 8, &view, 1, &size, SHORT_MS), TROUPE_EMPTY);
    assert_waits(troupe_queue_lease(queue, text, 8, &size, &lease, SHORT_MS), TROUPE_EMPTY);
    put(queue, 1);
    assert_waits(troupe_queue_join(queue, SHORT_MS), TROUPE_TIMEOUT);
    destroy(queue);
}

/* ---- leases ----------------------------------------------------------------------------- */

static troupe_lease lease_one(troupe_queue queue, unsigned number, unsigned attempt)
{
    static unsigned char message[LARGEST];
    troupe_lease lease;
    size_t size;

    assert_int_equal(
        troupe_queue_lease(queue, message, sizeof message, &size, &lease, TROUPE_NO_WAIT),
        TROUPE_OK);
    assert_int_equal(size, size_of(number));
    assert_true(is_filled(message, size, number));
    assert_int_equal(lease.attempt, attempt);
    return lease;
}

/* As if the calling process had ended. */
static void come_back(troupe_queue queue)
{
    struct record *record;

    assert_int_equal(table_find(solo.actor, queue.id, OBJECT_QUEUE, &record), TROUPE_OK);
    queue_return(solo.actor, record, party_of(solo.actor));
}

static void test_leases(void **state)
{
    troupe_queue queue = make(0, 0);
    uint64_t before = solo_linked(&solo), messages;
    troupe_lease leases[15];

    (void)state;
    for (unsigned i = 0; i < 15; i++)
        put(queue, i);
    for (unsigned i = 0; i < 15; i++)
        leases[i] = lease_one(queue, i, 1);
    assert_int_equal(troupe_queue_size(queue, &messages), TROUPE_OK);
    assert_int_equal(messages, 0);
    assert_int_equal(troupe_queue_join(queue, TROUPE_NO_WAIT), TROUPE_TIMEOUT);
    for (unsigned i = 0; i < 15; i += 2)
        assert_int_equal(troupe_queue_done(queue, leases[i]), TROUPE_OK);
    assert_int_equal(troupe_queue_done(queue, leases[0]), TROUPE_NOT_FOUND);
    put(queue, 20);
    come_back(queue);
    assert_int_equal(troupe_queue_done(queue, leases[1]), TROUPE_NOT_FOUND);
    assert_int_equal(troupe_queue_size(queue, &messages), TROUPE_OK);
    assert_int_equal(messages, 8);
    for (unsigned i = 1; i < 13; i += 2) /* in their order, before what came later */
        assert_int_equal(troupe_queue_done(queue, lease_one(queue, i, 2)), TROUPE_OK);
    lease_one(queue, 13, 2);
    come_back(queue);
    get(queue, 13);
    get(queue, 20);
    assert_int_equal(troupe_queue_join(queue, TROUPE_NO_WAIT), TROUPE_OK);
    assert_in_range(solo_linked(&solo) - before, 0, SEGMENT_BYTES);
    destroy(queue);
}

/* A closed queue is drained when nothing can come back from others. */
static void test_closed_with_leases(void **state)
{
    troupe_queue queue = make(0, 0);
    struct queue_lease other = {
        .get = { .handle = queue.id, .buffer = &(char[8]){ 0 }, .capacity = 8, .holder = 12345 }
    };
    troupe_lease lease;
    char text[8];
    size_t size;

    (void)state;
    put(queue, 1);
    put(queue, 2);
    lease = lease_one(queue, 1, 1);
    assert_int_equal(queue_lease_try(solo.actor, &other), TROUPE_OK);
    assert_int_equal(troupe_queue_close(queue), TROUPE_OK);
    assert_int_equal(troupe_queue_put(queue, text, 1, TROUPE_FOREVER), TROUPE_CLOSED);
    assert_waits(troupe_queue_get(queue, text, 8, &size, SHORT_MS), TROUPE_EMPTY);
    assert_int_equal(queue_done(solo.actor, queue.id, other.ticket, 1), TROUPE_NOT_FOUND);
    assert_int_equal(queue_done(solo.actor, queue.id, other.ticket, 12345), TROUPE_OK);
    assert_int_equal(troupe_queue_get(queue, text, 8, &size, TROUPE_FOREVER), TROUPE_CLOSED);
    assert_int_equal(troupe_queue_done(queue, lease), TROUPE_OK);
    assert_int_equal(troupe_queue_join(queue, TROUPE_FOREVER), TROUPE_OK);
    destroy(queue);
}

/* ---- ends ------------------------------------------------------------------------------- */

static void test_destroyed(void **state)
{
    troupe_queue queue = make(0, 0);
    uint64_t before = solo_linked(&solo), messages;
    troupe_lease lease;
    char text[8];
    int flag;

    (void)state;
    for (unsigned i = 0; i < 40; i++)
        put(queue, i % 14);
    lease = lease_one(queue, 0, 1);
    lease_one(queue, 1, 1);
    come_back(queue);
    lease = lease_one(queue, 0, 2);
    destroy(queue);
    assert_int_equal(solo_linked(&solo), before);
    assert_int_equal(troupe_queue_destroy(queue), TROUPE_BAD_HANDLE);
    assert_int_equal(troupe_queue_close(queue), TROUPE_BAD_HANDLE);
    assert_int_equal(troupe_queue_put(queue, text, 1, TROUPE_FOREVER), TROUPE_BAD_HANDLE);
    assert_int_equal(troupe_queue_get(queue, text, 8, NULL, TROUPE_FOREVER), TROUPE_BAD_HANDLE);
    assert_int_equal(troupe_queue_done(queue, lease), TROUPE_BAD_HANDLE);
    assert_int_equal(troupe_queue_join(queue, TROUPE_FOREVER), TROUPE_BAD_HANDLE);
    assert_int_equal(troupe_queue_size(queue, &messages), TROUPE_BAD_HANDLE);
    assert_int_equal(troupe_queue_full(queue, &flag), TROUPE_BAD_HANDLE);
}

static void test_bad_arguments(void **state)
{
    troupe_queue queue = make(0, 0);
    troupe_bytes none = { NULL, 5 };
    char text[8];
    size_t count;

    (void)state;
    assert_int_equal(troupe_queue_put(queue, NULL, 1, TROUPE_NO_WAIT), TROUPE_BAD_ARGUMENT);
    assert_int_equal(troupe_queue_get(queue, NULL, 1, NULL, TROUPE_NO_WAIT), TROUPE_BAD_ARGUMENT);
    assert_int_equal(troupe_queue_put_many(queue, &none, 1, &count, 0), TROUPE_BAD_ARGUMENT);
    assert_int_equal(troupe_queue_get_many(queue, text, 8, NULL, 1, &count, 0),
                     TROUPE_BAD_ARGUMENT);
    assert_int_equal(troupe_queue_get_alloc(queue, NULL, &count, 0), TROUPE_BAD_ARGUMENT);
    assert_int_equal(troupe_queue_lease(queue, text, 8, &count, NULL, 0), TROUPE_BAD_ARGUMENT);
    destroy(queue);
}

static void test_cycles_leave_nothing(void **state)
{
    long cycles = test_count(5000, 100000);
    uint64_t before = solo_linked(&solo);

    (void)state;
    for (long i = 0; i < cycles; i++) {
        troupe_queue queue = make(0, 0);

        put(queue, (unsigned)i % 12);
        destroy(queue);
    }
    assert_int_equal(solo_linked(&solo), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes_in_order),
        cmocka_unit_test(test_empty_full_size),
        cmocka_unit_test(test_too_long_stays),
        cmocka_unit_test(test_get_alloc),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_full_by_count),
        cmocka_unit_test(test_full_by_bytes),
        cmocka_unit_test(test_full_by_arena),
        cmocka_unit_test(test_waits_for_messages),
        cmocka_unit_test(test_leases),
        cmocka_unit_test(test_closed_with_leases),
        cmocka_unit_test(test_destroyed),
        cmocka_unit_test(test_bad_arguments),
        cmocka_unit_test(test_cycles_leave_nothing),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
