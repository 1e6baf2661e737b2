/* Signs of life between the nodes, once a second.
 *
 * What always holds: each leader but the parent's node's tells that one that it lives, and is
 * answered; whether a node still lives, the leader of node 0, the parent's, decides, by its silence
 * (lead.h). A silence is counted in a leader's own ticks, not in time: who stood still as a whole,
 * suspended or starved, has not missed anything by that. In the arena stands what the node's
 * keepers look at (runtime/vigil.h): the leader's ticks, and how often it was answered. */
#ifndef TROUPE_CORE_SIGNS_H
#define TROUPE_CORE_SIGNS_H

#include "core/post.h"

struct signs {
    uint64_t ticks;   /* counts the seconds */
    uint64_t silence; /* so many without a word of a node, and it is lost */
    uint64_t *heard;  /* [nodes] the tick in which a node was last heard; of node 0 alone */
};

/* TROUPE_SILENCE, in seconds. */
uint64_t signs_silence(void);

int signs_open(struct signs *signs, const struct arena *arena);
void signs_close(struct signs *signs);

/* A second has passed. */
void signs_tick(struct signs *signs, const struct arena *arena, struct post *post);

/* The next node from here on that was silent for too long and is not lost yet; -1: none. */
int signs_lost_next(const struct signs *signs, const struct arena *arena, int node);

/* Something came from that node, or news of it. */
void signs_hear(struct signs *signs, int node);

/* Takes a MAIL_BEAT. */
void signs_mail(const struct signs *signs, const struct arena *arena, struct post *post,
                const struct mail *mail);

#endif
