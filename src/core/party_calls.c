/* What other nodes hear of a party of this one while it lives on: service.c tells of the dead. */
#include "core/node.h"
#include "core/party.h"
#include "core/service.h"

#include <stdlib.h>

/* All threads of the process may have asked elsewhere. */
static uint64_t process_abroad(const struct actor *actor)
{
    uint32_t high = atomic_load(&actor->arena.header->slot_high);
    uint64_t abroad = 0;

    for (uint32_t number = SLOT_FIRST; number < high; number++) {
        struct slot *slot = slot_at(&actor->arena, number);

        if (slot_party_of(atomic_load(&slot->identity)) == actor->party)
            abroad |= atomic_load(&slot->abroad);
    }
    return abroad;
}

static void abroad_leave(struct actor *actor, uint64_t party)
{
    uint64_t abroad = process_abroad(actor);
    int nodes = abroad != 0 ? (int)node_of(&actor->arena)->nodes : 0;

    for (int node = 0; node < nodes; node++) {
        struct request request = { .op = SERVICE_PARTY_LEFT, .words = { party } };
        struct answer answer;

        if (node == table_node(&actor->arena) || !party_is_abroad(abroad, node))
            continue;
        if (service_call(actor, node, &request, BELL_NO_WAIT, &answer) == TROUPE_OK)
            free(answer.data);
    }
}

void party_leave(struct actor *actor)
{
    if (party_leave_here(actor))
        abroad_leave(actor, party_of(actor));
}

static int left_handler(struct actor *actor, const struct request *request, bool last,
                        struct answer *answer, struct bell **bell)
{
    (void)last, (void)answer, (void)bell;
    party_ended(actor, request->words[0], PARTY_LEFT);
    return TROUPE_OK;
}

void party_calls_register(void)
{
    service_register(SERVICE_PARTY_LEFT, left_handler);
}
