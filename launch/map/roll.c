/* Calling the roll. */
#include "roll.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"

/* The entries of a mask; those of an empty one are none. */
static uint32_t entries_count(const char *mask)
{
    uint32_t count = *mask != '\0';

    for (; *mask != '\0'; mask++)
        count += *mask == ',';
    return count;
}

/* In each rank. */
static int place_tell(const void *argument, size_t bytes)
{
    const troupe_queue *answers = argument;
    const char *mask = getenv("CUDA_VISIBLE_DEVICES"), *gpu = getenv("TROUPE_PLACED_GPU");
    struct roll_place place = { .rank = (uint32_t)troupe_rank(),
                                .node = (uint32_t)troupe_node(),
                                .has_mask = mask != NULL };

    (void)bytes;
    gethostname(place.host, sizeof place.host - 1);
    if (mask != NULL && strlen(mask) >= sizeof place.mask)
        return troupe_process_fail("CUDA_VISIBLE_DEVICES is longer than %zu bytes",
                                   sizeof place.mask - 1);
    if (mask != NULL)
        memcpy(place.mask, mask, strlen(mask));
    if (mask != NULL && gpu != NULL && strcmp(gpu, "none") != 0)
        place.gpus = entries_count(mask);
    if (sched_getaffinity(0, sizeof place.cpus, (cpu_set_t *)place.cpus) != 0)
        memset(place.cpus, 0, sizeof place.cpus);
    return troupe_queue_put(*answers, &place, sizeof place, TROUPE_FOREVER);
}

static int all_ask(const struct roll *roll, const troupe_queue *answers, troupe_process *processes)
{
    int result = TROUPE_OK;

    for (uint32_t rank = 0; rank < roll->size && result == TROUPE_OK; rank++) {
        const troupe_process_options options = { .name = "map roll",
                                                 .method = TROUPE_METHOD_RANK,
                                                 .where = TROUPE_ON_RANK,
                                                 .place = (int)rank };

        result =
            troupe_process_start(place_tell, answers, sizeof *answers, &options, &processes[rank]);
    }
    return result;
}

static int end_await(troupe_process process)
{
    troupe_process_status status;
    int result = troupe_process_join(process, TROUPE_FOREVER);

    if (result == TROUPE_OK)
        result = troupe_process_status_get(process, &status);
    troupe_process_close(process);
    if (result == TROUPE_OK && (status.state != TROUPE_STATE_DONE || status.exit_code != 0))
        result = fail(TROUPE_LOST, "a rank did not answer the roll: %s", status.reason);
    return result;
}

static int answers_take(struct roll *roll, troupe_queue answers)
{
    struct roll_place place;
    int result;

    while ((result = troupe_queue_get(answers, &place, sizeof place, NULL, TROUPE_NO_WAIT)) ==
           TROUPE_OK) {
        roll->places[place.rank] = place;
        roll->hosts[place.node] = roll->places[place.rank].host;
    }
    return result == TROUPE_EMPTY ? TROUPE_OK : result;
}

static int answers_await(struct roll *roll, troupe_queue answers, troupe_process *processes)
{
    int result = all_ask(roll, &answers, processes);

    for (uint32_t rank = 0; rank < roll->size && result == TROUPE_OK; rank++)
        result = end_await(processes[rank]);
    return result == TROUPE_OK ? answers_take(roll, answers) : result;
}

int roll_call(struct roll *roll)
{
    struct roll called = { .size = (uint32_t)troupe_world_size(),
                           .nodes = (uint32_t)troupe_world_nodes() };
    troupe_process *processes = calloc(called.size, sizeof *processes);
    troupe_queue answers;
    int result;

    called.places = calloc(called.size, sizeof *called.places);
    called.hosts = calloc(called.nodes, sizeof *called.hosts);
    if (processes == NULL || called.places == NULL || called.hosts == NULL)
        result = fail(TROUPE_NO_MEMORY, "no memory for a roll of %u ranks", called.size);
    else
        result = troupe_queue_create(NULL, &answers);
    if (result == TROUPE_OK) {
        result = answers_await(&called, answers, processes);
        troupe_queue_destroy(answers);
    }
    free(processes);
    if (result != TROUPE_OK)
        roll_free(&called);
    else
        *roll = called;
    return result;
}

void roll_free(struct roll *roll)
{
    free(roll->places);
    free(roll->hosts);
}
