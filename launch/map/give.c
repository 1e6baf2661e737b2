/* The way of tasks to the workers: from the list, or again, as many as each has room for. */
#include "running.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/error.h"

enum {
    WINDOW_MOST = 1 << 18, /* tasks between the first that is not over and the last one read */
    AHEAD_MOST = CREW_SHARE_MOST - 2, /* tasks given to a worker beyond the one it runs */
    AHEAD_BYTES = 8 << 20,            /* and their bytes */
    AHEAD_US = 10000,                 /* what they should last for */
    PACE_SLOW_US = 1000000,           /* from here on nothing is given ahead */
    MEDIAN_FROM = 3                   /* tasks, before a median means anything */
};

/* ---- the list -------------------------------------------------------------------------------- */

/* Makes the input at hand a task, or passes it over. */
static struct map_task *task_of(struct run *run, const struct map_input *input)
{
    struct map_task *task = task_make(input, run->salt);
    struct journal_known known = { .seq = input->seq };
    bool is_over = false;

    if (task != NULL && run->journal != NULL)
        is_over = journal_knows(run->journal, task->key, &known);
    if (task == NULL || !turns_add(&run->turns, is_over ? NULL : task)) {
        run_fail(run, fail(TROUPE_NO_MEMORY, "no memory for input %llu",
                           (unsigned long long)input->seq));
        task_free(task);
        return NULL;
    }
    if (is_over) {
        tell_skipped(&run->tell, input->seq);
        task_free(task);
        return NULL;
    }
    task->message.seq = known.seq;
    task->message.attempt = known.attempts;
    task->is_again = known.is_again;
    return task;
}

/* The next task of the list; NULL when it has ended, or gives nothing now. */
static struct map_task *list_next(struct run *run)
{
    struct map_task *task = NULL;
    struct map_input input;
    int result;

    while (task == NULL && run->failed == TROUPE_OK && !run->list_ended &&
           run->turns.next - run->turns.first < WINDOW_MOST) {
        result = inputs_next(run->inputs, &input, TROUPE_NO_WAIT);
        if (result == 1)
            task = task_of(run, &input);
        else if (result == 0)
            run->list_ended = true;
        else if (result == TROUPE_TIMEOUT)
            run->list_waits = true;
        else
            run_fail(run, result);
        if (result != 1)
            break;
    }
    turns_first(&run->turns);
    return task;
}

/* ---- giving ---------------------------------------------------------------------------------- */

uint64_t run_timeout(const struct run *run)
{
    const struct summary *summary = &run->tell.summary;

    if (run->options->timeout_medians > 0 && run->good >= MEDIAN_FROM)
        return (uint64_t)(run->options->timeout_medians * (double)summary_median_us(summary)) + 1;
    return run->options->timeout_us;
}

/* How many tasks a worker should have: short ones come in number, so that it need not wait for the
 * parent between two. */
static uint32_t share_of(const struct run *run)
{
    uint32_t ahead;

    if (run->good + run->bad == 0 || run->pace_us >= PACE_SLOW_US || run->options->delay_us > 0)
        return 1;
    ahead = (uint32_t)(AHEAD_US / (run->pace_us + 1));
    return 2 + (ahead < AHEAD_MOST ? ahead : AHEAD_MOST);
}

static bool has_room(const struct crew_worker *worker, uint32_t share)
{
    return worker->is_alive && worker->has.count < share &&
           (worker->has.count == 0 || worker->has.bytes < AHEAD_BYTES);
}

static int attempt_begin(struct run *run, struct map_task *task)
{
    if (task->is_begun)
        return TROUPE_OK;
    task->is_begun = true;
    task->message.attempt++;
    return run->journal != NULL
               ? journal_begin(run->journal, task->key, task->message.seq, task->message.attempt)
               : TROUPE_OK;
}

static bool may_start(struct run *run)
{
    if (run->options->delay_us == 0)
        return true;
    if (clock_left(run->next_start) > 0)
        return false;
    run->next_start = clock_now() + run->options->delay_us * 1000;
    return true;
}

/* Gives a worker one more; false when there is none to give. */
static bool worker_feed(struct run *run, uint32_t number)
{
    struct map_task *task = task_pop(&run->ready);

    if (task == NULL)
        task = list_next(run);
    if (task == NULL)
        return false;
    if (!may_start(run)) {
        task_prepend(&run->ready, task);
        return false;
    }
    task->message.timeout_us = run_timeout(run);
    run_fail(run, attempt_begin(run, task));
    if (run->failed != TROUPE_OK)
        return false;
    crew_give(&run->crew, number, task);
    run->running++;
    return true;
}

/* The beginnings are in the journal before any of the tasks can begin. */
static void given_send(struct run *run)
{
    struct task_list back = { NULL, NULL, 0, 0 };
    struct map_task *task;
    int result = run->journal != NULL ? journal_beginnings_write(run->journal) : TROUPE_OK;

    if (result == TROUPE_OK)
        result = crew_send(&run->crew, &back);
    run_fail(run, result);
    run->running -= back.count;
    while ((task = task_pop(&back)) != NULL)
        task_append(&run->ready, task);
}

/* Takes back what waits behind another task, when somebody has nothing to do. */
static bool wealth_share(struct run *run)
{
    struct task_list back = { NULL, NULL, 0, 0 };
    struct map_task *task;

    for (uint32_t number = 0; number < run->crew.size && back.count == 0; number++)
        if (run->crew.workers[number].is_alive && run->crew.workers[number].has.count > 1)
            crew_take_back(&run->crew, number, &back);
    run->running -= back.count;
    while ((task = task_pop(&back)) != NULL)
        task_append(&run->ready, task);
    return run->ready.count > 0;
}

/* Everybody gets one before anybody gets two. */
static void everybody_feed(struct run *run)
{
    uint32_t share = run->halt == HALT_NEVER ? share_of(run) : 0;
    bool more = true;

    run->list_waits = false;
    for (uint32_t level = 1; level <= share && more; level++)
        for (uint32_t number = 0; number < run->crew.size && more; number++) {
            if (!has_room(&run->crew.workers[number], level))
                continue;
            more = worker_feed(run, number);
            if (!more && level == 1 && run->ready.count == 0 && wealth_share(run))
                more = worker_feed(run, number);
        }
}

void run_feed(struct run *run)
{
    everybody_feed(run);
    given_send(run);
}
