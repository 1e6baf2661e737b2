/* Groups: all or none begin, each member knows its place and has the communicator, and nobody is
 * left waiting when one dies. On one node, where the last cases take ranks away, and on two. */
#include "world/harness.h"

#include "counts.h"
#include "troupe/mpi.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define RANKS_MOST 16

static int ranks(void)
{
    return troupe_world_size();
}

static void group_start(int n, troupe_target target, const void *argument, size_t bytes,
                        troupe_process *group)
{
    int result = troupe_process_start_group(n, target, argument, bytes, NULL, group);

    if (result != TROUPE_OK)
        fail_msg("%s: %s", troupe_result_name(result), troupe_last_error());
}

static void group_done(int n, const troupe_process *group, int exit_code)
{
    for (int i = 0; i < n; i++)
        harness_done(group[i], exit_code);
}

/* ---- together ----------------------------------------------------------------------------- */

/* Its place in the group is its rank in the communicator; all see the same sum, of the argument and
 * the places; and a message goes round. */
static int sum_round(const void *argument, size_t bytes)
{
    int index, size, rank, mine = *(const int *)argument, sum = 0, from = -1;
    MPI_Comm group, again;

    (void)bytes;
    if (troupe_process_group(&index, &size) != TROUPE_OK ||
        troupe_group_communicator(&group) != TROUPE_OK ||
        troupe_group_communicator(&again) != TROUPE_OK || again != group)
        return 1;
    MPI_Comm_rank(group, &rank);
    MPI_Comm_size(group, &from);
    if (rank != index || from != size)
        return 2;
    mine += index;
    MPI_Allreduce(&mine, &sum, 1, MPI_INT, MPI_SUM, group);
    MPI_Sendrecv(&rank, 1, MPI_INT, (rank + 1) % size, 7, &from, 1, MPI_INT,
                 (rank + size - 1) % size, 7, group, MPI_STATUS_IGNORE);
    if (from != (rank + size - 1) % size)
        return 3;
    return sum == size * *(const int *)argument + size * (size - 1) / 2 ? 0 : 4;
}

static void test_each_size(void **state)
{
    troupe_process group[RANKS_MOST];
    char name[TROUPE_NAME_SIZE];

    (void)state;
    for (int n = 1; n <= ranks(); n++) {
        group_start(n, sum_round, &(int){ 10 * n }, sizeof(int), group);
        assert_int_equal(troupe_process_name(group[n - 1], name), TROUPE_OK);
        assert_int_equal(strncmp(name, "group-", 6), 0);
        group_done(n, group, 0);
    }
}

/* One after another on the same ranks, and several side by side. */
static void test_many(void **state)
{
    troupe_process group[RANKS_MOST], other[RANKS_MOST];
    int half = ranks() / 2;

    (void)state;
    for (long round = 0; round < test_count(50, 2000); round++) {
        group_start(half, sum_round, &(int){ 1 }, sizeof(int), group);
        group_start(ranks() - half, sum_round, &(int){ 2 }, sizeof(int), other);
        group_done(half, group, 0);
        group_done(ranks() - half, other, 0);
    }
}

struct places {
    troupe_queue ready, gate;
};

static int wait_at_gate(const void *argument, size_t bytes)
{
    const struct places *places = argument;
    int value = 1;

    (void)bytes;
    if (troupe_queue_put(places->ready, &value, sizeof value, TROUPE_FOREVER) != TROUPE_OK)
        return 1;
    return troupe_queue_get(places->gate, &value, sizeof value, NULL, TROUPE_FOREVER) == TROUPE_OK
               ? value
               : 2;
}

/* While one rank is busy, no group of all begins, not even in part: the rest takes others. */
static void test_all_or_none(void **state)
{
    struct places places = { harness_queue(), harness_queue() };
    troupe_process_options error = { .when_busy = TROUPE_BUSY_ERROR };
    troupe_process group[RANKS_MOST] = { { 77 } };
    troupe_process blocker = harness_start_on(1, wait_at_gate, &places, sizeof places);

    (void)state;
    harness_get_int(places.ready);
    assert_int_equal(
        troupe_process_start_group(ranks(), wait_at_gate, &places, sizeof places, &error, group),
        TROUPE_BUSY);
    assert_int_equal(group[0].id, 77);
    group_start(ranks() - 1, sum_round, &(int){ 3 }, sizeof(int), group);
    group_done(ranks() - 1, group, 0);
    harness_put_int(places.gate, 0);
    harness_done(blocker, 0);
    group_start(ranks(), sum_round, &(int){ 3 }, sizeof(int), group); /* waits for the last one */
    group_done(ranks(), group, 0);
    troupe_queue_destroy(places.ready);
    troupe_queue_destroy(places.gate);
}

/* Two targets that want the same ranks at the same time both get them. */
static int start_groups(const void *argument, size_t bytes)
{
    int n = *(const int *)argument;
    troupe_process group[RANKS_MOST];

    (void)bytes;
    for (int round = 0; round < 20; round++) {
        if (troupe_process_start_group(n, sum_round, &n, sizeof n, NULL, group) != TROUPE_OK)
            return troupe_process_fail("%s", troupe_last_error());
        for (int i = 0; i < n; i++) {
            troupe_process_status status;

            if (troupe_process_join(group[i], HARNESS_LIMIT_MS) != TROUPE_OK ||
                troupe_process_status_get(group[i], &status) != TROUPE_OK ||
                status.state != TROUPE_STATE_DONE || status.exit_code != 0)
                return troupe_process_fail("member %d", i);
            troupe_process_close(group[i]);
        }
    }
    return 0;
}

static void test_rivals(void **state)
{
    int n = ranks() - 1;
    troupe_process rivals[3];

    (void)state;
    for (int i = 0; i < 3; i++)
        rivals[i] = harness_spawn(start_groups, &n, sizeof n);
    for (int i = 0; i < 3; i++)
        harness_done(rivals[i], 0);
}

/* ---- refusals ----------------------------------------------------------------------------- */

static int ask_for_too_many(const void *argument, size_t bytes)
{
    troupe_process group[RANKS_MOST];
    MPI_Comm communicator;
    int index;

    (void)argument, (void)bytes;
    if (troupe_process_group(&index, NULL) != TROUPE_NOT_FOUND ||
        troupe_group_communicator(&communicator) != TROUPE_NOT_FOUND)
        return 1;
    return troupe_process_start_group(ranks(), sum_round, NULL, 0, NULL, group) == TROUPE_NO_RANK
               ? 0
               : 2;
}

static void test_refusals(void **state)
{
    static const troupe_process_options wrong[] = {
        { .method = TROUPE_METHOD_SPAWN },
        { .where = TROUPE_ON_RANK, .place = 0 },
        { .when_busy = TROUPE_BUSY_SPAWN },
    };
    troupe_process group[RANKS_MOST + 1] = { { 77 } };

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(troupe_process_start_group(2, sum_round, NULL, 0, &wrong[i], group),
                         TROUPE_BAD_ARGUMENT);
    assert_int_equal(troupe_process_start_group(0, sum_round, NULL, 0, NULL, group),
                     TROUPE_BAD_ARGUMENT);
    assert_int_equal(troupe_process_start_group(ranks() + 1, sum_round, NULL, 0, NULL, group),
                     TROUPE_BAD_ARGUMENT);
    assert_int_equal(group[0].id, 77);
    harness_done(harness_start_on(0, ask_for_too_many, NULL, 0), 0);
}

/* ---- a starter that dies ------------------------------------------------------------------ */

/* Killed at any moment of its start; what it began, runs or does not, and the ranks are free. */
static int start_for_ever(const void *argument, size_t bytes)
{
    const struct places *places = argument;
    troupe_process group[RANKS_MOST];
    int value = (int)getpid();

    (void)bytes;
    troupe_queue_put(places->ready, &value, sizeof value, TROUPE_FOREVER);
    for (;;) {
        if (troupe_process_start_group(ranks() - 1, sum_round, &value, sizeof value, NULL, group) !=
            TROUPE_OK)
            return 1;
        for (int i = 0; i < ranks() - 1; i++) {
            troupe_process_join(group[i], TROUPE_FOREVER);
            troupe_process_close(group[i]);
        }
    }
}

static void test_the_starter_is_killed(void **state)
{
    struct places places = { harness_queue(), harness_queue() };
    troupe_process group[RANKS_MOST];

    (void)state;
    for (long round = 0; round < test_count(20, 500); round++) {
        troupe_process starter = harness_spawn(start_for_ever, &places, sizeof places);

        harness_get_int(places.ready);
        usleep((useconds_t)(round * 7919 % 4000));
        assert_int_equal(troupe_process_kill(starter), TROUPE_OK);
        assert_int_equal(harness_end(starter).signal, SIGKILL);
        group_start(ranks(), sum_round, &(int){ 3 }, sizeof(int), group);
        group_done(ranks(), group, 0);
    }
    troupe_queue_destroy(places.ready);
    troupe_queue_destroy(places.gate);
}

/* ---- a member that dies ------------------------------------------------------------------- */

/* Member 1 dies; those that have the communicator wait for it in MPI, the last one in a queue. */
static int one_dies(const void *argument, size_t bytes)
{
    const struct places *places = argument;
    int index, size, value = 0;
    MPI_Comm group;

    (void)bytes;
    troupe_process_group(&index, &size);
    if (index == size - 1) {
        value = troupe_queue_get(places->gate, &value, sizeof value, NULL, TROUPE_FOREVER);
        if (value != TROUPE_CANCELLED)
            return 1;
        return troupe_group_communicator(&group) == TROUPE_LOST ? 9 : 2;
    }
    troupe_queue_put(places->ready, &value, sizeof value, TROUPE_FOREVER);
    if (index == 1) {
        for (int i = 0; i < size - 1; i++)
            troupe_queue_get(places->ready, &value, sizeof value, NULL, TROUPE_FOREVER);
        return harness_raise(&(int){ SIGSEGV }, sizeof(int));
    }
    troupe_group_communicator(&group); /* never returns: the last one does not come */
    return 3;
}

static void test_a_member_dies(void **state)
{
    struct places places = { harness_queue(), harness_queue() };
    troupe_process group[RANKS_MOST];
    troupe_process_status status;
    int n = ranks();

    (void)state;
    if (troupe_world_nodes() > 1)
        skip(); /* the leader of a node would be among the dead */
    group_start(n, one_dies, &places, sizeof places, group);
    for (int i = 0; i < n; i++) {
        status = harness_end(group[i]);
        assert_int_equal(status.state, i == n - 1 ? TROUPE_STATE_DONE : TROUPE_STATE_KILLED);
        if (i == n - 1)
            assert_int_equal(status.exit_code, 9);
        else
            assert_int_equal(status.signal, i == 1 ? SIGSEGV : SIGKILL);
        if (i != 1 && i != n - 1)
            assert_non_null(strstr(status.reason, "its group had lost a member"));
    }
    group_start(1, sum_round, &(int){ 3 }, sizeof(int), group);
    group_done(1, group, 0);
    assert_int_equal(troupe_process_start_group(2, sum_round, NULL, 0, NULL, group),
                     TROUPE_NO_RANK);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_size),     cmocka_unit_test(test_many),
        cmocka_unit_test(test_all_or_none),   cmocka_unit_test(test_rivals),
        cmocka_unit_test(test_refusals),      cmocka_unit_test(test_the_starter_is_killed),
        cmocka_unit_test(test_a_member_dies),
    };

    if (troupe_init(&argc, &argv) != TROUPE_OK)
        return 1;
    harness_watch((unsigned)test_count(100, 1500));
    return troupe_finalize(cmocka_run_group_tests(tests, NULL, NULL));
}
