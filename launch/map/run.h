/* A whole run: the list in, the commands through the crew, the outputs and records out. */
#ifndef TROUPE_LAUNCH_MAP_RUN_H
#define TROUPE_LAUNCH_MAP_RUN_H

#include "options.h"

/* Runs the list in the parent of a world, after map_signals_catch. Returns the exit status; what
 * failed has been said. */
int map_run(const struct map_options *options);

/* From now on SIGINT, SIGTERM and SIGHUP stop a run in order. Before the world has threads. */
void map_signals_catch(void);

#endif
