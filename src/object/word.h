/* The word of a record (core/table.h) that is all there is of a small object: who holds a lock, how
 * much is left of a semaphore, whether an event is set.
 *
 * What always holds: generation (20) | value (40) | flags (4), and WORD_LIVE as long as the handle
 * of that generation lives. A swap expects all of it, so one for a destroyed object fails, whatever
 * the record is by then; and a death leaves it done or not begun, so no lock and no transaction is
 * needed. */
#ifndef TROUPE_OBJECT_WORD_H
#define TROUPE_OBJECT_WORD_H

#include "core/table.h"
#include "core/tx.h"

#define WORD_FLAG_BITS 4
#define WORD_VALUE_BITS 40
#define WORD_VALUE_MASK (((uint64_t)1 << WORD_VALUE_BITS) - 1)

enum word_flag { WORD_LIVE = 1, WORD_DIED = 2 /* of a lock: its last holder died */ };

static inline uint64_t word_make(uint64_t generation, uint64_t value, unsigned flags)
{
    return generation << (WORD_VALUE_BITS + WORD_FLAG_BITS) | value << WORD_FLAG_BITS | WORD_LIVE |
           flags;
}

static inline uint64_t word_value(uint64_t word)
{
    return word >> WORD_FLAG_BITS & WORD_VALUE_MASK;
}

/* The same word with another value and other flags. */
static inline uint64_t word_with(uint64_t word, uint64_t value, unsigned flags)
{
    return word_make(word >> (WORD_VALUE_BITS + WORD_FLAG_BITS), value, flags);
}

/* Whether the word is that of the handle. */
static inline bool word_lives(uint64_t word, uint64_t handle)
{
    return (word & WORD_LIVE) != 0 &&
           word >> (WORD_VALUE_BITS + WORD_FLAG_BITS) == handle_generation(handle);
}

/* Writes the first value of a record that is reserved, with what publishes it. */
static inline void word_begin(struct actor *actor, struct record *record, uint64_t value)
{
    tx_write(actor, &record->word,
             word_make(atomic_load(&record->generation) & GENERATION_MASK, value, 0));
}

/* A last look before a sleep begins with it, and every change of the word is a swap: of the two
 * exchanges one comes first, so either the look sees the change, or the changer sees that somebody
 * sleeps on the bell or watches it (bell_redeem_asleep). */
static inline void word_touch(struct record *record)
{
    atomic_fetch_add(&record->word, 0);
}

#endif
