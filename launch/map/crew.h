/* The crew: a worker beside each rank, as its parent sees it. The parent alone decides who runs
 * what; a worker's inbox holds what it will run next, and can be emptied again. What a worker had
 * when it died is told, and another worker takes its place. */
#ifndef TROUPE_LAUNCH_MAP_CREW_H
#define TROUPE_LAUNCH_MAP_CREW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "options.h"
#include "roll.h"
#include "task.h"
#include "troupe/troupe.h"

struct crew_worker {
    const struct roll_place *place;
    troupe_process process;
    troupe_queue inbox;
    bool is_alive;
    bool has_died;        /* one of its number, before */
    bool ended_a_task;    /* since it was started */
    uint32_t starts;      /* in vain, one after the other */
    struct task_list has; /* what it was given; the first one runs */
    uint64_t since;       /* when that began, as far as the parent knows */
};

struct crew {
    const struct map_options *options;
    struct roll roll;
    struct crew_worker *workers;
    uint32_t size, alive;
    uint64_t run; /* a number of this run's own */
    troupe_queue results;
    struct map_task **unsent; /* [unsent_count] given to a worker, not yet in its inbox */
    size_t unsent_count;
};

/* Calls the roll and starts a worker for each rank.
 *
 * Returns     TROUPE_OK; as troupe_process_start, when no worker could be started */
int crew_open(const struct map_options *options, struct crew *crew);

enum { CREW_SHARE_MOST = 130 }; /* tasks that a worker may have */

/* Gives a task to a worker; crew_send puts it into its inbox. */
void crew_give(struct crew *crew, uint32_t worker, struct map_task *task);

/* Puts what was given into the inboxes.
 *
 * back        gets the tasks that the arena had no room for
 * Returns     TROUPE_OK, or as troupe_queue_put but for TROUPE_FULL */
int crew_send(struct crew *crew, struct task_list *back);

/* Takes back what a worker has not begun, in its order. */
void crew_take_back(struct crew *crew, uint32_t worker, struct task_list *tasks);

/* Orders a worker to end the task that it runs. */
void crew_stop(struct crew *crew, uint32_t worker);

/* Whether a worker has died. What it told before is in the results: take those first. */
bool crew_is_dead(struct crew *crew, uint32_t worker);

/* Takes all tasks of a dead worker, in its order, and starts it again if that can be.
 *
 * reason      [TROUPE_REASON_SIZE] how it ended */
void crew_bury(struct crew *crew, uint32_t worker, struct task_list *tasks, char *reason);

/* Lets the workers leave and waits for them. */
void crew_close(struct crew *crew);

#endif
