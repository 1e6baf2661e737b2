/* `troupe env`: a rank's environment as lines for a shell: eval "$(troupe env)". It prints, and
 * changes nothing; a shell cannot be bound from its child, so the CPUs are told, not set. */
#include <stdio.h>

#include "cmd.h"
#include "place_options.h"
#include "troupe/troupe.h"

/* A value between single quotes, inside which a shell takes everything as it is. */
static void export_print(const char *name, const char *value)
{
    if (value == NULL)
        return;
    printf("export %s='", name);
    for (; *value != '\0'; value++)
        if (*value == '\'')
            fputs("'\\''", stdout);
        else
            putchar(*value);
    puts("'");
}

static int env(int argc, char **argv)
{
    struct topo_options options;
    struct job_place detected;
    struct topo_variable variables[TOPO_VARIABLES];
    struct topo_place place;
    const char *value;
    int letter, status;

    if (topo_options_read(&options) != TROUPE_OK)
        return cmd_usage_error(&cmd_env, "%s", troupe_last_error());
    while ((letter = cmd_option_next(&cmd_env, argc, argv, &value)) != CMD_OPTION_END)
        if (letter == CMD_OPTION_BAD ||
            place_option_take(&cmd_env, letter, value, &options) != CMD_OK)
            return CMD_USAGE;
    if (argc > optind)
        return cmd_usage_error(&cmd_env, "%s: takes no command; write troupe wrap %s", argv[optind],
                               argv[optind]);
    status = place_detect(&cmd_env, &detected);
    if (status == CMD_OK)
        status = place_topology_check(&cmd_env, &options);
    if (status == CMD_OK)
        status = place_compute(&cmd_env, &detected, &options, &place);
    if (status != CMD_OK)
        return status;
    if (place.note != NULL)
        fprintf(stderr, "troupe env: %s\n", place.note);
    topo_place_variables(&place, variables);
    for (size_t i = 0; i < TOPO_VARIABLES; i++)
        export_print(variables[i].name, variables[i].value);
    topo_place_free(&place);
    return CMD_OK;
}

static const struct cmd_option options_table[] = {
    { PLACE_OPTION_MODE, "gpu-mode", "MODE", PLACE_HELP_MODE },
    { PLACE_OPTION_PER_RANK, "gpus-per-rank", "K", PLACE_HELP_PER_RANK },
    { PLACE_OPTION_BIND, "bind", "HOW", PLACE_HELP_BIND },
    { PLACE_OPTION_TOPO, "topo", "FILE", PLACE_HELP_TOPO },
    { 0, NULL, NULL, NULL },
};

const struct cmd cmd_env = {
    .name = "env",
    .usage = "env [options]",
    .summary = "Prints one rank's environment for a shell's eval",
    .text = "In the script that a launcher starts: eval \"$(troupe env)\"\n"
            "A mask that is right already is not printed. Bind by: taskset -cp $TROUPE_PLACED_CPUS "
            "$$\n",
    .options = options_table,
    .run = env,
};
