/* Entries that another node may read by itself, without asking: each has a seal behind its value.
 *
 *   entry   hash | sizes, ENTRY_SEALED set | key | value | version | checksum
 *
 * A reader of another node copies the entry whenever it likes, knowing only where it once lay, and
 * believes the copy if its checksum is that of the dict, the key, the value and the version in it
 * (docs/decisions/one-sided-reads.md). What always holds:
 * - A version is given once in the life of an arena and is never 0. It stands in the entry exactly
 *   while the entry is its key's: the change that links the entry, or that has altered it in place,
 *   writes it (seal_revive), after it has made the bucket's version odd.
 * - Before a change that replaces, alters or removes the entry, its version becomes 0
 *   (seal_kill), by a plain store under the stripe's lock: not by the change, which frees the
 *   block, after which recovery may not write to it. Who dies between the two leaves an entry that
 *   is read by message only.
 * - So a copy with version V, whose version word was read at t, is what the key's value was at t.
 * - Seals are made on nodes where dict_seals_begin was called, for entries of at most SEAL_MOST
 *   bytes; where it was not, an entry costs what it would without them. */
#ifndef TROUPE_OBJECT_DICT_SEAL_H
#define TROUPE_OBJECT_DICT_SEAL_H

#include "core/tx.h"
#include "object/dict_share.h"

#define SEAL_MOST 4096u /* of an entry with its seal: larger ones are read by message */

struct seal {
    _Atomic uint64_t version;
    _Atomic uint64_t checksum;
};

/* Entries that are stored on this node from now on are sealed. Called by the process that makes the
 * arena, before another has it. */
int dict_seals_begin(struct actor *actor);

static inline bool seals_are_on(const struct arena *arena)
{
    return atomic_load_explicit(&arena->header->roots[ROOT_DICT_SEALS], memory_order_relaxed) != 0;
}

static inline struct seal *seal_of(struct entry *entry, uint64_t sizes)
{
    return (struct seal *)(entry->words + words_for(sizes_key(sizes)) +
                           words_for(sizes_value(sizes)));
}

static inline uint64_t sealed_bytes(uint64_t sizes)
{
    return entry_bytes(sizes_key(sizes), sizes_value(sizes)) + sizeof(struct seal);
}

/* Seals an entry that is still private, under a version that it is given later.
 *
 * sizes       the entry's, with ENTRY_SEALED
 * Returns     that version */
uint64_t seal_make(const struct share *share, struct entry *entry, uint64_t sizes);

/* Notes that the entry is its key's from the coming commit on. version: 0 for one that is not
 * sealed. */
static inline void seal_revive(struct actor *actor, struct entry *entry, uint64_t version)
{
    uint64_t sizes = atomic_load_explicit(&entry->sizes, memory_order_relaxed);

    if (version != 0)
        tx_write(actor, &seal_of(entry, sizes)->version, version);
}

/* The entry is about to change or to go. The caller holds its stripe's lock and will commit. */
static inline void seal_kill(struct entry *entry)
{
    uint64_t sizes = atomic_load_explicit(&entry->sizes, memory_order_relaxed);

    if ((sizes & ENTRY_SEALED) != 0)
        atomic_store_explicit(&seal_of(entry, sizes)->version, 0, memory_order_release);
}

/* Notes the seal of an entry, killed before, whose number the coming commit changes. */
void seal_renew(const struct share *share, struct entry *entry, uint64_t number);

/* Whether a copy of memory is the key's entry as it stood at one moment while it was copied, in
 * whatever order its bytes were read.
 *
 * copy        [bytes] aligned to 8
 * value       set on true: a view into the copy */
bool seal_proves(const void *copy, uint64_t bytes, uint64_t handle, const struct dict_key *key,
                 troupe_bytes *value);

/* Where a key's entry lies on this node, for readers of other nodes; offset 0: nowhere, or it has
 * no seal. */
struct dict_place {
    uint64_t offset;
    uint64_t bytes;
};
void dict_share_locate(const struct share *share, const struct dict_key *key,
                       struct dict_place *place);

#endif
