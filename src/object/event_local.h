/* Events on their own node. What always holds: the value of the record's word is how often the
 * event was set, and in the lowest bit whether it is; so whoever waits sees a set that was cleared
 * at once. record->bell rings for all at each set. */
#ifndef TROUPE_OBJECT_EVENT_LOCAL_H
#define TROUPE_OBJECT_EVENT_LOCAL_H

#include "core/bell.h"
#include "core/table.h"
#include "troupe/sync.h"

#define EVENT_SET 1u

struct event_wait {
    struct record *record;
    uint64_t handle;
    uint64_t before; /* the value when the wait began */
};

int event_make(struct actor *actor, uint64_t *handle);
int event_change(struct actor *actor, uint64_t handle, bool set);
int event_value(struct actor *actor, uint64_t handle, uint64_t *value);

/* Looks once; TROUPE_TIMEOUT, which event_is_not_set puts into words, without a sentence. */
int event_look(const struct event_wait *wait);
int event_is_not_set(void);

/* Waits until the deadline of base/clock.h, or BELL_NO_WAIT. */
int event_await(struct actor *actor, uint64_t handle, uint64_t deadline);

#endif
