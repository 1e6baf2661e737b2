/* For each image of the victim's: recover, look; recover in steps, and for each image of the
 * recoverer's: recover again, look. An image fixes the fate: what one recovery found done, every
 * other one must find done, whoever died in between; and what was done at one instruction stays
 * done at all later ones. */
#include "harness.h"
#include "steps.h"

#include "base/clock.h"
#include "core/recover.h"
#include "counts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STATUS_SKIPPED 77
#define REAL_KILLS 100
#define NOT_DONE 1u
#define DONE 2u
#define NANOSECONDS 1e9

/* One case under way. */
struct run {
    const struct kill_case *which;
    struct kill_world world;
    struct kill_world prepared; /* as prepare left it, with the actors' private parts */
    uint64_t *seen;             /* hashes of the recoverer's images that were looked at */
    size_t seen_count, seen_capacity;
    size_t faults;
    size_t literal;
};

static void run_restore(struct run *run, const struct image *image)
{
    run->world = run->prepared;
    image_restore(&run->world.arena, image);
}

static void fault(struct run *run, size_t step, size_t second_step)
{
    run->faults++;
    fprintf(stderr, "%s: killed after step %zu", run->which->name, step);
    if (second_step > 0)
        fprintf(stderr, ", its recoverer after step %zu", second_step);
    fprintf(stderr, ": %s\n", run->world.complaint);
}

/* Recovers as the bystander, and tells which fates the arena now shows; 0 when it is not sound. */
static unsigned recover_and_look(struct run *run)
{
    struct kill_world *world = &run->world;
    unsigned fates = 0;

    recover_all(&world->bystander);
    if (!kill_sound(world))
        return 0;
    fates |= run->which->check(world, true) ? DONE : 0;
    fates |= run->which->check(world, false) ? NOT_DONE : 0;
    return fates != 0 && kill_usable(world) ? fates : 0;
}

/* ---- the recoverer is killed ------------------------------------------------------------- */

static void work_recover(struct kill_world *world)
{
    recover_all(&world->recoverer);
}

/* True when the image was not looked at with this fate before. */
static bool note_seen(struct run *run, uint64_t hash, unsigned fates)
{
    uint64_t key = hash + fates, *more;

    for (size_t i = 0; i < run->seen_count; i++)
        if (run->seen[i] == key)
            return false;
    if (run->seen_count == run->seen_capacity) {
        run->seen_capacity = run->seen_capacity > 0 ? 2 * run->seen_capacity : 256;
        more = realloc(run->seen, run->seen_capacity * sizeof *more);
        if (more == NULL) {
            perror("kill: memory");
            exit(1);
        }
        run->seen = more;
    }
    run->seen[run->seen_count++] = key;
    return true;
}

static void kill_recoverer(struct run *run, const struct image *first, unsigned fates)
{
    struct trail *trail = trail_open();

    run_restore(run, first);
    kill_bury(&run->world, &run->world.victim);
    steps_watch(run->which->name, "its recoverer is watched", first->step);
    if (!writes_record(&run->world, work_recover, NULL, trail))
        fault(run, first->step, trail->steps);
    for (size_t i = 0; i < trail->count; i++) {
        if (!note_seen(run, trail->images[i].hash, fates))
            continue;
        steps_watch(run->which->name, "the second recoverer recovers", first->step);
        run_restore(run, &trail->images[i]);
        kill_bury(&run->world, &run->world.recoverer);
        if ((recover_and_look(run) & fates) == 0)
            fault(run, first->step, trail->images[i].step);
    }
    trail_close(trail);
}

/* ---- the victim is killed ---------------------------------------------------------------- */

static unsigned kill_victim(struct run *run, const struct image *image, unsigned fates_before)
{
    unsigned fates;

    steps_watch(run->which->name, "the recoverer recovers", image->step);
    run_restore(run, image);
    kill_bury(&run->world, &run->world.victim);
    fates = recover_and_look(run);
    if (fates == DONE || fates_before != DONE || fates == 0)
        return fates;
    if ((fates & DONE) == 0)
        kill_expect(&run->world, false, "it was done at an earlier step and is undone now");
    return fates & DONE;
}

/* A real SIGKILL must leave an image of the stepped trail: after each instruction, or after some
 * spread over all of them, for a kill at the nth costs n steps. */
static void kill_really(struct run *run, const struct trail *trail)
{
    size_t stride = trail->steps / (size_t)test_count(REAL_KILLS, (long)trail->steps + 1) + 1;

    for (size_t step = 0; step < trail->steps; step += stride) {
        struct image left;
        bool known;

        steps_watch(run->which->name, "killing for real", step);
        run_restore(run, &trail->images[0]);
        if (!steps_kill(&run->world, run->which->operation, step)) {
            fault(run, step, 0);
            continue;
        }
        image_take(&run->world.arena, &left);
        known = left.bytes != NULL && trail_knows(trail, left.hash);
        free(left.bytes);
        run->literal++;
        if (!kill_expect(&run->world, known, "SIGKILL left what stepping did not see"))
            fault(run, step, 0);
    }
}

/* Every instruction is stepped: that must find the images that the writes found. */
static void kill_literally(struct run *run, const struct trail *written)
{
    struct trail *stepped = trail_open();
    bool same;

    run_restore(run, &written->images[0]);
    steps_watch(run->which->name, "it is stepped", 0);
    if (!steps_record(&run->world, run->which->operation, run->which->rescue, stepped))
        fault(run, stepped->steps, 0);
    same = stepped->count == written->count;
    for (size_t i = 0; same && i < stepped->count; i++)
        same = trail_knows(written, stepped->images[i].hash);
    if (!kill_expect(&run->world, same, "%zu images in steps, %zu by writes", stepped->count,
                     written->count))
        fault(run, stepped->steps, 0);
    kill_really(run, stepped);
    trail_close(stepped);
}

static void run_images(struct run *run, const struct trail *trail)
{
    unsigned fates = NOT_DONE;

    for (size_t i = 0; i < trail->count; i++) {
        unsigned now = kill_victim(run, &trail->images[i], fates);

        if (now == 0) {
            fault(run, trail->images[i].step, 0);
            continue;
        }
        fates = now;
        kill_recoverer(run, &trail->images[i], fates);
    }
    kill_expect(&run->world, false, "it had returned and is not done");
    if ((fates & DONE) == 0)
        fault(run, trail->steps, 0);
    if (run->which->literally)
        kill_literally(run, trail);
}

/* ---- a case, all cases ------------------------------------------------------------------- */

static size_t case_run(const struct kill_case *which)
{
    struct run run = { .which = which };
    struct trail *trail = trail_open();
    uint64_t begin = clock_now();

    steps_watch(which->name, "it is prepared", 0);
    if (!kill_world_make(&run.world)) {
        fprintf(stderr, "%s: no arena: %s\n", which->name, troupe_last_error());
        return 1;
    }
    which->prepare(&run.world);
    heap_usage_get(&run.world.arena, &run.world.before);
    run.prepared = run.world;
    steps_watch(which->name, "it is watched", 0);
    if (!writes_record(&run.world, which->operation, which->rescue, trail))
        fault(&run, trail->steps, 0);
    else
        run_images(&run, trail);
    printf(
        "%-24s %6zu writes, %4zu images, %6zu of recoverers, %5zu real kills, %zu faults, %.1f s\n",
        which->name, trail->steps, trail->count, run.seen_count, run.literal, run.faults,
        (double)(clock_now() - begin) / NANOSECONDS);
    fflush(stdout);
    trail_close(trail);
    free(run.seen);
    kill_world_end(&run.world);
    return run.faults;
}

static bool named(int argc, char **argv, const char *name)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], name) == 0)
            return true;
    return argc < 2;
}

static int run_all(int argc, char **argv, const struct kill_case *cases, size_t count, bool broken)
{
    const char *reason;
    size_t wrong = 0;

    if (!steps_allowed(&reason)) {
        printf("skipped: %s\n", reason);
        return STATUS_SKIPPED;
    }
    for (size_t i = 0; i < count; i++)
        if (named(argc, argv, cases[i].name))
            wrong += (case_run(&cases[i]) > 0) != broken;
    return wrong > 0 ? 1 : 0;
}

int kill_main(int argc, char **argv, const struct kill_case *cases, size_t count)
{
    return run_all(argc, argv, cases, count, false);
}

int kill_main_broken(int argc, char **argv, const struct kill_case *cases, size_t count)
{
    return run_all(argc, argv, cases, count, true);
}
