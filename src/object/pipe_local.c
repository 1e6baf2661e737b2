#include "object/pipe_local.h"

#include "base/error.h"
#include "core/lock.h"
#include "core/tx.h"
#include "object/queue_local.h"

enum pipe_state { PIPE_OPEN = 0, PIPE_CLOSED = 1 };

struct pipe_end {
    _Atomic uint64_t state;
    _Atomic uint64_t peer; /* the other end's handle */
    _Atomic uint64_t out, in;
    _Atomic uint64_t holders[TROUPE_PIPE_HOLDERS]; /* parties, and 0 */
};
_Static_assert(sizeof(struct pipe_end) <= RECORD_ROOM, "an end fits its record");

static struct pipe_end *end_of(struct record *record)
{
    return (struct pipe_end *)record->body;
}

/* ---- making ----------------------------------------------------------------------------- */

static int end_make(struct actor *actor, uint64_t out, uint64_t in, uint64_t peer, uint64_t *handle)
{
    struct record *record;
    int result = table_reserve(actor, &record);

    if (result != TROUPE_OK)
        return result;
    atomic_store(&end_of(record)->out, out);
    atomic_store(&end_of(record)->in, in);
    atomic_store(&end_of(record)->peer, peer);
    table_publish(actor, record, OBJECT_PIPE, 0, handle);
    return TROUPE_OK;
}

static void end_retire(struct actor *actor, uint64_t handle)
{
    struct record *record;

    if (table_lock(actor, handle, OBJECT_PIPE, &record) == TROUPE_OK)
        table_retire(actor, record);
}

static void way_end(struct actor *actor, uint64_t queue)
{
    if (queue != 0)
        queue_destroy(actor, queue);
}

/* The ends of a pipe over two queues; forth leads from the second end to the first. */
static int ends_make(struct actor *actor, uint64_t forth, uint64_t back, uint64_t ends[2])
{
    struct record *first;
    int result = end_make(actor, back, forth, 0, &ends[0]);

    if (result == TROUPE_OK) {
        result = end_make(actor, forth, back, ends[0], &ends[1]);
        if (result != TROUPE_OK)
            end_retire(actor, ends[0]);
    }
    if (result == TROUPE_OK)
        result = table_find(actor, ends[0], OBJECT_PIPE, &first);
    if (result == TROUPE_OK)
        atomic_store(&end_of(first)->peer, ends[1]);
    return result;
}

int pipe_make(struct actor *actor, const troupe_pipe_options *options, uint64_t ends[2])
{
    troupe_queue_options way = { 0 };
    uint64_t forth = 0, back = 0;
    int result;

    if (options != NULL) {
        way.max_messages = options->max_messages;
        way.max_bytes = options->max_bytes;
    }
    result = queue_make(actor, &way, &forth);
    if (result == TROUPE_OK && (options == NULL || options->one_way == 0))
        result = queue_make(actor, &way, &back);
    if (result == TROUPE_OK)
        result = ends_make(actor, forth, back, ends);
    if (result != TROUPE_OK) {
        way_end(actor, forth);
        way_end(actor, back);
    }
    return result;
}

/* ---- holding ---------------------------------------------------------------------------- */

/* Where the party stands among the holders, or else the first free place; -1 when there is none. */
static int place_of(const struct pipe_end *end, uint64_t party)
{
    int free_place = -1;

    for (int i = TROUPE_PIPE_HOLDERS - 1; i >= 0; i--) {
        uint64_t holder = atomic_load(&end->holders[i]);

        if (holder == party)
            return i;
        if (holder == 0)
            free_place = i;
    }
    return free_place;
}

static bool others_hold(const struct pipe_end *end, int place)
{
    for (int i = 0; i < TROUPE_PIPE_HOLDERS; i++)
        if (i != place && atomic_load(&end->holders[i]) != 0)
            return true;
    return false;
}

static int hold(struct pipe_end *end, uint64_t party)
{
    int place = place_of(end, party);

    if (atomic_load(&end->state) != PIPE_OPEN)
        return fail(TROUPE_CLOSED, "this end of the pipe is closed: all who held it let go");
    if (place < 0)
        return fail(TROUPE_FULL,
                    "%d processes hold this end of the pipe, the most that may; use a queue",
                    TROUPE_PIPE_HOLDERS);
    atomic_store(&end->holders[place], party);
    return TROUPE_OK;
}

int pipe_hold(struct actor *actor, uint64_t handle, uint64_t party, struct pipe_ways *ways)
{
    struct record *record;
    int result = table_lock(actor, handle, OBJECT_PIPE, &record);

    if (result != TROUPE_OK)
        return result;
    result = hold(end_of(record), party);
    ways->out = atomic_load(&end_of(record)->out);
    ways->in = atomic_load(&end_of(record)->in);
    lock_give(actor, &record->lock);
    return result;
}

int pipe_ways_of(struct actor *actor, uint64_t handle, struct pipe_ways *ways)
{
    struct record *record;
    int result = table_find(actor, handle, OBJECT_PIPE, &record);

    if (result != TROUPE_OK)
        return result;
    ways->out = atomic_load(&end_of(record)->out);
    ways->in = atomic_load(&end_of(record)->in);
    return TROUPE_OK;
}

int pipe_peer(struct actor *actor, uint64_t handle, uint64_t *peer)
{
    struct record *record;
    int result = table_find(actor, handle, OBJECT_PIPE, &record);

    if (result == TROUPE_OK)
        *peer = atomic_load(&end_of(record)->peer);
    return result;
}

/* ---- letting go ------------------------------------------------------------------------- */

/* Removes a holder, and closes the end if that was the last, by one commit; the caller holds the
 * lock. Returns whether it was a holder. */
static bool let_go(struct actor *actor, struct pipe_end *end, uint64_t party)
{
    int place = place_of(end, party);

    if (place < 0 || atomic_load(&end->holders[place]) != party)
        return false;
    tx_write(actor, &end->holders[place], 0);
    if (!others_hold(end, place))
        tx_write(actor, &end->state, PIPE_CLOSED);
    tx_commit(actor);
    return true;
}

static bool is_closed(struct actor *actor, uint64_t handle)
{
    struct record *record;

    return table_find(actor, handle, OBJECT_PIPE, &record) != TROUPE_OK ||
           atomic_load(&end_of(record)->state) == PIPE_CLOSED;
}

static void ends_end(struct actor *actor, uint64_t handle, uint64_t peer,
                     const struct pipe_ways *ways)
{
    way_end(actor, ways->out);
    way_end(actor, ways->in);
    end_retire(actor, peer);
    end_retire(actor, handle);
}

/* What is left to do of an end that is closed. Of two ends that close at once, each writes its own
 * state before it reads the other's: so one at least sees both closed. */
static void pipe_finish(struct actor *actor, uint64_t handle)
{
    struct record *record;
    struct pipe_ways ways;
    uint64_t peer;

    if (table_find(actor, handle, OBJECT_PIPE, &record) != TROUPE_OK ||
        atomic_load(&end_of(record)->state) != PIPE_CLOSED ||
        pipe_ways_of(actor, handle, &ways) != TROUPE_OK)
        return;
    peer = atomic_load(&end_of(record)->peer);
    if (is_closed(actor, peer)) {
        ends_end(actor, handle, peer, &ways);
        return;
    }
    if (ways.in != 0)
        queue_close(actor, ways.in); /* first: whoever reads the end of file finds sends refused */
    if (ways.out != 0)
        queue_close(actor, ways.out);
}

int pipe_close(struct actor *actor, uint64_t handle, uint64_t party, bool *held)
{
    struct record *record;
    int result = table_lock(actor, handle, OBJECT_PIPE, &record);

    if (result != TROUPE_OK)
        return result;
    *held = let_go(actor, end_of(record), party);
    lock_give(actor, &record->lock);
    pipe_finish(actor, handle);
    return TROUPE_OK;
}

int pipe_destroy(struct actor *actor, uint64_t handle)
{
    uint64_t handles[2] = { handle, 0 };
    struct record *record;
    int result = table_find(actor, handle, OBJECT_PIPE, &record);

    if (result != TROUPE_OK)
        return result;
    handles[1] = atomic_load(&end_of(record)->peer);
    for (int i = 0; i < 2; i++) {
        if (table_lock(actor, handles[i], OBJECT_PIPE, &record) != TROUPE_OK)
            continue;
        tx_write(actor, &end_of(record)->state, PIPE_CLOSED);
        tx_commit(actor);
        lock_give(actor, &record->lock);
    }
    pipe_finish(actor, handle);
    return TROUPE_OK;
}

void pipe_party_end(struct actor *actor, struct record *record, uint64_t party, enum party_end end)
{
    uint64_t handle = atomic_load(&record->handle);

    (void)end;
    if (handle_kind(handle) != OBJECT_PIPE)
        return;
    lock_take(actor, &record->lock);
    if (atomic_load(&record->handle) == handle)
        let_go(actor, end_of(record), party);
    lock_give(actor, &record->lock);
    pipe_finish(actor, handle);
}
