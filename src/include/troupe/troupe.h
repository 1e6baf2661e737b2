/* Troupe: Python's multiprocessing model on MPI clusters.
 *
 * Every function returns TROUPE_OK or a negative TROUPE_… unless its block says otherwise. The
 * function that first knew what went wrong left one sentence in troupe_last_error(). Outputs come
 * last and are set only on success, unless the block says otherwise. Sizes are bytes, times are
 * milliseconds. Handles are valid in every process of the world and may travel in arguments,
 * messages and values. This header is all of them but the GPU's. */
#ifndef TROUPE_TROUPE_H
#define TROUPE_TROUPE_H

#include "troupe/array.h"
#include "troupe/dict.h"
#include "troupe/list.h"
#include "troupe/pool.h"
#include "troupe/pipe.h"
#include "troupe/process.h"
#include "troupe/queue.h"
#include "troupe/sync.h"
#include "troupe/types.h"
#include "troupe/wait.h"
#include "troupe/world.h"

#endif
