/* Walking over a share, in the order of the hashes with their bits reversed.
 *
 * A bucket is chosen by the hash's low bits, so in that order each bucket holds one unbroken range,
 * and a split cuts a range in two without moving anything in the order. A walk that remembers how
 * far it came therefore neither loses nor doubles an entry that stays, however the dict grows.
 * Entries of one and the same hash follow each other by their `order`, which stays theirs also when
 * their value is replaced. */
#include "object/dict_read.h"

#define WALK_ON 2 /* nothing left in this bucket */

struct walk {
    struct dict_position from;
    struct dict_position found;
    uint64_t end; /* the last place of the bucket's range */
    struct dict_buffer *key, *value;
};

/* Reverses the bits of a word: a hash is made a place, and a place a hash. */
static uint64_t reverse(uint64_t word)
{
    word = (word >> 1 & 0x5555555555555555u) | (word & 0x5555555555555555u) << 1;
    word = (word >> 2 & 0x3333333333333333u) | (word & 0x3333333333333333u) << 2;
    word = (word >> 4 & 0x0f0f0f0f0f0f0f0fu) | (word & 0x0f0f0f0f0f0f0f0fu) << 4;
    return __builtin_bswap64(word);
}

static bool before(const struct dict_position *one, const struct dict_position *other)
{
    return one->place != other->place ? one->place < other->place : one->order < other->order;
}

/* The last place of the range of the bucket that holds `place`. */
static uint64_t range_end(uint64_t buckets, uint64_t place)
{
    uint64_t round = dict_round(buckets), index = dict_index(buckets, reverse(place));
    bool fine = index >= round || index < buckets - round; /* told by one bit more */

    return place | ~reverse(fine ? 2 * round - 1 : round - 1);
}

/* The first entry of the bucket that is not before the walk. */
static int first_find(const struct reading *reading, struct walk *walk, const struct entry **entry,
                      uint64_t *sizes)
{
    uint32_t count = more_count(reading->more);

    *entry = NULL;
    for (uint32_t at = 0; at < count; at++) {
        uint64_t its;
        const struct entry *next = reading_entry(reading, reading_cell(reading, at), &its);
        struct dict_position position;

        if (next == NULL)
            return LOOK_AGAIN;
        position.place = reverse(atomic_load_explicit(&next->hash, memory_order_acquire));
        position.order = sizes_order(its);
        if (before(&position, &walk->from) || (*entry != NULL && before(&walk->found, &position)))
            continue;
        *entry = next;
        *sizes = its;
        walk->found = position;
    }
    return TROUPE_OK;
}

static int walk_look(const struct reading *reading, void *context)
{
    struct walk *walk = context;
    const struct entry *entry;
    uint64_t sizes = 0;
    int result = first_find(reading, walk, &entry, &sizes);

    if (result != TROUPE_OK)
        return result;
    walk->end = range_end(reading->buckets, walk->from.place);
    if (entry == NULL)
        return WALK_ON;
    walk->key->size = sizes_key(sizes);
    walk->value->size = sizes_value(sizes);
    if (walk->key->size > walk->key->capacity || walk->value->size > walk->value->capacity)
        return TROUPE_TOO_LONG;
    if (!reading_holds(reading))
        return LOOK_AGAIN;
    words_load(walk->key->data, entry->words, walk->key->size);
    words_load(walk->value->data, entry->words + words_for(walk->key->size), walk->value->size);
    return TROUPE_OK;
}

int dict_share_next(const struct share *share, struct dict_position *position,
                    struct dict_buffer *key, struct dict_buffer *value)
{
    struct walk walk = { .from = *position, .key = key, .value = value };
    int result = dict_look(share, reverse(walk.from.place), walk_look, &walk);

    while (result == WALK_ON && walk.end != UINT64_MAX) {
        walk.from.place = walk.end + 1;
        walk.from.order = 0;
        result = dict_look(share, reverse(walk.from.place), walk_look, &walk);
    }
    if (result == WALK_ON)
        return TROUPE_EMPTY;
    if (result != TROUPE_OK)
        return result;
    position->place = walk.found.place;
    position->order = walk.found.order + 1;
    return TROUPE_OK;
}
