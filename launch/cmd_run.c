/* `troupe run`: any command on N ranks, placed, supervised. */
#include "cmd.h"

#include <stdio.h>

static int run(int argc, char **argv)
{
    const char *value;
    int letter;

    while ((letter = cmd_option_next(&cmd_run, argc, argv, &value)) != CMD_OPTION_END)
        if (letter == CMD_OPTION_BAD)
            return CMD_USAGE;
    return cmd_usage_error(&cmd_run, "not built yet");
}

const struct cmd cmd_run = {
    .name = "run",
    .usage = "run [options] [--] COMMAND [arguments…]",
    .summary = "Runs a command on N ranks, each with its CPUs and GPU",
    .run = run,
};
