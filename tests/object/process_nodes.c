/* Processes and queues between simulated nodes: everything that works at home works from elsewhere.
 * The ranks are split into neighbours: with six ranks and two nodes 0-2 and 3-5. The parent's node
 * is 0. */
#include "world/harness.h"

#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

static int last_rank(void)
{
    return troupe_world_size() - 1;
}

static unsigned char byte_at(size_t position)
{
    return (unsigned char)(position * 31 + position / 256);
}

static unsigned char *bytes_make(size_t size)
{
    unsigned char *data = malloc(size + 1);

    assert_non_null(data);
    for (size_t i = 0; i < size; i++)
        data[i] = byte_at(i);
    return data;
}

static bool bytes_are_whole(const unsigned char *data, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (data[i] != byte_at(i))
            return false;
    return true;
}

static const size_t sizes[] = { 0, 1, 4096, (size_t)1 << 20, (size_t)20 << 20 };
enum { SIZES = sizeof sizes / sizeof *sizes };

/* ---- placing ------------------------------------------------------------------------------ */

static int own_rank(const void *argument, size_t bytes)
{
    (void)argument, (void)bytes;
    return troupe_rank();
}

static int own_node(const void *argument, size_t bytes)
{
    (void)argument, (void)bytes;
    return troupe_node();
}

static void test_on_every_rank(void **state)
{
    (void)state;
    for (int rank = 0; rank < troupe_world_size(); rank++)
        harness_done(harness_start_on(rank, own_rank, NULL, 0), rank);
}

static void test_on_every_node(void **state)
{
    static const int methods[] = { TROUPE_METHOD_DEFAULT, TROUPE_METHOD_RANK, TROUPE_METHOD_SPAWN };

    (void)state;
    for (int node = 0; node < troupe_world_nodes(); node++)
        for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
            troupe_process_options options = { .method = methods[i],
                                               .where = TROUPE_ON_NODE,
                                               .place = node };

            harness_done(harness_start(own_node, NULL, 0, &options), node);
        }
}

static int is_whole(const void *argument, size_t bytes)
{
    if (bytes == 0 && argument != NULL)
        return 2;
    return bytes_are_whole(argument, bytes) ? (int)(bytes % 200) + 3 : 1;
}

static void test_arguments(void **state)
{
    (void)state;
    for (int i = 0; i < SIZES; i++) {
        unsigned char *data = bytes_make(sizes[i]);

        harness_done(harness_start_on(last_rank(), is_whole, data, sizes[i]),
                     (int)(sizes[i] % 200) + 3);
        free(data);
    }
}

/* ---- ends --------------------------------------------------------------------------------- */

struct gate {
    troupe_queue ready, open;
};

/* It asks before its starter may have heard where it runs. */
static int knows_itself(const void *argument, size_t bytes)
{
    troupe_process_status status;
    troupe_process self;

    (void)argument, (void)bytes;
    if (troupe_process_current(&self) != TROUPE_OK ||
        troupe_process_status_get(self, &status) != TROUPE_OK)
        return 1;
    return status.state == TROUPE_STATE_RUNNING && status.method == TROUPE_METHOD_RANK &&
                   status.rank == troupe_rank() && status.pid == (int)getpid()
               ? 0
               : 2;
}

static void test_status_of_itself(void **state)
{
    (void)state;
    for (int i = 0; i < 50; i++)
        for (int rank = 0; rank < troupe_world_size(); rank++)
            harness_done(harness_start_on(rank, knows_itself, NULL, 0), 0);
}

static int wait_at_gate(const void *argument, size_t bytes)
{
    const struct gate *gate = argument;
    int value = 1;

    (void)bytes;
    if (troupe_queue_put(gate->ready, &value, sizeof value, TROUPE_FOREVER) != TROUPE_OK)
        return 1;
    return troupe_queue_get(gate->open, &value, sizeof value, NULL, TROUPE_FOREVER) == TROUPE_OK
               ? value
               : 2;
}

static void test_status_from_elsewhere(void **state)
{
    struct gate gate = { harness_queue(), harness_queue() };
    troupe_process process = harness_start_on(last_rank(), wait_at_gate, &gate, sizeof gate);
    troupe_process_status status;

    (void)state;
    harness_get_int(gate.ready);
    assert_int_equal(troupe_process_join(process, TROUPE_NO_WAIT), TROUPE_TIMEOUT);
    assert_int_equal(troupe_process_join(process, 20), TROUPE_TIMEOUT);
    assert_int_equal(troupe_process_status_get(process, &status), TROUPE_OK);
    assert_int_equal(status.state, TROUPE_STATE_RUNNING);
    assert_int_equal(status.rank, last_rank());
    assert_int_equal(harness_signal(process, 0), 0);
    assert_string_not_equal(status.host, "");
    harness_put_int(gate.open, 33);
    status = harness_end(process);
    assert_int_equal(status.state, TROUPE_STATE_DONE);
    assert_int_equal(status.exit_code, 33);
    assert_int_equal(status.rank, last_rank());
    assert_int_equal(status.method, TROUPE_METHOD_RANK);
    assert_string_not_equal(status.host, "");
    troupe_queue_destroy(gate.ready);
    troupe_queue_destroy(gate.open);
}

/* What a target on another node does with a process that it did not start. */
struct inspection {
    troupe_process process;
    struct gate gate;
};

static int inspect(const void *argument, size_t bytes)
{
    const struct inspection *inspection = argument;
    troupe_process_status status;
    char name[TROUPE_NAME_SIZE];
    int value = 44;

    (void)bytes;
    if (troupe_process_name(inspection->process, name) != TROUPE_OK || strcmp(name, "inspected"))
        return 1;
    if (troupe_process_status_get(inspection->process, &status) != TROUPE_OK ||
        status.state != TROUPE_STATE_RUNNING || status.rank != 0)
        return 2;
    if (troupe_process_join(inspection->process, 20) != TROUPE_TIMEOUT)
        return 3;
    if (troupe_queue_put(inspection->gate.open, &value, sizeof value, TROUPE_FOREVER) != TROUPE_OK)
        return 4;
    if (troupe_process_join(inspection->process, TROUPE_FOREVER) != TROUPE_OK)
        return 5;
    if (troupe_process_status_get(inspection->process, &status) != TROUPE_OK ||
        status.state != TROUPE_STATE_DONE || status.exit_code != value)
        return 6;
    if (troupe_process_close(inspection->process) != TROUPE_OK)
        return 7;
    return troupe_process_join(inspection->process, 0) == TROUPE_BAD_HANDLE ? 0 : 8;
}

static void test_inspected_from_another_node(void **state)
{
    troupe_process_options options = { .name = "inspected", .where = TROUPE_ON_RANK, .place = 0 };
    struct inspection inspection = { .gate = { harness_queue(), harness_queue() } };

    (void)state;
    inspection.process =
        harness_start(wait_at_gate, &inspection.gate, sizeof inspection.gate, &options);
    harness_get_int(inspection.gate.ready);
    harness_done(harness_start_on(last_rank(), inspect, &inspection, sizeof inspection), 0);
    assert_int_equal(troupe_process_join(inspection.process, 0), TROUPE_BAD_HANDLE);
    troupe_queue_destroy(inspection.gate.ready);
    troupe_queue_destroy(inspection.gate.open);
}

/* Not a leader: the last rank of the last node. The case comes last. */
static void test_killed_elsewhere(void **state)
{
    troupe_process_options options = { .where = TROUPE_ON_RANK, .place = last_rank() };
    troupe_process process = harness_start(harness_raise, &(int){ SIGKILL }, sizeof(int), &options);
    troupe_process_status status = harness_end(process);

    (void)state;
    assert_int_equal(status.state, TROUPE_STATE_KILLED);
    assert_int_equal(status.signal, SIGKILL);
    assert_non_null(strstr(status.reason, strsignal(SIGKILL)));
    assert_int_equal(status.rank, last_rank());
    assert_int_equal(troupe_process_start(own_rank, NULL, 0, &options, &process), TROUPE_NO_RANK);
    assert_non_null(strstr(troupe_last_error(), "has ended"));
    harness_done(harness_start_on(last_rank() - 1, own_rank, NULL, 0), last_rank() - 1);
}

/* ---- queues ------------------------------------------------------------------------------- */

/* Works on a queue of the parent's node. Each number is what failed. */
static int use_queue(const void *argument, size_t bytes)
{
    troupe_queue queue = *(const troupe_queue *)argument;
    uint64_t messages;
    size_t size = 0;
    char text[8];
    int empty;

    (void)bytes;
    if (troupe_queue_get(queue, text, sizeof text, &size, TROUPE_NO_WAIT) != TROUPE_EMPTY ||
        troupe_queue_get(queue, text, sizeof text, &size, 20) != TROUPE_EMPTY)
        return 1;
    if (troupe_queue_put(queue, "123456789", 9, TROUPE_NO_WAIT) != TROUPE_OK ||
        troupe_queue_put(queue, "", 0, TROUPE_NO_WAIT) != TROUPE_OK)
        return 2;
    if (troupe_queue_put(queue, "x", 1, TROUPE_NO_WAIT) != TROUPE_FULL ||
        troupe_queue_put(queue, "x", 1, 20) != TROUPE_FULL)
        return 3;
    if (troupe_queue_size(queue, &messages) != TROUPE_OK || messages != 2 ||
        troupe_queue_empty(queue, &empty) != TROUPE_OK || empty)
        return 4;
    if (troupe_queue_get(queue, text, sizeof text, &size, TROUPE_FOREVER) != TROUPE_TOO_LONG ||
        size != 9)
        return 5;
    return 0;
}

static int close_queue(const void *argument, size_t bytes)
{
    (void)bytes;
    return -troupe_queue_close(*(const troupe_queue *)argument);
}

static int destroy_queue(const void *argument, size_t bytes)
{
    (void)bytes;
    return -troupe_queue_destroy(*(const troupe_queue *)argument);
}

static int get_code(const void *argument, size_t bytes)
{
    char text[32];

    (void)bytes;
    return -troupe_queue_get(*(const troupe_queue *)argument, text, sizeof text, NULL,
                             HARNESS_LIMIT_MS);
}

static void test_queue_from_elsewhere(void **state)
{
    troupe_queue_options options = { .max_messages = 2 };
    troupe_queue queue;
    char text[16];
    size_t size;

    (void)state;
    assert_int_equal(troupe_queue_create(&options, &queue), TROUPE_OK);
    harness_done(harness_start_on(last_rank(), use_queue, &queue, sizeof queue), 0);
    assert_int_equal(troupe_queue_get(queue, text, sizeof text, &size, 0), TROUPE_OK);
    assert_int_equal(size, 9);
    assert_memory_equal(text, "123456789", 9);
    harness_done(harness_start_on(last_rank(), close_queue, &queue, sizeof queue), 0);
    assert_int_equal(troupe_queue_put(queue, "x", 1, 0), TROUPE_CLOSED);
    assert_int_equal(troupe_queue_get(queue, text, sizeof text, &size, 0), TROUPE_OK);
    assert_int_equal(size, 0);
    harness_done(harness_start_on(last_rank(), get_code, &queue, sizeof queue), -TROUPE_CLOSED);
    harness_done(harness_start_on(last_rank(), destroy_queue, &queue, sizeof queue), 0);
    assert_int_equal(troupe_queue_put(queue, "x", 1, 0), TROUPE_BAD_HANDLE);
    harness_done(harness_start_on(last_rank(), get_code, &queue, sizeof queue), -TROUPE_BAD_HANDLE);
}

/* Blocked getters of every node are ended by a close, and by a destroy, from another one. */
static void blocked_are_ended_by(troupe_target target, int code)
{
    troupe_queue queue = harness_queue();
    troupe_process blocked[2];

    for (int i = 0; i < 2; i++)
        blocked[i] = harness_start_on(i * last_rank(), get_code, &queue, sizeof queue);
    harness_done(harness_start_on(last_rank() - 1, target, &queue, sizeof queue), 0);
    for (int i = 0; i < 2; i++)
        harness_done(blocked[i], code);
}

static void test_blocked_are_ended(void **state)
{
    (void)state;
    blocked_are_ended_by(close_queue, -TROUPE_CLOSED);
    blocked_are_ended_by(destroy_queue, -TROUPE_BAD_HANDLE);
}

static int echo_once(const void *argument, size_t bytes)
{
    const troupe_queue *queues = argument;
    unsigned char *data = malloc(sizes[SIZES - 1]);
    size_t size = 0;
    int code = 1;

    (void)bytes;
    if (data != NULL &&
        troupe_queue_get(queues[0], data, sizes[SIZES - 1], &size, TROUPE_FOREVER) == TROUPE_OK &&
        bytes_are_whole(data, size) &&
        troupe_queue_put(queues[1], data, size, TROUPE_FOREVER) == TROUPE_OK)
        code = 0;
    free(data);
    return code;
}

/* There and back, in any size; the get there may have begun before the put here. */
static void test_messages_of_any_size(void **state)
{
    troupe_queue queues[2] = { harness_queue(), harness_queue() };
    unsigned char *back = malloc(sizes[SIZES - 1]);

    (void)state;
    for (int i = 0; i < SIZES; i++) {
        troupe_process echo = harness_start_on(last_rank(), echo_once, queues, sizeof queues);
        unsigned char *data = bytes_make(sizes[i]);
        size_t size = 1;

        assert_int_equal(troupe_queue_put(queues[0], data, sizes[i], TROUPE_FOREVER), TROUPE_OK);
        assert_int_equal(
            troupe_queue_get(queues[1], back, sizes[SIZES - 1], &size, HARNESS_LIMIT_MS),
            TROUPE_OK);
        assert_int_equal(size, sizes[i]);
        assert_true(bytes_are_whole(back, size));
        harness_done(echo, 0);
        free(data);
    }
    free(back);
}

/* A queue that another node made comes back as a handle in a message. */
static int make_queue(const void *argument, size_t bytes)
{
    troupe_queue made;

    (void)bytes;
    if (troupe_queue_create(NULL, &made) != TROUPE_OK ||
        troupe_queue_put(made, "hello", 6, TROUPE_FOREVER) != TROUPE_OK)
        return 1;
    return -troupe_queue_put(*(const troupe_queue *)argument, &made, sizeof made, TROUPE_FOREVER);
}

static void test_handles_in_messages(void **state)
{
    troupe_queue post = harness_queue(), made;
    char text[16];

    (void)state;
    harness_done(harness_start_on(last_rank(), make_queue, &post, sizeof post), 0);
    assert_int_equal(troupe_queue_get(post, &made, sizeof made, NULL, 0), TROUPE_OK);
    assert_int_equal(troupe_queue_get(made, text, sizeof text, NULL, 0), TROUPE_OK);
    assert_string_equal(text, "hello");
    assert_int_equal(troupe_queue_destroy(made), TROUPE_OK);
    assert_int_equal(troupe_queue_destroy(post), TROUPE_OK);
}

/* ---- order and exactly once ---------------------------------------------------------------- */

enum { EACH = 2000, SIDES = 2 };

struct stream {
    troupe_queue queue;
    int producer;
};

struct item {
    int producer, number;
};

static int produce(const void *argument, size_t bytes)
{
    const struct stream *stream = argument;

    (void)bytes;
    for (struct item item = { stream->producer, 0 }; item.number < EACH; item.number++)
        if (troupe_queue_put(stream->queue, &item, sizeof item, TROUPE_FOREVER) != TROUPE_OK)
            return 1;
    return 0;
}

/* Sends what it got on to the parent, in order, and an item of its own at the end. */
struct drain {
    troupe_queue queue, seen;
};

static int consume(const void *argument, size_t bytes)
{
    const struct drain *drain = argument;
    struct item item, last[SIDES * 2] = { { -1, -1 }, { -1, -1 }, { -1, -1 }, { -1, -1 } };

    (void)bytes;
    while (troupe_queue_get(drain->queue, &item, sizeof item, NULL, TROUPE_FOREVER) == TROUPE_OK) {
        if (item.number <= last[item.producer].number)
            return 1; /* one producer's items come in its order to each consumer */
        last[item.producer] = item;
        if (troupe_queue_put(drain->seen, &item, sizeof item, TROUPE_FOREVER) != TROUPE_OK)
            return 2;
    }
    return 0;
}

/* Two producers and two consumers, one of each on either side, on a queue of node 0 that is full
 * and empty most of the time. */
static void test_exactly_once_in_order(void **state)
{
    troupe_queue_options options = { .max_messages = 4 };
    unsigned char seen[SIDES][EACH] = { { 0 } };
    struct drain drain = { .seen = harness_queue() };
    troupe_process producers[SIDES], consumers[SIDES];
    struct item item;

    (void)state;
    assert_int_equal(troupe_queue_create(&options, &drain.queue), TROUPE_OK);
    for (int side = 0; side < SIDES; side++) {
        struct stream stream = { drain.queue, side };

        producers[side] = harness_start_on(side * last_rank(), produce, &stream, sizeof stream);
        consumers[side] =
            harness_start_on(side * (last_rank() - 2) + 1, consume, &drain, sizeof drain);
    }
    for (int i = 0; i < SIDES * EACH; i++) {
        assert_int_equal(troupe_queue_get(drain.seen, &item, sizeof item, NULL, HARNESS_LIMIT_MS),
                         TROUPE_OK);
        assert_int_equal(seen[item.producer][item.number]++, 0);
    }
    for (int side = 0; side < SIDES; side++)
        harness_done(producers[side], 0);
    assert_int_equal(troupe_queue_close(drain.queue), TROUPE_OK);
    for (int side = 0; side < SIDES; side++)
        harness_done(consumers[side], 0);
    assert_int_equal(troupe_queue_get(drain.seen, &item, sizeof item, NULL, 0), TROUPE_EMPTY);
}

enum { ROUND_TRIPS = 20 };

static void round_trips(void)
{
    for (int i = 0; i < ROUND_TRIPS; i++)
        harness_done(harness_start_on(last_rank(), own_rank, NULL, 0), last_rank());
}

/* Killed in a get of a queue on another node: the next message is not its any more. The round trips
 * give its request and the message the time to meet; without it less is proved, and nothing
 * fails. */
static void test_killed_in_a_get_elsewhere(void **state)
{
    struct gate gate = { harness_queue(), harness_queue() };
    troupe_process_options options = { .method = TROUPE_METHOD_SPAWN,
                                       .where = TROUPE_ON_NODE,
                                       .place = troupe_world_nodes() - 1 };
    troupe_process process = harness_start(wait_at_gate, &gate, sizeof gate, &options);
    troupe_process_status status;

    (void)state;
    harness_get_int(gate.ready);
    assert_int_equal(troupe_process_status_get(process, &status), TROUPE_OK);
    assert_int_equal(status.state, TROUPE_STATE_RUNNING);
    round_trips();
    harness_kill(process);
    status = harness_end(process);
    assert_int_equal(status.state, TROUPE_STATE_KILLED);
    harness_put_int(gate.open, 5);
    round_trips();
    assert_int_equal(harness_get_int(gate.open), 5);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_on_every_rank),
        cmocka_unit_test(test_on_every_node),
        cmocka_unit_test(test_arguments),
        cmocka_unit_test(test_status_of_itself),
        cmocka_unit_test(test_status_from_elsewhere),
        cmocka_unit_test(test_inspected_from_another_node),
        cmocka_unit_test(test_queue_from_elsewhere),
        cmocka_unit_test(test_blocked_are_ended),
        cmocka_unit_test(test_messages_of_any_size),
        cmocka_unit_test(test_handles_in_messages),
        cmocka_unit_test(test_exactly_once_in_order),
        cmocka_unit_test(test_killed_in_a_get_elsewhere),
        cmocka_unit_test(test_killed_elsewhere),
    };

    if (troupe_init(&argc, &argv) != TROUPE_OK)
        return 1;
    harness_watch(100);
    return troupe_finalize(cmocka_run_group_tests(tests, NULL, NULL));
}
