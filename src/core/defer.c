#include "core/defer.h"

#define SOON_NS 10000u /* what a message of its own costs both sides */
#define NEEDED_LEAST 8u
#define NEEDED_MOST 4096u

void defer_begin(struct defer *defer)
{
    *defer = (struct defer){ .needed = NEEDED_LEAST };
}

/* The answers that were ready last left by themselves. */
static void alone(struct defer *defer)
{
    defer->soon = 0;
    if (defer->held && defer->needed < NEEDED_MOST)
        defer->needed *= 2;
}

static void together(struct defer *defer)
{
    defer->soon++;
    if (defer->held && defer->needed > NEEDED_LEAST)
        defer->needed--;
}

bool defer_answers(struct defer *defer, int rank, uint64_t now)
{
    if (defer->pending)
        alone(defer);
    defer->pending = true;
    defer->rank = rank;
    defer->at = now;
    defer->held = defer->soon >= defer->needed;
    return defer->held;
}

void defer_request(struct defer *defer, int rank, bool kept, uint64_t now)
{
    if (!defer->pending)
        return;
    if (rank == defer->rank && (defer->held ? kept : now - defer->at < SOON_NS))
        together(defer);
    else
        alone(defer);
    defer->pending = false;
}
