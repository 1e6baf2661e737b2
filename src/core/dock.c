#include "core/dock.h"

#include "base/error.h"
#include "core/tx.h"

#include <unistd.h>

/* Bulk of more senders at once is received as before: each dock holds memory of the arena that no
 * limit of a queue knows of yet. */
#define DOCKS 4

static struct {
    struct arena arena;
    size_t heads[SERVICE_OPS]; /* 0: no docks for it */
    struct dock docks[DOCKS];
    bool begun;
} port;

void dock_allow(enum service_op op, size_t head)
{
    port.heads[op] = head;
}

void dock_begin(const struct arena *arena)
{
    port.arena = *arena;
    port.begun = true;
}

/* Opened when first needed: a slot each. */
static bool dock_open(struct dock *dock)
{
    if (!dock->open)
        dock->open = actor_open(&port.arena, (uint32_t)getpid(), &dock->actor) == TROUPE_OK;
    return dock->open;
}

static struct dock *dock_find(void)
{
    for (int i = 0; i < DOCKS; i++)
        if (!port.docks[i].taken)
            return dock_open(&port.docks[i]) ? &port.docks[i] : NULL;
    return NULL;
}

/* The sentence of a failure is nobody's: the caller goes another way. */
struct dock *dock_take(uint32_t op, uint64_t bytes)
{
    size_t head = port.begun && op < SERVICE_OPS ? port.heads[op] : 0;
    struct dock *dock = head > 0 ? dock_find() : NULL;
    struct error_kept kept;
    int result;

    if (dock == NULL || bytes > port.arena.header->bytes)
        return NULL;
    error_keep(&kept);
    result = tx_alloc(&dock->actor, head + bytes, &dock->block);
    error_restore(&kept);
    if (result != TROUPE_OK)
        return NULL;
    dock->data = (unsigned char *)arena_at(&port.arena, dock->block) + head;
    dock->taken = true;
    return dock;
}

void dock_give(struct dock *dock)
{
    tx_abort(&dock->actor);
    dock->taken = false;
}

void dock_end(void)
{
    for (int i = 0; i < DOCKS; i++)
        if (port.docks[i].open && !port.docks[i].taken) {
            actor_close(&port.docks[i].actor);
            port.docks[i].open = false;
        }
    port.begun = false;
}
