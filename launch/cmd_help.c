/* `troupe help [verb]`: all verbs, or what one does and takes. */
#include "cmd.h"

#include <stddef.h>
#include <stdio.h>

static void overview_print(void)
{
    printf("troupe: Python's multiprocessing model on MPI clusters\n\n");
    for (const struct cmd *const *cmd = cmd_table; *cmd != NULL; cmd++)
        printf("  troupe %-8s %s\n", (*cmd)->name, (*cmd)->summary);
    printf("\n`troupe help VERB` says more. Exit status: the program's own; 2 bad usage, 125 the\n"
           "launcher failed, 126 not executable, 127 not found, 128 + the signal that ended it.\n");
}

static int help(int argc, char **argv)
{
    const struct cmd *cmd;

    if (argc < 2) {
        overview_print();
        return CMD_OK;
    }
    cmd = cmd_find(argv[1]);
    if (cmd == NULL)
        return cmd_usage_error(&cmd_help, "there is no verb %s; see troupe help", argv[1]);
    if (cmd->run == NULL)
        return cmd_dispatch(cmd, 2, (char *[]){ argv[1], (char *)"--help", NULL });
    cmd_help_print(cmd);
    return CMD_OK;
}

const struct cmd cmd_help = {
    .name = "help",
    .usage = "help [VERB]",
    .summary = "Says what a verb does and which options it takes",
    .run = help,
};
