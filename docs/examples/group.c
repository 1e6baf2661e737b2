/* A group of processes that compute with MPI.
 *
 * Four processes begin together, each on a rank of its own, and have a communicator: each adds up
 * its share of a series for pi, and MPI_Allreduce adds the shares. Prints one line for each, and
 * what the group came to. Needs four ranks: TROUPE_WORKERS=4 ./group */
#include <stdio.h>
#include <troupe/mpi.h>
#include <troupe/troupe.h>

#define MEMBERS 4

static int member(const void *argument, size_t bytes)
{
    long terms = *(const long *)argument;
    double share = 0, pi;
    MPI_Comm group;
    int rank, size;

    (void)bytes;
    if (troupe_group_communicator(&group) != TROUPE_OK)
        return troupe_process_fail("no communicator: %s", troupe_last_error());
    MPI_Comm_rank(group, &rank);
    MPI_Comm_size(group, &size);
    for (long i = rank; i < terms; i += size)
        share += (i % 2 == 0 ? 4.0 : -4.0) / (2.0 * (double)i + 1);
    if (MPI_Allreduce(&share, &pi, 1, MPI_DOUBLE, MPI_SUM, group) != MPI_SUCCESS)
        return troupe_process_fail("MPI_Allreduce failed");
    printf("%d of %d: pi is about %.6f\n", rank, size, pi);
    return 0;
}

int main(int argc, char **argv)
{
    troupe_process group[MEMBERS];
    troupe_process_status status;
    int failed = 0;

    if (troupe_init(&argc, &argv) != TROUPE_OK)
        return troupe_finalize(1);
    if (troupe_process_start_group(MEMBERS, member, &(long){ 10000000 }, sizeof(long), NULL,
                                   group) != TROUPE_OK) {
        fprintf(stderr, "%s\n", troupe_last_error());
        return troupe_finalize(1);
    }
    for (int i = 0; i < MEMBERS; i++) {
        troupe_process_join(group[i], TROUPE_FOREVER);
        troupe_process_status_get(group[i], &status);
        failed += status.state != TROUPE_STATE_DONE || status.exit_code != 0;
        troupe_process_close(group[i]);
    }
    printf("%d of %d failed\n", failed, MEMBERS);
    return troupe_finalize(failed);
}
