/* Leases: messages that are somebody's until they are done, and come back if that party ends.
 *
 * What always holds, under the get end's claim: a message on lease is one block, in the chain that
 * its ticket chooses; one that came back is in the list of those returned, oldest first, which
 * getters empty before they look at the ring. Each change is one transaction. A ticket is given
 * once, so what names a lease that has ended names nothing. */
#include "base/error.h"
#include "core/futex.h"
#include "core/ledger.h"
#include "core/party.h"
#include "core/tx.h"
#include "object/queue_calls.h"
#include "object/queue_local.h"
#include "object/queue_ring.h"

#include <stddef.h>
#include <string.h>

/* Not results: a message of the ring needs a block to be leased in; the block in flight is not
 * needed for what is there now. */
#define BLOCK_WANTED 1
#define BLOCK_UNWANTED 2

/* ---- chains ----------------------------------------------------------------------------- */

static struct message *message_at(const struct arena *arena, uint64_t place)
{
    return arena_at(arena, place);
}

static _Atomic uint64_t *chain_of(struct queue *queue, uint64_t ticket)
{
    return &queue->chains[ticket % QUEUE_CHAINS];
}

/* Whether anybody but this party has a lease. */
static bool others_hold(const struct arena *arena, struct queue *queue, uint64_t holder)
{
    for (unsigned i = 0; i < QUEUE_CHAINS; i++) {
        uint64_t place = atomic_load(&queue->chains[i]);

        for (; place != 0; place = atomic_load(&message_at(arena, place)->next))
            if (atomic_load(&message_at(arena, place)->holder) != holder)
                return true;
    }
    return false;
}

int queue_nothing(struct actor *actor, struct queue *queue, uint64_t state, uint64_t holder)
{
    if (state == QUEUE_OPEN ||
        others_hold(&actor->arena, queue, holder != 0 ? holder : party_of(actor)))
        return TROUPE_EMPTY;
    return fail(TROUPE_CLOSED, "the queue is closed and drained");
}

/* ---- taking one ------------------------------------------------------------------------- */

/* Writes the lease of a message that is in the block; the caller commits. */
static void lease_write(struct actor *actor, struct queue *queue, uint64_t place,
                        struct queue_lease *lease)
{
    struct message *message = message_at(&actor->arena, place);
    uint64_t ticket = atomic_load(&queue->tickets) + 1;

    lease->ticket = ticket;
    lease->attempt = atomic_load(&message->attempt) + 1;
    tx_write(actor, &message->next, atomic_load(chain_of(queue, ticket)));
    tx_write(actor, &message->ticket, ticket);
    if (atomic_load(&message->order) == 0)
        tx_write(actor, &message->order, ticket);
    tx_write(actor, &message->holder, lease->get.holder);
    tx_write(actor, &message->attempt, lease->attempt);
    tx_write(actor, chain_of(queue, ticket), place);
    tx_write(actor, &queue->tickets, ticket);
    tx_write(actor, &queue->leases, atomic_load(&queue->leases) + 1);
    lease->get.place = place;
}

/* The answer of a lease for another node; its message stays where it is. */
static void lease_witness(struct actor *actor, const struct queue_lease *lease)
{
    ledger_word(actor, 0, lease->get.size);
    ledger_word(actor, 1, lease->ticket);
    ledger_word(actor, 2, lease->attempt);
    ledger_borrow(actor, lease->get.place + offsetof(struct message, data), lease->get.size);
    ledger_witness(actor);
}

static void lease_commit(struct actor *actor, struct record *record, struct point point,
                         const struct queue_lease *lease)
{
    struct queue *queue = queue_of(record);

    if (queue->max_messages != 0 || queue->max_bytes != 0)
        bell_promise(actor, &record->room);
    tx_write(actor, &queue->get.turn, end_prepare(&queue->get, point));
    lease_witness(actor, lease);
    tx_commit(actor);
}

static void returned_lease(struct actor *actor, struct record *record, uint64_t place,
                           struct queue_lease *lease)
{
    struct queue *queue = queue_of(record);
    struct point point = end_point(&queue->get);

    point.messages++;
    point.bytes += lease->get.size;
    tx_write(actor, &queue->returned, atomic_load(&message_at(&actor->arena, place)->next));
    lease_write(actor, queue, place, lease);
    lease_commit(actor, record, point, lease);
}

static void ring_lease(struct actor *actor, struct record *record, struct point point,
                       uint64_t head, struct queue_lease *lease)
{
    uint64_t place = lease->block;
    struct message *message;

    if (head_kind_of(head) == HEAD_BLOCK) {
        putters_pass(actor, record);
        place = queue_block_at(&actor->arena, point.place);
    } else {
        message = message_at(&actor->arena, place);
        memset(message, 0, sizeof *message);
        message->size = lease->get.size;
        memcpy(message->data, arena_at(&actor->arena, point.place + HEAD_BYTES), lease->get.size);
    }
    point.place += head_span(head_kind_of(head), lease->get.size);
    point.messages++;
    point.bytes += lease->get.size;
    lease_write(actor, queue_of(record), place, lease);
    lease_commit(actor, record, point, lease);
}

static int ring_look(struct actor *actor, struct record *record, struct queue_lease *lease)
{
    struct queue *queue = queue_of(record);
    uint64_t state = atomic_load_explicit(&queue->state, memory_order_acquire);
    struct point point;
    uint64_t head = queue_head(actor, record, &point, lease->get.sure);

    if (head == 0)
        return queue_nothing(actor, queue, state, lease->get.holder);
    lease->get.size = head_value_of(head);
    if (lease->get.size > lease->get.capacity)
        return queue_too_long(lease->get.size, lease->get.capacity);
    if (head_kind_of(head) == HEAD_INLINE && lease->block == 0)
        return BLOCK_WANTED;
    ring_lease(actor, record, point, head, lease);
    return TROUPE_OK;
}

static int returned_look(struct actor *actor, struct record *record, uint64_t place,
                         struct queue_lease *lease)
{
    lease->get.size = message_at(&actor->arena, place)->size;
    if (lease->get.size > lease->get.capacity)
        return queue_too_long(lease->get.size, lease->get.capacity);
    returned_lease(actor, record, place, lease);
    return TROUPE_OK;
}

/* The get end is claimed. A commit links every block in flight, so the lease's must be for what is
 * there, and no link may be followed with it. */
static int lease_claimed(struct actor *actor, struct record *record, struct queue_lease *lease)
{
    struct queue *queue = queue_of(record);
    uint64_t returned = atomic_load(&queue->returned);
    uint64_t head = atomic_load_explicit(head_at(&actor->arena, end_point(&queue->get).place),
                                         memory_order_acquire);

    if (lease->block != 0 && (returned != 0 || head_kind_of(head) != HEAD_INLINE))
        return BLOCK_UNWANTED;
    return returned != 0 ? returned_look(actor, record, returned, lease)
                         : ring_look(actor, record, lease);
}

static int lease_once(struct actor *actor, struct queue_lease *lease)
{
    struct record *record;
    int result = queue_claim_get(actor, lease->get.handle, &record), wakes;

    if (result != TROUPE_OK)
        return result;
    result = lease_claimed(actor, record, lease);
    wakes = queue_of(record)->max_bytes != 0 ? FUTEX_ALL : 1;
    lock_give(actor, &record->other_lock);
    if (result == TROUPE_TOO_LONG || result == TROUPE_CLOSED)
        bell_ring(&actor->arena, &record->bell, 1);
    if (result == TROUPE_OK)
        bell_redeem_asleep(actor, wakes);
    return result;
}

/* With a block that is made before the end is claimed; it fits whatever lies in the ring. */
static int once_with_block(struct actor *actor, struct queue_lease *lease)
{
    int result = tx_alloc(actor, sizeof(struct message) + QUEUE_INLINE_MOST, &lease->block);

    if (result == TROUPE_OK)
        result = lease_once(actor, lease);
    if (result != TROUPE_OK)
        tx_abort(actor);
    return result;
}

int queue_lease_try(struct actor *actor, struct queue_lease *lease)
{
    int result;

    if (lease->get.holder == 0)
        lease->get.holder = party_of(actor);
    do {
        lease->block = 0;
        result = lease_once(actor, lease);
        if (result == BLOCK_WANTED)
            result = once_with_block(actor, lease);
    } while (result == BLOCK_UNWANTED);
    if (result == TROUPE_OK && lease->get.size > 0)
        memcpy(lease->get.buffer, message_at(&actor->arena, lease->get.place)->data,
               lease->get.size);
    return result;
}

static int lease_attempt(struct actor *actor, void *context)
{
    struct queue_lease *lease = context;

    lease->get.sure = bell_announced(actor);
    return queue_lease_try(actor, lease);
}

static bool lease_peek(struct actor *actor, void *context)
{
    const struct queue_lease *lease = context;

    return queue_peek(actor, lease->get.handle);
}

int queue_lease(struct actor *actor, struct queue_lease *lease, uint64_t deadline)
{
    int result = queue_lease_try(actor, lease);

    if (result == TROUPE_EMPTY && deadline != BELL_NO_WAIT)
        result = queue_await(actor, lease->get.handle, deadline, lease_attempt, lease_peek, lease);
    return result == TROUPE_EMPTY ? fail(result, "the queue is empty") : result;
}

/* ---- ending leases ---------------------------------------------------------------------- */

/* The link that leads to a lease's message; NULL: there is no such lease. */
static _Atomic uint64_t *lease_find(const struct arena *arena, struct queue *queue, uint64_t ticket)
{
    _Atomic uint64_t *link = chain_of(queue, ticket);
    uint64_t place;

    while ((place = atomic_load(link)) != 0) {
        if (atomic_load(&message_at(arena, place)->ticket) == ticket)
            return link;
        link = &message_at(arena, place)->next;
    }
    return NULL;
}

/* Takes the message that a link leads to off its chain; the caller commits. */
static uint64_t lease_unlink(struct actor *actor, struct queue *queue, _Atomic uint64_t *link)
{
    uint64_t place = atomic_load(link);

    tx_write(actor, link, atomic_load(&message_at(&actor->arena, place)->next));
    tx_write(actor, &queue->leases, atomic_load(&queue->leases) - 1);
    return place;
}

static int no_lease(uint64_t ticket)
{
    return fail(TROUPE_NOT_FOUND,
                "lease %llu is not out: it was done, or came back when its holder ended",
                (unsigned long long)ticket);
}

int queue_done(struct actor *actor, uint64_t handle, uint64_t ticket, uint64_t holder)
{
    struct record *record;
    struct queue *queue;
    _Atomic uint64_t *link;
    int result = queue_claim_get(actor, handle, &record), wakes = 1;

    if (result != TROUPE_OK)
        return result;
    queue = queue_of(record);
    link = lease_find(&actor->arena, queue, ticket);
    if (link == NULL || atomic_load(&message_at(&actor->arena, atomic_load(link))->holder) !=
                            (holder != 0 ? holder : party_of(actor))) {
        lock_give(actor, &record->other_lock);
        return no_lease(ticket);
    }
    bell_promise(actor, &record->idle);
    if (atomic_load(&queue->state) != QUEUE_OPEN) {
        bell_promise(actor, &record->bell); /* getters may wait for this one to come back */
        wakes = FUTEX_ALL;
    }
    tx_retire(actor, lease_unlink(actor, queue, link));
    ledger_witness(actor);
    tx_commit(actor);
    lock_give(actor, &record->other_lock);
    bell_redeem_asleep(actor, wakes);
    return TROUPE_OK;
}

/* ---- coming back ------------------------------------------------------------------------ */

static _Atomic uint64_t *lease_of(const struct arena *arena, struct queue *queue, uint64_t holder)
{
    for (unsigned i = 0; i < QUEUE_CHAINS; i++) {
        _Atomic uint64_t *link = &queue->chains[i];
        uint64_t place;

        for (; (place = atomic_load(link)) != 0; link = &message_at(arena, place)->next)
            if (atomic_load(&message_at(arena, place)->holder) == holder)
                return link;
    }
    return NULL;
}

/* Puts a message among those returned, before the first younger one. */
static void return_write(struct actor *actor, struct queue *queue, uint64_t place)
{
    struct message *message = message_at(&actor->arena, place);
    _Atomic uint64_t *link = &queue->returned;
    uint64_t next;

    while ((next = atomic_load(link)) != 0 &&
           atomic_load(&message_at(&actor->arena, next)->order) < atomic_load(&message->order))
        link = &message_at(&actor->arena, next)->next;
    tx_write(actor, &message->next, next);
    tx_write(actor, &message->holder, 0);
    tx_write(actor, link, place);
}

/* Returns one message; false when the party has none. */
static bool return_one(struct actor *actor, uint64_t handle, uint64_t holder)
{
    struct record *record;
    struct queue *queue;
    _Atomic uint64_t *link;
    struct point point;
    uint64_t place;

    if (queue_claim_get(actor, handle, &record) != TROUPE_OK)
        return false;
    queue = queue_of(record);
    link = lease_of(&actor->arena, queue, holder);
    if (link != NULL) {
        bell_promise(actor, &record->bell);
        place = lease_unlink(actor, queue, link);
        return_write(actor, queue, place);
        point = end_point(&queue->get);
        point.messages--;
        point.bytes -= message_at(&actor->arena, place)->size;
        tx_write(actor, &queue->get.turn, end_prepare(&queue->get, point));
        tx_commit(actor);
    }
    lock_give(actor, &record->other_lock);
    bell_redeem_asleep(actor, 1);
    return link != NULL;
}

void queue_return(struct actor *actor, struct record *record, uint64_t holder)
{
    uint64_t handle = atomic_load(&record->handle);

    if (atomic_load(&queue_of(record)->leases) == 0)
        return;
    while (return_one(actor, handle, holder))
        ;
}

/* ---- join ------------------------------------------------------------------------------- */

int queue_join_try(struct actor *actor, uint64_t handle)
{
    struct record *record;
    struct point put, taken;
    bool idle;
    int result = queue_claim_get(actor, handle, &record);

    if (result != TROUPE_OK)
        return result;
    lock_take(actor, &record->lock);
    queue_catch_up(actor, queue_of(record));
    put = end_point(&queue_of(record)->put);
    lock_give(actor, &record->lock);
    taken = end_point(&queue_of(record)->get);
    idle = put.messages == taken.messages && atomic_load(&queue_of(record)->leases) == 0;
    lock_give(actor, &record->other_lock);
    if (!idle)
        return TROUPE_TIMEOUT;
    bell_ring(&actor->arena, &record->idle, 1); /* whoever joins, too, and was not woken */
    return TROUPE_OK;
}

struct bell *queue_quiet(struct actor *actor, uint64_t handle)
{
    struct record *record;

    return table_find(actor, handle, OBJECT_QUEUE, &record) == TROUPE_OK ? &record->idle : NULL;
}

int queue_not_done(void)
{
    return fail(TROUPE_TIMEOUT, "the queue still has messages, or leases that are not done");
}

static int join_attempt(struct actor *actor, void *context)
{
    return queue_join_try(actor, *(const uint64_t *)context);
}

int queue_join(struct actor *actor, uint64_t handle, uint64_t deadline)
{
    struct bell *bell = queue_quiet(actor, handle);
    int result;

    if (bell == NULL)
        return table_refuse(handle, OBJECT_QUEUE);
    result = bell_await(actor, bell, deadline, TROUPE_TIMEOUT, join_attempt, &handle);
    return result == TROUPE_TIMEOUT ? queue_not_done() : result;
}
