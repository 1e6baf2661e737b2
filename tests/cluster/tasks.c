/* A pool of 10 000 tasks over all ranks: prints how many results are right and how many nodes
 * took part. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <troupe/troupe.h>

enum { TASKS = 10000, NODES_MOST = 256, PAUSE = 2000 };

struct outcome {
    uint64_t square;
    int node;
};

/* Takes long enough for the others to get some too. */
static int square(const void *input, size_t input_bytes, void *output, size_t output_bytes)
{
    struct outcome outcome = { *(const uint64_t *)input, troupe_node() };

    (void)input_bytes, (void)output_bytes;
    for (volatile int i = 0; i < PAUSE; i++)
        ;
    outcome.square *= outcome.square;
    memcpy(output, &outcome, sizeof outcome);
    return 0;
}

int main(int argc, char **argv)
{
    static uint64_t numbers[TASKS];
    static struct outcome outcomes[TASKS];
    int right = 0, nodes = 0, seen[NODES_MOST] = { 0 };
    troupe_pool pool;

    if (troupe_init(&argc, &argv) != TROUPE_OK || troupe_pool_create(NULL, &pool) != TROUPE_OK)
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
