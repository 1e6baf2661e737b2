/* Networks that lie within one host, between it and its containers or virtual machines. Their
 * address is the same on every host (docker0: 172.17.0.1), so Open MPI takes them for a network
 * that the hosts share, and waits there for ever. */
#ifndef TROUPE_BASE_NETWORKS_H
#define TROUPE_BASE_NETWORKS_H

#include <stdbool.h>

#include "base/text.h"

/* Appends what Open MPI is to leave out, where there is such a network and nobody has chosen:
 * neither the environment nor, as far as they can be found, the parameter files of this host and
 * user name parameters that begin with `prefix`.
 *
 * prefix      "btl_tcp_if_" or "oob_tcp_if_"
 * conf        the parameter file of the Open MPI at hand; NULL: not known
 * list        appended to
 * Returns     whether there is anything to leave out */
bool networks_to_avoid(const char *prefix, const char *conf, struct text *list);

#endif
