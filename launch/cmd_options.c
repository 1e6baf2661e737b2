/* What is made from a verb's option table: the parsing, the errors of usage and the text of the
 * help, also for verbs that are programs of their own. */
#include "cmd.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    OPTIONS_MAX = 64, /* rows of the longest table; a longer one stops at start, before any user */
    HELP_COLUMN = 30
};

static const struct cmd_option *option_of_letter(const struct cmd *cmd, int letter)
{
    for (const struct cmd_option *option = cmd->options; option->letter != 0; option++)
        if (option->letter == letter)
            return option;
    return NULL;
}

/* getopt's two tables. The leading '+' stops at the first word, ':' tells a missing value from an
 * unknown option. */
static void tables_fill(const struct cmd *cmd, char *letters, struct option *longs)
{
    int count = 0;

    *letters++ = '+';
    *letters++ = ':';
    *letters++ = 'h';
    longs[count++] = (struct option){ "help", no_argument, NULL, 'h' };
    for (const struct cmd_option *option = cmd->options; option->letter != 0; option++) {
        if (count >= OPTIONS_MAX - 1)
            abort();
        if (option->letter < CMD_LONG_ONLY) {
            *letters++ = (char)option->letter;
            if (option->value != NULL)
                *letters++ = ':';
        }
        if (option->name != NULL)
            longs[count++] =
                (struct option){ option->name,
                                 option->value != NULL ? required_argument : no_argument, NULL,
                                 option->letter };
    }
    *letters = '\0';
    longs[count] = (struct option){ NULL, 0, NULL, 0 };
}

static int option_bad(const struct cmd *cmd, char **argv, int kind)
{
    const struct cmd_option *option = optopt != 0 ? option_of_letter(cmd, optopt) : NULL;
    const char *word = argv[optind - 1];

    if (kind == ':')
        cmd_usage_error(cmd, "%s needs a value: %s; see troupe help %s", word,
                        option != NULL ? option->value : "VALUE", cmd->name);
    else if (optopt > 0 && optopt < CMD_LONG_ONLY && option == NULL)
        cmd_usage_error(cmd, "there is no option -%c; see troupe help %s", optopt, cmd->name);
    else if (option != NULL)
        cmd_usage_error(cmd, "--%s takes no value; see troupe help %s", option->name, cmd->name);
    else
        cmd_usage_error(cmd,
                        "there is no option %s, or it is short for several; see troupe help %s",
                        word, cmd->name);
    return CMD_OPTION_BAD;
}

int cmd_option_next(const struct cmd *cmd, int argc, char **argv, const char **value)
{
    static const struct cmd_option none[] = { { 0, NULL, NULL, NULL } };
    struct cmd with_options = *cmd;
    char letters[2 * OPTIONS_MAX + 4];
    struct option longs[OPTIONS_MAX];
    int letter;

    if (with_options.options == NULL)
        with_options.options = none;
    tables_fill(&with_options, letters, longs);
    opterr = 0;
    optopt = 0;
    letter = getopt_long(argc, argv, letters, longs, NULL);
    if (letter == 'h') {
        cmd_help_print(cmd);
        exit(CMD_OK);
    }
    if (letter == '?' || letter == ':')
        return option_bad(&with_options, argv, letter);
    *value = letter == -1 ? NULL : optarg;
    return letter == -1 ? CMD_OPTION_END : letter;
}

int cmd_usage_error(const struct cmd *cmd, const char *format, ...)
{
    va_list arguments;

    fprintf(stderr, "troupe %s: ", cmd->name);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    return CMD_USAGE;
}

static void option_print(const struct cmd_option *option)
{
    char left[64];
    int used = 0;

    if (option->letter < CMD_LONG_ONLY)
        used = snprintf(left, sizeof left, "-%c%s%s", option->letter,
                        option->name != NULL    ? ", "
                        : option->value != NULL ? " "
                                                : "",
                        option->name == NULL && option->value != NULL ? option->value : "");
    else
        used = snprintf(left, sizeof left, "    ");
    if (option->name != NULL)
        snprintf(left + used, sizeof left - (size_t)used, "--%s%s%s", option->name,
                 option->value != NULL ? " " : "", option->value != NULL ? option->value : "");
    printf("  %-*s %s\n", HELP_COLUMN, left, option->help);
}

void cmd_help_print(const struct cmd *cmd)
{
    printf("troupe %s\n\n%s.\n", cmd->usage, cmd->summary);
    if (cmd->options != NULL) {
        printf("\n");
        for (const struct cmd_option *option = cmd->options; option->letter != 0; option++)
            option_print(option);
        option_print(&(struct cmd_option){ 'h', "help", NULL, "print this" });
    }
    if (cmd->text != NULL)
        printf("\n%s", cmd->text);
}
