/* The tree of a list: its layout, and what changes it.
 *
 *   tree: root, size ── inner nodes ── leaves ── items of more than 8 bytes, a block each
 *
 *   node (256 bytes)                       cell of a leaf         cell of an inner node
 *     order  count (4) | places (15 × 4)     size of the item       child: level (8) | offset (48)
 *     cells[15]                              its bytes, or offset   items below the child
 *
 * What always holds:
 * - An order is a permutation of the 15 cells: the first `count` of its places are in use, in the
 *   order of the list, the others are free. So to insert or remove in the middle is to write one
 *   word; no cell moves, and a removal needs no memory.
 * - The items below a node's last child are what the others leave of the node's own, and are not
 *   kept. So to append to the last leaf is to write a cell, an order and the size.
 * - All leaves lie at level 0, no node is empty, and two neighbours that a removal finds with no
 *   more than LIST_MERGED cells together become one.
 * - What changes a tree is a transaction of the caller, who holds the lock of the tree's object and
 *   commits. Nothing is noted that an abort does not forget. */
#ifndef TROUPE_OBJECT_LIST_TREE_H
#define TROUPE_OBJECT_LIST_TREE_H

#include "core/tx.h"
#include "troupe/troupe.h"

#define LIST_CELLS 15u
#define LIST_MERGED 10u
#define LIST_LEVELS 12u /* of inner nodes; half full, 10^11 items */
#define LIST_INLINE 8u  /* bytes of an item that lies in its cell */

#define ORDER_BITS 4u
#define ORDER_COUNT_SHIFT (LIST_CELLS * ORDER_BITS)
#define ORDER_PLACES 0xedcba9876543210u /* the order of an empty node */

#define CHILD_LEVEL_SHIFT 56u
#define CHILD_OFFSET_MASK (((uint64_t)1 << 48) - 1)

struct list_cell {
    _Atomic uint64_t first, second;
};

struct list_node {
    _Atomic uint64_t order;
    uint64_t unused;
    struct list_cell cells[LIST_CELLS];
};
_Static_assert(sizeof(struct list_node) == 256, "a node is four cache lines");

struct list_tree {
    _Atomic uint64_t root; /* a child word; 0: empty */
    _Atomic uint64_t size; /* items */
};

/* An item as its cell has it: made, or read. */
struct list_item {
    uint64_t size, word;
};

/* A node on the way from the root to an item. */
struct list_step {
    struct list_node *node;
    uint64_t child; /* the word that leads to it */
    uint64_t items; /* below it */
    uint32_t at;    /* the cell that the way takes, by its number in the order */
};

struct list_path {
    struct list_step steps[LIST_LEVELS + 1];
    uint32_t leaf; /* the last step */
};

/* The way to the item of an index, which is at most the size; the tree is not empty. An index
 * between two leaves, or at the end, is where an item may be put: after a leaf's last cell. */
void list_path_find(const struct arena *arena, const struct list_tree *tree, uint64_t index,
                    struct list_path *path);

/* The item at the end of a path. */
struct list_item list_path_item(const struct list_path *path);

/* The way to the end. True when the last leaf has room for an item, which list_tree_insert then
 * puts there; the tree may be empty. */
bool list_tree_has_room(const struct arena *arena, const struct list_tree *tree,
                        struct list_path *path);

/* Puts an item behind the last one, in a leaf of its own. TROUPE_FULL without room for a node, or
 * beyond LIST_LEVELS. */
int list_tree_append(struct actor *actor, struct list_tree *tree, const struct list_item *item);

/* Puts all items of another tree, which is not empty, behind the last one; its nodes become this
 * tree's, and it is empty then. TROUPE_FULL as above. */
int list_tree_join(struct actor *actor, struct list_tree *tree, struct list_tree *other);

/* Whether the path's leaf has no room. Then list_tree_split splits it, or a full node that keeps it
 * from being split; the caller commits, finds the path anew, and asks again. */
bool list_path_is_full(const struct list_path *path);
int list_tree_split(struct actor *actor, struct list_tree *tree, const struct list_path *path);

/* Replaces the item of a path; the old one's block, if it has one, is the caller's to retire. */
void list_path_set(struct actor *actor, const struct list_path *path, const struct list_item *item);

/* Puts an item at a path with room. */
void list_tree_insert(struct actor *actor, struct list_tree *tree, const struct list_path *path,
                      const struct list_item *item);

/* Removes the item of a path; its block, if it has one, is the caller's to retire. */
void list_tree_remove(struct actor *actor, struct list_tree *tree, const struct list_path *path);

/* Whether a removal at the path should be followed by a look at list_path_merges. */
bool list_path_is_sparse(const struct list_path *path);

/* Whether two neighbours on the path should be one, or the root has one child alone. Then
 * list_tree_merge makes it so; the caller commits, finds the path anew, and asks again. */
bool list_path_merges(const struct arena *arena, const struct list_path *path);
void list_tree_merge(struct actor *actor, struct list_tree *tree, const struct list_path *path);

/* Removes some items from the end and retires their blocks and nodes: as many as one transaction
 * holds. The tree is not empty. */
void list_tree_chop(struct actor *actor, struct list_tree *tree);

/* ---- words ------------------------------------------------------------------------------ */

static inline uint32_t order_count(uint64_t order)
{
    return (uint32_t)(order >> ORDER_COUNT_SHIFT);
}

static inline uint32_t order_place(uint64_t order, uint32_t at)
{
    return (uint32_t)(order >> at * ORDER_BITS) & LIST_CELLS;
}

static inline uint64_t child_make(uint32_t level, uint64_t offset)
{
    return (uint64_t)level << CHILD_LEVEL_SHIFT | offset;
}

static inline uint32_t child_level(uint64_t child)
{
    return (uint32_t)(child >> CHILD_LEVEL_SHIFT);
}

static inline uint64_t child_offset(uint64_t child)
{
    return child & CHILD_OFFSET_MASK;
}

/* Whether an item has a block of its own, whose offset is its word. */
static inline bool list_item_has_block(const struct list_item *item)
{
    return item->size > LIST_INLINE;
}

#endif
