/* All of it under the lock of the tree's object: words are read relaxed. They are written with
 * release, by the transaction or here in nodes that nobody else can reach yet, since readers take
 * no lock (list_read.c). */
#include "object/list_tree.h"

#include "base/error.h"

#define SPLIT_STAYS 8u /* cells of a split node that stay; the rest go to a new one */

static uint64_t load(const _Atomic uint64_t *word)
{
    return atomic_load_explicit(word, memory_order_relaxed);
}

static void store(_Atomic uint64_t *word, uint64_t value)
{
    atomic_store_explicit(word, value, memory_order_release);
}

/* ---- orders ----------------------------------------------------------------------------- */

static uint64_t places_below(uint32_t at)
{
    return ((uint64_t)1 << at * ORDER_BITS) - 1;
}

static uint64_t order_with_count(uint64_t order, uint32_t count)
{
    return (order & places_below(LIST_CELLS)) | (uint64_t)count << ORDER_COUNT_SHIFT;
}

/* The order in which the first free place comes to stand at `at`, and those from there on follow
 * it. */
static uint64_t order_insert(uint64_t order, uint32_t at)
{
    uint32_t count = order_count(order);
    uint64_t moved = places_below(count) & ~places_below(at);
    uint64_t kept = places_below(LIST_CELLS) & ~places_below(count + 1);

    return order_with_count((order & (places_below(at) | kept)) | (order & moved) << ORDER_BITS |
                                (uint64_t)order_place(order, count) << at * ORDER_BITS,
                            count + 1);
}

/* The order in which the place at `at` is the first free one, and those behind it move up. */
static uint64_t order_remove(uint64_t order, uint32_t at)
{
    uint32_t count = order_count(order);
    uint64_t moved = places_below(count) & ~places_below(at + 1);
    uint64_t kept = places_below(LIST_CELLS) & ~places_below(count);

    return order_with_count((order & (places_below(at) | kept)) | (order & moved) >> ORDER_BITS |
                                (uint64_t)order_place(order, at) << (count - 1) * ORDER_BITS,
                            count - 1);
}

/* ---- nodes ------------------------------------------------------------------------------ */

static struct list_node *node_at(const struct arena *arena, uint64_t child)
{
    return arena_at(arena, child_offset(child));
}

static uint32_t node_count(const struct list_node *node)
{
    return order_count(load(&node->order));
}

/* The cell that stands at `at` in the node's order. */
static struct list_cell *node_cell(struct list_node *node, uint32_t at)
{
    return &node->cells[order_place(load(&node->order), at)];
}

/* A new node with the first cell, or none. */
static int node_make(struct actor *actor, uint32_t level, uint64_t *child)
{
    uint64_t offset;
    struct list_node *node;
    int result = tx_alloc(actor, sizeof *node, &offset);

    if (result != TROUPE_OK)
        return result;
    node = arena_at(&actor->arena, offset);
    store(&node->order, ORDER_PLACES);
    *child = child_make(level, offset);
    return TROUPE_OK;
}

/* Fills the next cell of a node that nobody else can reach yet. */
static void node_fill(struct list_node *node, uint64_t first, uint64_t second)
{
    uint32_t count = node_count(node);
    struct list_cell *cell = &node->cells[count];

    store(&cell->first, first);
    store(&cell->second, second);
    store(&node->order, order_with_count(ORDER_PLACES, count + 1));
}

/* Notes a cell, which is to stand at `at`, and the node's new order. */
static void node_insert(struct actor *actor, struct list_node *node, uint32_t at, uint64_t first,
                        uint64_t second)
{
    uint64_t order = load(&node->order);
    struct list_cell *cell = &node->cells[order_place(order, order_count(order))];

    tx_write(actor, &cell->first, first);
    tx_write(actor, &cell->second, second);
    tx_write(actor, &node->order, order_insert(order, at));
}

static void node_remove(struct actor *actor, struct list_node *node, uint32_t at)
{
    tx_write(actor, &node->order, order_remove(load(&node->order), at));
}

/* ---- paths ------------------------------------------------------------------------------ */

/* Chooses the child that holds the index, which becomes one within that child; returns the items
 * below the child. */
static uint64_t step_choose(struct list_step *step, uint64_t *index)
{
    uint64_t order = load(&step->node->order), items = step->items;
    uint32_t last = order_count(order) - 1;

    for (step->at = 0; step->at < last; step->at++) {
        uint64_t below = load(&step->node->cells[order_place(order, step->at)].second);

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

    step->child = load(&tree->root);
    step->items = load(&tree->size);
    step->node = node_at(arena, step->child);
    while (child_level(step->child) > 0) {
        step[1].items = step_choose(step, &index);
        step[1].child = load(&node_cell(step->node, step->at)->first);
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

    return (struct list_item){ load(&cell->first), load(&cell->second) };
}

void list_path_set(struct actor *actor, const struct list_path *path, const struct list_item *item)
{
    const struct list_step *leaf = &path->steps[path->leaf];
    struct list_cell *cell = node_cell(leaf->node, leaf->at);

    tx_write(actor, &cell->first, item->size);
    tx_write(actor, &cell->second, item->word);
}

/* Notes that the items below each child on the way become more; of last children it is not kept.
 * Only the steps before `end`. */
static void path_count(struct actor *actor, const struct list_path *path, uint32_t end,
                       int64_t more)
{
    for (uint32_t i = 0; i < end; i++) {
        struct list_step step = path->steps[i];
        struct list_cell *cell = node_cell(step.node, step.at);

        if (step.at + 1 < node_count(step.node))
            tx_write(actor, &cell->second, load(&cell->second) + (uint64_t)more);
    }
}

static void size_add(struct actor *actor, struct list_tree *tree, int64_t more)
{
    tx_write(actor, &tree->size, load(&tree->size) + (uint64_t)more);
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
                (unsigned long long)load(&tree->size));
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
    uint64_t size = load(&tree->size);
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
        return root_over(actor, tree, load(&tree->root), size, child, items);
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
    if (load(&tree->size) == 0)
        return false;
    list_path_find(arena, tree, load(&tree->size), path);
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
    size_add(actor, tree, 1);
    return result;
}

/* Moves the cells of a node behind those of another that has room for them, and retires it. */
static void cells_move(struct actor *actor, struct list_node *to, uint64_t child)
{
    struct list_node *from = node_at(&actor->arena, child);
    uint64_t order = load(&to->order);
    uint32_t count = order_count(order), moved = node_count(from);

    for (uint32_t i = 0; i < moved; i++) {
        struct list_cell *cell = &to->cells[order_place(order, count + i)];

        tx_write(actor, &cell->first, load(&node_cell(from, i)->first));
        tx_write(actor, &cell->second, load(&node_cell(from, i)->second));
    }
    tx_write(actor, &to->order, order_with_count(order, count + moved));
    tx_retire(actor, child_offset(child));
}

int list_tree_join(struct actor *actor, struct list_tree *tree, struct list_tree *other)
{
    uint64_t items = load(&other->size), root = load(&other->root);
    struct list_path path;
    struct list_node *last;
    int result = TROUPE_OK;

    if (items <= LIST_MERGED && list_tree_has_room(&actor->arena, tree, &path) &&
        node_count(last = path.steps[path.leaf].node) + items <= LIST_CELLS)
        cells_move(actor, last, root);
    else
        result = attach(actor, tree, root, items);
    size_add(actor, tree, (int64_t)items);
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
        items += level == 0 ? 1 : load(&node_cell(node, at)->second);
    return items;
}

static int half_make(struct actor *actor, const struct list_step *full, uint64_t *child)
{
    int result = node_make(actor, child_level(full->child), child);

    for (uint32_t at = SPLIT_STAYS; result == TROUPE_OK && at < LIST_CELLS; at++) {
        const struct list_cell *cell = node_cell(full->node, at);

        node_fill(node_at(&actor->arena, *child), load(&cell->first), load(&cell->second));
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
    tx_write(actor, &full->node->order, order_with_count(load(&full->node->order), SPLIT_STAYS));
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
    path_count(actor, path, path->leaf, 1);
    size_add(actor, tree, 1);
}

/* ---- removing --------------------------------------------------------------------------- */

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
    path_count(actor, path, counted, -1);
    size_add(actor, tree, -1);
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
    struct list_node *left = node_at(&actor->arena, load(&cell->first));
    uint64_t items = load(&cell->second);
    uint32_t last = node_count(left) - 1;

    if (child_level(load(&cell->first)) > 0) {
        for (uint32_t i = 0; i < last; i++)
            items -= load(&node_cell(left, i)->second);
        tx_write(actor, &node_cell(left, last)->second, items);
    }
    cells_move(actor, left, load(&next->first));
    tx_write(actor, &cell->second, load(&cell->second) + load(&next->second));
    node_remove(actor, above->node, at + 1);
}

/* Whether the children at and at + 1 of a node together fit one with room to spare. */
static bool fits_one(const struct arena *arena, struct list_node *node, uint32_t at)
{
    return node_count(node_at(arena, load(&node_cell(node, at)->first))) +
               node_count(node_at(arena, load(&node_cell(node, at + 1)->first))) <=
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

    list_path_find(&actor->arena, tree, load(&tree->size) - 1, &path);
    leaf = path.steps[path.leaf].node;
    first = chain_find(&path);
    room = SLOT_BLOCKS - (path.leaf + 1 - first); /* the nodes, if the leaf is emptied */
    count = node_count(leaf);
    for (left = count; left > 0 && room > 0; left--) {
        const struct list_cell *cell = node_cell(leaf, left - 1);

        if (load(&cell->first) <= LIST_INLINE)
            continue;
        tx_retire(actor, load(&cell->second));
        room--;
    }
    if (left == 0)
        chain_drop(actor, tree, &path, first);
    else
        tx_write(actor, &leaf->order, order_with_count(load(&leaf->order), left));
    size_add(actor, tree, (int64_t)left - (int64_t)count);
}
