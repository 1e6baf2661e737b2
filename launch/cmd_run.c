/* `troupe run`: any command on N ranks, each placed, all supervised. Every rank starts as `troupe
 * wrap COMMAND`, which gives it its pipes, CPUs and GPU, so that a Troupe program, an MPI program
 * and a script are one case. */
#include "cmd.h"

#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "job/ranks.h"
#include "job/run.h"
#include "job/supervise.h"
#include "topo/plan.h"
#include "troupe/troupe.h"

enum {
    OPTION_TAG_OUTPUT = CMD_LONG_ONLY,
    OPTION_OUTPUT_DIR,
    OPTION_GPU_MODE,
    OPTION_GPUS_PER_RANK,
    OPTION_BIND,
    OPTION_ARENA,
    OPTION_LAUNCHER,
    OPTION_MPIRUN_ARGS,
    OPTION_HOST,
    OPTION_HOSTFILE,
    OPTION_DRY_RUN
};

static const struct cmd_option options[] = {
    { 'n', "ranks", "N", "ranks to start (TROUPE_WORKERS; else one per GPU, else per core)" },
    { OPTION_TAG_OUTPUT, "tag-output", NULL, "put [rank host] in front of every line" },
    { OPTION_OUTPUT_DIR, "output-dir", "DIR",
      "write DIR/rank-N.out and .err in place of one stream" },
    { OPTION_GPU_MODE, "gpu-mode", "MODE", "what CUDA shows: isolate, peer or ordered" },
    { OPTION_GPUS_PER_RANK, "gpus-per-rank", "K", "GPUs each rank gets" },
    { OPTION_BIND, "bind", "WHAT", "bind ranks to: core (default), numa or none" },
    { 'x', NULL, "VAR[=VALUE]", "set a variable in every rank; repeatable" },
    { OPTION_ARENA, "arena", "SIZE", "shared memory a node reserves: 64M, 2G" },
    { OPTION_LAUNCHER, "launcher", "WHICH", "auto or mpirun" },
    { OPTION_MPIRUN_ARGS, "mpirun-args", "ARGS", "more arguments for mpirun, split at blanks" },
    { OPTION_HOST, "host", "HOST", "this host's name, as mpirun's --host" },
    { OPTION_HOSTFILE, "hostfile", "FILE", "as mpirun's --hostfile, naming this host" },
    { OPTION_DRY_RUN, "dry-run", NULL, "print what would be executed, and do nothing" },
    { 'v', "verbose", NULL, "say on standard error what is executed" },
    { 0, NULL, NULL, NULL },
};

/* What the options said, before it becomes a job_run. */
struct request {
    struct job_run run;
    struct words settings, mpirun_arguments, prefix;
    bool dry_run, verbose;
};

static int failed(int status)
{
    fprintf(stderr, "troupe run: %s\n", troupe_last_error());
    return status;
}

/* ---- options -------------------------------------------------------------------------------- */

static bool is_variable_name(const char *name, size_t length)
{
    if (length == 0 || isdigit((unsigned char)*name))
        return false;
    for (size_t i = 0; i < length; i++)
        if (!isalnum((unsigned char)name[i]) && name[i] != '_')
            return false;
    return true;
}

static int variable_add(struct request *request, const char *value)
{
    size_t length = strcspn(value, "=");
    const char *current = getenv(value);

    if (!is_variable_name(value, length))
        return cmd_usage_error(&cmd_run, "-x %s is no variable; write -x NAME or -x NAME=VALUE",
                               value);
    if (value[length] == '\0' && current == NULL)
        return cmd_usage_error(&cmd_run, "-x %s: it is not set here; write -x %s=VALUE", value,
                               value);
    if (value[length] == '=') {
        words_append(&request->settings, value);
        return CMD_OK;
    }
    words_set(&request->settings, value, current);
    return CMD_OK;
}

static int mode_add(struct request *request, const char *value)
{
    enum plan_mode mode;

    if (!plan_mode_read(value, &mode))
        return cmd_usage_error(&cmd_run, "--gpu-mode %s is unknown; write isolate, peer or ordered",
                               value);
    words_set(&request->settings, "TROUPE_GPU_MODE", value);
    return CMD_OK;
}

static int bind_add(struct request *request, const char *value)
{
    enum plan_bind bind;

    if (!plan_bind_read(value, &bind))
        return cmd_usage_error(&cmd_run, "--bind %s is unknown; write core, numa or none", value);
    words_set(&request->settings, "TROUPE_BIND", value);
    return CMD_OK;
}

static int gpus_add(struct request *request, const char *value)
{
    long number;

    if (!text_to_long(value, 1, INT_MAX, &number))
        return cmd_usage_error(&cmd_run,
                               "--gpus-per-rank %s is not a number of GPUs; give 1 or more", value);
    words_set(&request->settings, "TROUPE_GPUS_PER_RANK", value);
    return CMD_OK;
}

static int arena_add(struct request *request, const char *value)
{
    uint64_t bytes;

    if (!text_to_bytes(value, &bytes) || bytes == 0)
        return cmd_usage_error(&cmd_run, "--arena %s is not a size; write 64M or 2G", value);
    words_set(&request->settings, "TROUPE_ARENA", value);
    return CMD_OK;
}

static int launcher_choose(const char *value)
{
    if (strcmp(value, "auto") == 0 || strcmp(value, "mpirun") == 0)
        return CMD_OK;
    if (strcmp(value, "srun") == 0)
        return cmd_usage_error(&cmd_run, "--launcher srun is not supported; start ranks by srun "
                                         "yourself: srun -n 4 troupe wrap COMMAND");
    return cmd_usage_error(&cmd_run, "--launcher %s is unknown; write auto or mpirun", value);
}

static int option_take(struct request *request, int letter, const char *value)
{
    switch (letter) {
    case 'n':
        return job_ranks_read("-n", value, &request->run.ranks) == TROUPE_OK ? CMD_OK
                                                                             : failed(CMD_USAGE);
    case OPTION_TAG_OUTPUT:
        request->run.tag_output = true;
        return CMD_OK;
    case OPTION_OUTPUT_DIR:
        request->run.output_folder = value;
        return CMD_OK;
    case OPTION_GPU_MODE:
        return mode_add(request, value);
    case OPTION_GPUS_PER_RANK:
        return gpus_add(request, value);
    case OPTION_BIND:
        return bind_add(request, value);
    case 'x':
        return variable_add(request, value);
    case OPTION_ARENA:
        return arena_add(request, value);
    case OPTION_LAUNCHER:
        return launcher_choose(value);
    case OPTION_MPIRUN_ARGS:
        return words_split(&request->mpirun_arguments, value) == TROUPE_OK ? CMD_OK
                                                                           : failed(CMD_USAGE);
    case OPTION_HOST:
        request->run.hosts = value;
        return CMD_OK;
    case OPTION_HOSTFILE:
        request->run.hostfile = value;
        return CMD_OK;
    case OPTION_DRY_RUN:
        request->dry_run = true;
        return CMD_OK;
    case 'v':
        request->verbose = true;
        return CMD_OK;
    default:
        return CMD_USAGE;
    }
}

/* Reads the whole command line; CMD_OK or the status to end with. */
static int request_read(struct request *request, int argc, char **argv)
{
    const char *value;
    int letter, status = CMD_OK;

    while (status == CMD_OK &&
           (letter = cmd_option_next(&cmd_run, argc, argv, &value)) != CMD_OPTION_END)
        status = option_take(request, letter, value);
    if (status != CMD_OK)
        return status;
    if (optind == argc)
        return cmd_usage_error(&cmd_run, "say what to run: troupe run -n 4 ./program");
    request->run.command = argv + optind;
    if (request->run.ranks == 0 && job_ranks_default(&request->run.ranks) != TROUPE_OK)
        return failed(CMD_USAGE);
    return CMD_OK;
}

/* ---- running -------------------------------------------------------------------------------- */

static bool was_inherited(const char *pair)
{
    size_t length = strcspn(pair, "=");
    char *name = strndup(pair, length);
    const char *inherited = name != NULL ? getenv(name) : NULL;

    free(name);
    return inherited != NULL && strcmp(inherited, pair + length + 1) == 0;
}

/* The command line, with the variables that differ from this environment in front of it: a shell
 * reads it back as it is. */
static bool line_write(const struct job_line *line, struct text *text)
{
    for (size_t i = 0; i < line->environment.count; i++) {
        const char *pair = line->environment.data[i];
        size_t length = strcspn(pair, "=") + 1;

        if (was_inherited(pair))
            continue;
        text_append_bytes(text, pair, length);
        words_quote(text, pair + length);
        text_append(text, " ");
    }
    for (size_t i = 0; i < line->arguments.count; i++) {
        words_quote(text, line->arguments.data[i]);
        text_append(text, i + 1 < line->arguments.count ? " " : "\n");
    }
    return !text->broken;
}

static int line_print(const struct job_run *run, FILE *where)
{
    struct job_line line;
    struct text text = { 0 };
    int status;

    if (job_line_build(run, NULL, &line, &status) != TROUPE_OK)
        return failed(status);
    if (line_write(&line, &text))
        fputs(text.data, where);
    text_free(&text);
    job_line_free(&line);
    return CMD_OK;
}

static int request_run(struct request *request)
{
    int status = CMD_OK;

    if (request->dry_run)
        return line_print(&request->run, stdout);
    if (request->verbose)
        status = line_print(&request->run, stderr);
    if (status == CMD_OK && job_supervise(&request->run, &status) != TROUPE_OK)
        return failed(status);
    return status;
}

static int run(int argc, char **argv)
{
    struct request request = { 0 };
    char self[PATH_MAX];
    int status = request_read(&request, argc, argv);

    if (status == CMD_OK && !cmd_self_path(self, sizeof self))
        status = CMD_LAUNCHER_FAILED;
    if (status == CMD_OK) {
        words_append(&request.prefix, self);
        words_append(&request.prefix, "wrap");
        request.run.prefix = request.prefix.data;
        request.run.settings = request.settings.data;
        request.run.mpirun_arguments = request.mpirun_arguments.data;
        if (request.prefix.broken || request.settings.broken)
            status = cmd_usage_error(&cmd_run, "out of memory");
        else
            status = request_run(&request);
    }
    words_free(&request.prefix);
    words_free(&request.settings);
    words_free(&request.mpirun_arguments);
    return status;
}

const struct cmd cmd_run = {
    .name = "run",
    .usage = "run [options] [--] COMMAND [arguments…]",
    .summary = "Runs a command on N ranks, each with its CPUs and GPU",
    .options = options,
    .text =
        "COMMAND is a Troupe program, an MPI program, or anything else. Lines of different ranks\n"
        "never mix. Standard input reaches the parent, or rank 0. The exit status is the\n"
        "parent's, or what mpirun makes of the ranks'. Signals reach the parent, or every rank;\n"
        "a second SIGINT within five seconds ends everything at once. All ranks are on this\n"
        "host.\n",
    .run = run,
};
