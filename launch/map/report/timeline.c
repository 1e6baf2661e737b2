/* The trace is JSON in the "trace event" format: an array of complete events ("X") and of names for
 * nodes (processes there) and ranks (threads there), each on a line of its own. */
#include "launch/map/report/timeline.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "launch/map/report/bars.h"
#include "launch/map/report/escape.h"
#include "launch/map/report/picture.h"
#include "launch/map/report/sink.h"
#include "launch/map/report/state.h"

enum { NAME_CHARACTERS = 200, COMMAND_CHARACTERS = 1000 };

struct timeline {
    struct timeline_options options; /* what it points to is in strings, but for path */
    char *strings;                   /* [host_count] pointers, their text, and the title's */
    struct sink trace;
    bool has_trace;
    char *picture_path;
    struct bars bars;
    uint8_t *named; /* [named_count] by rank: its name stands in the trace */
    size_t named_count;
    uint8_t *named_nodes; /* [host_count] */
};

static bool ends_in(const char *text, const char *end)
{
    size_t size = strlen(text), end_size = strlen(end);

    return size > end_size && strcmp(text + size - end_size, end) == 0;
}

static void timeline_free(struct timeline *timeline)
{
    bars_free(&timeline->bars);
    free(timeline->strings);
    free(timeline->picture_path);
    free(timeline->named);
    free(timeline->named_nodes);
    free(timeline);
}

static int files_open(struct timeline *timeline)
{
    static const char suffix[] = ".svg";
    const char *path = timeline->options.path;
    struct text picture = { 0 };
    int result;

    text_append(&picture, "%s%s", path, ends_in(path, suffix) ? "" : suffix);
    timeline->picture_path = picture.data;
    if (picture.broken)
        return fail(TROUPE_NO_MEMORY, "out of memory");
    if (ends_in(path, suffix))
        return TROUPE_OK;
    result = sink_open("the timeline", path, false, &timeline->trace);
    if (result != TROUPE_OK)
        return result;
    timeline->has_trace = true;
    text_append(&timeline->trace.text, "[\n");
    return TROUPE_OK;
}

static int64_t wall_clock_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec * INT64_C(1000000) + now.tv_nsec / 1000;
}

/* Copies a string to where there is room for it, and returns what is behind. */
static char *string_put(char *room, const char *string, const char **kept)
{
    size_t size = strlen(string) + 1;

    *kept = memcpy(room, string, size);
    return room + size;
}

static bool options_keep(struct timeline *timeline, const struct timeline_options *options)
{
    const char *title = options->title != NULL ? options->title : "", **hosts;
    size_t size = options->host_count * sizeof *hosts + strlen(title) + 1;
    char *room;

    for (size_t i = 0; i < options->host_count; i++)
        size += strlen(options->hosts[i]) + 1;
    timeline->strings = malloc(size);
    if (timeline->strings == NULL)
        return false;
    hosts = (const char **)timeline->strings;
    room = (char *)(hosts + options->host_count);
    for (size_t i = 0; i < options->host_count; i++)
        room = string_put(room, options->hosts[i], &hosts[i]);
    timeline->options = *options;
    timeline->options.hosts = hosts;
    string_put(room, title, &timeline->options.title);
    if (options->start_us == 0)
        timeline->options.start_us = wall_clock_us();
    return true;
}

int timeline_open(const struct timeline_options *options, struct timeline **timeline)
{
    struct timeline *made = calloc(1, sizeof *made);
    int result;

    if (made == NULL)
        return fail(TROUPE_NO_MEMORY, "out of memory");
    made->named_nodes = calloc(options->host_count + 1, sizeof *made->named_nodes);
    result = made->named_nodes == NULL || !options_keep(made, options)
                 ? fail(TROUPE_NO_MEMORY, "out of memory")
                 : bars_init(options->ranks, made->options.start_us, &made->bars);
    if (result == TROUPE_OK)
        result = files_open(made);
    if (result != TROUPE_OK) {
        timeline_free(made);
        return result;
    }
    *timeline = made;
    return TROUPE_OK;
}

/* ---- the trace ------------------------------------------------------------------------------ */

static bool rank_is_new(struct timeline *timeline, uint32_t rank)
{
    size_t count = 2 * ((size_t)rank + 1);
    uint8_t *named;

    if (rank >= timeline->named_count) {
        named = realloc(timeline->named, count);
        if (named == NULL) {
            timeline->trace.text.broken = true;
            return false;
        }
        memset(named + timeline->named_count, 0, count - timeline->named_count);
        timeline->named = named;
        timeline->named_count = count;
    }
    if (timeline->named[rank])
        return false;
    timeline->named[rank] = 1;
    return true;
}

static void names_append(struct timeline *timeline, const struct map_record *record)
{
    struct text *text = &timeline->trace.text;
    const char *host;

    if (record->node < timeline->options.host_count && !timeline->named_nodes[record->node]) {
        host = timeline->options.hosts[record->node];
        timeline->named_nodes[record->node] = 1;
        text_append(
            text, "{\"name\":\"process_name\",\"ph\":\"M\",\"pid\":%" PRIu32 ",\"args\":{\"name\":",
            record->node);
        escape_json(text, host, strlen(host));
        text_append(text, "}},\n");
    }
    if (rank_is_new(timeline, record->rank))
        text_append(text,
                    "{\"name\":\"thread_name\",\"ph\":\"M\",\"pid\":%" PRIu32 ",\"tid\":%" PRIu32
                    ",\"args\":{\"name\":\"rank %" PRIu32 "\"}},\n",
                    record->node, record->rank, record->rank);
}

static void event_append(struct timeline *timeline, const struct map_record *record)
{
    struct text *text = &timeline->trace.text;
    size_t command = strlen(record->command);
    int64_t start_us = record->start_us - timeline->options.start_us;

    text_append(text, "{\"name\":");
    escape_json(text, record->input,
                escape_cut(record->input, record->input_bytes, NAME_CHARACTERS));
    text_append(text,
                ",\"cat\":\"%s\",\"ph\":\"X\",\"ts\":%" PRId64 ",\"dur\":%" PRId64
                ",\"pid\":%" PRIu32 ",\"tid\":%" PRIu32,
                state_name(record->state), start_us > 0 ? start_us : 0, record->run_us,
                record->node, record->rank);
    text_append(text,
                ",\"args\":{\"seq\":%" PRIu64 ",\"attempt\":%" PRIu32 ",\"exit\":%d,"
                "\"signal\":%d,\"out_bytes\":%" PRIu64 ",\"err_bytes\":%" PRIu64 ",\"command\":",
                record->seq, record->attempt, record->exit_code, record->signal, record->out_bytes,
                record->err_bytes);
    escape_json(text, record->command, escape_cut(record->command, command, COMMAND_CHARACTERS));
    text_append(text, "}},\n");
}

int timeline_add(struct timeline *timeline, const struct map_record *record)
{
    int result;

    if (record->state == MAP_SKIPPED)
        return TROUPE_OK;
    result = bars_add(&timeline->bars, record);
    if (result != TROUPE_OK || !timeline->has_trace)
        return result;
    names_append(timeline, record);
    event_append(timeline, record);
    return sink_check(&timeline->trace);
}

/* An event without a comma behind it closes the array. */
static int trace_close(struct timeline *timeline)
{
    text_append(&timeline->trace.text,
                "{\"name\":\"end\",\"ph\":\"i\",\"s\":\"g\",\"ts\":%" PRId64
                ",\"pid\":0,\"tid\":0}\n]\n",
                timeline->bars.last_us - timeline->options.start_us);
    return sink_close(&timeline->trace);
}

static int picture_close(struct timeline *timeline)
{
    struct sink sink;
    int result = sink_open("the timeline", timeline->picture_path, false, &sink), closed;

    if (result != TROUPE_OK)
        return result;
    bars_settle(&timeline->bars);
    result = picture_write(&timeline->bars, &timeline->options, &sink);
    closed = sink_close(&sink);
    return result != TROUPE_OK ? result : closed;
}

int timeline_close(struct timeline *timeline)
{
    int result = TROUPE_OK, drawn;

    if (timeline == NULL)
        return TROUPE_OK;
    if (timeline->has_trace)
        result = trace_close(timeline);
    drawn = picture_close(timeline);
    timeline_free(timeline);
    return result != TROUPE_OK ? result : drawn;
}
