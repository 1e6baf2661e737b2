/* The options that `plan`, `wrap` and `env` share: what a place is computed from. They start from
 * the environment's TROUPE_… variables, and what the command line says goes before it. */
#ifndef TROUPE_LAUNCH_PLACE_OPTIONS_H
#define TROUPE_LAUNCH_PLACE_OPTIONS_H

#include "cmd.h"
#include "job/place.h"
#include "topo/place.h"

/* Letters of the shared rows; a verb's own long-only letters start above them. */
enum {
    PLACE_OPTION_MODE = CMD_LONG_ONLY,
    PLACE_OPTION_PER_RANK,
    PLACE_OPTION_BIND,
    PLACE_OPTION_TOPO,
    PLACE_OPTION_OWN
};

#define PLACE_HELP_MODE "What CUDA shows: isolate (own GPUs), peer (own first), ordered"
#define PLACE_HELP_PER_RANK "GPUs for each rank; without it one, or all spread over fewer ranks"
#define PLACE_HELP_BIND "CPUs: core (the rank's own), numa (their NUMA nodes), none"
#define PLACE_HELP_TOPO "An hwloc XML file in place of this machine"

/* Takes one of the letters above. CMD_OK, or CMD_USAGE after one line that says what is wrong. */
int place_option_take(const struct cmd *cmd, int letter, const char *value,
                      struct topo_options *options);

/* Tries the topology file, if one was chosen, before anything is made of it. CMD_OK, or CMD_USAGE
 * after one line. */
int place_topology_check(const struct cmd *cmd, const struct topo_options *options);

/* Reads what the launcher says of the calling process; without a launcher it is the only rank.
 * CMD_OK, or CMD_USAGE after one line on standard error. */
int place_detect(const struct cmd *cmd, struct job_place *detected);

/* Computes the place of the calling process.
 *
 * detected    from place_detect
 * place       freed by topo_place_free
 * Returns     CMD_OK, or CMD_USAGE after one line on standard error */
int place_compute(const struct cmd *cmd, const struct job_place *detected,
                  struct topo_options *options, struct topo_place *place);

#endif
