/* The service's thread: carries this node's requests out and answers other nodes'.
 *
 * It is hot while there is traffic, and naps otherwise on the service's bell, which rings for every
 * request posted on this node and for every change that a parked request waits for; frames of other
 * nodes it finds at the end of a nap at the latest. */
#include "core/service.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "core/futex.h"
#include "core/node.h"
#include "core/party.h"
#include "core/post.h"
#include "core/table.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

#define HOT_NS 200000u /* after the last traffic */
#define NAP_MS 1

/* A request of another node that waits for a bell. */
struct parked {
    struct mail *mail;
    struct bell *bell;
    uint64_t deadline;
    struct parked *next;
};

/* A request of this node that another one may have parked. */
struct asked {
    struct call_name name;
    int node;
    struct asked *next;
};

struct service {
    struct actor *actor;
    struct post *post;
    struct parked *parked, **parked_end; /* oldest first; where the next one goes */
    struct asked *asked;
    uint32_t bell_seen; /* the service bell's word when the parked were last tried */
};

static service_handler handlers[SERVICE_OPS];
static _Atomic bool stopping;

void service_register(enum service_op op, service_handler handler)
{
    handlers[op] = handler;
}

/* ---- answering -------------------------------------------------------------------------- */

static void answer_send(struct service *service, const struct mail *question, int result,
                        struct answer *answer)
{
    struct mail *mail = calloc(1, sizeof *mail);
    const char *sentence = result < 0 ? troupe_last_error() : "";

    if (mail != NULL) {
        mail->kind = MAIL_ANSWER;
        mail->node = question->node;
        mail->name = question->name;
        mail->result = result;
        memcpy(mail->words, answer->words, sizeof mail->words);
        mail->size = answer->size;
        mail->sentence_size = result < 0 ? strlen(sentence) + 1 : 0;
        mail->data = malloc(mail->size + mail->sentence_size + 1);
    }
    if (mail == NULL || mail->data == NULL) {
        mail_free(mail);
        return;
    }
    if (answer->size > 0)
        memcpy(mail->data, answer->data, answer->size);
    memcpy(mail->data + mail->size, sentence, mail->sentence_size);
    post_send(service->post, mail);
}

static int apply(struct service *service, const struct mail *mail, bool last, struct bell **bell)
{
    struct request request = {
        (enum service_op)mail->op, mail->object, { 0 }, mail->data, mail->size
    };
    struct answer answer = { .data = NULL };
    int result;

    memcpy(request.words, mail->words, sizeof request.words);
    if (mail->op >= SERVICE_OPS || handlers[mail->op] == NULL)
        result = fail(TROUPE_MISMATCH,
                      "node %d asks for %u, which this version does not know; all "
                      "ranks must run the same version",
                      mail->node, mail->op);
    else
        result = handlers[mail->op](service->actor, &request, last, &answer, bell);
    if (result != SERVICE_PARK)
        answer_send(service, mail, result, &answer);
    free(answer.data);
    return result;
}

/* ---- parking ---------------------------------------------------------------------------- */

static void unwatch(const struct service *service, struct bell *bell)
{
    for (const struct parked *other = service->parked; other != NULL; other = other->next)
        if (other->bell == bell)
            return;
    atomic_store(&bell->watched, 0);
}

static void parked_remove(struct service *service, struct parked **link)
{
    struct parked *entry = *link;

    *link = entry->next;
    if (service->parked_end == &entry->next)
        service->parked_end = link;
    unwatch(service, entry->bell);
    mail_free(entry->mail);
    free(entry);
}

/* Tries a parked request again; true when it was answered and its entry is gone. One that now waits
 * for another bell is tried once more when that is watched. */
static bool parked_try(struct service *service, struct parked **link)
{
    struct parked *entry = *link;
    struct bell *bell;

    do {
        bool last = clock_left(entry->deadline) == 0;

        bell = entry->bell;
        if (apply(service, entry->mail, last, &entry->bell) != SERVICE_PARK) {
            parked_remove(service, link);
            return true;
        }
        atomic_store(&entry->bell->watched, 1);
        if (entry->bell != bell)
            unwatch(service, bell);
    } while (entry->bell != bell);
    return false;
}

/* Parks a request and tries it once more: the bell is watched before that last look, so a change
 * either is seen or rings. */
static void park(struct service *service, struct mail *mail, struct bell *bell)
{
    struct parked *entry = malloc(sizeof *entry), **link = service->parked_end;
    struct answer nothing = { .data = NULL };

    if (entry == NULL) {
        answer_send(service, mail,
                    fail(TROUPE_NO_MEMORY, "no memory to wait for node %d", mail->node), &nothing);
        mail_free(mail);
        return;
    }
    entry->mail = mail;
    entry->bell = bell;
    entry->deadline = mail->wait_ns == CLOCK_FOREVER ? CLOCK_FOREVER : clock_now() + mail->wait_ns;
    entry->next = NULL;
    *link = entry;
    service->parked_end = &entry->next;
    atomic_store(&bell->watched, 1);
    parked_try(service, link);
}

/* Who came first is served first. */
static void parked_try_all(struct service *service, bool rung)
{
    for (struct parked **link = &service->parked; *link != NULL;)
        if (!(rung || clock_left((*link)->deadline) == 0) || !parked_try(service, link))
            link = &(*link)->next;
}

/* ---- withdrawing ------------------------------------------------------------------------ */

static bool is_same_call(const struct call_name *left, const struct call_name *right)
{
    return left->slot == right->slot && left->incarnation == right->incarnation &&
           left->sequence == right->sequence;
}

/* Without memory it is not noted, and a dead caller's request stays until it is answered. */
static void asked_note(struct service *service, const struct mail *mail)
{
    struct asked *entry = mail->wait_ns != 0 ? malloc(sizeof *entry) : NULL;

    if (entry == NULL)
        return;
    *entry = (struct asked){ mail->name, mail->node, service->asked };
    service->asked = entry;
}

static void asked_forget(struct service *service, const struct call_name *name)
{
    struct asked **link = &service->asked, *entry;

    while (*link != NULL && !is_same_call(&(*link)->name, name))
        link = &(*link)->next;
    if ((entry = *link) == NULL)
        return;
    *link = entry->next;
    free(entry);
}

static void withdrawal_send(struct service *service, const struct asked *entry)
{
    struct mail *mail = calloc(1, sizeof *mail);

    if (mail == NULL)
        return;
    mail->kind = MAIL_WITHDRAWAL;
    mail->node = entry->node;
    mail->name = entry->name;
    post_send(service->post, mail);
}

/* A caller that died while its request is parked would be given what the living wait for. */
static void asked_look(struct service *service)
{
    for (struct asked **link = &service->asked; *link != NULL;) {
        struct asked *entry = *link;

        if (call_waits(service->actor, &entry->name)) {
            link = &entry->next;
            continue;
        }
        withdrawal_send(service, entry);
        *link = entry->next;
        free(entry);
    }
}

static void parked_withdraw(struct service *service, const struct mail *mail)
{
    struct parked **link = &service->parked;

    while (*link != NULL &&
           ((*link)->mail->node != mail->node || !is_same_call(&(*link)->mail->name, &mail->name)))
        link = &(*link)->next;
    if (*link != NULL)
        parked_remove(service, link);
}

/* ---- farewells -------------------------------------------------------------------------- */

static bool farewell_send(struct service *service, int node, const struct call_name *name,
                          uint64_t party)
{
    struct mail *mail = calloc(1, sizeof *mail);

    if (mail == NULL)
        return false;
    mail->kind = MAIL_FAREWELL;
    mail->node = node;
    mail->name = *name;
    mail->words[0] = party;
    post_send(service->post, mail);
    return true;
}

/* Tells the nodes at which a dead slot's process may hold something. What the slot asked for has
 * left before, in this order, and what its pid's next owner asks for comes after. Without memory
 * the slot stays as it is, and the next ring of the bell tries again. */
static void farewells_send(struct service *service)
{
    const struct arena *arena = &service->actor->arena;
    int nodes = (int)node_of(arena)->nodes, here = table_node(arena);
    uint32_t high = atomic_load(&arena->header->slot_high);

    for (uint32_t number = SLOT_FIRST; number < high; number++) {
        struct slot *slot = slot_at(arena, number);
        uint64_t identity = atomic_load(&slot->identity), abroad = atomic_load(&slot->abroad);
        struct call_name name = { number, slot_incarnation_of(identity), 0 };
        bool told = slot_state_of(identity) == SLOT_MOURNED;

        for (int node = 0; node < nodes && told; node++)
            if (node != here && party_is_abroad(abroad, node))
                told =
                    farewell_send(service, node, &name, party_name(arena, slot_party_of(identity)));
        if (told)
            slot_forget(slot);
    }
}

/* What the dead one still waits for here must not be given to it after its farewell. */
static void farewell_take(struct service *service, const struct mail *mail)
{
    for (struct parked **link = &service->parked; *link != NULL;) {
        const struct mail *other = (*link)->mail;

        if (other->node == mail->node && other->name.slot == mail->name.slot &&
            other->name.incarnation == mail->name.incarnation)
            parked_remove(service, link);
        else
            link = &(*link)->next;
    }
    party_ended(service->actor, mail->words[0], PARTY_DIED);
}

/* ---- moving ----------------------------------------------------------------------------- */

static void mail_take(struct service *service, struct mail *mail)
{
    struct answer answer = { .data = NULL };
    struct bell *bell = NULL;

    if (mail->kind == MAIL_WITHDRAWAL)
        parked_withdraw(service, mail);
    else if (mail->kind == MAIL_FAREWELL)
        farewell_take(service, mail);
    else if (mail->kind == MAIL_ANSWER) {
        asked_forget(service, &mail->name);
        memcpy(answer.words, mail->words, sizeof answer.words);
        answer.data = mail->data;
        answer.size = mail->size;
        call_answer(service->actor, &mail->name, mail->result, &answer,
                    mail->sentence_size > 0 ? (const char *)mail->data + mail->size : NULL);
    } else if (apply(service, mail, mail->wait_ns == 0, &bell) == SERVICE_PARK) {
        park(service, mail, bell);
        return;
    }
    mail_free(mail);
}

static bool requests_take(struct service *service)
{
    struct call_request *request;
    struct call_name name;
    bool moved = false;

    while ((request = call_take(service->actor, &name)) != NULL) {
        struct mail *mail = calloc(1, sizeof *mail);

        moved = true;
        if (mail != NULL)
            mail->data = malloc(request->size + 1);
        if (mail == NULL || mail->data == NULL) {
            struct answer nothing = { .data = NULL };

            call_answer(service->actor, &name, TROUPE_NO_MEMORY, &nothing,
                        "the service has no memory for a request");
            mail_free(mail);
        } else {
            mail->kind = MAIL_REQUEST;
            mail->node = (int)request->node;
            mail->name = name;
            mail->op = (uint32_t)request->op;
            mail->object = request->object;
            mail->wait_ns = request->wait_ns;
            memcpy(mail->words, request->words, sizeof mail->words);
            mail->size = request->size;
            memcpy(mail->data, request->data, request->size);
            asked_note(service, mail);
            post_send(service->post, mail);
        }
        free(request);
    }
    return moved;
}

static bool move(struct service *service)
{
    struct bell *own = &service->actor->arena.header->service_bell;
    uint32_t seen = atomic_load(&own->word);
    bool moved, posted;
    struct mail *mail;

    if (seen != service->bell_seen) {
        asked_look(service);
        farewells_send(service);
    }
    moved = requests_take(service);
    parked_try_all(service, seen != service->bell_seen);
    service->bell_seen = seen;
    while ((mail = post_move(service->post, &posted)) != NULL) {
        mail_take(service, mail);
        moved = true;
    }
    return moved || posted;
}

/* Sleeps until the bell rings or the nap is over. */
static void nap(struct service *service)
{
    struct bell *own = &service->actor->arena.header->service_bell;
    uint32_t ticket = atomic_fetch_or(&own->word, 1) | 1;

    if ((ticket & ~1u) == (service->bell_seen & ~1u))
        futex_wait(&own->word, ticket, clock_deadline(NAP_MS));
}

void service_run(struct actor *actor)
{
    struct service service = { .actor = actor, .parked_end = &service.parked };
    uint64_t last = clock_now();

    service.post = post_open((int)node_of(&actor->arena)->nodes);
    if (service.post == NULL) {
        log_error("no memory for the service of node %d: other nodes will not be answered",
                  table_node(&actor->arena));
        return;
    }
    while (!atomic_load(&stopping) || !post_is_idle(service.post)) {
        if (move(&service))
            last = clock_now();
        else if (clock_now() - last < HOT_NS)
            sched_yield();
        else
            nap(&service);
    }
    while (service.parked != NULL)
        parked_remove(&service, &service.parked);
    while (service.asked != NULL)
        asked_forget(&service, &service.asked->name);
    post_close(service.post);
}

void service_stop(const struct arena *arena)
{
    atomic_store(&stopping, true);
    bell_ring(arena, &arena->header->service_bell, FUTEX_ALL);
}
