/* Random operations on a list against a reference, by the public calls alone. The reference holds
 * the number of each item; its bytes follow from that. */
#ifndef TROUPE_TESTS_OBJECT_LIST_PLAY_H
#define TROUPE_TESTS_OBJECT_LIST_PLAY_H

#include "troupe/troupe.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#define PLAY_MOST 200   /* bytes of an ordinary item */
#define PLAY_RARE 70000 /* now and then one larger than a span */
#define PLAY_EXTEND 40  /* items of an extend at most */
#define PLAY_PHASE 4000 /* operations between two changes of what is likely */

struct list_play {
    troupe_list list;
    uint64_t *numbers; /* [items] */
    size_t items, room;
    size_t most; /* items: then nothing is put in */
    uint64_t random, next_number, steps;
    unsigned char *buffer, *expected; /* [PLAY_RARE] */
    int failed_line;                  /* 0: none */
};

#define PLAY_EXPECT(play, holds)                                                                   \
    do {                                                                                           \
        if (!(holds) && (play)->failed_line == 0)                                                  \
            (play)->failed_line = __LINE__;                                                        \
    } while (0)

static inline uint64_t play_random(struct list_play *play)
{
    play->random ^= play->random << 13;
    play->random ^= play->random >> 7;
    play->random ^= play->random << 17;
    return play->random;
}

static inline size_t play_size(uint64_t number)
{
    uint64_t mixed = (number + 1) * 0x9e3779b97f4a7c15u;

    mixed ^= mixed >> 29;
    return mixed % 800 == 0 ? PLAY_RARE : mixed >> 20 & 1 ? mixed % 10 : mixed % PLAY_MOST;
}

static inline troupe_bytes play_fill(unsigned char *to, uint64_t number)
{
    size_t size = play_size(number);

    for (size_t at = 0; at < size; at++)
        to[at] = (unsigned char)((number * 0x85ebca6bu >> at % 8 * 4) + at);
    return troupe_bytes_of(to, size);
}

static inline bool play_begin(struct list_play *play, troupe_list list, size_t most, uint64_t seed)
{
    *play = (struct list_play){ .list = list, .most = most, .random = seed | 1 };
    play->room = most + PLAY_EXTEND;
    play->numbers = malloc(play->room * sizeof *play->numbers);
    play->buffer = malloc((size_t)PLAY_RARE * (PLAY_EXTEND + 1));
    play->expected = malloc(PLAY_RARE);
    return play->numbers != NULL && play->buffer != NULL && play->expected != NULL;
}

static inline void play_end(struct list_play *play)
{
    free(play->numbers);
    free(play->buffer);
    free(play->expected);
}

/* ---- the reference ---------------------------------------------------------------------- */

static inline void reference_insert(struct list_play *play, size_t at, uint64_t number)
{
    memmove(&play->numbers[at + 1], &play->numbers[at], (play->items - at) * sizeof *play->numbers);
    play->numbers[at] = number;
    play->items++;
}

static inline void reference_remove(struct list_play *play, size_t at)
{
    play->items--;
    memmove(&play->numbers[at], &play->numbers[at + 1], (play->items - at) * sizeof *play->numbers);
}

/* Whether what was read is the item of that number. */
static inline bool play_is(struct list_play *play, uint64_t number, size_t size)
{
    troupe_bytes wanted = play_fill(play->expected, number);

    return size == wanted.size && memcmp(play->buffer, wanted.data, size) == 0;
}

/* ---- operations ------------------------------------------------------------------------- */

/* The same place by an index from the front or from the back. */
static inline int64_t play_index(struct list_play *play, size_t at)
{
    return play_random(play) & 1 ? (int64_t)at : (int64_t)at - (int64_t)play->items;
}

static inline void play_append(struct list_play *play)
{
    uint64_t number = play->next_number++;

    PLAY_EXPECT(play, troupe_list_append(play->list, play_fill(play->buffer, number)) == TROUPE_OK);
    reference_insert(play, play->items, number);
}

static inline void play_insert(struct list_play *play)
{
    uint64_t number = play->next_number++;
    size_t at = play_random(play) % 4 == 0 ? 0 : play_random(play) % (play->items + 1);
    int64_t index = at < play->items ? play_index(play, at) : INT64_MAX;

    PLAY_EXPECT(play, troupe_list_insert(play->list, index, play_fill(play->buffer, number)) ==
                          TROUPE_OK);
    reference_insert(play, at, number);
}

static inline void play_extend(struct list_play *play)
{
    troupe_bytes items[PLAY_EXTEND];
    size_t count = play_random(play) % (PLAY_EXTEND + 1);

    for (size_t i = 0; i < count; i++) {
        items[i] = play_fill(play->buffer + i * PLAY_RARE, play->next_number);
        reference_insert(play, play->items, play->next_number++);
    }
    PLAY_EXPECT(play, troupe_list_extend(play->list, items, count) == TROUPE_OK);
}

static inline void play_set(struct list_play *play, size_t at)
{
    uint64_t number = play->next_number++;

    PLAY_EXPECT(play, troupe_list_set(play->list, play_index(play, at),
                                      play_fill(play->buffer, number)) == TROUPE_OK);
    play->numbers[at] = number;
}

static inline void play_get(struct list_play *play, size_t at)
{
    size_t size = 0, wanted = play_size(play->numbers[at]);
    void *item = NULL;

    if (wanted > 0 && play_random(play) % 8 == 0)
        PLAY_EXPECT(play, troupe_list_get(play->list, play_index(play, at), play->buffer,
                                          wanted - 1, &size) == TROUPE_TOO_LONG &&
                              size == wanted);
    if (play_random(play) % 8 == 0) {
        PLAY_EXPECT(play, troupe_list_get_alloc(play->list, play_index(play, at), &item, &size) ==
                              TROUPE_OK);
        if (item != NULL && size <= PLAY_RARE)
            memcpy(play->buffer, item, size);
        free(item);
    } else
        PLAY_EXPECT(play, troupe_list_get(play->list, play_index(play, at), play->buffer, PLAY_RARE,
                                          &size) == TROUPE_OK);
    PLAY_EXPECT(play, play_is(play, play->numbers[at], size));
}

static inline void play_pop(struct list_play *play)
{
    size_t at = play_random(play) % play->items, size = 0;

    if (play_random(play) % 4 == 0)
        at = play_random(play) & 1 ? 0 : play->items - 1;
    PLAY_EXPECT(play, troupe_list_pop(play->list, play_index(play, at), play->buffer, PLAY_RARE,
                                      &size) == TROUPE_OK);
    PLAY_EXPECT(play, play_is(play, play->numbers[at], size));
    reference_remove(play, at);
}

static inline void play_miss(struct list_play *play)
{
    int64_t past = (int64_t)(play->items + play_random(play) % 3);
    size_t size;

    PLAY_EXPECT(play, troupe_list_get(play->list, past, play->buffer, PLAY_RARE, &size) ==
                          TROUPE_NOT_FOUND);
    PLAY_EXPECT(play, troupe_list_pop(play->list, -past - 1, play->buffer, PLAY_RARE, &size) ==
                          TROUPE_NOT_FOUND);
    PLAY_EXPECT(play, troupe_list_set(play->list, past, troupe_text("x")) == TROUPE_NOT_FOUND);
}

/* The whole list, by a cursor. */
static inline void play_compare(struct list_play *play)
{
    troupe_cursor cursor = { { 0 } };
    uint64_t items = 0;
    size_t size;

    PLAY_EXPECT(play, troupe_list_size(play->list, &items) == TROUPE_OK && items == play->items);
    for (size_t at = 0; at < play->items && play->failed_line == 0; at++) {
        PLAY_EXPECT(play, troupe_list_next(play->list, &cursor, play->buffer, PLAY_RARE, &size) ==
                              TROUPE_OK);
        PLAY_EXPECT(play, play_is(play, play->numbers[at], size));
    }
    PLAY_EXPECT(play, troupe_list_next(play->list, &cursor, play->buffer, PLAY_RARE, &size) ==
                          TROUPE_EMPTY);
}

/* One operation; in turns of PLAY_PHASE the list rather grows, shrinks, and stays as it is. */
static inline void play_step(struct list_play *play)
{
    static const unsigned puts[] = { 6, 2, 4 }; /* of 8 */
    uint64_t drawn = play_random(play) >> 16;
    bool put = drawn % 8 < puts[play->steps++ / PLAY_PHASE % 3];

    drawn >>= 3;
    if (drawn % 4 == 0 && play->items > 0)
        play_get(play, drawn / 4 % play->items);
    else if (drawn % 16 == 1 && play->items > 0)
        play_set(play, drawn / 16 % play->items);
    else if (put && play->items < play->most) {
        if (drawn % 64 == 2)
            play_extend(play);
        else if (drawn % 4 == 3)
            play_append(play);
        else
            play_insert(play);
    } else if (play->items > 0)
        play_pop(play);
    else
        play_miss(play);
    if (drawn % 20000 == 5) {
        PLAY_EXPECT(play, troupe_list_clear(play->list) == TROUPE_OK);
        play->items = 0;
    }
}

/* So many operations; false with a line on standard error when one did not do what it should. */
static inline bool play_run(struct list_play *play, long steps)
{
    for (long i = 0; i < steps && play->failed_line == 0; i++) {
        play_step(play);
        if (play->failed_line != 0)
            fprintf(stderr, "step %ld of the play, %zu items: list_play.h:%d does not hold: %s\n",
                    i, play->items, play->failed_line, troupe_last_error());
    }
    if (play->failed_line == 0)
        play_compare(play);
    return play->failed_line == 0;
}

#endif
