#include "object/list_local.h"

#include "base/error.h"
#include "core/lock.h"
#include "object/words.h"

/* ---- the record ------------------------------------------------------------------------- */

int list_gone(uint64_t handle)
{
    return fail(TROUPE_BAD_HANDLE, "the list %016llx was destroyed; destroy it after its last use",
                (unsigned long long)handle);
}

int list_misses(int64_t index, uint64_t items)
{
    return fail(TROUPE_NOT_FOUND, "list: there is no item %lld among %llu", (long long)index,
                (unsigned long long)items);
}

int list_find(struct actor *actor, uint64_t handle, struct list_view *view)
{
    view->actor = actor;
    view->handle = handle;
    int result = table_find(actor, handle, OBJECT_LIST, &view->record);

    if (result == TROUPE_OK)
        view->list = (struct list *)view->record->body;
    return result;
}

int list_hold(struct actor *actor, uint64_t handle, struct list_view *view)
{
    int result = table_lock(actor, handle, OBJECT_LIST, &view->record);

    if (result != TROUPE_OK)
        return result;
    view->actor = actor;
    view->handle = handle;
    view->list = (struct list *)view->record->body;
    if (atomic_load_explicit(&view->list->state, memory_order_relaxed) != LIST_ENDING)
        return TROUPE_OK;
    list_give(view);
    return list_gone(handle);
}

void list_give(const struct list_view *view)
{
    lock_give(view->actor, &view->record->lock);
}

void list_change_begin(const struct list_view *view)
{
    tx_write(view->actor, &view->list->version,
             atomic_load_explicit(&view->list->version, memory_order_relaxed) + 1);
}

void list_change_end(const struct list_view *view)
{
    tx_write(view->actor, &view->list->version,
             atomic_load_explicit(&view->list->version, memory_order_relaxed) + 2);
    tx_commit(view->actor);
}

static uint64_t size_of(const struct list_view *view)
{
    return atomic_load_explicit(&view->list->items.size, memory_order_relaxed);
}

int list_make(struct actor *actor, const void *options, uint64_t *handle)
{
    const troupe_list_options *chosen = options;
    struct record *record;
    int result = table_reserve(actor, &record);

    if (result != TROUPE_OK)
        return result;
    if (chosen != NULL)
        ((struct list *)record->body)->max_items = chosen->max_items;
    table_publish(actor, record, OBJECT_LIST, 0, handle);
    return TROUPE_OK;
}

/* ---- items ------------------------------------------------------------------------------ */

bool list_index(int64_t index, uint64_t items, uint64_t *place)
{
    *place = index < 0 ? items + (uint64_t)index : (uint64_t)index;
    return index < 0 ? (uint64_t)-index <= items : (uint64_t)index < items;
}

int list_item_make(struct actor *actor, troupe_bytes bytes, struct list_item *item)
{
    int result;

    item->size = bytes.size;
    item->word = 0;
    if (!list_item_has_block(item)) {
        if (bytes.size > 0)
            memcpy(&item->word, bytes.data, bytes.size);
        return TROUPE_OK;
    }
    if (bytes.size > actor->arena.header->bytes)
        return fail(TROUPE_FULL,
                    "list: an item of %zu bytes can never fit an arena of %llu bytes; start with a "
                    "larger one (TROUPE_ARENA)",
                    bytes.size, (unsigned long long)actor->arena.header->bytes);
    result = tx_alloc(actor, words_for(bytes.size) * sizeof(uint64_t), &item->word);
    if (result == TROUPE_OK)
        words_store(arena_at(&actor->arena, item->word), bytes.data, bytes.size);
    return result;
}

int list_admits(const struct list *list, uint64_t more)
{
    uint64_t items = atomic_load_explicit(&list->items.size, memory_order_relaxed);

    if (list->max_items == 0 || (items <= list->max_items && more <= list->max_items - items))
        return TROUPE_OK;
    return fail(TROUPE_FULL, "list: it holds %llu items, and max_items is %llu; take some out",
                (unsigned long long)items, (unsigned long long)list->max_items);
}

/* Makes an item that stays in flight through the commits before the one that links it. */
static int item_make_aside(struct actor *actor, troupe_bytes bytes, struct list_item *item)
{
    int result = list_item_make(actor, bytes, item);

    if (result == TROUPE_OK && list_item_has_block(item))
        tx_set_aside(actor, item->word);
    return result;
}

static void item_retire(struct actor *actor, const struct list_item *item)
{
    if (list_item_has_block(item))
        tx_retire(actor, item->word);
}

/* ---- append and insert ------------------------------------------------------------------ */

/* Until the path's leaf has room. Each split is a transaction of its own, which leaves the list
 * what it is. */
static int room_make(const struct list_view *view, uint64_t place, struct list_path *path)
{
    struct list_tree *tree = &view->list->items;
    int result;

    list_path_find(&view->actor->arena, tree, place, path);
    while (list_path_is_full(path)) {
        list_change_begin(view);
        result = list_tree_split(view->actor, tree, path);
        if (result != TROUPE_OK)
            return result;
        list_change_end(view);
        list_path_find(&view->actor->arena, tree, place, path);
    }
    return TROUPE_OK;
}

int list_append_held(const struct list_view *view, const struct list_item *item)
{
    struct list_tree *tree = &view->list->items;
    struct list_path path;
    int result;

    if (list_tree_has_room(&view->actor->arena, tree, &path)) {
        list_tree_insert(view->actor, tree, &path, item);
        tx_commit(view->actor);
        return TROUPE_OK;
    }
    list_change_begin(view);
    result = list_tree_append(view->actor, tree, item);
    if (result == TROUPE_OK)
        list_change_end(view);
    return result;
}

/* Python's: an index beyond either end is that end. */
static uint64_t insert_place(int64_t index, uint64_t items)
{
    if (index < 0)
        return (uint64_t)-index < items ? items + (uint64_t)index : 0;
    return (uint64_t)index < items ? (uint64_t)index : items;
}

static int insert_held(const struct list_view *view, int64_t index, const struct list_item *item)
{
    uint64_t place = insert_place(index, size_of(view));
    bool at_end = place == size_of(view);
    struct list_path path;
    int result = list_admits(view->list, 1);

    if (result == TROUPE_OK && !at_end)
        result = room_make(view, place, &path);
    if (result != TROUPE_OK)
        return result;
    if (list_item_has_block(item))
        tx_enlist(view->actor, item->word);
    if (at_end)
        return list_append_held(view, item);
    list_change_begin(view);
    list_tree_insert(view->actor, &view->list->items, &path, item);
    list_change_end(view);
    return TROUPE_OK;
}

int list_item_insert(struct actor *actor, uint64_t handle, int64_t index, troupe_bytes bytes)
{
    struct list_view view;
    struct list_item item;
    int result = list_find(actor, handle, &view);

    if (result == TROUPE_OK)
        result = item_make_aside(actor, bytes, &item);
    if (result != TROUPE_OK)
        return result;
    result = list_hold(actor, handle, &view);
    if (result == TROUPE_OK) {
        result = insert_held(&view, index, &item);
        list_give(&view);
    }
    if (result != TROUPE_OK)
        tx_abort(actor);
    return result;
}

/* ---- set -------------------------------------------------------------------------------- */

static int set_held(const struct list_view *view, int64_t index, const struct list_item *item)
{
    struct list_path path;
    struct list_item old;
    uint64_t place;

    if (!list_index(index, size_of(view), &place))
        return list_misses(index, size_of(view));
    list_path_find(&view->actor->arena, &view->list->items, place, &path);
    old = list_path_item(&path);
    list_change_begin(view);
    list_path_set(view->actor, &path, item);
    item_retire(view->actor, &old);
    list_change_end(view);
    return TROUPE_OK;
}

int list_item_set(struct actor *actor, uint64_t handle, int64_t index, troupe_bytes bytes)
{
    struct list_view view;
    struct list_item item;
    int result = list_find(actor, handle, &view);

    if (result == TROUPE_OK)
        result = list_item_make(actor, bytes, &item);
    if (result != TROUPE_OK)
        return result;
    result = list_hold(actor, handle, &view);
    if (result == TROUPE_OK) {
        result = set_held(&view, index, &item);
        list_give(&view);
    }
    if (result != TROUPE_OK)
        tx_abort(actor);
    return result;
}

/* ---- pop -------------------------------------------------------------------------------- */

/* Makes sparse neighbours one, each time in a transaction of its own, which leaves the list what it
 * is. Nothing here aborts: the item that was taken is still in flight. */
static void tidy(const struct list_view *view, uint64_t place)
{
    struct list_tree *tree = &view->list->items;
    struct list_path path;

    while (size_of(view) > 0) {
        list_path_find(&view->actor->arena, tree, place, &path);
        if (!list_path_merges(&view->actor->arena, &path))
            break;
        list_change_begin(view);
        list_tree_merge(view->actor, tree, &path);
        list_change_end(view);
    }
}

/* The item's block is the caller's then, who copies and releases it. */
static int pop_held(const struct list_view *view, int64_t index, struct list_buffer *buffer,
                    struct list_item *item)
{
    struct list_path path;
    uint64_t place;
    bool is_sparse;

    if (!list_index(index, size_of(view), &place))
        return list_misses(index, size_of(view));
    list_path_find(&view->actor->arena, &view->list->items, place, &path);
    *item = list_path_item(&path);
    buffer->size = item->size;
    if (item->size > buffer->capacity)
        return TROUPE_TOO_LONG;
    is_sparse = list_path_is_sparse(&path);
    list_change_begin(view);
    if (list_item_has_block(item))
        tx_take(view->actor, item->word);
    list_tree_remove(view->actor, &view->list->items, &path);
    list_change_end(view);
    if (is_sparse)
        tidy(view, place);
    return TROUPE_OK;
}

static void item_move(struct actor *actor, const struct list_item *item, void *to)
{
    if (!list_item_has_block(item)) {
        if (item->size > 0)
            memcpy(to, &item->word, item->size);
        return;
    }
    words_load(to, arena_at(&actor->arena, item->word), item->size);
    heap_release(actor, item->word);
}

int list_item_pop(struct actor *actor, uint64_t handle, int64_t index, struct list_buffer *buffer)
{
    struct list_view view;
    struct list_item item;
    int result = list_hold(actor, handle, &view);

    if (result != TROUPE_OK)
        return result;
    result = pop_held(&view, index, buffer, &item);
    list_give(&view);
    if (result == TROUPE_OK)
        item_move(actor, &item, buffer->data);
    return result;
}
