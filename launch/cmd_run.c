/* `troupe run`: any command on N ranks, each placed, all supervised. Every rank starts as `troupe
 * wrap COMMAND`, which gives it its pipes, CPUs and GPU, so that a Troupe program, an MPI program
 * and a script are one case. */
#include "cmd.h"

#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "host_options.h"
#include "job/ranks.h"
#include "job/run.h"
#include "job/supervise.h"
#include "place_options.h"
#include "topo/mask.h"
#include "torch.h"
#include "troupe/troupe.h"

enum {
    OPTION_TAG_OUTPUT = PLACE_OPTION_OWN,
    OPTION_OUTPUT_DIR,
    OPTION_PER_NODE,
    OPTION_PER_GPU,
    OPTION_TORCH,
    OPTION_ARENA,
    OPTION_LAUNCHER,
    OPTION_MPIRUN_ARGS,
    OPTION_HOST,
    OPTION_HOSTFILE,
    OPTION_STRICT,
    OPTION_DRY_RUN
};

static const struct cmd_option options_table[] = {
    { 'n', "ranks", "N", "ranks to start (TROUPE_WORKERS; else one per GPU, else per core)" },
    { OPTION_PER_NODE, "per-node", "K", "ranks on each host" },
    { OPTION_PER_GPU, "per-gpu", "K", "ranks for each GPU that CUDA_VISIBLE_DEVICES shows" },
    { OPTION_TAG_OUTPUT, "tag-output", NULL, "put [rank host] in front of every line" },
    { OPTION_OUTPUT_DIR, "output-dir", "DIR",
      "write DIR/rank-N.out and .err in place of one stream" },
    { PLACE_OPTION_MODE, "gpu-mode", "MODE", "what CUDA shows: isolate, peer or ordered" },
    { PLACE_OPTION_PER_RANK, "gpus-per-rank", "K", "GPUs each rank gets" },
    { PLACE_OPTION_BIND, "bind", "WHAT", "bind ranks to: core (default), numa or none" },
    { OPTION_TORCH, "torch", NULL, "set RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR …" },
    { 'x', NULL, "VAR[=VALUE]", "set a variable in every rank; repeatable" },
    { OPTION_ARENA, "arena", "SIZE", "shared memory a node reserves: 64M, 2G" },
    { OPTION_LAUNCHER, "launcher", "WHICH", "auto or mpirun" },
    { OPTION_MPIRUN_ARGS, "mpirun-args", "ARGS", "more arguments for mpirun, split at blanks" },
    { OPTION_HOST, "host", "LIST", "hosts: node1,node2:4" },
    { OPTION_HOSTFILE, "hostfile", "FILE",
      "hosts, one a line: node1 slots=4, node1:4, or node1 for each slot" },
    { OPTION_STRICT, "strict", NULL, "status 1 when a worker died, though the program went on" },
    { OPTION_DRY_RUN, "dry-run", NULL, "print what would be executed, and do nothing" },
    { 'v', "verbose", NULL, "say on standard error what is executed" },
    { 0, NULL, NULL, NULL },
};

/* What the options said, before it becomes a job_run. */
struct request {
    struct job_run run;
    struct words settings, mpirun_arguments, prefix;
    struct words command; /* what is run, where it is not main's words */
    struct job_ranks_wanted wanted;
    struct host_options hosts;
    struct topo_options place; /* what the ranks will plan by */
    bool torch, dry_run, verbose;
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

/* What the ranks plan by travels to them as the variable of the same meaning. */
static int place_add(struct request *request, int letter, const char *value)
{
    static const char *const names[] = {
        [PLACE_OPTION_MODE - PLACE_OPTION_MODE] = "TROUPE_GPU_MODE",
        [PLACE_OPTION_PER_RANK - PLACE_OPTION_MODE] = "TROUPE_GPUS_PER_RANK",
        [PLACE_OPTION_BIND - PLACE_OPTION_MODE] = "TROUPE_BIND",
    };
    int status = place_option_take(&cmd_run, letter, value, &request->place);

    if (status == CMD_OK)
        words_set(&request->settings, names[letter - PLACE_OPTION_MODE], value);
    return status;
}

static int count_add(const char *name, const char *value, int *count)
{
    return job_ranks_read(name, value, count) == TROUPE_OK ? CMD_OK : failed(CMD_USAGE);
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
        return count_add("-n", value, &request->wanted.ranks);
    case OPTION_PER_NODE:
        return count_add("--per-node", value, &request->wanted.per_node);
    case OPTION_PER_GPU:
        return count_add("--per-gpu", value, &request->wanted.per_gpu);
    case OPTION_TAG_OUTPUT:
        request->run.tag_output = true;
        return CMD_OK;
    case OPTION_OUTPUT_DIR:
        request->run.output_folder = value;
        return CMD_OK;
    case PLACE_OPTION_MODE:
    case PLACE_OPTION_PER_RANK:
    case PLACE_OPTION_BIND:
        return place_add(request, letter, value);
    case OPTION_TORCH:
        request->torch = true;
        return CMD_OK;
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
    case OPTION_HOSTFILE:
        return letter == OPTION_HOST ? host_list_take(&cmd_run, value, &request->hosts)
                                     : host_file_take(&cmd_run, value, &request->hosts);
    case OPTION_STRICT:
        words_set(&request->settings, "TROUPE_STRICT", "1");
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

/* Every host's ranks of one node compute their plan by themselves; what is wrong with this host's
 * is said once and before anything starts, and not by each of them. */
static int place_check(const struct request *request)
{
    struct topo_options options = request->place;
    struct topo_place place;

    if (request->hosts.hosts.count > 0)
        return CMD_OK;
    options.mask = words_value(&request->settings, MASK_VARIABLE);
    if (options.mask == NULL && getenv(MASK_VARIABLE) == NULL && options.topology == NULL &&
        options.gpus_per_rank == 0 && options.mode == PLAN_ISOLATE)
        return CMD_OK; /* nothing was asked that could be wrong */
    if (topo_place_compute(0, request->run.ranks, &options, &place) != TROUPE_OK)
        return failed(CMD_USAGE);
    topo_place_free(&place);
    return CMD_OK;
}

static int torch_prepare(struct request *request)
{
    const char *first = request->hosts.hosts.count > 0 ? request->hosts.hosts.hosts[0].name : NULL;

    if (words_value(&request->settings, "TROUPE_GPU_MODE") == NULL)
        torch_mode_default(&request->place);
    return torch_meeting_choose(first, &request->settings) == TROUPE_OK
               ? CMD_OK
               : failed(CMD_LAUNCHER_FAILED);
}

/* From the options to a whole request. */
static int request_decide(struct request *request)
{
    int status = host_options_decide(&cmd_run, &request->hosts, &request->wanted);

    if (status != CMD_OK)
        return status;
    request->run.hosts = request->hosts.list;
    request->run.hostfile = request->hosts.file;
    request->run.gpus_elsewhere = request->hosts.gpus_elsewhere;
    request->run.hosts_are_known = request->hosts.are_known;
    request->run.goes_elsewhere = hostfile_goes_elsewhere(&request->hosts.hosts);
    request->wanted.topology = request->place.topology;
    if (job_ranks_decide(&request->wanted, &request->run.ranks, &request->run.per_node) !=
        TROUPE_OK)
        return failed(CMD_USAGE);
    if (request->torch) {
        status = torch_prepare(request);
        if (status != CMD_OK)
            return status;
    }
    return place_check(request);
}

/* Reads the whole command line; CMD_OK or the status to end with. */
static int request_read(struct request *request, int argc, char **argv)
{
    const char *value;
    int letter, status = CMD_OK;

    if (topo_options_read(&request->place) != TROUPE_OK)
        return failed(CMD_USAGE);
    if (getenv("TROUPE_BIND") == NULL)
        request->place.bind = PLAN_BIND_CORE;
    while (status == CMD_OK &&
           (letter = cmd_option_next(&cmd_run, argc, argv, &value)) != CMD_OPTION_END)
        status = option_take(request, letter, value);
    if (status != CMD_OK)
        return status;
    if (optind == argc)
        return cmd_usage_error(&cmd_run, "say what to run: troupe run -n 4 ./program");
    request->run.command = argv + optind;
    status = place_topology_check(&cmd_run, &request->place);
    return status == CMD_OK ? request_decide(request) : status;
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

static bool has_word(char *const *words, const char *word)
{
    while (*words != NULL && strcmp(*words, word) != 0)
        words++;
    return *words != NULL;
}

/* mpirun begins another program at a word ":", so the command travels with another word for it,
 * one that it does not have; wrap puts it back. */
static void colons_replace(struct request *request)
{
    struct text stand_in = { 0 };

    if (!has_word(request->run.command, ":"))
        return;
    do
        text_append(&stand_in, "colon");
    while (!stand_in.broken && has_word(request->run.command, stand_in.data));
    words_append(&request->prefix, "--colon");
    words_append(&request->prefix, stand_in.broken ? "" : stand_in.data);
    for (char *const *word = request->run.command; *word != NULL; word++)
        words_append(&request->command,
                     strcmp(*word, ":") == 0 && !stand_in.broken ? stand_in.data : *word);
    request->prefix.broken |= stand_in.broken || request->command.broken;
    request->run.command = request->command.data;
    text_free(&stand_in);
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
        if (request.torch)
            words_append(&request.prefix, "--torch");
        colons_replace(&request);
        request.run.prefix = request.prefix.data;
        request.run.settings = request.settings.data;
        request.run.mpirun_arguments = request.mpirun_arguments.data;
        if (request.prefix.broken || request.settings.broken)
            status = cmd_usage_error(&cmd_run, "out of memory");
        else
            status = request_run(&request);
    }
    words_free(&request.prefix);
    words_free(&request.command);
    words_free(&request.settings);
    words_free(&request.mpirun_arguments);
    host_options_free(&request.hosts);
    return status;
}

const struct cmd cmd_run = {
    .name = "run",
    .usage = "run [options] [--] COMMAND [arguments…]",
    .summary = "Runs a command on N ranks, each with its CPUs and GPU",
    .options = options_table,
    .text =
        "COMMAND is a Troupe program, an MPI program, or anything else. Lines of different ranks\n"
        "never mix. Standard input reaches the parent, or rank 0. The exit status is the\n"
        "parent's, or what mpirun makes of the ranks'. Signals reach the parent, or every rank;\n"
        "a second SIGINT within five seconds ends everything at once. Hosts are those of\n"
        "--hostfile or --host, else those of the batch system's job, else this one.\n"
        "--torch also sets LOCAL_WORLD_SIZE and MASTER_PORT, and makes ordered the default of\n"
        "--gpu-mode, so that torch.cuda.set_device(LOCAL_RANK) takes the rank's own GPU.\n",
    .run = run,
};
