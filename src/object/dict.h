/* The global dict: what the runtime needs of it. The public calls are in troupe.h. */
#ifndef TROUPE_OBJECT_DICT_H
#define TROUPE_OBJECT_DICT_H

/* Registers what the dict answers to other nodes and how recovery ends a half-destroyed one; called
 * before any process of the node can die. */
void dict_register(void);

#endif
