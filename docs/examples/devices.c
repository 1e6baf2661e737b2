/* Which GPUs each process sees, chosen in any of three ways:
 *
 *     export CUDA_VISIBLE_DEVICES=0,1,2,3; devices     exported before
 *     CUDA_VISIBLE_DEVICES=0 devices                   in front of the command
 *     devices 0,1                                      by the program, before it starts processes
 *
 * One process on every rank prints what it sees. With GPUs in the machine each rank is given its own
 * of the chosen ones; without, the choice is passed on as it is. */
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

int main(int argc, char **argv)
{
    int failed = 0;

    if (troupe_init(&argc, &argv) != TROUPE_OK)
        return troupe_finalize(1);
    if (argc > 1)
        setenv("CUDA_VISIBLE_DEVICES", argv[1], 1);
    for (int rank = 0; rank < troupe_world_size(); rank++) {
        troupe_process_options options = { .where = TROUPE_ON_RANK, .place = rank };
        troupe_process process;

        failed |= troupe_process_start(look, NULL, 0, &options, &process) != TROUPE_OK ||
                  troupe_process_join(process, TROUPE_FOREVER) != TROUPE_OK;
    }
    return troupe_finalize(failed);
}
