/* `troupe probe`: the roll call. Each rank attests who and where it is (into a dict, before it
 * measures, so that one that ends on the way is still named), runs the bandwidth kernel, and tells
 * what it measured (by a queue). The parent joins both with how the processes ended. */
#ifndef TROUPE_LAUNCH_PROBE_PROBE_H
#define TROUPE_LAUNCH_PROBE_PROBE_H

#include <stdbool.h>
#include <stddef.h>

#include "nvml/nvml.h"
#include "troupe/gpu.h"
#include "troupe/kernels.h"
#include "troupe/troupe.h"

enum { PROBE_LIST_SIZE = 256, PROBE_ERROR_SIZE = TROUPE_REASON_SIZE };

/* What a rank is told. */
struct probe_task {
    troupe_dict presences; /* rank → struct probe_presence */
    troupe_queue figures;  /* struct probe_figure */
    double seconds;
};

struct probe_presence {
    int pid, node;
    bool on_gpu;
    char host[TROUPE_HOST_SIZE];
    char cores[PROBE_LIST_SIZE], numa[PROBE_LIST_SIZE]; /* "0-3,8"; "" when unknown */
    char gpu[TROUPE_GPU_NAME_SIZE], pci[TROUPE_GPU_PCI_SIZE], uuid[TROUPE_GPU_UUID_SIZE];
    char error[PROBE_ERROR_SIZE]; /* why it goes no further; "" while it does */
};

struct probe_figure {
    int rank;
    double bytes_each_s;
    uint64_t wrong; /* elements */
    struct nvml_health health;
};

/* One line of the roll. Without is_present there is no presence, without is_measured no figure. */
struct probe_row {
    int rank;
    bool is_present, is_measured, is_outlier;
    int sharers; /* ranks that measured on the same GPU or cores, itself included; 0: not known */
    struct probe_presence presence;
    struct probe_figure figure;
    char error[PROBE_ERROR_SIZE]; /* why it failed; "" when it did not */
};

/* The target: attests and measures. */
int probe_rank(const void *argument, size_t bytes);

/* Runs the target on every rank and fills a row for each.
 *
 * rows        [troupe_world_size()]
 * Returns     TROUPE_OK     also when ranks failed: see their error
 *             TROUPE_…      the roll itself could not be called */
int probe_roll(double seconds, struct probe_row *rows);

/* Counts who shares what, and marks the rows that lie 20 % or more below the median of their kind:
 * the same model, as many sharers; on the CPU also as many cores, and ranks on their NUMA nodes. */
void probe_judge(struct probe_row *rows, int count);

/* Prints the roll; a line at its end counts and judges. */
void probe_table_print(const struct probe_row *rows, int count);

/* The same as one JSON object; false when memory ran out. */
bool probe_json_print(const struct probe_row *rows, int count);

/* Whether every rank is present, measured and verified. */
bool probe_is_ok(const struct probe_row *rows, int count);

#endif
