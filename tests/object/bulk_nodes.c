/* Messages too long for a frame, from another node to a queue of the parent's: they land in the
 * arena before the queue has judged them, so what is refused, parked, closed off or cut short must
 * leave nothing there. Four ranks, two nodes: 2 and 3 are elsewhere. */
#include "world/harness.h"

#include "core/heap.h"
#include "core/world.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>

enum {
    BYTES = 100000,
    REFUSALS = 8, /* more than there are docks, as are the threads */
    THREADS = 8,
    SHORT_MS = 10,
    ELSEWHERE = 3
};

static uint64_t linked_bytes(void)
{
    struct heap_usage usage;

    heap_usage_get(&world_here.arena, &usage);
    assert_int_equal(usage.flight_blocks, 0);
    return usage.linked_bytes;
}

static void message_make(unsigned char *message, unsigned char seed)
{
    for (size_t i = 0; i < BYTES; i++)
        message[i] = (unsigned char)(i * 31 + i / 256 + seed);
    message[0] = seed;
}

/* Whether it is one that message_make made, in all its bytes. */
static bool message_is_whole(const unsigned char *message)
{
    static unsigned char wanted[BYTES];

    message_make(wanted, message[0]);
    return memcmp(message, wanted, BYTES) == 0;
}

/* A queue for one message. */
static troupe_queue narrow_queue(void)
{
    troupe_queue_options options = { .max_messages = 1 };
    troupe_queue queue;

    assert_int_equal(troupe_queue_create(&options, &queue), TROUPE_OK);
    return queue;
}

/* ---- refused ------------------------------------------------------------------------------ */

static int put_in_vain(const void *argument, size_t bytes)
{
    troupe_queue queue = *(const troupe_queue *)argument;
    static unsigned char message[BYTES];

    (void)bytes;
    for (int i = 0; i < REFUSALS; i++)
        if (troupe_queue_put(queue, message, BYTES, TROUPE_NO_WAIT) != TROUPE_FULL ||
            troupe_queue_put(queue, message, BYTES, SHORT_MS) != TROUPE_FULL)
            return 1;
    return 0;
}

static void what_is_refused_leaves_nothing(void **state)
{
    troupe_queue queue = narrow_queue();
    uint64_t before;

    (void)state;
    harness_put_int(queue, 1);
    before = linked_bytes();
    harness_done(harness_start_on(ELSEWHERE, put_in_vain, &queue, sizeof queue), 0);
    assert_in_range(linked_bytes(), 0, before + BYTES - 1);
    troupe_queue_destroy(queue);
}

/* ---- several at once ---------------------------------------------------------------------- */

struct putter {
    troupe_queue queue;
    unsigned char seed;
    int result;
};

static void *put_one(void *argument)
{
    struct putter *putter = argument;
    unsigned char *message = malloc(BYTES);

    if (message == NULL)
        return NULL;
    message_make(message, putter->seed);
    putter->result = troupe_queue_put(putter->queue, message, BYTES, TROUPE_FOREVER);
    free(message);
    return NULL;
}

/* Returns how many puts ended otherwise than they should. */
static int put_at_once(troupe_queue queue, int wanted)
{
    struct putter putters[THREADS];
    pthread_t threads[THREADS];
    int others = 0;

    for (int i = 0; i < THREADS; i++) {
        putters[i] = (struct putter){ queue, (unsigned char)i, 1 };
        if (pthread_create(&threads[i], NULL, put_one, &putters[i]) != 0)
            return THREADS;
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        others += putters[i].result != wanted;
    }
    return others;
}

static int put_accepted(const void *argument, size_t bytes)
{
    (void)bytes;
    return put_at_once(*(const troupe_queue *)argument, TROUPE_OK);
}

static int put_closed_off(const void *argument, size_t bytes)
{
    (void)bytes;
    return put_at_once(*(const troupe_queue *)argument, TROUPE_CLOSED);
}

static void more_than_land_at_once_arrive_whole(void **state)
{
    static unsigned char message[BYTES];
    troupe_queue queue = narrow_queue();
    uint64_t before = linked_bytes();
    troupe_process process = harness_start_on(ELSEWHERE, put_accepted, &queue, sizeof queue);
    bool came[THREADS] = { false };
    size_t size = 0;

    (void)state;
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(troupe_queue_get(queue, message, BYTES, &size, HARNESS_LIMIT_MS),
                         TROUPE_OK);
        assert_int_equal(size, BYTES);
        assert_true(message_is_whole(message));
        assert_true(message[0] < THREADS && !came[message[0]]);
        came[message[0]] = true;
    }
    harness_done(process, 0);
    assert_in_range(linked_bytes(), 0, before + BYTES - 1);
    troupe_queue_destroy(queue);
}

static void what_waits_while_the_queue_closes_leaves_nothing(void **state)
{
    troupe_queue queue = narrow_queue();
    troupe_process process;
    uint64_t before;

    (void)state;
    harness_put_int(queue, 1);
    before = linked_bytes();
    process = harness_start_on(ELSEWHERE, put_closed_off, &queue, sizeof queue);
    assert_int_equal(troupe_process_join(process, SHORT_MS), TROUPE_TIMEOUT);
    assert_int_equal(troupe_queue_close(queue), TROUPE_OK);
    harness_done(process, 0);
    assert_in_range(linked_bytes(), 0, before + BYTES - 1);
    troupe_queue_destroy(queue);
}

/* ---- killed ------------------------------------------------------------------------------- */

static int put_for_ever(const void *argument, size_t bytes)
{
    static unsigned char message[BYTES];

    (void)bytes;
    message_make(message, 7);
    while (troupe_queue_put(*(const troupe_queue *)argument, message, BYTES, TROUPE_FOREVER) ==
           TROUPE_OK)
        ;
    return 1;
}

/* The case comes last, for the rank is gone afterwards. What came before its end is whole, and
 * another rank goes on. */
static void a_sender_that_dies_leaves_whole_messages(void **state)
{
    enum { BEFORE = 20 };
    static unsigned char message[BYTES];
    troupe_queue queue = narrow_queue();
    troupe_process process = harness_start_on(ELSEWHERE, put_for_ever, &queue, sizeof queue);
    size_t size = 0;

    (void)state;
    for (int i = 0; i < BEFORE; i++)
        assert_int_equal(troupe_queue_get(queue, message, BYTES, &size, HARNESS_LIMIT_MS),
                         TROUPE_OK);
    harness_kill(process);
    assert_int_equal(harness_end(process).state, TROUPE_STATE_KILLED);
    while (troupe_queue_get(queue, message, BYTES, &size, SHORT_MS) == TROUPE_OK)
        assert_true(size == BYTES && message_is_whole(message));
    process = harness_start_on(ELSEWHERE - 1, put_accepted, &queue, sizeof queue);
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(troupe_queue_get(queue, message, BYTES, &size, HARNESS_LIMIT_MS),
                         TROUPE_OK);
        assert_true(size == BYTES && message_is_whole(message));
    }
    harness_done(process, 0);
    troupe_queue_destroy(queue);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_refused_leaves_nothing),
        cmocka_unit_test(more_than_land_at_once_arrive_whole),
        cmocka_unit_test(what_waits_while_the_queue_closes_leaves_nothing),
        cmocka_unit_test(a_sender_that_dies_leaves_whole_messages),
    };

    if (troupe_init(&argc, &argv) != TROUPE_OK)
        return 1;
    harness_watch(50);
    return troupe_finalize(cmocka_run_group_tests(tests, NULL, NULL));
}
