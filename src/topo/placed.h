/* What an applied place leaves in the environment to those below it; place.c's own helper. */
#ifndef TROUPE_TOPO_PLACED_H
#define TROUPE_TOPO_PLACED_H

#include <stdbool.h>

#include "topo/place.h"

/* Names the job and the local rank in place->identity. */
int placed_identify(struct topo_place *place);

/* Whether a place of this identity was applied above us. */
bool placed_already(const struct topo_place *place);

/* Fills a place from what was applied above us. */
int placed_inherit(struct topo_place *place);

/* Keeps what a variable is now, in a form that tells unset ("") from empty ("="). */
int placed_keep(const char *name, char **kept);

#endif
