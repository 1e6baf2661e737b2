#include "core/engine.h"

#include "base/clock.h"
#include "base/error.h"
#include "core/futex.h"
#include "core/desk.h"
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
#define YIELD_PART 16 /* of the looks in vain let another thread run; a yield costs half a look */
#define NAP_LEAST_NS 50000u
#define NAP_MOST_NS 1000000u
#define NAP_PART 4 /* of the time since the wait began */
#define PASSING_ROUNDS 100

/* A call of a thread of this process, while it drives. */
struct waiter {
    struct call_name name;
    struct answer *answer;
    int result;
    uint64_t sentence_size;
    enum { WAITS = 0, ANSWERED, HANDED } state;
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
    bool leads;
    struct actor actor;
    struct desk desk;
    _Atomic uint32_t bell_seen; /* the service bell's count at the last look; read before a nap */
} engine = { .turn = PTHREAD_MUTEX_INITIALIZER };

/* ---- the turn --------------------------------------------------------------------------- */

static void turn_take(void)
{
    if (pthread_mutex_trylock(&engine.turn) == 0)
        return;
    atomic_fetch_add(&engine.wanted, 1);
    pthread_mutex_lock(&engine.turn);
    atomic_fetch_sub(&engine.wanted, 1);
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
static uint64_t yield(uint64_t now)
{
    uint64_t back;

    sched_yield();
    back = clock_now();
    if (back - now > LATE_NS)
        crowd(back);
    return back;
}

void engine_rest(struct rest *rest)
{
    uint64_t now = clock_now();

    if (now < atomic_load_explicit(&engine.crowded_until, memory_order_relaxed)) {
        engine_pause(REST_NS);
        rest->looked = clock_now();
    } else if (++rest->looks % YIELD_PART == 0)
        rest->looked = yield(now);
    else {
        futex_spin_pause();
        rest->looked = now;
    }
}

/* ---- moving ----------------------------------------------------------------------------- */

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

    if (mail->kind == MAIL_REQUEST && engine.leads) {
        desk_request(&engine.desk, mail);
        return;
    }
    if (mail->kind == MAIL_WITHDRAWAL && engine.leads)
        desk_withdraw(&engine.desk, mail);
    else if (mail->kind == MAIL_CANCEL && engine.leads)
        desk_cancel(&engine.desk, mail);
    else if (mail->kind == MAIL_FAREWELL && engine.leads)
        desk_farewell(&engine.desk, mail);
    else if (mail->kind == MAIL_RING && engine.leads)
        call_ring(&engine.actor, &mail->name, mail->words[0]);
    else if (mail->kind == MAIL_ANSWER)
        answer_take(mail);
    else if (mail->kind == MAIL_HANDED && (waiter = waiter_of(&mail->name)) != NULL)
        waiter->state = HANDED;
    mail_free(mail);
}

static struct mail *request_mail(int node, const struct call_name *name,
                                 const struct request *request, uint64_t wait_ns)
{
    struct mail *mail = calloc(1, sizeof *mail);

    if (mail == NULL)
        return NULL;
    mail->kind = MAIL_REQUEST;
    mail->rank = fabric_leader_of(node);
    mail->name = *name;
    mail->op = (uint32_t)request->op;
    mail->object = request->object;
    mail->wait_ns = wait_ns;
    memcpy(mail->words, request->words, sizeof mail->words);
    mail->size = request->size;
    mail->data = (unsigned char *)(uintptr_t)request->data; /* only read */
    mail->borrowed = true;
    return mail;
}

/* What call_take gave is one block: the mail keeps it whole and frees it as its data. */
static bool mailbox_send(const struct call_name *name, struct call_request *taken)
{
    struct request request = { .op = (enum service_op)taken->op,
                               .object = taken->object,
                               .data = taken->data,
                               .size = taken->size };
    struct mail *mail;

    memcpy(request.words, taken->words, sizeof request.words);
    mail = request_mail((int)taken->node, name, &request, taken->wait_ns);
    if (mail == NULL)
        return false;
    memmove(taken, taken->data, taken->size);
    mail->data = (unsigned char *)taken;
    mail->borrowed = false;
    post_send(engine.post, mail);
    return true;
}

static bool mailboxes_empty(void)
{
    struct call_request *taken;
    struct call_name name;
    bool moved = false;

    while ((taken = call_take(&engine.actor, &name)) != NULL) {
        struct answer nothing = { .data = NULL };

        moved = true;
        if (mailbox_send(&name, taken))
            continue;
        free(taken);
        call_answer(&engine.actor, &name, TROUPE_NO_MEMORY, &nothing,
                    "the service has no memory for a request");
    }
    return moved;
}

static void name_send(int node, const struct call_name *name, enum mail_kind kind)
{
    struct mail *mail = calloc(1, sizeof *mail);

    if (mail == NULL)
        return;
    mail->kind = kind;
    mail->rank = fabric_leader_of(node);
    mail->name = *name;
    post_send(engine.post, mail);
}

static void withdrawals_send(void)
{
    struct call_name name;
    int node;

    while (call_next_withdrawn(&engine.actor, &name, &node))
        name_send(node, &name, MAIL_WITHDRAWAL);
}

/* After the requests themselves. */
static void cancels_send(void)
{
    struct call_name name;
    int node;

    while (call_next_cancelled(&engine.actor, &name, &node))
        name_send(node, &name, MAIL_CANCEL);
}

static bool farewell_send(int node, const struct call_name *name, uint64_t party)
{
    struct mail *mail = calloc(1, sizeof *mail);

    if (mail == NULL)
        return false;
    mail->kind = MAIL_FAREWELL;
    mail->rank = fabric_leader_of(node);
    mail->name = *name;
    mail->words[0] = party;
    post_send(engine.post, mail);
    return true;
}

/* Tells the nodes at which a dead slot's process may hold something. What its pid's next owner asks
 * for comes after, in this order; what the slot itself asked for may come after, too, if its
 * process was a rank and sent it itself, and is then dropped there. Without memory the slot stays
 * as it is, and the next ring of the bell tries again. */
static void farewells_send(void)
{
    const struct arena *arena = &engine.arena;
    int nodes = (int)node_of(arena)->nodes, here = table_node(arena);
    uint32_t high = atomic_load(&arena->header->slot_high);

    for (uint32_t number = SLOT_FIRST; number < high; number++) {
        struct slot *slot = slot_at(arena, number);
        uint64_t identity = atomic_load(&slot->identity), abroad = atomic_load(&slot->abroad);
        struct call_name name = { number, slot_incarnation_of(identity), 0 };
        bool told = slot_state_of(identity) == SLOT_MOURNED;

        for (int node = 0; node < nodes && told; node++)
            if (node != here && party_is_abroad(abroad, node))
                told = farewell_send(node, &name, party_name(arena, slot_party_of(identity)));
        if (told)
            slot_forget(slot);
    }
}

/* What this node's processes and the changes in its arena ask for. */
static bool node_serve(void)
{
    uint32_t count = atomic_load(&engine.arena.header->service_bell.word) >> 1;
    bool rung = count != atomic_load_explicit(&engine.bell_seen, memory_order_relaxed);
    bool moved = false;

    if (rung) {
        atomic_store(&engine.bell_seen, count);
        withdrawals_send();
        farewells_send();
        moved = mailboxes_empty();
        cancels_send();
    }
    desk_look(&engine.desk, rung);
    return moved;
}

/* One message at most: whoever waits for that one need not look for another. */
static bool move(void)
{
    bool moved = engine.leads && node_serve();
    struct mail *mail = post_move(engine.post, &moved);

    if (mail != NULL)
        mail_take(mail);
    if (moved || post_is_moving_bulk(engine.post))
        atomic_store_explicit(&engine.traffic, clock_now(), memory_order_relaxed);
    return moved;
}

/* ---- driving ---------------------------------------------------------------------------- */

static void drive_begin(void)
{
    atomic_fetch_add(&engine.drivers, 1);
}

static void drive_end(void)
{
    atomic_store(&engine.driven, clock_now());
    atomic_fetch_sub(&engine.drivers, 1);
}

bool engine_is_driven(void)
{
    return atomic_load(&engine.drivers) > 0 ||
           clock_now() - atomic_load(&engine.driven) < STAND_BACK_NS;
}

uint64_t engine_traffic(void)
{
    return atomic_load_explicit(&engine.traffic, memory_order_relaxed);
}

bool engine_is_hot(uint64_t now)
{
    return now < engine_traffic() + HOT_NS;
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

/* A bell_driver: goes on for a little longer than there is traffic. */
static bool drive_until(bool (*changed)(const void *context), const void *context)
{
    struct rest rest = { clock_now(), 0 };
    uint64_t began = rest.looked;
    bool seen;

    drive_begin();
    while (!(seen = changed(context)) &&
           (rest.looked - began < HOT_NS || engine_is_hot(rest.looked))) {
        if (engine_step())
            rest.looked = clock_now();
        else
            engine_rest(&rest);
    }
    drive_end();
    return seen;
}

/* ---- calling ---------------------------------------------------------------------------- */

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
    struct rest rest = { clock_now(), 0 };
    uint64_t began = rest.looked;

    drive_begin();
    for (bool moved = move(); waiter->state == WAITS; moved = move()) {
        uint64_t quiet_since = engine_traffic() > began ? engine_traffic() : began;

        pthread_mutex_unlock(&engine.turn);
        turn_pass();
        if (moved)
            rest.looked = clock_now();
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
    drive_end();
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

int engine_call(struct actor *actor, int node, const struct request *request, uint64_t deadline,
                struct answer *answer)
{
    struct waiter waiter = { .answer = answer };
    struct mail *mail;

    call_begin(actor, node, deadline != BELL_NO_WAIT, &waiter.name);
    mail = request_mail(node, &waiter.name, request,
                        deadline == BELL_NO_WAIT ? 0 : clock_left(deadline));
    if (mail == NULL) {
        call_end(actor);
        return fail(TROUPE_NO_MEMORY, "no memory for a request to node %d", node);
    }
    turn_take();
    waiter.next = engine.waiters;
    engine.waiters = &waiter;
    post_send(engine.post, mail);
    answer_await(actor, &waiter);
    waiter_remove(&waiter);
    pthread_mutex_unlock(&engine.turn);
    if (waiter.state == HANDED)
        return call_await(actor, answer);
    call_end(actor);
    return waiter_read(&waiter);
}

/* ---- life ------------------------------------------------------------------------------- */

/* A child made by fork is no rank: MPI is its parent's, and so is the slot. What it asks of other
 * nodes goes through its mailbox. The turn may have been another thread's, which is not here. */
static void forget_in_child(void)
{
    engine.open = engine.leads = false;
    pthread_mutex_init(&engine.turn, NULL);
    bell_drive_with(NULL);
}

int engine_open(const struct arena *arena, int ranks)
{
    engine.post = post_open(ranks);
    if (engine.post == NULL)
        return fail(TROUPE_NO_MEMORY, "no memory for a post among %d ranks", ranks);
    pthread_atfork(NULL, NULL, forget_in_child);
    engine.arena = *arena;
    engine.open = true;
    return TROUPE_OK;
}

int engine_lead(void)
{
    int result = actor_open(&engine.arena, (uint32_t)getpid(), &engine.actor);

    if (result != TROUPE_OK)
        return result;
    turn_take();
    desk_open(&engine.desk, &engine.actor, engine.post);
    atomic_store(&engine.bell_seen, UINT32_MAX); /* no count: look at everything once */
    engine.leads = true;
    pthread_mutex_unlock(&engine.turn);
    bell_drive_with(drive_until);
    return TROUPE_OK;
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

    if (ticket >> 1 == atomic_load(&engine.bell_seen))
        futex_wait(&own->word, ticket, clock_now() + nanoseconds);
}

void engine_close(void)
{
    if (!engine.open)
        return;
    if (engine.leads) {
        bell_drive_with(NULL);
        desk_close(&engine.desk);
        actor_close(&engine.actor);
    }
    post_close(engine.post);
    engine.open = engine.leads = false;
}
