/* Calls between nodes from every side: threads of one rank at once, leaders that call each other
 * while they serve, data of every size, callers that are killed. Four ranks, two nodes: 0 and 2
 * lead. */
#include "world/harness.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>

enum { RANKS = 4, THREADS = 4, CALLS = 200 };

static int rank_elsewhere(int rank)
{
    return (rank + RANKS / 2) % RANKS;
}

/* ---- at once ------------------------------------------------------------------------------ */

/* What the threads of one rank do to a queue of the other node, and to one of their own. */
struct crowd {
    troupe_queue far, near;
};

static void *crowd_thread(void *argument)
{
    const struct crowd *crowd = argument;
    int value;

    for (int i = 0; i < CALLS; i++)
        if (troupe_queue_put(crowd->far, &i, sizeof i, TROUPE_FOREVER) != TROUPE_OK ||
            troupe_queue_get(crowd->near, &value, sizeof value, NULL, TROUPE_FOREVER) != TROUPE_OK)
            return argument;
    return NULL;
}

/* Each rank puts to the other's queue and gets from its own: every get waits for a put from the
 * other node, and every put for the other node's service. */
static int crowd_run(const void *argument, size_t bytes)
{
    struct crowd crowd = *(const struct crowd *)argument;
    pthread_t threads[THREADS];
    void *failed;
    int code = 0;

    (void)bytes;
    for (int i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, crowd_thread, &crowd) != 0)
            return 1;
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], &failed);
        code += failed != NULL;
    }
    return code;
}

static int make_queue(const void *argument, size_t bytes)
{
    troupe_queue made;

    (void)bytes;
    return troupe_queue_create(NULL, &made) != TROUPE_OK ||
           troupe_queue_put(*(const troupe_queue *)argument, &made, sizeof made, TROUPE_FOREVER) !=
               TROUPE_OK;
}

/* A queue on the node of that rank. */
static troupe_queue queue_at(int rank)
{
    troupe_queue post = harness_queue(), made;

    harness_done(harness_start_on(rank, make_queue, &post, sizeof post), 0);
    assert_int_equal(troupe_queue_get(post, &made, sizeof made, NULL, TROUPE_NO_WAIT), TROUPE_OK);
    troupe_queue_destroy(post);
    return made;
}

static void threads_call_at_once(int first)
{
    struct crowd there, back;
    troupe_process processes[2];

    there.near = back.far = queue_at(first);
    there.far = back.near = queue_at(rank_elsewhere(first));
    processes[0] = harness_start_on(first, crowd_run, &there, sizeof there);
    processes[1] = harness_start_on(rank_elsewhere(first), crowd_run, &back, sizeof back);
    for (int i = 0; i < 2; i++)
        harness_done(processes[i], 0);
    troupe_queue_destroy(there.near);
    troupe_queue_destroy(there.far);
}

static void leaders_call_at_once(void **state)
{
    (void)state;
    threads_call_at_once(0);
}

static void others_call_at_once(void **state)
{
    (void)state;
    threads_call_at_once(1);
}

/* ---- sizes -------------------------------------------------------------------------------- */

/* Around what fits a frame, and around the eager limit of TCP. */
static const size_t sizes[] = { 0, 1, 3700, 3711, 3712, 3713, 3840, 65535, 65536, 65537, 3000001 };
enum { SIZES = sizeof sizes / sizeof *sizes };

static bool is_whole(const unsigned char *data, size_t size, size_t seed)
{
    for (size_t i = 0; i < size; i++)
        if (data[i] != (unsigned char)(i * 31 + i / 256 + seed))
            return false;
    return true;
}

/* Puts messages of every size to the other node and gets them back from there. */
static int sizes_pass(const void *argument, size_t bytes)
{
    troupe_queue queue = *(const troupe_queue *)argument;
    unsigned char *data = malloc(sizes[SIZES - 1]);
    size_t got = 0;
    int code = data == NULL;

    (void)bytes;
    for (size_t i = 0; i < SIZES && code == 0; i++) {
        for (size_t k = 0; k < sizes[i]; k++)
            data[k] = (unsigned char)(k * 31 + k / 256 + i);
        if (troupe_queue_put(queue, data, sizes[i], TROUPE_FOREVER) != TROUPE_OK)
            code = 2;
        memset(data, 0, sizes[i]);
        if (code == 0 &&
            troupe_queue_get(queue, data, sizes[SIZES - 1], &got, TROUPE_FOREVER) != TROUPE_OK)
            code = 3;
        if (code == 0 && (got != sizes[i] || !is_whole(data, got, i)))
            code = 4;
    }
    free(data);
    return code;
}

/* All ranks at once, so that bulk crosses bulk in both directions. */
static void data_of_every_size(void **state)
{
    troupe_queue queues[RANKS];
    troupe_process processes[RANKS];

    (void)state;
    for (int rank = 0; rank < RANKS; rank++)
        queues[rank] = queue_at(rank_elsewhere(rank));
    for (int rank = 0; rank < RANKS; rank++)
        processes[rank] = harness_start_on(rank, sizes_pass, &queues[rank], sizeof *queues);
    for (int rank = 0; rank < RANKS; rank++) {
        harness_done(processes[rank], 0);
        troupe_queue_destroy(queues[rank]);
    }
}

/* ---- waiting ------------------------------------------------------------------------------ */

static int get_code(const void *argument, size_t bytes)
{
    int value = 0;

    (void)bytes;
    return troupe_queue_get(*(const troupe_queue *)argument, &value, sizeof value, NULL,
                            TROUPE_FOREVER) == TROUPE_OK
               ? value
               : 99;
}

/* Longer than a rank polls for itself: the answers come through its node. Nothing fails if it is
 * not; then less is shown. */
static void answers_come_after_a_while(void **state)
{
    troupe_queue queue = harness_queue();
    troupe_process waiting[RANKS];
    int sum = 0, wanted = 0;

    (void)state;
    for (int rank = 0; rank < RANKS; rank++)
        waiting[rank] = harness_start_on(rank, get_code, &queue, sizeof queue);
    for (int i = 0; i < 50; i++)
        assert_int_equal(troupe_process_join(waiting[RANKS - 1], 1), TROUPE_TIMEOUT);
    for (int rank = 0; rank < RANKS; rank++) {
        harness_put_int(queue, rank + 1);
        wanted += rank + 1;
    }
    for (int rank = 0; rank < RANKS; rank++) {
        troupe_process_status status = harness_end(waiting[rank]);

        assert_int_equal(status.state, TROUPE_STATE_DONE);
        sum += status.exit_code;
    }
    assert_int_equal(sum, wanted);
    troupe_queue_destroy(queue);
}

/* ---- killed ------------------------------------------------------------------------------- */

/* Gets from the other node as fast as it can until it is killed. */
static int get_for_ever(const void *argument, size_t bytes)
{
    const struct crowd *crowd = argument;
    int value;

    (void)bytes;
    while (troupe_queue_get(crowd->far, &value, sizeof value, NULL, TROUPE_FOREVER) == TROUPE_OK)
        if (troupe_queue_put(crowd->near, &value, sizeof value, TROUPE_FOREVER) != TROUPE_OK)
            return 1;
    return 0;
}

/* The last rank dies in the middle of its calls, this time for good: at most the message that it
 * was getting is lost with it, and what comes afterwards is not given to the dead. The case comes
 * last. */
static void a_dead_caller_gets_nothing(void **state)
{
    enum { MESSAGES = 200, BEFORE = 50 };
    struct crowd crowd = { harness_queue(), harness_queue() };
    troupe_process process = harness_start_on(RANKS - 1, get_for_ever, &crowd, sizeof crowd);
    int moved = BEFORE, value, result = TROUPE_OK;

    (void)state;
    for (int i = 0; i < MESSAGES; i++) {
        harness_put_int(crowd.far, i);
        if (i < BEFORE)
            assert_int_equal(harness_get_int(crowd.near), i);
        else if (i == BEFORE)
            harness_kill(process);
    }
    assert_int_equal(harness_end(process).state, TROUPE_STATE_KILLED);
    while ((result = troupe_queue_get(crowd.near, &value, sizeof value, NULL, 0)) == TROUPE_OK)
        moved++;
    assert_int_equal(result, TROUPE_EMPTY);
    while ((result = troupe_queue_get(crowd.far, &value, sizeof value, NULL, 20)) == TROUPE_OK)
        moved++;
    assert_int_equal(result, TROUPE_EMPTY);
    assert_in_range(moved, MESSAGES - 1, MESSAGES);
}

/* ---- answers that travel with requests ---------------------------------------------------- */

enum { TRIPS = 500 };

/* Two queues, each on the node of who reads it. */
struct talk {
    troupe_queue there, back;
};

static int talk_trips(troupe_queue to, troupe_queue from, bool begins)
{
    int result = TROUPE_OK, value = 0;

    for (int i = 0; i < TRIPS && result == TROUPE_OK; i++) {
        if (begins)
            result = troupe_queue_put(to, &i, sizeof i, TROUPE_FOREVER);
        if (result == TROUPE_OK)
            result = troupe_queue_get(from, &value, sizeof value, NULL, TROUPE_FOREVER);
        if (result == TROUPE_OK && value != i)
            result = TROUPE_DIFFERS;
        if (result == TROUPE_OK && !begins)
            result = troupe_queue_put(to, &i, sizeof i, TROUPE_FOREVER);
    }
    return result;
}

/* Its last get is followed by no request: it looks at its own node's memory until something comes
 * there, which the other one sends only after its put was answered. */
static int replier(const void *argument, size_t bytes)
{
    const struct talk *talk = argument;
    uint64_t messages = 0;
    int value, result = talk_trips(talk->back, talk->there, false);

    (void)bytes;
    if (result == TROUPE_OK)
        result = troupe_queue_get(talk->there, &value, sizeof value, NULL, TROUPE_FOREVER);
    while (result == TROUPE_OK && messages == 0)
        result = troupe_queue_size(talk->there, &messages);
    return result != TROUPE_OK;
}

static int asker(const void *argument, size_t bytes)
{
    const struct talk *talk = argument;
    int result = talk_trips(talk->there, talk->back, true);

    (void)bytes;
    for (int i = 0; i < 2 && result == TROUPE_OK; i++)
        result = troupe_queue_put(talk->there, &i, sizeof i, TROUPE_FOREVER);
    return result != TROUPE_OK;
}

static void an_answer_leaves_though_nothing_is_asked(void **state)
{
    struct talk talk = { .there = queue_at(RANKS / 2), .back = queue_at(0) };
    troupe_process first, second;

    (void)state;
    first = harness_start_on(RANKS / 2, replier, &talk, sizeof talk);
    second = harness_start_on(0, asker, &talk, sizeof talk);
    harness_done(second, 0);
    harness_done(first, 0);
    troupe_queue_destroy(talk.there);
    troupe_queue_destroy(talk.back);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(leaders_call_at_once),
        cmocka_unit_test(others_call_at_once),
        cmocka_unit_test(data_of_every_size),
        cmocka_unit_test(answers_come_after_a_while),
        cmocka_unit_test(a_dead_caller_gets_nothing),
        cmocka_unit_test(an_answer_leaves_though_nothing_is_asked),
    };

    if (troupe_init(&argc, &argv) != TROUPE_OK)
        return 1;
    harness_watch(100);
    return troupe_finalize(cmocka_run_group_tests(tests, NULL, NULL));
}
