/* The worker's life: takes tasks from its inbox one at a time, so that the parent can take back
 * what has not begun; runs each; sends its output in pieces and its end.
 *
 * SIGCHLD and SIGTERM are blocked and read from a descriptor: SIGTERM says that an order lies in
 * the inbox. A task that is found there instead is kept for later, in its order. */
#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "command.h"
#include "job/control.h"
#include "launch/cmd.h"
#include "launch/map/text/template.h"
#include "message.h"
#include "orphans.h"
#include "troupe/troupe.h"

#define DRAIN_MS 1000 /* for pipes that somebody outside of the ended command's group holds open */
#define MASK_VARIABLE "CUDA_VISIBLE_DEVICES"

extern char **environ;

/* A message that was taken out of turn. */
struct kept {
    struct kept *next;
    struct map_task_message *message;
};

struct stream {
    int descriptor; /* -1: closed */
    uint32_t used;
    char bytes[MAP_PIECE_BYTES];
};

struct worker {
    struct map_worker_order order;
    const char *gpu; /* what {gpu} stands for; NULL: none */
    struct template *template;
    struct command_limits limits;
    int signals, empty_input;
    struct kept *kept;
    struct stream streams[MAP_STREAMS];
    struct {
        struct map_result_message head;
        char bytes[MAP_STREAMS * MAP_PIECE_BYTES];
    } result;
    int failed; /* the results cannot be sent: the world is ending */
};

/* How a running command is to be ended. */
struct watch {
    struct command command;
    uint64_t deadline; /* when to act next */
    bool is_asked;     /* it got SIGTERM: SIGKILL is next */
    bool has_ended;
    enum map_ended_by ended_by;
};

/* ---- results --------------------------------------------------------------------------------- */

/* Sends what the streams hold. The parent is behind for as long as this waits. */
static void result_send(struct worker *worker, enum map_message_kind kind)
{
    struct map_result_message *head = &worker->result.head;
    size_t size = 0;

    head->kind = kind;
    for (int i = 0; i < MAP_STREAMS; i++) {
        struct stream *stream = &worker->streams[i];

        head->sizes[i] = stream->used;
        memcpy(worker->result.bytes + size, stream->bytes, stream->used);
        size += stream->used;
        stream->used = 0;
    }
    if (worker->failed == TROUPE_OK)
        worker->failed = troupe_queue_put(worker->order.results, &worker->result,
                                          sizeof *head + size, TROUPE_FOREVER);
}

static void stream_close(struct stream *stream)
{
    if (stream->descriptor >= 0)
        close(stream->descriptor);
    stream->descriptor = -1;
}

static void stream_read(struct worker *worker, struct stream *stream)
{
    ssize_t got =
        read(stream->descriptor, stream->bytes + stream->used, sizeof stream->bytes - stream->used);

    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        stream_close(stream);
        return;
    }
    stream->used += (uint32_t)got;
    if (stream->used == sizeof stream->bytes)
        result_send(worker, MAP_PIECE);
}

/* What the worker itself has to say of a command goes where the command's own words would. */
static void say(struct worker *worker, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void say(struct worker *worker, const char *format, ...)
{
    static const char front[] = "troupe map: ";
    struct stream *stream = &worker->streams[MAP_ERR];
    size_t used = strlen(front);
    va_list arguments;

    memcpy(stream->bytes, front, used);
    va_start(arguments, format);
    vsnprintf(stream->bytes + used, sizeof stream->bytes - used - 1, format, arguments);
    va_end(arguments);
    used += strlen(stream->bytes + used);
    stream->bytes[used] = '\n';
    stream->used = (uint32_t)used + 1;
}

/* ---- the inbox ------------------------------------------------------------------------------- */

static struct map_task_message *inbox_take(struct worker *worker, long timeout_ms)
{
    void *message = NULL;
    size_t size;

    if (worker->failed != TROUPE_OK ||
        troupe_queue_get_alloc(worker->order.inbox, &message, &size, timeout_ms) != TROUPE_OK)
        return NULL;
    return message;
}

static void message_keep(struct worker *worker, struct map_task_message *message)
{
    struct kept **end = &worker->kept, *kept = malloc(sizeof *kept);

    if (kept == NULL) { /* the parent sees our end, and has it run by another */
        worker->failed = TROUPE_NO_MEMORY;
        free(message);
        return;
    }
    *kept = (struct kept){ NULL, message };
    while (*end != NULL)
        end = &(*end)->next;
    *end = kept;
}

static struct map_task_message *next_take(struct worker *worker)
{
    struct kept *kept = worker->kept;
    struct map_task_message *message;

    if (kept == NULL)
        return inbox_take(worker, TROUPE_FOREVER);
    message = kept->message;
    worker->kept = kept->next;
    free(kept);
    return message;
}

/* Whether an order in the inbox is for the running task. */
static bool stop_is_ordered(struct worker *worker)
{
    const struct map_result_message *running = &worker->result.head;
    struct map_task_message *message;
    bool found = false;

    while ((message = inbox_take(worker, TROUPE_NO_WAIT)) != NULL) {
        if (message->kind == MAP_TASK) {
            message_keep(worker, message);
            continue;
        }
        found |= message->place == running->place && message->attempt == running->attempt;
        free(message);
    }
    return found;
}

/* ---- one command ----------------------------------------------------------------------------- */

static void watch_end(const struct worker *worker, struct watch *watch, enum map_ended_by by)
{
    if (watch->has_ended || watch->is_asked)
        return;
    watch->ended_by = by;
    watch->is_asked = true;
    watch->deadline = clock_now() + worker->order.grace_us * 1000;
    command_signal(&watch->command, SIGTERM);
}

static void signals_read(struct worker *worker, struct watch *watch)
{
    struct signalfd_siginfo news[4];
    ssize_t got = read(worker->signals, news, sizeof news);

    for (size_t i = 0; got > 0 && i < (size_t)got / sizeof *news; i++)
        if (news[i].ssi_signo == SIGTERM && stop_is_ordered(worker))
            watch_end(worker, watch, MAP_BY_ORDER);
    if (!watch->has_ended && command_has_ended(&watch->command)) {
        watch->has_ended = true;
        watch->deadline = clock_deadline(DRAIN_MS);
        command_signal(&watch->command, SIGKILL); /* what it left in the background */
    }
}

static void deadline_act(struct worker *worker, struct watch *watch)
{
    if (watch->has_ended) {
        stream_close(&worker->streams[MAP_OUT]);
        stream_close(&worker->streams[MAP_ERR]);
    } else if (watch->is_asked) {
        command_signal(&watch->command, SIGKILL);
        watch->deadline = CLOCK_FOREVER;
    } else
        watch_end(worker, watch, MAP_BY_TIMEOUT);
}

/* The milliseconds to sleep, rounded up: a deadline is never met too early. */
static int poll_time(uint64_t deadline)
{
    uint64_t left = clock_left(deadline);

    if (left == CLOCK_FOREVER)
        return -1;
    left = (left + 999999) / 1000000;
    return left < INT32_MAX ? (int)left : INT32_MAX;
}

static void command_watch(struct worker *worker, struct watch *watch)
{
    struct stream *out = &worker->streams[MAP_OUT], *err = &worker->streams[MAP_ERR];

    while (!watch->has_ended || out->descriptor >= 0 || err->descriptor >= 0) {
        struct pollfd wanted[] = { { out->descriptor, POLLIN, 0 },
                                   { err->descriptor, POLLIN, 0 },
                                   { worker->signals, POLLIN, 0 } };

        if (poll(wanted, 3, poll_time(watch->deadline)) < 0)
            continue;
        if (wanted[0].revents != 0)
            stream_read(worker, out);
        if (wanted[1].revents != 0)
            stream_read(worker, err);
        if (wanted[2].revents != 0)
            signals_read(worker, watch);
        if (clock_left(watch->deadline) == 0)
            deadline_act(worker, watch);
    }
}

static void command_run(struct worker *worker, char *const *argv, uint64_t timeout_us)
{
    struct map_result_message *head = &worker->result.head;
    struct watch watch = { .deadline = CLOCK_FOREVER };
    int failed = command_start(argv, environ, &worker->limits, worker->empty_input, &watch.command);

    if (failed != 0) {
        head->exit_code = failed == ENOENT ? CMD_NOT_FOUND : CMD_NOT_EXECUTABLE;
        say(worker, "cannot run %.4096s: %s%s", argv[0], strerror(failed),
            failed == E2BIG ? "; the kernel takes 128 KiB in one word of a command" : "");
        return;
    }
    if (timeout_us > 0)
        watch.deadline = clock_now() + timeout_us * 1000;
    worker->streams[MAP_OUT].descriptor = watch.command.pipes[0];
    worker->streams[MAP_ERR].descriptor = watch.command.pipes[1];
    command_watch(worker, &watch);
    command_bury(&watch.command, &head->exit_code, &head->signal);
    head->ended_by = watch.ended_by;
}

/* ---- one task -------------------------------------------------------------------------------- */

static int64_t wall_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec * INT64_C(1000000) + now.tv_nsec / 1000;
}

/* Views the columns of a task, and joins them by blanks: freed as one block, columns first. */
static troupe_bytes *input_view(const struct map_task_message *task, struct map_input *input)
{
    const char *sizes = (const char *)(task + 1);
    const char *bytes = sizes + task->columns * sizeof(uint32_t);
    troupe_bytes *columns =
        malloc(task->columns * sizeof *columns + task->bytes + task->columns + 1);
    char *joined = (char *)(columns + task->columns), *end = joined;

    if (columns == NULL)
        return NULL;
    for (uint32_t i = 0; i < task->columns; i++) {
        uint32_t size;

        memcpy(&size, sizes + i * sizeof size, sizeof size);
        if (i > 0)
            *end++ = ' ';
        columns[i] = troupe_bytes_of(end, size);
        memcpy(end, bytes, size);
        end += size;
        bytes += size;
    }
    *end = '\0';
    *input =
        (struct map_input){ task->seq, joined, (size_t)(end - joined), columns, task->columns };
    return columns;
}

static void words_run(struct worker *worker, const struct map_task_message *task, char **argv)
{
    struct map_result_message *head = &worker->result.head;
    uint64_t began = clock_now();

    head->start_us = wall_us();
    if (strcmp(argv[0], ":") != 0) /* the one builtin */
        command_run(worker, argv, task->timeout_us);
    head->run_us = (int64_t)((clock_now() - began) / 1000);
}

static void task_run(struct worker *worker, const struct map_task_message *task)
{
    const struct template_place place = { worker->order.rank, task->attempt, worker->gpu };
    struct map_input input;
    troupe_bytes *columns = input_view(task, &input);
    char **argv = NULL;

    worker->result.head = (struct map_result_message){ .place = task->place,
                                                       .worker = worker->order.worker,
                                                       .attempt = task->attempt };
    if (columns != NULL && template_expand(worker->template, &input, &place, &argv) == TROUPE_OK) {
        words_run(worker, task, argv);
        free(argv);
    } else {
        worker->result.head.exit_code = CMD_NOT_EXECUTABLE;
        say(worker, "%.4096s", columns != NULL ? troupe_last_error() : strerror(ENOMEM));
    }
    free(columns);
    result_send(worker, MAP_END);
}

/* ---- the beginning --------------------------------------------------------------------------- */

static int template_read(struct worker *worker, const char *text)
{
    char **words = calloc(worker->order.word_count + 1, sizeof *words);
    int result;

    if (words == NULL)
        return TROUPE_NO_MEMORY;
    for (uint32_t i = 0; i < worker->order.word_count; i++) {
        words[i] = (char *)text;
        text += strlen(text) + 1;
    }
    result = template_parse(words, worker->order.word_count, worker->order.shell != 0,
                            &worker->template);
    free(words);
    return result;
}

/* What commands inherit: the rank's processors and GPUs, and no way to the supervisor, for their
 * output is the task's. */
static void surroundings_set(struct worker *worker, const char *mask)
{
    static const uint64_t none[sizeof worker->order.cpus / sizeof *worker->order.cpus];

    if (memcmp(worker->order.cpus, none, sizeof none) != 0)
        sched_setaffinity(0, sizeof worker->order.cpus, (const cpu_set_t *)worker->order.cpus);
    orphans_mark(worker->order.run, worker->order.worker);
    unsetenv(CONTROL_ENVIRONMENT);
    unsetenv(MASK_VARIABLE);
    if (worker->order.has_mask) {
        setenv(MASK_VARIABLE, mask, 1);
        worker->gpu = mask;
    }
}

static int signals_open(struct worker *worker)
{
    sigset_t wanted;

    sigemptyset(&wanted);
    sigaddset(&wanted, SIGCHLD);
    sigaddset(&wanted, SIGTERM);
    sigprocmask(SIG_BLOCK, &wanted, NULL);
    worker->signals = signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK);
    worker->empty_input = open("/dev/null", O_RDONLY | O_CLOEXEC);
    return worker->signals >= 0 && worker->empty_input >= 0
               ? TROUPE_OK
               : troupe_process_fail("no descriptor for signals or /dev/null: %s", strerror(errno));
}

static struct worker *worker_make(const void *argument)
{
    struct worker *worker = calloc(1, sizeof *worker);
    const char *mask = (const char *)argument + sizeof worker->order;

    if (worker == NULL)
        return NULL;
    memcpy(&worker->order, argument, sizeof worker->order);
    worker->limits =
        (struct command_limits){ worker->order.memory_bytes, worker->order.cpu_seconds };
    worker->streams[MAP_OUT].descriptor = worker->streams[MAP_ERR].descriptor = -1;
    if (worker->order.is_successor)
        orphans_end(worker->order.run, worker->order.worker);
    surroundings_set(worker, mask);
    if (signals_open(worker) != TROUPE_OK ||
        template_read(worker, mask + strlen(mask) + 1) != TROUPE_OK) {
        free(worker);
        return NULL;
    }
    return worker;
}

int map_worker(const void *argument, size_t bytes)
{
    struct worker *worker = worker_make(argument);
    struct map_task_message *message;

    (void)bytes;
    if (worker == NULL)
        return EXIT_FAILURE;
    while ((message = next_take(worker)) != NULL) {
        if (message->kind == MAP_TASK)
            task_run(worker, message);
        free(message);
    }
    template_free(worker->template);
    close(worker->signals);
    close(worker->empty_input);
    free(worker);
    return EXIT_SUCCESS;
}
