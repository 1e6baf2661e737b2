/* A target on every rank says where it is and works on until somebody ends it; the parent waits for
 * all, and for what becomes of them. With an argument the targets end after so many seconds; with
 * "until FILE" when there is such a file. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <troupe/troupe.h>

struct order {
    int seconds; /* below 0: for ever */
    char file[PATH_MAX];
};

static int work(const void *argument, size_t bytes)
{
    const struct order *order = argument;
    char host[TROUPE_HOST_SIZE] = "";

    (void)bytes;
    gethostname(host, sizeof host - 1);
    printf("rank %d works on %s as %d\n", troupe_rank(), host, (int)getpid());
    for (int left = order->seconds; left != 0; left -= left > 0) {
        if (*order->file != '\0' && access(order->file, F_OK) == 0)
            return 0;
        sleep(1);
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct order order = { .seconds = -1 };
    int ranks, failed = 0;
    troupe_process *crew;

    if (troupe_init(&argc, &argv) != TROUPE_OK)
        return troupe_finalize(1);
    if (argc == 3)
        snprintf(order.file, sizeof order.file, "%s", argv[2]);
    else if (argc == 2)
        order.seconds = atoi(argv[1]);
    ranks = troupe_world_size();
    crew = calloc((size_t)ranks, sizeof *crew);
    for (int rank = 0; crew != NULL && rank < ranks; rank++) {
        troupe_process_options options = { .where = TROUPE_ON_RANK, .place = rank };

        failed |= troupe_process_start(work, &order, sizeof order, &options, &crew[rank]);
    }
    for (int rank = 0; crew != NULL && rank < ranks; rank++) {
        troupe_process_status status = { .reason = "" };

        failed |= troupe_process_join(crew[rank], TROUPE_FOREVER);
        troupe_process_status_get(crew[rank], &status);
        printf("rank %d ended: %d %s\n", rank, status.exit_code, status.reason);
    }
    free(crew);
    return troupe_finalize(failed != 0);
}
