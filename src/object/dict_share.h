/* A node's share of a dict: its layout, and what the node's processes do with it.
 *
 *   record ── body: struct dict ── pages ── chunks of 16 buckets ── entries
 *
 *   bucket (one cache line)                     entry (does not change, but for numbers)
 *     version   odd while it changes              hash
 *     more      count (16) | cells block (48)     key size - 1 (16) | order (8) | sealed (1) |
 *                                                 value size (39)
 *     cells[6]  tag (16) | entry (48), then       key, padded with zeros to a word
 *               the rest in the cells block       value; then perhaps a seal (dict_seal.h)
 *
 * What always holds:
 * - Linear hashing: `state` is the number of buckets in use, and with a hash it names one bucket.
 *   Bucket n is made from the one bucket whose entries may belong to it (dict_grow.c), so nobody
 *   waits longer than one bucket's move.
 * - A bucket changes by one transaction under its stripe's lock, whose first write makes the
 *   version odd and whose last makes it even again; versions never come back. Whoever takes that
 *   lock looks at the handle and the state afterwards, for the dict may have ended or grown.
 * - The locks belong to the node and outlive every dict: a late caller locks nothing that is
 *   somebody else's by now.
 * - Readers take no lock (dict_read.c). They may look at blocks that were freed and used again, so
 *   they check every offset and size before they follow it, and believe nothing until the version,
 *   the handle and the state are seen unchanged. Every word of a dict's blocks is written with
 *   release and read by them with acquire: a reader that met a later owner's word also sees the
 *   change of version, or of state, that came before it. On x86 both are plain moves.
 * - The record's lock admits one grower, or the one who ends the dict. Order of locks: record,
 *   stripes by address, table, heap. */
#ifndef TROUPE_OBJECT_DICT_SHARE_H
#define TROUPE_OBJECT_DICT_SHARE_H

#include "core/lock.h"
#include "core/root.h"
#include "core/table.h"
#include "object/dict_key.h"
#include "object/words.h"
#include "troupe/troupe.h"

#define DICT_CHUNK 16u      /* buckets of a chunk, and of the smallest dict */
#define DICT_PAGE_FIRST 64u /* chunks that the first page leads to; each next page has double */
#define DICT_PAGES 32
#define DICT_INLINE 6 /* cells in the bucket itself */
#define DICT_COUNT_MAX 0xffffu
#define DICT_STRIPES 256u
#define DICT_NEIGHBOURS 8u /* locks of a cache line, each for another record */
#define DICT_LOCKS (DICT_STRIPES * DICT_NEIGHBOURS)
#define DICT_ENDING ((uint64_t)1 << 63)

#define DICT_OFFSET_BITS 48
#define DICT_OFFSET_MASK (((uint64_t)1 << DICT_OFFSET_BITS) - 1)
#define ENTRY_HEADER 16u
#define ENTRY_VALUE_BITS 40
#define ENTRY_SEALED ((uint64_t)1 << (ENTRY_VALUE_BITS - 1))
#define ENTRY_VALUE_MAX (ENTRY_SEALED - 1)
#define ENTRY_ORDERS 256u

struct bucket {
    _Atomic uint64_t version;
    _Atomic uint64_t more;
    _Atomic uint64_t cells[DICT_INLINE];
};
_Static_assert(sizeof(struct bucket) == ARENA_LINE, "a bucket is one cache line");

/* A record's body. All zero, or DICT_ENDING set, when the dict is gone or going. */
struct dict {
    _Atomic uint64_t state;
    _Atomic uint64_t counts; /* offset of a word for each stripe, see count_entries */
    _Atomic uint64_t pages[DICT_PAGES];
};
_Static_assert(sizeof(struct dict) <= RECORD_ROOM, "the body fits its record");

struct entry {
    _Atomic uint64_t hash;
    _Atomic uint64_t sizes;
    _Atomic uint64_t words[]; /* key, value */
};

/* A live handle's share on this node, as one thread sees it. */
struct share {
    struct actor *actor;
    struct record *record;
    struct dict *dict;
    uint64_t handle;
};

/* A value on its way in. */
enum dict_when {
    DICT_ALWAYS = 0,
    DICT_IF_ABSENT = 1, /* TROUPE_DIFFERS otherwise */
    DICT_IF_EQUAL = 2   /* the value is `expected`: TROUPE_DIFFERS or TROUPE_NOT_FOUND otherwise */
};

struct dict_put {
    const struct dict_key *key;
    troupe_bytes value;
    enum dict_when when;
    troupe_bytes expected;
};

/* Where a walk stands on a node: after the entries before (place, order), see dict_walk.c. */
struct dict_position {
    uint64_t place;
    uint64_t order;
};

/* Makes a share: of a new dict when foreign is 0, else of the dict that another node made. */
int dict_share_create(struct actor *actor, uint64_t foreign, uint64_t expected, uint64_t *handle);

/* Frees everything the share holds, in many transactions that recovery finishes if need be. */
int dict_share_destroy(struct actor *actor, uint64_t handle);

/* Does what is left of a destroy; recovery calls it with the record's offset. */
void dict_share_end(struct actor *actor, uint64_t place);

int dict_share_find(struct actor *actor, uint64_t handle, struct share *share);

/* Results that are answers, like TROUPE_NOT_FOUND, come without a sentence. */
int dict_share_put(const struct share *share, const struct dict_put *put);

/* Removes the key; with `expected`, only if that is its value: else TROUPE_DIFFERS. */
int dict_share_delete(const struct share *share, const struct dict_key *key,
                      const troupe_bytes *expected);

/* value.size is set when the key is there. */
int dict_share_get(const struct share *share, const struct dict_key *key,
                   struct dict_buffer *value);

/* The same, and removes the key; unless the value is too long. */
int dict_share_pop(const struct share *share, const struct dict_key *key,
                   struct dict_buffer *value);

/* Gets; makes the buffer larger, as often as the value outgrows it and it may. */
int dict_share_fetch(const struct share *share, const struct dict_key *key,
                     struct dict_buffer *value);

/* Fetches the key's value or, without the key, puts, on the condition DICT_IF_ABSENT. */
int dict_share_default(const struct share *share, const struct dict_put *put,
                       struct dict_buffer *found, bool *stored);

/* Adds to the key's number of 8 bytes, which is 0 where it is not there. TROUPE_BAD_ARGUMENT for a
 * value of another size. */
int dict_share_add(const struct share *share, const struct dict_key *key, int64_t amount,
                   int64_t *sum);

/* Waits until the key is there, or until the deadline of base/clock.h: TROUPE_TIMEOUT. */
int dict_share_wait(const struct share *share, const struct dict_key *key, uint64_t deadline);

/* Looks once: TROUPE_TIMEOUT, and a bell that rings when it is worth another look. */
int dict_share_wait_try(const struct share *share, const struct dict_key *key, struct bell **bell);

/* Removes the entries of some buckets, from *bucket on, which becomes where to go on; 0: that was
 * all. */
int dict_share_clear(const struct share *share, uint64_t *bucket);

/* The first entry at or after the position, which moves behind it on TROUPE_OK. */
int dict_share_next(const struct share *share, struct dict_position *position,
                    struct dict_buffer *key, struct dict_buffer *value);
int dict_share_size(const struct share *share, uint64_t *entries);

/* Splits one bucket, unless somebody else is at it or there is no room: then it is for a later
 * insertion to try. The caller holds no lock and has no open transaction. */
void dict_grow(const struct share *share);

/* Notes one more chunk of empty buckets, and the page that leads to it if it is the page's first;
 * the caller commits it with the state that needs it, or aborts. place: its offset. */
int dict_chunk_add(const struct share *share, uint64_t chunk, uint64_t *place);

/* Locks the bucket of a hash. */
int dict_hold(const struct share *share, uint64_t hash, uint64_t *index, struct lock **lock);

/* The failure of every call that finds its dict gone. */
int dict_gone(const struct share *share);

/* ---- which bucket ----------------------------------------------------------------------- */

static inline bool dict_lives(uint64_t state)
{
    return state >= DICT_CHUNK && state < DICT_ENDING;
}

/* The largest power of two that is not above the number of buckets. */
static inline uint64_t dict_round(uint64_t buckets)
{
    return (uint64_t)1 << (63 - __builtin_clzll(buckets));
}

static inline uint64_t dict_index(uint64_t buckets, uint64_t hash)
{
    uint64_t round = dict_round(buckets), index = hash & (2 * round - 1);

    return index < buckets ? index : index & (round - 1);
}

static inline uint32_t dict_page_of(uint64_t chunk)
{
    return 63u - (uint32_t)__builtin_clzll(chunk / DICT_PAGE_FIRST + 1);
}

static inline uint64_t dict_page_first(uint32_t page)
{
    return (uint64_t)DICT_PAGE_FIRST * (((uint64_t)1 << page) - 1);
}

static inline uint64_t dict_page_bytes(uint32_t page)
{
    return ((uint64_t)DICT_PAGE_FIRST << page) * sizeof(uint64_t);
}

/* The word that leads to a chunk. Only for those who hold a lock: readers check offsets. */
static inline _Atomic uint64_t *dict_chunk(const struct share *share, uint64_t chunk)
{
    uint32_t page = dict_page_of(chunk);
    uint64_t place = atomic_load_explicit(&share->dict->pages[page], memory_order_acquire);

    return (_Atomic uint64_t *)arena_at(&share->actor->arena, place) +
           (chunk - dict_page_first(page));
}

static inline struct bucket *dict_bucket(const struct share *share, uint64_t index)
{
    uint64_t place =
        atomic_load_explicit(dict_chunk(share, index / DICT_CHUNK), memory_order_acquire);

    return (struct bucket *)arena_at(&share->actor->arena, place) + index % DICT_CHUNK;
}

/* The stripe's lock. Those of one dict lie on lines of their own. */
static inline struct lock *dict_lock_of(const struct share *share, uint64_t index)
{
    const struct arena *arena = &share->actor->arena;
    uint64_t locks =
        atomic_load_explicit(&arena->header->roots[ROOT_DICT_LOCKS], memory_order_acquire);
    uint64_t neighbour = arena_offset(arena, share->record) / RECORD_BYTES % DICT_NEIGHBOURS;

    return (struct lock *)arena_at(arena, locks) +
           (index % DICT_STRIPES * DICT_NEIGHBOURS + neighbour);
}

/* Where those sleep who wait for a key of the stripe. They belong to the node, like the locks. */
static inline struct bell *dict_bell_of(const struct share *share, const struct lock *lock)
{
    const struct arena *arena = &share->actor->arena;
    const struct lock *locks = arena_at(
        arena, atomic_load_explicit(&arena->header->roots[ROOT_DICT_LOCKS], memory_order_acquire));

    return (struct bell *)(locks + DICT_LOCKS) + (lock - locks);
}

/* ---- words of a stripe, a bucket and an entry ---------------------------------------- */

/* A stripe's word: twice its entries, of which only the sum over all stripes means something, and
 * whether somebody waits for a key (dict_wait.c). */
#define COUNT_AWAITED 1u
#define COUNT_ENTRY 2u

static inline int64_t count_entries(uint64_t word)
{
    return (int64_t)word >> 1;
}

static inline uint32_t more_count(uint64_t more)
{
    return (uint32_t)(more >> DICT_OFFSET_BITS);
}

static inline uint64_t more_cells(uint64_t more)
{
    return more & DICT_OFFSET_MASK;
}

static inline uint64_t more_make(uint32_t count, uint64_t cells)
{
    return (uint64_t)count << DICT_OFFSET_BITS | cells;
}

/* Neither the bits that choose the node (high) nor those that choose the bucket (low). */
static inline uint64_t cell_tag(uint64_t hash)
{
    return hash >> 32 & 0xffff;
}

static inline uint64_t cell_make(uint64_t hash, uint64_t entry)
{
    return cell_tag(hash) << DICT_OFFSET_BITS | entry;
}

static inline uint64_t cell_entry(uint64_t cell)
{
    return cell & DICT_OFFSET_MASK;
}

static inline uint64_t sizes_make(size_t key, uint64_t order, uint64_t value)
{
    return (uint64_t)(key - 1) << 48 | order << ENTRY_VALUE_BITS | value;
}

static inline size_t sizes_key(uint64_t sizes)
{
    return (size_t)(sizes >> 48) + 1;
}

static inline uint64_t sizes_order(uint64_t sizes)
{
    return sizes >> ENTRY_VALUE_BITS & 0xff;
}

static inline uint64_t sizes_value(uint64_t sizes)
{
    return sizes & ENTRY_VALUE_MAX;
}

static inline uint64_t entry_bytes(size_t key, uint64_t value)
{
    return ENTRY_HEADER + (words_for(key) + words_for(value)) * sizeof(uint64_t);
}

#endif
