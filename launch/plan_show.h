/* How `troupe plan` shows a plan: as a table for people, as JSON for programs. */
#ifndef TROUPE_LAUNCH_PLAN_SHOW_H
#define TROUPE_LAUNCH_PLAN_SHOW_H

#include <jansson.h>

#include "topo/mask.h"
#include "topo/place.h"
#include "topo/plan.h"

/* What a plan was made from. */
struct plan_request {
    struct topo_options options;
    struct mask_given given;
    struct machine machine;
    struct mask_pool pool;
};

/* One node's part of the world. A node without a rank has an empty plan. */
struct plan_node {
    const char *name;
    size_t first; /* the number of its first rank in the world */
    struct plan plan;
};

/* The nodes are alike: the request's machine is each of theirs. */
struct plan_world {
    struct plan_node *nodes;
    size_t count;
};

enum { PLAN_SCHEMA = 1 };

/* Prints, for each node, a drawing, the table and idle GPUs; then the score. TROUPE_OK or an
 * error. */
int plan_show_table(const struct plan_request *request, const struct plan_world *world);

/* Makes the object of all nodes. TROUPE_OK or TROUPE_NO_MEMORY. */
int plan_show_json(const struct plan_request *request, const struct plan_world *world,
                   json_t **json);

/* The scores of all nodes, each weighted by its ranks. */
void plan_show_score(const struct plan_world *world, double *plan, double *naive);

/* The mask that a rank would see, to be freed; NULL when the variable would be unset. */
int plan_show_mask(const struct plan_request *request, const struct plan *plan, size_t rank,
                   char **mask, const char **order);

#endif
