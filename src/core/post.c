#include "core/post.h"

#include "base/error.h"
#include "base/log.h"
#include "fabric/fabric.h"
#include "wire/frame.h"

#include <stdlib.h>
#include <string.h>

#define POST_WINDOW 64u  /* frames on their way to one node */
#define POST_CREDIT 32u  /* received frames that one acknowledgement speaks for */
#define FIRST_BYTES 128u /* what a message's first frame needs before its data, at most */

enum frame_kind { FRAME_FIRST = 1, FRAME_MORE = 2, FRAME_CREDIT = 3 };

/* Both directions with one other node. */
struct peer {
    struct mail *first, *last; /* to be sent, in order */
    uint64_t sent;             /* of the first one's bytes */
    bool begun;                /* its first frame has left */
    uint32_t window;           /* frames that may still leave */
    uint32_t received;         /* frames not yet acknowledged */
    struct mail *coming;       /* being put together */
    uint64_t have;             /* of its bytes */
};

struct post {
    int nodes, turn;
    uint64_t waiting; /* messages that have not left whole */
    struct peer peers[];
};

void mail_free(struct mail *mail)
{
    if (mail != NULL)
        free(mail->data);
    free(mail);
}

struct post *post_open(int nodes)
{
    struct post *post = calloc(1, sizeof *post + (size_t)nodes * sizeof(struct peer));

    if (post == NULL)
        return NULL;
    post->nodes = nodes;
    for (int node = 0; node < nodes; node++)
        post->peers[node].window = POST_WINDOW;
    return post;
}

void post_close(struct post *post)
{
    for (int node = 0; post != NULL && node < post->nodes; node++) {
        struct peer *peer = &post->peers[node];

        while (peer->first != NULL) {
            struct mail *mail = peer->first;

            peer->first = mail->next;
            mail_free(mail);
        }
        mail_free(peer->coming);
    }
    free(post);
}

bool post_is_idle(const struct post *post)
{
    return post->waiting == 0 && fabric_in_flight() == 0;
}

void post_send(struct post *post, struct mail *mail)
{
    struct peer *peer = &post->peers[mail->node];

    mail->next = NULL;
    if (peer->first != NULL)
        peer->last->next = mail;
    else
        peer->first = mail;
    peer->last = mail;
    post->waiting++;
}

/* ---- sending ---------------------------------------------------------------------------- */

static void head_put(struct frame_writer *writer, const struct mail *mail)
{
    frame_put_u8(writer, FRAME_FIRST);
    frame_put_u8(writer, (uint8_t)mail->kind);
    frame_put_u32(writer, mail->name.slot);
    frame_put_u32(writer, mail->name.incarnation);
    frame_put_u64(writer, mail->name.sequence);
    frame_put_u32(writer, mail->op);
    frame_put_u64(writer, mail->object);
    frame_put_u64(writer, mail->wait_ns);
    frame_put_u32(writer, (uint32_t)mail->result);
    for (int i = 0; i < SERVICE_WORDS; i++)
        frame_put_u64(writer, mail->words[i]);
    frame_put_u64(writer, mail->size);
    frame_put_u64(writer, mail->sentence_size);
}

/* Writes and sends the next frame of a peer's first message; false when it could not leave. */
static bool frame_send(struct post *post, int node, struct peer *peer)
{
    unsigned char frame[FABRIC_FRAME_MAX];
    struct frame_writer writer = { frame, sizeof frame, 0, false };
    struct mail *mail = peer->first;
    uint64_t left = mail->size + mail->sentence_size - peer->sent, room;

    if (peer->begun)
        frame_put_u8(&writer, FRAME_MORE);
    else
        head_put(&writer, mail);
    room = sizeof frame - writer.size;
    room = room < left ? room : left;
    frame_put_bytes(&writer, left > 0 ? mail->data + peer->sent : NULL, room);
    if (fabric_send(node, frame, writer.size) != TROUPE_OK)
        return false;
    peer->window--;
    peer->begun = room < left;
    peer->sent = room < left ? peer->sent + room : 0;
    if (room == left) {
        peer->first = mail->next;
        mail_free(mail);
        post->waiting--;
    }
    return true;
}

static bool credit_send(int node, struct peer *peer)
{
    unsigned char frame[FIRST_BYTES];
    struct frame_writer writer = { frame, sizeof frame, 0, false };

    frame_put_u8(&writer, FRAME_CREDIT);
    frame_put_u32(&writer, peer->received);
    if (fabric_send(node, frame, writer.size) != TROUPE_OK)
        return false;
    peer->received = 0;
    return true;
}

/* Each node in turn, as long as anything can leave. */
static bool send_some(struct post *post)
{
    bool moved = false;

    for (int step = 0; step < post->nodes; step++) {
        int node = (post->turn + step) % post->nodes;
        struct peer *peer = &post->peers[node];

        if (peer->received >= POST_CREDIT)
            moved |= credit_send(node, peer);
        while (peer->first != NULL && peer->window > 0 && frame_send(post, node, peer))
            moved = true;
    }
    post->turn = (post->turn + 1) % post->nodes;
    return moved;
}

/* ---- receiving -------------------------------------------------------------------------- */

static struct mail *head_get(struct frame_reader *reader, int node)
{
    struct mail *mail = calloc(1, sizeof *mail);

    if (mail == NULL)
        return NULL;
    mail->kind = (enum mail_kind)frame_get_u8(reader);
    mail->node = node;
    mail->name.slot = frame_get_u32(reader);
    mail->name.incarnation = frame_get_u32(reader);
    mail->name.sequence = frame_get_u64(reader);
    mail->op = frame_get_u32(reader);
    mail->object = frame_get_u64(reader);
    mail->wait_ns = frame_get_u64(reader);
    mail->result = (int)frame_get_u32(reader);
    for (int i = 0; i < SERVICE_WORDS; i++)
        mail->words[i] = frame_get_u64(reader);
    mail->size = frame_get_u64(reader);
    mail->sentence_size = frame_get_u64(reader);
    if (!reader->broken && mail->size + mail->sentence_size >= mail->size)
        mail->data = malloc(mail->size + mail->sentence_size + 1);
    if (mail->data == NULL) {
        mail_free(mail);
        return NULL;
    }
    return mail;
}

static void piece_take(struct peer *peer, struct frame_reader *reader)
{
    uint64_t wanted = peer->coming->size + peer->coming->sentence_size - peer->have;
    uint64_t piece = frame_left(reader) < wanted ? frame_left(reader) : wanted;

    if (piece > 0)
        memcpy(peer->coming->data + peer->have, frame_get_bytes(reader, piece), piece);
    peer->have += piece;
}

static struct mail *whole_take(struct peer *peer)
{
    struct mail *mail = peer->coming;

    if (mail == NULL || peer->have < mail->size + mail->sentence_size)
        return NULL;
    mail->data[mail->size + mail->sentence_size] = '\0';
    peer->coming = NULL;
    peer->have = 0;
    return mail;
}

/* A frame that makes no sense, or a message without memory for it, is dropped and told; whoever
 * waits for it is not answered until its node is lost. */
static struct mail *frame_take(struct post *post, int node, const void *frame, size_t size)
{
    struct frame_reader reader = { frame, size, 0, false };
    struct peer *peer = &post->peers[node];
    uint8_t kind = frame_get_u8(&reader);

    if (kind == FRAME_CREDIT) {
        peer->window += frame_get_u32(&reader);
        return NULL;
    }
    peer->received++;
    if (kind == FRAME_FIRST && peer->coming == NULL)
        peer->coming = head_get(&reader, node);
    if ((kind != FRAME_FIRST && kind != FRAME_MORE) || peer->coming == NULL) {
        log_error("a frame of node %d was dropped: it has no message, or there is no memory", node);
        return NULL;
    }
    piece_take(peer, &reader);
    return whole_take(peer);
}

struct mail *post_move(struct post *post, bool *moved)
{
    unsigned char frame[FABRIC_FRAME_MAX];
    struct mail *mail;
    size_t size;
    int node;

    *moved = send_some(post);
    while (fabric_receive(&node, frame, &size) == TROUPE_OK) {
        *moved = true;
        mail = frame_take(post, node, frame, size);
        if (mail != NULL)
            return mail;
    }
    return NULL;
}
