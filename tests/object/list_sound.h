/* Whether a list's tree is what list_tree.h says, and what it holds of the heap. */
#ifndef TROUPE_TESTS_OBJECT_LIST_SOUND_H
#define TROUPE_TESTS_OBJECT_LIST_SOUND_H

#include "object/list_local.h"

struct list_reach {
    uint64_t blocks, bytes;
};

static inline void list_reach_block(const struct arena *arena, uint64_t offset,
                                    struct list_reach *reach)
{
    reach->blocks++;
    reach->bytes += heap_block_bytes(arena, offset);
}

/* Each of the 15 places stands in an order once. */
static inline bool list_order_sound(uint64_t order)
{
    uint32_t seen = 0;

    for (uint32_t at = 0; at < LIST_CELLS; at++)
        seen |= 1u << order_place(order, at);
    return seen == (1u << LIST_CELLS) - 1 && order_count(order) > 0;
}

/* NULL, or what is wrong below a child that should hold so many items. */
static inline const char *list_child_sound(const struct arena *arena, uint64_t child,
                                           uint64_t items, struct list_reach *reach)
{
    const struct list_node *node = arena_at(arena, child_offset(child));
    uint64_t order = atomic_load(&node->order), left = items;
    uint32_t count = order_count(order);
    const char *wrong = NULL;

    if (!list_order_sound(order))
        return "an order is no permutation";
    list_reach_block(arena, child_offset(child), reach);
    if (child_level(child) == 0 && count != items)
        return "a leaf holds another number of items than is counted";
    for (uint32_t at = 0; at < count && wrong == NULL; at++) {
        const struct list_cell *cell = &node->cells[order_place(order, at)];
        uint64_t first = atomic_load(&cell->first), second = atomic_load(&cell->second);

        if (child_level(child) == 0) {
            if (first > LIST_INLINE)
                list_reach_block(arena, second, reach);
            continue;
        }
        second = at + 1 < count ? second : left;
        if (child_level(first) + 1 != child_level(child))
            return "a child is of the wrong level";
        if (second == 0 || second > left)
            return "a child's count cannot be";
        left -= second;
        wrong = list_child_sound(arena, first, second, reach);
    }
    return wrong;
}

static inline const char *list_tree_sound(const struct arena *arena, const struct list_tree *tree,
                                          struct list_reach *reach)
{
    uint64_t size = atomic_load(&tree->size), root = atomic_load(&tree->root);

    if ((size == 0) != (root == 0))
        return "a tree without items has a root, or one with items has none";
    return size == 0 ? NULL : list_child_sound(arena, root, size, reach);
}

/* All of a list at rest: not amid a change, no garbage, nothing staged. */
static inline const char *list_sound(const struct arena *arena, struct record *record,
                                     struct list_reach *reach)
{
    const struct list *list = (const struct list *)record->body;

    if (atomic_load(&record->lock.word) != 0)
        return "the list's lock is held";
    if (atomic_load(&list->version) % 2 != 0)
        return "the list is amid a change";
    if (atomic_load(&list->state) != LIST_OPEN)
        return "a list is ending that nobody ends, or staged by nobody";
    if (atomic_load(&list->garbage.size) != 0)
        return "garbage is left";
    return list_tree_sound(arena, &list->items, reach);
}

#endif
