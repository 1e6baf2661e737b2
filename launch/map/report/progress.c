#include "launch/map/report/progress.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/error.h"
#include "base/text.h"
#include "launch/map/report/duration.h"
#include "launch/map/report/escape.h"
#include "launch/map/report/rate.h"

enum { COLUMNS_DEFAULT = 80, COLUMNS_LEAST = 20, BAR_LEAST = 10, BAR_MOST = 40 };

static const uint64_t bar_pause_ns = 100000000;
static const uint64_t line_pause_least_ns = 5000000000, line_pause_most_ns = 60000000000;

#define COLOUR_GOOD "\033[32m"
#define COLOUR_BAD "\033[31m"
#define COLOUR_NONE "\033[0m"
#define LINE_CLEAR "\r\033[K"

struct node_count {
    uint64_t ended, running;
};

struct progress {
    int descriptor;
    enum progress_form form;
    bool colour;
    const char *const *hosts;
    size_t host_count;
    struct node_count *nodes; /* [host_count] */
    uint64_t total;           /* 0: not known */
    bool is_final;
    uint64_t done, failed, skipped, running;
    bool is_drawn;      /* a bar stands on the terminal */
    uint64_t next_ns;   /* when to draw again; 0: never drawn */
    uint64_t pause_ns;  /* between two lines */
    uint64_t line_said; /* what had ended when the last line was written */
    struct rate rate;
};

/* ---- what happens --------------------------------------------------------------------------- */

static bool colour_wanted(const struct progress_options *options)
{
    const char *no_colour = getenv("NO_COLOR");

    return !options->plain && (no_colour == NULL || *no_colour == '\0');
}

static enum progress_form form_choose(const struct progress_options *options)
{
    const char *terminal = getenv("TERM");

    if (options->form != PROGRESS_AUTO)
        return options->form;
    if (!isatty(options->descriptor) || terminal == NULL || strcmp(terminal, "dumb") == 0)
        return PROGRESS_LINES;
    return PROGRESS_BAR;
}

int progress_open(const struct progress_options *options, struct progress **progress)
{
    struct progress *made = calloc(1, sizeof *made);

    if (made != NULL)
        made->nodes = calloc(options->host_count + 1, sizeof *made->nodes);
    if (made == NULL || made->nodes == NULL) {
        free(made);
        return fail(TROUPE_NO_MEMORY, "out of memory");
    }
    made->descriptor = options->descriptor;
    made->form = form_choose(options);
    made->colour = colour_wanted(options);
    made->hosts = options->hosts;
    made->host_count = options->host_count;
    made->pause_ns = line_pause_least_ns;
    *progress = made;
    return TROUPE_OK;
}

void progress_total(struct progress *progress, uint64_t total, bool final)
{
    progress->total = total;
    progress->is_final = final;
}

/* A node beyond those that were named is counted in one behind them. */
static struct node_count *node_of(struct progress *progress, uint32_t node)
{
    return &progress->nodes[node < progress->host_count ? node : progress->host_count];
}

void progress_runs_none(struct progress *progress)
{
    progress->running = 0;
    for (size_t i = 0; i <= progress->host_count; i++)
        progress->nodes[i].running = 0;
}

void progress_runs(struct progress *progress, uint32_t node)
{
    progress->running++;
    node_of(progress, node)->running++;
}

void progress_ended(struct progress *progress, const struct map_record *record)
{
    if (record->state == MAP_SKIPPED) {
        progress->skipped++;
        return;
    }
    node_of(progress, record->node)->ended++;
    if (record->state == MAP_DONE)
        progress->done++;
    else
        progress->failed++;
}

/* ---- the words ------------------------------------------------------------------------------ */

/* Text and the columns that it takes on a terminal, in which colours count nothing. */
struct line {
    struct text text;
    size_t columns;
};

static void line_append(struct line *line, const char *colour, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void line_append(struct line *line, const char *colour, const char *format, ...)
{
    char piece[128];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(piece, sizeof piece, format, arguments);
    va_end(arguments);
    line->columns += strlen(piece);
    text_append(&line->text, "%s%s%s", colour != NULL ? colour : "", piece,
                colour != NULL ? COLOUR_NONE : "");
}

static uint64_t ended(const struct progress *progress)
{
    return progress->done + progress->failed;
}

static const char *bad_colour(const struct progress *progress)
{
    return progress->colour && progress->failed > 0 ? COLOUR_BAD : NULL;
}

/* How many are over, of how many. */
static void count_append(const struct progress *progress, struct line *line)
{
    uint64_t over = ended(progress) + progress->skipped;

    if (progress->total > 0)
        line_append(line, NULL, "%" PRIu64 " of %" PRIu64 "%s", over, progress->total,
                    progress->is_final ? "" : "+");
    else
        line_append(line, NULL, "%" PRIu64, over);
}

static void rate_append(const struct progress *progress, uint64_t now_ns, struct line *line)
{
    double rate = rate_each_second(&progress->rate, now_ns, ended(progress));
    uint64_t over = ended(progress) + progress->skipped;
    char left[DURATION_BYTES];

    if (rate <= 0)
        return;
    line_append(line, NULL, ", %.*f/s", rate < 10 ? 2 : rate < 100 ? 1 : 0, rate);
    if (progress->is_final && progress->total > over)
        line_append(line, NULL, ", %s left",
                    duration_write((int64_t)((double)(progress->total - over) / rate * 1e6), left));
}

static void figures_append(const struct progress *progress, uint64_t now_ns, struct line *line)
{
    count_append(progress, line);
    if (progress->failed > 0)
        line_append(line, bad_colour(progress), ", %" PRIu64 " failed", progress->failed);
    line_append(line, NULL, ", %" PRIu64 " running", progress->running);
    rate_append(progress, now_ns, line);
}

/* What each node has ended and runs now, as far as the columns reach. */
static void nodes_append(const struct progress *progress, size_t columns, struct line *line)
{
    for (size_t i = 0; i < progress->host_count && progress->host_count > 1; i++) {
        char node[64];
        int size =
            snprintf(node, sizeof node, "%s%.20s %" PRIu64 "+%" PRIu64, i == 0 ? "  " : ", ",
                     progress->hosts[i], progress->nodes[i].ended, progress->nodes[i].running);

        if (line->columns + (size_t)size > columns)
            return;
        line_append(line, NULL, "%s", node);
    }
}

/* ---- drawing -------------------------------------------------------------------------------- */

static size_t terminal_columns(int descriptor)
{
    struct winsize size;

    if (ioctl(descriptor, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
        return COLUMNS_DEFAULT;
    return size.ws_col < COLUMNS_LEAST ? COLUMNS_LEAST : size.ws_col;
}

/* [=====>    ], when there is a total and room. */
static void bar_append(const struct progress *progress, size_t room, struct line *line)
{
    uint64_t over = ended(progress) + progress->skipped;
    size_t width = room > BAR_MOST ? BAR_MOST : room, full;

    if (progress->total == 0 || !progress->is_final || width < BAR_LEAST)
        return;
    width -= 3; /* the brackets and a blank */
    full = over < progress->total ? (size_t)((double)over / (double)progress->total * (double)width)
                                  : width;
    line_append(line, NULL, "[");
    line_append(line, progress->colour && full > 0 ? COLOUR_GOOD : NULL, "%.*s", (int)full,
                "========================================");
    line_append(line, NULL, "%s%*s] ", full < width ? ">" : "",
                (int)(width - full - (full < width)), "");
}

static void out_write(const struct progress *progress, const struct text *text)
{
    if (text->data != NULL && write(progress->descriptor, text->data, text->size) < 0)
        return; /* standard error is gone: there is nobody to tell */
}

static void bar_draw(struct progress *progress, uint64_t now_ns)
{
    size_t columns = terminal_columns(progress->descriptor) - 1;
    struct line line = { 0 }, figures = { 0 };

    figures_append(progress, now_ns, &figures);
    text_append(&line.text, LINE_CLEAR);
    bar_append(progress, columns > figures.columns ? columns - figures.columns : 0, &line);
    line.columns += figures.columns;
    if (line.columns <= columns)
        text_append_bytes(&line.text, figures.text.data, figures.text.size);
    else
        text_append(&line.text, "%.*s", (int)columns, "too narrow for figures");
    nodes_append(progress, columns, &line);
    out_write(progress, &line.text);
    progress->is_drawn = true;
    text_free(&line.text);
    text_free(&figures.text);
}

static void line_draw(struct progress *progress, uint64_t now_ns)
{
    struct line line = { 0 };
    bool colour = progress->colour;

    if (progress->line_said == ended(progress))
        return;
    progress->line_said = ended(progress);
    progress->colour = false;
    text_append(&line.text, "troupe map: ");
    figures_append(progress, now_ns, &line);
    text_append(&line.text, "\n");
    progress->colour = colour;
    out_write(progress, &line.text);
    text_free(&line.text);
}

uint64_t progress_draw(struct progress *progress, uint64_t now_ns)
{
    bool is_first = progress->next_ns == 0;

    if (progress->form == PROGRESS_NONE)
        return UINT64_MAX;
    if (now_ns < progress->next_ns)
        return progress->next_ns;
    rate_tell(&progress->rate, now_ns, ended(progress));
    if (progress->form == PROGRESS_BAR) {
        bar_draw(progress, now_ns);
        progress->next_ns = now_ns + bar_pause_ns;
        return progress->next_ns;
    }
    /* Nothing to say at the very start; a long run says less and less often. */
    if (!is_first) {
        line_draw(progress, now_ns);
        progress->pause_ns = 2 * progress->pause_ns < line_pause_most_ns ? 2 * progress->pause_ns
                                                                         : line_pause_most_ns;
    }
    progress->next_ns = now_ns + progress->pause_ns;
    return progress->next_ns;
}

void progress_hide(struct progress *progress)
{
    static const struct text clear = { .data = (char *)LINE_CLEAR, .size = sizeof LINE_CLEAR - 1 };

    if (!progress->is_drawn)
        return;
    out_write(progress, &clear);
    progress->is_drawn = false;
    progress->next_ns = 1; /* it comes back at the next draw */
}

void progress_close(struct progress *progress)
{
    if (progress == NULL)
        return;
    progress_hide(progress);
    free(progress->nodes);
    free(progress);
}
