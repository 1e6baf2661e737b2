/* A pool of 10 000 tasks over as many nodes as the first argument says: prints how many results are
 * right and how many nodes took part. That each takes part is no matter of luck: a worker's first
 * task waits until a task has begun on every node. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <troupe/troupe.h>

enum { TASKS = 10000, NODES_MOST = 256, WAIT_MS = 60000 };

/* What each worker is told: where nodes leave their numbers, and how many there are. */
struct meeting {
    troupe_dict begun;
    int nodes;
};

struct outcome {
    uint64_t square;
    int node;
};

static struct meeting meeting;

static int take_meeting(const void *argument, size_t bytes)
{
    memcpy(&meeting, argument, bytes);
    return 0;
}

/* Says that this node has begun, and waits until all have. Returns 0 on success. */
static int meet(void)
{
    int node = troupe_node(), result = TROUPE_OK;

    if (troupe_dict_set(meeting.begun, troupe_bytes_of(&node, sizeof node), troupe_text("")))
        return -1;
    for (int other = 0; other < meeting.nodes && result == TROUPE_OK; other++)
        result = troupe_dict_wait(meeting.begun, troupe_bytes_of(&other, sizeof other), WAIT_MS);
    return result == TROUPE_OK ? 0 : troupe_task_fail(-1, "waited in vain for a task on each node");
}

static int square(const void *input, size_t input_bytes, void *output, size_t output_bytes)
{
    static int met;
    struct outcome outcome = { *(const uint64_t *)input, troupe_node() };

    (void)input_bytes, (void)output_bytes;
    if (!met && meet() != 0)
        return -1;
    met = 1;
    outcome.square *= outcome.square;
    memcpy(output, &outcome, sizeof outcome);
    return 0;
}

int main(int argc, char **argv)
{
    static uint64_t numbers[TASKS];
    static struct outcome outcomes[TASKS];
    int right = 0, nodes = 0, seen[NODES_MOST] = { 0 };
    struct meeting told = { .nodes = argc > 1 ? atoi(argv[1]) : 1 };
    troupe_pool_options options = { .initializer = take_meeting,
                                    .argument = &told,
                                    .argument_bytes = sizeof told };
    troupe_pool pool;

    if (troupe_init(&argc, &argv) != TROUPE_OK ||
        troupe_dict_create(NULL, &told.begun) != TROUPE_OK ||
        troupe_pool_create(&options, &pool) != TROUPE_OK)
        return troupe_finalize(1);
    for (int i = 0; i < TASKS; i++)
        numbers[i] = (uint64_t)i;
    if (troupe_pool_map(pool, square, numbers, sizeof *numbers, TASKS, outcomes,
                        sizeof *outcomes) != TROUPE_OK)
        fprintf(stderr, "%s\n", troupe_last_error());
    for (int i = 0; i < TASKS; i++) {
        right += outcomes[i].square == numbers[i] * numbers[i];
        nodes += seen[outcomes[i].node % NODES_MOST]++ == 0;
    }
    printf("%d of %d tasks, on %d nodes\n", right, TASKS, nodes);
    troupe_pool_close(pool);
    troupe_pool_join(pool, TROUPE_FOREVER);
    troupe_pool_destroy(pool);
    return troupe_finalize(right == TASKS ? 0 : 1);
}
