/* A rank's post: messages of any size to ranks of other nodes.
 *
 * Messages that fit a frame travel in one, as many as are there for the same rank; a longer one is
 * announced by a frame, while its bytes go as bulk, straight from the sender's memory to the
 * receiver's.
 *
 * What always holds: the frames to one rank leave in the order in which their messages were given,
 * and no more than POST_WINDOW of them are on their way before it has acknowledged some, so a slow
 * rank's memory is bounded; acknowledgements need no acknowledgement, so two ranks that both have
 * full windows still move. A message in bulk may be overtaken by later ones. One thread of a
 * process at a time comes here. */
#ifndef TROUPE_CORE_POST_H
#define TROUPE_CORE_POST_H

#include "core/mail.h"

struct post;

/* A post in a world of so many ranks; NULL without memory. */
struct post *post_open(int ranks);
void post_close(struct post *post);

/* Sends a message and frees it in time. */
void post_send(struct post *post, struct mail *mail);

/* While a post holds, what is given to it stays until it is moved next. */
void post_hold(struct post *post, bool holds);

/* Whether there is anything to send. */
bool post_keeps(const struct post *post);

/* The only rank that there is anything for; -1: there are several, or none. */
int post_kept_for(const struct post *post);

/* Sends what can leave. */
void post_flush(struct post *post);

/* Moves both ways. Returns a whole message that has come, which the caller frees with mail_free;
 * NULL when none is whole. moved is set when anything went on, and otherwise left. */
struct mail *post_move(struct post *post, bool *moved);

/* Whether everything given has left. */
bool post_is_idle(const struct post *post);

/* Whether bulk is under way. */
bool post_is_moving_bulk(const struct post *post);

/* Forgets what a slot of that node sends here in bulk: it has died. */
void post_forget(struct post *post, int node, const struct call_name *name);

/* Gives a rank up that has ended: nothing is sent to it any more, and what is under way is dropped.
 */
void post_lose(struct post *post, int rank);

/* Whether the bytes of a message with that name still leave in bulk. */
bool post_is_sending(const struct post *post, const struct call_name *name);

#endif
