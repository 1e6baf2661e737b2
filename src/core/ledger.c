#include "core/ledger.h"

#include "base/error.h"
#include "core/node.h"
#include "core/party.h"
#include "core/table.h"
#include "core/tx.h"

#include <stdlib.h>
#include <string.h>

#define CHAINS_LEAST 64u
#define CHAINS_MOST 65536u
#define ROOM_LEAST 1024u
#define ROOM_KEPT                                                                                  \
    (64u << 10) /* a larger one is given back when its answer is not wanted any more */

/* What is not named here is doubtful: an operation that nobody has thought about is not done
 * twice. clang-format would give each a line of its own. */
/* clang-format off */
static const uint8_t kinds[SERVICE_OPS] = {
    [SERVICE_QUEUE_PUT] = LEDGER_WITNESSED,       [SERVICE_QUEUE_GET] = LEDGER_WITNESSED,
    [SERVICE_QUEUE_SIZE] = LEDGER_REPEATABLE,     [SERVICE_QUEUE_CLOSE] = LEDGER_REPEATABLE,
    [SERVICE_QUEUE_DESTROY] = LEDGER_ENDING,      [SERVICE_QUEUE_PUT_MANY] = LEDGER_WITNESSED,
    [SERVICE_QUEUE_LEASE] = LEDGER_WITNESSED,     [SERVICE_QUEUE_DONE] = LEDGER_WITNESSED,
    [SERVICE_QUEUE_JOIN] = LEDGER_REPEATABLE,     [SERVICE_QUEUE_FULL] = LEDGER_REPEATABLE,
    [SERVICE_DICT_CREATE] = LEDGER_ASKED,         [SERVICE_DICT_SET] = LEDGER_WITNESSED,
    [SERVICE_DICT_GET] = LEDGER_REPEATABLE,       [SERVICE_DICT_DELETE] = LEDGER_WITNESSED,
    [SERVICE_DICT_SIZE] = LEDGER_REPEATABLE,      [SERVICE_DICT_NEXT] = LEDGER_REPEATABLE,
    [SERVICE_DICT_DESTROY] = LEDGER_ENDING,       [SERVICE_DICT_DEFAULT] = LEDGER_WITNESSED,
    [SERVICE_DICT_POP] = LEDGER_WITNESSED,        [SERVICE_DICT_ADD] = LEDGER_WITNESSED,
    [SERVICE_DICT_WAIT] = LEDGER_REPEATABLE,      [SERVICE_DICT_CLEAR] = LEDGER_REPEATABLE,
    [SERVICE_DICT_GET_MANY] = LEDGER_REPEATABLE,  [SERVICE_DICT_SET_MANY] = LEDGER_REPEATABLE,
    [SERVICE_NAMES_LIVES] = LEDGER_REPEATABLE,    [SERVICE_NAMES_FORGET] = LEDGER_REPEATABLE,
    [SERVICE_PROCESS_START] = LEDGER_WITNESSED,   [SERVICE_PROCESS_JOIN] = LEDGER_REPEATABLE,
    [SERVICE_PROCESS_STATUS] = LEDGER_REPEATABLE, [SERVICE_PROCESS_NAME] = LEDGER_REPEATABLE,
    [SERVICE_PROCESS_CLOSE] = LEDGER_ENDING,      [SERVICE_PROCESS_ENDED] = LEDGER_REPEATABLE,
    [SERVICE_PROCESS_SIGNAL] = LEDGER_REPEATABLE, [SERVICE_NODE_DRAIN] = LEDGER_REPEATABLE,
    [SERVICE_NODE_END] = LEDGER_REPEATABLE,       [SERVICE_NODE_DAEMONS] = LEDGER_REPEATABLE,
    [SERVICE_NODE_IDLE] = LEDGER_REPEATABLE,      [SERVICE_GROUP_BEREAVE] = LEDGER_REPEATABLE,
    [SERVICE_LIST_GET] = LEDGER_REPEATABLE,       [SERVICE_LIST_SIZE] = LEDGER_REPEATABLE,
    [SERVICE_LIST_DESTROY] = LEDGER_ENDING,       [SERVICE_ARRAY_GET] = LEDGER_REPEATABLE,
    [SERVICE_ARRAY_LENGTH] = LEDGER_REPEATABLE,   [SERVICE_ARRAY_DESTROY] = LEDGER_ENDING,
    [SERVICE_SYNC_DESTROY] = LEDGER_ENDING,       [SERVICE_LOCK_ACQUIRE] = LEDGER_ASKED,
    [SERVICE_LOCK_RELEASE] = LEDGER_ASKED,        [SERVICE_SEMAPHORE_VALUE] = LEDGER_REPEATABLE,
    [SERVICE_EVENT_CHANGE] = LEDGER_REPEATABLE,   [SERVICE_EVENT_LOOK] = LEDGER_REPEATABLE,
    [SERVICE_EVENT_WAIT] = LEDGER_REPEATABLE,     [SERVICE_BARRIER_WAIT] = LEDGER_REPEATABLE,
    [SERVICE_BARRIER_STATUS] = LEDGER_REPEATABLE, [SERVICE_BARRIER_DESTROY] = LEDGER_ENDING,
    [SERVICE_CONDITION_DESTROY] = LEDGER_ENDING,  [SERVICE_PIPE_DESTROY] = LEDGER_ENDING,
    [SERVICE_PIPE_HOLD] = LEDGER_REPEATABLE,      [SERVICE_PIPE_PEER] = LEDGER_REPEATABLE,
    [SERVICE_WAIT] = LEDGER_REPEATABLE,           [SERVICE_WAIT_WATCH] = LEDGER_REPEATABLE,
    [SERVICE_UNWATCH] = LEDGER_REPEATABLE,        [SERVICE_POOL_MAKE] = LEDGER_REPEATABLE,
    [SERVICE_POOL_LEASE] = LEDGER_REPEATABLE,     [SERVICE_POOL_RESULTS] = LEDGER_REPEATABLE,
    [SERVICE_POOL_END] = LEDGER_ENDING,           [SERVICE_PARTY_LEFT] = LEDGER_REPEATABLE,
    [SERVICE_CONDITION_ABANDON] = LEDGER_REPEATABLE,
};
/* clang-format on */

enum ledger_kind ledger_kind_of(enum service_op op)
{
    return (uint32_t)op < SERVICE_OPS ? (enum ledger_kind)kinds[op] : LEDGER_DOUBTFUL;
}

uint64_t ledger_chains_for(uint32_t nodes, uint32_t world_size)
{
    uint64_t chains = CHAINS_LEAST;

    while (nodes > 1 && chains < 2 * (uint64_t)world_size && chains < CHAINS_MOST)
        chains *= 2;
    return nodes > 1 ? chains : 1;
}

static uint64_t state_make(uint64_t first, enum ledger_phase phase)
{
    return first << LEDGER_PHASE_BITS | phase;
}

/* ---- entries -------------------------------------------------------------------------------- */

static uint64_t caller_make(int node, uint32_t slot)
{
    return (uint64_t)(uint32_t)node << 32 | slot;
}

static _Atomic uint64_t *chain_at(const struct arena *arena, uint64_t number)
{
    return (_Atomic uint64_t *)arena_at(arena, node_of(arena)->ledger) + number;
}

/* Slots of one node follow one another, and so do the chains of their callers. */
static _Atomic uint64_t *chain_of(const struct arena *arena, uint64_t caller)
{
    uint64_t spread = (caller >> 32) * 0x9e3779b97f4a7c15u >> 32;

    return chain_at(arena, (spread + caller) & (node_of(arena)->ledger_chains - 1));
}

static struct ledger_entry *entry_find(const struct arena *arena, uint64_t caller)
{
    uint64_t place = atomic_load(chain_of(arena, caller));

    while (place != 0) {
        struct ledger_entry *entry = arena_at(arena, place);

        if (atomic_load_explicit(&entry->caller, memory_order_relaxed) == caller)
            return entry;
        place = atomic_load_explicit(&entry->next, memory_order_relaxed);
    }
    return NULL;
}

static struct ledger_entry *entry_make(struct actor *actor, uint64_t caller)
{
    _Atomic uint64_t *chain = chain_of(&actor->arena, caller);
    struct ledger_entry *entry;
    struct error_kept kept;
    uint64_t place;
    int result;

    error_keep(&kept);
    result = tx_alloc(actor, sizeof *entry, &place);
    error_restore(&kept);
    if (result != TROUPE_OK)
        return NULL;
    entry = arena_at(&actor->arena, place);
    memset(entry, 0, sizeof *entry);
    atomic_store(&entry->caller, caller);
    atomic_store(&entry->next, atomic_load(chain));
    tx_write(actor, chain, place);
    tx_commit(actor);
    return entry;
}

/* What the entry keeps of its last answer is not asked for any more. */
static void answer_drop(struct actor *actor, struct ledger_entry *entry)
{
    uint64_t block = atomic_load_explicit(&entry->block, memory_order_relaxed);
    uint64_t bytes = atomic_load_explicit(&entry->room_bytes, memory_order_relaxed);

    if (block == 0 && bytes <= ROOM_KEPT)
        return;
    if (block != 0) {
        tx_retire(actor, block);
        tx_write(actor, &entry->block, 0);
    }
    if (bytes > ROOM_KEPT) {
        tx_retire(actor, atomic_load(&entry->room));
        tx_write(actor, &entry->room, 0);
        tx_write(actor, &entry->room_bytes, 0);
    }
    tx_write(actor, &entry->state, LEDGER_NONE);
    tx_commit(actor);
}

struct ledger_entry *ledger_entry_of(struct actor *actor, const struct ledger_call *call)
{
    uint64_t caller = caller_make(call->node, call->slot);
    struct ledger_entry *entry = entry_find(&actor->arena, caller);

    if (entry == NULL)
        entry = entry_make(actor, caller);
    if (entry == NULL || atomic_load(&entry->incarnation) >= call->incarnation)
        return entry;
    atomic_store(&entry->state, LEDGER_NONE); /* of the slot's former owner */
    answer_drop(actor, entry);
    atomic_store(&entry->latest, 0);
    atomic_store(&entry->party, party_name_at(call->node, call->party));
    atomic_store(&entry->incarnation, call->incarnation);
    return entry;
}

enum ledger_verdict ledger_meet(struct actor *actor, struct ledger_entry *entry,
                                const struct ledger_call *call)
{
    uint64_t state = atomic_load_explicit(&entry->state, memory_order_relaxed);

    if (atomic_load_explicit(&entry->incarnation, memory_order_relaxed) != call->incarnation ||
        atomic_load_explicit(&entry->latest, memory_order_relaxed) >= call->sequence)
        return LEDGER_LATE;
    atomic_store_explicit(&entry->latest, call->sequence, memory_order_relaxed);
    if (state == state_make(call->first, LEDGER_APPLIED))
        return LEDGER_AGAIN;
    if (state == state_make(call->first, LEDGER_BEGUN))
        return LEDGER_IN_DOUBT;
    answer_drop(actor, entry);
    return LEDGER_FRESH;
}

/* ---- around a handler ----------------------------------------------------------------------- */

void ledger_begin(struct actor *actor, struct ledger_entry *entry, enum service_op op,
                  uint64_t first)
{
    enum ledger_kind kind = ledger_kind_of(op);

    if (entry == NULL || kind == LEDGER_REPEATABLE)
        return;
    atomic_store_explicit(&entry->state, state_make(first, LEDGER_BEGUN), memory_order_relaxed);
    if (kind != LEDGER_WITNESSED)
        return;
    atomic_store_explicit(&entry->result, TROUPE_OK, memory_order_relaxed);
    for (int i = 0; i < SERVICE_WORDS; i++)
        atomic_store_explicit(&entry->words[i], 0, memory_order_relaxed);
    atomic_store_explicit(&entry->size, 0, memory_order_relaxed);
    actor->ledger = entry;
}

/* Whether an operation with this result changed something. What did not is done anew when it is
 * asked for again, and tells its sentence anew. */
static bool has_effect(int result)
{
    return result >= TROUPE_OK || result == TROUPE_OWNER_DIED;
}

/* Copies an answer's data to the room; false when there is none. */
static bool data_remember(struct actor *actor, struct ledger_entry *entry,
                          const struct answer *answer)
{
    struct error_kept kept;
    void *room;

    atomic_store_explicit(&entry->size, answer->size, memory_order_relaxed);
    if (answer->size == 0)
        return true;
    error_keep(&kept);
    actor->ledger = entry;
    room = ledger_room(actor, answer->size);
    actor->ledger = NULL;
    error_restore(&kept);
    if (room == NULL)
        return false;
    memcpy(room, answer->data, answer->size);
    atomic_store_explicit(&entry->data, atomic_load(&entry->room), memory_order_relaxed);
    return true;
}

/* The state is stored last, with release: whoever finds it finds the rest. */
void ledger_end(struct actor *actor, struct ledger_entry *entry, int result,
                const struct answer *answer)
{
    uint64_t state, first;

    actor->ledger = NULL;
    actor->witness = (struct actor_witness){ NULL, 0 };
    if (entry == NULL)
        return;
    state = atomic_load_explicit(&entry->state, memory_order_relaxed);
    first = state >> LEDGER_PHASE_BITS;
    if (state != state_make(first, LEDGER_BEGUN))
        return; /* repeatable, or witnessed */
    if (result == SERVICE_PARK || result == SERVICE_WATCH || !has_effect(result) ||
        !data_remember(actor, entry, answer)) {
        atomic_store_explicit(&entry->state, LEDGER_NONE, memory_order_release);
        return;
    }
    atomic_store_explicit(&entry->result, (uint64_t)(int64_t)result, memory_order_relaxed);
    for (int i = 0; i < SERVICE_WORDS; i++)
        atomic_store_explicit(&entry->words[i], answer->words[i], memory_order_relaxed);
    atomic_store_explicit(&entry->state, state_make(first, LEDGER_APPLIED), memory_order_release);
}

static bool data_is_own(const struct ledger_entry *entry)
{
    return atomic_load(&entry->block) != 0 ||
           atomic_load(&entry->data) == atomic_load(&entry->room);
}

int ledger_answer(struct actor *actor, const struct ledger_entry *entry, uint64_t object,
                  struct answer *answer)
{
    int result = (int)(int64_t)atomic_load(&entry->result);
    struct record *record;

    if (atomic_load(&entry->size) > 0 && !data_is_own(entry) &&
        table_find(actor, object, handle_kind(object), &record) != TROUPE_OK)
        return TROUPE_BAD_HANDLE;

    for (int i = 0; i < SERVICE_WORDS; i++)
        answer->words[i] = atomic_load(&entry->words[i]);
    answer->size = atomic_load(&entry->size);
    if (answer->size == 0)
        return result;
    answer->data = malloc(answer->size);
    if (answer->data == NULL) {
        answer->size = 0;
        return fail(TROUPE_NO_MEMORY, "the home has no memory for an answer");
    }
    memcpy(answer->data, arena_at(&actor->arena, atomic_load(&entry->data)), answer->size);
    return result;
}

void ledger_forget(struct actor *actor, int node, uint32_t slot, uint32_t incarnation)
{
    struct ledger_entry *entry = entry_find(&actor->arena, caller_make(node, slot));

    if (entry == NULL || atomic_load(&entry->incarnation) != incarnation)
        return;
    atomic_store(&entry->latest, UINT64_MAX);
    atomic_store(&entry->state, LEDGER_NONE);
    answer_drop(actor, entry);
}

/* position: chain (32) | entries of it that have been passed (32). */
uint64_t ledger_party_next(struct actor *actor, int node, uint64_t *position)
{
    const struct arena *arena = &actor->arena;

    for (; *position >> 32 < node_of(arena)->ledger_chains;
         *position = ((*position >> 32) + 1) << 32) {
        uint64_t place = atomic_load(chain_at(arena, *position >> 32)), passed = 0;

        for (; place != 0; passed++) {
            const struct ledger_entry *entry = arena_at(arena, place);

            place = atomic_load(&entry->next);
            if (passed < (uint32_t)*position || atomic_load(&entry->caller) >> 32 != (uint32_t)node)
                continue;
            *position = (*position >> 32 << 32) + passed + 1;
            return atomic_load(&entry->party);
        }
    }
    return 0;
}

/* ---- witnesses ------------------------------------------------------------------------------ */

void ledger_word_set(struct actor *actor, int word, uint64_t value)
{
    atomic_store_explicit(&actor->ledger->words[word], value, memory_order_relaxed);
}

void ledger_word_write(struct actor *actor, int word, uint64_t value)
{
    if (ledger_serves(actor))
        tx_write(actor, &actor->ledger->words[word], value);
}

void *ledger_room(struct actor *actor, uint64_t bytes)
{
    struct ledger_entry *entry = actor->ledger;
    uint64_t old = atomic_load(&entry->room), place, wanted = bytes;

    if (old != 0 && atomic_load(&entry->room_bytes) >= bytes)
        return arena_at(&actor->arena, old);
    if (wanted < ROOM_LEAST)
        wanted = ROOM_LEAST;
    if (tx_alloc(actor, wanted, &place) != TROUPE_OK)
        return NULL;
    if (old != 0)
        tx_retire(actor, old);
    tx_write(actor, &entry->room, place);
    tx_write(actor, &entry->room_bytes, wanted);
    tx_commit(actor);
    return arena_at(&actor->arena, place);
}

bool ledger_has_room(const struct actor *actor, uint64_t bytes)
{
    return ledger_serves(actor) && atomic_load(&actor->ledger->room_bytes) >= bytes;
}

void ledger_data(struct actor *actor, const void *data, uint64_t bytes)
{
    uint64_t room = atomic_load(&actor->ledger->room);

    if (bytes > 0)
        memcpy(arena_at(&actor->arena, room), data, bytes);
    atomic_store_explicit(&actor->ledger->data, room, memory_order_relaxed);
    atomic_store_explicit(&actor->ledger->size, bytes, memory_order_relaxed);
}

void ledger_borrow(struct actor *actor, uint64_t at, uint64_t size)
{
    if (!ledger_serves(actor))
        return;
    atomic_store_explicit(&actor->ledger->data, at, memory_order_relaxed);
    atomic_store_explicit(&actor->ledger->size, size, memory_order_relaxed);
}

void ledger_keep(struct actor *actor, uint64_t block, uint64_t at, uint64_t size)
{
    if (!ledger_serves(actor)) {
        tx_take(actor, block);
        return;
    }
    atomic_store_explicit(&actor->ledger->data, block + at, memory_order_relaxed);
    atomic_store_explicit(&actor->ledger->size, size, memory_order_relaxed);
    tx_write(actor, &actor->ledger->block, block);
}

void ledger_release(struct actor *actor, uint64_t block)
{
    if (!ledger_serves(actor) || atomic_load(&actor->ledger->block) != block)
        heap_release(actor, block);
}

/* The answer's words lie before the state in the order of stores: the commit releases them. */
void ledger_witness_set(struct actor *actor)
{
    uint64_t state = atomic_load_explicit(&actor->ledger->state, memory_order_relaxed);

    actor->witness =
        (struct actor_witness){ &actor->ledger->state,
                                state_make(state >> LEDGER_PHASE_BITS, LEDGER_APPLIED) };
}
