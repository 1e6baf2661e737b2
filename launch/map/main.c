/* `troupe map`: the program. Started by a person it only reads the command line and becomes `troupe
 * run` of itself, so that hosts, ranks and places are chosen, started and supervised in one way;
 * started by a launcher it is a Troupe program whose parent runs the list. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "job/place.h"
#include "job/stdio.h"
#include "launch/cmd.h"
#include "launch/map/text/template.h"
#include "options.h"
#include "run.h"
#include "runtime/runtime.h"
#include "troupe/troupe.h"

static int failed(int status)
{
    fprintf(stderr, "troupe map: %s\n", troupe_last_error());
    return status;
}

/* ---- started by a person --------------------------------------------------------------------- */

/* The words of one command, as a shell would read them. */
static int command_print(const struct template *template, const struct map_input *input)
{
    const struct template_place place = { .rank = 0, .attempt = 1, .gpu = NULL };
    struct text text = { 0 };
    char **argv;
    int result = template_expand(template, input, &place, &argv);

    if (result != TROUPE_OK)
        return result;
    for (size_t i = 0; argv[i] != NULL; i++) {
        words_quote(&text, argv[i]);
        text_append(&text, argv[i + 1] != NULL ? " " : "\n");
    }
    if (!text.broken)
        fwrite(text.data, 1, text.size, stdout);
    else
        result = fail(TROUPE_NO_MEMORY, "out of memory");
    text_free(&text);
    free(argv);
    return result;
}

static int list_print(const struct map_options *options)
{
    struct template *template = NULL;
    struct inputs *inputs = NULL;
    struct map_input input;
    int result =
        template_parse(options->command.data, options->command.count, options->shell, &template);

    if (result == TROUPE_OK)
        result = inputs_open(&options->inputs, &inputs);
    while (result == TROUPE_OK && (result = inputs_next(inputs, &input, TROUPE_FOREVER)) == 1)
        result = command_print(template, &input);
    inputs_close(inputs);
    template_free(template);
    if (result != TROUPE_OK)
        return failed(CMD_FAILED);
    return fflush(stdout) == 0 ? CMD_OK : CMD_FAILED;
}

/* The folder of this program, or of `troupe` as seen from there. */
static bool path_of(const char *folder, const char *name, struct text *path)
{
    char self[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);

    if (length <= 0)
        return false;
    self[length] = '\0';
    strrchr(self, '/')[1] = '\0';
    text_append(path, "%s%s%s", self, folder, name);
    return !path->broken;
}

/* `troupe`, which lies beside this program or in the folder for commands. */
static bool troupe_find(struct text *path)
{
    if (path_of("", "troupe", path) && access(path->data, X_OK) == 0)
        return true;
    text_free(path);
    return path_of(TROUPE_BIN "/", "troupe", path) && access(path->data, X_OK) == 0;
}

/* The parent's standard error is the supervisor's pipe: whether it is a terminal is known here. */
static int line_build(const struct map_options *options, char **argv, struct words *line)
{
    struct text troupe = { 0 }, self = { 0 };
    bool found = troupe_find(&troupe) && path_of("", "troupe-map", &self);

    if (found) {
        words_append(line, troupe.data);
        words_append(line, "run");
        words_append_all(line, options->launch.data);
        words_append(line, "--");
        words_append(line, self.data);
        if (isatty(STDERR_FILENO))
            words_append(line, "--progress=bar");
        words_append_all(line, argv + 1);
    }
    text_free(&troupe);
    text_free(&self);
    if (!found)
        return fail(TROUPE_NOT_FOUND, "there is no troupe beside troupe-map; install Troupe whole");
    return line->broken ? fail(TROUPE_NO_MEMORY, "out of memory") : TROUPE_OK;
}

static int become_run(const struct map_options *options, char **argv)
{
    struct words line = { 0 };

    if (line_build(options, argv, &line) == TROUPE_OK) {
        execv(line.data[0], line.data);
        fail_errno(TROUPE_SYSTEM, "cannot run %s", line.data[0]);
    }
    words_free(&line);
    return failed(CMD_LAUNCHER_FAILED);
}

/* ---- started by a launcher ------------------------------------------------------------------- */

static bool is_in_a_world(void)
{
    struct job_place place;

    return runtime_is_fresh() || (job_place_detect(&place) == TROUPE_OK && place.is_rank);
}

/* A supervisor is told the status, and mpirun is not: at any but 0 it would spend two seconds on
 * ending processes that have left. */
static int work(int argc, char **argv, const struct map_options *options)
{
    int status;

    map_signals_catch();
    if (troupe_init(&argc, &argv) != TROUPE_OK) {
        failed(CMD_LAUNCHER_FAILED);
        return troupe_finalize(CMD_LAUNCHER_FAILED);
    }
    status = troupe_finalize(map_run(options));
    if (!job_stdio_attached())
        return status;
    job_status_report(status);
    return CMD_OK;
}

int main(int argc, char **argv)
{
    struct map_options options;
    int status = map_options_read(argc, argv, &options);

    if (status == CMD_OK && options.dry_run)
        status = list_print(&options);
    else if (status == CMD_OK)
        status = is_in_a_world() ? work(argc, argv, &options) : become_run(&options, argv);
    map_options_free(&options);
    return status;
}
