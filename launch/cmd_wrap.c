/* `troupe wrap`: the shim between a launcher and any command. It gives the rank its place and its
 * supervisor's output, then becomes the command: nothing of it stays in between. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "job/stdio.h"
#include "place_options.h"
#include "troupe/troupe.h"

static int become(char **argv)
{
    execvp(argv[0], argv);
    fprintf(stderr, "troupe wrap: %s: %s; give the path of a program that can be run\n", argv[0],
            strerror(errno));
    return errno == ENOENT || errno == ENOTDIR ? CMD_NOT_FOUND : CMD_NOT_EXECUTABLE;
}

static int wrap(int argc, char **argv)
{
    struct topo_options options;
    struct job_place detected;
    struct topo_place place;
    const char *value;
    int letter, status;

    if (topo_options_read(&options) != TROUPE_OK)
        return cmd_usage_error(&cmd_wrap, "%s", troupe_last_error());
    while ((letter = cmd_option_next(&cmd_wrap, argc, argv, &value)) != CMD_OPTION_END)
        if (letter == CMD_OPTION_BAD ||
            place_option_take(&cmd_wrap, letter, value, &options) != CMD_OK)
            return CMD_USAGE;
    if (optind == argc)
        return cmd_usage_error(&cmd_wrap, "no command; write: mpirun -n 4 troupe wrap ./program");
    status = place_detect_compute(&cmd_wrap, &options, &detected, &place);
    if (status != CMD_OK)
        return status;
    if (topo_place_apply(&place) != TROUPE_OK ||
        job_stdio_attach(JOB_ROLE_COMMAND, detected.rank) != TROUPE_OK) {
        fprintf(stderr, "troupe wrap: %s\n", troupe_last_error());
        status = CMD_LAUNCHER_FAILED;
    }
    topo_place_free(&place);
    return status == CMD_OK ? become(argv + optind) : status;
}

static const struct cmd_option options_table[] = {
    { PLACE_OPTION_MODE, "gpu-mode", "MODE", PLACE_HELP_MODE },
    { PLACE_OPTION_PER_RANK, "gpus-per-rank", "K", PLACE_HELP_PER_RANK },
    { PLACE_OPTION_BIND, "bind", "HOW", PLACE_HELP_BIND },
    { PLACE_OPTION_TOPO, "topo", "FILE", PLACE_HELP_TOPO },
    { 0, NULL, NULL, NULL },
};

const struct cmd cmd_wrap = {
    .name = "wrap",
    .usage = "wrap [options] [--] COMMAND [arguments…]",
    .summary = "Gives one rank its CPUs and GPU, then becomes the command",
    .text = "Under any launcher: mpirun -n 4 troupe wrap ./program\n"
            "The launcher's own binding stays unless --bind or TROUPE_BIND says otherwise.\n",
    .options = options_table,
    .run = wrap,
};
