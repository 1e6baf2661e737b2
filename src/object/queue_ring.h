/* What a queue is made of: two ends that move over a chain of segments.
 *
 *   record   lock | other_lock | bells
 *   body     state, limits, stub | put end | getters' counts, seen by putters | get end | leases
 *                            |         |                                           |
 *   segment  head message | head message | head message | head LINK → segment … head 0
 *
 * What always holds:
 * - An end is claimed by its lock, whose word names the claimer's slot: the put end by
 *   record->lock, the get end by record->other_lock. Who needs both takes the get end's first.
 * - A head is one word, 0 while there is nothing, then what follows it: that store publishes a
 *   message. The head behind the last message is 0 before the message's own head is not.
 * - An end's moment (place, messages, bytes) changes by the store of its turn: the moment of the
 *   next turn is written first, where nobody looks yet. Of the put end it may lag behind the heads
 *   when a putter died between the two stores; whoever claims the end next catches up.
 * - messages and bytes count what was ever put, and what was taken and not returned; the
 *   difference is in the queue.
 * - A segment is freed by the getter who follows its link, a message's block by its getter. Either
 *   first sees to it that whoever published it has given the put end back.
 *
 * docs/decisions/queue-ring.md has the picture, the orders of memory and the deaths. */
#ifndef TROUPE_OBJECT_QUEUE_RING_H
#define TROUPE_OBJECT_QUEUE_RING_H

#include "core/bell.h"
#include "core/lock.h"
#include "core/table.h"

#define SEGMENT_BYTES 8192u /* a block of this size begins at a multiple of it */
#define HEAD_BYTES sizeof(uint64_t)
#define QUEUE_CHAINS 16u

enum queue_state { QUEUE_OPEN = 0, QUEUE_CLOSED = 1, QUEUE_ENDING = 2 };

struct moment {
    _Atomic uint64_t place; /* of the next head, in the arena */
    _Atomic uint64_t messages, bytes;
};

struct end {
    _Atomic uint64_t turn; /* moments[turn & 1] is the end's */
    struct moment moments[2];
};

struct queue {
    /* Hardly ever written. */
    _Atomic uint64_t state;
    uint64_t max_messages, max_bytes;
    _Atomic uint64_t stub; /* the head where both ends begin: nothing fits behind it but a link */
    /* The put end; guarded by record->lock. */
    _Alignas(ARENA_LINE) struct end put;
    /* The get end's counts as putters last looked: they may only be too low, or from before a
     * return. */
    _Alignas(ARENA_LINE) _Atomic uint64_t taken_messages, taken_bytes;
    /* The get end; guarded, as all below, by record->other_lock. */
    _Alignas(ARENA_LINE) struct end get;
    _Atomic uint64_t returned; /* the first message that came back from a dead holder, or 0 */
    _Alignas(ARENA_LINE) _Atomic uint64_t tickets; /* given so far */
    _Atomic uint64_t leases;                       /* messages out on lease */
    _Atomic uint64_t chains[QUEUE_CHAINS];         /* those, by ticket */
};
_Static_assert(sizeof(struct queue) <= RECORD_ROOM, "a queue fits its record");

/* A message in a block of its own: a large one, or one on lease. */
struct message {
    _Atomic uint64_t next;    /* of the chain, or of those returned */
    _Atomic uint64_t ticket;  /* of the present lease */
    _Atomic uint64_t order;   /* the ticket of its first lease: older messages have lower ones */
    _Atomic uint64_t holder;  /* a party */
    _Atomic uint64_t attempt; /* how often it was leased */
    uint64_t size;
    uint64_t unused[2];
    unsigned char data[]; /* on a line of its own */
};

/* A head: its value (62) | kind (2). */
enum head_kind {
    HEAD_NONE = 0,
    HEAD_INLINE = 1, /* value: the size of the message that follows */
    HEAD_BLOCK = 2,  /* the size; the offset of the message's block follows */
    HEAD_LINK = 3    /* the offset of the next segment; it goes on there */
};
#define HEAD_KIND_BITS 2

static inline uint64_t head_make(enum head_kind kind, uint64_t value)
{
    return value << HEAD_KIND_BITS | kind;
}

static inline enum head_kind head_kind_of(uint64_t head)
{
    return (enum head_kind)(head & ((1u << HEAD_KIND_BITS) - 1));
}

static inline uint64_t head_value_of(uint64_t head)
{
    return head >> HEAD_KIND_BITS;
}

static inline _Atomic uint64_t *head_at(const struct arena *arena, uint64_t place)
{
    return arena_at(arena, place);
}

/* The bytes of a message's head and what follows it. */
static inline uint64_t head_span(enum head_kind kind, uint64_t size)
{
    return kind == HEAD_BLOCK ? 2 * HEAD_BYTES
                              : HEAD_BYTES + ((size + HEAD_BYTES - 1) & ~(HEAD_BYTES - 1));
}

static inline struct queue *queue_of(struct record *record)
{
    return (struct queue *)record->body;
}

/* ---- ends ------------------------------------------------------------------------------- */

/* A moment outside the arena. */
struct point {
    uint64_t place, messages, bytes;
};

/* For whoever has claimed the end. */
static inline struct point end_point(const struct end *end)
{
    uint64_t turn = atomic_load_explicit(&end->turn, memory_order_relaxed);
    const struct moment *moment = &end->moments[turn & 1];

    return (struct point){ atomic_load_explicit(&moment->place, memory_order_relaxed),
                           atomic_load_explicit(&moment->messages, memory_order_relaxed),
                           atomic_load_explicit(&moment->bytes, memory_order_relaxed) };
}

/* For anybody: a moment that was the end's. The writer stores a moment's words with release, so who
 * reads one of a later turn here finds the turn changed. */
static inline struct point end_look(const struct end *end)
{
    for (;;) {
        uint64_t turn = atomic_load_explicit(&end->turn, memory_order_acquire);
        const struct moment *moment = &end->moments[turn & 1];
        struct point point = { atomic_load_explicit(&moment->place, memory_order_acquire),
                               atomic_load_explicit(&moment->messages, memory_order_acquire),
                               atomic_load_explicit(&moment->bytes, memory_order_acquire) };

        if (atomic_load_explicit(&end->turn, memory_order_relaxed) == turn)
            return point;
    }
}

/* Writes the moment of the next turn and returns that turn, whose store makes it the end's. */
static inline uint64_t end_prepare(struct end *end, struct point point)
{
    uint64_t turn = atomic_load_explicit(&end->turn, memory_order_relaxed) + 1;
    struct moment *moment = &end->moments[turn & 1];

    atomic_store_explicit(&moment->place, point.place, memory_order_release);
    atomic_store_explicit(&moment->messages, point.messages, memory_order_release);
    atomic_store_explicit(&moment->bytes, point.bytes, memory_order_release);
    return turn;
}

static inline void end_move(struct end *end, struct point point)
{
    atomic_store_explicit(&end->turn, end_prepare(end, point), memory_order_release);
}

/* Waits until whoever published what the caller has seen has given the put end back: its
 * transaction is settled by then. The word is 0, or somebody holds it now, perhaps somebody else.
 */
static inline void putters_pass(struct actor *actor, struct record *record)
{
    if (atomic_load_explicit(&record->lock.word, memory_order_acquire) == 0)
        return;
    lock_take(actor, &record->lock);
    lock_give(actor, &record->lock);
}

/* Claims the get end of a queue that lives. */
int queue_claim_get(struct actor *actor, uint64_t handle, struct record **record);

/* Moves the put end over what a putter that died has published. The caller has claimed it. */
void queue_catch_up(struct actor *actor, struct queue *queue);

/* The get end is at a link: frees the segment and goes on in the next one. The caller has claimed
 * it, and has no open transaction. */
void queue_follow(struct actor *actor, struct record *record, struct point *point);

/* The head at the get end, behind all links, and where it is; the caller has claimed the end. */
uint64_t queue_head(struct actor *actor, struct record *record, struct point *point, bool sure);

/* The offset of the block that a HEAD_BLOCK's message lies in. */
uint64_t queue_block_at(const struct arena *arena, uint64_t place);

/* Waits for messages: attempt and peek are bell_await_peek's. */
int queue_await(struct actor *actor, uint64_t handle, uint64_t deadline, bell_attempt attempt,
                bell_peek peek, void *context);
bool queue_peek(struct actor *actor, uint64_t handle);

/* For whoever has claimed the get end and found nothing: EMPTY, or CLOSED when nothing can come any
 * more, neither from putters nor back from another party than `holder`. state was read before the
 * end. */
int queue_nothing(struct actor *actor, struct queue *queue, uint64_t state, uint64_t holder);

/* The results that more than one file decides. */
int queue_is_ending(void);
int queue_too_long(uint64_t size, size_t capacity);

#endif
