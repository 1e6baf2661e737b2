/* What a node answered to each caller of another node last: so that a request that is sent again,
 * because a leader died at either end, is answered again and not applied again.
 *
 * What always holds: each caller, a slot of another node, has one request at a time, so one entry
 * in the arena does. A request keeps the sequence of its first sending (`first`) however often it
 * is sent; each sending has a sequence of its own, and one that comes after a later one is dropped.
 * The entry's state is first << LEDGER_PHASE_BITS | phase:
 *
 *   BEGUN     a handler works on it; if that is what a new leader finds, the old one died in it
 *   APPLIED   it has had its effect, and the entry holds the answer
 *
 * How the effect and APPLIED come to be one: a handler of a `WITNESSED` operation says, before the
 * transaction that is the effect, what the answer is (ledger_word, ledger_data, ledger_keep) and
 * that this is it (ledger_witness); the transaction then writes the state, too. So after a death it
 * is APPLIED, with its answer, or has not happened, and is done anew. Of the other operations the
 * kinds below say what becomes of a death in their middle. Once the handler has returned, before
 * the answer leaves, all of them are APPLIED.
 *
 * The entries are changed by the rank that leads the node alone, by the thread that drives it, with
 * the service's actor; a dead leader's transaction is settled before there is another. */
#ifndef TROUPE_CORE_LEDGER_H
#define TROUPE_CORE_LEDGER_H

#include "core/service.h"

#include <stdbool.h>

#define LEDGER_PHASE_BITS 2
enum ledger_phase { LEDGER_NONE = 0, LEDGER_BEGUN = 1, LEDGER_APPLIED = 2 };

/* What a new leader does with a request that its predecessor may have died in, and whether what
 * has been answered is remembered at all. */
enum ledger_kind {
    LEDGER_DOUBTFUL = 0,   /* the caller is told: it may have been done or not (TROUPE_LOST) */
    LEDGER_REPEATABLE = 1, /* does it again: it changes nothing, or the same once more */
    LEDGER_WITNESSED = 2,  /* see above */
    LEDGER_ASKED = 3,      /* the handler finds out what has happened, see ledger_again */
    LEDGER_ENDING = 4      /* does it again, and "is not there" means that it was done */
};
enum ledger_kind ledger_kind_of(enum service_op op);

struct ledger_entry {
    _Atomic uint64_t next;        /* offset, in its chain */
    _Atomic uint64_t caller;      /* node << 32 | slot */
    _Atomic uint64_t incarnation; /* of the slot */
    _Atomic uint64_t party;       /* its process, as party.h names it */
    _Atomic uint64_t latest;      /* the highest sequence that came */
    _Atomic uint64_t state;
    _Atomic uint64_t result;
    _Atomic uint64_t words[SERVICE_WORDS];
    _Atomic uint64_t data, size;       /* offset of the answer's data */
    _Atomic uint64_t block;            /* a block that is the entry's own, or 0 */
    _Atomic uint64_t room, room_bytes; /* a block for small answers that is used again and again */
};

/* The chains that a node of such a world has. */
uint64_t ledger_chains_for(uint32_t nodes, uint32_t world_size);

/* ---- for the desk --------------------------------------------------------------------------- */

/* Who sent a request, and which. */
struct ledger_call {
    int node;
    uint32_t slot, incarnation, party;
    uint64_t sequence, first;
};

/* The caller's entry, made if need be; NULL without room: the request is then not remembered. */
struct ledger_entry *ledger_entry_of(struct actor *actor, const struct ledger_call *call);

enum ledger_verdict {
    LEDGER_FRESH,   /* apply it */
    LEDGER_LATE,    /* a later sending, or a later request, came before: drop it */
    LEDGER_AGAIN,   /* answer it by ledger_answer */
    LEDGER_IN_DOUBT /* a leader died in it */
};
enum ledger_verdict ledger_meet(struct actor *actor, struct ledger_entry *entry,
                                const struct ledger_call *call);

/* Around a handler's run. entry may be NULL. */
void ledger_begin(struct actor *actor, struct ledger_entry *entry, enum service_op op,
                  uint64_t first);
void ledger_end(struct actor *actor, struct ledger_entry *entry, int result,
                const struct answer *answer);

/* The remembered answer to a request for that object; its data is the caller's, from malloc. */
int ledger_answer(struct actor *actor, const struct ledger_entry *entry, uint64_t object,
                  struct answer *answer);

/* The caller's death: what it was answered is forgotten. */
void ledger_forget(struct actor *actor, int node, uint32_t slot, uint32_t incarnation);

/* Walks over the parties of a node that called here; 0 when there is no more. */
uint64_t ledger_party_next(struct actor *actor, int node, uint64_t *position);

/* ---- for handlers --------------------------------------------------------------------------- */

/* Whether the request that the actor serves may have been applied, in part or whole, by a leader
 * that died in it. */
static inline bool ledger_again(const struct actor *actor)
{
    return actor->serves_again;
}

/* ---- for handlers of witnessed operations --------------------------------------------------- */

/* Nothing happens in these for an actor that serves nobody: the owners of objects call them whoever
 * asks. */

/* Whether the actor serves a witnessed request. */
static inline bool ledger_serves(const struct actor *actor)
{
    return actor->ledger != NULL;
}

/* A word of the answer, before its effect. */
void ledger_word_set(struct actor *actor, int word, uint64_t value);
static inline void ledger_word(struct actor *actor, int word, uint64_t value)
{
    if (ledger_serves(actor))
        ledger_word_set(actor, word, value);
}

/* The same as part of the transaction that is the effect, for one that goes on after it. */
void ledger_word_write(struct actor *actor, int word, uint64_t value);

/* Memory in the arena for the answer's data, kept until this caller's next request. The actor has
 * no open transaction. NULL without room. */
void *ledger_room(struct actor *actor, uint64_t bytes);

/* Whether the room, made before the transaction, has so many bytes. */
bool ledger_has_room(const struct actor *actor, uint64_t bytes);

/* The answer's data, which is copied to the room. */
void ledger_data(struct actor *actor, const void *data, uint64_t bytes);

/* The answer's data are [size] bytes that belong to the request's object, for as long as that lives
 * and the caller asks for nothing else. */
void ledger_borrow(struct actor *actor, uint64_t at, uint64_t size);

/* A linked block that the coming commit unlinks: it is the actor's, as after tx_take, or the
 * ledger's, whose answer's data are the [size] bytes at `at` in it. ledger_release instead of
 * heap_release gives back the first alone. */
void ledger_keep(struct actor *actor, uint64_t block, uint64_t at, uint64_t size);
void ledger_release(struct actor *actor, uint64_t block);

/* The next commit is the effect. */
void ledger_witness_set(struct actor *actor);
static inline void ledger_witness(struct actor *actor)
{
    if (ledger_serves(actor))
        ledger_witness_set(actor);
}

#endif
