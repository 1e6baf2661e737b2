/* troupe_kernels_stream: batches of rounds until the time is over, each filled, timed and verified,
 * with the plain copy in turn where that is asked for. The figures are medians over the batches. */
#include "compute/stream_forms.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/error.h"
#include "device/device.h"
#include "kernels/stream.h"

struct rates {
    double *values;
    size_t count, capacity;
};

/* What a batch adds to. */
struct totals {
    uint64_t rounds, wrong;
    struct rates streamed, copied;
};

static int rates_add(struct rates *rates, double bytes, double seconds)
{
    enum { AT_LEAST = 64 };

    if (rates->count == rates->capacity) {
        size_t capacity = rates->capacity > 0 ? 2 * rates->capacity : AT_LEAST;
        double *values = realloc(rates->values, capacity * sizeof *values);

        if (values == NULL)
            return fail(TROUPE_NO_MEMORY, "stream: no memory for %zu figures", capacity);
        rates->values = values;
        rates->capacity = capacity;
    }
    rates->values[rates->count++] = seconds > 0 ? bytes / seconds : 0;
    return TROUPE_OK;
}

static int order(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;

    return (a > b) - (a < b);
}

static double rates_median(struct rates *rates)
{
    if (rates->count == 0)
        return 0;
    qsort(rates->values, rates->count, sizeof *rates->values, order);
    return (rates->values[(rates->count - 1) / 2] + rates->values[rates->count / 2]) / 2;
}

/* Exact: see kernels/stream.h. */
static double growth(uint64_t rounds)
{
    double product = 1;

    for (uint64_t i = 0; i < rounds; i++)
        product *= STREAM_GROWTH;
    return product;
}

static int arrays_check(const struct stream_form *form, struct stream_run *run, uint64_t rounds,
                        uint64_t *wrong)
{
    double before = growth(rounds - 1); /* of a, in the last round */
    int result = form->check(run, STREAM_A, STREAM_GROWTH * before, wrong);

    if (result == TROUPE_OK)
        result = form->check(run, STREAM_B, STREAM_B_GROWTH * before, wrong);
    if (result == TROUPE_OK)
        result = form->check(run, STREAM_C, STREAM_C_GROWTH * before, wrong);
    return result;
}

/* As many copies as the batch had rounds, so that both are as long. */
static int copies_run(const struct stream_form *form, struct stream_run *run, uint64_t copies,
                      struct rates *rates)
{
    double bytes = 2.0 * sizeof(double) * (double)run->elements, seconds;
    int result = TROUPE_OK;

    for (uint64_t i = 0; i < copies && result == TROUPE_OK; i++) {
        result = form->copy(run, &seconds);
        if (result == TROUPE_OK)
            result = rates_add(rates, bytes, seconds);
    }
    return result;
}

static int batch_run(const struct stream_form *form, struct stream_run *run, bool compare,
                     struct totals *totals)
{
    double seconds;
    uint64_t rounds;
    int result = form->fill(run);

    if (result == TROUPE_OK)
        result = form->rounds(run, &rounds, &seconds);
    if (result == TROUPE_OK)
        result =
            rates_add(&totals->streamed,
                      (double)STREAM_BYTES_EACH * (double)run->elements * (double)rounds, seconds);
    if (result == TROUPE_OK)
        result = arrays_check(form, run, rounds, &totals->wrong);
    if (result == TROUPE_OK && compare)
        result = copies_run(form, run, rounds, &totals->copied);
    if (result == TROUPE_OK)
        totals->rounds += rounds;
    return result;
}

int troupe_kernels_stream(troupe_kernels *kernels, const troupe_stream_options *options,
                          troupe_stream_result *result_of)
{
    static const troupe_stream_options none = { 0 };
    const struct stream_form *form =
        kernels->where == TROUPE_KERNELS_GPU ? &stream_on_device : &stream_on_host;
    struct stream_run run = { .kernels = kernels };
    struct totals totals = { 0 };
    int result = TROUPE_OK;

    options = options != NULL ? options : &none;
    if (options->sharers < 0 || !(options->seconds >= 0 && options->seconds <= 1e9))
        return fail(TROUPE_BAD_ARGUMENT, "stream: %d sharers for %g s; give 0 or more of both",
                    options->sharers, options->seconds);
    run.deadline = clock_now() + (uint64_t)(options->seconds * 1e9);
    run.elements = options->elements;
    if (run.elements == 0)
        result =
            form->elements(kernels, options->sharers > 0 ? options->sharers : 1, &run.elements);
    if (result == TROUPE_OK && run.elements > UINT64_MAX / STREAM_BYTES_EACH)
        result = fail(TROUPE_BAD_ARGUMENT, "stream: %llu elements are beyond any memory",
                      (unsigned long long)run.elements);
    if (result == TROUPE_OK)
        result = form->create(&run);
    device_range_begin("stream");
    do {
        if (result == TROUPE_OK)
            result = batch_run(form, &run, options->compare != 0, &totals);
    } while (result == TROUPE_OK && clock_now() < run.deadline);
    device_range_end();
    if (result == TROUPE_OK)
        *result_of = (troupe_stream_result){ .elements = run.elements,
                                             .rounds = totals.rounds,
                                             .wrong = totals.wrong,
                                             .bytes_each_s = rates_median(&totals.streamed),
                                             .copied_each_s = rates_median(&totals.copied) };
    form->destroy(&run);
    free(totals.streamed.values);
    free(totals.copied.values);
    return result;
}
