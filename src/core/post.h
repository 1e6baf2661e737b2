/* The service's post: messages of any size between leaders, cut into frames and put together again.
 *
 * What always holds: frames to one node leave in the order in which their messages were given,
 * and no more than POST_WINDOW of them are on their way before the other side has acknowledged
 * some, so a slow node's memory is bounded; acknowledgements need no acknowledgement, so two
 * nodes that both have full windows still move. Only the service's thread comes here. */
#ifndef TROUPE_CORE_POST_H
#define TROUPE_CORE_POST_H

#include "core/call.h"

/* A withdrawal names a request whose caller has died, a farewell a party that held something. */
enum mail_kind { MAIL_REQUEST = 1, MAIL_ANSWER = 2, MAIL_WITHDRAWAL = 3, MAIL_FAREWELL = 4 };

/* One message, on either side. */
struct mail {
    enum mail_kind kind;
    int node; /* whom it goes to, or who sent it */
    struct call_name name;
    uint32_t op;      /* of a request */
    uint64_t object;  /* likewise */
    uint64_t wait_ns; /* likewise: how long it may be parked */
    int result;       /* of an answer */
    uint64_t words[SERVICE_WORDS];
    uint64_t size, sentence_size; /* sentence_size is 0, or counts its final zero */
    unsigned char *data;          /* [size + sentence_size], from malloc */
    struct mail *next;
};

struct post;

/* A post between so many nodes; NULL without memory. */
struct post *post_open(int nodes);
void post_close(struct post *post);

/* Sends a message and frees it in time. */
void post_send(struct post *post, struct mail *mail);

/* Moves frames both ways. Returns a whole message that has come, which the caller frees with
 * mail_free; NULL when none is whole. moved tells whether anything went on. */
struct mail *post_move(struct post *post, bool *moved);

/* Whether everything given has left. */
bool post_is_idle(const struct post *post);

void mail_free(struct mail *mail);

#endif
