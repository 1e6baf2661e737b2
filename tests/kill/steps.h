/* Single-stepping a child over the shared arena, and the images that it passes through. */
#ifndef TROUPE_TESTS_KILL_STEPS_H
#define TROUPE_TESTS_KILL_STEPS_H

#include "harness.h"

/* The arena up to the last span in use; what free spans hold means nothing. */
struct image {
    unsigned char *bytes;
    size_t size;
    uint64_t hash;
    size_t step; /* the first instruction after which it was seen */
};

/* Distinct images in the order in which they were seen. */
struct trail {
    struct image *images;
    size_t count, capacity;
    size_t steps;
};

void image_take(const struct arena *arena, struct image *image);
void image_restore(const struct arena *arena, const struct image *image);
void trail_free(struct trail *trail);

/* Where the watchdog is, for its last words. */
void steps_watch(const char *name, const char *phase, size_t step);

/* Whether this process may step its children; otherwise reason says why not. */
bool steps_allowed(const char **reason);

/* Forks a child that runs work(world), and steps it to its end; the trail begins with the image
 * before. False, with the complaint kept, when the child did not end well. */
bool steps_record(struct kill_world *world, void (*work)(struct kill_world *world),
                  void (*rescue)(struct kill_world *world), struct trail *trail);

/* The same with a real SIGKILL after a number of instructions. */
bool steps_kill(struct kill_world *world, void (*work)(struct kill_world *world), size_t steps);

#endif
