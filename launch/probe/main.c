/* `troupe probe`: the command line, and a world of its own that the roll is called in. */
#include "launch/cmd.h"
#include "probe.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"

enum { OPTION_JSON = CMD_LONG_ONLY, OPTION_SECONDS };
static const double seconds_default = 0.2, seconds_most = 86400;

static const struct cmd_option options[] = {
    { 'n', "ranks", "N", "ranks to start (TROUPE_WORKERS; else one per GPU, else per core)" },
    { OPTION_SECONDS, "seconds", "S", "how long each rank measures (0.2)" },
    { OPTION_JSON, "json", NULL, "print one JSON object in place of lines" },
    { 0, NULL, NULL, NULL },
};

static const struct cmd cmd_probe = {
    .name = "probe",
    .usage = "probe [options]",
    .summary = "Calls the roll: rank, host, cores and GPU of every rank",
    .text = "Each rank runs the bandwidth kernel at the same time as the others, on its GPU or on\n"
            "its cores, and verifies every element. Status 1 when a rank failed. Below a launcher\n"
            "(mpirun -n 4 troupe probe) that decides the number of ranks.\n",
    .options = options,
};

struct request {
    double seconds;
    bool as_json;
};

static int ranks_take(const char *value)
{
    long ranks;

    if (!text_to_long(value, 1, INT_MAX, &ranks))
        return cmd_usage_error(&cmd_probe, "-n %s is not a number of ranks; give 1 or more", value);
    if (setenv("TROUPE_WORKERS", value, 1) != 0)
        return cmd_usage_error(&cmd_probe, "out of memory");
    return CMD_OK;
}

static int seconds_take(const char *value, double *seconds)
{
    char *end;

    *seconds = strtod(value, &end);
    if (end == value || *end != '\0' || !(*seconds >= 0 && *seconds <= seconds_most))
        return cmd_usage_error(&cmd_probe, "--seconds %s is no time; give 0 to %g", value,
                               seconds_most);
    return CMD_OK;
}

static int request_read(struct request *request, int argc, char **argv)
{
    const char *value;
    int letter, status = CMD_OK;

    while (status == CMD_OK &&
           (letter = cmd_option_next(&cmd_probe, argc, argv, &value)) != CMD_OPTION_END) {
        if (letter == 'n')
            status = ranks_take(value);
        else if (letter == OPTION_SECONDS)
            status = seconds_take(value, &request->seconds);
        else if (letter == OPTION_JSON)
            request->as_json = true;
        else
            status = CMD_USAGE;
    }
    if (status == CMD_OK && optind < argc)
        status = cmd_usage_error(&cmd_probe, "%s: probe takes options only; see troupe help probe",
                                 argv[optind]);
    return status;
}

static int failed(const char *sentence)
{
    fprintf(stderr, "troupe probe: %s\n", sentence);
    return CMD_FAILED;
}

static int roll_call(const struct request *request)
{
    int count = troupe_world_size(), status = CMD_FAILED;
    struct probe_row *rows = calloc((size_t)count, sizeof *rows);

    if (rows == NULL)
        return failed("out of memory");
    if (probe_roll(request->seconds, rows) != TROUPE_OK) {
        free(rows);
        return failed(troupe_last_error());
    }
    probe_judge(rows, count);
    if (!request->as_json)
        probe_table_print(rows, count);
    if (request->as_json && !probe_json_print(rows, count))
        failed("out of memory");
    else if (probe_is_ok(rows, count))
        status = CMD_OK;
    free(rows);
    return status;
}

/* The command line is read in every process, before the world: what is wrong with it is then told
 * by the process that was started, and nothing else is. */
int main(int argc, char **argv)
{
    struct request request = { .seconds = seconds_default };
    int status = request_read(&request, argc, argv);

    if (status != CMD_OK)
        return status;
    if (troupe_init(&argc, &argv) != TROUPE_OK) {
        failed(troupe_last_error());
        return troupe_finalize(CMD_LAUNCHER_FAILED);
    }
    return troupe_finalize(roll_call(&request));
}
