/* What the rank that leads its node does for it: it sends what the node's processes ask of other
 * nodes, tells those of deaths, applies what they ask (desk.h), and spreads the news of leaders.
 *
 * What always holds: everything here belongs to the thread that has the engine's turn. Nothing is
 * kept here that the arena does not hold, too, or that a successor does not make anew: what it
 * finds in the arena it tells again, and everybody who hears a thing twice takes it once.
 *
 *   calls        in mailboxes, posted or sent; a successor sends all of them again
 *   farewells    of MOURNED slots, which stay so until every node has heard
 *   withdrawals  are no successor's affair: with the epoch of its node a dead caller's requests
 *                are outdated everywhere (desk.h)
 *   news         of this node's own leader, told until each node has heard
 *
 * Whether a node still lives, the leader of node 0, the parent's, decides, by its silence
 * (signs.h). */
#ifndef TROUPE_CORE_LEAD_H
#define TROUPE_CORE_LEAD_H

#include "core/desk.h"
#include "core/signs.h"

struct farewell;
struct news;

struct lead {
    struct actor *actor;
    struct post *post;
    struct desk desk;
    _Atomic uint32_t bell_seen; /* the service bell's count at the last look; read before a nap */
    struct farewell *farewells;
    uint64_t tellings; /* farewells ever begun */
    struct news *news;
    uint64_t next_tick, next_beat;
    struct signs signs;
};

/* The node has this leader from here on. */
int lead_open(struct lead *lead, struct actor *actor, struct post *post);
void lead_close(struct lead *lead);

/* Looks for what there is to do; whether anything was sent. */
bool lead_serve(struct lead *lead);

/* What the passing of time asks for; returns when it is to be called again. */
uint64_t lead_tick(struct lead *lead, uint64_t now);

/* Takes a message that is for a leader; true when it was one. Then it is not the caller's any more.
 */
bool lead_mail(struct lead *lead, struct mail *mail);

/* A node has another leader, or none. */
void lead_follow(struct lead *lead, int node);

/* Any rank: takes news of a leader and answers them. */
void lead_hear(const struct arena *arena, struct post *post, const struct mail *mail);

/* The upper floors' part when a node is lost: called in the service of every other node, perhaps
 * more than once, with its actor; must not wait for anything but locks. */
typedef void (*lead_loss_handler)(struct actor *actor, int node);
void lead_register_loss(lead_loss_handler handler);

#endif
