/* The images that a child over the shared arena passes through, found in two ways.
 *
 * steps.c looks at the arena after each instruction of the child (ptrace). traps.c lets the child
 * run over a write-protected arena and looks after each instruction that writes to it: between two
 * such writes a SIGKILL leaves the same arena, whatever the instruction. Both see the same images,
 * which cases with `literally` prove; the second way is much the quicker. */
#ifndef TROUPE_TESTS_KILL_STEPS_H
#define TROUPE_TESTS_KILL_STEPS_H

#include "harness.h"

#include <sys/types.h>

/* The arena up to the last span in use; what free spans hold means nothing. */
struct image {
    unsigned char *bytes;
    size_t size;
    uint64_t hash;
    size_t step; /* of the recording, after which it was seen first */
};

#define TRAIL_IMAGES 65536u

/* Distinct images in the order in which they were seen. It lies in memory that a child shares with
 * the process that reads it. */
struct trail {
    size_t count, steps;
    size_t used;                          /* of bytes */
    bool full;                            /* an image found no room */
    unsigned char last[KILL_ARENA_BYTES]; /* the arena at the last look */
    size_t last_size;
    struct image images[TRAIL_IMAGES];
    unsigned char bytes[];
};

/* An image in memory of its own; bytes is NULL without memory. */
void image_take(const struct arena *arena, struct image *image);
void image_restore(const struct arena *arena, const struct image *image);

struct trail *trail_open(void);
void trail_close(struct trail *trail);
bool trail_knows(const struct trail *trail, uint64_t hash);

/* Looks at the arena, and adds its image unless it was seen before. Safe in a signal handler. */
void trail_follow(struct trail *trail, const struct arena *arena);

/* Where the watchdog is, for its last words. */
void steps_watch(const char *name, const char *phase, size_t step);

/* Whether this process may step its children; otherwise reason says why not. */
bool steps_allowed(const char **reason);

/* Waits until the child stops or ends; rescues it when it sleeps. Returns its wait status. */
int steps_await(struct kill_world *world, pid_t child, void (*rescue)(struct kill_world *world));

/* Forks a child that runs work(world), and steps it to its end; the trail begins with the image
 * before. A step is an instruction. False, with the complaint kept, when the child did not end
 * well. */
bool steps_record(struct kill_world *world, void (*work)(struct kill_world *world),
                  void (*rescue)(struct kill_world *world), struct trail *trail);

/* The same by write protection. A step is an instruction that writes to the arena. */
bool writes_record(struct kill_world *world, void (*work)(struct kill_world *world),
                   void (*rescue)(struct kill_world *world), struct trail *trail);

/* Runs the work in a child that a real SIGKILL ends after so many instructions. */
bool steps_kill(struct kill_world *world, void (*work)(struct kill_world *world), size_t steps);
bool steps_kill_traced(struct kill_world *world, void (*work)(struct kill_world *world),
                       size_t steps); /* by ptrace, where the child cannot step itself */

#endif
