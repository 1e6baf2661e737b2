/* Ranks as threads over one mapping, so that ThreadSanitizer sees them: random play, and figures
 * that are exact at its end. The arena is small enough to be full now and then. */
#include "play.h"

#include "core/heap.h"

#include <pthread.h>
#include <stdio.h>

#define PLAYERS 4
#define MOVES 20000
#define ARENA_BYTES (1u << 20)
#define SEED 0x9e3779b97f4a7c15ull

static void *play(void *context)
{
    struct player *player = context;
    intptr_t wrong = 0;

    for (int i = 0; i < MOVES; i++)
        wrong += !play_move(player);
    return (void *)wrong;
}

static void random_play_of_threads(void **state)
{
    struct sandbox sandbox;
    struct player players[PLAYERS];
    pthread_t threads[PLAYERS];
    struct play_table *table;
    void *wrong;

    (void)state;
    sandbox_open(&sandbox, ARENA_BYTES);
    table = play_table_make(&sandbox.actor);
    for (int i = 0; i < PLAYERS; i++) {
        players[i] = (struct player){ .table = table, .random = SEED + (uint64_t)i };
        assert_int_equal(actor_open(&sandbox.arena, SLOT_NONE, &players[i].actor), TROUPE_OK);
        assert_int_equal(pthread_create(&threads[i], NULL, play, &players[i]), 0);
    }
    for (int i = 0; i < PLAYERS; i++) {
        assert_int_equal(pthread_join(threads[i], &wrong), 0);
        assert_null(wrong);
        printf("player %d: %llu moves, refused %llu times\n", i,
               (unsigned long long)players[i].moves, (unsigned long long)players[i].refused);
        actor_close(&players[i].actor);
    }
    play_check(&sandbox.actor, table);
    sandbox_close(&sandbox);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(random_play_of_threads) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
