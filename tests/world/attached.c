/* An SPMD program: every rank runs main. A queue and a dict are shared by handles that travel
 * through MPI itself.
 *
 * usage: attached before | after | low | twice     when MPI is initialised, and how */
#include <mpi.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <troupe/troupe.h>

struct shared {
    troupe_queue queue;
    troupe_dict dict;
};

static int failed(const char *what)
{
    printf("%s: %s\n", what, troupe_last_error());
    return 1;
}

/* Every rank puts its number and sets its key; rank 0 finds all of them. */
static int share(int rank, int size)
{
    struct shared shared;
    uint64_t count;
    int seen, sum = 0;

    if (rank == 0 && (troupe_queue_create(NULL, &shared.queue) != TROUPE_OK ||
                      troupe_dict_create(NULL, &shared.dict) != TROUPE_OK))
        return failed("create");
    MPI_Bcast(&shared, sizeof shared, MPI_BYTE, 0, MPI_COMM_WORLD);
    if (troupe_queue_put(shared.queue, &rank, sizeof rank, TROUPE_FOREVER) != TROUPE_OK ||
        troupe_dict_set(shared.dict, troupe_bytes_of(&rank, sizeof rank), troupe_text("here")) !=
            TROUPE_OK)
        return failed("put or set");
    for (int i = 0; rank == 0 && i < size; i++) {
        if (troupe_queue_get(shared.queue, &seen, sizeof seen, NULL, TROUPE_FOREVER) != TROUPE_OK)
            return failed("get");
        sum += seen;
    }
    MPI_Barrier(MPI_COMM_WORLD);
    if (troupe_dict_size(shared.dict, &count) != TROUPE_OK || count != (uint64_t)size)
        return failed("size");
    if (rank == 0 && sum != size * (size - 1) / 2)
        return failed("sum");
    return 0;
}

static int nothing(const void *argument, size_t bytes)
{
    (void)argument, (void)bytes;
    return 0;
}

int main(int argc, char **argv)
{
    const char *when = argc > 1 ? argv[1] : "after";
    int rank, size, level, status;
    bool first = strcmp(when, "before") != 0;
    troupe_process process;

    if (first)
        MPI_Init_thread(&argc, &argv,
                        strcmp(when, "low") == 0 ? MPI_THREAD_FUNNELED : MPI_THREAD_MULTIPLE,
                        &level);
    if (troupe_attach() != TROUPE_OK) {
        if (first)
            MPI_Finalize();
        return 5;
    }
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    if (strcmp(when, "twice") == 0 && rank == 0)
        printf("attach: %s\ninit: %s\n", troupe_result_name(troupe_attach()),
               troupe_result_name(troupe_init(&argc, &argv)));
    status = share(rank, size) || troupe_rank() != rank || troupe_world_size() != size ||
             troupe_process_start(nothing, NULL, 0, NULL, &process) != TROUPE_NO_RANK;
    status = troupe_finalize(status);
    if (first)
        MPI_Finalize();
    if (rank == 0 && status == 0)
        printf("%d ranks shared\n", size);
    return status;
}
