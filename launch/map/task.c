/* Tasks and their turns. */
#include "task.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

enum { WINDOW_LEAST = 256 };

_Static_assert(sizeof(struct map_task) ==
                   offsetof(struct map_task, message) + sizeof(struct map_task_message),
               "what belongs behind the message lies behind the task");

/* ---- lists ----------------------------------------------------------------------------------- */

void task_append(struct task_list *list, struct map_task *task)
{
    task->next = NULL;
    if (list->last != NULL)
        list->last->next = task;
    else
        list->first = task;
    list->last = task;
    list->count++;
    list->bytes += task->message_bytes;
}

void task_prepend(struct task_list *list, struct map_task *task)
{
    task->next = list->first;
    list->first = task;
    if (list->last == NULL)
        list->last = task;
    list->count++;
    list->bytes += task->message_bytes;
}

struct map_task *task_pop(struct task_list *list)
{
    struct map_task *task = list->first;

    if (task != NULL)
        task_remove(list, task);
    return task;
}

bool task_remove(struct task_list *list, struct map_task *task)
{
    struct map_task *before = NULL, *at = list->first;

    while (at != NULL && at != task) {
        before = at;
        at = at->next;
    }
    if (at == NULL)
        return false;
    if (before != NULL)
        before->next = task->next;
    else
        list->first = task->next;
    if (list->last == task)
        list->last = before;
    list->count--;
    list->bytes -= task->message_bytes;
    return true;
}

/* ---- tasks ----------------------------------------------------------------------------------- */

/* The columns' sizes and bytes, as the message has them. */
static void columns_write(const struct map_input *input, char *to)
{
    char *bytes = to + input->column_count * sizeof(uint32_t);

    for (size_t i = 0; i < input->column_count; i++) {
        uint32_t size = (uint32_t)input->columns[i].size;

        memcpy(to + i * sizeof size, &size, sizeof size);
        memcpy(bytes, input->columns[i].data, size);
        bytes += size;
    }
}

struct map_task *task_make(const struct map_input *input, uint64_t salt)
{
    size_t bytes = 0, behind;
    struct map_task *task;
    XXH128_hash_t hash;

    for (size_t i = 0; i < input->column_count; i++)
        bytes += input->columns[i].size;
    behind = input->column_count * sizeof(uint32_t) + bytes;
    task = malloc(sizeof *task + behind);
    if (task == NULL)
        return NULL;
    *task = (struct map_task){ .record.input_bytes = input->size,
                               .message_bytes = sizeof task->message + behind,
                               .message = { .seq = input->seq,
                                            .kind = MAP_TASK,
                                            .columns = (uint32_t)input->column_count,
                                            .bytes = (uint32_t)bytes } };
    columns_write(input, (char *)(task + 1));
    hash = XXH3_128bits_withSeed(task + 1, behind, salt);
    task->key = (struct map_key){ hash.low64, hash.high64 };
    return task;
}

void task_free(struct map_task *task)
{
    free(task);
}

bool task_input(const struct map_task *task, struct map_input *input, troupe_bytes **columns,
                struct text *joined)
{
    const char *sizes = (const char *)(task + 1);
    const char *bytes = sizes + task->message.columns * sizeof(uint32_t);
    troupe_bytes *views = malloc(task->message.columns * sizeof *views);

    if (views == NULL)
        return false;
    joined->size = 0;
    for (uint32_t i = 0; i < task->message.columns; i++) {
        uint32_t size;

        memcpy(&size, sizes + i * sizeof size, sizeof size);
        views[i] = troupe_bytes_of(bytes, size);
        text_append_bytes(joined, " ", i > 0 ? 1 : 0);
        text_append_bytes(joined, bytes, size);
        bytes += size;
    }
    *input = (struct map_input){ task->message.seq, joined->data, joined->size, views,
                                 task->message.columns };
    *columns = views;
    if (!joined->broken)
        return true;
    free(views);
    return false;
}

/* ---- turns ----------------------------------------------------------------------------------- */

static struct map_task **slot_of(const struct turns *turns, uint64_t place)
{
    return &turns->slots[place & (turns->capacity - 1)];
}

static bool turns_grow(struct turns *turns)
{
    size_t capacity = turns->capacity > 0 ? 2 * turns->capacity : WINDOW_LEAST;
    struct turns grown = { calloc(capacity, sizeof *grown.slots), capacity, turns->first,
                           turns->next };

    if (grown.slots == NULL)
        return false;
    for (uint64_t place = turns->first; place < turns->next; place++)
        *slot_of(&grown, place) = *slot_of(turns, place);
    free(turns->slots);
    *turns = grown;
    return true;
}

bool turns_add(struct turns *turns, struct map_task *task)
{
    if (turns->next - turns->first == turns->capacity && !turns_grow(turns))
        return false;
    if (task != NULL)
        task->message.place = turns->next;
    *slot_of(turns, turns->next++) = task;
    return true;
}

struct map_task *turns_at(const struct turns *turns, uint64_t place)
{
    return place >= turns->first && place < turns->next ? *slot_of(turns, place) : NULL;
}

void turns_end(struct turns *turns, uint64_t place)
{
    task_free(*slot_of(turns, place));
    *slot_of(turns, place) = NULL;
}

struct map_task *turns_first(struct turns *turns)
{
    while (turns->first < turns->next && *slot_of(turns, turns->first) == NULL)
        turns->first++;
    return turns->first < turns->next ? *slot_of(turns, turns->first) : NULL;
}

void turns_free(struct turns *turns)
{
    for (uint64_t place = turns->first; place < turns->next; place++)
        task_free(*slot_of(turns, place));
    free(turns->slots);
}
