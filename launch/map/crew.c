/* Starting workers, giving them tasks and taking them back, and what to do when one dies. */
#include "crew.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "worker.h"

/* Bytes of results that wait for the parent: workers with more to say wait, and so do commands
 * with more to print. */
#define RESULTS_BYTES (16u << 20)

/* A worker that dies so often without having run a task is not started again. */
#define STARTS_IN_VAIN 3

/* ---- starting -------------------------------------------------------------------------------- */

/* What a worker is started with, whole; false when memory ran out. */
static bool order_write(const struct crew *crew, uint32_t number, struct text *order)
{
    const struct map_options *options = crew->options;
    const struct crew_worker *worker = &crew->workers[number];
    struct map_worker_order head = {
        .inbox = worker->inbox,
        .results = crew->results,
        .worker = number,
        .rank = worker->place->rank,
        .run = crew->run,
        .is_successor = worker->has_died,
        .word_count = (uint32_t)options->command.count,
        .shell = options->shell,
        .has_mask = worker->place->has_mask,
        .cpu_seconds = (uint32_t)options->cpu_seconds,
        .memory_bytes = options->memory_bytes,
        .grace_us = options->grace_us,
    };

    memcpy(head.cpus, worker->place->cpus, sizeof head.cpus);
    text_append_bytes(order, &head, sizeof head);
    text_append_bytes(order, worker->place->mask, strlen(worker->place->mask) + 1);
    for (size_t i = 0; i < options->command.count; i++)
        text_append_bytes(order, options->command.data[i], strlen(options->command.data[i]) + 1);
    return !order->broken;
}

static int worker_start(struct crew *crew, uint32_t number)
{
    struct crew_worker *worker = &crew->workers[number];
    char name[TROUPE_NAME_SIZE];
    const troupe_process_options options = { .name = name,
                                             .method = TROUPE_METHOD_SPAWN,
                                             .where = TROUPE_ON_NODE,
                                             .place = (int)worker->place->node };
    struct text order = { 0 };
    int result = troupe_queue_create(NULL, &worker->inbox);

    if (result != TROUPE_OK)
        return result;
    snprintf(name, sizeof name, "map worker %u", number);
    if (order_write(crew, number, &order))
        result =
            troupe_process_start(map_worker, order.data, order.size, &options, &worker->process);
    else
        result = fail(TROUPE_NO_MEMORY, "no memory for a worker's order");
    text_free(&order);
    if (result != TROUPE_OK) {
        troupe_queue_destroy(worker->inbox);
        return result;
    }
    worker->is_alive = true;
    worker->ended_a_task = false;
    crew->alive++;
    return TROUPE_OK;
}

/* One that could not be started is told and done without, as long as there is another. */
static int workers_start(struct crew *crew)
{
    int result = TROUPE_OK;

    for (uint32_t number = 0; number < crew->size; number++) {
        crew->workers[number].place = &crew->roll.places[number];
        result = worker_start(crew, number);
        if (result != TROUPE_OK)
            log_warning("no worker beside rank %u: %s", number, troupe_last_error());
    }
    return crew->alive > 0 ? TROUPE_OK : result;
}

int crew_open(const struct map_options *options, struct crew *crew)
{
    const troupe_queue_options bounded = { .max_bytes = RESULTS_BYTES };
    struct crew opened = { .options = options };
    int result = roll_call(&opened.roll);

    if (result == TROUPE_OK && getrandom(&opened.run, sizeof opened.run, 0) < 0)
        result = fail_errno(TROUPE_SYSTEM, "cannot make up a number for the run: getrandom");
    if (result != TROUPE_OK)
        return result;
    opened.size = opened.roll.size;
    opened.workers = calloc(opened.size, sizeof *opened.workers);
    opened.unsent = calloc((size_t)opened.size * CREW_SHARE_MOST, sizeof *opened.unsent);
    if (opened.workers == NULL || opened.unsent == NULL)
        result = fail(TROUPE_NO_MEMORY, "no memory for a crew of %u", opened.size);
    else
        result = troupe_queue_create(&bounded, &opened.results);
    if (result == TROUPE_OK)
        result = workers_start(&opened);
    if (result != TROUPE_OK) {
        free(opened.workers);
        free(opened.unsent);
        roll_free(&opened.roll);
        return result;
    }
    *crew = opened;
    return TROUPE_OK;
}

/* ---- tasks ----------------------------------------------------------------------------------- */

void crew_give(struct crew *crew, uint32_t number, struct map_task *task)
{
    struct crew_worker *worker = &crew->workers[number];

    if (worker->has.count == 0)
        worker->since = clock_now();
    task->worker = number;
    task_append(&worker->has, task);
    crew->unsent[crew->unsent_count++] = task;
}

int crew_send(struct crew *crew, struct task_list *back)
{
    int failed = TROUPE_OK;

    for (size_t i = 0; i < crew->unsent_count; i++) {
        struct map_task *task = crew->unsent[i];
        struct crew_worker *worker = &crew->workers[task->worker];
        int result =
            troupe_queue_put(worker->inbox, &task->message, task->message_bytes, TROUPE_NO_WAIT);

        if (result == TROUPE_OK)
            continue;
        task_remove(&worker->has, task);
        task_append(back, task);
        if (result != TROUPE_FULL)
            failed = result;
    }
    crew->unsent_count = 0;
    return failed;
}

static struct map_task *task_of(const struct crew_worker *worker, uint64_t place)
{
    struct map_task *task = worker->has.first;

    while (task != NULL && task->message.place != place)
        task = task->next;
    return task;
}

void crew_stop(struct crew *crew, uint32_t number)
{
    struct crew_worker *worker = &crew->workers[number];
    struct map_task_message order = { .kind = MAP_STOP };

    if (worker->has.first == NULL)
        return;
    order.place = worker->has.first->message.place;
    order.attempt = worker->has.first->message.attempt;
    if (troupe_queue_put(worker->inbox, &order, sizeof order, TROUPE_NO_WAIT) != TROUPE_OK ||
        troupe_process_terminate(worker->process) != TROUPE_OK)
        log_warning("the task of rank %u was not stopped: %s", worker->place->rank,
                    troupe_last_error());
}

/* An order that comes out, too, is given again: the worker may have looked for it meanwhile. */
void crew_take_back(struct crew *crew, uint32_t number, struct task_list *tasks)
{
    struct crew_worker *worker = &crew->workers[number];
    bool had_order = false;
    void *bytes;
    size_t size;

    while (troupe_queue_get_alloc(worker->inbox, &bytes, &size, TROUPE_NO_WAIT) == TROUPE_OK) {
        const struct map_task_message *message = bytes;
        struct map_task *task = task_of(worker, message->place);

        if (message->kind == MAP_STOP)
            had_order = had_order || task == worker->has.first;
        else if (task != NULL && task_remove(&worker->has, task))
            task_append(tasks, task);
        free(bytes);
    }
    if (had_order)
        crew_stop(crew, number);
}

/* ---- ends ------------------------------------------------------------------------------------ */

bool crew_is_dead(struct crew *crew, uint32_t number)
{
    const struct crew_worker *worker = &crew->workers[number];
    troupe_process_status status;

    return worker->is_alive && (troupe_process_status_get(worker->process, &status) != TROUPE_OK ||
                                status.state >= TROUPE_STATE_DONE);
}

static void worker_end(struct crew *crew, struct crew_worker *worker, char *reason)
{
    troupe_process_status status = { .reason = "its end is not known" };

    if (troupe_process_status_get(worker->process, &status) == TROUPE_OK &&
        status.state == TROUPE_STATE_DONE)
        snprintf(status.reason, sizeof status.reason, "it left with status %d", status.exit_code);
    snprintf(reason, TROUPE_REASON_SIZE, "%s", status.reason);
    troupe_process_close(worker->process);
    troupe_queue_destroy(worker->inbox);
    worker->is_alive = false;
    worker->has_died = true;
    crew->alive--;
}

void crew_bury(struct crew *crew, uint32_t number, struct task_list *tasks, char *reason)
{
    struct crew_worker *worker = &crew->workers[number];
    struct map_task *task;

    worker_end(crew, worker, reason);
    while ((task = task_pop(&worker->has)) != NULL)
        task_append(tasks, task);
    worker->starts = worker->ended_a_task ? 0 : worker->starts + 1;
    if (worker->starts < STARTS_IN_VAIN && worker_start(crew, number) == TROUPE_OK)
        return;
    log_warning("rank %u on %s runs no more commands: %s", worker->place->rank, worker->place->host,
                worker->starts < STARTS_IN_VAIN ? troupe_last_error() : reason);
}

void crew_close(struct crew *crew)
{
    struct task_list left = { NULL, NULL, 0, 0 };

    troupe_queue_destroy(crew->results); /* after a failure somebody may wait for room in it */
    for (uint32_t number = 0; number < crew->size; number++)
        if (crew->workers[number].is_alive) {
            crew_take_back(crew, number, &left); /* a closed queue is drained first */
            troupe_queue_close(crew->workers[number].inbox);
        }
    for (uint32_t number = 0; number < crew->size; number++) {
        struct crew_worker *worker = &crew->workers[number];

        if (!worker->is_alive)
            continue;
        troupe_process_join(worker->process, TROUPE_FOREVER);
        troupe_process_close(worker->process);
        troupe_queue_destroy(worker->inbox);
    }
    free(crew->workers);
    free(crew->unsent);
    roll_free(&crew->roll);
}
