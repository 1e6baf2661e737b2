/* One message between ranks of different nodes, and how it is written into a frame. */
#ifndef TROUPE_CORE_MAIL_H
#define TROUPE_CORE_MAIL_H

#include "core/call.h"
#include "core/dock.h"
#include "wire/frame.h"

enum mail_kind {
    MAIL_REQUEST = 1,
    MAIL_ANSWER = 2,
    MAIL_WITHDRAWAL = 3, /* names a request whose caller has died */
    MAIL_FAREWELL = 4,   /* names a slot of the dead; words[0] is its party, which held something */
    MAIL_HANDED = 5,     /* names a request whose answer will come through the caller's node */
    MAIL_RING = 6,       /* names a request that watched; words[0] is for call_ring */
    MAIL_CANCEL = 7,     /* names a request whose caller waits for its answer alone */
    MAIL_FAREWELL_HEARD = 8, /* answers a farewell */
    MAIL_LEADER = 9, /* words: a node, its leader's word, and whether to answer with one's own */
    MAIL_BEAT = 10   /* the sender's node lives; words[0]: so does the parent's, in answer */
};

/* One message, on either side. */
struct mail {
    enum mail_kind kind;
    int rank; /* whom it goes to, or who sent it */
    struct call_name name;
    uint64_t first;   /* of a request: the sequence under which it was sent first */
    uint64_t leader;  /* of a request: who leads the caller's node, as its sender knew */
    uint32_t party;   /* of a request: the caller's process */
    bool again;       /* its home's last leader may have died in it; does not travel */
    uint32_t op;      /* of a request */
    uint64_t object;  /* likewise */
    uint64_t wait_ns; /* likewise: how long it may be parked */
    int result;       /* of an answer */
    uint64_t words[SERVICE_WORDS];
    uint64_t size, sentence_size; /* sentence_size is 0, or counts its final zero */
    unsigned char *data;          /* [size + sentence_size], from malloc unless borrowed */
    bool borrowed;                /* data is another's, and outlives the mail */
    struct dock *dock;            /* that data lies in; or NULL */
    struct mail *next;
};

/* What a message needs in its frame before its data. */
#define MAIL_HEAD_BYTES 125u

/* An empty message; NULL without memory. */
struct mail *mail_make(void);

/* Frees it with its data, and gives its dock back. */
void mail_free(struct mail *mail);

/* Everything but the data: MAIL_HEAD_BYTES. */
void mail_head_put(struct frame_writer *writer, const struct mail *mail);
void mail_head_get(struct frame_reader *reader, struct mail *mail);

/* Memory for the data that the head tells of. False without it, or when the head makes no sense. */
bool mail_data_make(struct mail *mail);

#endif
