/* A task in the parent: an input as the message that a worker gets, and what becomes of it. The
 * turns are those of the list that are neither unread nor over, by their places. */
#ifndef TROUPE_LAUNCH_MAP_TASK_H
#define TROUPE_LAUNCH_MAP_TASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"
#include "keys.h"
#include "launch/map/record.h"
#include "launch/map/text/inputs.h"
#include "message.h"
#include "output.h"

struct map_task {
    struct map_task *next; /* in the one list that has it */
    struct map_key key;
    uint32_t tries, deaths; /* how often it has failed, and its worker died */
    uint32_t worker;        /* that has it, or had it last */
    bool is_begun;          /* its attempt has its number, and is in the journal */
    bool is_again;
    bool is_ended;
    enum map_ended_by stopped; /* why it was ordered to end */
    struct output_held held;
    struct map_record record;
    size_t message_bytes;
    struct map_task_message message; /* with what belongs behind it */
};

struct task_list {
    struct map_task *first, *last;
    uint32_t count;
    size_t bytes;
};

void task_append(struct task_list *list, struct map_task *task);
void task_prepend(struct task_list *list, struct map_task *task);
struct map_task *task_pop(struct task_list *list);

/* Takes a task out of the list that has it; false when it does not. */
bool task_remove(struct task_list *list, struct map_task *task);

/* Makes a task of an input; NULL when memory ran out.
 *
 * salt        what its key depends on beside the input: the command */
struct map_task *task_make(const struct map_input *input, uint64_t salt);
void task_free(struct map_task *task);

/* Views the input again, as it was read.
 *
 * input       its columns are in *columns, freed by the caller; its bytes in *joined */
bool task_input(const struct map_task *task, struct map_input *input, troupe_bytes **columns,
                struct text *joined);

/* ---- turns --------------------------------------------------------------------------------- */

/* Places first to next - 1; all zero at the beginning but for first = next = 1. */
struct turns {
    struct map_task **slots; /* NULL: over */
    size_t capacity;         /* a power of two */
    uint64_t first, next;
};

/* Gives a task, or NULL for one that is over, the next place; false when memory ran out. */
bool turns_add(struct turns *turns, struct map_task *task);

/* The task at a place; NULL when it is over, or was never there. */
struct map_task *turns_at(const struct turns *turns, uint64_t place);

/* Frees the task at a place: it is over. */
void turns_end(struct turns *turns, uint64_t place);

/* The first task that is not over; NULL when there is none. */
struct map_task *turns_first(struct turns *turns);

void turns_free(struct turns *turns);

#endif
