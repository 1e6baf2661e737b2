/* Locks, semaphores, events, conditions and barriers between processes of all nodes, some of which
 * are killed: who holds, who waits, who was told. The objects' home is node 0, the parent's. */
#include "world/harness.h"

#include "counts.h"

#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { CODE_OK = 10, CODE_OWNER_DIED = 11, CODE_BROKEN = 12, CODE_TIMEOUT = 13, CODE_OTHER = 14 };

struct stage {
    troupe_lock lock;
    troupe_semaphore semaphore;
    troupe_event event;
    troupe_condition condition;
    troupe_barrier barrier;
    troupe_queue told, never; /* who is ready puts its number; nobody puts into the other */
    int rounds;
    char path[PATH_MAX];
};

static struct stage stage;

static int code_of(int result)
{
    switch (result) {
    case TROUPE_OK:
        return CODE_OK;
    case TROUPE_OWNER_DIED:
        return CODE_OWNER_DIED;
    case TROUPE_BROKEN:
        return CODE_BROKEN;
    case TROUPE_TIMEOUT:
        return CODE_TIMEOUT;
    default:
        return CODE_OTHER;
    }
}

static void tell(const struct stage *at, int value)
{
    troupe_queue_put(at->told, &value, sizeof value, TROUPE_FOREVER);
}

static int stay(const struct stage *at)
{
    tell(at, 1);
    troupe_queue_get(at->never, NULL, 0, NULL, TROUPE_FOREVER);
    return CODE_OTHER;
}

/* A process of its own on a node: it can be killed without a rank. */
static troupe_process start_at(int node, troupe_target target)
{
    troupe_process_options options = { .method = TROUPE_METHOD_SPAWN,
                                       .where = TROUPE_ON_NODE,
                                       .place = node };

    return harness_start(target, &stage, sizeof stage, &options);
}

static void kill_now(troupe_process process)
{
    harness_kill(process);
    assert_int_equal(harness_end(process).state, TROUPE_STATE_KILLED);
}

static int begin(void **state)
{
    (void)state;
    memset(&stage, 0, sizeof stage);
    stage.told = harness_queue();
    stage.never = harness_queue();
    stage.rounds = (int)test_count(10, 200);
    assert_int_equal(troupe_lock_create(NULL, &stage.lock), TROUPE_OK);
    assert_int_equal(troupe_semaphore_create(0, NULL, &stage.semaphore), TROUPE_OK);
    assert_int_equal(troupe_event_create(&stage.event), TROUPE_OK);
    assert_int_equal(troupe_condition_create(NULL, &stage.condition), TROUPE_OK);
    return 0;
}

static int end(void **state)
{
    (void)state;
    troupe_lock_destroy(stage.lock);
    troupe_semaphore_destroy(stage.semaphore);
    troupe_event_destroy(stage.event);
    troupe_condition_destroy(stage.condition);
    troupe_queue_destroy(stage.told);
    troupe_queue_destroy(stage.never);
    return 0;
}

/* ---- locks ------------------------------------------------------------------------------ */

static int hold_and_stay(const void *argument, size_t bytes)
{
    const struct stage *at = argument;

    (void)bytes;
    return troupe_lock_acquire(at->lock, TROUPE_FOREVER) == TROUPE_OK ? stay(at) : CODE_OTHER;
}

static int hold_and_return(const void *argument, size_t bytes)
{
    const struct stage *at = argument;

    (void)bytes;
    return code_of(troupe_lock_acquire(at->lock, TROUPE_FOREVER));
}

static int acquire_late(const void *argument, size_t bytes)
{
    const struct stage *at = argument;
    int result;

    (void)bytes;
    tell(at, troupe_lock_acquire(at->lock, TROUPE_NO_WAIT) == TROUPE_TIMEOUT &&
                 troupe_lock_acquire(at->lock, 2) == TROUPE_TIMEOUT);
    result = troupe_lock_acquire(at->lock, TROUPE_FOREVER);
    return troupe_lock_release(at->lock) == TROUPE_OK ? code_of(result) : CODE_OTHER;
}

/* The holder is killed while another process, of each node in turn, waits. */
static void test_killed_holder(void **state)
{
    (void)state;
    for (int node = 0; node < troupe_world_nodes(); node++)
        for (int other = 0; other < troupe_world_nodes(); other++) {
            troupe_process holder = start_at(node, hold_and_stay), waiter;

            harness_get_int(stage.told);
            waiter = start_at(other, acquire_late);
            assert_int_equal(harness_get_int(stage.told), 1);
            kill_now(holder);
            harness_done(waiter, CODE_OWNER_DIED);
            assert_int_equal(troupe_lock_acquire(stage.lock, TROUPE_FOREVER), TROUPE_OK);
            assert_int_equal(troupe_lock_release(stage.lock), TROUPE_OK);
        }
}

static void test_waiter_killed(void **state)
{
    (void)state;
    for (int node = 0; node < troupe_world_nodes(); node++) {
        troupe_process waiter;

        assert_int_equal(troupe_lock_acquire(stage.lock, TROUPE_FOREVER), TROUPE_OK);
        waiter = start_at(node, acquire_late);
        assert_int_equal(harness_get_int(stage.told), 1);
        kill_now(waiter);
        assert_int_equal(troupe_lock_release(stage.lock), TROUPE_OK);
        assert_int_equal(troupe_lock_acquire(stage.lock, TROUPE_FOREVER), TROUPE_OK);
        assert_int_equal(troupe_lock_release(stage.lock), TROUPE_OK);
    }
}

/* Whatever runs a target: with its return, what it held is given up. */
static void test_holder_that_returned(void **state)
{
    (void)state;
    for (int node = 0; node < troupe_world_nodes(); node++)
        for (int rank = 0; rank < 2; rank++) {
            troupe_process_options options = {
                .method = rank ? TROUPE_METHOD_RANK : TROUPE_METHOD_SPAWN,
                .where = TROUPE_ON_NODE,
                .place = node,
            };

            harness_done(harness_start(hold_and_return, &stage, sizeof stage, &options), CODE_OK);
            assert_int_equal(troupe_lock_acquire(stage.lock, TROUPE_FOREVER), TROUPE_OWNER_DIED);
            assert_int_equal(troupe_lock_release(stage.lock), TROUPE_OK);
        }
}

static int recursive_calls(const void *argument, size_t bytes)
{
    const struct stage *at = argument;
    troupe_lock_options options = { .recursive = 1 };
    troupe_lock own;
    int result = troupe_condition_acquire(at->condition, TROUPE_FOREVER);

    (void)bytes;
    for (int i = 0; i < 3 && result == TROUPE_OK; i++)
        result = troupe_condition_acquire(at->condition, TROUPE_NO_WAIT);
    for (int i = 0; i < 4 && result == TROUPE_OK; i++)
        result = troupe_condition_release(at->condition);
    if (result == TROUPE_OK && troupe_condition_release(at->condition) != TROUPE_BAD_ARGUMENT)
        return CODE_OTHER;
    if (result == TROUPE_OK)
        result = troupe_lock_create(&options, &own);
    return result == TROUPE_OK ? code_of(troupe_lock_destroy(own)) : code_of(result);
}

static void test_recursive(void **state)
{
    (void)state;
    for (int node = 0; node < troupe_world_nodes(); node++)
        harness_done(start_at(node, recursive_calls), CODE_OK);
}

struct cells {
    uint64_t first, second; /* equal whenever nobody holds the lock, unless its holder died */
    _Atomic int stop;
};

static int count_guarded(const void *argument, size_t bytes)
{
    const struct stage *at = argument;
    int file = open(at->path, O_RDWR), result = TROUPE_OK;
    struct cells *cells = mmap(NULL, sizeof *cells, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);

    (void)bytes;
    for (int i = 0; i < at->rounds * 20 && result == TROUPE_OK; i++) {
        result = troupe_lock_acquire(at->lock, TROUPE_FOREVER);
        if (result != TROUPE_OK || cells->first != cells->second)
            return CODE_OTHER;
        cells->first++;
        sched_yield();
        cells->second++;
        result = troupe_lock_release(at->lock);
    }
    return code_of(result);
}

static struct cells *cells_make(void)
{
    struct cells *cells;
    int file;

    snprintf(stage.path, sizeof stage.path, "/tmp/troupe-sync-%d", (int)getpid());
    file = open(stage.path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    assert_true(file >= 0 && ftruncate(file, sizeof *cells) == 0);
    cells = mmap(NULL, sizeof *cells, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    assert_true(cells != MAP_FAILED);
    close(file);
    return cells;
}

static void cells_end(struct cells *cells)
{
    munmap(cells, sizeof *cells);
    unlink(stage.path);
}

static void test_exclusion(void **state)
{
    struct cells *cells = cells_make();
    troupe_process counters[4];

    (void)state;
    for (int i = 0; i < 4; i++)
        counters[i] = start_at(i % troupe_world_nodes(), count_guarded);
    for (int i = 0; i < 4; i++)
        harness_done(counters[i], CODE_OK);
    assert_int_equal(cells->first, 4 * 20 * stage.rounds);
    cells_end(cells);
}

/* Takes the lock, mends what a dead holder left, counts, until it is told to stop. */
static int count_and_mend(const void *argument, size_t bytes)
{
    const struct stage *at = argument;
    int file = open(at->path, O_RDWR);
    struct cells *cells = mmap(NULL, sizeof *cells, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);

    (void)bytes;
    while (!atomic_load(&cells->stop)) {
        int result = troupe_lock_acquire(at->lock, TROUPE_FOREVER);

        if (result == TROUPE_OWNER_DIED)
            cells->second = cells->first;
        else if (result != TROUPE_OK || cells->first != cells->second)
            return CODE_OTHER;
        cells->first++;
        sched_yield();
        cells->second++;
        if (troupe_lock_release(at->lock) != TROUPE_OK)
            return CODE_OTHER;
    }
    return CODE_OK;
}

/* Whoever is killed, and whenever: the others go on, and what the lock guards is either whole, or
 * said to be left by a dead one. */
static void test_random_kills(void **state)
{
    enum { WORKERS = 4 };
    struct cells *cells = cells_make();
    long kills = test_count(12, 500);
    troupe_process workers[WORKERS];

    (void)state;
    for (int i = 0; i < WORKERS; i++)
        workers[i] = start_at(i % troupe_world_nodes(), count_and_mend);
    for (long i = 0; i < kills; i++) {
        long victim = i * 7 % WORKERS;
        uint64_t before = cells->first;

        while (cells->first < before + 5)
            usleep(100);
        kill_now(workers[victim]);
        workers[victim] = start_at((int)(victim % troupe_world_nodes()), count_and_mend);
    }
    atomic_store(&cells->stop, 1);
    for (int i = 0; i < WORKERS; i++)
        harness_done(workers[i], CODE_OK);
    cells_end(cells);
}

/* ---- semaphores, events ----------------------------------------------------------------- */

static int answer_once(const void *argument, size_t bytes)
{
    const struct stage *at = argument;
    uint32_t value;
    int is_set, result;

    (void)bytes;
    if (troupe_semaphore_acquire(at->semaphore, 2) != TROUPE_TIMEOUT ||
        troupe_event_wait(at->event, 2) != TROUPE_TIMEOUT ||
        troupe_event_is_set(at->event, &is_set) != TROUPE_OK || is_set)
        return CODE_OTHER;
    tell(at, 1);
    result = troupe_semaphore_acquire(at->semaphore, TROUPE_FOREVER);
    if (result == TROUPE_OK)
        result = troupe_semaphore_release(at->semaphore, 3);
    if (result == TROUPE_OK)
        result = troupe_semaphore_value(at->semaphore, &value);
    if (result != TROUPE_OK || value != 3)
        return CODE_OTHER;
    tell(at, 2);
    return code_of(troupe_event_wait(at->event, TROUPE_FOREVER));
}

static void test_semaphore_and_event(void **state)
{
    uint32_t value;

    (void)state;
    for (int node = 0; node < troupe_world_nodes(); node++) {
        troupe_process process = start_at(node, answer_once);

        assert_int_equal(harness_get_int(stage.told), 1);
        assert_int_equal(troupe_semaphore_release(stage.semaphore, 1), TROUPE_OK);
        assert_int_equal(harness_get_int(stage.told), 2);
        for (int i = 0; i < 3; i++)
            assert_int_equal(troupe_semaphore_acquire(stage.semaphore, TROUPE_NO_WAIT), TROUPE_OK);
        assert_int_equal(troupe_semaphore_value(stage.semaphore, &value), TROUPE_OK);
        assert_int_equal(value, 0);
        assert_int_equal(troupe_event_set(stage.event), TROUPE_OK);
        harness_done(process, CODE_OK);
        assert_int_equal(troupe_event_clear(stage.event), TROUPE_OK);
    }
}

/* ---- conditions ------------------------------------------------------------------------- */

static int wait_notified(const void *argument, size_t bytes)
{
    const struct stage *at = argument;
    int result = troupe_condition_acquire(at->condition, TROUPE_FOREVER);

    (void)bytes;
    if (result != TROUPE_OK || troupe_condition_wait(at->condition, 2) != TROUPE_TIMEOUT)
        return CODE_OTHER;
    tell(at, 1);
    result = troupe_condition_wait(at->condition, TROUPE_FOREVER);
    return troupe_condition_release(at->condition) == TROUPE_OK ? code_of(result) : CODE_OTHER;
}

static void notify(uint32_t n)
{
    assert_int_equal(troupe_condition_acquire(stage.condition, TROUPE_FOREVER), TROUPE_OK);
    assert_int_equal(troupe_condition_notify(stage.condition, n), TROUPE_OK);
    assert_int_equal(troupe_condition_release(stage.condition), TROUPE_OK);
}

/* A waiter tells before it waits, with the lock in hand: who has the lock after that sees it wait.
 */
static troupe_process start_waiting(int node)
{
    troupe_process process = start_at(node, wait_notified);

    assert_int_equal(harness_get_int(stage.told), 1);
    return process;
}

static void test_condition(void **state)
{
    troupe_process waiters[3];

    (void)state;
    for (int i = 0; i < 3; i++)
        waiters[i] = start_waiting(i % troupe_world_nodes());
    notify(1);
    harness_done(waiters[0], CODE_OK);
    assert_int_equal(troupe_process_join(waiters[1], TROUPE_NO_WAIT), TROUPE_TIMEOUT);
    notify(2);
    harness_done(waiters[1], CODE_OK);
    harness_done(waiters[2], CODE_OK);
}

/* The one that waits longest dies, before the notification and after it: the other one gets it. */
static void test_waiter_of_condition_killed(void **state)
{
    (void)state;
    for (int node = 0; node < troupe_world_nodes(); node++)
        for (int after = 0; after < 2; after++) {
            troupe_process dead = start_waiting(node);
            troupe_process waiter = start_waiting(troupe_world_nodes() - 1 - node);

            assert_int_equal(troupe_condition_acquire(stage.condition, TROUPE_FOREVER), TROUPE_OK);
            if (after)
                assert_int_equal(troupe_condition_notify(stage.condition, 1), TROUPE_OK);
            kill_now(dead);
            if (!after)
                assert_int_equal(troupe_condition_notify(stage.condition, 1), TROUPE_OK);
            assert_int_equal(troupe_condition_release(stage.condition), TROUPE_OK);
            harness_done(waiter, CODE_OK);
        }
}

static void cancel_now(troupe_process process)
{
    assert_int_equal(troupe_process_cancel(process), TROUPE_OK);
    harness_done(process, CODE_OTHER);
}

/* Who is cancelled takes no notification. */
static void test_waiter_of_condition_cancelled(void **state)
{
    (void)state;
    for (int node = 0; node < troupe_world_nodes(); node++) {
        troupe_process first = start_waiting(node), second = start_waiting(node);

        cancel_now(first);
        notify(1);
        harness_done(second, CODE_OK);
    }
}

/* ---- barriers --------------------------------------------------------------------------- */

static int go_rounds(const void *argument, size_t bytes)
{
    const struct stage *at = argument;
    int result = TROUPE_OK;
    uint32_t index;

    (void)bytes;
    for (int i = 0; i < at->rounds && result == TROUPE_OK; i++) {
        result = troupe_barrier_wait(at->barrier, TROUPE_FOREVER, &index);
        if (i == 0 && result == TROUPE_OK)
            tell(at, (int)index);
    }
    return code_of(result);
}

/* Ten parties, ranks as far as there are any, over all nodes. */
static void test_barrier_of_ten(void **state)
{
    enum { PARTIES = 10 };
    troupe_process parties[PARTIES];
    unsigned seen = 0;

    (void)state;
    assert_int_equal(troupe_barrier_create(PARTIES, &stage.barrier), TROUPE_OK);
    for (int i = 0; i < PARTIES; i++)
        parties[i] = i < 5 ? harness_start(go_rounds, &stage, sizeof stage, NULL)
                           : start_at(i % troupe_world_nodes(), go_rounds);
    for (int i = 0; i < PARTIES; i++)
        seen |= 1u << harness_get_int(stage.told);
    assert_int_equal(seen, (1u << PARTIES) - 1);
    for (int i = 0; i < PARTIES; i++)
        harness_done(parties[i], CODE_OK);
    assert_int_equal(troupe_barrier_destroy(stage.barrier), TROUPE_OK);
}

static int come_once(const void *argument, size_t bytes)
{
    const struct stage *at = argument;

    (void)bytes;
    tell(at, 1);
    return code_of(troupe_barrier_wait(at->barrier, TROUPE_FOREVER, NULL));
}

static int attend_and_stay(const void *argument, size_t bytes)
{
    const struct stage *at = argument;

    (void)bytes;
    return troupe_barrier_attend(at->barrier) == TROUPE_OK ? stay(at) : CODE_OTHER;
}

static int come_and_stay(const void *argument, size_t bytes)
{
    const struct stage *at = argument;
    int result = troupe_barrier_wait(at->barrier, TROUPE_FOREVER, NULL);

    (void)bytes;
    return result == TROUPE_OK ? stay(at) : code_of(result);
}

static void barrier_is_broken(troupe_process other)
{
    troupe_barrier_status status;

    harness_done(other, CODE_BROKEN);
    assert_int_equal(troupe_barrier_status_get(stage.barrier, &status), TROUPE_OK);
    assert_int_equal(status.broken, 1);
    assert_int_equal(troupe_barrier_reset(stage.barrier), TROUPE_OK);
}

/* Waits until so many wait at the barrier. */
static void barrier_await(uint32_t waiting)
{
    troupe_barrier_status status;

    do {
        assert_int_equal(troupe_barrier_status_get(stage.barrier, &status), TROUPE_OK);
        usleep(100);
    } while (status.waiting != waiting);
}

/* A party dies that waits, that has been in the last round, that had said it would come. */
static void test_party_killed(void **state)
{
    (void)state;
    assert_int_equal(troupe_barrier_create(3, &stage.barrier), TROUPE_OK);
    for (int node = 0; node < troupe_world_nodes(); node++) {
        int other = troupe_world_nodes() - 1 - node;
        troupe_process dead = start_at(node, come_once), waiter = start_at(other, come_once);

        barrier_await(2);
        harness_get_int(stage.told);
        harness_get_int(stage.told);
        kill_now(dead);
        barrier_is_broken(waiter);

        dead = start_at(node, attend_and_stay);
        harness_get_int(stage.told);
        waiter = start_at(other, come_once);
        harness_get_int(stage.told);
        barrier_await(1);
        kill_now(dead);
        barrier_is_broken(waiter);

        dead = start_at(node, come_and_stay);
        waiter = start_at(other, come_once);
        assert_int_equal(troupe_barrier_wait(stage.barrier, TROUPE_FOREVER, NULL), TROUPE_OK);
        harness_get_int(stage.told);
        harness_get_int(stage.told);
        harness_done(waiter, CODE_OK);
        waiter = start_at(other, come_once);
        harness_get_int(stage.told);
        barrier_await(1);
        kill_now(dead);
        barrier_is_broken(waiter);
    }
    assert_int_equal(troupe_barrier_destroy(stage.barrier), TROUPE_OK);
}

static void test_party_cancelled(void **state)
{
    (void)state;
    assert_int_equal(troupe_barrier_create(3, &stage.barrier), TROUPE_OK);
    for (int node = 0; node < troupe_world_nodes(); node++) {
        troupe_process party = start_at(node, come_once);
        troupe_process waiter = start_at(troupe_world_nodes() - 1 - node, come_once);

        harness_get_int(stage.told);
        harness_get_int(stage.told);
        barrier_await(2);
        cancel_now(party);
        barrier_is_broken(waiter);
    }
    assert_int_equal(troupe_barrier_destroy(stage.barrier), TROUPE_OK);
}

/* A party that gives up breaks it, wherever it is. */
static int give_up(const void *argument, size_t bytes)
{
    const struct stage *at = argument;

    (void)bytes;
    return code_of(troupe_barrier_wait(at->barrier, 2, NULL));
}

static void test_party_gives_up(void **state)
{
    (void)state;
    assert_int_equal(troupe_barrier_create(3, &stage.barrier), TROUPE_OK);
    for (int node = 0; node < troupe_world_nodes(); node++) {
        troupe_process waiter = start_at(troupe_world_nodes() - 1 - node, come_once);

        harness_get_int(stage.told);
        barrier_await(1);
        harness_done(start_at(node, give_up), CODE_TIMEOUT);
        barrier_is_broken(waiter);
    }
    assert_int_equal(troupe_barrier_destroy(stage.barrier), TROUPE_OK);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_killed_holder),
        cmocka_unit_test(test_waiter_killed),
        cmocka_unit_test(test_holder_that_returned),
        cmocka_unit_test(test_recursive),
        cmocka_unit_test(test_exclusion),
        cmocka_unit_test(test_random_kills),
        cmocka_unit_test(test_semaphore_and_event),
        cmocka_unit_test(test_condition),
        cmocka_unit_test(test_waiter_of_condition_killed),
        cmocka_unit_test(test_barrier_of_ten),
        cmocka_unit_test(test_party_killed),
        cmocka_unit_test(test_party_gives_up),
        cmocka_unit_test(test_waiter_of_condition_cancelled),
        cmocka_unit_test(test_party_cancelled),
    };

    if (troupe_init(&argc, &argv) != TROUPE_OK)
        return 1;
    harness_watch(100);
    return troupe_finalize(cmocka_run_group_tests(tests, begin, end));
}
