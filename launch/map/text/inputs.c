#include "launch/map/text/inputs.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "launch/map/text/feed.h"
#include "launch/map/text/sources.h"

struct inputs {
    struct feed feed;       /* closed when the inputs are the command line's */
    struct sources sources; /* without a source when they are a file's */
    struct text separator;  /* of columns; no bytes for none */
    struct text joined;     /* the command line's columns */
    troupe_bytes *columns;
    size_t capacity;
    uint64_t given;
    int failed; /* TROUPE_OK until the first failure, which stays */
};

/* "\t" and "\\" as they are written on a command line. */
static int separator_read(const char *written, struct text *separator)
{
    for (; *written != '\0'; written++) {
        if (written[0] == '\\' && (written[1] == 't' || written[1] == '\\')) {
            text_append_bytes(separator, written[1] == 't' ? "\t" : "\\", 1);
            written++;
        } else {
            text_append_bytes(separator, written, 1);
        }
    }
    if (separator->broken)
        return fail(TROUPE_NO_MEMORY, "out of memory");
    if (separator->size == 0)
        return fail(TROUPE_BAD_ARGUMENT, "the column separator is empty; write one, as ','");
    return TROUPE_OK;
}

static bool columns_reserve(struct inputs *inputs, size_t count)
{
    size_t capacity = 2 * count;
    troupe_bytes *columns;

    if (count <= inputs->capacity)
        return true;
    columns = realloc(inputs->columns, capacity * sizeof *columns);
    if (columns == NULL)
        return false;
    inputs->columns = columns;
    inputs->capacity = capacity;
    return true;
}

static int options_check(const struct inputs_options *options)
{
    bool has_file = options->file != NULL, has_arguments = options->count > 0;

    if (has_file + has_arguments + (options->follow != NULL) > 1)
        return fail(TROUPE_BAD_ARGUMENT,
                    "the inputs come from one place: :::, --inputs or --follow, not two of them");
    if (has_arguments && options->column_separator != NULL)
        return fail(TROUPE_BAD_ARGUMENT,
                    "columns are of lines; with ::: each further ::: makes a column");
    return TROUPE_OK;
}

static int source_open(const struct inputs_options *options, struct inputs *inputs)
{
    char separator = options->null_separated ? '\0' : '\n';

    if (options->count > 0)
        return sources_read(options->arguments, options->count, &inputs->sources);
    return feed_open(options->follow != NULL ? options->follow : options->file, separator,
                     options->follow != NULL, &inputs->feed);
}

int inputs_open(const struct inputs_options *options, struct inputs **inputs)
{
    struct inputs *made;
    int result = options_check(options);

    if (result != TROUPE_OK)
        return result;
    made = calloc(1, sizeof *made);
    if (made == NULL)
        return fail(TROUPE_NO_MEMORY, "out of memory");
    made->feed.descriptor = made->feed.watch = -1;
    if (options->column_separator != NULL)
        result = separator_read(options->column_separator, &made->separator);
    if (result == TROUPE_OK)
        result = source_open(options, made);
    if (result == TROUPE_OK && !columns_reserve(made, made->sources.count + 1))
        result = fail(TROUPE_NO_MEMORY, "out of memory");
    if (result != TROUPE_OK) {
        inputs_close(made);
        return result;
    }
    *inputs = made;
    return TROUPE_OK;
}

static int combination_next(struct inputs *inputs, struct map_input *input)
{
    const struct sources *sources = &inputs->sources;
    struct text *joined = &inputs->joined;

    if (inputs->given == sources->total)
        return 0;
    sources_columns(sources, inputs->given, inputs->columns);
    joined->size = 0;
    for (size_t i = 0; i < sources->count; i++) {
        text_append_bytes(joined, " ", i > 0);
        text_append_bytes(joined, inputs->columns[i].data, inputs->columns[i].size);
    }
    if (joined->broken)
        return fail(TROUPE_NO_MEMORY, "no memory for input %llu",
                    (unsigned long long)inputs->given + 1);
    *input = (struct map_input){ .bytes = joined->data,
                                 .size = joined->size,
                                 .columns = inputs->columns,
                                 .column_count = sources->count };
    return 1;
}

/* Takes a line apart; without a separator it is one column. */
static int columns_split(struct inputs *inputs, struct map_input *input)
{
    const struct text *separator = &inputs->separator;
    const char *from = input->bytes, *end = input->bytes + input->size, *next = NULL;
    size_t count = 0;

    do {
        if (!columns_reserve(inputs, count + 1))
            return fail(TROUPE_NO_MEMORY, "no memory for %zu columns", count + 1);
        if (separator->size > 0)
            next = memmem(from, (size_t)(end - from), separator->data, separator->size);
        inputs->columns[count++] =
            troupe_bytes_of(from, (size_t)((next != NULL ? next : end) - from));
        from = next != NULL ? next + separator->size : end;
    } while (next != NULL);
    input->columns = inputs->columns;
    input->column_count = count;
    return 1;
}

static int line_next(struct inputs *inputs, struct map_input *input, long timeout_ms)
{
    char *part;
    size_t size;
    int result = feed_next(&inputs->feed, &part, &size, timeout_ms);

    if (result != 1)
        return result;
    if (inputs->feed.separator != '\0' && memchr(part, '\0', size) != NULL)
        return fail(TROUPE_BAD_ARGUMENT,
                    "input %llu of %s holds a zero byte, which no argument can; if zero bytes end "
                    "the inputs, say -0",
                    (unsigned long long)inputs->given + 1, inputs->feed.name);
    *input = (struct map_input){ .bytes = part, .size = size };
    return columns_split(inputs, input);
}

int inputs_next(struct inputs *inputs, struct map_input *input, long timeout_ms)
{
    struct map_input next = { 0 };
    int result;

    if (inputs->failed != TROUPE_OK)
        return inputs->failed;
    result = inputs->sources.count > 0 ? combination_next(inputs, &next)
                                       : line_next(inputs, &next, timeout_ms);
    if (result < 0 && result != TROUPE_TIMEOUT)
        inputs->failed = result;
    if (result == 1) {
        next.seq = ++inputs->given;
        *input = next;
    }
    return result;
}

int inputs_descriptor(const struct inputs *inputs)
{
    return inputs->sources.count > 0 ? -1 : feed_descriptor(&inputs->feed);
}

bool inputs_total(const struct inputs *inputs, uint64_t *total)
{
    if (inputs->sources.count == 0)
        return feed_total(&inputs->feed, total);
    *total = inputs->sources.total;
    return true;
}

void inputs_close(struct inputs *inputs)
{
    if (inputs == NULL)
        return;
    feed_close(&inputs->feed);
    sources_free(&inputs->sources);
    text_free(&inputs->separator);
    text_free(&inputs->joined);
    free(inputs->columns);
    free(inputs);
}
