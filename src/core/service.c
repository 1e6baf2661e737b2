/* The service's thread: drives the engine of the rank that leads its node while nobody else does.
 *
 * It is hot while there is traffic and naps otherwise, on the service's bell, which rings for every
 * request posted on this node and for every change that a parked request waits for. Frames of other
 * nodes wake nobody: it finds them at the end of a nap at the latest, so the naps grow only slowly
 * with the silence. */
#include "core/service.h"

#include "base/clock.h"
#include "core/call.h"
#include "core/engine.h"
#include "core/futex.h"
#include "core/leader.h"
#include "core/table.h"

#include <string.h>
#include <sys/prctl.h>

#define NAP_LEAST_NS 50000u
#define NAP_MOST_NS 2000000u /* a nap and a look cost up to 30 us: 2 per cent of a core at most */
#define NAP_PART 64          /* of the time since the last traffic */
#define STAND_BACK_NAP_NS 1000000 /* while another thread drives: each is felt by that one */
#define TIMER_SLACK_NS 1000ul     /* the usual 50 us would double the short naps */

static _Atomic bool stopping;

int service_call(struct actor *actor, int node, const struct request *request, uint64_t deadline,
                 struct answer *answer)
{
    int result;

    memset(answer, 0, sizeof *answer);
    if (engine_is_open())
        return engine_call(actor, node, request, deadline, answer);
    result = call_post(actor, node, request, deadline);
    return result == TROUPE_OK ? call_await(actor, answer) : result;
}

static uint64_t nap_for(uint64_t now)
{
    uint64_t nap = (now - engine_traffic()) / NAP_PART;

    return nap < NAP_LEAST_NS ? NAP_LEAST_NS : nap > NAP_MOST_NS ? NAP_MOST_NS : nap;
}

/* Returns whether the thread looked in vain, and may rest. */
static bool serve(uint64_t looked)
{
    if (engine_is_driven())
        engine_pause(STAND_BACK_NAP_NS);
    else if (!engine_step() && !engine_is_hot(looked))
        engine_nap(nap_for(looked));
    else
        return true;
    return false;
}

void service_run(void)
{
    struct rest rest = { .looked = clock_now() };

    prctl(PR_SET_TIMERSLACK, TIMER_SLACK_NS, 0, 0, 0);
    while (!atomic_load(&stopping) || !engine_is_idle()) {
        engine_tick(rest.looked);
        if (serve(rest.looked))
            engine_rest(&rest);
        else
            rest.looked = clock_now();
    }
}

bool service_await_lead(const struct arena *arena, int rank)
{
    int node = table_node(arena);

    while (!atomic_load(&stopping)) {
        uint32_t ticket = leader_ticket(arena);

        if (leader_of(arena, node) == rank)
            return true;
        if (!atomic_load(&stopping))
            leader_await(arena, ticket);
    }
    return false;
}

void service_stop(const struct arena *arena)
{
    atomic_store(&stopping, true);
    bell_ring(arena, &node_of(arena)->leader_bell, FUTEX_ALL);
    bell_ring(arena, &arena->header->service_bell, FUTEX_ALL);
}
