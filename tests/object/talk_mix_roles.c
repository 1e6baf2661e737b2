/* The roles of the mix that send and receive. */
#include "talk_mix_hand.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    UNDER_WAY = 8,
    BATCH = 3,
    EXCHANGES = 6,
    PUTS = 8,
    ENDS_MOST = 16,
    WAIT_MOST = ENDS_MOST + 1
};

/* ---- queues ----------------------------------------------------------------------------- */

/* Puts one to BATCH messages and notes which were accepted. */
static int put_some(struct hand *hand, troupe_queue queue, enum doing doing, size_t count)
{
    struct message messages[BATCH];
    troupe_bytes views[BATCH];
    size_t done = 0;
    int first = atomic_load(&hand->tally->accepted), result;

    if (first + BATCH > PUTS_MOST)
        return hand_complain(hand, "the tally is full", TROUPE_DIFFERS);
    for (size_t i = 0; i < count; i++) {
        size_t size = offsetof(struct message, filling);

        messages[i].life = hand->errand->life;
        messages[i].sequence = first + (int)i;
        if (hand_random(hand) % 4 == 0) {
            size += hand_random(hand) % sizeof messages[i].filling;
            memset(messages[i].filling, messages[i].sequence, sizeof messages[i].filling);
        }
        views[i] = troupe_bytes_of(&messages[i], size);
    }
    hand_begin(hand, doing);
    if (count == 1)
        result = troupe_queue_put(queue, views[0].data, views[0].size, TROUPE_FOREVER);
    else
        result = troupe_queue_put_many(queue, views, count, &done, TROUPE_FOREVER);
    if (result != TROUPE_OK)
        return hand_complain(hand, "not put", result);
    atomic_store(&hand->tally->accepted, first + (int)count);
    hand_end(hand);
    return TROUPE_OK;
}

static bool is_whole(const struct message *message, size_t size)
{
    size_t filled = size - offsetof(struct message, filling);

    for (size_t i = 0; i < filled; i++)
        if (message->filling[i] != (unsigned char)message->sequence)
            return false;
    return message->life > 0 && message->life < LIVES && message->sequence >= 0 &&
           message->sequence < PUTS_MOST;
}

/* Some wait for the queue first, and then do not wait in it; somebody else may be faster. */
static int queue_await(struct hand *hand, troupe_queue queue, long *timeout_ms)
{
    size_t index;
    int result = TROUPE_OK;

    hand_yield(hand);
    *timeout_ms = TROUPE_FOREVER;
    if (hand_random(hand) % 2 == 0) {
        hand_begin(hand, DO_WAIT);
        result = troupe_wait(&queue.id, 1, TROUPE_FOREVER, &index);
        if (result != TROUPE_OK)
            return hand_complain(hand, "not waited", result);
        hand_end(hand);
        *timeout_ms = TROUPE_NO_WAIT;
    }
    return TROUPE_OK;
}

/* A message on lease was not done, and comes back only from a dead one, its attempt raised. */
static int lease_check(struct hand *hand, const struct message *message, uint64_t attempt)
{
    struct tally *tally = &hand->mix->tallies[message->life];
    int before = atomic_load(&tally->attempt[message->sequence]);

    if (atomic_load(&tally->seen[message->sequence]) != 0)
        return hand_complain(hand, "a message that was done came back", TROUPE_DIFFERS);
    if (attempt <= (uint64_t)before ||
        attempt > 1 + (uint64_t)atomic_load(&hand->mix->killed[LEASER]))
        return hand_complain(hand, "the attempt does not fit", TROUPE_DIFFERS);
    atomic_store(&tally->attempt[message->sequence], (unsigned char)attempt);
    if (attempt > 1)
        atomic_fetch_add(&hand->mix->leases_back, 1);
    return TROUPE_OK;
}

static int lease_done(struct hand *hand, const struct message *message, troupe_lease lease)
{
    struct tally *tally = &hand->mix->tallies[message->life];
    int result;

    hand_begin(hand, DO_DONE);
    atomic_store(&tally->begun[message->sequence], 1);
    result = troupe_queue_done(hand->mix->tasks, lease);
    if (result != TROUPE_OK)
        return hand_complain(hand, "not done", result);
    atomic_fetch_add(&tally->seen[message->sequence], 1);
    hand_end(hand);
    return TROUPE_OK;
}

/* A task on lease, a turn with it in hand, done, and a result. */
int leaser_round(struct hand *hand)
{
    struct mix *mix = hand->mix;
    struct message message;
    troupe_lease lease;
    size_t size;
    long timeout_ms;
    int result = queue_await(hand, mix->tasks, &timeout_ms);

    if (result != TROUPE_OK)
        return result;
    hand_begin(hand, DO_LEASE);
    result = troupe_queue_lease(mix->tasks, &message, sizeof message, &size, &lease, timeout_ms);
    if (result == TROUPE_CLOSED)
        return result;
    hand_end(hand);
    if (result == TROUPE_EMPTY && timeout_ms == TROUPE_NO_WAIT)
        return TROUPE_OK;
    if (result != TROUPE_OK || !is_whole(&message, size))
        return hand_complain(hand, "no lease", result);
    result = lease_check(hand, &message, lease.attempt);
    if (result == TROUPE_OK)
        result = hand_turn(hand);
    if (result == TROUPE_OK)
        result = lease_done(hand, &message, lease);
    return result == TROUPE_OK ? put_some(hand, mix->results, DO_FORWARD, 1) : result;
}

int getter_round(struct hand *hand)
{
    struct message message;
    size_t size;
    long timeout_ms;
    int result = queue_await(hand, hand->mix->results, &timeout_ms);

    if (result != TROUPE_OK)
        return result;
    hand_begin(hand, DO_GET);
    result = troupe_queue_get(hand->mix->results, &message, sizeof message, &size, timeout_ms);
    if (result == TROUPE_CLOSED)
        return result;
    hand_end(hand);
    if (result == TROUPE_EMPTY && timeout_ms == TROUPE_NO_WAIT)
        return TROUPE_OK;
    if (result != TROUPE_OK || !is_whole(&message, size))
        return hand_complain(hand, "not got", result);
    atomic_fetch_add(&hand->mix->tallies[message.life].seen[message.sequence], 1);
    return TROUPE_OK;
}

/* ---- pipes ------------------------------------------------------------------------------ */

/* A pipe of the talker's own, whose other end goes to an answerer through a queue. */
static int call_begin(struct hand *hand, troupe_pipe *own)
{
    troupe_pipe_options options = { .max_messages = UNDER_WAY };
    troupe_pipe other;
    int result;

    hand_begin(hand, DO_CALL);
    result = troupe_pipe_create(&options, own, &other);
    if (result == TROUPE_OK)
        result = troupe_pipe_hold(*own);
    if (result == TROUPE_OK)
        result = troupe_queue_put(hand->mix->calls, &other, sizeof other, TROUPE_FOREVER);
    if (result != TROUPE_OK)
        return hand_complain(hand, "no call", result);
    hand_end(hand);
    return TROUPE_OK;
}

/* TROUPE_CLOSED at the end of file. */
static int exchange(struct hand *hand, troupe_pipe own, int value)
{
    size_t index;
    int answer = 0, result;

    hand_begin(hand, DO_SEND);
    result = troupe_pipe_send(own, &value, sizeof value, TROUPE_FOREVER);
    hand_end(hand);
    if (result != TROUPE_OK)
        return result;
    hand_begin(hand, DO_RECEIVE);
    if (value % 3 == 0)
        result = troupe_wait(&own.id, 1, TROUPE_FOREVER, &index);
    else if (value % 3 == 1)
        result = troupe_pipe_poll(own, TROUPE_FOREVER);
    if (result == TROUPE_OK)
        result = troupe_pipe_receive(own, &answer, sizeof answer, NULL, TROUPE_FOREVER);
    hand_end(hand);
    return result == TROUPE_OK && answer != value + 1 ? TROUPE_DIFFERS : result;
}

/* The file ends early only where an answerer died. */
static int call_turn(struct hand *hand)
{
    int ended = atomic_load(&hand->mix->ended[ANSWERER]);
    int first = (int)(hand_random(hand) % 1000), result;
    troupe_pipe own;

    result = call_begin(hand, &own);
    for (int i = 0; i < EXCHANGES && result == TROUPE_OK; i++)
        result = exchange(hand, own, first + i);
    if (result == TROUPE_CLOSED && atomic_load(&hand->mix->killed[ANSWERER]) > ended) {
        atomic_fetch_add(&hand->mix->ends_of_file, 1);
        result = TROUPE_OK;
    }
    if (result != TROUPE_OK)
        return hand_complain(hand, "not answered", result);
    result = troupe_pipe_close(own);
    return result == TROUPE_OK ? result : hand_complain(hand, "not closed", result);
}

static int talker_round(struct hand *hand)
{
    bool many = hand_random(hand) % 4 == 0;
    int result = call_turn(hand);

    for (int i = 0; i < PUTS && result == TROUPE_OK; i++)
        result = put_some(hand, hand->mix->tasks, many ? DO_PUT_MANY : DO_PUT, many ? BATCH : 1);
    if (result == TROUPE_OK)
        result = talker_notify(hand);
    if (result != TROUPE_OK)
        return result;
    hand_begin(hand, DO_PULSE);
    if (troupe_event_set(hand->mix->event) != TROUPE_OK ||
        troupe_event_clear(hand->mix->event) != TROUPE_OK)
        return hand_complain(hand, "not set", TROUPE_DIFFERS);
    hand_end(hand);
    return TROUPE_OK;
}

/* What an answerer waits for: the pipes it serves, and the queue of calls until that is closed. */
struct desk {
    uint64_t items[WAIT_MOST]; /* the last one is the queue */
    size_t ends;
    bool closed;
};

/* The end is held before its hand-over is done: if the answerer dies between, it comes back, and
 * whoever has it next finds it closed. */
static int desk_call(struct hand *hand, struct desk *desk)
{
    troupe_queue calls = hand->mix->calls;
    troupe_lease lease;
    troupe_pipe end;
    int held, result;

    result = troupe_queue_lease(calls, &end, sizeof end, NULL, &lease, TROUPE_NO_WAIT);
    desk->closed = result == TROUPE_CLOSED;
    if (result == TROUPE_EMPTY || result == TROUPE_CLOSED)
        return TROUPE_OK;
    if (result != TROUPE_OK || desk->ends == ENDS_MOST)
        return hand_complain(hand, "no call, or too many", result);
    held = troupe_pipe_hold(end);
    result = troupe_queue_done(calls, lease);
    if (result != TROUPE_OK)
        return hand_complain(hand, "not done", result);
    if (held == TROUPE_OK)
        desk->items[desk->ends++] = end.id;
    /* Closed by an answerer that died with it; gone when its talker has seen that. */
    else if ((held != TROUPE_CLOSED && held != TROUPE_BAD_HANDLE) || lease.attempt == 1)
        return hand_complain(hand, "not held", held);
    return TROUPE_OK;
}

static int desk_answer(struct hand *hand, struct desk *desk, size_t index)
{
    troupe_pipe end = { desk->items[index] };
    int value, result;

    result = troupe_pipe_receive(end, &value, sizeof value, NULL, TROUPE_NO_WAIT);
    if (result == TROUPE_OK) {
        value++;
        result = troupe_pipe_send(end, &value, sizeof value, TROUPE_FOREVER);
    }
    if (result == TROUPE_CLOSED) {
        desk->items[index] = desk->items[--desk->ends];
        result = troupe_pipe_close(end);
    }
    return result == TROUPE_OK ? result : hand_complain(hand, "not answered", result);
}

/* One wait and what it brings. Who yields leaves the calls to the other one for a moment. */
static int answerer_round(struct hand *hand, struct desk *desk)
{
    bool yields = hand_yields(hand);
    size_t count = desk->ends, index;
    int result;

    if (yields && count == 0) {
        hand_yield(hand);
        return TROUPE_OK;
    }
    if (!desk->closed && !yields)
        desk->items[count++] = hand->mix->calls.id;
    hand_begin(hand, DO_ANSWER);
    result = troupe_wait(desk->items, count, yields ? 1 : TROUPE_FOREVER, &index);
    if (result == TROUPE_TIMEOUT && yields)
        return TROUPE_OK;
    if (result != TROUPE_OK)
        return hand_complain(hand, "not waited", result);
    result = index == desk->ends ? desk_call(hand, desk) : desk_answer(hand, desk, index);
    hand_end(hand);
    return result;
}

/* Until no more calls come and every pipe has come to its end, also those of dead talkers. */
static int answerer_live(struct hand *hand)
{
    struct desk desk = { .ends = 0 };
    int result = TROUPE_OK;

    while (result == TROUPE_OK && (desk.ends > 0 || !desk.closed)) {
        result = answerer_round(hand, &desk);
        if (result == TROUPE_OK && hand_random(hand) % 16 == 0)
            result = hand_turn(hand);
    }
    return result == TROUPE_OK ? TROUPE_CLOSED : result;
}

/* ---- processes -------------------------------------------------------------------------- */

struct mix *mix_map(const char *path)
{
    int file = open(path, O_RDWR);
    void *base = MAP_FAILED;

    if (file >= 0) {
        base = mmap(NULL, sizeof(struct mix), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        close(file);
    }
    return base != MAP_FAILED ? base : NULL;
}

int mix_live(const void *argument, size_t bytes)
{
    static int (*const rounds[])(struct hand *) = { talker_round, answerer_live, leaser_round,
                                                    getter_round, meeter_round };
    const struct errand *errand = argument;
    struct mix *mix = mix_map(errand->path);
    struct hand hand = { errand, mix, NULL, NULL, errand->seed + (unsigned)errand->life, 0 };
    int result = TROUPE_OK;

    (void)bytes;
    if (mix == NULL)
        return 2;
    hand.post = &mix->posts[errand->place];
    hand.tally = &mix->tallies[errand->life];
    while (result == TROUPE_OK && !atomic_load(&mix->stop[errand->role])) {
        result = rounds[errand->role](&hand);
        if (result == TROUPE_OK && hand_random(&hand) % 4 == 0)
            result = hand_turn(&hand);
    }
    munmap(mix, sizeof *mix);
    return result == TROUPE_OK || result == TROUPE_CLOSED ? 0 : 1;
}
