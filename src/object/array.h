/* Arrays inside the library. */
#ifndef TROUPE_OBJECT_ARRAY_H
#define TROUPE_OBJECT_ARRAY_H

/* Registers the handlers for calls from other nodes, and recovery. */
void array_register(void);

#endif
