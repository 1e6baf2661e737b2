#include "core/post.h"

#include "base/error.h"
#include "base/log.h"
#include "fabric/fabric.h"
#include "wire/frame.h"

#include <stdlib.h>
#include <string.h>

#define POST_WINDOW 64u  /* frames on their way to one rank */
#define POST_CREDIT 32u  /* received frames that one acknowledgement speaks for */
#define HEAD_BYTES 136u  /* what a message needs in its frame before its data, at most */
#define CREDIT_BYTES 16u /* what an acknowledgement needs, at most */

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
    struct peer *peers[];       /* [ranks] */
};

/* Not by calloc, which passes by what the thread has freed lately. */
struct mail *mail_make(void)
{
    struct mail *mail = malloc(sizeof *mail);

    if (mail != NULL)
        memset(mail, 0, sizeof *mail);
    return mail;
}

void mail_free(struct mail *mail)
{
    if (mail != NULL && !mail->borrowed && mail->dock != NULL)
        dock_give(mail->dock);
    else if (mail != NULL && !mail->borrowed)
        free(mail->data);
    free(mail);
}

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

void post_close(struct post *post)
{
    if (post == NULL)
        return;
    while (post->transfers != NULL)
        transfer_abandon(&post->transfers);
    for (int rank = 0; rank < post->ranks; rank++) {
        if (post->peers[rank] != NULL)
            peer_empty(post->peers[rank]);
        free(post->peers[rank]);
    }
    free(post);
}

bool post_is_idle(const struct post *post)
{
    return post->waiting == 0 && fabric_in_flight() == 0;
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
    if (peer->first == mail && peer->window > 0) /* at once: somebody may be waiting for it */
        first_send(post, peer);
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

static void head_put(struct frame_writer *writer, const struct mail *mail)
{
    frame_put_u8(writer, (uint8_t)mail->kind);
    frame_put_u32(writer, mail->name.slot);
    frame_put_u32(writer, mail->name.incarnation);
    frame_put_u64(writer, mail->name.sequence);
    frame_put_u64(writer, mail->first);
    frame_put_u64(writer, mail->leader);
    frame_put_u32(writer, mail->party);
    frame_put_u32(writer, mail->op);
    frame_put_u64(writer, mail->object);
    frame_put_u64(writer, mail->wait_ns);
    frame_put_u32(writer, (uint32_t)mail->result);
    for (int i = 0; i < SERVICE_WORDS; i++)
        frame_put_u64(writer, mail->words[i]);
    frame_put_u64(writer, mail->size);
    frame_put_u64(writer, mail->sentence_size);
}

static void first_remove(struct post *post, struct peer *peer)
{
    peer->first = peer->first->next;
    peer->window--;
    post->waiting--;
}

/* Sends a peer's first message if it fits a frame whole; false when it could not leave. */
static bool whole_send(struct post *post, struct peer *peer, uint64_t bytes)
{
    unsigned char frame[FABRIC_FRAME_MAX];
    struct frame_writer writer = { frame, sizeof frame, 0, false };
    struct mail *mail = peer->first;

    frame_put_u8(&writer, FRAME_WHOLE);
    head_put(&writer, mail);
    frame_put_bytes(&writer, mail->data, bytes);
    if (fabric_send(peer->rank, frame, writer.size) != TROUPE_OK)
        return false;
    first_remove(post, peer);
    mail_free(mail);
    return true;
}

/* Announces a peer's first message and sends its data in bulk. It counts as waiting until that is
 * over. */
static bool bulk_send(struct post *post, struct peer *peer, uint64_t bytes)
{
    unsigned char frame[HEAD_BYTES];
    struct frame_writer writer = { frame, sizeof frame, 0, false };
    struct transfer *transfer = malloc(sizeof *transfer);
    uint32_t number = peer->bulks;

    if (transfer == NULL)
        return false;
    frame_put_u8(&writer, FRAME_BULK);
    frame_put_u32(&writer, number);
    head_put(&writer, peer->first);
    if (fabric_send(peer->rank, frame, writer.size) != TROUPE_OK) {
        free(transfer);
        return false;
    }
    peer->bulks++;
    transfer->mail = peer->first;
    transfer->comes = false;
    transfer->bulk = fabric_bulk_send(peer->rank, number, peer->first->data, bytes);
    first_remove(post, peer);
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
    uint64_t bytes = peer->first->size + peer->first->sentence_size;

    return bytes <= FABRIC_FRAME_MAX - HEAD_BYTES ? whole_send(post, peer, bytes)
                                                  : bulk_send(post, peer, bytes);
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

/* ---- receiving -------------------------------------------------------------------------- */

static void head_get(struct frame_reader *reader, struct mail *mail)
{
    mail->kind = (enum mail_kind)frame_get_u8(reader);
    mail->name.slot = frame_get_u32(reader);
    mail->name.incarnation = frame_get_u32(reader);
    mail->name.sequence = frame_get_u64(reader);
    mail->first = frame_get_u64(reader);
    mail->leader = frame_get_u64(reader);
    mail->party = frame_get_u32(reader);
    mail->op = frame_get_u32(reader);
    mail->object = frame_get_u64(reader);
    mail->wait_ns = frame_get_u64(reader);
    mail->result = (int)frame_get_u32(reader);
    for (int i = 0; i < SERVICE_WORDS; i++)
        mail->words[i] = frame_get_u64(reader);
    mail->size = frame_get_u64(reader);
    mail->sentence_size = frame_get_u64(reader);
}

/* The data's memory has a byte more: a sentence from afar may lack its zero. */
static bool data_make(struct mail *mail)
{
    uint64_t bytes = mail->size + mail->sentence_size;

    if (bytes < mail->size || bytes == UINT64_MAX)
        return false;
    mail->data = malloc(bytes + 1);
    if (mail->data == NULL)
        return false;
    mail->data[bytes] = '\0';
    return true;
}

static bool whole_take(struct frame_reader *reader, struct mail *mail)
{
    uint64_t bytes;
    const void *data;

    head_get(reader, mail);
    if (reader->broken || !data_make(mail))
        return false;
    bytes = mail->size + mail->sentence_size;
    data = frame_get_bytes(reader, bytes);
    if (bytes > 0 && data != NULL)
        memcpy(mail->data, data, bytes);
    return !reader->broken;
}

/* Memory for what comes in bulk: a block of the arena, if the request can use one. */
static bool landing_make(struct mail *mail)
{
    if (mail->kind == MAIL_REQUEST && mail->sentence_size == 0)
        mail->dock = dock_take(mail->op, mail->size);
    if (mail->dock == NULL)
        return data_make(mail);
    mail->data = mail->dock->data;
    return true;
}

static bool bulk_take(struct post *post, struct frame_reader *reader, struct mail *mail)
{
    struct transfer *transfer = malloc(sizeof *transfer);
    uint32_t number = frame_get_u32(reader);

    head_get(reader, mail);
    if (transfer == NULL || reader->broken || !landing_make(mail)) {
        free(transfer);
        return false;
    }
    transfer->mail = mail;
    transfer->comes = true;
    transfer->bulk =
        fabric_bulk_receive(mail->rank, number, mail->data, mail->size + mail->sentence_size);
    if (transfer->bulk == NULL) {
        free(transfer);
        return false;
    }
    transfer->next = post->transfers;
    post->transfers = transfer;
    return true;
}

/* A frame that makes no sense, or a message without memory for it, is dropped and told; whoever
 * waits for it is not answered until its node is lost. Returns a message that is whole. */
static struct mail *frame_take(struct post *post, struct peer *peer, const void *frame, size_t size)
{
    struct frame_reader reader = { frame, size, 0, false };
    uint8_t kind = frame_get_u8(&reader);
    struct mail *mail;
    bool taken = false;

    if (kind == FRAME_CREDIT) {
        peer->window += frame_get_u32(&reader);
        return NULL;
    }
    if (peer->lost && kind != FRAME_WHOLE)
        return NULL; /* the bytes that it announces never come whole */
    if (!peer->lost && ++peer->received >= POST_CREDIT)
        peer_list(post, peer);
    mail = mail_make();
    if (mail != NULL) {
        mail->rank = peer->rank;
        if (kind == FRAME_WHOLE)
            taken = whole_take(&reader, mail);
        else if (kind == FRAME_BULK)
            taken = bulk_take(post, &reader, mail);
    }
    if (taken)
        return kind == FRAME_WHOLE ? mail : NULL;
    log_error("a frame of rank %d was dropped: it makes no sense, or there is no memory",
              peer->rank);
    mail_free(mail);
    return NULL;
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
    mail = transfers_move(post, moved);
    while (mail == NULL && fabric_receive(&rank, frame, &size) == TROUPE_OK) {
        struct peer *peer = peer_of(post, rank);

        *moved = true;
        if (peer != NULL)
            mail = frame_take(post, peer, frame, size);
    }
    return mail;
}
