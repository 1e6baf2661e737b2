#include "launch/map/report/bars.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "launch/map/report/escape.h"

enum {
    BARS_MOST = 1 << 16, /* of all rows, roughly: what a viewer draws without delay */
    COLUMNS_LEAST = 60,
    COLUMNS_MOST = 900, /* one for each point of the picture's width */
    EACH_COLUMN = 3
};

static int rows_reserve(struct bars *bars, size_t count)
{
    struct bars_row *rows;

    if (count <= bars->row_count)
        return TROUPE_OK;
    rows = realloc(bars->rows, count * sizeof *rows);
    if (rows == NULL)
        return fail(TROUPE_NO_MEMORY, "no memory for a timeline of %zu ranks", count);
    memset(rows + bars->row_count, 0, (count - bars->row_count) * sizeof *rows);
    bars->rows = rows;
    bars->row_count = count;
    return TROUPE_OK;
}

int bars_init(uint32_t ranks, int64_t first_us, struct bars *bars)
{
    size_t columns = BARS_MOST / (ranks > 0 ? ranks : 1);

    *bars = (struct bars){ .first_us = first_us, .last_us = first_us };
    bars->columns = columns < COLUMNS_LEAST  ? COLUMNS_LEAST
                    : columns > COLUMNS_MOST ? COLUMNS_MOST
                                             : columns;
    return rows_reserve(bars, ranks);
}

static int bar_compare(const void *left, const void *right)
{
    const struct bar *a = left, *b = right;

    return (a->start_us > b->start_us) - (a->start_us < b->start_us);
}

/* Makes two bars one. */
static void bar_join(struct bar *bar, struct bar *next)
{
    free(bar->label);
    free(next->label);
    bar->label = NULL;
    bar->tasks += next->tasks;
    bar->failed += next->failed;
    if (next->end_us > bar->end_us)
        bar->end_us = next->end_us;
    if (next->state > bar->state)
        bar->state = next->state;
}

/* Two bars that follow each other when this is done span more than a column together, so at most
 * two a column are left, and a row that was full has room again. */
static void row_settle(struct bars_row *row, int64_t column_us)
{
    size_t kept = 0;

    if (row->count == 0)
        return;
    qsort(row->bars, row->count, sizeof *row->bars, bar_compare);
    for (size_t i = 1; i < row->count; i++) {
        struct bar *last = &row->bars[kept];

        if (row->bars[i].end_us - last->start_us <= column_us &&
            last->end_us - last->start_us <= column_us)
            bar_join(last, &row->bars[i]);
        else
            row->bars[++kept] = row->bars[i];
    }
    row->count = kept + 1;
}

static int64_t column_us(const struct bars *bars)
{
    return (bars->last_us - bars->first_us) / (int64_t)bars->columns;
}

/* Room for one more. A row grows up to its most, and is settled when it has come there. */
static int row_reserve(struct bars *bars, struct bars_row *row)
{
    size_t most = EACH_COLUMN * bars->columns,
           capacity = row->capacity > 0 ? 2 * row->capacity : 16;
    struct bar *grown;

    if (row->count < row->capacity)
        return TROUPE_OK;
    if (row->count >= most) {
        row_settle(row, column_us(bars));
        if (row->count < row->capacity)
            return TROUPE_OK;
    }
    grown = realloc(row->bars, capacity * sizeof *grown);
    if (grown == NULL)
        return fail(TROUPE_NO_MEMORY, "no memory for a timeline of %zu bars a rank", capacity);
    row->bars = grown;
    row->capacity = capacity;
    return TROUPE_OK;
}

static char *label_make(const struct map_record *record)
{
    size_t size = escape_cut(record->input, record->input_bytes, BARS_LABEL_CHARACTERS);

    return size > 0 ? strndup(record->input, size) : NULL;
}

int bars_add(struct bars *bars, const struct map_record *record)
{
    int result = rows_reserve(bars, (size_t)record->rank + 1);
    struct bars_row *row;
    int64_t end_us = record->start_us + record->run_us;

    if (result != TROUPE_OK)
        return result;
    if (record->start_us < bars->first_us)
        bars->first_us = record->start_us;
    if (end_us > bars->last_us)
        bars->last_us = end_us;
    row = &bars->rows[record->rank];
    result = row_reserve(bars, row);
    if (result != TROUPE_OK)
        return result;
    row->bars[row->count++] = (struct bar){ .start_us = record->start_us,
                                            .end_us = end_us,
                                            .seq = record->seq,
                                            .tasks = 1,
                                            .failed = record->state != MAP_DONE,
                                            .state = record->state,
                                            .exit_code = record->exit_code,
                                            .signal = record->signal,
                                            .attempt = record->attempt,
                                            .label = label_make(record) };
    row->busy_us += record->run_us;
    row->node = record->node;
    bars->counts[record->state]++;
    return TROUPE_OK;
}

void bars_settle(struct bars *bars)
{
    for (size_t i = 0; i < bars->row_count; i++)
        row_settle(&bars->rows[i], column_us(bars));
}

void bars_free(struct bars *bars)
{
    for (size_t i = 0; i < bars->row_count; i++) {
        for (size_t j = 0; j < bars->rows[i].count; j++)
            free(bars->rows[i].bars[j].label);
        free(bars->rows[i].bars);
    }
    free(bars->rows);
    memset(bars, 0, sizeof *bars);
}
