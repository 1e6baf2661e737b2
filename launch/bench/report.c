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

/* Sets three fields of an object; not 0 when memory ran out. */
static int summary_set(json_t *object, const struct bench_summary *summary, const char *median,
                       const char *least, const char *most)
{
    return json_object_set_new(object, median, number_json(summary->is_known, summary->median)) |
           json_object_set_new(object, least, number_json(summary->is_known, summary->least)) |
           json_object_set_new(object, most, number_json(summary->is_known, summary->most));
}

json_t *bench_result_json(const struct bench_result *result, long repeat)
{
    const struct bench *bench = result->bench;
    json_t *object = json_object();
    double ratio = 0;
    bool has_ratio = bench_ratio(result, &ratio);
    int failed = 0;

    failed |= json_object_set_new(object, "name", json_string(bench->name));
    failed |= json_object_set_new(object, "bytes", json_integer((json_int_t)bench->bytes));
    failed |= json_object_set_new(object, "ranks", json_integer(bench->ranks));
    failed |= summary_set(object, &result->value, "value", "value_min", "value_max");
    failed |= json_object_set_new(object, "unit", json_string(bench->unit));
    failed |= json_object_set_new(object, "runs", json_integer(repeat));
    failed |= json_object_set_new(
        object, "baseline", bench->baseline != NULL ? json_string(bench->baseline) : json_null());
    failed |=
        summary_set(object, &result->baseline, "baseline_value", "baseline_min", "baseline_max");
    failed |= json_object_set_new(object, "ratio", number_json(has_ratio, ratio));
    if (failed == 0)
        return object;
    json_decref(object);
    return NULL;
}

/* A summary as "median (least … most)", which the caller has room for. */
static void summary_write(const struct bench_summary *summary, char *text, size_t size)
{
    if (summary->is_known)
        snprintf(text, size, "%.4g (%.4g to %.4g)", summary->median, summary->least, summary->most);
    else
        snprintf(text, size, "none");
}

static void line_print(const char *name, const char *unit, const char *value, const char *baseline,
                       const char *ratio, const char *what)
{
    printf("%-26s %-12s %-36s %-36s %-8s %s\n", name, unit, value, baseline, ratio, what);
    fflush(stdout);
}

void bench_heading_print(void)
{
    line_print("name", "unit", "value", "baseline", "ratio", "baseline is");
}

void bench_result_print(const struct bench_result *result)
{
    char value[64], baseline[64], ratio_text[32] = "";
    double ratio;

    summary_write(&result->value, value, sizeof value);
    summary_write(&result->baseline, baseline, sizeof baseline);
    if (bench_ratio(result, &ratio))
        snprintf(ratio_text, sizeof ratio_text, "%.3g", ratio);
    line_print(result->bench->name, result->bench->unit, value, baseline, ratio_text,
               result->bench->baseline != NULL ? result->bench->baseline : "");
}
