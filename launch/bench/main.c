/* `troupe bench`: which benches, how often, and what is told of them. It starts no world itself. */
#include "launch/cmd.h"
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    OPTION_HOSTFILE = CMD_LONG_ONLY,
    OPTION_JSON,
    OPTION_LIST,
    OPTION_REPEAT,
    OPTION_SHORT,
    REPEAT = 5,
    REPEAT_SHORT = 1,
    REPEAT_MOST = 1000,
    SCHEMA = 1
};

static const struct cmd_option options[] = {
    { OPTION_HOSTFILE, "hostfile", "FILE", "hosts of one rank each, for what is between nodes" },
    { OPTION_JSON, "json", NULL, "print one JSON object in place of lines" },
    { OPTION_LIST, "list", NULL, "print the names and what they measure, and run nothing" },
    { OPTION_REPEAT, "repeat", "K", "samples of each side (5; with --short 1)" },
    { OPTION_SHORT, "short", NULL, "a trial of the benches themselves: the figures mean little" },
    { 0, NULL, NULL, NULL },
};

static const struct cmd cmd_bench = {
    .name = "bench",
    .usage = "bench [names…] [options]",
    .summary = "Measures this cluster beside raw MPI and Python",
    .text = "Without names all run. A name may be the beginning of several: world, queue.stream.\n"
            "Figures are medians; a ratio above 1 is better than the baseline.\n",
    .options = options,
};

struct request {
    bool *chosen; /* one for each row of the table */
    long repeat;  /* 0: as the length says */
    const char *hostfile;
    bool as_json, as_list, is_short;
};

/* ---- the command line ----------------------------------------------------------------------- */

/* Whether a word is a bench's name or the beginning of it up to a dot. */
static bool is_named(const struct bench *bench, const char *word)
{
    size_t length = strlen(word);

    return length > 0 && strncmp(bench->name, word, length) == 0 &&
           (bench->name[length] == '\0' || bench->name[length] == '.');
}

static int name_take(struct request *request, const char *word)
{
    bool found = false;

    for (size_t i = 0; i < bench_table_size; i++)
        if (is_named(&bench_table[i], word))
            found = request->chosen[i] = true;
    if (!found)
        return cmd_usage_error(&cmd_bench, "there is no bench %s; see troupe bench --list", word);
    return CMD_OK;
}

static int option_take(struct request *request, int letter, const char *value)
{
    switch (letter) {
    case OPTION_HOSTFILE:
        if (access(value, R_OK) != 0)
            return cmd_usage_error(&cmd_bench, "--hostfile %s: there is no such file to read",
                                   value);
        request->hostfile = value;
        break;
    case OPTION_JSON:
        request->as_json = true;
        break;
    case OPTION_LIST:
        request->as_list = true;
        break;
    case OPTION_SHORT:
        request->is_short = true;
        break;
    case OPTION_REPEAT:
        if (!text_to_long(value, 1, REPEAT_MOST, &request->repeat))
            return cmd_usage_error(&cmd_bench,
                                   "--repeat %s is not a number of samples; write 1 to %d", value,
                                   REPEAT_MOST);
        break;
    default:
        return CMD_USAGE;
    }
    return CMD_OK;
}

/* Names and options in any order. */
static int words_take(struct request *request, int argc, char **argv)
{
    bool is_any = false;
    const char *value;
    int letter, status = CMD_OK;

    while (status == CMD_OK) {
        letter = cmd_option_next(&cmd_bench, argc, argv, &value);
        if (letter != CMD_OPTION_END)
            status = option_take(request, letter, value);
        else if (optind < argc) {
            status = name_take(request, argv[optind++]);
            is_any = true;
        } else
            break;
    }
    for (size_t i = 0; i < bench_table_size && !is_any; i++)
        request->chosen[i] = true;
    if (request->repeat == 0)
        request->repeat = request->is_short ? REPEAT_SHORT : REPEAT;
    return status;
}

static void list_print(const struct request *request)
{
    for (size_t i = 0; i < bench_table_size; i++)
        if (request->chosen[i])
            printf("%-26s %-12s %s\n", bench_table[i].name, bench_table[i].unit,
                   bench_table[i].what);
}

/* ---- measuring ------------------------------------------------------------------------------ */

static void progress_print(const struct bench *bench, long run, long repeat)
{
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\r\033[K%s: %ld of %ld", bench->name, run, repeat);
}

static void progress_clear(void)
{
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\r\033[K");
}

static void complain(const struct bench *bench, const char *lacking, const struct text *reason)
{
    progress_clear();
    fprintf(stderr, "troupe bench: %s has no %s: %s\n", bench->name, lacking,
            reason->data != NULL ? reason->data : "out of memory");
}

/* Takes one more sample of a side, unless it has failed before. A side that fails once has none. */
static bool side_take(const struct bench_places *places, const struct bench *bench,
                      const struct bench_side *side, const char *lacking, bool is_short,
                      struct bench_samples *samples)
{
    struct text reason = { 0 };
    enum bench_outcome outcome =
        bench_sample(places, bench, side, is_short, &samples->values[samples->count], &reason);

    if (outcome != BENCH_SAMPLED)
        complain(bench, lacking, &reason);
    samples->is_absent = outcome == BENCH_ABSENT;
    samples->count = outcome == BENCH_SAMPLED ? samples->count + 1 : 0;
    text_free(&reason);
    return outcome == BENCH_SAMPLED;
}

/* What a rank has beyond the baseline, sample by sample of those that belong together. */
static void beyond_take(struct bench_samples *value, const struct bench_samples *baseline)
{
    if (baseline->count < value->count)
        value->count = 0;
    for (size_t i = 0; i < value->count; i++)
        value->values[i] -= baseline->values[i];
}

/* False when the measured side failed; one that this machine cannot have has not. */
static bool bench_measure(const struct bench_places *places, const struct bench *bench,
                          const struct request *request, struct bench_samples *value,
                          struct bench_samples *baseline, struct bench_result *result)
{
    bool measures = true, compares = bench->baseline != NULL;

    value->count = baseline->count = 0;
    for (long run = 0; run < request->repeat && measures; run++) {
        progress_print(bench, run + 1, request->repeat);
        measures = side_take(places, bench, &bench->measured, "value", request->is_short, value);
        if (measures && compares)
            compares =
                side_take(places, bench, &bench->against, "baseline", request->is_short, baseline);
    }
    progress_clear();
    if (bench->sense == BENCH_BEYOND)
        beyond_take(value, baseline);
    *result = (struct bench_result){ bench, bench_summarise(value), bench_summarise(baseline) };
    return result->value.is_known || value->is_absent;
}

static int all_measure(const struct bench_places *places, const struct request *request,
                       struct bench_samples *value, struct bench_samples *baseline, json_t *results)
{
    struct bench_result result;
    int status = CMD_OK;

    if (!request->as_json)
        bench_heading_print();
    for (size_t i = 0; i < bench_table_size; i++) {
        if (!request->chosen[i])
            continue;
        if (!bench_measure(places, &bench_table[i], request, value, baseline, &result))
            status = CMD_FAILED;
        if (!request->as_json)
            bench_result_print(&result);
        else if (json_array_append_new(results, bench_result_json(&result, request->repeat)) != 0)
            status = CMD_FAILED;
    }
    return status;
}

static int report(const struct request *request)
{
    struct bench_samples value = { calloc((size_t)request->repeat, sizeof(double)), 0, false };
    struct bench_samples baseline = { calloc((size_t)request->repeat, sizeof(double)), 0, false };
    json_t *results = json_array(), *whole = NULL;
    struct bench_places places = { 0 };
    int status = CMD_FAILED;

    if (value.values != NULL && baseline.values != NULL && results != NULL &&
        bench_places_find(&places)) {
        places.hostfile = request->hostfile;
        status = all_measure(&places, request, &value, &baseline, results);
        if (request->as_json)
            whole = json_pack("{s:i, s:o, s:O}", "schema", SCHEMA, "machine",
                              bench_machine_json(&places), "results", results);
    }
    if (request->as_json && whole == NULL)
        status = CMD_FAILED;
    if (whole != NULL) {
        json_dumpf(whole, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
        putchar('\n');
    }
    json_decref(whole);
    json_decref(results);
    bench_places_free(&places);
    free(value.values);
    free(baseline.values);
    return status;
}

int main(int argc, char **argv)
{
    struct request request = { .chosen = calloc(bench_table_size, sizeof *request.chosen) };
    int status;

    if (request.chosen == NULL)
        return CMD_FAILED;
    status = words_take(&request, argc, argv);
    if (status == CMD_OK && request.as_list)
        list_print(&request);
    else if (status == CMD_OK)
        status = report(&request);
    free(request.chosen);
    return status;
}
