/* A queue used from two nodes at once. With eight ranks and two nodes, ranks 0-3 and the parent are
 * on the queue's node, 4-7 on the other.
 *
 * In the crowd four putters send messages of random sizes to four getters, each with all its calls.
 * The getters note what came in a file that all map: every message once. */
#include "counts.h"
#include "world/harness.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    PUTTERS = 4,
    MANY = 40,
    MESSAGE_MOST = 3000, /* some lie in the ring, some in blocks */
    LARGE = 300000,
    LARGE_ODDS = 5000,
    SHORT_MS = 30,
    LIMIT = 10 /* messages of the bounded queue */
};

static const int putter_ranks[PUTTERS] = { 0, 1, 4, 5 };
static const int getter_ranks[PUTTERS] = { 2, 3, 6, 7 };

struct part {
    troupe_queue queue;
    long each; /* messages of a putter */
    int number;
    char path[PATH_MAX];
};

struct header {
    uint64_t putter, sequence;
};

/* What a member works with. */
struct member {
    const struct part *part;
    _Atomic unsigned char *ledger; /* [PUTTERS * each] how often each message came */
    uint64_t random;
    int64_t last[PUTTERS];
    unsigned char *room;
};

static uint64_t random_next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static bool member_begin(const void *argument, struct member *member)
{
    const struct part *part = argument;
    size_t bytes = (size_t)(PUTTERS * part->each);
    int file = open(part->path, O_RDWR);
    void *ledger = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);

    close(file);
    *member = (struct member){ .part = part,
                               .ledger = ledger,
                               .random = (uint64_t)part->number * 1000003 + 17,
                               .room = malloc((size_t)MANY * LARGE) };
    memset(member->last, 0xff, sizeof member->last);
    return file >= 0 && ledger != MAP_FAILED && member->room != NULL;
}

/* ---- putters ---------------------------------------------------------------------------- */

static size_t message_make(struct member *member, long sequence, unsigned char *message)
{
    struct header header = { (uint64_t)member->part->number, (uint64_t)sequence };
    size_t size = random_next(&member->random) % 8 == 0
                      ? random_next(&member->random) % MESSAGE_MOST
                      : random_next(&member->random) % 100;

    if (random_next(&member->random) % LARGE_ODDS == 0)
        size = LARGE - sizeof header;
    memcpy(message, &header, sizeof header);
    memset(message + sizeof header, (int)(sequence & 0xff), size);
    return sizeof header + size;
}

static int put_several(struct member *member, long *sequence)
{
    troupe_bytes messages[MANY];
    long left = member->part->each - *sequence;
    size_t count = left < MANY ? (size_t)left : MANY, done = 0;
    int result;

    for (size_t i = 0; i < count; i++) {
        unsigned char *message = member->room + i * LARGE;

        messages[i] = troupe_bytes_of(message, message_make(member, *sequence + (long)i, message));
    }
    result = troupe_queue_put_many(member->part->queue, messages, count, &done, TROUPE_FOREVER);
    *sequence += (long)done;
    return result;
}

static int putter(const void *argument, size_t bytes)
{
    struct member member;
    long sequence = 0;
    int result = TROUPE_OK;

    (void)bytes;
    if (!member_begin(argument, &member))
        return 2;
    while (sequence < member.part->each && result == TROUPE_OK) {
        if (random_next(&member.random) % 4 != 0) {
            result = put_several(&member, &sequence);
            continue;
        }
        result = troupe_queue_put(member.part->queue, member.room,
                                  message_make(&member, sequence, member.room), TROUPE_FOREVER);
        sequence++;
    }
    free(member.room);
    return result == TROUPE_OK ? 0 : 3;
}

/* ---- getters ---------------------------------------------------------------------------- */

/* Whether a message is whole, later than its putter's last one here, and new to all. */
static bool message_take(struct member *member, const unsigned char *message, size_t size)
{
    struct header header;

    if (size < sizeof header)
        return false;
    memcpy(&header, message, sizeof header);
    if (header.putter >= PUTTERS || header.sequence >= (uint64_t)member->part->each ||
        (int64_t)header.sequence <= member->last[header.putter])
        return false;
    for (size_t i = sizeof header; i < size; i++)
        if (message[i] != (header.sequence & 0xff))
            return false;
    member->last[header.putter] = (int64_t)header.sequence;
    return atomic_fetch_add(
               &member->ledger[header.putter * (uint64_t)member->part->each + header.sequence],
               1) == 0;
}

static int get_several(struct member *member, bool *good)
{
    troupe_bytes views[MANY];
    size_t count = 0;
    int result = troupe_queue_get_many(member->part->queue, member->room, (size_t)MANY * LARGE,
                                       views, MANY, &count, TROUPE_FOREVER);

    for (size_t i = 0; result == TROUPE_OK && i < count; i++)
        *good = *good && message_take(member, views[i].data, views[i].size);
    return result;
}

static int get_one(struct member *member, bool *good)
{
    size_t size = 0;
    int result = troupe_queue_get(member->part->queue, member->room, LARGE, &size, TROUPE_FOREVER);

    *good = *good && (result != TROUPE_OK || message_take(member, member->room, size));
    return result;
}

static int get_allocated(struct member *member, bool *good)
{
    void *message = NULL;
    size_t size = 0;
    int result = troupe_queue_get_alloc(member->part->queue, &message, &size, TROUPE_FOREVER);

    *good = *good && (result != TROUPE_OK || message_take(member, message, size));
    free(message);
    return result;
}

static int lease_one(struct member *member, bool *good)
{
    troupe_lease lease;
    size_t size = 0;
    int result =
        troupe_queue_lease(member->part->queue, member->room, LARGE, &size, &lease, TROUPE_FOREVER);

    if (result != TROUPE_OK)
        return result;
    *good = *good && lease.attempt == 1 && message_take(member, member->room, size);
    return troupe_queue_done(member->part->queue, lease);
}

static int getter(const void *argument, size_t bytes)
{
    static int (*const ways[])(struct member *, bool *) = { get_several, get_several,   get_several,
                                                            get_one,     get_allocated, lease_one };
    struct member member;
    int result = TROUPE_OK;
    bool good = true;

    (void)bytes;
    if (!member_begin(argument, &member))
        return 2;
    while (result == TROUPE_OK && good)
        result = ways[random_next(&member.random) % (sizeof ways / sizeof *ways)](&member, &good);
    free(member.room);
    return !good ? 4 : result == TROUPE_CLOSED ? 0 : 3;
}

/* ---- the crowd -------------------------------------------------------------------------- */

static void ledger_make(struct part *part)
{
    int file;

    snprintf(part->path, sizeof part->path, "%s/crowd.XXXXXX", harness_folder());
    file = mkstemp(part->path);
    assert_true(file >= 0);
    assert_int_equal(ftruncate(file, PUTTERS * part->each), 0);
    close(file);
}

static void ledger_judge(const struct part *part)
{
    struct member member;

    assert_true(member_begin(part, &member));
    for (long i = 0; i < PUTTERS * part->each; i++)
        assert_int_equal(member.ledger[i], 1);
    free(member.room);
    unlink(part->path);
}

static void crowd(uint64_t max_messages, long each)
{
    troupe_queue_options options = { .max_messages = max_messages };
    troupe_process putters[PUTTERS], getters[PUTTERS];
    struct part part = { .each = each };

    ledger_make(&part);
    assert_int_equal(troupe_queue_create(&options, &part.queue), TROUPE_OK);
    for (part.number = 0; part.number < PUTTERS; part.number++) {
        putters[part.number] =
            harness_start_on(putter_ranks[part.number], putter, &part, sizeof part);
        getters[part.number] =
            harness_start_on(getter_ranks[part.number], getter, &part, sizeof part);
    }
    for (int i = 0; i < PUTTERS; i++)
        assert_int_equal(troupe_process_join(putters[i], TROUPE_FOREVER), TROUPE_OK);
    assert_int_equal(troupe_queue_close(part.queue), TROUPE_OK);
    for (int i = 0; i < PUTTERS; i++)
        assert_int_equal(troupe_process_join(getters[i], TROUPE_FOREVER), TROUPE_OK);
    for (int i = 0; i < PUTTERS; i++) {
        harness_done(putters[i], 0);
        harness_done(getters[i], 0);
    }
    ledger_judge(&part);
    assert_int_equal(troupe_queue_destroy(part.queue), TROUPE_OK);
}

static void test_crowd(void **state)
{
    (void)state;
    crowd(0, test_count(2000, 2500000));
}

static void test_crowd_bounded(void **state)
{
    (void)state;
    crowd(LIMIT, test_count(200, 20000));
}

/* ---- every call from elsewhere ------------------------------------------------------------ */

#define check(condition)                                                                           \
    do {                                                                                           \
        if (!(condition))                                                                          \
            return __LINE__ % 250 + 1;                                                             \
    } while (0)

static int bounded(const void *argument, size_t bytes)
{
    troupe_queue queue = *(const troupe_queue *)argument;
    troupe_bytes messages[LIMIT + 3], views[LIMIT];
    char text[LIMIT], buffer[LIMIT * 16];
    size_t done = 0, count = 0;
    int flag = 0;

    (void)bytes;
    for (size_t i = 0; i < LIMIT + 3; i++)
        messages[i] = troupe_bytes_of("abcdefghijklmnop", i);
    check(troupe_queue_full(queue, &flag) == TROUPE_OK && !flag);
    check(troupe_queue_put_many(queue, messages, LIMIT + 3, &done, SHORT_MS) == TROUPE_FULL);
    check(done == LIMIT);
    check(troupe_queue_full(queue, &flag) == TROUPE_OK && flag);
    check(troupe_queue_put(queue, "", 0, TROUPE_NO_WAIT) == TROUPE_FULL);
    check(troupe_queue_put(queue, "", 0, SHORT_MS) == TROUPE_FULL);
    check(troupe_queue_join(queue, SHORT_MS) == TROUPE_TIMEOUT);
    check(troupe_queue_get(queue, text, 0, &done, TROUPE_NO_WAIT) == TROUPE_OK && done == 0);
    check(troupe_queue_get(queue, text, 0, &done, TROUPE_NO_WAIT) == TROUPE_TOO_LONG && done == 1);
    check(troupe_queue_get_many(queue, buffer, 0, views, LIMIT, &count, TROUPE_NO_WAIT) ==
              TROUPE_TOO_LONG &&
          views[0].size == 1);
    check(troupe_queue_get_many(queue, buffer, sizeof buffer, views, LIMIT, &count,
                                TROUPE_NO_WAIT) == TROUPE_OK);
    check(count == LIMIT - 1);
    for (size_t i = 0; i < count; i++)
        check(views[i].size == i + 1 && memcmp(views[i].data, messages[i + 1].data, i + 1) == 0);
    check(troupe_queue_get_many(queue, buffer, sizeof buffer, views, LIMIT, &count, SHORT_MS) ==
          TROUPE_EMPTY);
    check(troupe_queue_join(queue, TROUPE_FOREVER) == TROUPE_OK);
    return 0;
}

static void test_bounded_from_elsewhere(void **state)
{
    troupe_queue_options options = { .max_messages = LIMIT };
    troupe_queue queue;

    (void)state;
    assert_int_equal(troupe_queue_create(&options, &queue), TROUPE_OK);
    harness_done(harness_start_on(6, bounded, &queue, sizeof queue), 0);
    assert_int_equal(troupe_queue_destroy(queue), TROUPE_OK);
}

struct holder {
    troupe_queue queue, told, gate;
};

/* Takes two leases, is done with one, and then ends as it is told. */
static int hold(const void *argument, size_t bytes)
{
    const struct holder *holder = argument;
    troupe_lease first, second;
    int value;
    size_t size;

    (void)bytes;
    check(troupe_queue_lease(holder->queue, &value, sizeof value, &size, &first, TROUPE_FOREVER) ==
          TROUPE_OK);
    check(troupe_queue_lease(holder->queue, &value, sizeof value, &size, &second, TROUPE_FOREVER) ==
          TROUPE_OK);
    check(troupe_queue_done(holder->queue, first) == TROUPE_OK);
    check(troupe_queue_done(holder->queue, first) == TROUPE_NOT_FOUND);
    check(troupe_queue_put(holder->told, &value, sizeof value, TROUPE_FOREVER) == TROUPE_OK);
    check(troupe_queue_get(holder->gate, &value, sizeof value, &size, TROUPE_FOREVER) == TROUPE_OK);
    return 0;
}

static void lease_expect(troupe_queue queue, int value, uint64_t attempt)
{
    troupe_lease lease;
    int got = -1;

    assert_int_equal(troupe_queue_lease(queue, &got, sizeof got, NULL, &lease, HARNESS_LIMIT_MS),
                     TROUPE_OK);
    assert_int_equal(got, value);
    assert_int_equal(lease.attempt, attempt);
    assert_int_equal(troupe_queue_done(queue, lease), TROUPE_OK);
}

/* What a holder on the other node had not done comes back when it is killed, and when its target
 * returns. */
static void leases_come_back(bool killed)
{
    troupe_process_options elsewhere = { .method = TROUPE_METHOD_SPAWN,
                                         .where = TROUPE_ON_NODE,
                                         .place = 1 };
    struct holder holder = { harness_queue(), harness_queue(), harness_queue() };
    troupe_process process;

    for (int value = 1; value <= 3; value++)
        harness_put_int(holder.queue, value);
    process = killed ? harness_start(hold, &holder, sizeof holder, &elsewhere)
                     : harness_start_on(5, hold, &holder, sizeof holder);
    harness_get_int(holder.told);
    assert_int_equal(troupe_queue_join(holder.queue, TROUPE_NO_WAIT), TROUPE_TIMEOUT);
    if (killed) {
        harness_kill(process);
        assert_int_equal(harness_end(process).state, TROUPE_STATE_KILLED);
    } else {
        harness_put_int(holder.gate, 0);
        harness_done(process, 0);
    }
    lease_expect(holder.queue, 2, 2);
    lease_expect(holder.queue, 3, 1);
    assert_int_equal(troupe_queue_join(holder.queue, HARNESS_LIMIT_MS), TROUPE_OK);
    assert_int_equal(troupe_queue_destroy(holder.queue), TROUPE_OK);
    assert_int_equal(troupe_queue_destroy(holder.told), TROUPE_OK);
    assert_int_equal(troupe_queue_destroy(holder.gate), TROUPE_OK);
}

static void test_killed_holder(void **state)
{
    (void)state;
    leases_come_back(true);
}

static void test_holder_that_returns(void **state)
{
    (void)state;
    leases_come_back(false);
}

static int open_and_put(const void *argument, size_t bytes)
{
    troupe_queue queue;

    (void)bytes;
    check(troupe_queue_open(argument, NULL, &queue) == TROUPE_OK);
    check(troupe_queue_put(queue, "x", 1, TROUPE_FOREVER) == TROUPE_OK);
    return 0;
}

static void test_opened_by_name(void **state)
{
    static const char name[] = "letters";
    troupe_queue queue, other;
    uint64_t messages;

    (void)state;
    harness_done(harness_start_on(7, open_and_put, name, sizeof name), 0);
    assert_int_equal(troupe_queue_open(name, NULL, &queue), TROUPE_OK);
    harness_done(harness_start_on(1, open_and_put, name, sizeof name), 0);
    assert_int_equal(troupe_queue_size(queue, &messages), TROUPE_OK);
    assert_int_equal(messages, 2);
    assert_int_equal(troupe_queue_destroy(queue), TROUPE_OK);
    assert_int_equal(troupe_queue_open(name, NULL, &other), TROUPE_OK);
    assert_true(other.id != queue.id);
    assert_int_equal(troupe_queue_destroy(other), TROUPE_OK);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crowd),
        cmocka_unit_test(test_crowd_bounded),
        cmocka_unit_test(test_bounded_from_elsewhere),
        cmocka_unit_test(test_killed_holder),
        cmocka_unit_test(test_holder_that_returns),
        cmocka_unit_test(test_opened_by_name),
    };

    if (troupe_init(&argc, &argv) != TROUPE_OK)
        return 1;
    harness_watch((unsigned)test_count(150, 3600));
    return troupe_finalize(cmocka_run_group_tests(tests, NULL, NULL));
}
