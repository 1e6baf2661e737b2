/* Names of objects, the same in the whole world: what the _open calls stand on.
 *
 * A name and a kind lead to one handle. The names are kept in a reserved dict, whose shares the
 * nodes make with their arenas. An object's own node notes the object's name, too, in its share of
 * that dict, so that a destroy can release it; objects that have no name cost a look.
 *
 * How an object takes part, here a queue that queue_make makes and queue_end_everywhere ends:
 *
 *     int troupe_queue_open(const char *name, const troupe_queue_options *options,
 *                           troupe_queue *queue)
 *     {
 *         static const struct named named = { OBJECT_QUEUE, "queue", queue_make,
 *                                             queue_end_everywhere };
 *
 *         ... world_enter, then
 *         return names_open(actor, &named, name, options, &queue->id);
 *     }
 *
 * and, once its destroy has succeeded, in the process that called it:
 *
 *         if (result == TROUPE_OK)
 *             names_release(actor, queue.id);
 *
 * What always holds: a name leads to a handle that lived when the name was claimed. Whoever finds
 * that the object has gone since (its destroyer died before it released the name) takes the name
 * over. A process that dies between making an object and claiming its name leaves an orphan
 * (table.h), which the next one that makes a named object of that kind on that node ends. */
#ifndef TROUPE_OBJECT_NAMES_H
#define TROUPE_OBJECT_NAMES_H

#include "core/table.h"
#include "troupe/troupe.h"

struct named {
    enum object_kind kind;
    const char *what; /* for sentences: "queue" */

    /* Makes an object of this node and that kind; options are those of names_open. */
    int (*create)(struct actor *actor, const void *options, uint64_t *handle);

    /* Ends one that nobody else knows of. */
    int (*destroy)(struct actor *actor, uint64_t handle);
};

/* Finds the object of this kind and name, or makes it: of several callers at once one makes it, and
 * all get that one's handle. Options of those who find it are not looked at.
 *
 * Returns     TROUPE_OK; TROUPE_BAD_ARGUMENT for a name that is NULL, empty or too long; what
 *             create and the calls to other nodes return */
int names_open(struct actor *actor, const struct named *named, const char *name,
               const void *options, uint64_t *handle);

/* Releases the name of an object that is destroyed, if it has one; called by the process that
 * destroyed it, never by a handler of the service, for it may ask other nodes. */
void names_release(struct actor *actor, uint64_t handle);

/* Makes the node's share of the names; once, by whoever formats the arena, after table_format. */
int names_format(struct actor *actor);

/* Registers what names answer to other nodes; after dict_register. */
void names_register(void);

#endif
