/* Reading a list without its lock.
 *
 * A look reads the version, then the size and the root, goes down to the item, and reads the
 * version again. In between it may meet anything, for nodes are used again: it checks each place
 * and each order before it follows them, goes down one level at a time, and believes nothing if the
 * version or the handle has changed. Appends to a leaf with room change no version: they write the
 * size last (release), which a look reads first (acquire), and nothing that stands before the new
 * item. */
#include "core/futex.h"
#include "core/lock.h"
#include "object/list_local.h"
#include "object/words.h"

#define LOOKS 16     /* in vain, before the lock is taken: longer than a change takes */
#define LOOK_AGAIN 1 /* met something that no whole list holds */

struct look {
    const struct list_view *view;
    int64_t index;
    struct list_buffer *buffer;
    uint64_t version;
    uint64_t items; /* in the list, as it was seen */
};

static uint64_t load(const _Atomic uint64_t *word)
{
    return atomic_load_explicit(word, memory_order_acquire);
}

static bool look_holds(const struct look *look)
{
    const struct list_view *view = look->view;

    return load(&view->list->version) == look->version &&
           load(&view->record->handle) == view->handle;
}

/* The cell that stands at `at`, or NULL when there cannot be one. */
static const struct list_cell *cell_at(const struct list_node *node, uint64_t order, uint32_t at)
{
    uint32_t place = order_place(order, at);

    return at < order_count(order) && place < LIST_CELLS ? &node->cells[place] : NULL;
}

/* The cell of the child that holds the index, which becomes one within that child. */
static const struct list_cell *child_find(const struct list_node *node, uint64_t *index)
{
    uint64_t order = load(&node->order);
    uint32_t at = 0;
    const struct list_cell *cell = cell_at(node, order, at);

    while (cell != NULL && at + 1 < order_count(order)) {
        uint64_t below = load(&cell->second);

        if (*index < below)
            break;
        *index -= below;
        cell = cell_at(node, order, ++at);
    }
    return cell;
}

/* The cell of an item, or NULL. */
static const struct list_cell *item_find(const struct arena *arena, uint64_t child, uint64_t index)
{
    uint32_t level = child_level(child);
    const struct list_node *node = words_readable(arena, child_offset(child), sizeof *node);
    const struct list_cell *cell;

    if (level > LIST_LEVELS)
        return NULL;
    for (; node != NULL && level > 0; level--) {
        cell = child_find(node, &index);
        if (cell == NULL)
            return NULL;
        child = load(&cell->first);
        if (child_level(child) != level - 1)
            return NULL;
        node = words_readable(arena, child_offset(child), sizeof *node);
    }
    if (node == NULL || index >= LIST_CELLS)
        return NULL;
    return cell_at(node, load(&node->order), (uint32_t)index);
}

/* The caller's buffer is touched only once the cell is known to be the item's. */
static int item_copy(const struct look *look, const struct list_cell *cell)
{
    struct list_buffer *buffer = look->buffer;
    struct list_item item = { load(&cell->first), load(&cell->second) };
    const _Atomic uint64_t *words = NULL;

    if (list_item_has_block(&item)) {
        words = words_readable(&look->view->actor->arena, item.word, item.size);
        if (words == NULL)
            return LOOK_AGAIN;
    }
    buffer->size = item.size;
    if (item.size > buffer->capacity)
        return TROUPE_TOO_LONG;
    if (!look_holds(look))
        return LOOK_AGAIN;
    if (words != NULL)
        words_load(buffer->data, words, item.size);
    else if (item.size > 0)
        memcpy(buffer->data, &item.word, item.size);
    return TROUPE_OK;
}

static int look_once(struct look *look)
{
    const struct list *list = look->view->list;
    const struct list_cell *cell;
    uint64_t place, root;

    look->version = load(&list->version);
    if (look->version % 2 != 0)
        return LOOK_AGAIN;
    if (load(&list->state) == LIST_ENDING)
        return TROUPE_BAD_HANDLE;
    look->items = load(&list->items.size);
    root = load(&list->items.root);
    if (!list_index(look->index, look->items, &place))
        return TROUPE_NOT_FOUND;
    cell = item_find(&look->view->actor->arena, root, place);
    return cell != NULL ? item_copy(look, cell) : LOOK_AGAIN;
}

/* The lock also recovers a writer that died. */
static int look_locked(struct look *look)
{
    struct list_view view = *look->view;
    int result = list_hold(view.actor, view.handle, &view);

    if (result != TROUPE_OK)
        return result;
    result = look_once(look);
    list_give(&view);
    return result;
}

static int look_until_whole(struct look *look)
{
    for (int i = 0; i < LOOKS; i++) {
        int result = look_once(look);

        if (result != LOOK_AGAIN && look_holds(look))
            return result;
        if (load(&look->view->record->handle) != look->view->handle)
            return TROUPE_BAD_HANDLE;
        futex_spin_pause();
    }
    return look_locked(look);
}

int list_item_get(struct actor *actor, uint64_t handle, int64_t index, struct list_buffer *buffer)
{
    struct list_view view;
    struct look look = { &view, index, buffer, 0, 0 };
    int result = list_find(actor, handle, &view);

    if (result != TROUPE_OK)
        return result;
    result = look_until_whole(&look);
    if (result == TROUPE_NOT_FOUND)
        return list_misses(index, look.items);
    return result == TROUPE_BAD_HANDLE ? list_gone(handle) : result;
}

int list_count(struct actor *actor, uint64_t handle, uint64_t *items)
{
    struct list_view view;
    uint64_t size;
    int result = list_find(actor, handle, &view);

    if (result != TROUPE_OK)
        return result;
    size = load(&view.list->items.size);
    if (load(&view.list->state) == LIST_ENDING || load(&view.record->handle) != handle)
        return list_gone(handle);
    *items = size;
    return TROUPE_OK;
}
