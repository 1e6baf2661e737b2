/* The option table of `troupe map`. What places ranks is troupe run's business: those options are
 * handed on as they are, and judged there. */
#include "options.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "launch/cmd.h"
#include "launch/map/text/command.h"
#include "troupe/troupe.h"

#define GRACE_US (2 * 1000000ull)
#define TRIES_MOST 1000000
#define CPU_SECONDS_MOST 1000000000
#define SECONDS_MOST 1e9

enum {
    /* Handed on to troupe run. */
    OPTION_PER_NODE = CMD_LONG_ONLY,
    OPTION_PER_GPU,
    OPTION_GPUS_PER_RANK,
    OPTION_GPU_MODE,
    OPTION_BIND,
    OPTION_ARENA,
    OPTION_LAUNCHER,
    OPTION_MPIRUN_ARGS,
    OPTION_HOST,
    OPTION_HOSTFILE,
    OPTION_LAUNCH_END,
    /* Ours. */
    OPTION_INPUTS,
    OPTION_FOLLOW,
    OPTION_COLSEP,
    OPTION_SHELL,
    OPTION_UNORDERED,
    OPTION_TAG,
    OPTION_OUTPUT_DIR,
    OPTION_JOBLOG,
    OPTION_JSON,
    OPTION_JOURNAL,
    OPTION_RESUME,
    OPTION_RESUME_FAILED,
    OPTION_RETRIES,
    OPTION_TIMEOUT,
    OPTION_GRACE,
    OPTION_HALT,
    OPTION_DELAY,
    OPTION_MEMORY,
    OPTION_CPU,
    OPTION_PROGRESS,
    OPTION_TIMELINE,
    OPTION_DRY_RUN
};

static const struct cmd_option options_table[] = {
    { 'n', "ranks", "N", "commands at a time (TROUPE_WORKERS; else one per GPU, else per core)" },
    { 'j', "jobs", "N", "the same" },
    { OPTION_PER_NODE, "per-node", "K", "commands at a time on each host" },
    { OPTION_PER_GPU, "per-gpu", "K", "commands that share a GPU" },
    { OPTION_GPUS_PER_RANK, "gpus-per-rank", "K", "GPUs each command gets" },
    { OPTION_GPU_MODE, "gpu-mode", "MODE", "what CUDA shows: isolate, peer or ordered" },
    { OPTION_BIND, "bind", "WHAT", "bind commands to: core (default), numa or none" },
    { OPTION_HOSTFILE, "hostfile", "FILE", "as troupe run's" },
    { OPTION_HOST, "host", "HOST", "as troupe run's" },
    { OPTION_LAUNCHER, "launcher", "WHICH", "as troupe run's" },
    { OPTION_MPIRUN_ARGS, "mpirun-args", "ARGS", "as troupe run's" },
    { OPTION_ARENA, "arena", "SIZE", "shared memory a node reserves: 64M, 2G" },
    { 'x', NULL, "VAR[=VALUE]", "set a variable for every command; repeatable" },
    { OPTION_INPUTS, "inputs", "FILE", "one input a line from FILE in place of standard input" },
    { OPTION_FOLLOW, "follow", "FILE", "the same, and wait for more until a line is :::" },
    { '0', "null", NULL, "inputs end with a zero byte in place of a newline" },
    { OPTION_COLSEP, "colsep", "TEXT", "splits a line into {1} {2} …" },
    { OPTION_SHELL, "shell", NULL, "run the command by /bin/sh; inputs are quoted for it" },
    { OPTION_UNORDERED, "unordered", NULL, "print outputs as they come" },
    { OPTION_TAG, "tag", NULL, "put the input and a tab in front of every line" },
    { OPTION_OUTPUT_DIR, "output-dir", "DIR", "write DIR/N.out and N.err in place of printing" },
    { OPTION_JOBLOG, "joblog", "FILE", "a line for each task, with GNU parallel's columns" },
    { OPTION_JSON, "json", NULL, "make the job log lines of JSON" },
    { OPTION_JOURNAL, "journal", "FILE",
      "what --resume goes by (the job log's name and .journal)" },
    { OPTION_RESUME, "resume", NULL, "run only what the journal has not" },
    { OPTION_RESUME_FAILED, "resume-failed", NULL, "and what failed" },
    { OPTION_RETRIES, "retries", "N", "run a task that fails up to N times (1)" },
    { OPTION_TIMEOUT, "timeout", "TIME", "end a task after 90s, 10m, or 3x or 300% of the median" },
    { OPTION_GRACE, "grace", "TIME", "from SIGTERM to SIGKILL (2s)" },
    { OPTION_HALT, "halt", "RULE", "now or soon,fail=N or N% (also success=, done=): stop early" },
    { OPTION_DELAY, "delay", "TIME", "between the starts of two tasks" },
    { OPTION_MEMORY, "memory", "SIZE", "address space of a command: 4G" },
    { OPTION_CPU, "cpu-time", "SECONDS", "processor time of a command" },
    { OPTION_PROGRESS, "progress", "FORM", "auto, bar, lines or none" },
    { OPTION_TIMELINE, "timeline", "FILE",
      "a trace for Perfetto, and FILE.svg: who ran what when" },
    { OPTION_DRY_RUN, "dry-run", NULL, "print the commands, and run nothing" },
    { 'q', "quiet", NULL, "no progress and no summary" },
    { 0, NULL, NULL, NULL },
};

static const struct cmd cmd_map = {
    .name = "map",
    .usage = "map [options] [--] [COMMAND …] [::: INPUT …]",
    .summary = "Runs a command for each input over all ranks and GPUs",
    .text =
        "Inputs follow :::, or are lines of standard input. {} is the input, {.} without its\n"
        "extension, {/} its last part, {//} its folder, {1} {2} its columns; {rank}, {gpu},\n"
        "{attempt} and {seq} are the run's. Without any of them the input is appended, without a\n"
        "COMMAND it is one. Status: 0 all done, 1 to 100 so many failed, 101 more; 128 + the\n"
        "signal that stopped it.\n",
    .options = options_table,
};

static int bad(const char *format, ...) __attribute__((format(printf, 1, 2)));
static int bad(const char *format, ...)
{
    va_list arguments;
    char sentence[512];

    va_start(arguments, format);
    vsnprintf(sentence, sizeof sentence, format, arguments);
    va_end(arguments);
    return cmd_usage_error(&cmd_map, "%s", sentence);
}

/* ---- values ---------------------------------------------------------------------------------- */

/* A number with what follows it; false when it is none or absurd. */
static bool number_read(const char *text, double *number, const char **unit)
{
    char *end;

    *number = strtod(text, &end);
    *unit = end;
    return end != text && *number >= 0 && *number <= SECONDS_MOST;
}

/* 90, 90s, 500ms, 10m, 2h, 1d. */
static bool time_read(const char *text, uint64_t *us)
{
    static const struct {
        const char *name;
        double seconds;
    } units[] = {
        { "", 1 }, { "s", 1 }, { "ms", 1e-3 }, { "m", 60 }, { "h", 3600 }, { "d", 86400 }
    };
    const char *unit;
    double number;

    if (!number_read(text, &number, &unit))
        return false;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (strcmp(unit, units[i].name) == 0) {
            *us = (uint64_t)(number * units[i].seconds * 1e6);
            return true;
        }
    return false;
}

static int time_take(const char *name, const char *value, uint64_t *us)
{
    return time_read(value, us)
               ? CMD_OK
               : bad("%s %s is no time; write 90, 500ms, 10m, 2h or 1d", name, value);
}

static int timeout_take(const char *value, struct map_options *options)
{
    const char *unit;
    double number;

    options->timeout_medians = 0;
    options->timeout_us = 0;
    if (number_read(value, &number, &unit) && number > 0) {
        if (strcmp(unit, "x") == 0 || strcmp(unit, "%") == 0) {
            options->timeout_medians = *unit == 'x' ? number : number / 100;
            return CMD_OK;
        }
        if (time_read(value, &options->timeout_us) && options->timeout_us > 0)
            return CMD_OK;
    }
    return bad("--timeout %s is no time; write 90s, 10m, or 3x or 300%% of the median", value);
}

static int size_take(const char *value, uint64_t *bytes)
{
    if (text_to_bytes(value, bytes) && *bytes > 0)
        return CMD_OK;
    return bad("--memory %s is no size; write 512M or 4G", value);
}

static int progress_take(const char *value, enum progress_form *form)
{
    static const char *const names[] = { [PROGRESS_AUTO] = "auto",
                                         [PROGRESS_BAR] = "bar",
                                         [PROGRESS_LINES] = "lines",
                                         [PROGRESS_NONE] = "none" };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(value, names[i]) == 0) {
            *form = (enum progress_form)i;
            return CMD_OK;
        }
    return bad("--progress %s is unknown; write auto, bar, lines or none", value);
}

static int halt_take(const char *value, struct halt_rule *rule)
{
    return halt_read(value, rule)
               ? CMD_OK
               : bad("--halt %s is no rule; write now,fail=1 or soon,fail=10%%", value);
}

static int count_take(const char *name, const char *value, long most, long *count)
{
    return text_to_long(value, 1, most, count)
               ? CMD_OK
               : bad("%s %s is no number; write 1 or more", name, value);
}

/* ---- options --------------------------------------------------------------------------------- */

static bool is_launch(int letter)
{
    return letter == 'n' || letter == 'j' || letter == 'x' ||
           (letter >= OPTION_PER_NODE && letter < OPTION_LAUNCH_END);
}

static int launch_take(int letter, const char *value, struct map_options *options)
{
    const struct cmd_option *row = options_table;
    struct text word = { 0 };

    if (letter == 'j')
        letter = 'n';
    while (row->letter != letter)
        row++;
    if (row->letter < CMD_LONG_ONLY)
        text_append(&word, "-%c", row->letter);
    else
        text_append(&word, "--%s", row->name);
    if (!word.broken) {
        words_append(&options->launch, word.data);
        words_append(&options->launch, value);
    }
    options->launch.broken |= word.broken;
    text_free(&word);
    return CMD_OK;
}

static int input_take(int letter, const char *value, struct map_options *options)
{
    if (letter == OPTION_INPUTS)
        options->inputs.file = value;
    else if (letter == OPTION_FOLLOW)
        options->inputs.follow = value;
    else if (letter == OPTION_COLSEP)
        options->inputs.column_separator = value;
    else
        options->inputs.null_separated = true;
    return CMD_OK;
}

static int journal_name(struct map_options *options, const char *path, const char *suffix)
{
    struct text name = { 0 };

    text_append(&name, "%s%s", path, suffix);
    if (name.broken)
        return bad("out of memory");
    free(options->journal);
    options->journal = name.data;
    return CMD_OK;
}

static bool switch_take(int letter, struct map_options *options)
{
    if (letter == OPTION_SHELL)
        options->shell = true;
    else if (letter == OPTION_UNORDERED)
        options->unordered = true;
    else if (letter == OPTION_TAG)
        options->tag = true;
    else if (letter == OPTION_JSON)
        options->json = true;
    else if (letter == OPTION_RESUME)
        options->resume = true;
    else if (letter == OPTION_RESUME_FAILED)
        options->resume = options->resume_failed = true;
    else if (letter == OPTION_DRY_RUN)
        options->dry_run = true;
    else if (letter == 'q')
        options->quiet = true;
    else
        return false;
    return true;
}

static int value_take(int letter, const char *value, struct map_options *options)
{
    switch (letter) {
    case OPTION_INPUTS:
    case OPTION_FOLLOW:
    case OPTION_COLSEP:
    case '0':
        return input_take(letter, value, options);
    case OPTION_OUTPUT_DIR:
        options->output_dir = value;
        return CMD_OK;
    case OPTION_JOBLOG:
        options->joblog = value;
        return CMD_OK;
    case OPTION_JOURNAL:
        return journal_name(options, value, "");
    case OPTION_TIMELINE:
        options->timeline = value;
        return CMD_OK;
    case OPTION_RETRIES:
        return count_take("--retries", value, TRIES_MOST, &options->tries);
    case OPTION_TIMEOUT:
        return timeout_take(value, options);
    case OPTION_GRACE:
        return time_take("--grace", value, &options->grace_us);
    case OPTION_HALT:
        return halt_take(value, &options->halt);
    case OPTION_DELAY:
        return time_take("--delay", value, &options->delay_us);
    case OPTION_MEMORY:
        return size_take(value, &options->memory_bytes);
    case OPTION_CPU:
        return count_take("--cpu-time", value, CPU_SECONDS_MOST, &options->cpu_seconds);
    case OPTION_PROGRESS:
        return progress_take(value, &options->progress);
    default:
        return CMD_USAGE;
    }
}

static int option_take(int letter, const char *value, struct map_options *options)
{
    if (is_launch(letter))
        return launch_take(letter, value, options);
    if (switch_take(letter, options))
        return CMD_OK;
    return value_take(letter, value, options);
}

/* What contradicts itself. */
static int options_check(const struct map_options *options)
{
    if (options->output_dir != NULL && options->tag)
        return bad("--tag and --output-dir contradict each other: files are not tagged");
    if (options->resume && options->journal == NULL)
        return bad("--resume needs to know where: add --joblog FILE or --journal FILE");
    if (options->json && options->joblog == NULL)
        return bad("--json is the form of the job log: add --joblog FILE");
    if (options->launch.broken)
        return bad("out of memory");
    return CMD_OK;
}

static int words_take(int argc, char **argv, struct map_options *options)
{
    size_t count = (size_t)(argc - optind), end = command_end(argv + optind, count);

    if (end == 0 && count == 0 && options->inputs.file == NULL && options->inputs.follow == NULL &&
        isatty(STDIN_FILENO))
        return bad("say what to run: troupe map gzip {} ::: *.txt");
    options->inputs.arguments = argv + optind + end;
    options->inputs.count = count - end;
    if (!options->shell)
        return command_words(argv + optind, end, &options->command) == TROUPE_OK
                   ? CMD_OK
                   : bad("%s", troupe_last_error());
    for (size_t i = 0; i < end; i++)
        words_append(&options->command, argv[optind + (int)i]);
    return options->command.broken ? bad("out of memory") : CMD_OK;
}

int map_options_read(int argc, char **argv, struct map_options *options)
{
    const char *value;
    int letter, status = CMD_OK;

    *options = (struct map_options){ .tries = 1, .grace_us = GRACE_US };
    while (status == CMD_OK &&
           (letter = cmd_option_next(&cmd_map, argc, argv, &value)) != CMD_OPTION_END)
        status = option_take(letter, value, options);
    if (status == CMD_OK && options->journal == NULL && options->joblog != NULL &&
        strcmp(options->joblog, "-") != 0)
        status = journal_name(options, options->joblog, ".journal");
    if (status == CMD_OK)
        status = words_take(argc, argv, options);
    return status == CMD_OK ? options_check(options) : status;
}

void map_options_free(struct map_options *options)
{
    words_free(&options->launch);
    words_free(&options->command);
    free(options->journal);
}
