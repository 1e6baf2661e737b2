/* The pool, as the runtime sees it. */
#ifndef TROUPE_POOL_POOL_H
#define TROUPE_POOL_POOL_H

/* Registers recovery, and the handlers for calls from other nodes. */
void pool_register(void);

/* Destroys the pools that this process made and forgot: their workers would never end. */
void pool_end_all(void);

#endif
