/* The two forms of stream's arrays: in the process's memory, and on the device. stream.c decides
 * what is done in which order, and how long; a form does it and tells how long it took. */
#ifndef TROUPE_COMPUTE_STREAM_FORMS_H
#define TROUPE_COMPUTE_STREAM_FORMS_H

#include "compute/compute.h"

enum { STREAM_A, STREAM_B, STREAM_C, STREAM_ARRAYS };

struct stream_run {
    troupe_kernels *kernels;
    uint64_t elements;
    uint64_t deadline; /* of the clock: a batch of the CPU ends with the round that passes it */
    double *host[STREAM_ARRAYS];
    troupe_gpu_memory device[STREAM_ARRAYS];
    troupe_gpu_event begin, end;
};

struct stream_form {
    /* The elements of an array for who shares the caches and memory with sharers - 1 others. */
    int (*elements)(troupe_kernels *kernels, int sharers, uint64_t *elements);

    /* Makes the arrays; what was made before a failure is freed by destroy. */
    int (*create)(struct stream_run *run);
    void (*destroy)(struct stream_run *run);

    /* Fills the arrays with their seeds. */
    int (*fill)(struct stream_run *run);

    /* Runs rounds, at least 1 and at most STREAM_ROUNDS_MAX. */
    int (*rounds)(struct stream_run *run, uint64_t *rounds, double *seconds);

    /* Copies c to b once, as whoever makes the memory would. */
    int (*copy)(struct stream_run *run, double *seconds);

    /* Adds to *wrong the elements of an array that are not factor times their seed. */
    int (*check)(struct stream_run *run, int array, double factor, uint64_t *wrong);
};

extern const struct stream_form stream_on_host, stream_on_device;

#endif
