/* Results, as map.c sees them, and who in this process wants to hear of them. */
#ifndef TROUPE_POOL_RESULT_H
#define TROUPE_POOL_RESULT_H

#include "pool/pool_local.h"

/* Refuses a pool of another node, and what is no pool. */
int pool_at_home(uint64_t handle);

/* Keeps the callbacks of a result in this process; nothing when the options have none. */
int result_listen(troupe_result result, const troupe_map_options *options);

/* Closes it; the sentence of an earlier failure stays. */
void result_close_quietly(troupe_result result);

/* listen.c: calls back how far it is; and once that it has ended. */
void listen_progress(uint64_t handle, uint64_t ended, uint64_t tasks);
void listen_ended(uint64_t handle);
void listen_forget(uint64_t handle);

#endif
