#include "core/signs.h"

#include "base/error.h"
#include "base/text.h"
#include "core/leader.h"
#include "core/node.h"
#include "core/table.h"

#include <stdlib.h>

#define SILENCE_S 10
#define SILENCE_MOST 86400

uint64_t signs_silence(void)
{
    long seconds = SILENCE_S;

    text_to_long(getenv("TROUPE_SILENCE"), 1, SILENCE_MOST, &seconds);
    return (uint64_t)seconds;
}

int signs_open(struct signs *signs, const struct arena *arena)
{
    uint32_t nodes = node_of(arena)->nodes;

    *signs = (struct signs){ .silence = signs_silence() };
    if (table_node(arena) != NODE_OF_PARENT)
        return TROUPE_OK;
    signs->heard = calloc(nodes, sizeof *signs->heard);
    return signs->heard != NULL
               ? TROUPE_OK
               : fail(TROUPE_NO_MEMORY, "no memory for a table of %u nodes", nodes);
}

void signs_close(struct signs *signs)
{
    free(signs->heard);
}

static void beat_send(struct post *post, int rank, bool answers)
{
    struct mail *mail = rank >= 0 ? mail_make() : NULL;

    if (mail == NULL)
        return;
    mail->kind = MAIL_BEAT;
    mail->rank = rank;
    mail->words[0] = answers;
    post_send(post, mail);
}

void signs_tick(struct signs *signs, const struct arena *arena, struct post *post)
{
    signs->ticks++;
    if (signs->heard == NULL)
        beat_send(post, leader_of(arena, NODE_OF_PARENT), false);
}

int signs_lost_next(const struct signs *signs, const struct arena *arena, int node)
{
    int nodes = (int)node_of(arena)->nodes;

    for (; signs->heard != NULL && node < nodes; node++)
        if (node != table_node(arena) && leader_of(arena, node) >= 0 &&
            signs->ticks - signs->heard[node] > signs->silence)
            return node;
    return -1;
}

void signs_hear(struct signs *signs, int node)
{
    if (signs->heard != NULL)
        signs->heard[node] = signs->ticks;
}

void signs_mail(const struct signs *signs, const struct arena *arena, struct post *post,
                const struct mail *mail)
{
    if (mail->words[0] != 0)
        atomic_fetch_add(&node_of(arena)->parent_heard, 1);
    else if (signs->heard != NULL)
        beat_send(post, mail->rank, true);
}
