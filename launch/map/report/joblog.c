#include "launch/map/report/joblog.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "launch/map/report/escape.h"
#include "launch/map/report/sink.h"
#include "launch/map/report/state.h"

enum { US_EACH_MS = 1000, US_EACH_S = 1000000 };

struct joblog {
    struct sink sink;
    bool json;
    const char *const *hosts;
    size_t host_count;
};

int joblog_open(const struct joblog_options *options, struct joblog **joblog)
{
    struct joblog *made = calloc(1, sizeof *made);
    int result;

    if (made == NULL)
        return fail(TROUPE_NO_MEMORY, "out of memory");
    made->json = options->json;
    made->hosts = options->hosts;
    made->host_count = options->host_count;
    result = sink_open("the job log", options->path, options->append, &made->sink);
    if (result != TROUPE_OK) {
        free(made);
        return result;
    }
    if (!made->json && sink_is_new(&made->sink))
        text_append(&made->sink.text, "Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\t"
                                      "Signal\tCommand\n");
    *joblog = made;
    return TROUPE_OK;
}

static const char *host_of(const struct joblog *joblog, uint32_t node)
{
    return node < joblog->host_count ? joblog->hosts[node] : ":";
}

/* Microseconds as seconds with three digits behind the point. */
static void seconds_append(struct text *text, int width, int64_t us)
{
    text_append(text, "%*lld.%03lld", width, (long long)(us / US_EACH_S),
                (long long)(us % US_EACH_S / US_EACH_MS));
}

/* GNU parallel's own: 0 for a command that a signal ended, -1 when parallel sent it. */
static int exit_column(const struct map_record *record)
{
    if (record->state == MAP_TIMED_OUT || record->state == MAP_GIVEN_UP)
        return -1;
    return record->exit_code >= 0 ? record->exit_code : 0;
}

static void columns_append(struct joblog *joblog, const struct map_record *record)
{
    enum { RUN_TIME_WIDTH = 6 };
    struct text *text = &joblog->sink.text;
    const char *from = record->command, *newline;

    text_append(text, "%llu\t%s\t", (unsigned long long)record->seq, host_of(joblog, record->node));
    seconds_append(text, 0, record->start_us);
    text_append_bytes(text, "\t", 1);
    seconds_append(text, RUN_TIME_WIDTH, record->run_us);
    text_append(text, "\t0\t%llu\t%d\t%d\t", (unsigned long long)record->out_bytes,
                exit_column(record), record->signal);
    while ((newline = strchr(from, '\n')) != NULL) {
        text_append_bytes(text, from, (size_t)(newline - from));
        text_append_bytes(text, "\\0", 2);
        from = newline + 1;
    }
    text_append(text, "%s\n", from);
}

/* ,"name":"…" and, for what is not text, ,"name_base64":"…" */
static void bytes_append(struct text *text, const char *name, const char *bytes, size_t size)
{
    text_append(text, ",\"%s\":", name);
    if (escape_json(text, bytes, size))
        return;
    text_append(text, ",\"%s_base64\":", name);
    escape_base64(text, bytes, size);
}

static void object_append(struct joblog *joblog, const struct map_record *record)
{
    struct text *text = &joblog->sink.text;
    const char *host = host_of(joblog, record->node);

    text_append(text, "{\"seq\":%llu,\"state\":\"%s\",\"exit\":", (unsigned long long)record->seq,
                state_name(record->state));
    if (record->exit_code >= 0)
        text_append(text, "%d,\"signal\":null", record->exit_code);
    else
        text_append(text, "null,\"signal\":%d", record->signal);
    text_append(text, ",\"attempt\":%u,\"rank\":%u,\"node\":%u,\"host\":", record->attempt,
                record->rank, record->node);
    escape_json(text, host, strlen(host));
    text_append(text, ",\"start_us\":%lld,\"run_us\":%lld", (long long)record->start_us,
                (long long)record->run_us);
    text_append(text, ",\"out_bytes\":%llu,\"err_bytes\":%llu,\"gpus\":%u",
                (unsigned long long)record->out_bytes, (unsigned long long)record->err_bytes,
                record->gpus);
    bytes_append(text, "input", record->input, record->input_bytes);
    bytes_append(text, "command", record->command, strlen(record->command));
    text_append(text, "}\n");
}

int joblog_add(struct joblog *joblog, const struct map_record *record)
{
    struct text *text = &joblog->sink.text;
    size_t before = text->size;

    if (record->state == MAP_SKIPPED)
        return TROUPE_OK;
    if (joblog->json)
        object_append(joblog, record);
    else
        columns_append(joblog, record);
    if (text->broken && text->data != NULL) {
        text->size = before; /* no half a line */
        text->data[before] = '\0';
    }
    return sink_check(&joblog->sink);
}

int joblog_flush(struct joblog *joblog)
{
    return sink_flush(&joblog->sink);
}

int joblog_close(struct joblog *joblog)
{
    int result;

    if (joblog == NULL)
        return TROUPE_OK;
    result = sink_close(&joblog->sink);
    free(joblog);
    return result;
}
