/* `troupe wrap`: the shim between a launcher and any command. It gives the rank its place and its
 * supervisor's output, then becomes the command: nothing of it stays in between. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "job/launcher_only.h"
#include "job/stdio.h"
#include "place_options.h"
#include "torch.h"
#include "troupe/troupe.h"

enum { OPTION_TORCH = PLACE_OPTION_OWN, OPTION_COLON };

static int become(char **argv)
{
    execvp(argv[0], argv);
    fprintf(stderr, "troupe wrap: %s: %s; give the path of a program that can be run\n", argv[0],
            strerror(errno));
    return errno == ENOENT || errno == ENOTDIR ? CMD_NOT_FOUND : CMD_NOT_EXECUTABLE;
}

/* What the command line of wrap says. */
struct request {
    struct topo_options options;
    bool mode_chosen, torch;
    const char *colon; /* the word that stands for ":", or NULL */
};

/* mpirun begins another program at a word ":", so `troupe run` writes another word for it. */
static void colons_restore(char **command, const char *colon)
{
    static char word[] = ":";

    for (; colon != NULL && *command != NULL; command++)
        if (strcmp(*command, colon) == 0)
            *command = word;
}

static int request_read(struct request *request, int argc, char **argv)
{
    const char *value;
    int letter, status = CMD_OK;

    if (topo_options_read(&request->options) != TROUPE_OK)
        return cmd_usage_error(&cmd_wrap, "%s", troupe_last_error());
    while (status == CMD_OK &&
           (letter = cmd_option_next(&cmd_wrap, argc, argv, &value)) != CMD_OPTION_END) {
        request->mode_chosen |= letter == PLACE_OPTION_MODE;
        request->torch |= letter == OPTION_TORCH;
        if (letter == CMD_OPTION_BAD)
            status = CMD_USAGE;
        else if (letter == OPTION_COLON)
            request->colon = value;
        else if (letter != OPTION_TORCH)
            status = place_option_take(&cmd_wrap, letter, value, &request->options);
    }
    if (status == CMD_OK && optind == argc)
        status = cmd_usage_error(&cmd_wrap, "no command; write: mpirun -n 4 troupe wrap ./program");
    if (request->torch && !request->mode_chosen)
        torch_mode_default(&request->options);
    colons_restore(argv + optind, request->colon);
    return status;
}

static int failed(void)
{
    fprintf(stderr, "troupe wrap: %s\n", troupe_last_error());
    return CMD_LAUNCHER_FAILED;
}

static int place_take(struct request *request, const struct job_place *detected)
{
    struct topo_place place;
    int status = place_compute(&cmd_wrap, detected, &request->options, &place);

    if (status != CMD_OK)
        return status;
    if (topo_place_apply(&place) != TROUPE_OK)
        status = failed();
    topo_place_free(&place);
    return status;
}

static int wrap(int argc, char **argv)
{
    struct request request = { 0 };
    struct job_place detected;
    int status = request_read(&request, argc, argv);

    launcher_only_forget();
    if (status == CMD_OK)
        status = place_detect(&cmd_wrap, &detected);
    /* First the pipes, so that what is said from here on comes in whole lines. */
    if (status == CMD_OK && job_stdio_attach(JOB_ROLE_COMMAND, detected.rank) != TROUPE_OK)
        status = failed();
    /* Under `troupe run` it has been tried. */
    if (status == CMD_OK && !job_stdio_attached())
        status = place_topology_check(&cmd_wrap, &request.options);
    if (status == CMD_OK)
        status = place_take(&request, &detected);
    if (status == CMD_OK && request.torch && torch_variables_set(&detected) != TROUPE_OK)
        status = failed();
    return status == CMD_OK ? become(argv + optind) : status;
}

static const struct cmd_option options_table[] = {
    { PLACE_OPTION_MODE, "gpu-mode", "MODE", PLACE_HELP_MODE },
    { PLACE_OPTION_PER_RANK, "gpus-per-rank", "K", PLACE_HELP_PER_RANK },
    { PLACE_OPTION_BIND, "bind", "HOW", PLACE_HELP_BIND },
    { PLACE_OPTION_TOPO, "topo", "FILE", PLACE_HELP_TOPO },
    { OPTION_TORCH, "torch", NULL, "Set RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR … too" },
    { OPTION_COLON, "colon", "WORD", "What stands for the word : in COMMAND, for mpirun's sake" },
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
