#include "core/engine.h"

#include "base/clock.h"
#include "base/error.h"
#include "core/defer.h"
#include "core/dock.h"
#include "core/futex.h"
#include "core/lead.h"
#include "core/leader.h"
#include "core/node.h"
#include "core/party.h"
#include "core/post.h"
#include "core/table.h"
#include "fabric/fabric.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define HOT_NS 200000u       /* after the last traffic */
#define STAND_BACK_NS 50000u /* after somebody else drove: a caller that comes back soon */
#define LATE_NS 100000u      /* for a yield: another ran on this core meanwhile */
#define REST_NS 40000u
#define CROWDED_LEAST_NS 10000000u
#define CROWDED_MOST_NS 1000000000u
#define YIELD_PART 16 /* a yield costs half a look, a look at the clock a tenth */
#define NAP_LEAST_NS 50000u
#define NAP_MOST_NS 1000000u
#define NAP_PART 4 /* of the time since the wait began */
#define PASSING_ROUNDS 100

/* A call of a thread of this process, while it drives. AGAIN: its answer may have been lost with a
 * leader; if it comes all the same, it counts until the request is sent again. */
struct waiter {
    struct call_name name;
    uint64_t first; /* the sequence of the first sending */
    int node;
    const struct request *request;
    uint64_t deadline;
    struct answer *answer;
    int result;
    uint64_t sentence_size;
    enum { WAITS = 0, ANSWERED, HANDED, AGAIN } state;
    struct waiter *next;
};

static struct engine {
    bool open;
    struct arena arena;
    pthread_mutex_t turn;
    _Atomic uint32_t wanted;  /* threads that wait for the turn */
    _Atomic uint32_t drivers; /* threads that take it again and again, the service's not counted */
    _Atomic uint64_t driven;  /* when one of them last stopped */
    _Atomic uint64_t traffic; /* when anything last moved */
    _Atomic uint64_t crowded_until, crowded_ns; /* see crowd */
    /* Of whoever has the turn. */
    struct post *post;
    struct waiter *waiters;
    struct defer defer;
    uint64_t *known;   /* [nodes] the leaders' words that this engine has followed */
    uint64_t followed; /* the count of changes then */
    int rank;
    _Atomic bool leads; /* changes with the turn, and is read without it, too */
    struct actor actor; /* the service's, whether this rank leads or may some time */
    struct lead lead;
    _Atomic uint64_t next_tick; /* when time asks for something */
} engine = { .turn = PTHREAD_MUTEX_INITIALIZER };

/* ---- the turn ------------------------------------------------------------------------------- */

static void turn_take(void)
{
    if (pthread_mutex_trylock(&engine.turn) == 0)
        return;
    atomic_fetch_add(&engine.wanted, 1);
    pthread_mutex_lock(&engine.turn);
    atomic_fetch_sub(&engine.wanted, 1);
}

void engine_hold(void)
{
    turn_take();
}

void engine_let(void)
{
    pthread_mutex_unlock(&engine.turn);
}

/* A mutex is not fair: who takes it again and again lets those in who wait. */
static void turn_pass(void)
{
    for (int i = 0; i < PASSING_ROUNDS && atomic_load(&engine.wanted) > 0; i++)
        sched_yield();
}

void engine_pause(uint64_t nanoseconds)
{
    nanosleep(&(struct timespec){ 0, (long)nanoseconds }, NULL);
}

/* From now on rests are sleeps. The longer, the more often that was so lately. */
static void crowd(uint64_t now)
{
    uint64_t until = atomic_load_explicit(&engine.crowded_until, memory_order_relaxed);
    uint64_t lasted = atomic_load_explicit(&engine.crowded_ns, memory_order_relaxed);

    if (now - until > lasted || lasted == 0)
        lasted = CROWDED_LEAST_NS;
    else if (lasted < CROWDED_MOST_NS)
        lasted *= 2;
    atomic_store_explicit(&engine.crowded_ns, lasted, memory_order_relaxed);
    atomic_store_explicit(&engine.crowded_until, now + lasted, memory_order_relaxed);
}

/* Lets another thread run if one wants to; that it did shows in how long the yield took. */
static void yield(uint64_t now)
{
    uint64_t back;

    sched_yield();
    back = clock_now();
    if (back - now > LATE_NS)
        crowd(back);
}

static bool is_crowded(uint64_t now)
{
    return now < atomic_load_explicit(&engine.crowded_until, memory_order_relaxed);
}

/* Of the looks in vain one in YIELD_PART asks for the time, and lets another thread run. */
void engine_rest(struct rest *rest)
{
    if (!rest->is_crowded && ++rest->looks % YIELD_PART != 0)
        return; /* MPI's look goes through the kernel, which is pause enough */
    rest->looked = clock_now();
    rest->is_crowded = is_crowded(rest->looked);
    if (rest->is_crowded)
        engine_pause(REST_NS);
    else
        yield(rest->looked);
}

/* ---- moving --------------------------------------------------------------------------------- */

static enum bell_driven drive_until(bool (*changed)(const void *context), const void *context);

static struct waiter *waiter_of(const struct call_name *name)
{
    struct waiter *waiter = engine.waiters;

    while (waiter != NULL && !call_is_same(&waiter->name, name))
        waiter = waiter->next;
    return waiter;
}

/* The sentence is the answer's, but the thread is the one that asked: it is told when it wakes. */
static void waiter_answer(struct waiter *waiter, struct mail *mail)
{
    waiter->result = mail->result;
    memcpy(waiter->answer->words, mail->words, sizeof mail->words);
    waiter->answer->data = mail->data;
    waiter->answer->size = mail->size;
    waiter->sentence_size = mail->sentence_size;
    waiter->state = ANSWERED;
    mail->data = NULL;
}

/* To a caller that drives here, or to a mailbox of this node. */
static void answer_take(struct mail *mail)
{
    struct waiter *waiter = waiter_of(&mail->name);
    struct answer answer = { .data = mail->data, .size = mail->size };

    if (waiter != NULL) {
        waiter_answer(waiter, mail);
        return;
    }
    if (!engine.leads)
        return; /* a second answer: the first one came, and its caller is gone */
    memcpy(answer.words, mail->words, sizeof answer.words);
    call_answer(&engine.actor, &mail->name, mail->result, &answer,
                mail->sentence_size > 0 ? (const char *)mail->data + mail->size : NULL);
}

static void mail_take(struct mail *mail)
{
    struct waiter *waiter;

    if (engine.leads && lead_mail(&engine.lead, mail))
        return;
    if (mail->kind == MAIL_ANSWER)
        answer_take(mail);
    else if (mail->kind == MAIL_LEADER)
        lead_hear(&engine.arena, engine.post, mail);
    else if (mail->kind == MAIL_HANDED && (waiter = waiter_of(&mail->name)) != NULL &&
             waiter->state == WAITS)
        waiter->state = HANDED;
    mail_free(mail);
}

/* ---- leaders -------------------------------------------------------------------------------- */

/* What was asked of that node, or through this one's former leader, is asked again; by each caller
 * itself, unless its answer comes before that. */
static void waiters_follow(int node, bool own)
{
    for (struct waiter *waiter = engine.waiters; waiter != NULL; waiter = waiter->next)
        if ((own || waiter->node == node) && waiter->state == WAITS)
            waiter->state = AGAIN;
}

/* The rank that led it until now has ended, unless the node's first word was never looked at. */
static void node_follow(int node, uint64_t word)
{
    int old = leader_rank(engine.known[node]);
    bool own = node == table_node(&engine.arena);

    engine.known[node] = word;
    if (old >= 0 && !own)
        post_lose(engine.post, old);
    waiters_follow(node, own);
    if (engine.leads)
        lead_follow(&engine.lead, node);
}

/* It is this rank's turn to lead its node. Requests may come from now on, so nothing is received
 * before this. */
static int lead_begin(void)
{
    int result = lead_open(&engine.lead, &engine.actor, engine.post);

    engine.leads = result == TROUPE_OK;
    if (engine.leads) {
        dock_begin(&engine.arena);
        bell_drive_with(drive_until);
    }
    return result;
}

static bool must_lead(void)
{
    return !engine.leads && leader_of(&engine.arena, table_node(&engine.arena)) == engine.rank;
}

static void leaders_follow(void)
{
    uint64_t changes = leader_changes(&engine.arena);
    int nodes = (int)node_of(&engine.arena)->nodes;

    if (changes == engine.followed)
        return;
    engine.followed = changes;
    for (int node = 0; node < nodes; node++) {
        uint64_t word = leader_word(&engine.arena, node);

        if (word != engine.known[node])
            node_follow(node, word);
    }
    if (must_lead())
        lead_begin();
}

/* One message at most: whoever waits for that one need not look for another. */
static bool move(void)
{
    bool moved = false;
    struct mail *mail;

    leaders_follow();
    if (engine.leads)
        moved = lead_serve(&engine.lead);
    mail = post_move(engine.post, &moved);
    if (mail != NULL)
        mail_take(mail);
    if (moved || post_is_moving_bulk(engine.post))
        atomic_store_explicit(&engine.traffic, clock_now(), memory_order_relaxed);
    return moved;
}

/* ---- driving -------------------------------------------------------------------------------- */

uint64_t engine_traffic(void)
{
    return atomic_load_explicit(&engine.traffic, memory_order_relaxed);
}

static void drive_begin(void)
{
    atomic_fetch_add(&engine.drivers, 1);
}

/* looked: when that was, roughly; where there was traffic, that was later. */
static void drive_end(uint64_t looked)
{
    uint64_t traffic = engine_traffic();

    atomic_store(&engine.driven, traffic > looked ? traffic : looked);
    atomic_fetch_sub(&engine.drivers, 1);
}

bool engine_is_driven(void)
{
    return atomic_load(&engine.drivers) > 0 ||
           clock_now() - atomic_load(&engine.driven) < STAND_BACK_NS;
}

bool engine_is_hot(uint64_t now)
{
    return now < engine_traffic() + HOT_NS;
}

void engine_tick(uint64_t now)
{
    if (now < atomic_load_explicit(&engine.next_tick, memory_order_relaxed))
        return;
    turn_take();
    atomic_store_explicit(&engine.next_tick, lead_tick(&engine.lead, now), memory_order_relaxed);
    pthread_mutex_unlock(&engine.turn);
}

bool engine_step(void)
{
    bool moved;

    turn_take();
    moved = move();
    pthread_mutex_unlock(&engine.turn);
    turn_pass();
    return moved;
}

/* As engine_step, but what it leaves to be sent is sent by the next one: who sees a change in
 * between decides (answers_leave). */
static bool waiter_step(bool *keeps)
{
    bool moved;

    turn_take();
    post_hold(engine.post, true);
    moved = move();
    post_hold(engine.post, false);
    *keeps = post_keeps(engine.post);
    pthread_mutex_unlock(&engine.turn);
    turn_pass();
    return moved;
}

/* The waiter goes on, perhaps to compute: what was left to be sent leaves now, unless it is worth
 * to wait for the waiter's next request. */
static void answers_leave(bool seen)
{
    int rank;

    turn_take();
    rank = post_kept_for(engine.post);
    if (!seen || rank < 0 || !defer_answers(&engine.defer, rank, engine_traffic()))
        post_flush(engine.post);
    pthread_mutex_unlock(&engine.turn);
}

/* Of a thread that has work of its own: bulk that has begun to come goes on in the kernel. */
static enum bell_driven step_between(void)
{
    bool bulk;

    turn_take();
    move();
    bulk = post_is_moving_bulk(engine.post);
    pthread_mutex_unlock(&engine.turn);
    return bulk ? BELL_BROUGHT : BELL_NOTHING;
}

/* A bell_driver: goes on for a little longer than there is traffic. */
static enum bell_driven drive_until(bool (*changed)(const void *context), const void *context)
{
    struct rest rest = { .looked = clock_now() };
    uint64_t began = rest.looked;
    bool seen, keeps = false, moved = false;

    if (changed == NULL)
        return step_between();
    drive_begin();
    while (!(seen = changed(context)) &&
           (rest.looked - began < HOT_NS || engine_is_hot(rest.looked))) {
        moved = waiter_step(&keeps);
        if (moved)
            rest.looked = engine_traffic();
        else
            engine_rest(&rest);
    }
    if (keeps)
        answers_leave(seen);
    drive_end(rest.looked);
    if (!seen)
        return BELL_NOTHING;
    return moved ? BELL_BROUGHT : BELL_CHANGED;
}

/* ---- calling -------------------------------------------------------------------------------- */

static void waiter_remove(const struct waiter *waiter)
{
    struct waiter **link = &engine.waiters;

    while (*link != waiter)
        link = &(*link)->next;
    *link = waiter->next;
}

/* Sleeps, the longer the longer the wait has lasted: nobody else looks for what comes here. */
static void caller_nap(uint64_t waited)
{
    uint64_t nap = waited / NAP_PART;

    nap = nap < NAP_LEAST_NS ? NAP_LEAST_NS : nap > NAP_MOST_NS ? NAP_MOST_NS : nap;
    engine_pause(nap);
}

/* A rank that does not lead is handed over by the other side. */
static bool is_cancelled(const struct actor *actor)
{
    return engine.leads && bell_is_cancelled(actor);
}

/* Drives until the answer is there or will come to the mailbox. The rank that leads has a thread
 * that goes on looking: when it is quiet, or the caller was cancelled, its callers go to sleep. Has
 * the turn, before and after. */
static void answer_await(const struct actor *actor, struct waiter *waiter)
{
    struct rest rest = { .looked = clock_now() };
    uint64_t began = rest.looked;

    drive_begin();
    for (bool moved = move(); waiter->state == WAITS; moved = move()) {
        uint64_t quiet_since = engine_traffic() > began ? engine_traffic() : began;

        pthread_mutex_unlock(&engine.turn);
        turn_pass();
        if (moved)
            rest.looked = engine_traffic();
        else if (rest.looked < quiet_since + HOT_NS && !is_cancelled(actor))
            engine_rest(&rest);
        else if (!engine.leads) {
            caller_nap(rest.looked - quiet_since);
            rest.looked = clock_now();
        } else {
            turn_take();
            if (waiter->state == WAITS)
                waiter->state = HANDED;
            break;
        }
        turn_take();
    }
    drive_end(rest.looked);
}

/* The waiter's answer as its thread sees it. */
static int waiter_read(struct waiter *waiter)
{
    struct answer *answer = waiter->answer;
    bool has_data = waiter->result == TROUPE_OK || waiter->result == TROUPE_TOO_LONG;

    if (waiter->sentence_size > 0)
        fail_text(waiter->result, (const char *)answer->data + answer->size);
    if (!has_data)
        memset(answer->words, 0, sizeof answer->words);
    if (!has_data || answer->size == 0) {
        free(answer->data);
        answer->data = NULL;
        answer->size = 0;
    }
    return waiter->result;
}

static struct mail *request_mail(const struct actor *actor, const struct waiter *waiter)
{
    const struct request *request = waiter->request;
    struct mail *mail = mail_make();

    if (mail == NULL)
        return NULL;
    mail->kind = MAIL_REQUEST;
    mail->rank = leader_rank(engine.known[waiter->node]);
    mail->name = waiter->name;
    mail->first = waiter->first;
    mail->leader = engine.known[table_node(&engine.arena)];
    mail->party = actor->party;
    mail->op = (uint32_t)request->op;
    mail->object = request->object;
    mail->wait_ns = waiter->deadline == BELL_NO_WAIT ? 0 : clock_left(waiter->deadline);
    memcpy(mail->words, request->words, sizeof mail->words);
    mail->size = request->size;
    mail->data = (unsigned char *)(uintptr_t)request->data; /* only read */
    mail->borrowed = true;
    return mail;
}

static int node_is_lost(int node)
{
    return fail(TROUPE_LOST, "node %d is lost: none of its ranks is heard any more", node);
}

/* One sending, with the turn taken. Returns TROUPE_OK when the waiter's state tells the outcome. */
static int call_send(const struct actor *actor, struct waiter *waiter)
{
    struct mail *mail;

    leaders_follow();
    if (leader_rank(engine.known[waiter->node]) < 0)
        return node_is_lost(waiter->node);
    mail = request_mail(actor, waiter);
    if (mail == NULL)
        return fail(TROUPE_NO_MEMORY, "no memory for a request to node %d", waiter->node);
    waiter->state = WAITS;
    waiter->next = engine.waiters;
    engine.waiters = waiter;
    if (engine.defer.pending)
        defer_request(&engine.defer, mail->rank, post_kept_for(engine.post) == mail->rank,
                      clock_now());
    post_send(engine.post, mail);
    answer_await(actor, waiter);
    waiter_remove(waiter);
    return TROUPE_OK;
}

/* Until nothing of the last sending reads the caller's memory any more: it may be given back as
 * soon as the next one is answered. Has the turn, before and after. */
static void sending_await(const struct waiter *waiter)
{
    while (post_is_sending(engine.post, &waiter->name)) {
        move();
        pthread_mutex_unlock(&engine.turn);
        engine_pause(REST_NS);
        turn_take();
    }
}

/* A sending and what comes of it: the result, or CALL_AGAIN. */
static int call_try(struct actor *actor, struct waiter *waiter)
{
    uint64_t followed;
    int result;

    turn_take();
    result = call_send(actor, waiter);
    followed = engine.followed;
    if (result == TROUPE_OK && waiter->state == AGAIN)
        sending_await(waiter);
    pthread_mutex_unlock(&engine.turn);
    if (result == TROUPE_OK && waiter->state == HANDED)
        return call_await_here(actor, followed, waiter->answer);
    if (result == TROUPE_OK && waiter->state == AGAIN)
        return CALL_AGAIN;
    call_end(actor);
    return result == TROUPE_OK ? waiter_read(waiter) : result;
}

int engine_call(struct actor *actor, int node, const struct request *request, uint64_t deadline,
                struct answer *answer)
{
    struct waiter waiter = {
        .node = node, .request = request, .deadline = deadline, .answer = answer
    };
    int result;

    call_begin(actor, node, deadline != BELL_NO_WAIT, &waiter.name);
    waiter.first = waiter.name.sequence;
    while ((result = call_try(actor, &waiter)) == CALL_AGAIN)
        if (!call_again(actor, &waiter.name))
            return call_await(actor, answer);
    return result;
}

/* ---- life ----------------------------------------------------------------------------------- */

/* A child made by fork is no rank: MPI is its parent's, and so is the slot. What it asks of other
 * nodes goes through its mailbox. The turn may have been another thread's, which is not here. */
static void forget_in_child(void)
{
    engine.open = engine.leads = false;
    pthread_mutex_init(&engine.turn, NULL);
    bell_drive_with(NULL);
}

/* The service's slot is taken now: it must not be missing when this rank has to lead. */
int engine_open(const struct arena *arena, int rank, int ranks)
{
    int nodes = (int)node_of(arena)->nodes, result;

    engine.arena = *arena;
    engine.known = calloc((size_t)nodes, sizeof *engine.known);
    engine.post = post_open(ranks);
    if (engine.post == NULL || engine.known == NULL)
        return fail(TROUPE_NO_MEMORY, "no memory for a post among %d ranks", ranks);
    result = actor_open(arena, (uint32_t)getpid(), &engine.actor);
    if (result != TROUPE_OK)
        return result;
    for (int node = 0; node < nodes; node++)
        engine.known[node] = leader_word(arena, node);
    engine.rank = rank;
    defer_begin(&engine.defer);
    pthread_atfork(NULL, NULL, forget_in_child);
    engine.open = true;
    return engine_lead();
}

int engine_lead(void)
{
    int result = TROUPE_OK;

    turn_take();
    leaders_follow();
    if (must_lead())
        result = lead_begin();
    pthread_mutex_unlock(&engine.turn);
    return result;
}

/* What another thread had begun at the fork is nobody's here. */
void engine_forsake(void)
{
    engine.open = engine.leads = false;
    bell_drive_with(NULL);
}

bool engine_is_open(void)
{
    return engine.open;
}

bool engine_is_idle(void)
{
    bool idle;

    turn_take();
    idle = post_is_idle(engine.post);
    pthread_mutex_unlock(&engine.turn);
    return idle;
}

void engine_nap(uint64_t nanoseconds)
{
    struct bell *own = &engine.arena.header->service_bell;
    uint32_t ticket = atomic_fetch_or(&own->word, 1) | 1;

    if (ticket >> 1 == atomic_load(&engine.lead.bell_seen))
        futex_wait(&own->word, ticket, clock_now() + nanoseconds);
}

void engine_close(void)
{
    if (!engine.open)
        return;
    bell_drive_with(NULL);
    if (engine.leads)
        lead_close(&engine.lead);
    dock_end();
    actor_close(&engine.actor);
    post_close(engine.post);
    free(engine.known);
    engine.open = engine.leads = false;
}
