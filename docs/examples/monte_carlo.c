/* Pi by throwing points at a square, on all ranks: draw number i is the same wherever it is drawn,
 * so any number of ranks, with or without GPUs, prints the same digits.
 *
 *   troupe run -n 4 ./monte_carlo [MILLIONS [SEED]] */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <troupe/kernels.h>
#include <troupe/troupe.h>

enum { MILLIONS = 100, MILLION = 1000000 };

struct share {
    troupe_queue sums;
    uint64_t seed, first, draws;
};

struct sum {
    uint64_t inside;
    int on_gpu;
};

static int draw(const void *argument, size_t bytes)
{
    const struct share *share = argument;
    troupe_kernels *kernels;
    struct sum sum;
    int result = troupe_kernels_open(TROUPE_KERNELS_ANYWHERE, &kernels);

    (void)bytes;
    if (result == TROUPE_OK) {
        sum.on_gpu = troupe_kernels_where(kernels) == TROUPE_KERNELS_GPU;
        result = troupe_kernels_monte_carlo(kernels, share->seed, share->first, share->draws,
                                            &sum.inside);
        troupe_kernels_close(kernels);
    }
    if (result == TROUPE_OK)
        result = troupe_queue_put(share->sums, &sum, sizeof sum, TROUPE_FOREVER);
    if (result != TROUPE_OK)
        fprintf(stderr, "rank %d: %s\n", troupe_rank(), troupe_last_error());
    return result == TROUPE_OK ? 0 : 1;
}

/* Starts `parts` processes, each with its share of the draws. */
static int draws_start(struct share whole, int parts, troupe_process *processes)
{
    struct share share = whole;
    int result = TROUPE_OK;

    for (int i = 0; i < parts && result == TROUPE_OK; i++) {
        uint64_t until = whole.draws / (uint64_t)parts * (uint64_t)(i + 1);

        share.draws = i == parts - 1 ? whole.draws - share.first : until - share.first;
        result = troupe_process_start(draw, &share, sizeof share, NULL, &processes[i]);
        share.first += share.draws;
    }
    return result;
}

static int sums_collect(troupe_queue sums, int parts, troupe_process *processes, struct sum *all)
{
    struct sum sum;
    int result = TROUPE_OK;

    for (int i = 0; i < parts && result == TROUPE_OK; i++)
        result = troupe_process_join(processes[i], TROUPE_FOREVER);
    for (int i = 0; i < parts && result == TROUPE_OK; i++) {
        result = troupe_queue_get(sums, &sum, sizeof sum, NULL, TROUPE_NO_WAIT);
        if (result == TROUPE_OK) {
            all->inside += sum.inside;
            all->on_gpu += sum.on_gpu;
        }
    }
    return result;
}

static void pi_print(struct share whole, int parts, struct sum all)
{
    double points = (double)whole.draws * TROUPE_MONTE_CARLO_POINTS;
    double share = (double)all.inside / points;

    printf("pi = %.9f +- %.9f (one standard deviation, %.0f points)\n", 4 * share,
           4 * sqrt(share * (1 - share) / points), points);
    fprintf(stderr, "%d parts on %d ranks, %d of them on a GPU\n", parts, troupe_world_size(),
            all.on_gpu);
}

int main(int argc, char **argv)
{
    struct share whole = { .draws = MILLIONS };
    struct sum all = { 0 };
    troupe_process *processes = NULL;
    int parts, result = troupe_init(&argc, &argv);

    if (result == TROUPE_OK)
        result = troupe_queue_create(NULL, &whole.sums);
    if (result != TROUPE_OK) {
        fprintf(stderr, "monte_carlo: %s\n", troupe_last_error());
        return troupe_finalize(1);
    }
    if (argc > 1)
        whole.draws = strtoull(argv[1], NULL, 10);
    if (whole.draws == 0 || whole.draws > UINT64_C(1000000000000) || argc > 3) {
        fprintf(stderr, "usage: monte_carlo [MILLIONS of draws, 1 or more [SEED]]\n");
        return troupe_finalize(2);
    }
    whole.draws *= MILLION;
    whole.seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    parts = troupe_world_size();
    processes = calloc((size_t)parts, sizeof *processes);
    result = processes != NULL ? draws_start(whole, parts, processes) : TROUPE_NO_MEMORY;
    if (result == TROUPE_OK)
        result = sums_collect(whole.sums, parts, processes, &all);
    if (result == TROUPE_OK)
        pi_print(whole, parts, all);
    else
        fprintf(stderr, "monte_carlo: %s\n", troupe_last_error());
    free(processes);
    return troupe_finalize(result == TROUPE_OK ? 0 : 1);
}
