/* Pipes, and waiting for any of several things, between processes of all nodes, some of which are
 * killed. The parent's node is 0. */
#include "counts.h"
#include "world/harness.h"

#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CODE_OK = 10, CODE_OTHER = 11 };

static troupe_process start_at(int node, troupe_target target, const void *argument, size_t bytes)
{
    troupe_process_options options = { .method = TROUPE_METHOD_SPAWN,
                                       .where = TROUPE_ON_NODE,
                                       .place = node };

    return harness_start(target, argument, bytes, &options);
}

/* ---- pipes ------------------------------------------------------------------------------ */

struct talk {
    troupe_pipe end;
    bool stays; /* instead of returning */
};

/* Doubles what it reads until a 0 comes. */
static int twice(const void *argument, size_t bytes)
{
    const struct talk *talk = argument;
    int value = 1;

    (void)bytes;
    while (value != 0) {
        if (troupe_pipe_poll(talk->end, TROUPE_FOREVER) != TROUPE_OK ||
            troupe_pipe_receive(talk->end, &value, sizeof value, NULL, TROUPE_NO_WAIT) != TROUPE_OK)
            return CODE_OTHER;
        value *= 2;
        if (troupe_pipe_send(talk->end, &value, sizeof value, TROUPE_FOREVER) != TROUPE_OK)
            return CODE_OTHER;
    }
    while (talk->stays)
        pause();
    return CODE_OK;
}

static int exchange(troupe_pipe end, int value)
{
    assert_int_equal(troupe_pipe_send(end, &value, sizeof value, HARNESS_LIMIT_MS), TROUPE_OK);
    assert_int_equal(troupe_pipe_receive(end, &value, sizeof value, NULL, HARNESS_LIMIT_MS),
                     TROUPE_OK);
    return value;
}

/* The other end's process returns, or is killed: either way the file ends there, and nothing of
 * what it sent is missing. */
static void test_pipe_ends(void **state)
{
    (void)state;
    for (int node = 0; node < troupe_world_nodes(); node++)
        for (int stays = 0; stays < 2; stays++) {
            struct talk talk = { .stays = stays };
            troupe_process process;
            troupe_pipe own;
            int value = 1;

            assert_int_equal(troupe_pipe_create(NULL, &own, &talk.end), TROUPE_OK);
            process = start_at(node, twice, &talk, sizeof talk);
            for (int i = 1; i < 50; i++)
                assert_int_equal(exchange(own, i), 2 * i);
            assert_int_equal(exchange(own, 0), 0);
            if (stays)
                harness_kill(process);
            assert_int_equal(troupe_pipe_poll(own, HARNESS_LIMIT_MS), TROUPE_OK);
            assert_int_equal(troupe_pipe_receive(own, &value, sizeof value, NULL, TROUPE_FOREVER),
                             TROUPE_CLOSED);
            assert_int_equal(troupe_pipe_send(own, &value, sizeof value, TROUPE_FOREVER),
                             TROUPE_CLOSED);
            harness_end(process);
            assert_int_equal(troupe_pipe_close(own), TROUPE_OK);
            assert_int_equal(troupe_pipe_hold(own), TROUPE_BAD_HANDLE);
        }
}

enum { UNDER_WAY = 8, SEEN_MOST = 60 };

/* Messages that are numbers in order, and how many of them were accepted. */
struct stream {
    troupe_pipe end;
    troupe_array accepted;
};

static int stream_send(const void *argument, size_t bytes)
{
    const struct stream *stream = argument;
    int result = TROUPE_OK;

    (void)bytes;
    for (int i = 0; result == TROUPE_OK; i++) {
        result = troupe_pipe_send(stream->end, &i, sizeof i, TROUPE_FOREVER);
        if (result == TROUPE_OK)
            result = troupe_array_add(stream->accepted, 0, 1, NULL);
    }
    return CODE_OTHER;
}

/* Takes the next message, which must be that number; false at the end of file. */
static bool stream_next(troupe_pipe own, int number)
{
    int value = -1;
    int result = troupe_pipe_receive(own, &value, sizeof value, NULL, HARNESS_LIMIT_MS);

    if (result == TROUPE_CLOSED)
        return false;
    assert_int_equal(result, TROUPE_OK);
    assert_int_equal(value, number);
    return true;
}

static void stream_is_cut(int node, int seen)
{
    troupe_pipe_options options = { .one_way = 1, .max_messages = UNDER_WAY };
    troupe_array_options one = { .length = 1 };
    struct stream stream;
    troupe_process process;
    troupe_pipe own;
    int64_t accepted;
    int count = 0;

    assert_int_equal(troupe_pipe_create(&options, &own, &stream.end), TROUPE_OK);
    assert_int_equal(troupe_array_create(&one, &stream.accepted), TROUPE_OK);
    process = start_at(node, stream_send, &stream, sizeof stream);
    while (count < seen)
        assert_true(stream_next(own, count++));
    harness_kill(process);
    while (stream_next(own, count))
        count++;
    harness_end(process);
    assert_int_equal(troupe_array_get(stream.accepted, 0, &accepted, sizeof accepted), TROUPE_OK);
    assert_in_range(count, (int)accepted, (int)accepted + 1);
    assert_int_equal(troupe_pipe_close(own), TROUPE_OK);
    assert_int_equal(troupe_array_destroy(stream.accepted), TROUPE_OK);
}

/* Senders are killed at any moment of a stream: all that was accepted comes, in order, then the end
 * of file. */
static void test_random_kills(void **state)
{
    unsigned random = 1;
    long kills = test_count(24, 500);

    (void)state;
    for (int i = 0; i < kills; i++)
        stream_is_cut(i % troupe_world_nodes(), 1 + rand_r(&random) % SEEN_MOST);
}

/* A rank's target returns: its end is closed, though its process lives on. */
static void test_rank_lets_go(void **state)
{
    (void)state;
    for (int rank = 0; rank < troupe_world_size(); rank++) {
        struct talk talk = { .stays = false };
        troupe_pipe own;
        troupe_process process;
        int value;

        assert_int_equal(troupe_pipe_create(NULL, &own, &talk.end), TROUPE_OK);
        process = harness_start_on(rank, twice, &talk, sizeof talk);
        assert_int_equal(exchange(own, 0), 0);
        assert_int_equal(troupe_pipe_receive(own, &value, sizeof value, NULL, HARNESS_LIMIT_MS),
                         TROUPE_CLOSED);
        harness_done(process, CODE_OK);
        assert_int_equal(troupe_pipe_close(own), TROUPE_OK);
    }
}

/* An end that several hold stays open until the last lets go. */
static void test_shared_end(void **state)
{
    struct talk talk = { .stays = false };
    troupe_pipe own;
    int value = 0;

    (void)state;
    assert_int_equal(troupe_pipe_create(NULL, &own, &talk.end), TROUPE_OK);
    assert_int_equal(troupe_pipe_hold(talk.end), TROUPE_OK);
    for (int node = 0; node < troupe_world_nodes(); node++) {
        troupe_process process = start_at(node, twice, &talk, sizeof talk);

        assert_int_equal(exchange(own, 0), 0);
        harness_done(process, CODE_OK);
        assert_int_equal(troupe_pipe_receive(own, &value, sizeof value, NULL, 2), TROUPE_EMPTY);
    }
    assert_int_equal(troupe_pipe_close(talk.end), TROUPE_OK);
    assert_int_equal(troupe_pipe_receive(own, &value, sizeof value, NULL, TROUPE_FOREVER),
                     TROUPE_CLOSED);
    assert_int_equal(troupe_pipe_close(own), TROUPE_OK);
}

/* ---- waiting ---------------------------------------------------------------------------- */

/* What a process makes on its own node, for others to wait for. */
struct offer {
    troupe_queue queue;
    troupe_event event;
    troupe_pipe end;
};

struct errand {
    troupe_queue offers, orders; /* of the parent: what to make ready, by number */
};

static int make_ready(const void *argument, size_t bytes)
{
    const struct errand *errand = argument;
    struct offer offer;
    troupe_pipe own;
    int order = 0;

    (void)bytes;
    if (troupe_queue_create(NULL, &offer.queue) != TROUPE_OK ||
        troupe_event_create(&offer.event) != TROUPE_OK ||
        troupe_pipe_create(NULL, &own, &offer.end) != TROUPE_OK ||
        troupe_queue_put(errand->offers, &offer, sizeof offer, TROUPE_FOREVER) != TROUPE_OK)
        return CODE_OTHER;
    while (order >= 0) {
        if (troupe_queue_get(errand->orders, &order, sizeof order, NULL, TROUPE_FOREVER) !=
            TROUPE_OK)
            return CODE_OTHER;
        if (order == 0)
            troupe_queue_put(offer.queue, &order, sizeof order, TROUPE_FOREVER);
        else if (order == 1)
            troupe_event_set(offer.event);
        else if (order == 2)
            troupe_pipe_send(own, &order, sizeof order, TROUPE_FOREVER);
    }
    return CODE_OK;
}

struct maker {
    struct errand errand;
    struct offer offer;
    troupe_process process;
};
enum { OFFERED = 3, MAKER_ITEMS = OFFERED + 1 };

static void maker_start(struct maker *maker, int node)
{
    maker->errand = (struct errand){ harness_queue(), harness_queue() };
    maker->process = start_at(node, make_ready, &maker->errand, sizeof maker->errand);
    assert_int_equal(troupe_queue_get(maker->errand.offers, &maker->offer, sizeof maker->offer,
                                      NULL, HARNESS_LIMIT_MS),
                     TROUPE_OK);
}

static void maker_end(const struct maker *maker)
{
    assert_int_equal(troupe_queue_destroy(maker->offer.queue), TROUPE_OK);
    assert_int_equal(troupe_event_destroy(maker->offer.event), TROUPE_OK);
    assert_int_equal(troupe_pipe_destroy(maker->offer.end), TROUPE_OK);
    troupe_queue_destroy(maker->errand.offers);
    troupe_queue_destroy(maker->errand.orders);
}

/* Takes back what made the item ready. */
static void item_settle(const struct maker *maker, int item)
{
    int value;

    if (item == 0)
        assert_int_equal(
            troupe_queue_get(maker->offer.queue, &value, sizeof value, NULL, TROUPE_NO_WAIT),
            TROUPE_OK);
    else if (item == 1)
        assert_int_equal(troupe_event_clear(maker->offer.event), TROUPE_OK);
    else
        assert_int_equal(
            troupe_pipe_receive(maker->offer.end, &value, sizeof value, NULL, TROUPE_NO_WAIT),
            TROUPE_OK);
}

/* Waits for everything that all makers have, each of which becomes ready in turn while the parent
 * waits; at last for their ends. */
static void test_wait_for_any(void **state)
{
    enum { MAKERS = 3, ROUNDS = 5 };
    struct maker makers[MAKERS];
    uint64_t items[MAKERS * MAKER_ITEMS];
    size_t index;

    (void)state;
    for (int i = 0; i < MAKERS; i++) {
        uint64_t *own = items + i * MAKER_ITEMS;

        maker_start(&makers[i], i % troupe_world_nodes());
        own[0] = makers[i].offer.queue.id;
        own[1] = makers[i].offer.event.id;
        own[2] = makers[i].offer.end.id;
        own[3] = makers[i].process.id;
    }
    assert_int_equal(troupe_wait(items, MAKERS * MAKER_ITEMS, 5, &index), TROUPE_TIMEOUT);
    assert_int_equal(troupe_wait(items, MAKERS * MAKER_ITEMS, TROUPE_NO_WAIT, &index),
                     TROUPE_TIMEOUT);
    for (int round = 0; round < ROUNDS; round++)
        for (int i = 0; i < MAKERS; i++)
            for (int item = 0; item < OFFERED; item++) {
                harness_put_int(makers[i].errand.orders, item);
                assert_int_equal(troupe_wait(items, MAKERS * MAKER_ITEMS, HARNESS_LIMIT_MS, &index),
                                 TROUPE_OK);
                assert_int_equal(index, i * MAKER_ITEMS + item);
                item_settle(&makers[i], item);
                assert_int_equal(troupe_wait(&items[index], 1, TROUPE_NO_WAIT, &index),
                                 TROUPE_TIMEOUT);
            }
    for (int i = 0; i < MAKERS; i++) {
        troupe_process_status status;

        items[i * MAKER_ITEMS + 2] = items[i * MAKER_ITEMS]; /* its file ends with the process */
        if (i % 2)
            harness_kill(makers[i].process);
        else
            harness_put_int(makers[i].errand.orders, -1);
        assert_int_equal(troupe_wait(items, MAKERS * MAKER_ITEMS, HARNESS_LIMIT_MS, &index),
                         TROUPE_OK);
        assert_int_equal(index, i * MAKER_ITEMS + 3);
        items[index] = items[i * MAKER_ITEMS];
        status = harness_end(makers[i].process);
        assert_int_equal(status.state, i % 2 ? TROUPE_STATE_KILLED : TROUPE_STATE_DONE);
    }
    for (int i = 0; i < MAKERS; i++)
        maker_end(&makers[i]);
}

struct watch {
    uint64_t items[MAKER_ITEMS];
    troupe_queue told;
};

static int watch_and_die(const void *argument, size_t bytes)
{
    const struct watch *watch = argument;
    int value = 1;
    size_t index;

    (void)bytes;
    if (troupe_queue_put(watch->told, &value, sizeof value, TROUPE_FOREVER) != TROUPE_OK)
        return CODE_OTHER;
    troupe_wait(watch->items, OFFERED, TROUPE_FOREVER, &index);
    return CODE_OTHER;
}

/* Watchers are killed; those that come after them are woken all the same. */
static void test_dead_watchers(void **state)
{
    struct watch watch = { .told = harness_queue() };
    struct maker maker;
    size_t index;

    (void)state;
    for (int home = 0; home < troupe_world_nodes(); home++) {
        maker_start(&maker, home);
        watch.items[0] = maker.offer.queue.id;
        watch.items[1] = maker.offer.event.id;
        watch.items[2] = maker.errand.offers.id;
        for (int i = 0; i < 4; i++) {
            troupe_process watcher =
                start_at(i % troupe_world_nodes(), watch_and_die, &watch, sizeof watch);

            harness_get_int(watch.told);
            usleep(i * 1000); /* at several points of its wait; all are right */
            harness_kill(watcher);
            assert_int_equal(harness_end(watcher).state, TROUPE_STATE_KILLED);
            harness_put_int(maker.errand.orders, i % 2);
            assert_int_equal(troupe_wait(watch.items, OFFERED, HARNESS_LIMIT_MS, &index),
                             TROUPE_OK);
            assert_int_equal(index, i % 2);
            item_settle(&maker, i % 2);
        }
        harness_put_int(maker.errand.orders, -1);
        harness_done(maker.process, CODE_OK);
        maker_end(&maker);
    }
    troupe_queue_destroy(watch.told);
}

/* Opens the pipe of a name for itself, and answers through its second end. */
static int answer_by_name(const void *argument, size_t bytes)
{
    troupe_pipe first, second;
    int value;

    (void)bytes;
    if (troupe_pipe_open(argument, NULL, &first, &second) != TROUPE_OK)
        return 1;
    if (troupe_pipe_receive(second, &value, sizeof value, NULL, HARNESS_LIMIT_MS) != TROUPE_OK)
        return 2;
    value++;
    return troupe_pipe_send(second, &value, sizeof value, HARNESS_LIMIT_MS) == TROUPE_OK ? 0 : 3;
}

/* From each rank, so from each node. */
static void test_pipe_by_name(void **state)
{
    static const char name[] = "line";
    troupe_pipe first, second, again[2];

    (void)state;
    for (int rank = 0; rank < troupe_world_size(); rank++) {
        troupe_process process;

        assert_int_equal(troupe_pipe_open(name, NULL, &first, &second), TROUPE_OK);
        assert_int_equal(troupe_pipe_open(name, NULL, &again[0], &again[1]), TROUPE_OK);
        assert_true(again[0].id == first.id && again[1].id == second.id);
        process = harness_start_on(rank, answer_by_name, name, sizeof name);
        assert_int_equal(exchange(first, rank), rank + 1);
        harness_done(process, 0);
        assert_int_equal(troupe_pipe_destroy(second), TROUPE_OK);
    }
    assert_int_equal(troupe_pipe_open("", NULL, &first, &second), TROUPE_BAD_ARGUMENT);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pipe_ends),    cmocka_unit_test(test_rank_lets_go),
        cmocka_unit_test(test_shared_end),   cmocka_unit_test(test_wait_for_any),
        cmocka_unit_test(test_random_kills), cmocka_unit_test(test_dead_watchers),
        cmocka_unit_test(test_pipe_by_name),
    };

    if (troupe_init(&argc, &argv) != TROUPE_OK)
        return 1;
    harness_watch((unsigned)test_count(100, 600));
    return troupe_finalize(cmocka_run_group_tests(tests, NULL, NULL));
}
