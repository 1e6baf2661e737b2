/* The parent's side: starts the ranks, joins what they told. */
#include "probe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int ranks_start(const struct probe_task *task, troupe_process *processes)
{
    int result = TROUPE_OK;

    for (int rank = 0; rank < troupe_world_size() && result == TROUPE_OK; rank++) {
        const troupe_process_options options = {
            .name = "probe", .method = TROUPE_METHOD_RANK, .where = TROUPE_ON_RANK, .place = rank
        };

        result = troupe_process_start(probe_rank, task, sizeof *task, &options, &processes[rank]);
    }
    return result;
}

/* Waits for a rank's process, and says in its row when it ended badly. */
static int row_end(troupe_process process, struct probe_row *row)
{
    troupe_process_status status;
    int result = troupe_process_join(process, TROUPE_FOREVER);

    if (result == TROUPE_OK)
        result = troupe_process_status_get(process, &status);
    if (result != TROUPE_OK)
        return result;
    troupe_process_close(process);
    if (status.state != TROUPE_STATE_DONE)
        snprintf(row->error, sizeof row->error, "%s", status.reason);
    else if (status.exit_code != EXIT_SUCCESS)
        snprintf(row->error, sizeof row->error, "it ended with exit code %d", status.exit_code);
    return TROUPE_OK;
}

static int row_presence(const struct probe_task *task, struct probe_row *row)
{
    int result = troupe_dict_get(task->presences, troupe_bytes_of(&row->rank, sizeof row->rank),
                                 &row->presence, sizeof row->presence, NULL);

    row->is_present = result == TROUPE_OK;
    if (row->is_present && row->presence.error[0] != '\0')
        memcpy(row->error, row->presence.error, sizeof row->error);
    return result == TROUPE_NOT_FOUND ? TROUPE_OK : result;
}

static int figures_take(const struct probe_task *task, struct probe_row *rows)
{
    struct probe_figure figure;
    int result;

    while ((result = troupe_queue_get(task->figures, &figure, sizeof figure, NULL,
                                      TROUPE_NO_WAIT)) == TROUPE_OK) {
        struct probe_row *row = &rows[figure.rank];

        row->is_measured = true;
        row->figure = figure;
        if (figure.wrong > 0)
            snprintf(row->error, sizeof row->error, "%llu elements were wrong",
                     (unsigned long long)figure.wrong);
    }
    return result == TROUPE_EMPTY ? TROUPE_OK : result;
}

static int rows_fill(const struct probe_task *task, const troupe_process *processes,
                     struct probe_row *rows)
{
    int result = TROUPE_OK;

    for (int rank = 0; rank < troupe_world_size() && result == TROUPE_OK; rank++) {
        rows[rank] = (struct probe_row){ .rank = rank };
        result = row_end(processes[rank], &rows[rank]);
        if (result == TROUPE_OK)
            result = row_presence(task, &rows[rank]);
    }
    return result == TROUPE_OK ? figures_take(task, rows) : result;
}

int probe_roll(double seconds, struct probe_row *rows)
{
    troupe_process *processes = calloc((size_t)troupe_world_size(), sizeof *processes);
    struct probe_task task = { .seconds = seconds };
    int result = processes != NULL ? TROUPE_OK : TROUPE_NO_MEMORY;

    if (result == TROUPE_OK)
        result = troupe_dict_create(NULL, &task.presences);
    if (result == TROUPE_OK)
        result = troupe_queue_create(NULL, &task.figures);
    if (result == TROUPE_OK)
        result = ranks_start(&task, processes);
    if (result == TROUPE_OK)
        result = rows_fill(&task, processes, rows);
    free(processes);
    return result;
}
