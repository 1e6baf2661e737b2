#include "launch/map/report/summary.h"

#include <inttypes.h>
#include <string.h>

#include "launch/map/report/duration.h"
#include "launch/map/report/escape.h"
#include "launch/map/report/state.h"

/* Run times are counted in spans that grow with them: SPANS_EACH for each doubling, so that a span
 * is at most 1/SPANS_EACH of its time wide. */
enum { SPANS_EACH = 16, SPAN_BITS = 4 };

static size_t span_of(int64_t us)
{
    uint64_t time = us > 0 ? (uint64_t)us : 0;
    int doublings;

    if (time < 2 * SPANS_EACH)
        return (size_t)time;
    doublings = 63 - __builtin_clzll(time) - SPAN_BITS;
    time = (time >> doublings) + (uint64_t)doublings * SPANS_EACH;
    return time < SUMMARY_SPANS ? (size_t)time : SUMMARY_SPANS - 1;
}

/* The middle of a span. */
static int64_t span_time(size_t span)
{
    int doublings;

    if (span < 2 * SPANS_EACH)
        return (int64_t)span;
    doublings = (int)(span / SPANS_EACH) - 1;
    return ((int64_t)(SPANS_EACH + span % SPANS_EACH) << doublings) +
           ((INT64_C(1) << doublings) >> 1);
}

static void slow_write(const struct map_record *record, struct summary_slow *slow)
{
    struct text text = { 0 };
    size_t size = strlen(record->command), cut;

    *slow =
        (struct summary_slow){ .seq = record->seq, .rank = record->rank, .run_us = record->run_us };
    /* More than fits, so that a character is cut here and not before it is looked at. */
    escape_terminal(&text, record->command,
                    size < 2 * SUMMARY_COMMAND_BYTES ? size : 2 * SUMMARY_COMMAND_BYTES);
    if (text.data == NULL)
        return;
    for (cut = text.size; cut >= SUMMARY_COMMAND_BYTES || (text.data[cut] & 0xc0) == 0x80;)
        cut--;
    memcpy(slow->command, text.data, cut);
    text_free(&text);
}

static void slowest_add(struct summary *summary, const struct map_record *record)
{
    size_t at = summary->slow_count;

    while (at > 0 && summary->slowest[at - 1].run_us < record->run_us)
        at--;
    if (at == SUMMARY_SLOWEST)
        return;
    if (summary->slow_count < SUMMARY_SLOWEST)
        summary->slow_count++;
    memmove(&summary->slowest[at + 1], &summary->slowest[at],
            (summary->slow_count - at - 1) * sizeof *summary->slowest);
    slow_write(record, &summary->slowest[at]);
}

void summary_add(struct summary *summary, const struct map_record *record)
{
    summary->counts[record->state]++;
    if (record->state == MAP_SKIPPED)
        return;
    if (record->attempt > 1)
        summary->again += record->attempt - 1;
    summary->out_bytes += record->out_bytes;
    summary->err_bytes += record->err_bytes;
    summary->run_us += record->run_us;
    summary->gpu_us += record->run_us * record->gpus;
    summary->spans[span_of(record->run_us)]++;
    slowest_add(summary, record);
}

static uint64_t ran(const struct summary *summary)
{
    uint64_t count = 0;

    for (int state = MAP_DONE; state < MAP_SKIPPED; state++)
        count += summary->counts[state];
    return count;
}

uint64_t summary_failed(const struct summary *summary)
{
    return ran(summary) - summary->counts[MAP_DONE];
}

int64_t summary_median_us(const struct summary *summary)
{
    uint64_t half = (ran(summary) + 1) / 2, below = 0;

    for (size_t i = 0; i < SUMMARY_SPANS && half > 0; i++) {
        below += summary->spans[i];
        if (below >= half)
            return span_time(i);
    }
    return 0;
}

static void counts_print(const struct summary *summary, struct text *text)
{
    uint64_t all = ran(summary) + summary->counts[MAP_SKIPPED];

    text_append(text, "%" PRIu64 " task%s: %" PRIu64 " done", all, all == 1 ? "" : "s",
                summary->counts[MAP_DONE]);
    for (int state = MAP_FAILED; state <= MAP_SKIPPED; state++)
        if (summary->counts[state] > 0)
            text_append(text, ", %" PRIu64 " %s", summary->counts[state],
                        state_words((enum map_state)state));
    if (summary->again > 0)
        text_append(text, "; %" PRIu64 " run%s again", summary->again,
                    summary->again == 1 ? "" : "s");
    text_append(text, "\n");
}

static void times_print(const struct summary *summary, int64_t elapsed_us, struct text *text)
{
    char elapsed[DURATION_BYTES], all[DURATION_BYTES], half[DURATION_BYTES];
    double us_each_hour = 3.6e9;

    text_append(text, "took %s for %s of work", duration_write(elapsed_us, elapsed),
                duration_write(summary->run_us, all));
    if (elapsed_us > 0)
        text_append(text, ", %.1f at a time", (double)summary->run_us / (double)elapsed_us);
    text_append(text, "; the median task about %s\n",
                duration_write(summary_median_us(summary), half));
    if (summary->gpu_us > 0)
        text_append(text, "%.3g GPU-hours\n", (double)summary->gpu_us / us_each_hour);
}

void summary_print(const struct summary *summary, int64_t elapsed_us, struct text *text)
{
    counts_print(summary, text);
    if (ran(summary) == 0)
        return;
    times_print(summary, elapsed_us, text);
    if (summary->slow_count < 2)
        return;
    text_append(text, "slowest:\n");
    for (size_t i = 0; i < summary->slow_count; i++) {
        const struct summary_slow *slow = &summary->slowest[i];
        char time[DURATION_BYTES];

        text_append(text, "%12s  rank %-4" PRIu32 " %8" PRIu64 "  %s\n",
                    duration_write(slow->run_us, time), slow->rank, slow->seq, slow->command);
    }
}
