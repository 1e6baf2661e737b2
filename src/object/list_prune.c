/* Taking items out of a list's tree, and keeping it dense. Nothing here needs memory. */
#include "object/list_node.h"

/* The first of the steps that would be empty if the leaf were. */
static uint32_t chain_find(const struct list_path *path)
{
    uint32_t first = path->leaf;

    while (first > 0 && node_count(path->steps[first - 1].node) == 1)
        first--;
    return first;
}

/* Retires the nodes from `first` to the leaf, and removes them from the one above. */
static void chain_drop(struct actor *actor, struct list_tree *tree, const struct list_path *path,
                       uint32_t first)
{
    for (uint32_t i = first; i <= path->leaf; i++)
        tx_retire(actor, child_offset(path->steps[i].child));
    if (first == 0)
        tx_write(actor, &tree->root, 0);
    else
        node_remove(actor, path->steps[first - 1].node, path->steps[first - 1].at);
}

void list_tree_remove(struct actor *actor, struct list_tree *tree, const struct list_path *path)
{
    const struct list_step *leaf = &path->steps[path->leaf];
    uint32_t counted = path->leaf;

    if (node_count(leaf->node) > 1)
        node_remove(actor, leaf->node, leaf->at);
    else {
        uint32_t first = chain_find(path);

        chain_drop(actor, tree, path, first);
        counted = first > 0 ? first - 1 : 0;
    }
    list_path_count(actor, path, counted, -1);
    list_size_add(actor, tree, -1);
}

bool list_path_is_sparse(const struct list_path *path)
{
    return node_count(path->steps[path->leaf].node) <= LIST_MERGED / 2 + 1;
}

/* Moves the cells of the child at + 1 behind those of the child at. The last one of an inner node
 * is then followed by others, so what is below it is kept. */
static void join(struct actor *actor, const struct list_step *above, uint32_t at)
{
    struct list_cell *cell = node_cell(above->node, at), *next = node_cell(above->node, at + 1);
    struct list_node *left = node_at(&actor->arena, list_load(&cell->first));
    uint64_t items = list_load(&cell->second);
    uint32_t last = node_count(left) - 1;

    if (child_level(list_load(&cell->first)) > 0) {
        for (uint32_t i = 0; i < last; i++)
            items -= list_load(&node_cell(left, i)->second);
        tx_write(actor, &node_cell(left, last)->second, items);
    }
    node_move(actor, left, list_load(&next->first));
    tx_write(actor, &cell->second, list_load(&cell->second) + list_load(&next->second));
    node_remove(actor, above->node, at + 1);
}

/* Whether the children at and at + 1 of a node together fit one with room to spare. */
static bool fits_one(const struct arena *arena, struct list_node *node, uint32_t at)
{
    return node_count(node_at(arena, list_load(&node_cell(node, at)->first))) +
               node_count(node_at(arena, list_load(&node_cell(node, at + 1)->first))) <=
           LIST_MERGED;
}

/* Finds the lowest step with a child that is to be joined with the next one; 0 when there is none:
 * the root is no child. */
static uint32_t merge_find(const struct arena *arena, const struct list_path *path, uint32_t *left)
{
    for (uint32_t i = path->leaf; i > 0; i--) {
        const struct list_step *above = &path->steps[i - 1];

        *left = above->at;
        if (*left + 1 < node_count(above->node) && fits_one(arena, above->node, *left))
            return i;
        if (*left > 0 && fits_one(arena, above->node, --*left))
            return i;
    }
    return 0;
}

static bool root_is_alone(const struct list_path *path)
{
    return path->leaf > 0 && node_count(path->steps[0].node) == 1;
}

bool list_path_merges(const struct arena *arena, const struct list_path *path)
{
    uint32_t left;

    return root_is_alone(path) || merge_find(arena, path, &left) > 0;
}

void list_tree_merge(struct actor *actor, struct list_tree *tree, const struct list_path *path)
{
    uint32_t left, step = merge_find(&actor->arena, path, &left);

    if (step > 0) {
        join(actor, &path->steps[step - 1], left);
        return;
    }
    tx_write(actor, &tree->root, path->steps[1].child);
    tx_retire(actor, child_offset(path->steps[0].child));
}

void list_tree_chop(struct actor *actor, struct list_tree *tree)
{
    struct list_path path;
    struct list_node *leaf;
    uint32_t first, room, left, count;

    list_path_find(&actor->arena, tree, list_load(&tree->size) - 1, &path);
    leaf = path.steps[path.leaf].node;
    first = chain_find(&path);
    room = SLOT_BLOCKS - (path.leaf + 1 - first); /* the nodes, if the leaf is emptied */
    count = node_count(leaf);
    for (left = count; left > 0 && room > 0; left--) {
        const struct list_cell *cell = node_cell(leaf, left - 1);

        if (list_load(&cell->first) <= LIST_INLINE)
            continue;
        tx_retire(actor, list_load(&cell->second));
        room--;
    }
    if (left == 0)
        chain_drop(actor, tree, &path, first);
    else
        tx_write(actor, &leaf->order, order_with_count(list_load(&leaf->order), left));
    list_size_add(actor, tree, (int64_t)left - (int64_t)count);
}
