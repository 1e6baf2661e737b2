/* Queues inside the library. */
#ifndef TROUPE_OBJECT_QUEUE_H
#define TROUPE_OBJECT_QUEUE_H

/* Registers the handlers for calls from other nodes, and recovery. */
void queue_register(void);

#endif
