#include "core/post.h"

#include "base/error.h"
#include "base/log.h"
#include "fabric/fabric.h"
#include "wire/frame.h"

#include <stdlib.h>
#include <string.h>

#define POST_WINDOW 64u /* frames on their way to one rank */
#define POST_CREDIT 32u /* received frames that one acknowledgement speaks for */
#define WHOLE_BYTES 1u  /* a frame's kind, before its messages */
#define BULK_BYTES 5u   /* kind and number, before the announced message's head */
#define CREDIT_BYTES 5u /* what an acknowledgement needs */

enum frame_kind { FRAME_WHOLE = 1, FRAME_BULK = 2, FRAME_CREDIT = 3 };

/* Both directions with one other rank; made when it is first met. */
struct peer {
    int rank;
    struct mail *first, *last; /* to be sent, in order */
    uint32_t window;           /* frames that may still leave */
    uint32_t received;         /* frames not yet acknowledged */
    uint32_t bulks;            /* transfers begun: numbers them */
    bool listed;
    bool lost;         /* it has ended */
    struct peer *next; /* of those that may have something to send */
};

/* A message whose data is under way in bulk. */
struct transfer {
    struct mail *mail;
    struct fabric_bulk *bulk;
    bool comes;
    struct transfer *next;
};

struct post {
    int ranks;
    uint64_t waiting;           /* messages that have not left whole */
    struct peer *listed;        /* see peer.next */
    struct transfer *transfers; /* both ways */
    struct mail *arrived;       /* whole ones of the frame looked at last, in order */
    bool holds;                 /* what is given stays until the next move */
    struct peer *peers[];       /* [ranks] */
};

struct post *post_open(int ranks)
{
    struct post *post = calloc(1, sizeof *post + (size_t)ranks * sizeof(struct peer *));

    if (post == NULL)
        return NULL;
    post->ranks = ranks;
    return post;
}

static struct peer *peer_of(struct post *post, int rank)
{
    struct peer *peer = post->peers[rank];

    if (peer != NULL)
        return peer;
    peer = calloc(1, sizeof *peer);
    if (peer == NULL)
        return NULL;
    peer->rank = rank;
    peer->window = POST_WINDOW;
    post->peers[rank] = peer;
    return peer;
}

static void peer_list(struct post *post, struct peer *peer)
{
    if (peer->listed)
        return;
    peer->listed = true;
    peer->next = post->listed;
    post->listed = peer;
}

/* Returns how many messages there were. */
static uint64_t peer_empty(struct peer *peer)
{
    uint64_t count = 0;

    for (; peer->first != NULL; count++) {
        struct mail *mail = peer->first;

        peer->first = mail->next;
        mail_free(mail);
    }
    return count;
}

/* What a transfer that goes on without us reads or writes is left to it. */
static void transfer_abandon(struct transfer **link)
{
    struct transfer *transfer = *link;

    *link = transfer->next;
    fabric_bulk_abandon(transfer->bulk);
    transfer->mail->borrowed = true;
    mail_free(transfer->mail);
    free(transfer);
}

static struct mail *arrived_take(struct post *post)
{
    struct mail *mail = post->arrived;

    if (mail != NULL)
        post->arrived = mail->next;
    return mail;
}

void post_close(struct post *post)
{
    if (post == NULL)
        return;
    while (post->transfers != NULL)
        transfer_abandon(&post->transfers);
    for (struct mail *mail = arrived_take(post); mail != NULL; mail = arrived_take(post))
        mail_free(mail);
    for (int rank = 0; rank < post->ranks; rank++) {
        if (post->peers[rank] != NULL)
            peer_empty(post->peers[rank]);
        free(post->peers[rank]);
    }
    free(post);
}

bool post_is_idle(const struct post *post)
{
    return post->waiting == 0 && post->arrived == NULL && fabric_in_flight() == 0;
}

bool post_is_moving_bulk(const struct post *post)
{
    return post->transfers != NULL;
}

static bool first_send(struct post *post, struct peer *peer);

void post_send(struct post *post, struct mail *mail)
{
    struct peer *peer = peer_of(post, mail->rank);

    if (peer == NULL) {
        log_error("no memory to send to rank %d: whoever waits there is not answered", mail->rank);
        mail_free(mail);
        return;
    }
    if (peer->lost) {
        mail_free(mail);
        return;
    }
    mail->next = NULL;
    if (peer->first != NULL)
        peer->last->next = mail;
    else
        peer->first = mail;
    peer->last = mail;
    post->waiting++;
    peer_list(post, peer);
    if (peer->first == mail && peer->window > 0 && !post->holds)
        first_send(post, peer); /* at once: somebody may be waiting for it */
}

void post_hold(struct post *post, bool holds)
{
    post->holds = holds;
}

bool post_keeps(const struct post *post)
{
    return post->listed != NULL;
}

int post_kept_for(const struct post *post)
{
    return post->listed != NULL && post->listed->next == NULL && post->listed->first != NULL
               ? post->listed->rank
               : -1;
}

void post_forget(struct post *post, int node, const struct call_name *name)
{
    struct transfer **link = &post->transfers;

    while (*link != NULL) {
        const struct mail *mail = (*link)->mail;

        if ((*link)->comes && mail->kind == MAIL_REQUEST && fabric_node_of(mail->rank) == node &&
            mail->name.slot == name->slot && mail->name.incarnation == name->incarnation)
            transfer_abandon(link);
        else
            link = &(*link)->next;
    }
}

void post_lose(struct post *post, int rank)
{
    struct transfer **link = &post->transfers;
    struct peer *peer = peer_of(post, rank);

    while (*link != NULL)
        if ((*link)->mail->rank == rank) {
            post->waiting -= !(*link)->comes;
            transfer_abandon(link);
        } else
            link = &(*link)->next;
    fabric_rank_lost(rank);
    if (peer == NULL)
        return;
    post->waiting -= peer_empty(peer);
    peer->received = 0; /* there is nobody to acknowledge anything to */
    peer->lost = true;
}

bool post_is_sending(const struct post *post, const struct call_name *name)
{
    for (const struct transfer *transfer = post->transfers; transfer != NULL;
         transfer = transfer->next)
        if (!transfer->comes && transfer->mail->kind == MAIL_REQUEST &&
            call_is_same(&transfer->mail->name, name))
            return true;
    return false;
}

/* ---- sending ---------------------------------------------------------------------------- */

static struct mail *first_take(struct post *post, struct peer *peer)
{
    struct mail *mail = peer->first;

    peer->first = mail->next;
    post->waiting--;
    return mail;
}

static bool is_bulk(const struct mail *mail)
{
    return mail->size + mail->sentence_size > FABRIC_FRAME_MAX - WHOLE_BYTES - MAIL_HEAD_BYTES;
}

/* Writes as many of a peer's first messages as the frame has room for; returns how many. */
static int whole_fill(const struct peer *peer, struct frame_writer *writer)
{
    const struct mail *mail = peer->first;
    int count = 0;

    frame_put_u8(writer, FRAME_WHOLE);
    while (mail != NULL && !is_bulk(mail)) {
        size_t bytes = mail->size + mail->sentence_size;

        if (MAIL_HEAD_BYTES + bytes > writer->capacity - writer->size)
            break;
        mail_head_put(writer, mail);
        frame_put_bytes(writer, mail->data, bytes);
        mail = mail->next;
        count++;
    }
    return count;
}

/* Sends what a frame holds of a peer's first messages; false when it could not leave. */
static bool whole_send(struct post *post, struct peer *peer)
{
    unsigned char frame[FABRIC_FRAME_MAX];
    struct frame_writer writer = { frame, sizeof frame, 0, false };
    int count = whole_fill(peer, &writer);

    if (fabric_send(peer->rank, frame, writer.size) != TROUPE_OK)
        return false;
    peer->window--;
    while (count-- > 0)
        mail_free(first_take(post, peer));
    return true;
}

/* Announces a peer's first message and sends its data in bulk. It counts as waiting until that is
 * over. */
static bool bulk_send(struct post *post, struct peer *peer)
{
    unsigned char frame[BULK_BYTES + MAIL_HEAD_BYTES];
    struct frame_writer writer = { frame, sizeof frame, 0, false };
    struct transfer *transfer = malloc(sizeof *transfer);
    uint64_t bytes = peer->first->size + peer->first->sentence_size;
    uint32_t number = peer->bulks;

    if (transfer == NULL)
        return false;
    frame_put_u8(&writer, FRAME_BULK);
    frame_put_u32(&writer, number);
    mail_head_put(&writer, peer->first);
    if (fabric_send(peer->rank, frame, writer.size) != TROUPE_OK) {
        free(transfer);
        return false;
    }
    peer->bulks++;
    peer->window--;
    transfer->mail = first_take(post, peer);
    transfer->comes = false;
    transfer->bulk = fabric_bulk_send(peer->rank, number, transfer->mail->data, bytes);
    if (transfer->bulk == NULL) { /* only without memory, or to a rank that is gone */
        log_error("%llu bytes to rank %d could not be sent", (unsigned long long)bytes, peer->rank);
        mail_free(transfer->mail);
        free(transfer);
        return true;
    }
    post->waiting++;
    transfer->next = post->transfers;
    post->transfers = transfer;
    return true;
}

static bool first_send(struct post *post, struct peer *peer)
{
    return is_bulk(peer->first) ? bulk_send(post, peer) : whole_send(post, peer);
}

static bool credit_send(struct peer *peer)
{
    unsigned char frame[CREDIT_BYTES];
    struct frame_writer writer = { frame, sizeof frame, 0, false };

    frame_put_u8(&writer, FRAME_CREDIT);
    frame_put_u32(&writer, peer->received);
    if (fabric_send(peer->rank, frame, writer.size) != TROUPE_OK)
        return false;
    peer->received = 0;
    return true;
}

/* Each listed rank, as long as anything can leave. One whose window is full stays listed. */
static bool send_some(struct post *post)
{
    struct peer **link = &post->listed, *peer;
    bool moved = false;

    while ((peer = *link) != NULL) {
        if (peer->received >= POST_CREDIT)
            moved |= credit_send(peer);
        while (peer->first != NULL && peer->window > 0 && first_send(post, peer))
            moved = true;
        if (peer->first != NULL || peer->received >= POST_CREDIT) {
            link = &peer->next;
            continue;
        }
        *link = peer->next;
        peer->listed = false;
    }
    return moved;
}

void post_flush(struct post *post)
{
    send_some(post);
}

/* ---- receiving -------------------------------------------------------------------------- */

static bool whole_take(struct frame_reader *reader, struct mail *mail)
{
    uint64_t bytes;
    const void *data;

    mail_head_get(reader, mail);
    if (reader->broken || !mail_data_make(mail))
        return false;
    bytes = mail->size + mail->sentence_size;
    data = frame_get_bytes(reader, bytes);
    if (bytes > 0 && data != NULL)
        memcpy(mail->data, data, bytes);
    return !reader->broken;
}

static struct mail *mail_from(int rank)
{
    struct mail *mail = mail_make();

    if (mail != NULL)
        mail->rank = rank;
    return mail;
}

/* The messages of a frame; false when the rest of it makes no sense, or there is no memory. */
static bool wholes_take(struct post *post, int rank, struct frame_reader *reader)
{
    struct mail **end = &post->arrived;

    while (frame_left(reader) > 0) {
        struct mail *mail = mail_from(rank);

        if (mail == NULL || !whole_take(reader, mail)) {
            mail_free(mail);
            return false;
        }
        *end = mail;
        end = &mail->next;
    }
    return !reader->broken;
}

/* Memory for what comes in bulk: a block of the arena, if the request can use one. */
static bool landing_make(struct mail *mail)
{
    if (mail->kind == MAIL_REQUEST && mail->sentence_size == 0)
        mail->dock = dock_take(mail->op, mail->size);
    if (mail->dock == NULL)
        return mail_data_make(mail);
    mail->data = mail->dock->data;
    return true;
}

static bool bulk_take(struct post *post, int rank, struct frame_reader *reader)
{
    struct transfer *transfer = malloc(sizeof *transfer);
    uint32_t number = frame_get_u32(reader);
    struct mail *mail = mail_from(rank);

    if (transfer == NULL || mail == NULL)
        goto refused;
    mail_head_get(reader, mail);
    if (reader->broken || !landing_make(mail))
        goto refused;
    *transfer = (struct transfer){ .mail = mail, .comes = true, .next = post->transfers };
    transfer->bulk =
        fabric_bulk_receive(rank, number, mail->data, mail->size + mail->sentence_size);
    if (transfer->bulk == NULL)
        goto refused;
    post->transfers = transfer;
    return true;
refused:
    mail_free(mail);
    free(transfer);
    return false;
}

/* A frame that makes no sense, or a message without memory for it, is dropped and told; whoever
 * waits for it is not answered until its node is lost. */
static void frame_take(struct post *post, struct peer *peer, const void *frame, size_t size)
{
    struct frame_reader reader = { frame, size, 0, false };
    uint8_t kind = frame_get_u8(&reader);
    bool taken = false;

    if (kind == FRAME_CREDIT) {
        peer->window += frame_get_u32(&reader);
        return;
    }
    if (peer->lost && kind != FRAME_WHOLE)
        return; /* the bytes that it announces never come whole */
    if (!peer->lost && ++peer->received >= POST_CREDIT)
        peer_list(post, peer);
    if (kind == FRAME_WHOLE)
        taken = wholes_take(post, peer->rank, &reader);
    else if (kind == FRAME_BULK)
        taken = bulk_take(post, peer->rank, &reader);
    if (!taken)
        log_error("a frame of rank %d was dropped: it makes no sense, or there is no memory",
                  peer->rank);
}

/* Moves bulk on; returns the mail of a transfer that has come whole. */
static struct mail *transfers_move(struct post *post, bool *moved)
{
    struct transfer **link = &post->transfers;

    while (*link != NULL) {
        struct transfer *transfer = *link;
        struct mail *mail = transfer->mail;
        bool comes = transfer->comes;
        int result = fabric_bulk_move(transfer->bulk);

        if (result == TROUPE_EMPTY) {
            link = &transfer->next;
            continue;
        }
        *moved = true;
        *link = transfer->next;
        free(transfer);
        if (result == TROUPE_OK && comes)
            return mail;
        if (!comes)
            post->waiting--;
        mail_free(mail);
    }
    return NULL;
}

struct mail *post_move(struct post *post, bool *moved)
{
    unsigned char frame[FABRIC_FRAME_MAX];
    struct mail *mail;
    size_t size;
    int rank;

    *moved |= send_some(post);
    mail = arrived_take(post);
    if (mail == NULL)
        mail = transfers_move(post, moved);
    while (mail == NULL && fabric_receive(&rank, frame, &size) == TROUPE_OK) {
        struct peer *peer = peer_of(post, rank);

        *moved = true;
        if (peer != NULL)
            frame_take(post, peer, frame, size);
        mail = arrived_take(post);
    }
    *moved |= mail != NULL;
    return mail;
}
