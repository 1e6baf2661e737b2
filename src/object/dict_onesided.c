/* The places of entries, and reading by them.
 *
 * The table of places is a cache and nothing else: of fixed size, one for the process, and what
 * stands in it may be old, or mixed of what two threads wrote at once. Whatever is read by it is
 * proved by its seal. */
#include "object/dict_onesided.h"

#include "core/read.h"
#include "object/dict_remote.h"

#define PLACE_SETS 16384u /* of a cache line each: 1 MiB, of which only what is used is there */
#define PLACE_WAYS 4u
#define NAME_FACTOR 0x9e3779b97f4a7c15u

/* name: of a dict's key; 0: nothing. where: words of the entry (16) | its offset (48). */
struct place {
    _Atomic uint64_t name;
    _Atomic uint64_t where;
};

static _Alignas(ARENA_LINE) struct place places[PLACE_SETS][PLACE_WAYS];

static _Atomic uint64_t reads, refusals, delays;

static void count(_Atomic uint64_t *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

void dict_onesided_count(struct dict_onesided_counts *counts)
{
    counts->read = atomic_load_explicit(&reads, memory_order_relaxed);
    counts->refused = atomic_load_explicit(&refusals, memory_order_relaxed);
    counts->late = atomic_load_explicit(&delays, memory_order_relaxed);
}

/* ---- places ----------------------------------------------------------------------------- */

static uint64_t name_of(uint64_t handle, const struct dict_key *key)
{
    return key->hash ^ handle * NAME_FACTOR;
}

/* Not by the hash's high bits, which the keys of one home have in common. */
static struct place *set_of(uint64_t name)
{
    return places[name % PLACE_SETS];
}

static uint64_t place_find(uint64_t name)
{
    struct place *set = set_of(name);

    for (uint32_t way = 0; name != 0 && way < PLACE_WAYS; way++)
        if (atomic_load_explicit(&set[way].name, memory_order_relaxed) == name)
            return atomic_load_explicit(&set[way].where, memory_order_relaxed);
    return 0;
}

/* The name's own way, else a free one, else one in turn. */
static struct place *place_for(uint64_t name)
{
    static _Atomic uint32_t turn;
    struct place *set = set_of(name), *free_one = NULL;

    for (uint32_t way = 0; way < PLACE_WAYS; way++) {
        uint64_t found = atomic_load_explicit(&set[way].name, memory_order_relaxed);

        if (found == name)
            return &set[way];
        if (found == 0)
            free_one = &set[way];
    }
    if (free_one != NULL)
        return free_one;
    return &set[atomic_fetch_add_explicit(&turn, 1, memory_order_relaxed) % PLACE_WAYS];
}

void dict_onesided_learn(uint64_t handle, const struct dict_key *key,
                         const struct dict_place *place)
{
    uint64_t name = name_of(handle, key);
    struct place *own = place_for(name);
    bool readable = place->offset != 0 && place->offset <= DICT_OFFSET_MASK &&
                    place->bytes <= SEAL_MOST && place->bytes % sizeof(uint64_t) == 0;

    if (!readable && atomic_load_explicit(&own->name, memory_order_relaxed) != name)
        return;
    atomic_store_explicit(
        &own->where,
        readable ? place->bytes / sizeof(uint64_t) << DICT_OFFSET_BITS | place->offset : 0,
        memory_order_relaxed);
    atomic_store_explicit(&own->name, readable ? name : 0, memory_order_relaxed);
}

/* ---- reading ---------------------------------------------------------------------------- */

bool dict_onesided_is_on(void)
{
    return read_is_on();
}

static int value_give(troupe_bytes found, struct dict_buffer *value)
{
    int result = TROUPE_OK;

    value->size = found.size;
    if (value->size > dict_buffer_most(value))
        return TROUPE_TOO_LONG;
    if (value->size > value->capacity)
        result = dict_buffer_grow(value);
    if (result == TROUPE_OK && value->size > 0)
        memcpy(value->data, found.data, found.size);
    return result;
}

int dict_onesided_fetch(struct actor *actor, uint64_t handle, const struct dict_key *key,
                        struct dict_buffer *value)
{
    uint64_t copy[SEAL_MOST / sizeof(uint64_t)];
    uint64_t where = place_find(name_of(handle, key));
    uint64_t bytes = (where >> DICT_OFFSET_BITS) * sizeof(uint64_t);
    troupe_bytes found;

    if (where == 0)
        return DICT_ASK;
    if (read_remote(&actor->arena, dict_home(key->hash), where & DICT_OFFSET_MASK, bytes, copy) !=
        TROUPE_OK) {
        count(&delays);
        return DICT_ASK;
    }
    if (!seal_proves(copy, bytes, handle, key, &found)) {
        count(&refusals);
        return DICT_ASK;
    }
    count(&reads);
    return value_give(found, value);
}
