#include "core/desk.h"

#include "base/clock.h"
#include "base/error.h"
#include "core/leader.h"
#include "core/ledger.h"
#include "core/party.h"
#include "core/table.h"
#include "fabric/fabric.h"

#include <stdlib.h>
#include <string.h>

#define HAND_NS 200000u /* so long a rank polls for the answer to a parked request */

/* A request that waits for a bell. */
struct parked {
    struct mail *mail;
    struct bell *bell;
    uint32_t seen;     /* the bell's count before the last look */
    uint64_t deadline; /* of the request */
    uint64_t hand_at;  /* when it is handed to the caller's leader; CLOCK_FOREVER: it is there */
    bool watches;      /* it was answered, and will ring */
    struct parked *next;
};

static service_handler handlers[SERVICE_OPS];

void service_register(enum service_op op, service_handler handler)
{
    handlers[op] = handler;
}

void desk_open(struct desk *desk, struct actor *actor, struct post *post)
{
    memset(desk, 0, sizeof *desk);
    desk->actor = actor;
    desk->post = post;
    desk->parked_end = &desk->parked;
    desk->next_look = CLOCK_FOREVER;
}

/* ---- answering ------------------------------------------------------------------------------ */

/* The answer's data becomes the mail's; a sentence goes behind it. */
static bool answer_wrap(struct mail *mail, int result, struct answer *answer)
{
    const char *sentence = troupe_last_error();
    unsigned char *both;

    mail->result = result;
    memcpy(mail->words, answer->words, sizeof mail->words);
    mail->size = answer->size;
    mail->data = answer->data;
    answer->data = NULL;
    if (result >= 0)
        return true;
    mail->sentence_size = strlen(sentence) + 1;
    both = realloc(mail->data, mail->size + mail->sentence_size);
    if (both == NULL)
        return false;
    mail->data = both;
    memcpy(both + mail->size, sentence, mail->sentence_size);
    return true;
}

static void answer_send(struct desk *desk, const struct mail *question, int result,
                        struct answer *answer)
{
    struct mail *mail = mail_make();

    if (mail != NULL) {
        mail->kind = MAIL_ANSWER;
        mail->rank = question->rank;
        mail->name = question->name;
    }
    if (mail != NULL && answer_wrap(mail, result, answer))
        post_send(desk->post, mail);
    else
        mail_free(mail);
}

static void cancelled_send(struct desk *desk, const struct mail *question)
{
    struct answer nothing = { .data = NULL };

    answer_send(desk, question,
                fail(TROUPE_CANCELLED, "the process was cancelled (troupe_process_cancel) while it "
                                       "waited for another node; end it"),
                &nothing);
}

static struct ledger_call call_of(const struct mail *mail)
{
    return (struct ledger_call){ fabric_node_of(mail->rank), mail->name.slot,
                                 mail->name.incarnation,     mail->party,
                                 mail->name.sequence,        mail->first };
}

/* NULL when there is no room for one, or the slot has another owner by now. */
static struct ledger_entry *entry_of(const struct desk *desk, const struct mail *mail)
{
    struct ledger_call call = call_of(mail);
    struct ledger_entry *entry = ledger_entry_of(desk->actor, &call);

    return entry != NULL && atomic_load(&entry->incarnation) == call.incarnation ? entry : NULL;
}

static int handle(struct desk *desk, const struct mail *mail, bool last, struct answer *answer,
                  struct bell **bell)
{
    struct request request = { .op = (enum service_op)mail->op,
                               .object = mail->object,
                               .data = mail->data,
                               .size = mail->size,
                               .landed = mail->dock != NULL ? mail->dock->block : 0 };
    struct actor *actor = mail->dock != NULL ? &mail->dock->actor : desk->actor;
    struct ledger_entry *entry = entry_of(desk, mail);
    int result;

    memcpy(request.words, mail->words, sizeof request.words);
    if (mail->op >= SERVICE_OPS || handlers[mail->op] == NULL)
        return fail(TROUPE_MISMATCH,
                    "rank %d asks for %u, which this version does not know; all ranks must run "
                    "the same version",
                    mail->rank, mail->op);
    ledger_begin(actor, entry, request.op, mail->first);
    actor->serves_again = mail->again;
    result = handlers[mail->op](actor, &request, last, answer, bell);
    if (mail->again && ledger_kind_of(request.op) == LEDGER_ENDING &&
        (result == TROUPE_BAD_HANDLE || result == TROUPE_NOT_FOUND))
        result = TROUPE_OK;
    ledger_end(actor, entry, result, answer);
    return result;
}

/* Returns SERVICE_PARK, or anything else when the request was answered. Sentences of failures that
 * another node's request meets here are not this thread's. */
static int apply(struct desk *desk, const struct mail *mail, bool last, struct bell **bell)
{
    struct answer answer = { .data = NULL };
    struct error_kept kept;
    int result;

    error_keep(&kept);
    result = handle(desk, mail, last, &answer, bell);
    if (result != SERVICE_PARK)
        answer_send(desk, mail, result, &answer);
    error_restore(&kept);
    free(answer.data);
    return result;
}

/* ---- parking -------------------------------------------------------------------------------- */

static void unwatch(const struct desk *desk, struct bell *bell)
{
    for (const struct parked *other = desk->parked; other != NULL; other = other->next)
        if (other->bell == bell)
            return;
    bell_service_unwatch(bell);
}

static void parked_remove(struct desk *desk, struct parked **link)
{
    struct parked *entry = *link;

    *link = entry->next;
    if (desk->parked_end == &entry->next)
        desk->parked_end = link;
    unwatch(desk, entry->bell);
    mail_free(entry->mail);
    free(entry);
}

/* The leader of the caller's node, which has its mailbox and its doorbell. */
static int leader_for(const struct desk *desk, const struct mail *mail)
{
    return leader_of(&desk->actor->arena, fabric_node_of(mail->rank));
}

/* To the leader of the caller's node, which has its doorbell. Without memory the caller is not rung
 * for, until something else is. */
static void ring_send(struct desk *desk, const struct mail *question)
{
    struct mail *mail = mail_make();

    if (mail == NULL)
        return;
    mail->kind = MAIL_RING;
    mail->rank = leader_for(desk, question);
    mail->name = question->name;
    mail->words[0] = question->words[0];
    post_send(desk->post, mail);
}

/* As apply, for a request that is parked; one that watches rings instead of an answer. */
static int apply_again(struct desk *desk, struct parked *entry, bool last)
{
    struct answer answer = { .data = NULL };
    struct error_kept kept;
    int result;

    if (!entry->watches)
        return apply(desk, entry->mail, last, &entry->bell);
    error_keep(&kept);
    result = handle(desk, entry->mail, false, &answer, &entry->bell);
    error_restore(&kept);
    free(answer.data);
    if (result == SERVICE_WATCH)
        return SERVICE_PARK;
    ring_send(desk, entry->mail);
    return result;
}

static uint32_t bell_count(const struct bell *bell)
{
    return atomic_load(&bell->word) >> 1;
}

/* Tries a parked request again; true when it was answered and its entry is gone. One that now waits
 * for another bell is tried once more when that is watched. */
static bool parked_try(struct desk *desk, struct parked **link)
{
    struct parked *entry = *link;
    struct bell *bell;

    do {
        bool last = clock_left(entry->deadline) == 0;

        bell = entry->bell;
        entry->seen = bell_count(bell);
        if (apply_again(desk, entry, last) != SERVICE_PARK) {
            parked_remove(desk, link);
            return true;
        }
        bell_service_watch(entry->bell);
        if (entry->bell != bell)
            unwatch(desk, bell);
    } while (entry->bell != bell);
    return false;
}

static bool is_dead(const struct desk *desk, const struct mail *mail)
{
    uint32_t count = desk->deaths < DESK_DEAD ? desk->deaths : DESK_DEAD;
    int node = count > 0 ? fabric_node_of(mail->rank) : 0;

    for (uint32_t i = 0; i < count; i++)
        if (desk->dead[i].node == node && desk->dead[i].slot == mail->name.slot &&
            desk->dead[i].incarnation == mail->name.incarnation)
            return true;
    return false;
}

static bool is_direct(const struct desk *desk, const struct mail *mail)
{
    return leader_for(desk, mail) != mail->rank;
}

static void next_look_by(struct desk *desk, const struct parked *entry)
{
    uint64_t first = entry->deadline < entry->hand_at ? entry->deadline : entry->hand_at;

    if (first < desk->next_look)
        desk->next_look = first;
}

/* Parks a request and tries it once more: the bell is watched before that last look, so a change
 * either is seen or rings. */
static void park(struct desk *desk, struct mail *mail, struct bell *bell, bool watches)
{
    struct parked *entry = malloc(sizeof *entry), **link = desk->parked_end;
    struct answer nothing = { .data = NULL };
    uint64_t now = clock_now();

    if (entry == NULL) {
        fail(TROUPE_NO_MEMORY, "no memory to wait for rank %d", mail->rank);
        if (watches)
            ring_send(desk, mail);
        else
            answer_send(desk, mail, TROUPE_NO_MEMORY, &nothing);
        mail_free(mail);
        return;
    }
    entry->mail = mail;
    entry->bell = bell;
    entry->watches = watches;
    entry->deadline =
        watches || mail->wait_ns == CLOCK_FOREVER ? CLOCK_FOREVER : now + mail->wait_ns;
    entry->hand_at = !watches && is_direct(desk, mail) ? now + HAND_NS : CLOCK_FOREVER;
    entry->next = NULL;
    *link = entry;
    desk->parked_end = &entry->next;
    bell_service_watch(bell);
    if (!parked_try(desk, link))
        next_look_by(desk, entry);
}

static bool is_of_same_slot(const struct mail *left, const struct mail *right)
{
    return fabric_node_of(left->rank) == fabric_node_of(right->rank) &&
           left->name.slot == right->name.slot && left->name.incarnation == right->name.incarnation;
}

/* SERVICE_UNWATCH. */
static void watches_end(struct desk *desk, const struct mail *mail)
{
    struct answer nothing = { .data = NULL };

    for (struct parked **link = &desk->parked; *link != NULL;)
        if ((*link)->watches && is_of_same_slot((*link)->mail, mail))
            parked_remove(desk, link);
        else
            link = &(*link)->next;
    answer_send(desk, mail, TROUPE_OK, &nothing);
}

/* Parks it, unless its caller was cancelled meanwhile. */
static void park_or_cancel(struct desk *desk, struct mail *mail, struct bell *bell)
{
    uint32_t count = desk->cancels < DESK_CANCELLED ? desk->cancels : DESK_CANCELLED;
    int node = count > 0 ? fabric_node_of(mail->rank) : 0;

    for (uint32_t i = 0; i < count; i++)
        if (desk->cancelled[i].node == node &&
            call_is_same(&desk->cancelled[i].name, &mail->name)) {
            cancelled_send(desk, mail);
            mail_free(mail);
            return;
        }
    park(desk, mail, bell, false);
}

static void request_apply(struct desk *desk, struct mail *mail)
{
    struct bell *bell = NULL;
    int result = apply(desk, mail, mail->wait_ns == 0, &bell);

    if (result == SERVICE_PARK)
        park_or_cancel(desk, mail, bell);
    else if (result == SERVICE_WATCH)
        park(desk, mail, bell, true);
    else
        mail_free(mail);
}

/* ---- requests that are sent again ----------------------------------------------------------- */

/* Whether its caller, if it lives, sends it again, because its node has another leader by now:
 * otherwise nobody would tell us of that caller's death. News that come with a request count. */
static bool is_outdated(const struct desk *desk, const struct mail *mail)
{
    const struct arena *arena = &desk->actor->arena;
    int node = fabric_node_of(mail->rank);
    uint32_t known = leader_epoch(leader_word(arena, node));

    if (leader_epoch(mail->leader) > known)
        leader_learn(arena, node, mail->leader);
    return leader_epoch(mail->leader) < known;
}

static void answer_once_more(struct desk *desk, const struct mail *mail)
{
    struct answer answer = { .data = NULL };
    struct error_kept kept;

    error_keep(&kept);
    answer_send(desk, mail, ledger_answer(desk->actor, entry_of(desk, mail), mail->object, &answer),
                &answer);
    error_restore(&kept);
    free(answer.data);
}

static void answer_in_doubt(struct desk *desk, const struct mail *mail)
{
    struct answer nothing = { .data = NULL };
    struct error_kept kept;

    error_keep(&kept);
    answer_send(desk, mail,
                fail(TROUPE_LOST,
                     "the leader of node %d died while it did this for you: it may be done or "
                     "not; look at the object",
                     table_node(&desk->actor->arena)),
                &nothing);
    error_restore(&kept);
}

static bool is_doubtful(const struct mail *mail)
{
    return ledger_kind_of((enum service_op)mail->op) == LEDGER_DOUBTFUL;
}

void desk_request(struct desk *desk, struct mail *mail)
{
    struct ledger_call call = call_of(mail);
    struct ledger_entry *entry = NULL;
    enum ledger_verdict verdict = LEDGER_FRESH;

    if (is_dead(desk, mail) || is_outdated(desk, mail)) {
        mail_free(mail);
        return;
    }
    entry = ledger_entry_of(desk->actor, &call);
    if (entry != NULL)
        verdict = ledger_meet(desk->actor, entry, &call);
    mail->again = verdict == LEDGER_IN_DOUBT;
    if (mail->op == SERVICE_UNWATCH && verdict != LEDGER_LATE)
        watches_end(desk, mail);
    else if (verdict == LEDGER_AGAIN)
        answer_once_more(desk, mail);
    else if (mail->again && is_doubtful(mail))
        answer_in_doubt(desk, mail);
    else if (verdict != LEDGER_LATE) {
        request_apply(desk, mail);
        return;
    }
    mail_free(mail);
}

void desk_forget_node(struct desk *desk, int node)
{
    uint32_t epoch = leader_epoch(leader_word(&desk->actor->arena, node));

    for (struct parked **link = &desk->parked; *link != NULL;)
        if (fabric_node_of((*link)->mail->rank) == node &&
            leader_epoch((*link)->mail->leader) < epoch)
            parked_remove(desk, link);
        else
            link = &(*link)->next;
}

/* ---- looking again -------------------------------------------------------------------------- */

/* From here on the answer goes to the caller's leader. Without memory to say so it stays as it is,
 * and the rank goes on polling. */
static void hand_over(struct desk *desk, struct parked *entry)
{
    struct mail *mail = mail_make();

    entry->hand_at = CLOCK_FOREVER;
    if (mail == NULL)
        return;
    mail->kind = MAIL_HANDED;
    mail->rank = entry->mail->rank;
    mail->name = entry->mail->name;
    entry->mail->rank = leader_for(desk, mail);
    post_send(desk->post, mail);
}

/* Who came first is served first. */
void desk_look(struct desk *desk, bool rung)
{
    uint64_t now;

    if (desk->parked == NULL)
        return;
    now = clock_now();
    if (!rung && now < desk->next_look)
        return;
    desk->next_look = CLOCK_FOREVER;
    for (struct parked **link = &desk->parked; *link != NULL;) {
        struct parked *entry = *link;

        if ((bell_count(entry->bell) != entry->seen || now >= entry->deadline) &&
            parked_try(desk, link))
            continue;
        if (now >= entry->hand_at)
            hand_over(desk, entry);
        next_look_by(desk, entry);
        link = &entry->next;
    }
}

/* What the dead one still waits for here must not be given to it. */
void desk_withdraw(struct desk *desk, const struct mail *mail)
{
    int node = fabric_node_of(mail->rank);

    for (struct parked **link = &desk->parked; *link != NULL;) {
        const struct mail *other = (*link)->mail;

        if (fabric_node_of(other->rank) == node && other->name.slot == mail->name.slot &&
            other->name.incarnation == mail->name.incarnation)
            parked_remove(desk, link);
        else
            link = &(*link)->next;
    }
    desk->dead[desk->deaths++ % DESK_DEAD] =
        (struct desk_dead){ node, mail->name.slot, mail->name.incarnation };
    post_forget(desk->post, node, &mail->name);
    ledger_forget(desk->actor, node, mail->name.slot, mail->name.incarnation);
}

/* What is not parked here was answered, or is still to come. */
void desk_cancel(struct desk *desk, const struct mail *mail)
{
    int node = fabric_node_of(mail->rank);
    struct parked **link = &desk->parked;

    while (*link != NULL && (fabric_node_of((*link)->mail->rank) != node ||
                             !call_is_same(&(*link)->mail->name, &mail->name)))
        link = &(*link)->next;
    if (*link != NULL) {
        cancelled_send(desk, (*link)->mail);
        parked_remove(desk, link);
        return;
    }
    desk->cancelled[desk->cancels++ % DESK_CANCELLED] = (struct desk_cancelled){ node, mail->name };
}

void desk_farewell(struct desk *desk, const struct mail *mail)
{
    desk_withdraw(desk, mail);
    party_ended(desk->actor, mail->words[0], PARTY_DIED);
}

void desk_close(struct desk *desk)
{
    while (desk->parked != NULL)
        parked_remove(desk, &desk->parked);
}
