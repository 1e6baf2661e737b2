/* The arena's allocator: blocks whose state word alone is the truth.
 *
 * Every block has a 16-bit state: FREE, LINKED (some object holds it), or the number of the slot it
 * is in flight with. All lists and maps of free blocks are hints; a search that trusted a wrong
 * hint loses a compare-and-swap and looks on. So a process may die at any instruction: its slot
 * names the blocks in flight with it (at most SLOT_BLOCKS), recovery settles those, and nothing
 * else can be wrong. Blocks of up to 32 KiB share a span with others of their class; larger ones
 * take whole spans. A block never moves.
 *
 * heap_alloc hands out a block in flight; core/tx.h is what links and frees it. */
#ifndef TROUPE_CORE_HEAP_H
#define TROUPE_CORE_HEAP_H

#include "core/slot.h"

enum { BLOCK_FREE = 0, BLOCK_LINKED = 1 };

/* What becomes of a block in flight. ALONE: freed whatever happens. */
enum block_role {
    ROLE_NONE = 0,
    ROLE_NEW = 1,  /* commit links it, abort frees it */
    ROLE_OLD = 2,  /* commit frees it, abort links it again */
    ROLE_TAKE = 3, /* commit makes it ALONE, abort links it again */
    ROLE_ALONE = 4
};

/* Finds room for bytes and puts the block in flight with the actor, as ROLE_NEW.
 *
 * offset      of the block, at least 64-byte aligned; its contents are what was there before
 * Returns     TROUPE_OK
 *             TROUPE_FULL      with the figures; nothing was changed
 * Threads     each with its own actor; blocks only on others' claims of whole spans */
int heap_alloc(struct actor *actor, uint64_t bytes, uint64_t *offset);

/* Puts a linked block in flight with the actor, as ROLE_OLD or ROLE_TAKE. The caller holds the lock
 * of whatever the block is linked to. */
void heap_claim_linked(struct actor *actor, uint64_t offset, enum block_role role);

/* Gives a block in flight with the actor another role. */
void heap_role_set(struct actor *actor, uint64_t offset, enum block_role role);

/* Frees a ROLE_ALONE block, or one in flight that is not wanted after all. */
void heap_release(struct actor *actor, uint64_t offset);

/* The bytes that a block can hold. */
uint64_t heap_block_bytes(const struct arena *arena, uint64_t offset);

/* Settles everything in flight with a slot: committed tells which way. For tx.c and recover.c. */
void heap_settle(struct actor *actor, struct slot *slot, uint32_t number, bool committed);

/* What the heap holds; exact only while nobody changes it. Bytes include rounding. */
struct heap_usage {
    uint64_t linked_blocks, linked_bytes;
    uint64_t flight_blocks, flight_bytes;
    uint64_t free_bytes; /* committed or not */
    uint64_t committed_bytes;
};
void heap_usage_get(const struct arena *arena, struct heap_usage *usage);

#endif
