/* Telling. The command is written out only where somebody will read it. */
#include "tell.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "job/words.h"

static void words_write(char *const *words, struct text *text)
{
    for (size_t i = 0; words != NULL && words[i] != NULL; i++) {
        if (i > 0)
            text_append(text, " ");
        words_quote(text, words[i]);
    }
}

static int joblog_begin(struct tell *tell)
{
    const struct joblog_options options = { .path = tell->options->joblog,
                                            .json = tell->options->json,
                                            .append = tell->options->resume,
                                            .hosts = tell->crew->roll.hosts,
                                            .host_count = tell->crew->roll.nodes };

    return options.path != NULL ? joblog_open(&options, &tell->joblog) : TROUPE_OK;
}

static int timeline_begin(struct tell *tell)
{
    const struct timeline_options options = { .path = tell->options->timeline,
                                              .title = tell->title.data,
                                              .hosts = tell->crew->roll.hosts,
                                              .host_count = tell->crew->roll.nodes,
                                              .ranks = tell->crew->size };

    return options.path != NULL ? timeline_open(&options, &tell->timeline) : TROUPE_OK;
}

static int progress_begin(struct tell *tell)
{
    const struct progress_options options = { .descriptor = STDERR_FILENO,
                                              .form = tell->options->quiet
                                                          ? PROGRESS_NONE
                                                          : tell->options->progress,
                                              .hosts = tell->crew->roll.hosts,
                                              .host_count = tell->crew->roll.nodes };

    return progress_open(&options, &tell->progress);
}

int tell_open(const struct map_options *options, const struct crew *crew, struct tell *tell)
{
    int result;

    *tell = (struct tell){ .options = options, .crew = crew, .began = clock_now() };
    words_write(options->command.data, &tell->title);
    if (tell->title.broken)
        return fail(TROUPE_NO_MEMORY, "out of memory");
    result = template_parse(options->command.data, options->command.count, options->shell,
                            &tell->template);
    if (result == TROUPE_OK)
        result = progress_begin(tell);
    if (result == TROUPE_OK)
        result = joblog_begin(tell);
    return result == TROUPE_OK ? timeline_begin(tell) : result;
}

/* Whether anybody wants to see the command of a task. */
static bool is_wanted(const struct tell *tell, const struct map_record *record)
{
    const struct summary *summary = &tell->summary;

    return tell->joblog != NULL || tell->timeline != NULL ||
           (!tell->options->quiet &&
            (summary->slow_count < SUMMARY_SLOWEST ||
             record->run_us > summary->slowest[SUMMARY_SLOWEST - 1].run_us));
}

/* A shell's line is the last of its words, and told as it was written. An input that should be a
 * command, and is none, tells of itself. */
static void command_append(struct tell *tell, char **argv)
{
    size_t last = 0;

    while (argv != NULL && tell->options->shell && argv[last + 1] != NULL)
        last++;
    if (argv == NULL)
        text_append(&tell->command, "%s", tell->joined.data);
    else if (tell->options->shell)
        text_append(&tell->command, "%s", argv[last]);
    else
        words_write(argv, &tell->command);
}

static int command_write(struct tell *tell, const struct map_task *task, struct map_record *record)
{
    const struct roll_place *where = tell->crew->workers[task->worker].place;
    const struct template_place place = { where->rank, record->attempt,
                                          where->has_mask ? where->mask : NULL };
    struct map_input input;
    troupe_bytes *columns;
    char **argv = NULL;
    int result = TROUPE_NO_MEMORY;

    if (task_input(task, &input, &columns, &tell->joined)) {
        result = template_expand(tell->template, &input, &place, &argv);
        free(columns);
    }
    if (result == TROUPE_NO_MEMORY)
        return fail(TROUPE_NO_MEMORY, "no memory to tell of a task");
    tell->command.size = 0;
    command_append(tell, argv);
    free(argv);
    record->input = tell->joined.data;
    record->input_bytes = tell->joined.size;
    record->command = tell->command.data;
    return tell->command.broken ? fail(TROUPE_NO_MEMORY, "no memory to tell of a task") : TROUPE_OK;
}

int tell_ended(struct tell *tell, const struct map_task *task)
{
    struct map_record record = task->record;
    int result = TROUPE_OK;

    record.input = "";
    record.input_bytes = 0;
    record.command = "";
    if (is_wanted(tell, &record))
        result = command_write(tell, task, &record);
    if (result != TROUPE_OK)
        return result;
    summary_add(&tell->summary, &record);
    progress_ended(tell->progress, &record);
    if (tell->joblog != NULL)
        result = joblog_add(tell->joblog, &record);
    if (tell->timeline != NULL && result == TROUPE_OK)
        result = timeline_add(tell->timeline, &record);
    return result;
}

void tell_skipped(struct tell *tell, uint64_t seq)
{
    const struct map_record record = {
        .seq = seq, .state = MAP_SKIPPED, .input = "", .command = ""
    };

    summary_add(&tell->summary, &record);
    progress_ended(tell->progress, &record);
}

int tell_close(struct tell *tell)
{
    struct text text = { 0 };
    int result = joblog_close(tell->joblog);
    int timeline = timeline_close(tell->timeline);

    progress_close(tell->progress);
    if (!tell->options->quiet) {
        summary_print(&tell->summary, (int64_t)((clock_now() - tell->began) / 1000), &text);
        if (!text.broken && write(STDERR_FILENO, text.data, text.size) < 0)
            result = result == TROUPE_OK ? fail_errno(TROUPE_SYSTEM, "cannot write the summary")
                                         : result;
    }
    text_free(&text);
    template_free(tell->template);
    text_free(&tell->joined);
    text_free(&tell->command);
    text_free(&tell->title);
    return result == TROUPE_OK ? timeline : result;
}
