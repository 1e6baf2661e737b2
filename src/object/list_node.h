/* Words, orders and nodes of a list's tree, for the two files that change it.
 *
 * All of it under the lock of the tree's object: words are read relaxed. They are written with
 * release, by the transaction or, in nodes that nobody else can reach yet, here, since readers take
 * no lock (list_read.c). */
#ifndef TROUPE_OBJECT_LIST_NODE_H
#define TROUPE_OBJECT_LIST_NODE_H

#include "object/list_tree.h"

static inline uint64_t list_load(const _Atomic uint64_t *word)
{
    return atomic_load_explicit(word, memory_order_relaxed);
}

static inline void list_store(_Atomic uint64_t *word, uint64_t value)
{
    atomic_store_explicit(word, value, memory_order_release);
}

/* ---- orders ----------------------------------------------------------------------------- */

static inline uint64_t places_below(uint32_t at)
{
    return ((uint64_t)1 << at * ORDER_BITS) - 1;
}

static inline uint64_t order_with_count(uint64_t order, uint32_t count)
{
    return (order & places_below(LIST_CELLS)) | (uint64_t)count << ORDER_COUNT_SHIFT;
}

/* The order in which the first free place comes to stand at `at`, and those from there on follow
 * it. */
static inline uint64_t order_insert(uint64_t order, uint32_t at)
{
    uint32_t count = order_count(order);
    uint64_t moved = places_below(count) & ~places_below(at);
    uint64_t kept = places_below(LIST_CELLS) & ~places_below(count + 1);

    return order_with_count((order & (places_below(at) | kept)) | (order & moved) << ORDER_BITS |
                                (uint64_t)order_place(order, count) << at * ORDER_BITS,
                            count + 1);
}

/* The order in which the place at `at` is the first free one, and those behind it move up. */
static inline uint64_t order_remove(uint64_t order, uint32_t at)
{
    uint32_t count = order_count(order);
    uint64_t moved = places_below(count) & ~places_below(at + 1);
    uint64_t kept = places_below(LIST_CELLS) & ~places_below(count);

    return order_with_count((order & (places_below(at) | kept)) | (order & moved) >> ORDER_BITS |
                                (uint64_t)order_place(order, at) << (count - 1) * ORDER_BITS,
                            count - 1);
}

/* ---- nodes ------------------------------------------------------------------------------ */

static inline struct list_node *node_at(const struct arena *arena, uint64_t child)
{
    return arena_at(arena, child_offset(child));
}

static inline uint32_t node_count(const struct list_node *node)
{
    return order_count(list_load(&node->order));
}

/* The cell that stands at `at` in the node's order. */
static inline struct list_cell *node_cell(struct list_node *node, uint32_t at)
{
    return &node->cells[order_place(list_load(&node->order), at)];
}

/* Fills the next cell of a node that nobody else can reach yet. */
static inline void node_fill(struct list_node *node, uint64_t first, uint64_t second)
{
    uint32_t count = node_count(node);
    struct list_cell *cell = &node->cells[count];

    list_store(&cell->first, first);
    list_store(&cell->second, second);
    list_store(&node->order, order_with_count(ORDER_PLACES, count + 1));
}

/* Notes a cell, which is to stand at `at`, and the node's new order. */
static inline void node_insert(struct actor *actor, struct list_node *node, uint32_t at,
                               uint64_t first, uint64_t second)
{
    uint64_t order = list_load(&node->order);
    struct list_cell *cell = &node->cells[order_place(order, order_count(order))];

    tx_write(actor, &cell->first, first);
    tx_write(actor, &cell->second, second);
    tx_write(actor, &node->order, order_insert(order, at));
}

static inline void node_remove(struct actor *actor, struct list_node *node, uint32_t at)
{
    tx_write(actor, &node->order, order_remove(list_load(&node->order), at));
}

/* Moves the cells of a node behind those of another that has room for them, and retires it. */
static inline void node_move(struct actor *actor, struct list_node *to, uint64_t child)
{
    struct list_node *from = node_at(&actor->arena, child);
    uint64_t order = list_load(&to->order);
    uint32_t count = order_count(order), moved = node_count(from);

    for (uint32_t i = 0; i < moved; i++) {
        struct list_cell *cell = &to->cells[order_place(order, count + i)];

        tx_write(actor, &cell->first, list_load(&node_cell(from, i)->first));
        tx_write(actor, &cell->second, list_load(&node_cell(from, i)->second));
    }
    tx_write(actor, &to->order, order_with_count(order, count + moved));
    tx_retire(actor, child_offset(child));
}

/* ---- paths ------------------------------------------------------------------------------ */

/* Notes that the items below each child on the way become more; of last children it is not kept.
 * Only the steps before `end`. */
static inline void list_path_count(struct actor *actor, const struct list_path *path, uint32_t end,
                                   int64_t more)
{
    for (uint32_t i = 0; i < end; i++) {
        struct list_step step = path->steps[i];
        struct list_cell *cell = node_cell(step.node, step.at);

        if (step.at + 1 < node_count(step.node))
            tx_write(actor, &cell->second, list_load(&cell->second) + (uint64_t)more);
    }
}

static inline void list_size_add(struct actor *actor, struct list_tree *tree, int64_t more)
{
    tx_write(actor, &tree->size, list_load(&tree->size) + (uint64_t)more);
}

#endif
