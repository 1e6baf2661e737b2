/* A read is started and looked after with the engine's turn, as all that MPI does. One that is not
 * done in time is left to MPI, which goes on writing to its buffer; until it is done, that node is
 * asked by message. So a node whose process sleeps costs one such wait, and a dead one, too. */
#include "core/read.h"

#include "base/clock.h"
#include "core/engine.h"
#include "core/leader.h"
#include "fabric/fabric.h"

#define PATIENCE_NS 1000000u /* four times what the slowest transport takes that answers at all */

bool read_is_on(void)
{
    return fabric_reads_are_on() && engine_is_open();
}

/* Looks until it is done or has taken too long; others' requests are served meanwhile. */
static int read_await(struct fabric_read *read, void *to)
{
    uint64_t late = clock_now() + PATIENCE_NS;
    int result;

    do {
        engine_step();
        engine_hold();
        result = fabric_read_move(read, to);
        if (result == TROUPE_EMPTY && clock_now() > late) {
            fabric_read_abandon(read);
            result = TROUPE_TIMEOUT;
        }
        engine_let();
    } while (result == TROUPE_EMPTY);
    return result;
}

int read_remote(const struct arena *own, int node, uint64_t offset, uint64_t bytes, void *to)
{
    struct fabric_read *read;
    int result;

    if (leader_of(own, node) < 0)
        return TROUPE_EMPTY;
    engine_hold();
    result = fabric_read(node, offset, bytes, to, &read);
    engine_let();
    if (result == TROUPE_EMPTY)
        result = read_await(read, to);
    return result == TROUPE_OK ? TROUPE_OK : TROUPE_EMPTY;
}
