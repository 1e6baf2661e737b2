/* Finding the way in a list's tree, and putting items in. */
#include "object/list_node.h"

#include "base/error.h"

#define SPLIT_STAYS 8u /* cells of a split node that stay; the rest go to a new one */

/* A new node without cells. */
static int node_make(struct actor *actor, uint32_t level, uint64_t *child)
{
    uint64_t offset;
    struct list_node *node;
    int result = tx_alloc(actor, sizeof *node, &offset);

    if (result != TROUPE_OK)
        return result;
    node = arena_at(&actor->arena, offset);
    list_store(&node->order, ORDER_PLACES);
    *child = child_make(level, offset);
    return TROUPE_OK;
}

/* ---- paths ------------------------------------------------------------------------------ */

/* Chooses the child that holds the index, which becomes one within that child; returns the items
 * below the child. */
static uint64_t step_choose(struct list_step *step, uint64_t *index)
{
    uint64_t order = list_load(&step->node->order), items = step->items;
    uint32_t last = order_count(order) - 1;

    for (step->at = 0; step->at < last; step->at++) {
        uint64_t below = list_load(&step->node->cells[order_place(order, step->at)].second);

        if (*index < below)
            return below;
        *index -= below;
        items -= below;
    }
    return items;
}

void list_path_find(const struct arena *arena, const struct list_tree *tree, uint64_t index,
                    struct list_path *path)
{
    struct list_step *step = path->steps;

    step->child = list_load(&tree->root);
    step->items = list_load(&tree->size);
    step->node = node_at(arena, step->child);
    while (child_level(step->child) > 0) {
        step[1].items = step_choose(step, &index);
        step[1].child = list_load(&node_cell(step->node, step->at)->first);
        step[1].node = node_at(arena, step[1].child);
        step++;
    }
    step->at = (uint32_t)index;
    path->leaf = (uint32_t)(step - path->steps);
}

struct list_item list_path_item(const struct list_path *path)
{
    const struct list_step *leaf = &path->steps[path->leaf];
    const struct list_cell *cell = node_cell(leaf->node, leaf->at);

    return (struct list_item){ list_load(&cell->first), list_load(&cell->second) };
}

void list_path_set(struct actor *actor, const struct list_path *path, const struct list_item *item)
{
    const struct list_step *leaf = &path->steps[path->leaf];
    struct list_cell *cell = node_cell(leaf->node, leaf->at);

    tx_write(actor, &cell->first, item->size);
    tx_write(actor, &cell->second, item->word);
}

/* ---- behind the last item --------------------------------------------------------------- */

/* Puts a subtree under nodes with one child each, up to a level. */
static int wrap(struct actor *actor, uint64_t *child, uint32_t level)
{
    int result = TROUPE_OK;

    while (result == TROUPE_OK && child_level(*child) < level) {
        uint64_t above;

        result = node_make(actor, child_level(*child) + 1, &above);
        if (result != TROUPE_OK)
            break;
        node_fill(node_at(&actor->arena, above), *child, 0);
        *child = above;
    }
    return result;
}

static int too_deep(const struct list_tree *tree)
{
    return fail(TROUPE_FULL, "a list of %llu items cannot grow further; use several",
                (unsigned long long)list_load(&tree->size));
}

/* A new root over two subtrees, which are wrapped to be of one level. */
static int root_over(struct actor *actor, struct list_tree *tree, uint64_t left, uint64_t items,
                     uint64_t right, uint64_t more)
{
    uint32_t level =
        child_level(left) > child_level(right) ? child_level(left) : child_level(right);
    uint64_t root;
    int result = level < LIST_LEVELS ? wrap(actor, &left, level) : too_deep(tree);

    if (result == TROUPE_OK)
        result = wrap(actor, &right, level);
    if (result == TROUPE_OK)
        result = node_make(actor, level + 1, &root);
    if (result != TROUPE_OK)
        return result;
    node_fill(node_at(&actor->arena, root), left, items);
    node_fill(node_at(&actor->arena, root), right, more);
    tx_write(actor, &tree->root, root);
    return TROUPE_OK;
}

/* The lowest node on the way to the end that has room for a child of that level; path->leaf + 1
 * when there is none. */
static uint32_t host_find(const struct list_path *path, uint32_t level)
{
    uint32_t i = path->leaf + 1;

    while (i > 0) {
        const struct list_step *step = &path->steps[i - 1];

        if (child_level(step->child) > level && node_count(step->node) < LIST_CELLS)
            return i - 1;
        i--;
    }
    return path->leaf + 1;
}

/* Puts a subtree behind the last item. The child that was the last in its node is no longer, so
 * what is below it is kept from now on. */
static int attach(struct actor *actor, struct list_tree *tree, uint64_t child, uint64_t items)
{
    uint64_t size = list_load(&tree->size);
    struct list_path path;
    struct list_step *host;
    uint32_t at;
    int result;

    if (size == 0) {
        tx_write(actor, &tree->root, child);
        return TROUPE_OK;
    }
    list_path_find(&actor->arena, tree, size, &path);
    at = host_find(&path, child_level(child));
    if (at > path.leaf)
        return root_over(actor, tree, list_load(&tree->root), size, child, items);
    host = &path.steps[at];
    result = wrap(actor, &child, child_level(host->child) - 1);
    if (result != TROUPE_OK)
        return result;
    tx_write(actor, &node_cell(host->node, host->at)->second, path.steps[at + 1].items);
    node_insert(actor, host->node, host->at + 1, child, items);
    return TROUPE_OK;
}

bool list_tree_has_room(const struct arena *arena, const struct list_tree *tree,
                        struct list_path *path)
{
    if (list_load(&tree->size) == 0)
        return false;
    list_path_find(arena, tree, list_load(&tree->size), path);
    return !list_path_is_full(path);
}

int list_tree_append(struct actor *actor, struct list_tree *tree, const struct list_item *item)
{
    uint64_t leaf;
    int result = node_make(actor, 0, &leaf);

    if (result != TROUPE_OK)
        return result;
    node_fill(node_at(&actor->arena, leaf), item->size, item->word);
    result = attach(actor, tree, leaf, 1);
    list_size_add(actor, tree, 1);
    return result;
}

int list_tree_join(struct actor *actor, struct list_tree *tree, struct list_tree *other)
{
    uint64_t items = list_load(&other->size), root = list_load(&other->root);
    struct list_path path;
    struct list_node *last;
    int result = TROUPE_OK;

    if (items <= LIST_MERGED && list_tree_has_room(&actor->arena, tree, &path) &&
        node_count(last = path.steps[path.leaf].node) + items <= LIST_CELLS)
        node_move(actor, last, root);
    else
        result = attach(actor, tree, root, items);
    list_size_add(actor, tree, (int64_t)items);
    tx_write(actor, &other->root, 0);
    tx_write(actor, &other->size, 0);
    return result;
}

/* ---- inserting -------------------------------------------------------------------------- */

/* The items below the first cells of a full node; the last child is not among them. */
static uint64_t stays_below(struct list_node *node, uint32_t level)
{
    uint64_t items = 0;

    for (uint32_t at = 0; at < SPLIT_STAYS; at++)
        items += level == 0 ? 1 : list_load(&node_cell(node, at)->second);
    return items;
}

static int half_make(struct actor *actor, const struct list_step *full, uint64_t *child)
{
    int result = node_make(actor, child_level(full->child), child);

    for (uint32_t at = SPLIT_STAYS; result == TROUPE_OK && at < LIST_CELLS; at++) {
        const struct list_cell *cell = node_cell(full->node, at);

        node_fill(node_at(&actor->arena, *child), list_load(&cell->first),
                  list_load(&cell->second));
    }
    return result;
}

/* Splits the node of step `at`, under the step before it, which has room, or under a new root. */
static int split(struct actor *actor, struct list_tree *tree, const struct list_path *path,
                 uint32_t at)
{
    const struct list_step *full = &path->steps[at];
    uint64_t stays = stays_below(full->node, child_level(full->child)), half;
    int result = half_make(actor, full, &half);

    if (result == TROUPE_OK && at == 0)
        result = root_over(actor, tree, full->child, stays, half, full->items - stays);
    if (result != TROUPE_OK)
        return result;
    if (at > 0) {
        const struct list_step *above = full - 1;

        tx_write(actor, &node_cell(above->node, above->at)->second, stays);
        node_insert(actor, above->node, above->at + 1, half, full->items - stays);
    }
    tx_write(actor, &full->node->order,
             order_with_count(list_load(&full->node->order), SPLIT_STAYS));
    return TROUPE_OK;
}

bool list_path_is_full(const struct list_path *path)
{
    return node_count(path->steps[path->leaf].node) == LIST_CELLS;
}

int list_tree_split(struct actor *actor, struct list_tree *tree, const struct list_path *path)
{
    uint32_t at = path->leaf;

    while (at > 0 && node_count(path->steps[at - 1].node) == LIST_CELLS)
        at--;
    return split(actor, tree, path, at);
}

void list_tree_insert(struct actor *actor, struct list_tree *tree, const struct list_path *path,
                      const struct list_item *item)
{
    const struct list_step *leaf = &path->steps[path->leaf];

    node_insert(actor, leaf->node, leaf->at, item->size, item->word);
    list_path_count(actor, path, path->leaf, 1);
    list_size_add(actor, tree, 1);
}
