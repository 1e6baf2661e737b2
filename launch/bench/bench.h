/* `troupe bench`: a table of benches, each a measured side and perhaps a baseline. A side is a
 * program of its own, started anew for every sample: a Troupe program (world.c), a raw-MPI program
 * or a Python script (tests/bench). It is told MODE COUNT BYTES, prints one number in the bench's
 * unit and ends. Samples of the two sides alternate, so that a change of the machine meets both. */
#ifndef TROUPE_LAUNCH_BENCH_BENCH_H
#define TROUPE_LAUNCH_BENCH_BENCH_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/text.h"

enum bench_sense {
    BENCH_LOWER,  /* the less the better: ratio = baseline / value */
    BENCH_HIGHER, /* the more the better: ratio = value / baseline */
    BENCH_BEYOND  /* value = what was measured less the baseline; no ratio */
};

enum bench_program {
    BENCH_NONE,
    BENCH_RUN,       /* the Troupe program under `troupe run` */
    BENCH_SELF,      /* the Troupe program, starting itself */
    BENCH_NODES,     /* the same on two simulated nodes */
    BENCH_READS,     /* the same with reads of the other node's memory */
    BENCH_MPI_LINK,  /* the raw-MPI program over the link that these have between them */
    BENCH_MPI,       /* the raw-MPI program under mpirun */
    BENCH_PYTHON,    /* the Python script */
    BENCH_CUDA,      /* the program that calls CUDA's driver and nothing else */
    BENCH_LIST,      /* the program that gives a list to troupe map, GNU parallel or xargs */
    BENCH_RUN_PLAIN, /* a command without MPI, `true`, under `troupe run` */
    BENCH_MPI_PLAIN, /* the same under mpirun */
    BENCH_RUN_HOSTS, /* as BENCH_RUN, on the hosts of --hostfile */
    BENCH_MPI_HOSTS  /* as BENCH_MPI, on them */
};

struct bench_side {
    enum bench_program program;
    const char *mode; /* NULL: the empty program, and the value is the seconds of its whole run */
    long count;       /* how often it does it; milliseconds where the mode watches for a while */
    long short_count; /* the same with --short */
};

struct bench {
    const char *name;
    const char *unit;
    const char *what; /* for --list: what is measured */
    size_t bytes;
    int ranks;
    enum bench_sense sense;
    struct bench_side measured;
    const char *baseline; /* what the other side is; NULL for none */
    struct bench_side against;
};

extern const struct bench bench_table[];
extern const size_t bench_table_size;

/* Where the programs lie, found once. */
struct bench_places {
    struct text troupe;
    struct text world;
    struct text mpi;
    struct text python;
    struct text cuda;
    struct text list;
    const char *hostfile; /* of several hosts, one rank on each; NULL: none was given */
};

/* False after one line on standard error; to be freed in any case. */
bool bench_places_find(struct bench_places *places);
void bench_places_free(struct bench_places *places);

enum bench_outcome {
    BENCH_SAMPLED,
    BENCH_ABSENT, /* this machine has not what the side needs: no failure */
    BENCH_FAILED
};

/* Runs a side once. A sentence is appended to reason when it gave no number. */
enum bench_outcome bench_sample(const struct bench_places *places, const struct bench *bench,
                                const struct bench_side *side, bool is_short, double *value,
                                struct text *reason);

/* Samples of one side, sorted once they are all there. */
struct bench_samples {
    double *values;
    size_t count;
    bool is_absent; /* there are none, since the machine has not what they need */
};

/* False for no samples: all of the summary is then null in the report. */
struct bench_summary {
    bool is_known;
    double median, least, most;
};

struct bench_summary bench_summarise(struct bench_samples *samples);

/* What a bench came to. */
struct bench_result {
    const struct bench *bench;
    struct bench_summary value, baseline;
};

/* How many times better than the baseline; false where there is none to compare with. */
bool bench_ratio(const struct bench_result *result, double *ratio);

/* One result as an object of the report, or as a line for people; NULL when memory ran out. */
json_t *bench_result_json(const struct bench_result *result, long repeat);
void bench_heading_print(void);
void bench_result_print(const struct bench_result *result);

/* What the figures were measured on; NULL when memory ran out. */
json_t *bench_machine_json(const struct bench_places *places);

#endif
