/* Lists: items in an order, which every process of the world reads and changes. */
#ifndef TROUPE_LIST_H
#define TROUPE_LIST_H

#include "troupe/types.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct troupe_list {
    uint64_t id;
} troupe_list;

typedef struct troupe_list_options {
    uint64_t max_items; /* 0: bounded by the arena alone */
} troupe_list_options;

/* Makes an empty list that lives on the caller's node. options may be NULL. */
TROUPE_API int troupe_list_create(const troupe_list_options *options, troupe_list *list);

/* Finds the list of this name, or makes it: the same one for all who open the name, in any process,
 * until it is destroyed. Of several who open it at once, one makes it, on its node.
 *
 * name        1 to TROUPE_OBJECT_NAME_MAX characters; other kinds have names of their own
 * options     for whoever makes it
 * Returns     TROUPE_OK
 *             TROUPE_BAD_ARGUMENT  the name is empty or too long
 *             TROUPE_FULL          there was none, and no room to make it */
TROUPE_API int troupe_list_open(const char *name, const troupe_list_options *options,
                                troupe_list *list);

/* Puts a copy of an item behind the last one. Appends take effect one after the other: each process
 * sees its own in their order.
 *
 * item        0 or more bytes of anything
 * Returns     TROUPE_OK        it is there, and survives the caller's death
 *             TROUPE_FULL      no room in the arena, or max_items are there; nothing was changed
 * Threads     any; waits for nobody longer than a few items' change takes */
TROUPE_API int troupe_list_append(troupe_list list, troupe_bytes item);

/* Puts copies of several items behind the last one, all at one moment: nobody's items come between
 * them, and nobody sees some of them only. Returns as troupe_list_append. */
TROUPE_API int troupe_list_extend(troupe_list list, const troupe_bytes *items, size_t count);

/* Copies an item.
 *
 * index       0 is the first item, -1 the last
 * item        [capacity] bytes; filled only on success
 * size        the item's bytes, also when it did not fit; may be NULL
 * Returns     TROUPE_OK
 *             TROUPE_NOT_FOUND  there is no such item
 *             TROUPE_TOO_LONG   *size exceeds capacity
 * Threads     any; takes no lock */
TROUPE_API int troupe_list_get(troupe_list list, int64_t index, void *item, size_t capacity,
                               size_t *size);

/* The same into memory of malloc's, which the caller frees: *item is never NULL on success. */
TROUPE_API int troupe_list_get_alloc(troupe_list list, int64_t index, void **item, size_t *size);

/* Replaces an item by a copy of another.
 *
 * Returns     TROUPE_OK; TROUPE_NOT_FOUND; TROUPE_FULL: the old one stays */
TROUPE_API int troupe_list_set(troupe_list list, int64_t index, troupe_bytes item);

/* Puts a copy of an item before the one at index; those from there on move up by one. As in Python,
 * an index beyond either end means that end. Returns as troupe_list_append. */
TROUPE_API int troupe_list_insert(troupe_list list, int64_t index, troupe_bytes item);

/* Copies an item and removes it; those behind it move down by one. It needs no room in the arena.
 *
 * index, item, capacity, size  as of troupe_list_get; the item stays when it does not fit
 * Returns     TROUPE_OK; TROUPE_NOT_FOUND, also for an empty list; TROUPE_TOO_LONG */
TROUPE_API int troupe_list_pop(troupe_list list, int64_t index, void *item, size_t capacity,
                               size_t *size);

/* The number of items. */
TROUPE_API int troupe_list_size(troupe_list list, uint64_t *items);

/* Steps to the next item. The cursor counts items from the first one, as a loop of Python's does:
 * an item inserted or removed before it makes it see one twice, or leave one out.
 *
 * cursor      zero before the first call
 * item, capacity, size  as of troupe_list_get
 * Returns     TROUPE_OK
 *             TROUPE_EMPTY     the walk is over; it goes on when items have been appended
 *             TROUPE_TOO_LONG  the size is set, the cursor stays before this item */
TROUPE_API int troupe_list_next(troupe_list list, troupe_cursor *cursor, void *item,
                                size_t capacity, size_t *size);

/* Removes all items, at one moment. It needs no room in the arena. */
TROUPE_API int troupe_list_clear(troupe_list list);

/* Ends the list and frees its items. */
TROUPE_API int troupe_list_destroy(troupe_list list);

#ifdef __cplusplus
}
#endif

#endif
