/* Users of a queue are killed at random moments, hundreds of them, while others go on: whatever a
 * put has acknowledged comes out once, and at the end the queue and its memory are whole.
 *
 * Each process notes what was acknowledged to it in a file that all map and that survives them. A
 * consumer that is killed between its get and its note has taken at most one message with it;
 * nothing else may be missing, and nothing may come twice. With leases nothing may be missing but
 * what somebody was saying done of when killed, and nothing that was done may come again. */
#include "counts.h"
#include "world/harness.h"

#include "base/clock.h"
#include "core/heap.h"
#include "core/world.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum {
    KILLS_MOST = 250,
    STEADY = KILLS_MOST,
    PRODUCERS = KILLS_MOST + 1,
    PUTS_MOST = 1 << 22,
    WARM_OBJECTS = 300
};

/* Who is killed. */
enum victims { VICTIM_PRODUCERS, VICTIM_CONSUMERS, VICTIM_BOTH, VICTIM_HOLDERS };

struct ledger {
    _Atomic int stop;
    _Atomic int operations[PRODUCERS]; /* of a producer or consumer, to see it at work */
    _Atomic int acknowledged[PRODUCERS];
    _Atomic uint64_t longest_ns; /* that one of the steady producer's puts took */
    _Atomic unsigned char seen[PRODUCERS][PUTS_MOST];
    _Atomic unsigned char begun[PRODUCERS][PUTS_MOST]; /* somebody is about to say done */
};

struct part {
    troupe_queue queue;
    int number;
    char path[PATH_MAX];
};

struct message {
    int producer, sequence;
    unsigned char filling[5000];
};
#define MESSAGE_LEAST offsetof(struct message, filling)

static struct ledger *ledger_map(const char *path)
{
    int file = open(path, O_RDWR);
    void *base = MAP_FAILED;

    if (file >= 0) {
        base = mmap(NULL, sizeof(struct ledger), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        close(file);
    }
    return base != MAP_FAILED ? base : NULL;
}

static int produce(const void *argument, size_t bytes)
{
    const struct part *part = argument;
    struct ledger *ledger = ledger_map(part->path);
    struct message message = { .producer = part->number };

    (void)bytes;
    if (ledger == NULL)
        return 2;
    while (!atomic_load(&ledger->stop) && message.sequence < PUTS_MOST) {
        size_t size = MESSAGE_LEAST + (size_t)message.sequence * 37 % sizeof message.filling;

        uint64_t begun = clock_now(), took;

        if (troupe_queue_put(part->queue, &message, size, TROUPE_FOREVER) != TROUPE_OK)
            return 3;
        took = clock_now() - begun;
        if (part->number == STEADY && took > atomic_load(&ledger->longest_ns))
            atomic_store(&ledger->longest_ns, took);
        message.sequence++;
        atomic_store(&ledger->acknowledged[part->number], message.sequence);
        atomic_fetch_add(&ledger->operations[part->number], 1);
    }
    munmap(ledger, sizeof *ledger);
    return 0;
}

/* One lease and its end; a message that was done before must not come. */
static int lease_one(const struct part *part, struct ledger *ledger, struct message *message)
{
    troupe_lease lease;
    int result =
        troupe_queue_lease(part->queue, message, sizeof *message, NULL, &lease, TROUPE_FOREVER);

    if (result != TROUPE_OK)
        return result;
    if (atomic_load(&ledger->seen[message->producer][message->sequence]) != 0)
        return TROUPE_DIFFERS;
    atomic_store(&ledger->begun[message->producer][message->sequence], 1);
    result = troupe_queue_done(part->queue, lease);
    if (result == TROUPE_OK)
        atomic_fetch_add(&ledger->seen[message->producer][message->sequence], 1);
    atomic_fetch_add(&ledger->operations[part->number], 1);
    return result;
}

static int consume_leases(const void *argument, size_t bytes)
{
    const struct part *part = argument;
    struct ledger *ledger = ledger_map(part->path);
    struct message message;
    int result = TROUPE_OK;

    (void)bytes;
    if (ledger == NULL)
        return 2;
    while (result == TROUPE_OK)
        result = lease_one(part, ledger, &message);
    munmap(ledger, sizeof *ledger);
    return result == TROUPE_CLOSED ? 0 : 3;
}

static int consume(const void *argument, size_t bytes)
{
    const struct part *part = argument;
    struct ledger *ledger = ledger_map(part->path);
    struct message message;
    int result = TROUPE_OK;

    (void)bytes;
    if (ledger == NULL)
        return 2;
    while ((result = troupe_queue_get(part->queue, &message, sizeof message, NULL,
                                      TROUPE_FOREVER)) == TROUPE_OK) {
        atomic_fetch_add(&ledger->seen[message.producer][message.sequence], 1);
        atomic_fetch_add(&ledger->operations[part->number], 1);
    }
    munmap(ledger, sizeof *ledger);
    return result == TROUPE_CLOSED ? 0 : 3;
}

static void pause_ns(long nanoseconds)
{
    nanosleep(&(struct timespec){ 0, nanoseconds }, NULL);
}

/* Kills the process at some moment after it was seen at work. */
static void kill_at_work(struct ledger *ledger, int number, troupe_process process,
                         unsigned *random)
{
    long moment = rand_r(random) % 2000;
    troupe_process_status status;

    while (atomic_load(&ledger->operations[number]) == 0)
        pause_ns(100000);
    for (volatile long spin = 0; spin < moment * 100; spin++)
        ;
    assert_int_equal(troupe_process_status_get(process, &status), TROUPE_OK);
    assert_int_equal(kill(status.pid, SIGKILL), 0);
    status = harness_end(process);
    assert_int_equal(status.state, TROUPE_STATE_KILLED);
    assert_int_equal(status.signal, SIGKILL);
}

/* How many acknowledged messages never came; none may have come twice or unsent. */
static int missing_count(struct ledger *ledger, bool leased)
{
    int missing = 0;

    for (int producer = 0; producer < PRODUCERS; producer++) {
        int sent = atomic_load(&ledger->acknowledged[producer]);

        for (int sequence = 0; sequence < PUTS_MOST; sequence++) {
            unsigned char seen = atomic_load(&ledger->seen[producer][sequence]);

            assert_in_range(seen, 0, sequence <= sent ? 1 : 0);
            if (sequence < sent && seen == 0) {
                assert_true(!leased || atomic_load(&ledger->begun[producer][sequence]) == 1);
                missing++;
            }
            if (sequence > sent)
                break;
        }
    }
    return missing;
}

static uint64_t linked_bytes(void)
{
    struct heap_usage usage;

    heap_usage_get(&world_here.arena, &usage);
    assert_int_equal(usage.flight_blocks, 0);
    return usage.linked_bytes;
}

/* Kills some beside a steady producer and consumer. */
static void kill_some(enum victims whom)
{
    troupe_queue_options options = { .max_messages = 8 };
    struct part part = { .number = STEADY };
    troupe_process producer, consumer;
    unsigned random = (unsigned)whom + 1;
    troupe_target taker = whom == VICTIM_HOLDERS ? consume_leases : consume;
    long kills = test_count(60, KILLS_MOST);
    int killed_consumers = 0;
    uint64_t before = linked_bytes(), messages;
    const char *folder = getenv("TMPDIR");
    struct ledger *ledger;
    int file;

    snprintf(part.path, sizeof part.path, "%s/ledger.XXXXXX", folder != NULL ? folder : "/tmp");
    file = mkstemp(part.path);
    assert_int_equal(ftruncate(file, sizeof *ledger), 0);
    close(file);
    ledger = ledger_map(part.path);
    assert_non_null(ledger);
    assert_int_equal(troupe_queue_create(&options, &part.queue), TROUPE_OK);
    producer = harness_start_on(0, produce, &part, sizeof part);
    consumer = harness_start_on(1, taker, &part, sizeof part);
    for (part.number = 0; part.number < kills; part.number++) {
        bool of_consumer =
            whom == VICTIM_CONSUMERS || (whom >= VICTIM_BOTH && part.number % 2 == 1);
        troupe_process victim = harness_spawn(of_consumer ? taker : produce, &part, sizeof part);

        kill_at_work(ledger, part.number, victim, &random);
        killed_consumers += of_consumer;
    }
    atomic_store(&ledger->stop, 1);
    harness_done(producer, 0);
    assert_int_equal(troupe_queue_close(part.queue), TROUPE_OK);
    harness_done(consumer, 0);
    assert_int_equal(troupe_queue_size(part.queue, &messages), TROUPE_OK);
    assert_int_equal(messages, 0);
    assert_in_range(missing_count(ledger, whom == VICTIM_HOLDERS), 0, killed_consumers);
    print_message("%ld kills, the longest put %.1f ms\n", kills,
                  (double)atomic_load(&ledger->longest_ns) / 1e6);
    assert_int_equal(troupe_queue_destroy(part.queue), TROUPE_OK);
    assert_int_equal(linked_bytes(), before);
    munmap(ledger, sizeof *ledger);
    unlink(part.path);
}

static void test_killed_producers(void **state)
{
    (void)state;
    kill_some(VICTIM_PRODUCERS);
}

static void test_killed_consumers(void **state)
{
    (void)state;
    kill_some(VICTIM_CONSUMERS);
}

static void test_killed_both(void **state)
{
    (void)state;
    kill_some(VICTIM_BOTH);
}

static void test_killed_holders(void **state)
{
    (void)state;
    kill_some(VICTIM_HOLDERS);
}

/* The table of records has its size before memory is compared. */
static int table_warm(void **state)
{
    (void)state;
    for (int i = 0; i < WARM_OBJECTS; i++)
        assert_int_equal(troupe_queue_destroy(harness_queue()), TROUPE_OK);
    return 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_killed_producers),
        cmocka_unit_test(test_killed_consumers),
        cmocka_unit_test(test_killed_both),
        cmocka_unit_test(test_killed_holders),
    };

    if (troupe_init(&argc, &argv) != TROUPE_OK)
        return 1;
    harness_watch((unsigned)test_count(180, 900));
    return troupe_finalize(cmocka_run_group_tests(tests, table_warm, NULL));
}
