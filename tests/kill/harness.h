/* Killing an operation at every instruction, and whoever recovers it at every instruction, too.
 *
 * A case prepares a small arena. A child, the victim, runs the operation, and the harness looks at
 * the arena after each instruction that writes to it (traps.c). What a SIGKILL after an instruction
 * leaves is the arena as the last such write left it, so each distinct image stands for all
 * instructions after which it is seen. With `literally` the case is also single-stepped through
 * every instruction (steps.c), and ended by a real SIGKILL after a hundred of them (all of them
 * with TROUPE_TEST_FULL=1), and both must leave these very images.
 *
 * For each image the victim is buried, and a second process recovers; that process is watched and
 * killed in the same way, and a third one recovers what the two left. After each recovery the arena
 * must be sound (world.c) and the case's check must hold.
 *
 * Instructions of the operation alone are watched; a system call is one step. */
#ifndef TROUPE_TESTS_KILL_HARNESS_H
#define TROUPE_TESTS_KILL_HARNESS_H

#include "core/heap.h"
#include "core/slot.h"
#include "troupe/troupe.h"

#define KILL_MEMOS 16
#define KILL_COMPLAINT_BYTES 256

/* What a case and the harness share. Each process has its copy; the arena alone is common. */
struct kill_world {
    struct arena arena;
    struct actor bystander;    /* outlives everybody: prepares, rescues, checks, recovers last */
    struct actor victim;       /* runs the operation */
    struct actor recoverer;    /* recovers the victim, and is killed as well */
    struct heap_usage before;  /* what the heap held after prepare */
    uint64_t memo[KILL_MEMOS]; /* the case's own: offsets, mostly */
    char complaint[KILL_COMPLAINT_BYTES];
};

struct kill_case {
    const char *name;
    void (*prepare)(struct kill_world *world);
    void (*operation)(struct kill_world *world); /* by world->victim */
    /* Whether everything is as if the operation had not begun (done: had ended). It changes
     * nothing. Where it makes no difference both hold. */
    bool (*check)(struct kill_world *world, bool done);
    /* Called, as world->bystander, whenever the victim sleeps; NULL when it ends by itself. */
    void (*rescue)(struct kill_world *world);
    bool literally;
};

/* Runs the cases that the arguments name, all without arguments.
 *
 * Returns     main's status: 0; 1 with the faults on stderr; 77 where ptrace is not allowed */
int kill_main(int argc, char **argv, const struct kill_case *cases, size_t count);

/* The same for cases that are broken on purpose: 0 when the harness finds a fault in each. */
int kill_main_broken(int argc, char **argv, const struct kill_case *cases, size_t count);

/* For checks: keeps the sentence when it does not hold, and returns whether it does. */
bool kill_expect(struct kill_world *world, bool holds, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Whether the heap holds this many more linked blocks and bytes than after prepare, and nothing in
 * flight. */
bool kill_expect_heap(struct kill_world *world, int64_t blocks, int64_t bytes);

/* For prepare: a new linked block, zeroed. */
uint64_t kill_block(struct kill_world *world, uint64_t bytes);

/* world.c: a fresh arena with the three actors; false when there is no memory. */
bool kill_world_make(struct kill_world *world);
void kill_world_end(struct kill_world *world);

/* Buries the process that an actor stands for. */
void kill_bury(struct kill_world *world, const struct actor *actor);

/* Whether the arena is sound: the dead slots empty and free, the header's locks free, each span of
 * a kind that lasts, each block FREE or LINKED, each run whole. Keeps the sentence otherwise. */
bool kill_sound(struct kill_world *world);

/* Whether all that is free can be had. Changes the arena: the last look. */
bool kill_usable(struct kill_world *world);

#define KILL_ARENA_BYTES (2u << 20)

#endif
