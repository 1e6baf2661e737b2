/* Slots: the identity of a thread in the arena, and what recovery knows of its unfinished work.
 *
 * What always holds: a slot is taken and given back by one store of its identity word; a slot of a
 * dead process is reused only after recovery has undone or finished everything it describes, so a
 * slot number in a lock word or a block state never speaks of an earlier owner. A slot's other
 * fields are written by its owner alone while it lives, and by its recoverer afterwards. Entries
 * that describe work are stored (release) before the work begins, and cleared after it is whole. */
#ifndef TROUPE_CORE_SLOT_H
#define TROUPE_CORE_SLOT_H

#include "core/arena.h"

#define SLOT_FIRST 2u /* 0 and 1 are block states, see heap.h */
#define SLOT_COUNT_MAX 32768u
#define SLOT_NONE 0u

#define SLOT_LOCKS 8
#define SLOT_BLOCKS 16
#define SLOT_WRITES 32
#define SLOT_PROMISES 4

/* identity: incarnation (32) | party (24) | state (8). The party is the process: its pid, which
 * has 22 bits at most, so that whoever waited for the process can bury its slots, however early
 * it died. All slots of one process name the same party and die together. */
enum slot_state {
    SLOT_FREE = 0,
    SLOT_LIVE = 1,
    SLOT_DEAD = 2,
    SLOT_MOURNED = 3 /* recovered; the service has other nodes to tell of it, see party.h */
};

/* tx_phase: whether the redo list counts. */
enum tx_phase { TX_OPEN = 0, TX_COMMITTED = 1 };

struct redo {
    uint64_t place; /* offset of a 64-bit word */
    uint64_t value;
};

struct slot {
    _Alignas(ARENA_LINE) _Atomic uint64_t identity;
    _Atomic uint64_t recoverer; /* who recovers this slot: incarnation (32) | slot number (32) */
    _Atomic uint32_t turns;     /* how often a recoverer let go; the next one sleeps on it */
    _Atomic uint32_t tx_phase;
    _Atomic uint32_t redo_count;
    _Atomic int32_t pid;   /* of the process, on this node */
    _Atomic uint64_t run;  /* a claim of spans under way: first (32) | count (32) */
    _Atomic uint64_t bell; /* offset of the bell it sleeps on, or 0 */
    _Atomic uint64_t promises[SLOT_PROMISES]; /* offsets of bells it is about to ring */
    _Atomic uint64_t resume;            /* work of several transactions under way, see recover.h */
    _Atomic uint64_t locks[SLOT_LOCKS]; /* offsets of locks held, or being taken or released */
    _Atomic uint64_t blocks[SLOT_BLOCKS]; /* blocks in flight, see tx.h */
    struct redo redo[SLOT_WRITES];
    /* The thread's call to another node, see call.h. */
    _Atomic uint64_t call_state;
    _Atomic uint64_t call_first; /* the sequence under which it was sent first */
    _Atomic uint64_t call_to;    /* the node that it asks */
    _Atomic uint64_t call_node;  /* the same if that may park it, plus one; 0: it may not */
    _Atomic uint64_t call_request;
    _Atomic uint64_t call_reply;
    struct bell call_bell;
    struct lock call_lock;
    _Atomic uint64_t call_cancelled; /* the sequence whose caller would rather not wait, call.c */
    struct bell doorbell;
    _Atomic uint64_t watching; /* it watches bells, see bell.h */
    _Atomic uint64_t rung;     /* what rang for it on other nodes, see call_ring */
    _Atomic uint64_t opened;   /* what it makes and has not named yet, see table.h */
    _Atomic uint64_t abroad;   /* the nodes at which its process may hold something, see party.h */
};

static inline enum slot_state slot_state_of(uint64_t identity)
{
    return (enum slot_state)(identity & 0xff);
}

static inline uint32_t slot_party_of(uint64_t identity)
{
    return (uint32_t)(identity >> 8) & 0xffffff;
}

static inline uint32_t slot_incarnation_of(uint64_t identity)
{
    return (uint32_t)(identity >> 32);
}

static inline struct slot *slot_at(const struct arena *arena, uint32_t number)
{
    return &arena->slots[number];
}

/* Blocks that this thread freed lately, most recent last: hints that save a search. */
#define WARM_BLOCKS 16
struct heap_warm {
    uint64_t blocks[WARM_BLOCKS]; /* span (32) | index (32) */
    uint32_t count;
    uint32_t span; /* where the last search found room */
    uint32_t position;
};

/* Handles that this thread looked up lately, and where their records are. */
#define ACTOR_SEEN 32
struct actor_seen {
    uint64_t handle;
    uint64_t place;
};

/* A word that the next commit writes, too: the service's word of what it has applied (ledger.h). */
struct actor_witness {
    _Atomic uint64_t *word; /* NULL: there is none */
    uint64_t value;
};

/* An actor: a thread of this process together with its slot. Everything that changes the arena
 * takes one. It is not shared between threads. */
struct actor {
    struct arena arena;
    struct slot *slot;
    uint32_t number;
    uint32_t party;
    uint32_t spin_ns; /* how long its next wait spins, see bell.c */
    uint32_t spins_left_out;
    uint32_t gets_run; /* messages got since a queue was last found empty, see queue_get.c */
    uint32_t quick_waits;
    bool was_brought; /* its last wait ended with what came from another node, see bell.h */
    int64_t holds;    /* what this thread took and did not give back, see party.h */
    bool is_steady;   /* a cancelled target does not end its waits, see bell.h */
    struct ledger_entry *ledger; /* of the caller it serves; NULL: none, see ledger.h */
    struct actor_witness witness;
    bool serves_again; /* what it serves a leader may have died in, see LEDGER_ASKED */
    struct heap_warm warm[HEAP_CLASSES];
    struct actor_seen seen[ACTOR_SEEN];
};

/* Takes a free slot.
 *
 * party       the process's pid; SLOT_NONE: a party of its own, which is the slot's number
 * Returns     TROUPE_OK; TROUPE_FULL when every slot is taken */
int actor_open(const struct arena *arena, uint32_t party, struct actor *actor);

/* Gives the slot back; the actor holds no lock and no block. A process gives its first slot, which
 * is its party, back last: whoever takes it next is a party of its own. */
void actor_close(struct actor *actor);

/* Marks the slots of a process that has ended DEAD. Returns how many were alive. Only a process
 * that knows the end (waitpid) may say so, and before the pid can come back. */
int slots_bury(const struct arena *arena, uint32_t party);

/* Gives a MOURNED slot back: the other nodes have been told. */
void slot_forget(struct slot *slot);

/* Whether any slot of the party still waits for recovery. */
bool slots_are_dead(const struct arena *arena, uint32_t party);

#endif
