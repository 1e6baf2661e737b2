/* What becomes of tasks once workers have them: their output, their end, another attempt, their
 * record. */
#include "running.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "launch/cmd.h"

enum {
    DEATHS_MOST = 3, /* a task whose worker died so often is given up */
    PACE_WEIGHT = 8, /* of the run times so far against the newest */
    RESULTS_MOST = 1024,
};

/* ---- tasks that have ended ------------------------------------------------------------------- */

static const char *tag_of(const struct run *run, const struct map_task *task, struct text *tag)
{
    struct map_input input;
    troupe_bytes *columns;

    if (!run->options->tag || !task_input(task, &input, &columns, tag))
        return NULL;
    free(columns);
    return tag->data;
}

/* Its output goes where it belongs, and then its record. */
void run_deliver(struct run *run, struct map_task *task)
{
    struct journal_file files[JOURNAL_FILES];
    struct text tag = { 0 };
    const char *shown = tag_of(run, task, &tag);
    int result;

    if (run->options->output_dir == NULL)
        progress_hide(run->tell.progress);
    result = output_deliver(run->outputs, &task->held, task->message.seq, shown, tag.size, files);
    text_free(&tag);
    if (result == TROUPE_OK && run->journal != NULL)
        result = journal_end(run->journal, task->key, &task->record, task->is_again, files);
    run_fail(run, result);
    turns_end(&run->turns, task->message.place);
}

/* Prints in the order of the list what has come to its turn. */
static void turns_take(struct run *run)
{
    struct map_task *task;

    while (run->failed == TROUPE_OK && (task = turns_first(&run->turns)) != NULL && task->is_ended)
        run_deliver(run, task);
}

static void run_finish(struct run *run, struct map_task *task)
{
    struct map_record *record = &task->record;

    record->out_bytes = output_bytes(&task->held, MAP_OUT);
    record->err_bytes = output_bytes(&task->held, MAP_ERR);
    task->is_ended = true;
    if (record->state == MAP_DONE)
        run->good++;
    else
        run->bad++;
    run_fail(run, tell_ended(&run->tell, task));
    run_halt(run, halt_judge(&run->options->halt, run->good, run->bad));
    if (run->options->unordered || run->options->output_dir != NULL ||
        record->out_bytes + record->err_bytes == 0)
        run_deliver(run, task);
    turns_take(run);
}

static void run_again(struct run *run, struct map_task *task)
{
    output_drop(run->outputs, &task->held, task->message.seq);
    task->is_begun = false;
    task_append(&run->ready, task);
}

static void record_place(struct run *run, struct map_task *task)
{
    const struct roll_place *place = run->crew.workers[task->worker].place;

    task->record.seq = task->message.seq;
    task->record.attempt = task->message.attempt;
    task->record.rank = place->rank;
    task->record.node = place->node;
    task->record.gpus = place->gpus;
}

static void record_write(struct run *run, struct map_task *task,
                         const struct map_result_message *result)
{
    struct map_record *record = &task->record;

    record_place(run, task);
    record->exit_code = result->exit_code;
    record->signal = result->signal;
    record->start_us = result->start_us;
    record->run_us = result->run_us;
    if (result->exit_code == 0)
        record->state = MAP_DONE;
    else if (result->ended_by == MAP_BY_TIMEOUT ||
             (result->ended_by == MAP_BY_ORDER && task->stopped == MAP_BY_TIMEOUT))
        record->state = MAP_TIMED_OUT;
    else
        record->state = MAP_FAILED;
}

static void task_end(struct run *run, struct map_task *task,
                     const struct map_result_message *result)
{
    record_write(run, task, result);
    run->pace_us += (result->run_us - run->pace_us) / PACE_WEIGHT;
    if (result->ended_by == MAP_BY_ORDER && task->stopped == MAP_BY_ORDER)
        return; /* by a halt: it has not ended, and is in no record */
    task->stopped = MAP_BY_ITSELF;
    if (task->record.state != MAP_DONE && ++task->tries < run->options->tries &&
        run->halt == HALT_NEVER)
        run_again(run, task);
    else
        run_finish(run, task);
}

/* ---- what workers tell ----------------------------------------------------------------------- */

static void result_end(struct run *run, struct map_task *task,
                       const struct map_result_message *result)
{
    struct crew_worker *worker = &run->crew.workers[task->worker];

    task_remove(&worker->has, task);
    worker->since = clock_now();
    worker->ended_a_task = true;
    run->running--;
    task_end(run, task, result);
}

/* What comes late, from a worker that died, is of another attempt. */
static void result_take(struct run *run, const struct map_result_message *result)
{
    struct map_task *task = turns_at(&run->turns, result->place);
    const char *bytes = (const char *)(result + 1);

    if (task == NULL || task->is_ended || task->worker != result->worker ||
        task->message.attempt != result->attempt)
        return;
    for (int stream = 0; stream < MAP_STREAMS; stream++) {
        run_fail(run, output_add(run->outputs, &task->held, task->message.seq,
                                 (enum map_stream)stream, bytes, result->sizes[stream]));
        bytes += result->sizes[stream];
    }
    if (result->kind == MAP_END)
        result_end(run, task, result);
}

/* Waits for the first, takes what is there; whether anything was. */
bool run_listen(struct run *run, long timeout_ms)
{
    troupe_bytes messages[RESULTS_MOST];
    size_t count = 0;
    int result = troupe_queue_get_many(run->crew.results, run->results, RUN_RESULTS_BYTES, messages,
                                       RESULTS_MOST, &count, timeout_ms);

    if (result == TROUPE_EMPTY)
        return false;
    if (result != TROUPE_OK) {
        run_fail(run, result);
        return false;
    }
    for (size_t i = 0; i < count; i++)
        result_take(run, messages[i].data);
    return true;
}

/* ---- deaths ---------------------------------------------------------------------------------- */

static void task_lost(struct run *run, struct map_task *task, const char *reason)
{
    if (++task->deaths < DEATHS_MOST) {
        run_again(run, task);
        return;
    }
    fprintf(stderr, "troupe map: task %llu is given up: its worker died %d times, now since %s\n",
            (unsigned long long)task->message.seq, DEATHS_MOST, reason);
    output_drop(run->outputs, &task->held, task->message.seq);
    record_place(run, task);
    task->record.state = MAP_GIVEN_UP;
    task->record.exit_code = -1;
    task->record.start_us = (int64_t)time(NULL) * 1000000;
    run_finish(run, task);
}

/* What lies in a dead worker's inbox it has not begun. The first of the others is the one that it
 * ran. */
void run_mourn(struct run *run, uint32_t number)
{
    struct task_list tasks = { NULL, NULL, 0, 0 }, waiting = { NULL, NULL, 0, 0 };
    char reason[TROUPE_REASON_SIZE];
    struct map_task *task;
    bool is_first = true;

    while (run_listen(run, TROUPE_NO_WAIT))
        ;
    crew_take_back(&run->crew, number, &waiting);
    crew_bury(&run->crew, number, &tasks, reason);
    run->running -= tasks.count + waiting.count;
    while ((task = task_pop(&tasks)) != NULL) {
        if (task->stopped == MAP_BY_ORDER)
            continue;
        if (is_first)
            task_lost(run, task, reason);
        else
            run_again(run, task);
        is_first = false;
    }
    while ((task = task_pop(&waiting)) != NULL)
        task_append(&run->ready, task);
}
