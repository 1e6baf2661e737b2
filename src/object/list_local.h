/* A list on its own node: its record, and what the node's processes do with it.
 *
 * What always holds:
 * - A list changes by transactions under its record's lock. One that changes anything that a reader
 *   may be looking at makes the version odd first and even again last; versions never come back.
 *   An append to a leaf with room does not: it writes a free cell, the order, and the size last.
 * - Readers take no lock (list_read.c). They may look at blocks that were freed and used again, so
 *   they check what they follow, and believe nothing until version and handle are seen unchanged.
 *   So every word of a node and of an item is written with release and read by them with acquire.
 * - `garbage` is what a clear has taken out and not yet freed; no reader looks at it. */
#ifndef TROUPE_OBJECT_LIST_LOCAL_H
#define TROUPE_OBJECT_LIST_LOCAL_H

#include "core/table.h"
#include "object/list_tree.h"

/* STAGED: what an extend will join to another list; its handle is nobody's. */
enum list_state { LIST_OPEN = 0, LIST_ENDING = 1, LIST_STAGED = 2 };

/* A record's body. */
struct list {
    _Atomic uint64_t version;
    _Atomic uint64_t state;
    struct list_tree items;
    struct list_tree garbage;
    uint64_t max_items; /* 0: none */
    uint64_t builder;   /* of a staged list: incarnation (32) | slot (32) */
};
_Static_assert(sizeof(struct list) <= RECORD_ROOM, "a list fits its record");

/* A live list, as one thread sees it. */
struct list_view {
    struct actor *actor;
    struct record *record;
    struct list *list;
    uint64_t handle;
};

/* A caller's buffer, and what it was given. The size is set also when it did not fit. */
struct list_buffer {
    void *data;
    size_t capacity;
    size_t size;
};

/* options: a troupe_list_options, or NULL. */
int list_make(struct actor *actor, const void *options, uint64_t *handle);

/* Negative indexes count from the end. TROUPE_NOT_FOUND with the sentence for one that is not
 * there, but for an insert, which puts the item at the end that is nearer. */
int list_item_insert(struct actor *actor, uint64_t handle, int64_t index, troupe_bytes item);
int list_item_set(struct actor *actor, uint64_t handle, int64_t index, troupe_bytes item);
int list_item_get(struct actor *actor, uint64_t handle, int64_t index, struct list_buffer *buffer);
int list_item_pop(struct actor *actor, uint64_t handle, int64_t index, struct list_buffer *buffer);

/* Puts all the items behind the last one, or none. */
int list_extend(struct actor *actor, uint64_t handle, const troupe_bytes *items, size_t count);

int list_count(struct actor *actor, uint64_t handle, uint64_t *items);
int list_clear(struct actor *actor, uint64_t handle);
int list_destroy(struct actor *actor, uint64_t handle);

/* What recovery does for who died in the middle of list_extend, list_clear and list_destroy; place
 * is the record's offset. */
void list_resume_extend(struct actor *actor, uint64_t place);
void list_resume_clear(struct actor *actor, uint64_t place);
void list_resume_destroy(struct actor *actor, uint64_t place);

/* ---- what the list's files share -------------------------------------------------------- */

int list_find(struct actor *actor, uint64_t handle, struct list_view *view);

/* The same, and locks it. */
int list_hold(struct actor *actor, uint64_t handle, struct list_view *view);
void list_give(const struct list_view *view);

/* Opens and commits a change that readers must notice. */
void list_change_begin(const struct list_view *view);
void list_change_end(const struct list_view *view);

/* The place of an index in a list of so many items; false when there is none. */
bool list_index(int64_t index, uint64_t items, uint64_t *place);

int list_gone(uint64_t handle);
int list_misses(int64_t index, uint64_t items);

/* Makes an item, with its block in flight if it needs one. */
int list_item_make(struct actor *actor, troupe_bytes bytes, struct list_item *item);

/* Whether so many items may come in. */
int list_admits(const struct list *list, uint64_t more);

/* Appends in a list that the caller has to itself, and commits; who aborts when it fails. */
int list_append_held(const struct list_view *view, const struct list_item *item);

#endif
