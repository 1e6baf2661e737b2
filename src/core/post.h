/* A rank's post: messages of any size to ranks of other nodes.
 *
 * A message is one frame if it fits, else a frame that announces it, while its bytes go as bulk,
 * straight from the sender's memory to the receiver's.
 *
 * What always holds: the frames to one rank leave in the order in which their messages were given,
 * and no more than POST_WINDOW of them are on their way before it has acknowledged some, so a slow
 * rank's memory is bounded; acknowledgements need no acknowledgement, so two ranks that both have
 * full windows still move. A message in bulk may be overtaken by later ones. One thread of a
 * process at a time comes here. */
#ifndef TROUPE_CORE_POST_H
#define TROUPE_CORE_POST_H

#include "core/call.h"
#include "core/dock.h"

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
    MAIL_BEAT = 10   /* the sender's node lives */
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

struct post;

/* A post in a world of so many ranks; NULL without memory. */
struct post *post_open(int ranks);
void post_close(struct post *post);

/* Sends a message and frees it in time. */
void post_send(struct post *post, struct mail *mail);

/* Moves both ways. Returns a whole message that has come, which the caller frees with mail_free;
 * NULL when none is whole. moved is set when anything went on, and otherwise left. */
struct mail *post_move(struct post *post, bool *moved);

/* Whether everything given has left. */
bool post_is_idle(const struct post *post);

/* Whether bulk is under way. */
bool post_is_moving_bulk(const struct post *post);

/* Forgets what a slot of that node sends here in bulk: it has died. */
void post_forget(struct post *post, int node, const struct call_name *name);

/* An empty message; NULL without memory. */
struct mail *mail_make(void);
/* Gives a rank up that has ended: nothing is sent to it any more, and what is under way is dropped.
 */
void post_lose(struct post *post, int rank);

/* Whether the bytes of a message with that name still leave in bulk. */
bool post_is_sending(const struct post *post, const struct call_name *name);

void mail_free(struct mail *mail);

#endif
