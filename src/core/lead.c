#include "core/lead.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "core/leader.h"
#include "core/ledger.h"
#include "core/node.h"
#include "core/party.h"
#include "core/table.h"
#include "fabric/fabric.h"

#include <stdlib.h>
#include <string.h>

#define NEWS_NS 50000000u   /* between two tellings of the same */
#define BEAT_NS 1000000000u /* between two signs of life */
#define LOSSES_MOST 4

/* A slot of the dead that other nodes are being told of. */
struct farewell {
    uint32_t slot, incarnation;
    uint64_t telling; /* numbers it: an answer to an earlier one does not count */
    uint32_t unheard; /* nodes that have not answered */
    struct farewell *next;
};

/* Who leads a node, to be told to all others. */
struct news {
    int about;
    uint32_t rounds;
    struct news *next;
    bool heard[]; /* [nodes] */
};

static lead_loss_handler losses[LOSSES_MOST];
static int loss_count;

void lead_register_loss(lead_loss_handler handler)
{
    for (int i = 0; i < loss_count; i++)
        if (losses[i] == handler)
            return;
    if (loss_count < LOSSES_MOST)
        losses[loss_count++] = handler;
}

static int node_here(const struct lead *lead)
{
    return table_node(&lead->actor->arena);
}

static int node_count(const struct lead *lead)
{
    return (int)node_of(&lead->actor->arena)->nodes;
}

/* A message to a rank, without anything in it yet; NULL without memory, or for nobody. */
static struct mail *mail_for(enum mail_kind kind, int rank)
{
    struct mail *mail = rank >= 0 ? mail_make() : NULL;

    if (mail == NULL)
        return NULL;
    mail->kind = kind;
    mail->rank = rank;
    return mail;
}

static struct mail *mail_to_node(const struct lead *lead, enum mail_kind kind, int node)
{
    return mail_for(kind, leader_of(&lead->actor->arena, node));
}

/* ---- the node's calls ----------------------------------------------------------------------- */

/* What call_take gave is one block: the mail keeps it whole and frees it as its data. */
static bool mailbox_send(struct lead *lead, const struct call_name *name, uint64_t first,
                         uint32_t party, struct call_request *taken)
{
    struct mail *mail = mail_to_node(lead, MAIL_REQUEST, (int)taken->node);

    if (mail == NULL)
        return false;
    mail->name = *name;
    mail->first = first;
    mail->leader = leader_word(&lead->actor->arena, node_here(lead));
    mail->party = party;
    mail->op = (uint32_t)taken->op;
    mail->object = taken->object;
    mail->wait_ns = taken->wait_ns;
    memcpy(mail->words, taken->words, sizeof mail->words);
    mail->size = taken->size;
    memmove(taken, taken->data, taken->size);
    mail->data = (unsigned char *)taken;
    post_send(lead->post, mail);
    return true;
}

static void mailbox_refuse(struct lead *lead, const struct call_name *name, uint64_t node)
{
    struct answer nothing = { .data = NULL };
    bool lost = leader_of(&lead->actor->arena, (int)node) < 0;

    call_answer(lead->actor, name, lost ? TROUPE_LOST : TROUPE_NO_MEMORY, &nothing,
                lost ? "the node that was asked is lost: none of its ranks is heard any more"
                     : "the service has no memory for a request");
}

static bool mailboxes_empty(struct lead *lead)
{
    struct call_request *taken;
    struct call_name name;
    uint64_t first;
    uint32_t party;
    bool moved = false;

    while ((taken = call_take(lead->actor, &name, &first, &party)) != NULL) {
        moved = true;
        if (mailbox_send(lead, &name, first, party, taken))
            continue;
        mailbox_refuse(lead, &name, taken->node);
        free(taken);
    }
    return moved;
}

static void name_send(struct lead *lead, int node, const struct call_name *name,
                      enum mail_kind kind)
{
    struct mail *mail = mail_to_node(lead, kind, node);

    if (mail == NULL)
        return;
    mail->name = *name;
    post_send(lead->post, mail);
}

static void withdrawals_send(struct lead *lead)
{
    struct call_name name;
    int node;

    while (call_next_withdrawn(lead->actor, &name, &node))
        name_send(lead, node, &name, MAIL_WITHDRAWAL);
}

/* After the requests themselves. */
static void cancels_send(struct lead *lead)
{
    struct call_name name;
    int node;

    while (call_next_cancelled(lead->actor, &name, &node))
        name_send(lead, node, &name, MAIL_CANCEL);
}

/* ---- farewells ------------------------------------------------------------------------------ */

static struct farewell **farewell_of(struct lead *lead, uint32_t slot)
{
    struct farewell **link = &lead->farewells;

    while (*link != NULL && (*link)->slot != slot)
        link = &(*link)->next;
    return link;
}

static void farewell_end(struct lead *lead, struct farewell **link)
{
    struct farewell *farewell = *link;

    slot_forget(slot_at(&lead->actor->arena, farewell->slot));
    *link = farewell->next;
    free(farewell);
}

/* Tells the nodes at which a dead slot's process may hold something. What its pid's next owner asks
 * for comes after, in this order; what the slot itself asked for may come after, too, if its
 * process was a rank and sent it itself, and is then dropped there. The slot stays MOURNED until
 * all have answered: if we die before, a successor tells them again. Without memory it stays, too,
 * and the next ring of the bell tries again. */
static void farewell_begin(struct lead *lead, uint32_t number)
{
    const struct slot *slot = slot_at(&lead->actor->arena, number);
    uint64_t identity = atomic_load(&slot->identity), abroad = atomic_load(&slot->abroad);
    struct farewell *made = calloc(1, sizeof *made), **link = &lead->farewells;

    if (made == NULL)
        return;
    *made = (struct farewell){ number, slot_incarnation_of(identity), ++lead->tellings, 0,
                               lead->farewells };
    *link = made;
    for (int node = 0; node < node_count(lead); node++) {
        struct mail *mail = node != node_here(lead) && party_is_abroad(abroad, node)
                                ? mail_to_node(lead, MAIL_FAREWELL, node)
                                : NULL;

        if (mail == NULL)
            continue;
        mail->name = (struct call_name){ number, made->incarnation, made->telling };
        mail->words[0] = party_name(&lead->actor->arena, slot_party_of(identity));
        post_send(lead->post, mail);
        made->unheard++;
    }
    if (made->unheard == 0)
        farewell_end(lead, link);
}

static void farewells_send(struct lead *lead)
{
    const struct arena *arena = &lead->actor->arena;
    uint32_t high = atomic_load(&arena->header->slot_high);

    for (uint32_t number = SLOT_FIRST; number < high; number++)
        if (slot_state_of(atomic_load(&slot_at(arena, number)->identity)) == SLOT_MOURNED &&
            *farewell_of(lead, number) == NULL)
            farewell_begin(lead, number);
}

static void farewell_heard(struct lead *lead, const struct mail *mail)
{
    struct farewell **link = farewell_of(lead, mail->name.slot);

    if (*link != NULL && (*link)->incarnation == mail->name.incarnation &&
        (*link)->telling == mail->name.sequence && --(*link)->unheard == 0)
        farewell_end(lead, link);
}

/* Who should answer may be gone: all are told again. */
static void farewells_again(struct lead *lead)
{
    while (lead->farewells != NULL) {
        struct farewell *first = lead->farewells;

        lead->farewells = first->next;
        free(first);
    }
    farewells_send(lead);
}

static void farewell_answer(struct lead *lead, const struct mail *farewell)
{
    struct mail *mail = mail_for(MAIL_FAREWELL_HEARD, farewell->rank);

    if (mail == NULL)
        return;
    mail->name = farewell->name;
    post_send(lead->post, mail);
}

/* ---- news ----------------------------------------------------------------------------------- */

/* The node's rank of that local number, modulo how many it has. */
static int rank_on(const struct lead *lead, int node, uint32_t number)
{
    const struct node *own = node_of(&lead->actor->arena);
    uint32_t count = 0;
    int at, local, found = -1;

    for (uint32_t rank = 0; rank < own->world_size; rank++) {
        node_place(&lead->actor->arena, (int)rank, &at, &local);
        count += at == node;
    }
    for (uint32_t rank = 0; count > 0 && rank < own->world_size; rank++) {
        node_place(&lead->actor->arena, (int)rank, &at, &local);
        if (at == node && local == (int)(number % count))
            found = (int)rank;
    }
    return found;
}

static struct mail *news_mail(const struct arena *arena, int about, int rank)
{
    struct mail *mail = mail_for(MAIL_LEADER, rank);

    if (mail == NULL)
        return NULL;
    mail->words[0] = (uint64_t)about;
    mail->words[1] = leader_word(arena, about);
    return mail;
}

/* Whom we take for the node's leader may have died, without its successor reaching us, because it
 * takes the one before us for ours: so the node's ranks are tried in turn. One of them leads, and
 * any of them answers. Returns whether anybody is still to hear. */
static bool news_tell(struct lead *lead, struct news *news)
{
    const struct arena *arena = &lead->actor->arena;
    bool unheard = false;

    for (int node = 0; node < node_count(lead); node++) {
        int leader = leader_of(arena, node);
        struct mail *mail;

        if (node == node_here(lead) || node == news->about || news->heard[node] || leader < 0)
            continue;
        unheard = true;
        mail = news_mail(arena, news->about,
                         news->rounds % 2 == 0 ? leader : rank_on(lead, node, news->rounds / 2));
        if (mail == NULL)
            continue;
        mail->words[2] = 1;
        post_send(lead->post, mail);
    }
    news->rounds++;
    return unheard;
}

static void news_add(struct lead *lead, int about)
{
    struct news *news = calloc(1, sizeof *news + (size_t)node_count(lead) * sizeof(bool));

    if (news == NULL) {
        log_error("no memory to tell the other nodes who leads node %d", about);
        return;
    }
    news->about = about;
    news->next = lead->news;
    lead->news = news;
    lead->next_tick = 0;
}

static void news_tell_all(struct lead *lead)
{
    struct news **link = &lead->news;

    while (*link != NULL) {
        struct news *news = *link;

        if (news_tell(lead, news)) {
            link = &news->next;
            continue;
        }
        *link = news->next;
        free(news);
    }
}

static void news_heard(struct lead *lead, const struct mail *mail)
{
    for (struct news *news = lead->news; news != NULL; news = news->next)
        if ((uint64_t)news->about == mail->words[3])
            news->heard[fabric_node_of(mail->rank)] = true;
}

void lead_hear(const struct arena *arena, struct post *post, const struct mail *mail)
{
    struct mail *reply;

    if (mail->words[0] >= node_of(arena)->nodes)
        return;
    leader_learn(arena, (int)mail->words[0], mail->words[1]);
    reply = mail->words[2] != 0 ? news_mail(arena, table_node(arena), mail->rank) : NULL;
    if (reply == NULL)
        return;
    reply->words[3] = mail->words[0];
    post_send(post, reply);
}

/* ---- signs of life -------------------------------------------------------------------------- */

static void beat(struct lead *lead)
{
    const struct arena *arena = &lead->actor->arena;
    int node = -1;

    signs_tick(&lead->signs, arena, lead->post);
    while ((node = signs_lost_next(&lead->signs, arena, node + 1)) >= 0) {
        log_warning("node %d is lost: nothing was heard of it for %llu s; the world goes on "
                    "without it",
                    node, (unsigned long long)lead->signs.silence);
        leader_lose(arena, node);
        news_add(lead, node);
    }
}

uint64_t lead_tick(struct lead *lead, uint64_t now)
{
    if (now < lead->next_tick)
        return lead->next_tick;
    atomic_fetch_add(&node_of(&lead->actor->arena)->leader_ticks, 1);
    if (now >= lead->next_beat) {
        lead->next_beat = now + BEAT_NS;
        beat(lead);
    }
    news_tell_all(lead);
    lead->next_tick = now + NEWS_NS;
    return lead->next_tick;
}

/* ---- the node ------------------------------------------------------------------------------- */

bool lead_serve(struct lead *lead)
{
    uint32_t count = atomic_load(&lead->actor->arena.header->service_bell.word) >> 1;
    bool rung = count != atomic_load_explicit(&lead->bell_seen, memory_order_relaxed);
    bool moved = false;

    if (rung) {
        atomic_store(&lead->bell_seen, count);
        withdrawals_send(lead);
        farewells_send(lead);
        moved = mailboxes_empty(lead);
        cancels_send(lead);
    }
    desk_look(&lead->desk, rung);
    return moved;
}

/* A node that was given up and speaks all the same learns of it. */
static void sender_note(struct lead *lead, const struct mail *mail)
{
    int node = fabric_node_of(mail->rank);
    struct mail *reply;

    if (node_here(lead) != NODE_OF_PARENT)
        return;
    signs_hear(&lead->signs, node);
    if (mail->kind != MAIL_BEAT || leader_of(&lead->actor->arena, node) >= 0)
        return;
    reply = news_mail(&lead->actor->arena, node, mail->rank);
    if (reply != NULL)
        post_send(lead->post, reply);
}

bool lead_mail(struct lead *lead, struct mail *mail)
{
    sender_note(lead, mail);
    switch (mail->kind) {
    case MAIL_REQUEST:
        desk_request(&lead->desk, mail);
        return true;
    case MAIL_WITHDRAWAL:
        desk_withdraw(&lead->desk, mail);
        break;
    case MAIL_CANCEL:
        desk_cancel(&lead->desk, mail);
        break;
    case MAIL_FAREWELL:
        desk_farewell(&lead->desk, mail);
        farewell_answer(lead, mail);
        break;
    case MAIL_FAREWELL_HEARD:
        farewell_heard(lead, mail);
        break;
    case MAIL_RING:
        call_ring(lead->actor, &mail->name, mail->words[0]);
        break;
    case MAIL_LEADER:
        if (mail->words[2] == 0)
            news_heard(lead, mail);
        return false;
    case MAIL_BEAT:
        signs_mail(&lead->signs, &lead->actor->arena, lead->post, mail);
        break;
    default:
        return false;
    }
    mail_free(mail);
    return true;
}

/* What a lost node's processes held is given up, and whoever waits for them is told. */
static void node_lost(struct lead *lead, int node)
{
    uint64_t position = 0, party;

    while ((party = ledger_party_next(lead->actor, node, &position)) != 0)
        party_ended(lead->actor, party, PARTY_DIED);
    for (int i = 0; i < loss_count; i++)
        losses[i](lead->actor, node);
}

/* What was under way to the old leader is lost with it. */
void lead_follow(struct lead *lead, int node)
{
    bool lost = leader_of(&lead->actor->arena, node) < 0;

    if (lost && node == node_here(lead)) {
        log_error("the parent's node has given this node up: its ranks end");
        node_give_up(lead->actor);
        return;
    }
    desk_forget_node(&lead->desk, node);
    call_post_again(lead->actor, node);
    farewells_again(lead);
    mailboxes_empty(lead);
    if (lost)
        node_lost(lead, node);
    signs_hear(&lead->signs, node);
    if (node == NODE_OF_PARENT)
        lead->next_beat = 0; /* its new leader is to hear of us, and we of it, at once */
}

/* ---- life ----------------------------------------------------------------------------------- */

/* What a predecessor left is told again: the slots of the dead, the calls in the mailboxes, and, to
 * those who send or watch for themselves, that their answers may have been lost with it. */
int lead_open(struct lead *lead, struct actor *actor, struct post *post)
{
    int result;

    memset(lead, 0, sizeof *lead);
    lead->actor = actor;
    lead->post = post;
    result = signs_open(&lead->signs, &actor->arena);
    if (result != TROUPE_OK)
        return result;
    desk_open(&lead->desk, actor, post);
    atomic_store(&lead->bell_seen, UINT32_MAX); /* no count: look at everything once */
    if (leader_epoch(leader_word(&actor->arena, node_here(lead))) > 1)
        news_add(lead, node_here(lead));
    call_post_again(actor, CALL_ANYWHERE);
    return TROUPE_OK;
}

void lead_close(struct lead *lead)
{
    desk_close(&lead->desk);
    while (lead->farewells != NULL) {
        struct farewell *first = lead->farewells;

        lead->farewells = first->next;
        free(first);
    }
    while (lead->news != NULL) {
        struct news *first = lead->news;

        lead->news = first->next;
        free(first);
    }
    signs_close(&lead->signs);
}
