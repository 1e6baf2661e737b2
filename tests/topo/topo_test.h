/* What the tests of this room share: cmocka in its order of headers, and the drawn machines. */
#ifndef TESTS_TOPO_TOPO_TEST_H
#define TESTS_TOPO_TOPO_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "topo/machine.h"
#include "troupe/troupe.h"

/* Loads tests/data/topologies/<name>.xml, or fails the test. */
static inline void machine_of(const char *name, struct machine *machine)
{
    char path[512];

    snprintf(path, sizeof path, TOPO_DATA "/topologies/%s.xml", name);
    if (machine_load(path, machine) != TROUPE_OK)
        fail_msg("%s", troupe_last_error());
}

#endif
