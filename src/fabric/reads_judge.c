/* The test that one-sided reads have to pass before anybody uses them.
 *
 * Right: every rank reads what the next node's leader has written to its memory, and, after that
 * changed, what it changed to. Sooner: the second node's leader calls no MPI for a moment, as if it
 * computed; the first one's reads of its memory, each with an end, against messages there and back.
 * Where a read needs the other side's help, the first read ends the attempt. */
#include "fabric/fabric_private.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/error.h"

#define WORDS 64u
#define GENERATIONS 2u
#define ROUNDS 48
#define PATIENCE_NS 1000000000u /* while the other side is inside MPI */
#define IMPATIENCE_NS 1000000u  /* while it is not */
#define ABSENCE_NS 20000000     /* of the second leader; all reads are done by then, or none is */
#define JUDGE_TAG 1

static uint64_t pattern(int node, uint64_t generation, uint64_t word)
{
    return ((uint64_t)node + 1) * 0x9e3779b97f4a7c15u ^ generation << 32 ^ word;
}

/* One read with an end. Abandoned, it may be done later, in memory of its own. */
static bool read_in_time(int node, uint64_t *words, uint64_t patience)
{
    uint64_t late = clock_now() + patience;
    struct fabric_read *read;
    int result = fabric_read(node, 0, WORDS * sizeof *words, words, &read);

    while (result == TROUPE_EMPTY && clock_now() < late)
        result = fabric_read_move(read, words);
    if (result == TROUPE_EMPTY)
        fabric_read_abandon(read);
    return result == TROUPE_OK;
}

static bool generation_is_seen(int node, uint64_t generation)
{
    uint64_t words[WORDS];

    if (!read_in_time(node, words, PATIENCE_NS))
        return false;
    for (uint64_t i = 0; i < WORDS; i++)
        if (words[i] != pattern(node, generation, i))
            return false;
    return true;
}

static void page_write(uint64_t *page, int node, uint64_t generation)
{
    for (uint64_t i = 0; i < WORDS; i++)
        page[i] = pattern(node, generation, i);
}

/* All ranks read; the barriers tell when. */
static int right_judge(uint64_t *page, int *right)
{
    int next = (fabric.place.node + 1) % fabric.place.nodes, result = TROUPE_OK;

    *right = 1;
    for (uint64_t generation = 1; result == TROUPE_OK && generation <= GENERATIONS; generation++) {
        if (fabric.place.local_rank == 0)
            page_write(page, fabric.place.node, generation);
        result = fabric_barrier();
        if (result == TROUPE_OK && !generation_is_seen(next, generation))
            *right = 0;
        if (result == TROUPE_OK)
            result = fabric_barrier();
    }
    return result;
}

static int compare(const void *one, const void *other)
{
    double a = *(const double *)one, b = *(const double *)other;

    return (a > b) - (a < b);
}

static double median(double *samples)
{
    qsort(samples, ROUNDS, sizeof *samples, compare);
    return samples[ROUNDS / 2];
}

/* 0 when one did not come. */
static double reads_time(void)
{
    double samples[ROUNDS];
    uint64_t words[WORDS];

    for (int i = 0; i < ROUNDS; i++) {
        uint64_t began = clock_now();

        if (!read_in_time(1, words, IMPATIENCE_NS))
            return 0;
        samples[i] = (double)(clock_now() - began) / 1e3;
    }
    return median(samples);
}

static int message(int rank, bool sends)
{
    char byte[WORDS * sizeof(uint64_t)] = { 0 };
    int code = sends ? MPI_Send(byte, sizeof byte, MPI_BYTE, rank, JUDGE_TAG, fabric.world)
                     : MPI_Recv(byte, sizeof byte, MPI_BYTE, rank, JUDGE_TAG, fabric.world,
                                MPI_STATUS_IGNORE);

    return fabric_check(code, TROUPE_LAUNCH, "a message");
}

static int messages_time(int rank, bool begins, double *microseconds)
{
    double samples[ROUNDS];
    int result = TROUPE_OK;

    for (int i = 0; result == TROUPE_OK && i < ROUNDS; i++) {
        uint64_t began = clock_now();

        result = message(rank, begins);
        if (result == TROUPE_OK)
            result = message(rank, !begins);
        samples[i] = (double)(clock_now() - began) / 1e3;
    }
    *microseconds = median(samples);
    return result;
}

/* The first two leaders measure, the others wait. */
static int times_take(double times[2])
{
    int first = fabric.leader_of[0], second = fabric.leader_of[1], result;

    times[0] = times[1] = 0;
    if (fabric.place.rank == second)
        nanosleep(&(struct timespec){ 0, ABSENCE_NS }, NULL);
    if (fabric.place.rank == first)
        times[0] = reads_time();
    result = fabric_agree(TROUPE_OK);
    if (result == TROUPE_OK && (fabric.place.rank == first || fabric.place.rank == second))
        result = messages_time(fabric.place.rank == first ? second : first,
                               fabric.place.rank == first, &times[1]);
    return fabric_agree(result);
}

int reads_judge(const struct fabric_segment *segment, struct reads_verdict *verdict)
{
    uint64_t *page = (uint64_t *)(void *)segment->base;
    int mine = 0, all = 0, result = right_judge(page, &mine);
    double times[2];

    if (result == TROUPE_OK)
        result = times_take(times);
    if (result == TROUPE_OK)
        result = fabric_check(MPI_Bcast(times, 2, MPI_DOUBLE, fabric.leader_of[0], fabric.world),
                              TROUPE_LAUNCH, "MPI_Bcast");
    if (result == TROUPE_OK)
        result = fabric_check(MPI_Allreduce(&mine, &all, 1, MPI_INT, MPI_MIN, fabric.world),
                              TROUPE_LAUNCH, "MPI_Allreduce");
    if (fabric.place.local_rank == 0)
        memset(page, 0, WORDS * sizeof *page);
    if (result == TROUPE_OK)
        result = fabric_barrier();
    if (result != TROUPE_OK)
        return result;
    verdict->is_right = all;
    verdict->read_us = times[0];
    verdict->message_us = times[1];
    verdict->is_sooner = times[0] > 0 && times[0] < times[1];
    return TROUPE_OK;
}
