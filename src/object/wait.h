/* Waiting for any of several things, inside the library. */
#ifndef TROUPE_OBJECT_WAIT_H
#define TROUPE_OBJECT_WAIT_H

/* Registers the handlers for calls from other nodes. */
void wait_register(void);

#endif
