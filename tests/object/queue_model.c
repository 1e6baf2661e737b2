/* The queue's protocol in the small: putters, getters, their wakes and sleeps, and the death of one
 * of them, in every order of their steps.
 *
 * Each step reads or writes one word. Stores go through a buffer, as x86's do: they reach memory in
 * order but later, at any moment, and an exchange or a compare-and-swap waits until they have. What
 * is looked for: a message taken twice or out of order, a getter that sleeps while a message is
 * there and everybody else has finished. Variants with a step left out show that these are found.
 *
 * The steps are those of queue_put.c (put_claim, publish_inline, end_move, lock_give,
 * bell_redeem_asleep), queue_get.c (ring_take with sure), bell.c (sleep_once, ring_one) and
 * recover.c (locks, then bells). */
#include "counts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
    THREADS_MOST = 4,
    MESSAGES_MOST = 2,
    BUFFER_MOST = 4,
    TABLE_BITS = 22,
    BELL_WAITED = 1,
    BELL_STEP = 2,
    BELL_MASK =
        31, /* the count is small here, so that the states are: nobody sleeps through 16 rings */
    WAKE_ALL = THREADS_MOST
};

/* The words that all share. */
enum word {
    PUT_LOCK,
    GET_LOCK,
    PUT_PLACE,
    GET_PLACE,
    BELL,
    HEAD,
    WORDS = HEAD + MESSAGES_MOST + 1
};

enum step {
    PUT_CLAIM,
    PUT_CATCH_UP,
    PUT_PUBLISH,
    PUT_MOVE,
    PUT_GIVE,
    PUT_LOOK,
    PUT_RING,
    PUT_WAKE,
    PUT_UNRING,
    PUT_END,
    GET_CLAIM,
    GET_LOOK,
    GET_TAKE,
    GET_GIVE,
    GET_ANNOUNCE,
    GET_TOUCH,
    GET_LOOK_AGAIN,
    GET_GIVE_EMPTY,
    GET_SLEEP,
    GET_ASLEEP,
    MOURNED_LOCKS,
    MOURNED_RING,
    MOURNED_WAKE,
    DONE
};

struct thread {
    uint8_t step;
    uint8_t seen;      /* the bell as it was rung or announced, or the place that was read */
    uint8_t announced; /* the slot names the bell */
    uint8_t promised;
    uint8_t dead;
    uint8_t stores;
    uint8_t words[BUFFER_MOST], values[BUFFER_MOST];
};

struct state {
    uint8_t memory[WORDS];
    uint8_t taken[MESSAGES_MOST]; /* by their putters */
    struct thread threads[THREADS_MOST];
    uint8_t deaths;
};

/* What is left out of the protocol. */
enum variant {
    WHOLE,
    PLAIN_GIVE,   /* the put end is given back by a store */
    NO_CATCH_UP,  /* nobody looks what a dead putter published */
    NO_LAST_LOOK, /* a getter sleeps without a look after it announced itself */
    NO_PROMISE,   /* a putter's death leaves nobody to ring */
    NO_NAMED_BELL /* a getter's death after its wake is not rung for */
};

struct model {
    int putters, getters, deaths_most;
    enum variant variant;
    struct state *table; /* open addressing: all states that were met */
    uint8_t *used;
    struct state *stack;
    size_t depth, states;
    const char *fault;
};

/* ---- memory ------------------------------------------------------------------------------ */

static uint8_t load(const struct state *state, const struct thread *thread, int word)
{
    for (int i = thread->stores - 1; i >= 0; i--)
        if (thread->words[i] == word)
            return thread->values[i];
    return state->memory[word];
}

static void store(struct thread *thread, int word, uint8_t value)
{
    thread->words[thread->stores] = (uint8_t)word;
    thread->values[thread->stores++] = value;
}

/* The oldest store of a thread reaches memory. */
static void drain(struct state *state, struct thread *thread)
{
    state->memory[thread->words[0]] = thread->values[0];
    thread->stores--;
    memmove(thread->words, thread->words + 1, BUFFER_MOST - 1);
    memmove(thread->values, thread->values + 1, BUFFER_MOST - 1);
    thread->words[BUFFER_MOST - 1] = thread->values[BUFFER_MOST - 1] = 0;
}

static void bell_step(struct state *state)
{
    state->memory[BELL] = (state->memory[BELL] + BELL_STEP) & BELL_MASK;
}

/* Wakes so many sleepers; returns how many there were. */
static int wake(struct state *state, int count)
{
    int woken = 0;

    for (int i = 0; i < THREADS_MOST && woken < count; i++)
        if (state->threads[i].step == GET_ASLEEP && !state->threads[i].dead) {
            state->threads[i].step = GET_CLAIM;
            woken++;
        }
    return woken;
}

/* ---- steps ------------------------------------------------------------------------------- */

static void put_step(const struct model *model, struct state *state, struct thread *thread, int id)
{
    uint8_t place = load(state, thread, PUT_PLACE);

    switch ((enum step)thread->step) {
    case PUT_CLAIM:
        thread->promised = model->variant != NO_PROMISE;
        state->memory[PUT_LOCK] = (uint8_t)(id + 1);
        thread->step = model->variant == NO_CATCH_UP ? PUT_PUBLISH : PUT_CATCH_UP;
        break;
    case PUT_CATCH_UP:
        if (load(state, thread, HEAD + place) != 0)
            store(thread, PUT_PLACE, place + 1);
        else
            thread->step = PUT_PUBLISH;
        break;
    case PUT_PUBLISH:
        store(thread, HEAD + place, (uint8_t)(id + 1));
        thread->step = PUT_MOVE;
        break;
    case PUT_MOVE:
        store(thread, PUT_PLACE, place + 1);
        thread->step = PUT_GIVE;
        break;
    case PUT_GIVE:
        if (model->variant == PLAIN_GIVE)
            store(thread, PUT_LOCK, 0);
        else
            state->memory[PUT_LOCK] = 0;
        thread->step = PUT_LOOK;
        break;
    case PUT_LOOK:
        thread->step = load(state, thread, BELL) & BELL_WAITED ? PUT_RING : PUT_END;
        break;
    case PUT_RING:
        bell_step(state);
        thread->seen = state->memory[BELL];
        thread->step = PUT_WAKE;
        break;
    case PUT_WAKE:
        thread->step = wake(state, 1) == 0 ? PUT_UNRING : PUT_END;
        break;
    case PUT_UNRING:
        if (state->memory[BELL] == thread->seen)
            state->memory[BELL] &= (uint8_t)~BELL_WAITED;
        thread->step = PUT_END;
        break;
    default:
        thread->promised = 0;
        thread->seen = 0;
        thread->step = DONE;
    }
}

static void get_step(const struct model *model, struct state *state, struct thread *thread, int id)
{
    uint8_t place = load(state, thread, GET_PLACE);
    bool found;

    switch ((enum step)thread->step) {
    case GET_CLAIM:
        state->memory[GET_LOCK] = (uint8_t)(id + 1);
        thread->step = GET_LOOK;
        break;
    case GET_LOOK:
    case GET_LOOK_AGAIN:
        found = load(state, thread, HEAD + place) != 0;
        if (found)
            thread->step = GET_TAKE;
        else
            thread->step =
                thread->announced && thread->step == GET_LOOK ? GET_TOUCH : GET_GIVE_EMPTY;
        break;
    case GET_TOUCH:
        thread->step = GET_LOOK_AGAIN;
        break;
    case GET_TAKE:
        store(thread, GET_PLACE, place + 1);
        state->taken[load(state, thread, HEAD + place) - 1]++;
        thread->step = GET_GIVE;
        break;
    case GET_GIVE:
        state->memory[GET_LOCK] = 0;
        thread->announced = thread->seen = 0;
        thread->step = DONE;
        break;
    case GET_GIVE_EMPTY:
        state->memory[GET_LOCK] = 0;
        thread->step = thread->announced ? GET_SLEEP : GET_ANNOUNCE;
        break;
    case GET_ANNOUNCE:
        thread->announced = 1;
        bell_step(state);
        state->memory[BELL] |= BELL_WAITED;
        thread->seen = state->memory[BELL];
        thread->step = model->variant == NO_LAST_LOOK ? GET_SLEEP : GET_CLAIM;
        break;
    default: /* GET_SLEEP: the kernel compares the word */
        thread->step = state->memory[BELL] == thread->seen ? GET_ASLEEP : GET_ANNOUNCE;
    }
}

/* What recovery does for a dead thread. */
static void mourn_step(const struct model *model, struct state *state, struct thread *thread,
                       int id)
{
    bool owes = thread->promised || (thread->announced && model->variant != NO_NAMED_BELL);

    switch ((enum step)thread->step) {
    case MOURNED_LOCKS:
        for (int lock = PUT_LOCK; lock <= GET_LOCK; lock++)
            if (state->memory[lock] == id + 1)
                state->memory[lock] = 0;
        thread->step = owes ? MOURNED_RING : DONE;
        break;
    case MOURNED_RING:
        bell_step(state);
        thread->step = MOURNED_WAKE;
        break;
    default:
        wake(state, WAKE_ALL);
        thread->step = DONE;
    }
}

static bool needs_memory(enum variant variant, int step)
{
    return step == PUT_CLAIM || (step == PUT_GIVE && variant != PLAIN_GIVE) || step == PUT_RING ||
           step == PUT_UNRING || step == GET_CLAIM || step == GET_GIVE || step == GET_GIVE_EMPTY ||
           step == GET_ANNOUNCE || step == GET_TOUCH || step == GET_SLEEP || step >= MOURNED_LOCKS;
}

static bool can_step(const struct model *model, const struct state *state,
                     const struct thread *thread)
{
    if (thread->step == DONE || thread->step == GET_ASLEEP)
        return false;
    if (thread->stores > 0 && needs_memory(model->variant, thread->step))
        return false;
    if (thread->stores == BUFFER_MOST)
        return false;
    if (thread->step == PUT_CLAIM)
        return state->memory[PUT_LOCK] == 0;
    return thread->step != GET_CLAIM || state->memory[GET_LOCK] == 0;
}

static void step(const struct model *model, struct state *state, int id)
{
    struct thread *thread = &state->threads[id];

    if (thread->dead)
        mourn_step(model, state, thread, id);
    else if (thread->step <= PUT_END)
        put_step(model, state, thread, id);
    else
        get_step(model, state, thread, id);
}

/* ---- every order ------------------------------------------------------------------------- */

static uint64_t hash(const struct state *state)
{
    const unsigned char *bytes = (const unsigned char *)state;
    uint64_t sum = 14695981039346656037u;

    for (size_t i = 0; i < sizeof *state; i++)
        sum = (sum ^ bytes[i]) * 1099511628211u;
    return sum ^ sum >> 29;
}

/* Keeps a state that was not met before. */
static void meet(struct model *model, const struct state *state)
{
    size_t mask = ((size_t)1 << TABLE_BITS) - 1, at = hash(state) & mask;

    for (; model->used[at]; at = (at + 1) & mask)
        if (memcmp(&model->table[at], state, sizeof *state) == 0)
            return;
    model->used[at] = 1;
    model->table[at] = *state;
    assert_true(++model->states < mask / 2);
    model->stack[model->depth++] = *state;
}

static void die(const struct state *state, int id, struct state *after)
{
    *after = *state;
    after->deaths++;
    after->threads[id].dead = 1;
    after->threads[id].step = MOURNED_LOCKS;
}

static bool is_final(const struct model *model, const struct state *state)
{
    for (int i = 0; i < THREADS_MOST; i++)
        if (can_step(model, state, &state->threads[i]) || state->threads[i].stores > 0)
            return false;
    return true;
}

/* Whether a putter's message is at the get end or behind it. */
static bool is_left(const struct state *state, int message)
{
    for (int place = state->memory[GET_PLACE]; place < MESSAGES_MOST; place++)
        if (state->memory[HEAD + place] == message)
            return true;
    return false;
}

static void judge(struct model *model, const struct state *state)
{
    bool is_waiting = false;

    for (int i = 0; i < MESSAGES_MOST; i++)
        if (state->taken[i] > 1)
            model->fault = "a message was taken twice";
    if (!is_final(model, state))
        return;
    for (int i = 0; i < THREADS_MOST; i++) {
        if (state->threads[i].step != DONE && state->threads[i].step != GET_ASLEEP)
            model->fault = "somebody waits for an end for ever";
        is_waiting |= state->threads[i].step == GET_ASLEEP;
    }
    if (is_waiting && state->memory[HEAD + state->memory[GET_PLACE]] != 0)
        model->fault = "a getter sleeps, and a message is there";
    for (int id = 0; id < model->putters; id++)
        if (!state->threads[id].dead && state->taken[id] == 0 && !is_left(state, id + 1))
            model->fault = "a message that was put is gone";
}

static void explore(struct model *model)
{
    while (model->depth > 0 && model->fault == NULL) {
        struct state now = model->stack[--model->depth], after;

        judge(model, &now);
        for (int id = 0; id < model->putters + model->getters; id++) {
            const struct thread *thread = &now.threads[id];

            if (thread->stores > 0) {
                after = now;
                drain(&after, &after.threads[id]);
                meet(model, &after);
            }
            if (can_step(model, &now, thread)) {
                after = now;
                step(model, &after, id);
                meet(model, &after);
            }
            if (now.deaths < model->deaths_most && !thread->dead && thread->step != DONE) {
                die(&now, id, &after);
                meet(model, &after);
            }
        }
    }
}

static const char *run(int putters, int getters, int deaths, enum variant variant)
{
    struct model model = { putters, getters, deaths, variant, NULL, NULL, NULL, 0, 0, NULL };
    size_t room = (size_t)1 << TABLE_BITS;
    struct state first;

    memset(&first, 0, sizeof first);
    for (int i = 0; i < THREADS_MOST; i++)
        first.threads[i].step = i < putters ? PUT_CLAIM : i < putters + getters ? GET_CLAIM : DONE;
    model.table = calloc(room, sizeof *model.table);
    model.used = calloc(room, 1);
    model.stack = malloc(room * sizeof *model.stack);
    assert_true(model.table != NULL && model.used != NULL && model.stack != NULL);
    meet(&model, &first);
    explore(&model);
    printf("%d putters, %d getters, %d deaths, variant %d: %zu states, %s\n", putters, getters,
           deaths, (int)variant, model.states, model.fault != NULL ? model.fault : "sound");
    free(model.table);
    free(model.used);
    free(model.stack);
    return model.fault;
}

static void test_protocol(void **state)
{
    (void)state;
    assert_null(run(1, 1, 1, WHOLE));
    assert_null(run(2, 1, 1, WHOLE));
    assert_null(run(1, 2, 1, WHOLE));
    if (test_count(0, 1) != 0) /* 1.6 million states */
        assert_null(run(2, 2, 0, WHOLE));
    assert_null(run(2, 1, 2, WHOLE));
}

static void test_faults_are_found(void **state)
{
    (void)state;
    assert_non_null(run(1, 1, 0, PLAIN_GIVE));
    assert_non_null(run(2, 1, 1, NO_CATCH_UP));
    assert_non_null(run(1, 1, 0, NO_LAST_LOOK));
    assert_non_null(run(1, 1, 1, NO_PROMISE));
    assert_non_null(run(1, 2, 1, NO_NAMED_BELL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_protocol),
        cmocka_unit_test(test_faults_are_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
