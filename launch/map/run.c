/* The parent's loop. It reads the list as far as workers have use for it, gives tasks out, takes
 * what workers tell, and lets go of tasks that are over. What may take long has been taken off it:
 * commands are the workers' business, safety on disk the journal's. */
#include "run.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/clock.h"
#include "base/error.h"
#include "launch/cmd.h"
#include "running.h"

enum {
    TICK_MS = 100,         /* between two looks at everything that nothing tells of */
    LIST_MS = 10,          /* between two looks at a list that may grow, while workers wait */
    FAILURES_COUNTED = 100 /* in the exit status */
};

/* ---- signals --------------------------------------------------------------------------------- */

static volatile sig_atomic_t signals_seen, signal_last;

static void signal_note(int number)
{
    signals_seen++;
    signal_last = number;
}

void map_signals_catch(void)
{
    static const int numbers[] = { SIGINT, SIGTERM, SIGHUP };
    struct sigaction before, action = { .sa_handler = signal_note, .sa_flags = SA_RESTART };

    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (sigaction(numbers[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
            sigaction(numbers[i], &action, NULL);
}

/* ---- stopping -------------------------------------------------------------------------------- */

/* The first failure stops the run: what runs is ended, since nothing can be noted any more. */
void run_fail(struct run *run, int result)
{
    if (result == TROUPE_OK || run->failed != TROUPE_OK)
        return;
    run->failed = result;
    snprintf(run->sentence, sizeof run->sentence, "%s", troupe_last_error());
}

static void halt_now(struct run *run)
{
    for (uint32_t number = 0; number < run->crew.size; number++) {
        struct crew_worker *worker = &run->crew.workers[number];
        struct task_list back = { NULL, NULL, 0, 0 };

        if (!worker->is_alive || worker->has.count == 0 ||
            worker->has.first->stopped == MAP_BY_ORDER)
            continue;
        crew_take_back(&run->crew, number, &back);
        run->running -= back.count;
        if (worker->has.first != NULL) {
            worker->has.first->stopped = MAP_BY_ORDER;
            crew_stop(&run->crew, number);
        }
    }
}

void run_halt(struct run *run, enum halt_how how)
{
    if (how > run->halt)
        run->halt = how;
}

static void signals_heed(struct run *run)
{
    if (run->signals == signals_seen)
        return;
    run->signals = signals_seen;
    if (run->signals == 1 && signal_last == SIGINT && !run->options->quiet)
        fprintf(stderr, "troupe map: what runs is finished, nothing more begun; interrupt again to "
                        "stop at once\n");
    run_halt(run, run->signals > 1 || signal_last != SIGINT ? HALT_NOW : HALT_SOON);
}

/* ---- looks now and then ---------------------------------------------------------------------- */

static void median_check(struct run *run)
{
    uint64_t limit = run->options->timeout_medians > 0 ? run_timeout(run) * 1000 : 0;

    for (uint32_t number = 0; limit > 0 && number < run->crew.size; number++) {
        struct crew_worker *worker = &run->crew.workers[number];
        struct map_task *task = worker->has.first;

        if (!worker->is_alive || task == NULL || task->stopped != MAP_BY_ITSELF ||
            clock_left(worker->since + limit) > 0)
            continue;
        task->stopped = MAP_BY_TIMEOUT;
        crew_stop(&run->crew, number);
    }
}

/* A worker that has tasks runs the first of them. */
static void progress_show(struct run *run)
{
    progress_runs_none(run->tell.progress);
    for (uint32_t number = 0; number < run->crew.size; number++) {
        const struct crew_worker *worker = &run->crew.workers[number];

        if (worker->is_alive && worker->has.count > 0)
            progress_runs(run->tell.progress, worker->place->node);
    }
    progress_draw(run->tell.progress, clock_now());
}

static void tick(struct run *run)
{
    if (clock_left(run->next_tick) > 0)
        return;
    run->next_tick = clock_deadline(TICK_MS);
    for (uint32_t number = 0; number < run->crew.size; number++)
        if (crew_is_dead(&run->crew, number))
            run_mourn(run, number);
    if (run->crew.alive == 0)
        run_fail(run, fail(TROUPE_NO_RANK, "no worker is left; %s",
                           run->journal != NULL ? "go on with --resume" : "start it again"));
    median_check(run);
    if (run->tell.joblog != NULL)
        run_fail(run, joblog_flush(run->tell.joblog));
    progress_show(run);
}

/* ---- the run --------------------------------------------------------------------------------- */

static long patience(const struct run *run)
{
    uint64_t until = run->next_tick, left;

    if (run->options->delay_us > 0 && run->next_start < until)
        until = run->next_start;
    left = clock_left(until) / 1000000 + 1;
    return run->list_waits && left > LIST_MS ? LIST_MS : (long)left;
}

static bool is_over(const struct run *run)
{
    if (run->running > 0)
        return false;
    return run->halt != HALT_NEVER || (run->list_ended && run->ready.count == 0);
}

static void run_loop(struct run *run)
{
    run->next_tick = clock_deadline(TICK_MS);
    while (run->failed == TROUPE_OK) {
        signals_heed(run);
        run_feed(run);
        if (run->halt == HALT_NOW)
            halt_now(run);
        if (is_over(run))
            return;
        run_listen(run, patience(run));
        tick(run);
    }
}

/* A halted run prints what has ended, though something before it has not. */
static void rest_deliver(struct run *run)
{
    struct map_task *task;

    for (uint64_t place = run->turns.first; place < run->turns.next; place++)
        if ((task = turns_at(&run->turns, place)) != NULL && run->failed == TROUPE_OK &&
            task->is_ended)
            run_deliver(run, task);
}

/* After a failure nothing is left running, nor in a held file. */
static void rest_end(struct run *run)
{
    struct map_task *task;

    if (run->failed != TROUPE_OK)
        halt_now(run);
    for (uint64_t place = run->turns.first; place < run->turns.next; place++)
        if ((task = turns_at(&run->turns, place)) != NULL)
            output_drop(run->outputs, &task->held, task->message.seq);
}

static int status_of(const struct run *run)
{
    if (run->failed != TROUPE_OK) {
        fprintf(stderr, "troupe map: %s%s\n", run->sentence,
                run->journal != NULL ? "; what has ended is in the journal: go on with --resume"
                                     : "");
        return CMD_LAUNCHER_FAILED;
    }
    if (run->signals > 0)
        return 128 + signal_last;
    return run->bad <= FAILURES_COUNTED ? (int)run->bad : FAILURES_COUNTED + 1;
}

static uint64_t salt_of(const struct map_options *options)
{
    uint64_t salt = options->shell;

    for (size_t i = 0; i < options->command.count; i++)
        salt = XXH3_64bits_withSeed(options->command.data[i], strlen(options->command.data[i]) + 1,
                                    salt);
    return salt;
}

static int files_open(struct run *run)
{
    const struct output_options options = { .folder = run->options->output_dir,
                                            .tag = run->options->tag,
                                            .safe = run->options->journal != NULL };
    int result = outputs_open(&options, &run->outputs);

    if (result == TROUPE_OK && run->options->journal != NULL)
        result =
            journal_open(&(struct journal_options){ .path = run->options->journal,
                                                    .resume = run->options->resume,
                                                    .resume_failed = run->options->resume_failed,
                                                    .folder = outputs_folder(run->outputs) },
                         &run->journal);
    if (result == TROUPE_OK)
        result = inputs_open(&run->options->inputs, &run->inputs);
    return result;
}

static void crew_work(struct run *run)
{
    uint64_t total;

    run_fail(run, tell_open(run->options, &run->crew, &run->tell));
    if (run->failed == TROUPE_OK && inputs_total(run->inputs, &total))
        progress_total(run->tell.progress, total, true);
    run_loop(run);
    rest_deliver(run);
    rest_end(run);
    crew_close(&run->crew);
    run_fail(run, tell_close(&run->tell));
}

int map_run(const struct map_options *options)
{
    struct run run = { .options = options,
                       .turns = { .first = 1, .next = 1 },
                       .salt = salt_of(options),
                       .results = malloc(RUN_RESULTS_BYTES) };
    bool complete;
    int status;

    if (run.results == NULL)
        run_fail(&run, fail(TROUPE_NO_MEMORY, "out of memory"));
    else
        run_fail(&run, files_open(&run));
    if (run.failed == TROUPE_OK)
        run_fail(&run, crew_open(options, &run.crew));
    if (run.failed == TROUPE_OK)
        crew_work(&run);
    complete = run.failed == TROUPE_OK && run.halt == HALT_NEVER;
    run_fail(&run, journal_close(run.journal, complete));
    status = status_of(&run);
    inputs_close(run.inputs);
    outputs_close(run.outputs);
    turns_free(&run.turns);
    free(run.results);
    return status;
}
