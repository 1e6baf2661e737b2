/* Which ranks failed, and which lag behind those of their kind. Only like is compared with like: a
 * rank that shares its GPU, its cores or its memory with others has less of them, which is no fault
 * of the machine's. */
#include "probe.h"

#include <stdlib.h>
#include <string.h>

#include "topo/cpus.h"

/* A row with what it shares. */
struct seat {
    const struct probe_row *row;
    struct cpus cores, numa;
    int neighbours; /* ranks that measured on the same NUMA nodes, itself included */
};

/* A list that was cut is none, and such a row shares nothing that we know. */
static void seat_take(const struct probe_row *row, struct seat *seat)
{
    *seat = (struct seat){ .row = row };
    (void)cpus_read_list(row->presence.cores, &seat->cores);
    (void)cpus_read_list(row->presence.numa, &seat->numa);
}

static bool is_same_device(const struct seat *one, const struct seat *other)
{
    const struct probe_presence *a = &one->row->presence, *b = &other->row->presence;

    if (!other->row->is_measured || a->on_gpu != b->on_gpu || strcmp(a->host, b->host) != 0)
        return false;
    return a->on_gpu ? strcmp(a->uuid, b->uuid) == 0 : cpus_meet(&one->cores, &other->cores);
}

static bool is_neighbour(const struct seat *one, const struct seat *other)
{
    const struct probe_presence *a = &one->row->presence, *b = &other->row->presence;

    return other->row->is_measured && a->on_gpu == b->on_gpu && strcmp(a->host, b->host) == 0 &&
           cpus_meet(&one->numa, &other->numa);
}

static void sharers_count(struct seat *seats, struct probe_row *rows, int count)
{
    for (int i = 0; i < count; i++) {
        rows[i].sharers = rows[i].is_measured;
        seats[i].neighbours = 1;
        for (int j = 0; rows[i].is_measured && j < count; j++) {
            if (j == i)
                continue;
            rows[i].sharers += is_same_device(&seats[i], &seats[j]);
            seats[i].neighbours += is_neighbour(&seats[i], &seats[j]);
        }
    }
}

/* How fast a rank is that has less than a core is the scheduler's affair. */
static bool is_judged(const struct seat *seat)
{
    const struct probe_row *row = seat->row;

    return row->is_measured &&
           (row->presence.on_gpu || (size_t)row->sharers <= seat->cores.count || row->sharers == 1);
}

static bool is_alike(const struct seat *one, const struct seat *other)
{
    const struct probe_row *a = one->row, *b = other->row;

    if (!is_judged(other) || a->presence.on_gpu != b->presence.on_gpu || a->sharers != b->sharers)
        return false;
    return a->presence.on_gpu
               ? strcmp(a->presence.gpu, b->presence.gpu) == 0
               : one->neighbours == other->neighbours && one->cores.count == other->cores.count;
}

static int order(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;

    return (a > b) - (a < b);
}

/* Of the rows that are like one; figures is room for all. */
static double median_like(const struct seat *seat, const struct seat *seats, int count,
                          double *figures)
{
    size_t found = 0;

    for (int i = 0; i < count; i++)
        if (is_alike(seat, &seats[i]))
            figures[found++] = seats[i].row->figure.bytes_each_s;
    qsort(figures, found, sizeof *figures, order);
    return (figures[(found - 1) / 2] + figures[found / 2]) / 2;
}

void probe_judge(struct probe_row *rows, int count)
{
    const double least_part = 0.8;
    struct seat *seats = calloc((size_t)count, sizeof *seats);
    double *figures = calloc((size_t)count, sizeof *figures);

    if (seats != NULL && figures != NULL) {
        for (int i = 0; i < count; i++)
            seat_take(&rows[i], &seats[i]);
        sharers_count(seats, rows, count);
        for (int i = 0; i < count; i++)
            rows[i].is_outlier = is_judged(&seats[i]) &&
                                 rows[i].figure.bytes_each_s <=
                                     least_part * median_like(&seats[i], seats, count, figures);
    }
    for (int i = 0; seats != NULL && i < count; i++) {
        cpus_free(&seats[i].cores);
        cpus_free(&seats[i].numa);
    }
    free(seats);
    free(figures);
}

static bool row_is_ok(const struct probe_row *row)
{
    return row->is_present && row->is_measured && row->error[0] == '\0';
}

bool probe_is_ok(const struct probe_row *rows, int count)
{
    for (int i = 0; i < count; i++)
        if (!row_is_ok(&rows[i]))
            return false;
    return true;
}
