/* Workers as processes that are killed at random moments while others play on: whoever is left
 * recovers, and when all are gone the table and the heap's figures are exact. */
#include "play.h"

#include "core/recover.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WORKERS 3
#define ROUNDS 40
#define ARENA_BYTES (1u << 20)
#define MOMENT_NS_MOST 3000000u
#define SEED 0x2545f4914f6cdd1dull

struct worker {
    pid_t pid;
    struct actor actor; /* the parent knows the slot, for it opened it */
};

/* The moment of a kill is arbitrary; nothing depends on how long this really takes. */
static void arbitrary_moment(uint64_t *random)
{
    struct timespec moment = { 0, 0 };

    *random = *random * 6364136223846793005ull + 1442695040888963407ull;
    moment.tv_nsec = (long)((*random >> 33) % MOMENT_NS_MOST);
    nanosleep(&moment, NULL);
}

static void worker_start(const struct sandbox *sandbox, struct play_table *table, uint64_t seed,
                         struct worker *worker)
{
    assert_int_equal(actor_open(&sandbox->arena, SLOT_NONE, &worker->actor), TROUPE_OK);
    worker->pid = fork();
    assert_true(worker->pid >= 0);
    if (worker->pid == 0) {
        struct player player = { .actor = worker->actor, .table = table, .random = seed };

        while (play_move(&player))
            ;
        _exit(1); /* a block was not what it said */
    }
}

static void worker_kill(struct sandbox *sandbox, struct worker *worker)
{
    int status;

    kill(worker->pid, SIGKILL);
    while (waitpid(worker->pid, &status, 0) < 0)
        assert_int_equal(errno, EINTR);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(slots_bury(&sandbox->arena, worker->actor.party), 1);
    do
        recover_all(&sandbox->actor); /* a worker that wants its lock may be at it first */
    while (slot_state_of(atomic_load(&worker->actor.slot->identity)) == SLOT_DEAD);
}

static void random_play_of_processes(void **state)
{
    struct sandbox sandbox;
    struct worker workers[WORKERS];
    struct play_table *table;
    uint64_t random = SEED;

    (void)state;
    sandbox_open(&sandbox, ARENA_BYTES);
    table = play_table_make(&sandbox.actor);
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < WORKERS; i++)
            worker_start(&sandbox, table, random + (uint64_t)i, &workers[i]);
        for (int i = 0; i < WORKERS; i++) {
            arbitrary_moment(&random);
            worker_kill(&sandbox, &workers[i]);
        }
        play_check(&sandbox.actor, table);
    }
    sandbox_close(&sandbox);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(random_play_of_processes) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
