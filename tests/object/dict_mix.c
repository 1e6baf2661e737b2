#include "dict_mix.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    VALUE_MOST = 600,
    VALUE_RARE = 70000, /* now and then one larger than a span */
    RARE = 500,         /* one edition in so many */
    MANY = 4,           /* keys of a call on many */
    NUMBERS = 8,        /* every eighth key is a number, which add changes */
    KEY_MOST = 32
};

/* ---- keys and values ---------------------------------------------------------------------- */

struct key {
    unsigned char bytes[KEY_MOST];
    troupe_bytes view;
};

static troupe_bytes key_make(const struct mix *mix, uint64_t number, struct key *key)
{
    uint64_t name = (uint64_t)(mix->worker + 1) << 32 | number;

    memset(key->bytes, (int)(number * 7), sizeof key->bytes);
    memcpy(key->bytes, &name, sizeof name);
    key->view = troupe_bytes_of(key->bytes, sizeof name + number % (KEY_MOST - sizeof name));
    return key->view;
}

static bool is_number(uint64_t key)
{
    return key % NUMBERS == 0;
}

static size_t value_size(uint64_t key, uint64_t edition)
{
    uint64_t mixed = (key + 1) * 0x9e3779b97f4a7c15u ^ edition * 0xbf58476d1ce4e5b9u;

    if (is_number(key))
        return sizeof edition;
    if (mixed % RARE == 0)
        return VALUE_RARE;
    return mixed >> 20 & 1 ? mixed % 9 : mixed % VALUE_MOST;
}

/* An edition's value: its edition's bytes, over and over. */
static troupe_bytes value_make(uint64_t key, uint64_t edition, unsigned char *value)
{
    uint64_t word = is_number(key) ? edition : key << 40 ^ edition;
    size_t size = value_size(key, edition);

    for (size_t at = 0; at < size; at++)
        value[at] = (unsigned char)(word >> at % 8 * 8);
    return troupe_bytes_of(value, size);
}

static bool equals(const void *data, size_t size, troupe_bytes value)
{
    return size == value.size && memcmp(data, value.data, size) == 0;
}

static uint64_t draw(struct mix *mix)
{
    mix->random ^= mix->random << 13;
    mix->random ^= mix->random >> 7;
    mix->random ^= mix->random << 17;
    return mix->random;
}

/* ---- what is under way -------------------------------------------------------------------- */

static void intend(struct mix *mix, uint64_t key, uint64_t count, uint64_t edition)
{
    mix->reference->pending.edition = edition;
    mix->reference->pending.key = key;
    mix->reference->pending.count = count;
}

/* The operation is acknowledged. */
static void settle(struct mix *mix)
{
    struct mix_reference *reference = mix->reference;

    for (uint64_t i = 0; i < reference->pending.count; i++)
        reference->editions[reference->pending.key + i] = reference->pending.edition;
    reference->pending.count = 0;
}

/* ---- own keys ----------------------------------------------------------------------------- */

static bool own_set(struct mix *mix, uint64_t number)
{
    uint64_t edition = ++mix->reference->next;
    struct key key;

    intend(mix, number, 1, edition);
    if (troupe_dict_set(mix->dict, key_make(mix, number, &key),
                        value_make(number, edition, mix->buffer)) != TROUPE_OK)
        return false;
    settle(mix);
    return true;
}

static bool own_delete(struct mix *mix, uint64_t number)
{
    bool stood = mix->reference->editions[number] != 0;
    struct key key;
    int result;

    intend(mix, number, 1, 0);
    result = troupe_dict_delete(mix->dict, key_make(mix, number, &key));
    settle(mix);
    return result == (stood ? TROUPE_OK : TROUPE_NOT_FOUND);
}

static bool own_pop(struct mix *mix, uint64_t number)
{
    uint64_t edition = mix->reference->editions[number];
    troupe_bytes value = value_make(number, edition, mix->expected);
    struct key key;
    size_t size;
    int result;

    intend(mix, number, 1, 0);
    result =
        troupe_dict_pop(mix->dict, key_make(mix, number, &key), mix->buffer, VALUE_RARE, &size);
    settle(mix);
    if (edition == 0)
        return result == TROUPE_NOT_FOUND;
    return result == TROUPE_OK && equals(mix->buffer, size, value);
}

static bool own_get(struct mix *mix, uint64_t number)
{
    uint64_t edition = mix->reference->editions[number];
    troupe_bytes value = value_make(number, edition, mix->expected);
    struct key key;
    size_t size;
    int result =
        troupe_dict_get(mix->dict, key_make(mix, number, &key), mix->buffer, VALUE_RARE, &size);

    if (edition == 0)
        return result == TROUPE_NOT_FOUND;
    return result == TROUPE_OK && equals(mix->buffer, size, value);
}

static bool own_get_alloc(struct mix *mix, uint64_t number)
{
    uint64_t edition = mix->reference->editions[number];
    troupe_bytes value = value_make(number, edition, mix->expected);
    void *data = NULL;
    struct key key;
    size_t size;
    int result = troupe_dict_get_alloc(mix->dict, key_make(mix, number, &key), &data, &size);
    bool fine = edition == 0 ? result == TROUPE_NOT_FOUND
                             : result == TROUPE_OK && equals(data, size, value);

    free(data);
    return fine;
}

static bool own_contains(struct mix *mix, uint64_t number)
{
    bool stands = mix->reference->editions[number] != 0;
    struct key key;
    int present;

    return troupe_dict_contains(mix->dict, key_make(mix, number, &key), &present) == TROUPE_OK &&
           present == stands &&
           troupe_dict_wait(mix->dict, key.view, TROUPE_NO_WAIT) ==
               (stands ? TROUPE_OK : TROUPE_TIMEOUT);
}

static bool own_default(struct mix *mix, uint64_t number)
{
    uint64_t stood = mix->reference->editions[number], edition = ++mix->reference->next;
    troupe_bytes value = value_make(number, edition, mix->buffer);
    struct key key;
    size_t size;
    int stored;

    intend(mix, number, stood == 0, edition);
    if (troupe_dict_set_default(mix->dict, key_make(mix, number, &key), value, mix->expected,
                                VALUE_RARE, &size, &stored) != TROUPE_OK)
        return false;
    settle(mix);
    return stored == (stood == 0) &&
           equals(mix->expected, size,
                  value_make(number, stood != 0 ? stood : edition, mix->buffer));
}

/* With the value that stands there, or with another. */
static bool own_compare(struct mix *mix, uint64_t number, bool right)
{
    uint64_t stood = mix->reference->editions[number], edition = ++mix->reference->next;
    troupe_bytes expected = value_make(number, right ? stood : edition, mix->expected);
    bool fits =
        stood != 0 && equals(mix->expected, expected.size, value_make(number, stood, mix->buffer));
    struct key key;
    int result;

    intend(mix, number, fits, edition);
    result = troupe_dict_compare_and_set(mix->dict, key_make(mix, number, &key), expected,
                                         value_make(number, edition, mix->buffer));
    settle(mix);
    if (stood == 0)
        return result == TROUPE_NOT_FOUND;
    return result == (fits ? TROUPE_OK : TROUPE_DIFFERS);
}

static bool own_add(struct mix *mix, uint64_t number)
{
    uint64_t stood = mix->reference->editions[number], edition = ++mix->reference->next;
    struct key key;
    int64_t sum;

    intend(mix, number, 1, edition);
    if (troupe_dict_add(mix->dict, key_make(mix, number, &key), (int64_t)(edition - stood), &sum) !=
        TROUPE_OK)
        return false;
    settle(mix);
    return sum == (int64_t)edition;
}

static bool own_set_many(struct mix *mix, uint64_t number)
{
    uint64_t edition = ++mix->reference->next;
    troupe_bytes keys[MANY], values[MANY];
    unsigned char *next = mix->buffer;
    struct key made[MANY];

    if (number + MANY > MIX_KEYS)
        return true;
    for (uint64_t i = 0; i < MANY; i++) {
        if (value_size(number + i, edition) == VALUE_RARE)
            return true; /* the buffer has room for one of these */
        keys[i] = key_make(mix, number + i, &made[i]);
        values[i] = value_make(number + i, edition, next);
        next += values[i].size;
    }
    intend(mix, number, MANY, edition);
    if (troupe_dict_set_many(mix->dict, keys, values, MANY) != TROUPE_OK)
        return false;
    settle(mix);
    return true;
}

static bool own_get_many(struct mix *mix, uint64_t number)
{
    troupe_dict_value found[MANY];
    troupe_bytes keys[MANY];
    struct key made[MANY];
    bool fine = true;

    if (number + MANY > MIX_KEYS)
        return true;
    for (uint64_t i = 0; i < MANY; i++) {
        keys[i] = key_make(mix, number + i, &made[i]);
        found[i] =
            (troupe_dict_value){ .data = mix->buffer + i * VALUE_MOST, .capacity = VALUE_MOST };
    }
    if (troupe_dict_get_many(mix->dict, keys, MANY, found) != TROUPE_OK)
        return false;
    for (uint64_t i = 0; i < MANY; i++) {
        uint64_t edition = mix->reference->editions[number + i];
        troupe_bytes value = value_make(number + i, edition, mix->expected);
        int wanted = edition == 0              ? TROUPE_NOT_FOUND
                     : value.size > VALUE_MOST ? TROUPE_TOO_LONG
                                               : TROUPE_OK;

        fine &= found[i].result == wanted &&
                (wanted == TROUPE_NOT_FOUND || found[i].size == value.size) &&
                (wanted != TROUPE_OK || equals(found[i].data, found[i].size, value));
    }
    return fine;
}

static bool own_step(struct mix *mix, uint64_t drawn)
{
    uint64_t number = (drawn >> 8) % MIX_KEYS;

    if (is_number(number) && drawn >> 60 < 8)
        return own_add(mix, number);
    switch (drawn >> 60) {
    case 0:
        return own_delete(mix, number);
    case 1:
        return own_pop(mix, number);
    case 2:
        return own_get_alloc(mix, number);
    case 3:
        return own_contains(mix, number);
    case 4:
        return own_default(mix, number);
    case 5:
        return own_compare(mix, number, true);
    case 6:
        return own_compare(mix, number, false);
    case 7:
        return own_set_many(mix, number);
    case 8:
        return own_get_many(mix, number);
    case 9:
    case 10:
    case 11:
        return own_get(mix, number);
    default:
        return own_set(mix, number);
    }
}

/* ---- everybody's keys --------------------------------------------------------------------- */

static troupe_bytes shared_key(uint64_t *number)
{
    return troupe_bytes_of(number, sizeof *number);
}

static const troupe_bytes counter_key = { "counter", 7 };

static bool counter_add(struct mix *mix)
{
    mix->reference->pending.added = 1;
    if (troupe_dict_add(mix->dict, counter_key, 1, NULL) != TROUPE_OK)
        return false;
    mix->reference->added++;
    mix->reference->pending.added = 0;
    return true;
}

/* A value is one byte repeated, as often as its first byte says in words. */
static bool is_whole(const unsigned char *value, size_t size)
{
    for (size_t at = 0; at < size; at++)
        if (value[at] != value[0])
            return false;
    return size > 0 && size == (size_t)value[0] * 8;
}

static bool shared_step(struct mix *mix, uint64_t drawn)
{
    uint64_t number = drawn % MIX_SHARED_KEYS;
    unsigned char letter = (unsigned char)(drawn >> 16 | 1);
    size_t size = (size_t)letter * 8;
    int result;

    if (drawn >> 60 < 4)
        return counter_add(mix);
    if (drawn >> 60 < 8) {
        memset(mix->buffer, letter, size);
        return troupe_dict_set(mix->dict, shared_key(&number),
                               troupe_bytes_of(mix->buffer, size)) == TROUPE_OK;
    }
    if (drawn >> 60 == 8) {
        result = troupe_dict_delete(mix->dict, shared_key(&number));
        return result == TROUPE_OK || result == TROUPE_NOT_FOUND;
    }
    result = drawn >> 60 == 9
                 ? troupe_dict_pop(mix->dict, shared_key(&number), mix->buffer, VALUE_RARE, &size)
                 : troupe_dict_get(mix->dict, shared_key(&number), mix->buffer, VALUE_RARE, &size);
    return result == TROUPE_NOT_FOUND || (result == TROUPE_OK && is_whole(mix->buffer, size));
}

int64_t mix_sum(troupe_dict dict)
{
    int64_t sum = 0;

    return troupe_dict_get(dict, counter_key, &sum, sizeof sum, NULL) == TROUPE_OK ? sum : 0;
}

long mix_count_shared(troupe_dict dict)
{
    long entries = 0;
    int present = 0;

    for (uint64_t number = 0; number < MIX_SHARED_KEYS; number++)
        if (troupe_dict_contains(dict, shared_key(&number), &present) == TROUPE_OK)
            entries += present;
    return troupe_dict_contains(dict, counter_key, &present) == TROUPE_OK ? entries + present : -1;
}

/* ---- a worker ----------------------------------------------------------------------------- */

bool mix_begin(struct mix *mix, troupe_dict dict, int worker, struct mix_reference *reference)
{
    *mix = (struct mix){ .dict = dict,
                         .worker = worker,
                         .reference = reference,
                         .random = 88172645463325252u + (uint64_t)worker * 977,
                         .buffer = malloc(VALUE_RARE),
                         .expected = malloc(VALUE_RARE) };
    if (mix->buffer != NULL && mix->expected != NULL)
        return true;
    mix_end(mix);
    return false;
}

void mix_end(struct mix *mix)
{
    free(mix->buffer);
    free(mix->expected);
}

void mix_run(struct mix *mix, long operations)
{
    for (long i = 0; i < operations; i++) {
        uint64_t drawn = draw(mix);
        bool fine = drawn >> 30 & 1 ? own_step(mix, drawn) : shared_step(mix, drawn);

        if (!fine && mix->reference->faults++ == 0)
            fprintf(stderr, "worker %d, operation %ld, drawn %llx: %s\n", mix->worker, i,
                    (unsigned long long)drawn, troupe_last_error());
    }
}

/* The edition that a key may have instead of its acknowledged one; that one if there is none. */
static uint64_t other_edition(const struct mix *mix, uint64_t number)
{
    const struct mix_reference *reference = mix->reference;

    return number - reference->pending.key < reference->pending.count ? reference->pending.edition
                                                                      : reference->editions[number];
}

static bool edition_stands(struct mix *mix, uint64_t number, uint64_t edition)
{
    uint64_t kept = mix->reference->editions[number];
    bool stands;

    mix->reference->editions[number] = edition;
    stands = own_get(mix, number);
    mix->reference->editions[number] = kept;
    return stands;
}

long mix_count(struct mix *mix)
{
    long entries = 0;

    for (uint64_t number = 0; number < MIX_KEYS; number++) {
        uint64_t edition = mix->reference->editions[number];

        if (!edition_stands(mix, number, edition)) {
            edition = other_edition(mix, number);
            if (!edition_stands(mix, number, edition)) {
                fprintf(stderr, "worker %d: key %llu is neither edition %llu nor %llu\n",
                        mix->worker, (unsigned long long)number,
                        (unsigned long long)mix->reference->editions[number],
                        (unsigned long long)edition);
                return -1;
            }
        }
        entries += edition != 0;
    }
    return entries;
}

void mix_accept(struct mix *mix)
{
    struct mix_reference *reference = mix->reference;

    for (uint64_t i = 0; i < reference->pending.count; i++) {
        uint64_t number = reference->pending.key + i;

        if (!edition_stands(mix, number, reference->editions[number]))
            reference->editions[number] = reference->pending.edition;
    }
    reference->unsure += reference->pending.added;
    reference->pending.added = 0;
    reference->pending.count = 0;
}
