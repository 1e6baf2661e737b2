/* The global dict: what the library needs of it beside the public calls of troupe/dict.h. */
#ifndef TROUPE_OBJECT_DICT_H
#define TROUPE_OBJECT_DICT_H

#include "troupe/troupe.h"

/* Registers what the dict answers to other nodes and how recovery ends a half-destroyed one; called
 * before any process of the node can die. */
void dict_register(void);

/* Removes key if its value is the expected one; else TROUPE_DIFFERS or TROUPE_NOT_FOUND. */
int dict_compare_and_delete(troupe_dict dict, troupe_bytes key, troupe_bytes expected);

#endif
