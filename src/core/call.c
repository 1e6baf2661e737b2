#include "core/call.h"

#include "base/clock.h"
#include "base/error.h"
#include "core/futex.h"
#include "core/leader.h"
#include "core/lock.h"
#include "core/node.h"
#include "core/table.h"
#include "core/tx.h"

#include <stdlib.h>
#include <string.h>

#define PHASE_BITS 8
#define RING_BITS 64
#define CANCEL_TOLD ((uint64_t)1 << 63) /* of call_cancelled: the other node has been told */

/* A call of a dead caller that another node may have parked; a block of the node's list. */
struct withdrawal {
    uint64_t next; /* offset, or 0 */
    uint64_t node;
    struct call_name name;
};

static uint64_t state_make(uint64_t sequence, enum call_phase phase)
{
    return sequence << PHASE_BITS | phase;
}

static uint64_t sequence_of(uint64_t state)
{
    return state >> PHASE_BITS;
}

static enum call_phase phase_of(uint64_t state)
{
    return (enum call_phase)(state & ((1u << PHASE_BITS) - 1));
}

/* ---- the caller ------------------------------------------------------------------------- */

static int request_make(struct actor *actor, int node, const struct request *request,
                        uint64_t deadline, uint64_t *place)
{
    struct call_request *made;
    int result = tx_alloc(actor, sizeof *made + request->size, place);

    if (result != TROUPE_OK)
        return result;
    made = arena_at(&actor->arena, *place);
    made->node = (uint64_t)node;
    made->op = request->op;
    made->object = request->object;
    made->wait_ns = deadline == BELL_NO_WAIT ? 0 : clock_left(deadline);
    memcpy(made->words, request->words, sizeof made->words);
    made->size = request->size;
    if (request->size > 0)
        memcpy(made->data, request->data, request->size);
    return TROUPE_OK;
}

/* Where the call is parked, plus one; 0 for one that is answered at once. */
static uint64_t parked_at(int node, bool may_park)
{
    return may_park ? (uint64_t)node + 1 : 0;
}

int call_post(struct actor *actor, int node, const struct request *request, uint64_t deadline)
{
    struct slot *slot = actor->slot;
    uint64_t sequence = sequence_of(atomic_load(&slot->call_state)) + 1, place;
    int result = request_make(actor, node, request, deadline, &place);

    if (result != TROUPE_OK)
        return result;
    bell_promise(actor, &actor->arena.header->service_bell);
    lock_take(actor, &slot->call_lock);
    tx_write(actor, &slot->call_first, sequence);
    tx_write(actor, &slot->call_to, (uint64_t)node);
    tx_write(actor, &slot->call_node, parked_at(node, deadline != BELL_NO_WAIT));
    tx_write(actor, &slot->call_request, place);
    tx_write(actor, &slot->call_state, state_make(sequence, CALL_POSTED));
    tx_commit(actor);
    lock_give(actor, &slot->call_lock);
    bell_redeem(actor, FUTEX_ALL);
    return TROUPE_OK;
}

void call_begin(struct actor *actor, int node, bool may_park, struct call_name *name)
{
    struct slot *slot = actor->slot;

    name->slot = actor->number;
    name->incarnation = slot_incarnation_of(atomic_load(&slot->identity));
    name->sequence = sequence_of(atomic_load(&slot->call_state)) + 1;
    atomic_store(&slot->call_first, name->sequence);
    atomic_store(&slot->call_to, (uint64_t)node);
    atomic_store(&slot->call_node, parked_at(node, may_park));
    atomic_store(&slot->call_state, state_make(name->sequence, CALL_SENT));
}

bool call_again(struct actor *actor, struct call_name *name)
{
    struct slot *slot = actor->slot;
    bool waits;

    lock_take(actor, &slot->call_lock);
    waits = phase_of(atomic_load(&slot->call_state)) == CALL_SENT;
    if (waits)
        atomic_store(&slot->call_state, state_make(++name->sequence, CALL_SENT));
    lock_give(actor, &slot->call_lock);
    return waits;
}

/* What a caller looks for while it sleeps. */
struct awaited {
    bool sends; /* for itself: it must send again when leaders have changed since then */
    uint64_t changes;
};

enum { LOOK_NOTHING = 0, LOOK_ANSWERED = 1, LOOK_LOST = 2 };

/* What lies in a mailbox is sent again by whoever leads this node; nobody may. */
static int answered_look(struct actor *actor, void *context)
{
    const struct awaited *awaited = context;

    if (phase_of(atomic_load(&actor->slot->call_state)) == CALL_ANSWERED)
        return LOOK_ANSWERED;
    if (awaited->sends)
        return leader_changes(&actor->arena) != awaited->changes ? CALL_AGAIN : LOOK_NOTHING;
    return leader_of(&actor->arena, table_node(&actor->arena)) < 0 ? LOOK_LOST : LOOK_NOTHING;
}

/* Copies the answer out of the arena, and the sentence of a failure to this thread. */
static int reply_read(const struct call_reply *reply, struct answer *answer)
{
    int result = (int)reply->result;

    if (reply->sentence_size > 0)
        fail_text(result, (const char *)reply->data + reply->size);
    if (result != TROUPE_OK && result != TROUPE_TOO_LONG)
        return result;
    memcpy(answer->words, reply->words, sizeof answer->words);
    if (reply->size == 0)
        return result;
    answer->data = malloc(reply->size);
    if (answer->data == NULL)
        return fail(TROUPE_NO_MEMORY, "no memory for an answer of %llu bytes",
                    (unsigned long long)reply->size);
    memcpy(answer->data, reply->data, reply->size);
    answer->size = reply->size;
    return result;
}

static void mailbox_empty(struct actor *actor, struct slot *slot, uint64_t sequence)
{
    uint64_t request = atomic_load(&slot->call_request), reply = atomic_load(&slot->call_reply);

    if (request != 0)
        tx_retire(actor, request);
    if (reply != 0)
        tx_retire(actor, reply);
    tx_write(actor, &slot->call_request, 0);
    tx_write(actor, &slot->call_reply, 0);
    tx_write(actor, &slot->call_state, state_make(sequence, CALL_IDLE));
    tx_commit(actor);
}

void call_end(struct actor *actor)
{
    struct slot *slot = actor->slot;
    uint64_t sequence = sequence_of(atomic_load(&slot->call_state));

    lock_take(actor, &slot->call_lock);
    if (atomic_load(&slot->call_request) == 0 && atomic_load(&slot->call_reply) == 0)
        atomic_store(&slot->call_state, state_make(sequence, CALL_IDLE)); /* alone, so whole */
    else
        mailbox_empty(actor, slot, sequence);
    lock_give(actor, &slot->call_lock);
}

/* A request that may be parked is called back when its caller is cancelled; but its answer is
 * awaited all the same, for it may be on its way already, with a message that nobody else has. */
static int answer_await(struct actor *actor, struct awaited *awaited)
{
    struct slot *slot = actor->slot;
    bool was_steady = actor->is_steady;
    int seen;

    actor->is_steady = was_steady || atomic_load(&slot->call_node) == 0;
    seen = bell_await(actor, &slot->call_bell, CLOCK_FOREVER, LOOK_NOTHING, answered_look, awaited);
    if (seen == TROUPE_CANCELLED) {
        atomic_store(&slot->call_cancelled, sequence_of(atomic_load(&slot->call_state)));
        bell_ring(&actor->arena, &actor->arena.header->service_bell, FUTEX_ALL);
        actor->is_steady = true;
        seen = bell_await(actor, &slot->call_bell, CLOCK_FOREVER, LOOK_NOTHING, answered_look,
                          awaited);
    }
    actor->is_steady = was_steady;
    return seen;
}

static int answer_take(struct actor *actor, struct answer *answer)
{
    int result = reply_read(arena_at(&actor->arena, atomic_load(&actor->slot->call_reply)), answer);

    call_end(actor);
    return result;
}

int call_await(struct actor *actor, struct answer *answer)
{
    struct awaited awaited = { false, 0 };

    if (answer_await(actor, &awaited) == LOOK_ANSWERED)
        return answer_take(actor, answer);
    call_end(actor);
    return fail(TROUPE_LOST, "every rank of this node has ended: nobody can ask another node");
}

int call_await_here(struct actor *actor, uint64_t changes, struct answer *answer)
{
    struct awaited awaited = { true, changes };

    return answer_await(actor, &awaited) == LOOK_ANSWERED ? answer_take(actor, answer) : CALL_AGAIN;
}

/* Part of the transaction that empties a dead caller's mailbox. Without room for the note, the
 * request stays at the other node until it is answered, to nobody. */
static struct node *withdrawal_write(struct actor *actor, const struct slot *slot)
{
    struct node *node = node_of(&actor->arena);
    struct withdrawal *withdrawal;
    uint64_t place;

    if (tx_alloc(actor, sizeof *withdrawal, &place) != TROUPE_OK)
        return NULL;
    withdrawal = arena_at(&actor->arena, place);
    lock_take(actor, &node->withdrawn_lock);
    withdrawal->next = atomic_load(&node->withdrawn);
    withdrawal->node = atomic_load(&slot->call_node) - 1;
    withdrawal->name.slot = (uint32_t)(slot - actor->arena.slots);
    withdrawal->name.incarnation = slot_incarnation_of(atomic_load(&slot->identity));
    withdrawal->name.sequence = sequence_of(atomic_load(&slot->call_state));
    tx_write(actor, &node->withdrawn, place);
    return node;
}

void call_bury(struct actor *actor, struct slot *slot)
{
    struct node *node = NULL;
    enum call_phase phase;

    lock_take(actor, &slot->call_lock);
    phase = phase_of(atomic_load(&slot->call_state));
    if (phase == CALL_SENT && atomic_load(&slot->call_node) != 0)
        node = withdrawal_write(actor, slot);
    mailbox_empty(actor, slot, sequence_of(atomic_load(&slot->call_state)) + 1);
    if (node != NULL)
        lock_give(actor, &node->withdrawn_lock);
    lock_give(actor, &slot->call_lock);
    bell_ring(&actor->arena, &actor->arena.header->service_bell, FUTEX_ALL);
}

/* ---- the service ------------------------------------------------------------------------ */

/* Copies a posted request under the mailbox's lock: it cannot be freed meanwhile. */
static struct call_request *take_from(struct actor *actor, struct slot *slot)
{
    struct call_request *copy = NULL;
    const struct call_request *posted;
    uint64_t state;

    lock_take(actor, &slot->call_lock);
    state = atomic_load(&slot->call_state);
    if (phase_of(state) == CALL_POSTED) {
        posted = arena_at(&actor->arena, atomic_load(&slot->call_request));
        copy = malloc(sizeof *copy + posted->size);
        if (copy != NULL) {
            memcpy(copy, posted, sizeof *copy + posted->size);
            tx_write(actor, &slot->call_state, state_make(sequence_of(state), CALL_SENT));
            tx_commit(actor);
        }
    }
    lock_give(actor, &slot->call_lock);
    return copy;
}

struct call_request *call_take(struct actor *actor, struct call_name *name, uint64_t *first,
                               uint32_t *party)
{
    uint32_t high = atomic_load(&actor->arena.header->slot_high);

    for (uint32_t number = SLOT_FIRST; number < high; number++) {
        struct slot *slot = slot_at(&actor->arena, number);
        struct call_request *taken;

        if (phase_of(atomic_load(&slot->call_state)) != CALL_POSTED)
            continue;
        name->slot = number;
        name->incarnation = slot_incarnation_of(atomic_load(&slot->identity));
        name->sequence = sequence_of(atomic_load(&slot->call_state));
        *first = atomic_load(&slot->call_first);
        *party = slot_party_of(atomic_load(&slot->identity));
        taken = take_from(actor, slot);
        if (taken != NULL)
            return taken;
    }
    return NULL;
}

/* Posts a request once more that the service has sent. Its caller may have been cancelled, which
 * the other node is to be told again, too. */
static void mailbox_post_again(struct actor *actor, struct slot *slot, int node)
{
    uint64_t state, cancelled;

    lock_take(actor, &slot->call_lock);
    state = atomic_load(&slot->call_state);
    if (phase_of(state) == CALL_SENT && atomic_load(&slot->call_request) != 0 &&
        (node == CALL_ANYWHERE || atomic_load(&slot->call_to) == (uint64_t)node)) {
        cancelled = atomic_load(&slot->call_cancelled) & ~CANCEL_TOLD;
        if (cancelled >= sequence_of(state)) /* higher: whoever did this before us died after it */
            atomic_store(&slot->call_cancelled, sequence_of(state) + 1);
        atomic_store(&slot->call_state, state_make(sequence_of(state) + 1, CALL_POSTED));
    }
    lock_give(actor, &slot->call_lock);
}

void call_post_again(struct actor *actor, int node)
{
    uint32_t high = atomic_load(&actor->arena.header->slot_high);

    for (uint32_t number = SLOT_FIRST; number < high; number++) {
        struct slot *slot = slot_at(&actor->arena, number);

        if (phase_of(atomic_load(&slot->call_state)) == CALL_SENT) {
            mailbox_post_again(actor, slot, node);
            bell_ring(&actor->arena, &slot->call_bell, FUTEX_ALL);
        }
        if (atomic_load(&slot->watching) != 0) {
            atomic_store(&slot->rung, UINT64_MAX);
            bell_ring(&actor->arena, &slot->doorbell, FUTEX_ALL);
        }
    }
}

static int reply_make(struct actor *actor, int result, const struct answer *answer,
                      const char *sentence, uint64_t *place)
{
    size_t sentence_size = sentence != NULL ? strlen(sentence) + 1 : 0;
    struct call_reply *reply;
    int outcome = tx_alloc(actor, sizeof *reply + answer->size + sentence_size, place);

    if (outcome != TROUPE_OK)
        return outcome;
    reply = arena_at(&actor->arena, *place);
    reply->result = result;
    memcpy(reply->words, answer->words, sizeof reply->words);
    reply->size = answer->size;
    reply->sentence_size = sentence_size;
    if (answer->size > 0)
        memcpy(reply->data, answer->data, answer->size);
    if (sentence_size > 0)
        memcpy(reply->data + answer->size, sentence, sentence_size);
    return TROUPE_OK;
}

static bool still_waits(const struct slot *slot, const struct call_name *name)
{
    return slot_incarnation_of(atomic_load(&slot->identity)) == name->incarnation &&
           atomic_load(&slot->call_state) == state_make(name->sequence, CALL_SENT);
}

/* Where the arena has no room for the answer, the block of the request, which is at least as large
 * as an answer without data, carries the failure instead. */
static uint64_t reply_instead(struct slot *slot, struct actor *actor, int result)
{
    uint64_t place = atomic_load(&slot->call_request);
    struct call_reply *reply = arena_at(&actor->arena, place);

    memset(reply, 0, sizeof *reply);
    reply->result = result;
    tx_write(actor, &slot->call_request, 0);
    return place;
}
_Static_assert(sizeof(struct call_reply) <= sizeof(struct call_request), "an answer fits instead");

void call_answer(struct actor *actor, const struct call_name *name, int result,
                 const struct answer *answer, const char *sentence)
{
    struct slot *slot = slot_at(&actor->arena, name->slot);
    uint64_t place;
    int made = reply_make(actor, result, answer, sentence, &place);

    lock_take(actor, &slot->call_lock);
    if (still_waits(slot, name)) {
        if (made != TROUPE_OK)
            place = reply_instead(slot, actor, made);
        bell_promise(actor, &slot->call_bell);
        tx_write(actor, &slot->call_reply, place);
        tx_write(actor, &slot->call_state, state_make(name->sequence, CALL_ANSWERED));
        tx_commit(actor);
    } else
        tx_abort(actor);
    lock_give(actor, &slot->call_lock);
    bell_redeem(actor, FUTEX_ALL);
}

void call_ring(struct actor *actor, const struct call_name *name, uint64_t item)
{
    struct slot *slot = slot_at(&actor->arena, name->slot);

    if (slot_incarnation_of(atomic_load(&slot->identity)) != name->incarnation)
        return;
    atomic_fetch_or(&slot->rung, (uint64_t)1 << item % RING_BITS);
    bell_ring(&actor->arena, &slot->doorbell, FUTEX_ALL);
}

/* The swap tells it once. */
bool call_next_cancelled(struct actor *actor, struct call_name *name, int *node)
{
    uint32_t high = atomic_load(&actor->arena.header->slot_high);

    for (uint32_t number = SLOT_FIRST; number < high; number++) {
        struct slot *slot = slot_at(&actor->arena, number);
        uint64_t sequence = atomic_load(&slot->call_cancelled);

        if (sequence == 0 || (sequence & CANCEL_TOLD) != 0 ||
            atomic_load(&slot->call_state) != state_make(sequence, CALL_SENT) ||
            !atomic_compare_exchange_strong(&slot->call_cancelled, &sequence,
                                            sequence | CANCEL_TOLD))
            continue;
        *name = (struct call_name){ number, slot_incarnation_of(atomic_load(&slot->identity)),
                                    sequence };
        *node = (int)atomic_load(&slot->call_node) - 1;
        return true;
    }
    return false;
}

bool call_next_withdrawn(struct actor *actor, struct call_name *name, int *node)
{
    struct node *own = node_of(&actor->arena);
    const struct withdrawal *first;
    uint64_t place;

    if (atomic_load(&own->withdrawn) == 0)
        return false;
    lock_take(actor, &own->withdrawn_lock);
    place = atomic_load(&own->withdrawn);
    if (place != 0) {
        first = arena_at(&actor->arena, place);
        *name = first->name;
        *node = (int)first->node;
        tx_retire(actor, place);
        tx_write(actor, &own->withdrawn, first->next);
        tx_commit(actor);
    }
    lock_give(actor, &own->withdrawn_lock);
    return place != 0;
}
