/* The verbs of the `troupe` command: one cmd_<verb>.c each, with its option table, from which both
 * the parsing and the help are made. A verb returns the exit status; words for people go to
 * standard error, what was asked for goes to standard output. */
#ifndef TROUPE_LAUNCH_CMD_H
#define TROUPE_LAUNCH_CMD_H

#include <getopt.h>
#include <stdbool.h>

/* Exit statuses; a program's own status passes unchanged. */
enum {
    CMD_OK = 0,
    CMD_FAILED = 1,
    CMD_USAGE = 2,
    CMD_LAUNCHER_FAILED = 125,
    CMD_NOT_EXECUTABLE = 126,
    CMD_NOT_FOUND = 127
};

/* Letters of options that have no short form start here. */
enum { CMD_LONG_ONLY = 256 };

enum { CMD_OPTION_END = -1, CMD_OPTION_BAD = '?' };

struct cmd_option {
    int letter;        /* what cmd_option_next returns; below CMD_LONG_ONLY it is the short form */
    const char *name;  /* the long form, NULL for none */
    const char *value; /* what it takes, as the help calls it; NULL for a switch */
    const char *help;
};

struct cmd {
    const char *name;
    const char *usage;                 /* what follows "troupe ", "run [options] COMMAND …" */
    const char *summary;               /* one line, no full stop */
    const char *text;                  /* paragraphs after the options, or NULL */
    const struct cmd_option *options;  /* ends with a row of zeros; NULL for none */
    int (*run)(int argc, char **argv); /* argv[0] is the verb; NULL: a program troupe-<name> */
};

/* All verbs, in the order of the help; ends with NULL. */
extern const struct cmd *const cmd_table[];

extern const struct cmd cmd_run, cmd_wrap, cmd_env, cmd_plan, cmd_doctor, cmd_help;

const struct cmd *cmd_find(const char *name);

/* Runs a verb: in this process, or by becoming troupe-<name>, which lies beside `troupe` or in its
 * libexec folder. Verbs that need MPI are such programs, so that `troupe` itself never loads it. */
int cmd_dispatch(const struct cmd *cmd, int argc, char **argv);

/* Takes the next option, up to the first word that is none, so that a COMMAND keeps its own.
 *
 * value       the option's value, or NULL
 * Returns     the option's letter; CMD_OPTION_END, after which optind names the rest;
 *             CMD_OPTION_BAD after one line that says what is wrong. -h and --help print the help
 *             and exit with 0. */
int cmd_option_next(const struct cmd *cmd, int argc, char **argv, const char **value);

/* Prints "troupe <verb>: …" on one line of standard error and returns CMD_USAGE. */
int cmd_usage_error(const struct cmd *cmd, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Prints a verb's whole help on standard output. */
void cmd_help_print(const struct cmd *cmd);

/* The path of the running `troupe`, for starting it again; false after one line. */
bool cmd_self_path(char *path, int size);

#endif
