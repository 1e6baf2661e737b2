/* Making seals, and judging what was read by them. */
#include "object/dict_seal.h"

#include "object/dict_held.h"
#include "object/dict_read.h"

#define SIZES_FACTOR 0x9e3779b97f4a7c15u /* odd, so that no two sizes fall together */

int dict_seals_begin(struct actor *actor)
{
    uint64_t offset;
    int result = tx_alloc(actor, ARENA_LINE, &offset);

    if (result != TROUPE_OK)
        return result;
    words_zero(arena_at(&actor->arena, offset), ARENA_LINE);
    tx_write(actor, &actor->arena.header->roots[ROOT_DICT_SEALS], offset);
    tx_commit(actor);
    return TROUPE_OK;
}

/* Numbers of a counter, each turned into a word that nobody writes by chance: a block that is
 * another's by now may hold small numbers. The turning is one to one, and leads 0 alone to 0. */
static uint64_t version_next(const struct arena *arena)
{
    uint64_t counter =
        atomic_load_explicit(&arena->header->roots[ROOT_DICT_SEALS], memory_order_relaxed);
    uint64_t word = atomic_fetch_add_explicit((_Atomic uint64_t *)arena_at(arena, counter), 1,
                                              memory_order_relaxed) +
                    1;

    word = (word ^ word >> 30) * 0xbf58476d1ce4e5b9u;
    word = (word ^ word >> 27) * 0x94d049bb133111ebu;
    return word ^ word >> 31;
}

/* Over the padded key and value. The order among entries of one hash may change until the entry is
 * linked, and tells nothing of it. */
static uint64_t checksum_of(const void *words, uint64_t sizes, uint64_t handle, uint64_t version)
{
    uint64_t parted = sizes & ~(((uint64_t)ENTRY_ORDERS - 1) << ENTRY_VALUE_BITS);

    return XXH3_64bits_withSeed(
        words, (words_for(sizes_key(sizes)) + words_for(sizes_value(sizes))) * sizeof(uint64_t),
        handle ^ version ^ parted * SIZES_FACTOR);
}

uint64_t seal_make(const struct share *share, struct entry *entry, uint64_t sizes)
{
    struct seal *seal = seal_of(entry, sizes);
    uint64_t version = version_next(&share->actor->arena);

    atomic_store_explicit(&seal->version, 0, memory_order_release);
    atomic_store_explicit(&seal->checksum,
                          checksum_of((const void *)entry->words, sizes, share->handle, version),
                          memory_order_release);
    return version;
}

void seal_renew(const struct share *share, struct entry *entry, uint64_t number)
{
    uint64_t sizes = atomic_load_explicit(&entry->sizes, memory_order_relaxed), version;
    uint64_t words[SEAL_MOST / sizeof(uint64_t)], key = words_for(sizes_key(sizes));
    struct seal *seal = seal_of(entry, sizes);

    if ((sizes & ENTRY_SEALED) == 0)
        return;
    version = version_next(&share->actor->arena);
    words_load(words, entry->words, key * sizeof *words);
    words[key] = number;
    tx_write(share->actor, &seal->checksum, checksum_of(words, sizes, share->handle, version));
    tx_write(share->actor, &seal->version, version);
}

/* Everything in the copy may be anybody's: the sizes are compared with what was read before they
 * are followed. */
bool seal_proves(const void *copy, uint64_t bytes, uint64_t handle, const struct dict_key *key,
                 troupe_bytes *value)
{
    const uint64_t *words = copy, *seal;
    uint64_t sizes;

    if (bytes < ENTRY_HEADER + sizeof(struct seal) || bytes > SEAL_MOST)
        return false;
    sizes = words[1];
    if (words[0] != key->hash || (sizes & ENTRY_SEALED) == 0 || sizes_key(sizes) != key->size ||
        sizes_value(sizes) > SEAL_MOST || sealed_bytes(sizes) != bytes)
        return false;
    seal = words + bytes / sizeof *words - 2;
    words += ENTRY_HEADER / sizeof *words;
    if (seal[0] == 0 || memcmp(words, key->data, key->size) != 0 ||
        checksum_of(words, sizes, handle, seal[0]) != seal[1])
        return false;
    *value = troupe_bytes_of(words + words_for(key->size), sizes_value(sizes));
    return true;
}

/* ---- where an entry lies ---------------------------------------------------------------- */

struct locating {
    const struct dict_key *key;
    struct dict_place *place;
};

static int locate_look(const struct reading *reading, void *context)
{
    const struct locating *locating = context;
    const struct entry *entry;
    uint64_t place, sizes;
    int result = reading_find(reading, locating->key, &entry, &place, &sizes);

    *locating->place = (struct dict_place){ 0, 0 };
    if (result == TROUPE_OK && (sizes & ENTRY_SEALED) != 0)
        *locating->place = (struct dict_place){ place, sealed_bytes(sizes) };
    return result;
}

void dict_share_locate(const struct share *share, const struct dict_key *key,
                       struct dict_place *place)
{
    struct locating locating = { key, place };

    *place = (struct dict_place){ 0, 0 };
    if (seals_are_on(&share->actor->arena) &&
        dict_look(share, key->hash, locate_look, &locating) != TROUPE_OK)
        *place = (struct dict_place){ 0, 0 };
}
