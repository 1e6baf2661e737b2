/* Processes killed at random moments of a running mix: what they acknowledged stands, the rest is
 * whole or absent, those who go on are not held up, no lock stays and no block is lost. */
#include "solo.h"

#include "core/recover.h"
#include "counts.h"
#include "dict_mix.h"

#include <sys/wait.h>
#include <unistd.h>

enum { VICTIMS = 2, KILLS = 40, KILLS_FULL = 500, EMPTY_EVERY = 10 };
#define ARENA_BYTES (64u << 20)
#define OPERATIONS_MOST 100000000L

/* What a victim tells from its grave. */
struct victim {
    struct mix_reference reference;
    uint32_t party;
    pid_t pid;
};

static struct solo solo;

static void victim_start(troupe_dict dict, int worker, struct victim *victim)
{
    pid_t pid;

    victim->party = SLOT_NONE;
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct actor *actor;
        struct mix mix;

        if (solo_join_child(&actor) == TROUPE_OK &&
            mix_begin(&mix, dict, worker, &victim->reference)) {
            mix.random += (uint64_t)getpid() << 20;
            victim->party = actor->party;
            mix_run(&mix, OPERATIONS_MOST);
        }
        _exit(1);
    }
    victim->pid = pid;
}

static void victim_bury(struct victim *victim)
{
    assert_int_equal(kill(victim->pid, SIGKILL), 0);
    assert_int_equal(waitpid(victim->pid, NULL, 0), victim->pid);
    if (victim->party != SLOT_NONE)
        slots_bury(&solo.actor->arena, victim->party);
    recover_all(solo.actor);
    assert_int_equal(victim->reference.faults, 0);
}

/* What the dead left is taken for acknowledged from here on: the next victim continues with it. */
static long victim_look(troupe_dict dict, int worker, struct victim *victim)
{
    struct mix mix;
    long entries;

    assert_true(mix_begin(&mix, dict, worker, &victim->reference));
    entries = mix_count(&mix);
    assert_true(entries >= 0);
    mix_accept(&mix);
    mix_end(&mix);
    return entries;
}

static void all_end(troupe_dict dict, struct victim *victims)
{
    uint64_t entries;
    int64_t least = 0, most = 0;
    long counted = 0;

    for (int i = 0; i < VICTIMS; i++)
        victim_bury(&victims[i]);
    for (int i = 0; i < VICTIMS; i++) {
        least += (int64_t)victims[i].reference.added;
        most += (int64_t)(victims[i].reference.added + victims[i].reference.unsure);
        counted += victim_look(dict, i, &victims[i]);
    }
    assert_in_range(mix_sum(dict), least, most);
    assert_int_equal(troupe_dict_size(dict, &entries), TROUPE_OK);
    assert_int_equal(entries, counted + mix_count_shared(dict));
}

/* One after the other is killed while the others go on, and replaced; now and then all are, and the
 * whole is compared. */
static void killed_in_a_mix(void **state)
{
    long kills = test_count(KILLS, KILLS_FULL);
    uint64_t random = 362436069, nothing = solo_linked(&solo);
    struct victim *victims = mmap(NULL, VICTIMS * sizeof *victims, PROT_READ | PROT_WRITE,
                                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    troupe_dict dict;

    (void)state;
    assert_true(victims != MAP_FAILED);
    assert_int_equal(troupe_dict_create(NULL, &dict), TROUPE_OK);
    for (int i = 0; i < VICTIMS; i++)
        victim_start(dict, i, &victims[i]);
    for (long kill = 1; kill <= kills; kill++) {
        int chosen = (int)(solo_random(&random) % VICTIMS);

        usleep((useconds_t)(1000 + solo_random(&random) % 8000));
        if (kill % EMPTY_EVERY != 0) {
            victim_bury(&victims[chosen]);
            victim_look(dict, chosen, &victims[chosen]);
            victim_start(dict, chosen, &victims[chosen]);
            continue;
        }
        all_end(dict, victims);
        for (int i = 0; i < VICTIMS && kill < kills; i++)
            victim_start(dict, i, &victims[i]);
    }
    assert_int_equal(troupe_dict_destroy(dict), TROUPE_OK);
    assert_int_equal(solo_linked(&solo), nothing);
    munmap(victims, VICTIMS * sizeof *victims);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(killed_in_a_mix),
    };
    int failed;

    solo_begin(&solo, ARENA_BYTES);
    solo_warm();
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    solo_end(&solo);
    return failed;
}
