/* The steps of a start that groups of processes take, too. */
#ifndef TROUPE_OBJECT_PROCESS_START_H
#define TROUPE_OBJECT_PROCESS_START_H

#include "object/process.h"

/* Fills what a process has by its options and by its starter; a name is made up without one. */
void process_head_fill(struct actor *actor, const troupe_process_options *options,
                       struct process_order *head);

/* Makes a record that waits for a runner. If the caller dies before there is one, recovery ends the
 * process: by RESUME_PROCESS_START, which the caller ends, or, of a group's, by the group's. A
 * group's record is counted by its group, whose lock the caller holds. */
int process_record_make(struct actor *actor, const struct order *order, struct record **record,
                        uint64_t *handle);

/* Gives the process to an idle rank of a node, or, for node -1, of any.
 *
 * rank        set on success
 * Returns     TROUPE_OK
 *             TROUPE_BUSY     none is idle
 *             TROUPE_NO_RANK, TROUPE_FULL, TROUPE_LOST */
int process_idle_find(struct actor *actor, const struct order *order, struct record *record,
                      int node, int *rank);

#endif
