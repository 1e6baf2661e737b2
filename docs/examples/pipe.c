/* A pipe to each of three processes: the parent waits for whichever answers first, and reads to the
 * end of file, which comes when a process returns, and also when it is killed.
 *
 * Prints each answer, and at last how many came and how each process ended. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <troupe/troupe.h>

enum { CREW = 3, ANSWERS = 3, VICTIM = 1 };

struct task {
    troupe_pipe end;
    int number;
};

static int runner(const void *argument, size_t bytes)
{
    const struct task *task = argument;

    (void)bytes;
    for (int i = 0; i < ANSWERS; i++) {
        int answer = 10 * task->number + i;

        if (troupe_pipe_send(task->end, &answer, sizeof answer, TROUPE_FOREVER) != TROUPE_OK)
            return 1;
    }
    if (task->number == VICTIM)
        raise(SIGKILL); /* nothing is closed, nothing said: the file ends all the same */
    return 0;
}

/* Takes one answer; false at the end of file. */
static int answer_take(troupe_pipe end)
{
    int answer;

    if (troupe_pipe_receive(end, &answer, sizeof answer, NULL, TROUPE_NO_WAIT) != TROUPE_OK)
        return 0;
    printf("answer %d\n", answer);
    return 1;
}

/* Reads what comes, from whom it comes, until all files have ended. */
static int answers_take(const troupe_pipe *own, int count)
{
    uint64_t items[CREW];
    int left = count, answers = 0;
    size_t index;

    for (int i = 0; i < count; i++)
        items[i] = own[i].id;
    while (left > 0 && troupe_wait(items, (size_t)left, TROUPE_FOREVER, &index) == TROUPE_OK)
        if (answer_take((troupe_pipe){ items[index] }))
            answers++;
        else
            items[index] = items[--left];
    return answers;
}

int main(int argc, char **argv)
{
    const troupe_process_options fresh = { .method = TROUPE_METHOD_SPAWN };
    troupe_process crew[CREW];
    troupe_pipe own[CREW];

    if (troupe_init(&argc, &argv) != TROUPE_OK)
        return troupe_finalize(1);
    for (int i = 0; i < CREW; i++) {
        struct task task = { .number = i };

        if (troupe_pipe_create(NULL, &own[i], &task.end) != TROUPE_OK ||
            troupe_process_start(runner, &task, sizeof task, &fresh, &crew[i]) != TROUPE_OK)
            return troupe_finalize(1);
    }
    printf("%d answers\n", answers_take(own, CREW));
    for (int i = 0; i < CREW; i++) {
        troupe_process_status status;

        if (troupe_process_join(crew[i], TROUPE_FOREVER) == TROUPE_OK &&
            troupe_process_status_get(crew[i], &status) == TROUPE_OK)
            printf("process %d: exit code %d, signal %d\n", i, status.exit_code, status.signal);
    }
    return troupe_finalize(0);
}
