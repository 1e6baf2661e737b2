/* One running mix of everything by which processes talk and wait, on all nodes, in which random
 * processes are killed at random moments, one after the other: 500 with TROUPE_TEST_FULL=1. After
 * each kill every other process must end something that it began afterwards; how long that took is
 * measured and told, and decides nothing. At the end the books must balance (talk_mix_books.c). */
#include "counts.h"
#include "talk_mix_crew.h"
#include "world/harness.h"

#include "base/clock.h"
#include "core/heap.h"
#include "core/node.h"
#include "core/world.h"

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { QUEUE_MOST = 8, KILLS = 10, WATCH_S = 300, WATCH_FULL_S = 3500, MOMENT_US = 5000 };

#define SLOW_NS 1000000000u /* it is told where everybody is then */

#define DOING_NAME(name) #name
static const char *const doing_names[] = { DOINGS(DOING_NAME) };

static const enum role role_of[PLACES] = { TALKER, TALKER, ANSWERER, ANSWERER, LEASER, LEASER,
                                           GETTER, GETTER, MEETER,   MEETER,   MEETER };

/* ---- objects ---------------------------------------------------------------------------- */

int mix_objects_make(struct mix *mix, int half)
{
    troupe_queue_options few = { .max_messages = QUEUE_MOST };
    troupe_lock_options recursive = { .recursive = 1 };

    if (half == 0)
        return troupe_queue_create(&few, &mix->tasks) == TROUPE_OK &&
                       troupe_lock_create(NULL, &mix->lock) == TROUPE_OK &&
                       troupe_event_create(&mix->event) == TROUPE_OK &&
                       troupe_queue_create(NULL, &mix->calls) == TROUPE_OK &&
                       troupe_semaphore_create(TOKENS, NULL, &mix->semaphores[0]) == TROUPE_OK
                   ? 0
                   : 1;
    return troupe_queue_create(&few, &mix->results) == TROUPE_OK &&
                   troupe_lock_create(&recursive, &mix->rlock) == TROUPE_OK &&
                   troupe_condition_create(NULL, &mix->condition) == TROUPE_OK &&
                   troupe_barrier_create(MEETERS, &mix->barrier) == TROUPE_OK
               ? 0
               : 1;
}

int mix_half(const void *argument, size_t bytes)
{
    struct mix *mix = mix_map(((const struct errand *)argument)->path);

    (void)bytes;
    return mix != NULL ? mix_objects_make(mix, 1) : 2;
}

static void mix_begin(struct crew *crew)
{
    troupe_process_options last = { .method = TROUPE_METHOD_SPAWN,
                                    .where = TROUPE_ON_NODE,
                                    .place = troupe_world_nodes() - 1 };
    int file;

    snprintf(crew->errand.path, sizeof crew->errand.path, "%s/mix.XXXXXX", harness_folder());
    file = mkstemp(crew->errand.path);
    assert_true(file >= 0 && ftruncate(file, sizeof *crew->mix) == 0);
    close(file);
    crew->mix = mix_map(crew->errand.path);
    assert_non_null(crew->mix);
    assert_int_equal(mix_objects_make(crew->mix, 0), 0);
    harness_done(harness_start(mix_half, &crew->errand, sizeof crew->errand, &last), 0);
}

static void mix_end(struct crew *crew)
{
    struct mix *mix = crew->mix;
    struct heap_usage usage;

    for (int i = 0; i <= atomic_load(&mix->semaphore); i++) {
        uint32_t value;

        assert_int_equal(troupe_semaphore_value(mix->semaphores[i], &value), TROUPE_OK);
        assert_in_range(value, TOKENS, TOKENS + crew->extra[i]);
        assert_int_equal(troupe_semaphore_destroy(mix->semaphores[i]), TROUPE_OK);
    }
    assert_int_equal(troupe_queue_destroy(mix->tasks), TROUPE_OK);
    assert_int_equal(troupe_queue_destroy(mix->results), TROUPE_OK);
    assert_int_equal(troupe_queue_destroy(mix->calls), TROUPE_OK);
    assert_int_equal(troupe_lock_destroy(mix->lock), TROUPE_OK);
    assert_int_equal(troupe_lock_destroy(mix->rlock), TROUPE_OK);
    assert_int_equal(troupe_condition_destroy(mix->condition), TROUPE_OK);
    assert_int_equal(troupe_event_destroy(mix->event), TROUPE_OK);
    assert_int_equal(troupe_barrier_destroy(mix->barrier), TROUPE_OK);
    heap_usage_get(&world_here.arena, &usage);
    assert_int_equal(usage.flight_blocks, 0);
    munmap(mix, sizeof *mix);
    unlink(crew->errand.path);
}

/* ---- the crew --------------------------------------------------------------------------- */

/* A rank that is not its node's leader, for the two first of the crew; otherwise -1. */
static int rank_for(int place)
{
    int node, local;

    for (int rank = troupe_world_size() - 1; place < 2 && rank >= 0; rank--) {
        node_place(&world_here.arena, rank, &node, &local);
        if (local == 1 + place / troupe_world_nodes() && node == place % troupe_world_nodes())
            return rank;
    }
    return -1;
}

static void place_fill(struct crew *crew, int place, int life, int rank)
{
    troupe_process_options fresh = { .method = TROUPE_METHOD_SPAWN,
                                     .where = TROUPE_ON_NODE,
                                     .place = place % troupe_world_nodes(),
                                     .is_daemon = 1 };
    troupe_process_options on_rank = { .where = TROUPE_ON_RANK, .place = rank, .is_daemon = 1 };
    struct errand errand = crew->errand;

    errand.role = role_of[place];
    errand.place = place;
    errand.life = crew->lives[place] = life;
    crew->life_roles[life] = role_of[place];
    errand.generation = atomic_load(&crew->mix->killed[MEETER]);
    memset(&crew->mix->posts[place], 0, sizeof crew->mix->posts[place]);
    atomic_store(&crew->mix->posts[place].answered, atomic_load(&crew->mix->kills));
    crew->processes[place] =
        harness_start(mix_live, &errand, sizeof errand, rank >= 0 ? &on_rank : &fresh);
}

static void crew_tell(const struct crew *crew)
{
    for (int i = 0; i < PLACES; i++) {
        const struct post *post = &crew->mix->posts[i];

        fprintf(stderr, "place %d, life %d: at %s, %d operations, answered %d of %d\n", i,
                crew->lives[i], doing_names[atomic_load(&post->doing)],
                atomic_load(&post->operations), atomic_load(&post->answered),
                atomic_load(&crew->mix->kills));
    }
}

/* Waits a little for a place. One that has ended by itself has said why. */
static void look(struct crew *crew, int place, uint64_t deadline, const char *what)
{
    bool ended = troupe_process_join(crew->processes[place], TROUPE_NO_WAIT) == TROUPE_OK;

    if (ended || clock_left(deadline) == 0) {
        crew_tell(crew);
        fail_msg("place %d %s", place, ended ? "has ended" : what);
    }
    nanosleep(&(struct timespec){ 0, 200000 }, NULL);
}

/* Until all are at work, and the barrier knows all its parties. */
static void crew_await(struct crew *crew)
{
    uint64_t deadline = clock_deadline(HARNESS_LIMIT_MS);
    int generation = atomic_load(&crew->mix->generation);

    for (int i = 0; i < PLACES; i++)
        while (atomic_load(&crew->mix->posts[i].operations) == 0 ||
               (role_of[i] == MEETER && atomic_load(&crew->mix->posts[i].attended) <= generation))
            look(crew, i, deadline, "does not come to work");
}

/* What a dead one had of a semaphore is gone with it: somebody gives it back. Where it is not
 * sure whether there was something, the others go on with a new one, and so keep waiting for it. */
static void token_return(struct crew *crew, int place)
{
    struct mix *mix = crew->mix;
    int token = atomic_load(&mix->posts[place].token);
    int which = atomic_load(&mix->posts[place].token_of), current = atomic_load(&mix->semaphore);

    if (token == TOKEN_NONE)
        return;
    assert_int_equal(troupe_semaphore_release(mix->semaphores[which], 1), TROUPE_OK);
    if (token == TOKEN_HELD)
        return;
    crew->extra[which]++;
    if (which == current) {
        assert_int_equal(troupe_semaphore_create(TOKENS, NULL, &mix->semaphores[current + 1]),
                         TROUPE_OK);
        atomic_store(&mix->semaphore, current + 1);
    }
}

/* The other parties are told; then it is whole again. */
static void barrier_mend(struct crew *crew, int victim)
{
    uint64_t deadline = clock_deadline(HARNESS_LIMIT_MS);
    int generation = atomic_load(&crew->mix->generation);

    for (int i = 0; i < PLACES; i++)
        while (role_of[i] == MEETER && i != victim &&
               atomic_load(&crew->mix->posts[i].broken_for) <= generation)
            look(crew, i, deadline, "does not see the barrier broken");
    assert_int_equal(troupe_barrier_reset(crew->mix->barrier), TROUPE_OK);
}

/* Until each of the others has begun and ended something since. */
static void survivors_await(struct crew *crew, int victim, int kill, uint64_t killed_ns)
{
    uint64_t deadline = clock_deadline(HARNESS_LIMIT_MS);
    bool told = false;

    for (int i = 0; i < PLACES; i++) {
        struct post *post = &crew->mix->posts[i];
        uint64_t lag;

        if (i == victim)
            continue;
        while (atomic_load(&post->answered) < kill) {
            if (!told && clock_now() > killed_ns + SLOW_NS) {
                fprintf(stderr, "slow after kill %d of place %d:\n", kill, victim);
                crew_tell(crew);
                told = true;
            }
            look(crew, i, deadline, "hangs");
        }
        lag = atomic_load(&post->answered_ns) - killed_ns;
        crew->lags[crew->lag_count++] = lag;
        if (lag > crew->longest[kill - 1])
            crew->longest[kill - 1] = lag;
        if (lag > crew->longest_of[role_of[i]])
            crew->longest_of[role_of[i]] = lag;
    }
}

static void kill_one(struct crew *crew, int kill)
{
    struct mix *mix = crew->mix;
    int victim = rand_r(&crew->random) % PLACES;
    uint64_t items[PLACES], killed_ns;
    troupe_process_status status;
    size_t index;

    crew_await(crew);
    nanosleep(&(struct timespec){ 0, rand_r(&crew->random) % MOMENT_US * 1000L }, NULL);
    atomic_store(&mix->dead[crew->lives[victim]], 1);
    atomic_fetch_add(&mix->killed[role_of[victim]], 1);
    harness_kill(crew->processes[victim]);
    killed_ns = clock_now();
    atomic_store(&mix->posts[victim].answered, kill); /* nobody need wait for it */
    atomic_store(&mix->kills, kill);
    for (int i = 0; i < PLACES; i++)
        items[i] = crew->processes[i].id;
    assert_int_equal(troupe_wait(items, PLACES, HARNESS_LIMIT_MS, &index), TROUPE_OK);
    assert_int_equal(index, victim);
    status = harness_end(crew->processes[victim]);
    assert_int_equal(status.state, TROUPE_STATE_KILLED);
    assert_int_equal(status.signal, SIGKILL);
    atomic_fetch_add(&mix->ended[role_of[victim]], 1);
    token_return(crew, victim);
    survivors_await(crew, victim, kill, killed_ns);
    if (role_of[victim] == MEETER)
        barrier_mend(crew, victim);
    place_fill(crew, victim, PLACES + kill, -1);
    if (role_of[victim] == MEETER)
        atomic_fetch_add(&mix->generation, 1);
}

static void place_done(struct crew *crew, int place)
{
    if (troupe_process_join(crew->processes[place], HARNESS_LIMIT_MS) != TROUPE_OK) {
        crew_tell(crew);
        fail_msg("place %d does not end", place);
    }
    harness_done(crew->processes[place], 0);
}

/* Each role when those that wait for it have ended. */
static void crew_end(struct crew *crew)
{
    static const enum role order[] = { MEETER, TALKER, LEASER, GETTER, ANSWERER };
    struct mix *mix = crew->mix;

    crew_await(crew);
    for (int i = 0; i < ROLES; i++) {
        if (order[i] == MEETER || order[i] == TALKER)
            atomic_store(&mix->stop[order[i]], 1);
        if (order[i] == MEETER)
            assert_int_equal(troupe_barrier_abort(mix->barrier), TROUPE_OK);
        if (order[i] == LEASER)
            assert_int_equal(troupe_queue_close(mix->tasks), TROUPE_OK);
        if (order[i] == GETTER)
            assert_int_equal(troupe_queue_close(mix->results), TROUPE_OK);
        if (order[i] == ANSWERER)
            assert_int_equal(troupe_queue_close(mix->calls), TROUPE_OK);
        for (int place = 0; place < PLACES; place++)
            if (role_of[place] == order[i])
                place_done(crew, place);
    }
}

/* ---- the test --------------------------------------------------------------------------- */

/* The time, or TROUPE_TEST_SEED, which repeats the choices of a run that failed. */
static unsigned seed(void)
{
    const char *given = getenv("TROUPE_TEST_SEED");
    unsigned chosen = given != NULL ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);

    fprintf(stderr, "TROUPE_TEST_SEED=%u\n", chosen);
    return chosen;
}

static void somebody_dies_again_and_again(void **state)
{
    static struct crew crew;
    int kills = (int)test_count(KILLS, KILLS_MOST);

    (void)state;
    crew.random = crew.errand.seed = seed();
    mix_begin(&crew);
    for (int place = 0; place < PLACES; place++)
        place_fill(&crew, place, 1 + place, rank_for(place));
    for (int kill = 1; kill <= kills; kill++)
        kill_one(&crew, kill);
    crew_end(&crew);
    books_check(&crew, 1 + PLACES + kills);
    lags_tell(&crew, kills);
    if (kills == KILLS_MOST)
        deaths_seen(crew.mix);
    mix_end(&crew);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(somebody_dies_again_and_again) };

    if (troupe_init(&argc, &argv) != TROUPE_OK)
        return 1;
    harness_watch((unsigned)test_count(WATCH_S, WATCH_FULL_S));
    return troupe_finalize(cmocka_run_group_tests(tests, NULL, NULL));
}
