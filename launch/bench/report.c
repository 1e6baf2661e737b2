/* From samples to figures: medians with their spread, the ratio, as JSON and as lines. */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>

static int order(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;

    return (a > b) - (a < b);
}

struct bench_summary bench_summarise(struct bench_samples *samples)
{
    size_t count = samples->count;
    const double *values = samples->values;

    if (count == 0)
        return (struct bench_summary){ .is_known = false };
    qsort(samples->values, count, sizeof *values, order);
    return (struct bench_summary){ .is_known = true,
                                   .median = (values[(count - 1) / 2] + values[count / 2]) / 2,
                                   .least = values[0],
                                   .most = values[count - 1] };
}

bool bench_ratio(const struct bench_result *result, double *ratio)
{
    double value = result->value.median, baseline = result->baseline.median;

    if (!result->value.is_known || !result->baseline.is_known || value <= 0 || baseline <= 0 ||
        result->bench->sense == BENCH_BEYOND)
        return false;
    *ratio = result->bench->sense == BENCH_HIGHER ? value / baseline : baseline / value;
    return true;
}

static json_t *number_json(bool is_known, double number)
{
    return is_known ? json_real(number) : json_null();
}

json_t *bench_result_json(const struct bench_result *result, long repeat)
{
    const struct bench *bench = result->bench;
    const struct bench_summary *value = &result->value, *baseline = &result->baseline;
    double ratio = 0;
    bool has_ratio = bench_ratio(result, &ratio);

    return json_pack("{s:s, s:I, s:i, s:o, s:o, s:o, s:s, s:I, s:s?, s:o, s:o, s:o, s:o}", "name",
                     bench->name, "bytes", (json_int_t)bench->bytes, "ranks", bench->ranks, "value",
                     number_json(value->is_known, value->median), "value_min",
                     number_json(value->is_known, value->least), "value_max",
                     number_json(value->is_known, value->most), "unit", bench->unit, "runs",
                     (json_int_t)repeat, "baseline", bench->baseline, "baseline_value",
                     number_json(baseline->is_known, baseline->median), "baseline_min",
                     number_json(baseline->is_known, baseline->least), "baseline_max",
                     number_json(baseline->is_known, baseline->most), "ratio",
                     number_json(has_ratio, ratio));
}

/* A summary as "median (least … most)", which the caller has room for. */
static void summary_write(const struct bench_summary *summary, char *text, size_t size)
{
    if (summary->is_known)
        snprintf(text, size, "%.4g (%.4g to %.4g)", summary->median, summary->least, summary->most);
    else
        snprintf(text, size, "none");
}

#define LINE_FORMAT "%-26s %-12s %-32s %-32s %-8s %s\n"

void bench_heading_print(void)
{
    printf(LINE_FORMAT, "name", "unit", "value", "baseline", "ratio", "baseline is");
}

void bench_result_print(const struct bench_result *result)
{
    char value[64], baseline[64], ratio_text[32] = "";
    double ratio;

    summary_write(&result->value, value, sizeof value);
    summary_write(&result->baseline, baseline, sizeof baseline);
    if (bench_ratio(result, &ratio))
        snprintf(ratio_text, sizeof ratio_text, "%.3g", ratio);
    printf(LINE_FORMAT, result->bench->name, result->bench->unit, value, baseline, ratio_text,
           result->bench->baseline != NULL ? result->bench->baseline : "");
    fflush(stdout);
}
