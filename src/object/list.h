/* Lists inside the library. */
#ifndef TROUPE_OBJECT_LIST_H
#define TROUPE_OBJECT_LIST_H

/* Registers the handlers for calls from other nodes, and recovery. */
void list_register(void);

#endif
