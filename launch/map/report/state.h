/* How a task ended, in words. */
#ifndef TROUPE_LAUNCH_MAP_REPORT_STATE_H
#define TROUPE_LAUNCH_MAP_REPORT_STATE_H

#include "launch/map/record.h"

/* For machines: "done", "failed", "timed_out", "given_up", "skipped". */
const char *state_name(enum map_state state);

/* For people, in the same order: "done", "failed", "timed out", … */
const char *state_words(enum map_state state);

#endif
