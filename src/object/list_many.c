/* What takes many transactions: extend, clear and destroy.
 *
 * An extend fills a list of its own first, which nobody else knows (STAGED), and joins it to the
 * other in one transaction: all of its items come at one moment, or none, and nobody waits for
 * them. A clear takes all items out in one transaction and frees them afterwards, a destroy marks
 * the list first. Recovery finishes each: what it finds STAGED without a living builder, ENDING, or
 * in `garbage`, is to be freed, whoever left it. */
#include "object/list_local.h"

#include "core/lock.h"
#include "core/recover.h"
#include "core/root.h"

#define BUILDER_SHIFT 32

/* ---- freeing ---------------------------------------------------------------------------- */

static bool is_empty(const struct list_tree *tree)
{
    return atomic_load_explicit(&tree->size, memory_order_relaxed) == 0;
}

static void tree_free(struct actor *actor, struct list_tree *tree)
{
    while (!is_empty(tree)) {
        list_tree_chop(actor, tree);
        tx_commit(actor);
    }
}

/* Frees a list whose lock the caller holds, and which nobody can use any more. */
static void list_end(struct actor *actor, struct record *record)
{
    struct list *list = (struct list *)record->body;

    tree_free(actor, &list->garbage);
    tree_free(actor, &list->items);
    table_retire(actor, record);
}

/* Locks the record at an offset; NULL when it is no list's. It may be another list's by now. */
static struct record *list_lock_at(struct actor *actor, uint64_t place)
{
    struct record *record = arena_at(&actor->arena, place);

    lock_take(actor, &record->lock);
    if (handle_kind(atomic_load(&record->handle)) == OBJECT_LIST)
        return record;
    lock_give(actor, &record->lock);
    return NULL;
}

/* ---- extend ----------------------------------------------------------------------------- */

static uint64_t builder_of(const struct actor *actor)
{
    uint64_t incarnation = slot_incarnation_of(atomic_load(&actor->slot->identity));

    return incarnation << BUILDER_SHIFT | actor->number;
}

static bool builder_lives(const struct arena *arena, uint64_t builder)
{
    uint64_t identity = atomic_load(&slot_at(arena, (uint32_t)builder)->identity);

    return slot_state_of(identity) == SLOT_LIVE &&
           slot_incarnation_of(identity) == builder >> BUILDER_SHIFT;
}

/* The slot names the record before it is published: if we die in between, it is free, or staged by
 * somebody who lives. */
static int stage_make(struct actor *actor, struct list_view *stage)
{
    int result = table_reserve(actor, &stage->record);

    if (result != TROUPE_OK)
        return result;
    stage->actor = actor;
    stage->list = (struct list *)stage->record->body;
    stage->list->builder = builder_of(actor);
    atomic_store_explicit(&stage->list->state, LIST_STAGED, memory_order_relaxed);
    resume_begin(actor, RESUME_LIST_EXTEND, arena_offset(&actor->arena, stage->record));
    table_publish(actor, stage->record, OBJECT_LIST, 0, &stage->handle);
    return TROUPE_OK;
}

static int stage_fill(const struct list_view *stage, const troupe_bytes *items, size_t count)
{
    int result = TROUPE_OK;

    for (size_t i = 0; i < count && result == TROUPE_OK; i++) {
        struct list_item item;

        result = list_item_make(stage->actor, items[i], &item);
        if (result == TROUPE_OK)
            result = list_append_held(stage, &item);
    }
    if (result != TROUPE_OK)
        tx_abort(stage->actor);
    return result;
}

static int stage_join(const struct list_view *stage, uint64_t handle)
{
    struct list_view view;
    uint64_t more = atomic_load_explicit(&stage->list->items.size, memory_order_relaxed);
    int result = list_hold(stage->actor, handle, &view);

    if (result != TROUPE_OK)
        return result;
    result = list_admits(view.list, more);
    if (result == TROUPE_OK) {
        list_change_begin(&view);
        result = list_tree_join(view.actor, &view.list->items, &stage->list->items);
    }
    if (result == TROUPE_OK)
        list_change_end(&view);
    else
        tx_abort(view.actor);
    list_give(&view);
    return result;
}

int list_extend(struct actor *actor, uint64_t handle, const troupe_bytes *items, size_t count)
{
    struct list_view view, stage;
    int result = list_find(actor, handle, &view);

    if (result != TROUPE_OK || count == 0)
        return result;
    if (count == 1)
        return list_item_insert(actor, handle, INT64_MAX, items[0]);
    result = stage_make(actor, &stage);
    if (result != TROUPE_OK)
        return result;
    result = stage_fill(&stage, items, count);
    if (result == TROUPE_OK)
        result = stage_join(&stage, handle);
    lock_take(actor, &stage.record->lock);
    list_end(actor, stage.record);
    resume_end(actor);
    return result;
}

void list_resume_extend(struct actor *actor, uint64_t place)
{
    struct record *record = list_lock_at(actor, place);
    const struct list *list;

    if (record == NULL)
        return;
    list = (const struct list *)record->body;
    if (atomic_load(&list->state) == LIST_STAGED && !builder_lives(&actor->arena, list->builder))
        list_end(actor, record);
    else
        lock_give(actor, &record->lock);
}

/* ---- clear ------------------------------------------------------------------------------ */

/* Takes everything out; nothing when an earlier clear's garbage is still there. */
static bool take_out(const struct list_view *view)
{
    struct list_tree *items = &view->list->items, *garbage = &view->list->garbage;

    if (!is_empty(garbage))
        return false;
    list_change_begin(view);
    tx_write(view->actor, &garbage->root, atomic_load(&items->root));
    tx_write(view->actor, &garbage->size, atomic_load(&items->size));
    tx_write(view->actor, &items->root, 0);
    tx_write(view->actor, &items->size, 0);
    list_change_end(view);
    return true;
}

/* One step of a clear: taking out, or freeing some. The lock is held for one step only. */
static int clear_step(struct actor *actor, uint64_t handle, bool *taken, bool *done)
{
    struct list_view view;
    int result = list_hold(actor, handle, &view);

    if (result != TROUPE_OK)
        return result;
    if (!*taken && take_out(&view))
        *taken = true;
    else if (!is_empty(&view.list->garbage)) {
        list_tree_chop(actor, &view.list->garbage);
        tx_commit(actor);
    }
    *done = *taken && is_empty(&view.list->garbage);
    list_give(&view);
    return TROUPE_OK;
}

int list_clear(struct actor *actor, uint64_t handle)
{
    struct list_view view;
    bool taken = false, done = false;
    int result = list_find(actor, handle, &view);

    if (result != TROUPE_OK)
        return result;
    resume_begin(actor, RESUME_LIST_CLEAR, arena_offset(&actor->arena, view.record));
    while (result == TROUPE_OK && !done)
        result = clear_step(actor, handle, &taken, &done);
    resume_end(actor);
    return taken ? TROUPE_OK : result;
}

void list_resume_clear(struct actor *actor, uint64_t place)
{
    struct record *record = list_lock_at(actor, place);

    if (record == NULL)
        return;
    tree_free(actor, &((struct list *)record->body)->garbage);
    lock_give(actor, &record->lock);
}

/* ---- destroy ---------------------------------------------------------------------------- */

int list_destroy(struct actor *actor, uint64_t handle)
{
    struct list_view view;
    int result = list_hold(actor, handle, &view);

    if (result != TROUPE_OK)
        return result;
    resume_begin(actor, RESUME_LIST_DESTROY, arena_offset(&actor->arena, view.record));
    list_change_begin(&view);
    tx_write(actor, &view.list->state, LIST_ENDING);
    list_change_end(&view);
    list_end(actor, view.record);
    resume_end(actor);
    return TROUPE_OK;
}

void list_resume_destroy(struct actor *actor, uint64_t place)
{
    struct record *record = list_lock_at(actor, place);

    if (record == NULL)
        return;
    if (atomic_load(&((struct list *)record->body)->state) == LIST_ENDING)
        list_end(actor, record);
    else
        lock_give(actor, &record->lock);
}
