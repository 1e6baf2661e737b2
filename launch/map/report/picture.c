/* From top to bottom: title, figures, legend, the rows, the axis. Lengths are in points. */
#include "launch/map/report/picture.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "launch/map/report/duration.h"
#include "launch/map/report/escape.h"
#include "launch/map/report/state.h"
#include "troupe/types.h"

enum {
    LEFT = 130, /* of the rows; their labels stand there */
    PLOT = 900,
    RIGHT = 60,
    WIDTH = LEFT + PLOT + RIGHT,
    TITLE_Y = 24,
    FIGURES_Y = 44,
    LEGEND_Y = 66,
    TOP = 84, /* of the rows */
    AXIS = 44,
    LABEL_HEIGHT = 12,
    HOST_CHARACTERS = 14,
    TITLE_CHARACTERS = 110,
    TICKS_MOST = 10
};

static const double character_width = 6.2; /* of the text in bars */

struct picture {
    const struct bars *bars;
    const struct timeline_options *options;
    struct sink *sink;
    double row_height, bar_height;
    double us_width; /* of a microsecond */
    double bottom;   /* of the rows */
};

static const char style[] =
    "<style>"
    "text{font:12px system-ui,sans-serif;fill:#24292f}"
    ".page{fill:#fff}.title{font-size:15px;font-weight:600}.small,.in{font-size:11px}"
    ".in{fill:#fff;pointer-events:none}.quiet{fill:#57606a}.grid{stroke:#d0d7de}.row{fill:#f3f5f7}"
    ".done{fill:#0072b2}.failed{fill:#d55e00}.timed_out{fill:#e69f00}.given_up{fill:#cc79a7}"
    "@media(prefers-color-scheme:dark){"
    "text{fill:#e6edf3}.page{fill:#0d1117}.quiet{fill:#9198a1}.grid{stroke:#30363d}"
    ".row{fill:#161b22}.in{fill:#0d1117}.done{fill:#56b4e9}}"
    "</style>\n";

/* ---- the head ------------------------------------------------------------------------------- */

static void figures_append(const struct picture *picture, struct text *text)
{
    const struct bars *bars = picture->bars;
    int64_t span_us = bars->last_us - bars->first_us, busy_us = 0;
    uint64_t tasks = 0;
    char span[DURATION_BYTES];

    for (int state = MAP_DONE; state < MAP_SKIPPED; state++)
        tasks += bars->counts[state];
    for (size_t i = 0; i < bars->row_count; i++)
        busy_us += bars->rows[i].busy_us;
    text_append(text,
                "<text class=\"quiet\" x=\"12\" y=\"%d\">%" PRIu64 " task%s on %zu rank%s in %s",
                FIGURES_Y, tasks, tasks == 1 ? "" : "s", bars->row_count,
                bars->row_count == 1 ? "" : "s", duration_write(span_us, span));
    if (span_us > 0 && bars->row_count > 0)
        text_append(text, ", busy %.0f %%",
                    100.0 * (double)busy_us / (double)span_us / (double)bars->row_count);
    text_append(text, "</text>\n");
}

static void legend_append(const struct picture *picture, struct text *text)
{
    enum { SWATCH = 12, GAP = 6, BETWEEN = 24, LETTER = 7 };
    int x = 12;

    for (int i = MAP_DONE; i < MAP_SKIPPED; i++) {
        enum map_state state = (enum map_state)i;
        char words[64];

        if (picture->bars->counts[state] == 0)
            continue;
        snprintf(words, sizeof words, "%s %" PRIu64, state_words(state),
                 picture->bars->counts[state]);
        text_append(text,
                    "<rect class=\"%s\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"2\"/>"
                    "<text x=\"%d\" y=\"%d\">%s</text>\n",
                    state_name(state), x, LEGEND_Y - SWATCH + 2, SWATCH, SWATCH, x + SWATCH + GAP,
                    LEGEND_Y, words);
        x += SWATCH + GAP + (int)strlen(words) * LETTER + BETWEEN;
    }
}

static void head_append(const struct picture *picture, struct text *text)
{
    const char *title = picture->options->title;
    size_t size = escape_cut(title, strlen(title), TITLE_CHARACTERS);
    double height = picture->bottom + AXIS;

    text_append(text,
                "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %.0f\" width=\"%d\" "
                "height=\"%.0f\" role=\"img\">\n",
                WIDTH, height, WIDTH, height);
    text_append(text, "%s<rect class=\"page\" width=\"100%%\" height=\"100%%\"/>\n", style);
    text_append(text, "<text class=\"title\" x=\"12\" y=\"%d\">", TITLE_Y);
    escape_xml(text, title, size);
    text_append(text, "%s</text>\n", size < strlen(title) ? "…" : "");
    figures_append(picture, text);
    legend_append(picture, text);
}

/* ---- the axis ------------------------------------------------------------------------------- */

/* The step between two ticks: the least of the usual ones that makes at most TICKS_MOST. */
static int64_t tick_step(int64_t span_us)
{
    static const int64_t minute = 60000000,
                         steps[] = { 1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720 };
    int64_t power = 1;

    for (; power < minute / 2; power *= 10)
        for (int i = 0; i < 3; i++)
            if (steps[i] * power < minute / 2 && span_us / (steps[i] * power) < TICKS_MOST)
                return steps[i] * power;
    if (span_us / (minute / 2) < TICKS_MOST)
        return minute / 2;
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
        if (span_us / (steps[i] * minute) < TICKS_MOST)
            return steps[i] * minute;
    for (power = 1440 * minute; span_us / power >= TICKS_MOST;)
        power *= 2;
    return power;
}

/* A tick's time in the unit that suits the step: 250 ms, 1.5 s, 2:30 (minutes), 3:00:00. */
static void tick_write(int64_t us, int64_t step_us, char *text, size_t size)
{
    enum { MS = 1000, S = 1000000 };
    long long seconds = us / S;

    if (us == 0)
        snprintf(text, size, "0");
    else if (step_us < MS)
        snprintf(text, size, "%lld us", (long long)us);
    else if (step_us < S / 2)
        snprintf(text, size, "%lld ms", (long long)(us / MS));
    else if (step_us < 15 * (int64_t)S)
        snprintf(text, size, "%g s", (double)us / S);
    else if (seconds < 3600)
        snprintf(text, size, "%lld:%02lld", seconds / 60, seconds % 60);
    else
        snprintf(text, size, "%lld:%02lld:%02lld", seconds / 3600, seconds / 60 % 60, seconds % 60);
}

static void axis_append(const struct picture *picture, struct text *text)
{
    enum { LABEL_BELOW = 16 };
    int64_t span_us = picture->bars->last_us - picture->bars->first_us;
    int64_t step_us = tick_step(span_us);

    for (int64_t us = 0; us <= span_us; us += step_us) {
        double x = LEFT + (double)us * picture->us_width;
        char label[32];

        tick_write(us, step_us, label, sizeof label);
        text_append(text, "<path class=\"grid\" d=\"M%.1f %dV%.1f\"/>", x, TOP - 4,
                    picture->bottom + 4);
        text_append(text,
                    "<text class=\"small quiet\" text-anchor=\"middle\" x=\"%.1f\" y=\"%.1f\">%s"
                    "</text>\n",
                    x, picture->bottom + LABEL_BELOW, label);
        if (span_us == 0)
            break;
    }
}

/* ---- the rows ------------------------------------------------------------------------------- */

static const char *host_of(const struct picture *picture, uint32_t node)
{
    return node < picture->options->host_count ? picture->options->hosts[node] : "";
}

/* Who the row is, as often as labels have room, and how busy it was. */
static void row_label_append(const struct picture *picture, size_t rank, double y,
                             struct text *text)
{
    const struct bars_row *row = &picture->bars->rows[rank];
    const char *host = host_of(picture, row->node);
    int64_t span_us = picture->bars->last_us - picture->bars->first_us;
    bool begins_node = rank == 0 || picture->bars->rows[rank - 1].node != row->node;
    size_t every =
        picture->row_height < LABEL_HEIGHT ? (size_t)(LABEL_HEIGHT / picture->row_height) + 1 : 1;
    double base = y + picture->bar_height / 2 + 4;

    if (rank % every != 0)
        return;
    if (begins_node) {
        text_append(text, "<text class=\"small\" x=\"12\" y=\"%.1f\">", base);
        escape_xml(text, host, escape_cut(host, strlen(host), HOST_CHARACTERS));
        text_append(text, "</text>");
    }
    text_append(text, "<text class=\"small\" text-anchor=\"end\" x=\"%d\" y=\"%.1f\">%zu</text>",
                LEFT - 8, base, rank);
    if (span_us > 0)
        text_append(text, "<text class=\"small quiet\" x=\"%d\" y=\"%.1f\">%.0f %%</text>\n",
                    LEFT + PLOT + 8, base, 100.0 * (double)row->busy_us / (double)span_us);
}

/* What is shown while the pointer rests on a bar. */
static void bar_title_append(const struct picture *picture, const struct bar *bar, size_t rank,
                             struct text *text)
{
    char start[DURATION_BYTES], took[DURATION_BYTES];

    text_append(text, "<title>");
    if (bar->tasks > 1) {
        text_append(text, "%" PRIu32 " tasks, the first is number %" PRIu64, bar->tasks, bar->seq);
        if (bar->failed > 0)
            text_append(text, "; %" PRIu32 " did not end well, the worst: %s", bar->failed,
                        state_words(bar->state));
    } else {
        text_append(text, "%" PRIu64 ": ", bar->seq);
        if (bar->label != NULL)
            escape_xml(text, bar->label, strlen(bar->label));
        text_append(text, "\n%s", state_words(bar->state));
        if (bar->signal != 0)
            text_append(text, ", signal %d", bar->signal);
        else if (bar->exit_code != 0)
            text_append(text, ", status %d", bar->exit_code);
        if (bar->attempt > 1)
            text_append(text, ", attempt %" PRIu32, bar->attempt);
    }
    text_append(text, "\n%s, from %s on, rank %zu</title>",
                duration_write(bar->end_us - bar->start_us, took),
                duration_write(bar->start_us - picture->bars->first_us, start), rank);
}

/* The input in its bar, when there is room for a few letters of it. */
static void bar_label_append(const struct picture *picture, const struct bar *bar, double x,
                             double y, double width, struct text *text)
{
    enum { LETTERS_LEAST = 3 };
    size_t letters = width > 8 ? (size_t)((width - 8) / character_width) : 0;

    if (bar->label == NULL || letters < LETTERS_LEAST || picture->bar_height < LABEL_HEIGHT)
        return;
    text_append(text, "<text class=\"in\" x=\"%.1f\" y=\"%.1f\">", x + 4,
                y + picture->bar_height / 2 + 4);
    escape_xml(text, bar->label, escape_cut(bar->label, strlen(bar->label), letters));
    text_append(text, "</text>");
}

/* Where a bar begins, and how wide it is. */
static double bar_place(const struct picture *picture, const struct bar *bar, double *width)
{
    static const double width_least = 0.7; /* still seen */

    *width = (double)(bar->end_us - bar->start_us) * picture->us_width;
    if (*width < width_least)
        *width = width_least;
    return LEFT + (double)(bar->start_us - picture->bars->first_us) * picture->us_width;
}

static void bar_append(const struct picture *picture, const struct bar *bar, size_t rank, double y,
                       struct text *text)
{
    double width, x = bar_place(picture, bar, &width);
    double gap = width > 4 ? 0.5 : 0; /* tells neighbours apart */

    text_append(text, "<rect class=\"%s\" x=\"%.2f\" y=\"%.1f\" width=\"%.2f\" height=\"%.1f\"%s>",
                state_name(bar->state), x, y, width - gap, picture->bar_height,
                width > 8 ? " rx=\"2\"" : "");
    bar_title_append(picture, bar, rank, text);
    text_append(text, "</rect>");
    bar_label_append(picture, bar, x, y, width, text);
    text_append(text, "\n");
}

/* Whether a pointer can rest on a bar, so that it needs a title. */
static bool can_be_met(const struct picture *picture, const struct bar *bar)
{
    static const double width_least = 2.5;
    double width;

    bar_place(picture, bar, &width);
    return width >= width_least;
}

/* The thin bars of one state, as one shape: a tenth of the bytes. */
static void thin_append(const struct picture *picture, const struct bars_row *row,
                        enum map_state state, double y, struct text *text)
{
    bool is_open = false;

    for (size_t i = 0; i < row->count; i++) {
        double width, x = bar_place(picture, &row->bars[i], &width);

        if (row->bars[i].state != state || can_be_met(picture, &row->bars[i]))
            continue;
        if (!is_open)
            text_append(text, "<path class=\"%s\" d=\"", state_name(state));
        is_open = true;
        text_append(text, "M%.1f %.1fh%.1fv%.1fh-%.1fz", x, y, width, picture->bar_height, width);
    }
    if (is_open)
        text_append(text, "\"/>\n");
}

static void row_append(const struct picture *picture, size_t rank, struct text *text)
{
    const struct bars_row *row = &picture->bars->rows[rank];
    double y = TOP + (double)rank * picture->row_height;

    text_append(text, "<rect class=\"row\" x=\"%d\" y=\"%.1f\" width=\"%d\" height=\"%.1f\"/>",
                LEFT, y, PLOT, picture->bar_height);
    row_label_append(picture, rank, y, text);
    for (size_t i = 0; i < row->count; i++)
        if (can_be_met(picture, &row->bars[i]))
            bar_append(picture, &row->bars[i], rank, y, text);
    for (int state = MAP_DONE; state < MAP_SKIPPED; state++)
        thin_append(picture, row, (enum map_state)state, y, text);
}

/* ---- all of it ------------------------------------------------------------------------------ */

/* Many rows are lower, so that thousands still make a picture. */
static void rows_measure(struct picture *picture)
{
    static const struct {
        size_t rows;
        double height, gap;
    } sizes[] = { { 32, 20, 2 }, { 128, 14, 2 }, { 512, 6, 1 }, { SIZE_MAX, 3, 0.5 } };
    size_t count = picture->bars->row_count, i = 0;
    int64_t span_us = picture->bars->last_us - picture->bars->first_us;

    while (count > sizes[i].rows)
        i++;
    picture->row_height = sizes[i].height;
    picture->bar_height = sizes[i].height - sizes[i].gap;
    picture->bottom = TOP + (double)count * sizes[i].height;
    picture->us_width = span_us > 0 ? (double)PLOT / (double)span_us : 0;
}

int picture_write(const struct bars *bars, const struct timeline_options *options,
                  struct sink *sink)
{
    struct picture picture = { .bars = bars, .options = options, .sink = sink };
    int result;

    rows_measure(&picture);
    head_append(&picture, &sink->text);
    axis_append(&picture, &sink->text);
    for (size_t rank = 0; rank < bars->row_count; rank++) {
        row_append(&picture, rank, &sink->text);
        result = sink_check(sink);
        if (result != TROUPE_OK)
            return result;
    }
    text_append(&sink->text,
                "<text class=\"small quiet\" text-anchor=\"middle\" x=\"%d\" "
                "y=\"%.1f\">since the start; rows are ranks, with their busy time"
                "</text>\n</svg>\n",
                LEFT + PLOT / 2, picture.bottom + AXIS - 10);
    return sink_flush(sink);
}
