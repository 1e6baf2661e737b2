/* Leaders die while everybody uses everything: counts, messages and ends must come out as if nobody
 * had died. Half of the ranks are node 0, the parent's, the other half node 1. The last two ranks
 * of each node and some fresh processes work; the first ones die, one after the other, the leader
 * first: each is in the middle of a process of its own, whose end has to be told, too.
 *
 * Every object has its home on the node where its maker runs, so there is one of each on both: a
 * worker's calls go to its own node and to the other one. */
#include "counts.h"
#include "world/harness.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define WATCH_S 200
#define WATCH_FULL_S 230
#define CALL_MS 30000  /* no takeover takes this long, on the most crowded machine */
#define PAUSE_US 50000 /* at most, before a leader dies */
#define PAUSE_FULL_US 5000000

enum { NODES = 2, KEYS = 8, KINDS = 4, LARGE = 100000, SMALL = 64, MANY = 20 };

/* What everybody works with: one of each on every node. */
struct board {
    troupe_dict dict;
    troupe_event stop;
    troupe_queue messages[NODES];
    troupe_lock locks[NODES];
};

struct part {
    struct board board;
    int kind, number;
};

static void nap_us(long us)
{
    struct timespec moment = { us / 1000000, us % 1000000 * 1000 };

    while (nanosleep(&moment, &moment) != 0 && errno == EINTR)
        ;
}

static bool is_over(const struct board *board)
{
    int set = 0;

    return troupe_event_is_set(board->stop, &set) != TROUPE_OK || set != 0;
}

static int complain(const struct part *part, const char *what, int result)
{
    fprintf(stderr, "worker %d of kind %d: %s: %s: %s\n", part->number, part->kind, what,
            troupe_result_name(result), troupe_last_error());
    return 1;
}

/* Adds what a worker has done to the sums that the parent compares in the end. */
static int tell(const struct part *part, const char *name, uint64_t amount)
{
    int result = troupe_dict_add(part->board.dict, troupe_text(name), (int64_t)amount, NULL);

    return result == TROUPE_OK ? 0 : complain(part, name, result);
}

/* ---- counting ------------------------------------------------------------------------------- */

/* Only this worker adds to its own keys, so each sum that comes back is known. */
static int count(const struct part *part)
{
    int64_t sums[KEYS] = { 0 }, sum;
    char key[32];
    uint64_t all = 0;

    for (; !is_over(&part->board); all++) {
        int at = (int)(all % KEYS), result;

        snprintf(key, sizeof key, "own %d %d", part->number, at);
        result = troupe_dict_add(part->board.dict, troupe_text(key), 3, &sum);
        sums[at] += 3;
        if (result != TROUPE_OK || sum != sums[at])
            return complain(part, "a counter came back different", result);
        result = troupe_dict_add(part->board.dict, troupe_text("all"), 1, NULL);
        if (result != TROUPE_OK)
            return complain(part, "add", result);
    }
    return tell(part, "all told", all);
}

/* ---- locking -------------------------------------------------------------------------------- */

/* A number in the dict, read and written back higher by whoever has the lock. */
static int guarded_add(const struct part *part, int node)
{
    char key[32];
    int64_t value = 0;
    int result;

    snprintf(key, sizeof key, "guarded %d", node);
    result = troupe_dict_get(part->board.dict, troupe_text(key), &value, sizeof value, NULL);
    if (result != TROUPE_OK && result != TROUPE_NOT_FOUND)
        return result;
    value++;
    return troupe_dict_set(part->board.dict, troupe_text(key),
                           troupe_bytes_of(&value, sizeof value));
}

static int locking(const struct part *part)
{
    uint64_t all = 0;

    for (; !is_over(&part->board); all++) {
        int node = (int)(all % NODES);
        int result = troupe_lock_acquire(part->board.locks[node], CALL_MS);

        if (result != TROUPE_OK && result != TROUPE_OWNER_DIED)
            return complain(part, "acquire", result);
        result = guarded_add(part, node);
        if (result != TROUPE_OK)
            return complain(part, "what the lock guards", result);
        result = troupe_lock_release(part->board.locks[node]);
        if (result != TROUPE_OK)
            return complain(part, "release", result);
    }
    return tell(part, "guarded told", all);
}

/* ---- messages ------------------------------------------------------------------------------- */

/* A message is known by this number; the sum of all that were put is that of all that came. */
static uint64_t spread(uint64_t value)
{
    value = (value ^ value >> 31) * 0x9e3779b97f4a7c15u;
    return (value ^ value >> 29) >> 8;
}

/* Every third lies in a block of its own. */
static size_t size_of(uint64_t index)
{
    return index % 3 == 0 ? LARGE : SMALL;
}

static uint64_t message_make(const struct part *part, uint64_t index, unsigned char *message)
{
    uint64_t name = spread((uint64_t)part->number << 40 | index);

    memcpy(message, &name, sizeof name);
    memset(message + sizeof name, (int)(name & 0xff), size_of(index) - sizeof name);
    return name;
}

static int putting(const struct part *part)
{
    static unsigned char room[LARGE], many[MANY][SMALL];
    troupe_bytes views[MANY];
    uint64_t sum = 0, index = 0;

    while (!is_over(&part->board)) {
        troupe_queue queue = part->board.messages[index % NODES];
        size_t done = 0;
        int result;

        sum += message_make(part, index, room);
        result = troupe_queue_put(queue, room, size_of(index), CALL_MS);
        index++;
        for (size_t i = 0; i < MANY; i++) {
            index += index % 3 == 0; /* all of them small */
            sum += message_make(part, index++, many[i]);
            views[i] = troupe_bytes_of(many[i], SMALL);
        }
        if (result == TROUPE_OK)
            result = troupe_queue_put_many(queue, views, MANY, &done, CALL_MS);
        if (result != TROUPE_OK || done != MANY)
            return complain(part, "put", result);
        nap_us(2000); /* the getters keep up */
    }
    return tell(part, "put", sum);
}

static bool is_whole(const unsigned char *message, size_t size)
{
    uint64_t name;

    memcpy(&name, message, sizeof name);
    for (size_t i = sizeof name; i < size; i++)
        if (message[i] != (name & 0xff))
            return false;
    return size == LARGE || size == SMALL;
}

/* Takes by get and by lease in turn, until the queue is closed and drained. */
static int getting(const struct part *part)
{
    static unsigned char room[LARGE];
    troupe_queue queue = part->board.messages[part->number % NODES];
    uint64_t sum = 0, name;

    for (uint64_t round = 0;; round++) {
        troupe_lease lease = { 0 };
        size_t size = 0;
        int result = round % 2 == 0
                         ? troupe_queue_get(queue, room, sizeof room, &size, CALL_MS)
                         : troupe_queue_lease(queue, room, sizeof room, &size, &lease, CALL_MS);

        if (result == TROUPE_CLOSED)
            return tell(part, "got", sum);
        if (result != TROUPE_OK)
            return complain(part, round % 2 == 0 ? "get" : "lease", result);
        if (!is_whole(room, size))
            return complain(part, "a message is not whole", (int)size);
        memcpy(&name, room, sizeof name);
        sum += name;
        if (round % 2 == 1 && (result = troupe_queue_done(queue, lease)) != TROUPE_OK)
            return complain(part, "done", result);
    }
}

static int worker(const void *argument, size_t bytes)
{
    static int (*const kinds[KINDS])(const struct part *part) = { count, locking, putting,
                                                                  getting };
    const struct part *part = argument;

    (void)bytes;
    return kinds[part->kind](part);
}

/* ---- the parent ----------------------------------------------------------------------------- */

/* Makes a queue and a lock on its node. */
static int maker(const void *argument, size_t bytes)
{
    struct made {
        troupe_queue queue;
        troupe_lock lock;
    } made;
    troupe_queue reply;

    memcpy(&reply, argument, bytes);
    if (troupe_queue_create(NULL, &made.queue) != TROUPE_OK ||
        troupe_lock_create(NULL, &made.lock) != TROUPE_OK)
        return 1;
    return troupe_queue_put(reply, &made, sizeof made, TROUPE_FOREVER) == TROUPE_OK ? 0 : 1;
}

static struct board board_make(void)
{
    struct made {
        troupe_queue queue;
        troupe_lock lock;
    } made;
    troupe_queue reply = harness_queue();
    struct board board;

    assert_int_equal(troupe_dict_create(NULL, &board.dict), TROUPE_OK);
    assert_int_equal(troupe_event_create(&board.stop), TROUPE_OK);
    for (int node = 0; node < NODES; node++) {
        int rank = (node + 1) * troupe_world_size() / NODES - 1;

        harness_done(harness_start_on(rank, maker, &reply, sizeof reply), 0);
        assert_int_equal(troupe_queue_get(reply, &made, sizeof made, NULL, CALL_MS), TROUPE_OK);
        board.messages[node] = made.queue;
        board.locks[node] = made.lock;
    }
    troupe_queue_destroy(reply);
    return board;
}

/* Two workers of each kind, one on each node; those of odd kinds in fresh processes. */
static void workers_start(const struct board *board, troupe_process crew[KINDS * NODES])
{
    for (int i = 0; i < KINDS * NODES; i++) {
        struct part part = { *board, i / NODES, i };
        int node = i % NODES, each = troupe_world_size() / NODES;
        troupe_process_options options = { .method = TROUPE_METHOD_SPAWN,
                                           .where = TROUPE_ON_NODE,
                                           .place = node };

        crew[i] = part.kind % 2 == 1 ? harness_start(worker, &part, sizeof part, &options)
                                     : harness_start_on(each * (node + 1) - 1 - part.kind / 2,
                                                        worker, &part, sizeof part);
    }
}

static int64_t number_of(const struct board *board, const char *name)
{
    int64_t value = 0;
    int result = troupe_dict_get(board->dict, troupe_text(name), &value, sizeof value, NULL);

    if (result != TROUPE_OK)
        fail_msg("%s: %s", name, troupe_last_error());
    return value;
}

static int returns_seven(const void *argument, size_t bytes)
{
    (void)argument, (void)bytes;
    return 7;
}

/* A process starts, runs and is joined on each node, at whatever moment. */
static void processes_come_and_go(void)
{
    for (int node = 0; node < NODES; node++) {
        const troupe_process_options options = { .method = TROUPE_METHOD_SPAWN,
                                                 .where = TROUPE_ON_NODE,
                                                 .place = node };

        harness_done(harness_start(returns_seven, NULL, 0, &options), 7);
    }
}

/* The rank leads its node. Its end is told, and is the true one. */
static void leader_dies(int rank, long us)
{
    static const int killed = SIGKILL;
    troupe_process victim;
    troupe_process_status status;

    nap_us(us);
    victim = harness_start_on(rank, harness_raise, &killed, sizeof killed);
    processes_come_and_go();
    status = harness_end(victim);
    assert_int_equal(status.state, TROUPE_STATE_KILLED);
    assert_int_equal(status.signal, SIGKILL);
    assert_int_equal(status.rank, rank);
}

/* The time, or TROUPE_TEST_SEED, which repeats the moments of a run that failed. */
static unsigned seed(void)
{
    const char *given = getenv("TROUPE_TEST_SEED");
    unsigned chosen = given != NULL ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);

    fprintf(stderr, "TROUPE_TEST_SEED=%u\n", chosen);
    return chosen;
}

static void leaders_die(void **state)
{
    troupe_process crew[KINDS * NODES];
    int each = troupe_world_size() / NODES;
    struct board board = board_make();
    unsigned random = seed();
    long pause = test_count(PAUSE_US, PAUSE_FULL_US);

    (void)state;
    workers_start(&board, crew);
    for (int i = 0; i < each - 2; i++)
        for (int node = NODES - 1; node >= 0; node--) {
            random = random * 1664525u + 1013904223u;
            leader_dies(node * each + i, (long)(random >> 8) % pause);
        }
    assert_int_equal(troupe_event_set(board.stop), TROUPE_OK);
    for (int i = 0; i < (KINDS - 1) * NODES; i++)
        harness_done(crew[i], 0);
    for (int node = 0; node < NODES; node++)
        assert_int_equal(troupe_queue_close(board.messages[node]), TROUPE_OK);
    for (int i = (KINDS - 1) * NODES; i < KINDS * NODES; i++)
        harness_done(crew[i], 0);
    assert_true(number_of(&board, "all") > 0);
    assert_int_equal(number_of(&board, "all"), number_of(&board, "all told"));
    assert_int_equal(number_of(&board, "guarded 0") + number_of(&board, "guarded 1"),
                     number_of(&board, "guarded told"));
    assert_int_equal(number_of(&board, "put"), number_of(&board, "got"));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(leaders_die) };

    if (troupe_init(&argc, &argv) != TROUPE_OK)
        return troupe_finalize(1);
    harness_watch((unsigned)test_count(WATCH_S, WATCH_FULL_S));
    return troupe_finalize(cmocka_run_group_tests(tests, NULL, NULL));
}
