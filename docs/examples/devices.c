/* Which GPUs each process sees, chosen in any of three ways:
 *
 *     export CUDA_VISIBLE_DEVICES=0,1,2,3; devices     exported before
 *     CUDA_VISIBLE_DEVICES=0 devices                   in front of the command
 *     devices 0,1                                      by the program, before it starts processes
 *
 * One process on every rank prints what it sees. With GPUs in the machine each rank is given its
 * own of the chosen ones; without, the choice is passed on as it is. */
#include <stdio.h>
#include <stdlib.h>
#include <troupe/troupe.h>

static int look(const void *argument, size_t bytes)
{
    const char *mask = getenv("CUDA_VISIBLE_DEVICES");

    (void)argument, (void)bytes;
    printf("rank %d: CUDA_VISIBLE_DEVICES %s%s\n", troupe_rank(),
           mask != NULL ? "= " : "is not set", mask != NULL ? mask : "");
    return 0;
}

/* Starts the look on one rank and waits for it; says why if it could not run. */
static int look_from(int rank)
{
    troupe_process_options options = { .where = TROUPE_ON_RANK, .place = rank };
    troupe_process_status status;
    troupe_process process;

    if (troupe_process_start(look, NULL, 0, &options, &process) != TROUPE_OK ||
        troupe_process_join(process, TROUPE_FOREVER) != TROUPE_OK ||
        troupe_process_status_get(process, &status) != TROUPE_OK) {
        fprintf(stderr, "rank %d: %s\n", rank, troupe_last_error());
        return 1;
    }
    if (status.state != TROUPE_STATE_DONE)
        fprintf(stderr, "rank %d: %s\n", rank, status.reason);
    return status.state != TROUPE_STATE_DONE || status.exit_code != 0;
}

int main(int argc, char **argv)
{
    int failed = 0;

    if (troupe_init(&argc, &argv) != TROUPE_OK)
        return troupe_finalize(1);
    if (argc > 1)
        setenv("CUDA_VISIBLE_DEVICES", argv[1], 1);
    for (int rank = 0; rank < troupe_world_size(); rank++)
        failed |= look_from(rank);
    return troupe_finalize(failed);
}
