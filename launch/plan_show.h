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

enum { PLAN_SCHEMA = 1 };

/* Prints a drawing of the node, the table, idle GPUs and the score. TROUPE_OK or an error. */
int plan_show_table(const struct plan_request *request, const struct plan *plan);

/* Makes the object of one plan. TROUPE_OK or TROUPE_NO_MEMORY. */
int plan_show_json(const struct plan_request *request, const struct plan *plan, json_t **json);

/* The mask that a rank would see, to be freed; NULL when the variable would be unset. */
int plan_show_mask(const struct plan_request *request, const struct plan *plan, size_t rank,
                   char **mask, const char **order);

#endif
