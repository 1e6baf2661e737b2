/* A rank of the first node gets what the second node holds, again and again, while that node's
 * leader stops for a moment and then dies. Every get has to come back, soon and right; the rest of
 * the world goes on. With TROUPE_REMOTE_READ=get some gets are one-sided before that. */
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <troupe/troupe.h>

#include "object/dict_onesided.h"

enum { KEYS = 64, FAR_LEADER = 2, STOPPED_S = 2, LIMIT_S = 20 };

struct board {
    troupe_dict dict;
    troupe_event dies, stop;
};

static bool is_set(troupe_event event)
{
    int set = 0;

    return troupe_event_is_set(event, &set) != TROUPE_OK || set != 0;
}

static int gets(const void *argument, size_t bytes)
{
    const struct board *board = argument;
    struct dict_onesided_counts before = { 0 }, after;
    long wrong = 0, all = 0;
    bool dying = false;

    (void)bytes;
    while (!is_set(board->stop)) {
        if (!dying && is_set(board->dies)) {
            dict_onesided_count(&before);
            dying = true;
        }
        for (int key = 0; key < KEYS; key++, all++) {
            int value = -1, result = troupe_dict_get(board->dict, troupe_bytes_of(&key, sizeof key),
                                                     &value, sizeof value, NULL);

            if (result == TROUPE_OK && value == key)
                continue;
            wrong++;
            fprintf(stderr, "key %d: %s: %s\n", key, troupe_result_name(result),
                    troupe_last_error());
        }
    }
    dict_onesided_count(&after);
    printf("%ld gets, %ld wrong, %s one-sided before the leader died\n", all, wrong,
           before.read > 0 ? "some" : "none");
    return wrong > 0;
}

/* Stands still, then ends by a signal; the leader is stopped with its service. */
static int leads_and_dies(const void *argument, size_t bytes)
{
    const struct board *board = argument;
    pid_t self = getpid();

    (void)bytes;
    while (!is_set(board->dies))
        sleep(1);
    if (fork() == 0) {
        sleep(STOPPED_S);
        kill(self, SIGCONT);
        _exit(0);
    }
    raise(SIGSTOP);
    raise(SIGKILL);
    return 0;
}

static int start(int rank, troupe_target target, const struct board *board, troupe_process *process)
{
    troupe_process_options options = { .where = TROUPE_ON_RANK, .place = rank };

    return troupe_process_start(target, board, sizeof *board, &options, process);
}

static int fill(troupe_dict dict)
{
    int result = TROUPE_OK;

    for (int key = 0; key < KEYS && result == TROUPE_OK; key++)
        result = troupe_dict_set(dict, troupe_bytes_of(&key, sizeof key),
                                 troupe_bytes_of(&key, sizeof key));
    return result;
}

int main(int argc, char **argv)
{
    troupe_process reader, leader;
    troupe_process_status status;
    struct board board;
    int failed;

    if (troupe_init(&argc, &argv) != TROUPE_OK)
        return troupe_finalize(1);
    alarm(3 * LIMIT_S); /* the watchdog */
    failed = troupe_dict_create(NULL, &board.dict) || troupe_event_create(&board.dies) ||
             troupe_event_create(&board.stop) || fill(board.dict) ||
             start(FAR_LEADER, leads_and_dies, &board, &leader) || start(1, gets, &board, &reader);
    sleep(2);
    failed |= troupe_event_set(board.dies);
    failed |= troupe_process_join(leader, LIMIT_S * 1000);
    sleep(2);
    failed |= troupe_event_set(board.stop);
    failed |= troupe_process_join(reader, LIMIT_S * 1000);
    failed |= troupe_process_status_get(leader, &status);
    printf("the leader ended by signal %d\n", status.signal);
    failed |= troupe_process_status_get(reader, &status);
    printf("the reader ended: %d %s\n", status.exit_code, status.reason);
    return troupe_finalize(failed || status.exit_code != 0);
}
