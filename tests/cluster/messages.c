/* Prints how many messages between nodes each kind of operation takes, in a world of one rank on
 * each of several nodes. The argument names a file for the counts, which is not there yet.
 *
 * A rank of the last node asks for what lives on the first, the parent's, whose rank does nothing
 * else meanwhile; then the parent itself starts processes and a pool. A line is: name, how often,
 * messages, bytes, and acknowledgements, each of the last three for one operation. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <troupe/troupe.h>

#include "tally.h"

enum { TIMES = 96, MANY = 64, STARTS = 16, TASKS = 1024, LIMIT_S = 100 };

/* What lives on the first node, and the keys of the dict that live on others than the last. */
struct board {
    troupe_dict dict;
    troupe_queue queue;
    troupe_list list;
    troupe_lock lock;
    troupe_barrier barrier;
    int waits;
};

static struct board board;
static int keys[MANY];
static troupe_bytes views[MANY];
static uint64_t numbers[TASKS], squares[TASKS];

static void report(const char *name, int times, struct tally sent)
{
    printf("%s %d %.3f %.0f %.3f\n", name, times, (double)sent.messages / times,
           (double)sent.bytes / times, (double)sent.credits / times);
    fflush(stdout);
}

/* Until nothing is under way of what was before: as far as that can be seen from here. */
static void settle(void)
{
    struct tally before, after = tally_read();

    do {
        before = after;
        usleep(100000);
        after = tally_read();
    } while (after.messages != before.messages);
}

/* ---- calls of a rank ------------------------------------------------------------------------ */

static int dict_set(int i)
{
    return troupe_dict_set(board.dict, views[i % MANY], troupe_bytes_of(&numbers[i], 8));
}

static int dict_get(int i)
{
    uint64_t value;

    return troupe_dict_get(board.dict, views[i % MANY], &value, sizeof value, NULL);
}

static int dict_add(int i)
{
    int64_t sum;

    return troupe_dict_add(board.dict, views[i % MANY], 1, &sum);
}

static int dict_get_many(int i)
{
    static uint64_t found[MANY];
    troupe_dict_value values[MANY];

    (void)i;
    for (int k = 0; k < MANY; k++)
        values[k] = (troupe_dict_value){ .data = &found[k], .capacity = sizeof found[k] };
    return troupe_dict_get_many(board.dict, views, MANY, values);
}

static int dict_set_many(int i)
{
    (void)i;
    return troupe_dict_set_many(board.dict, views, views, MANY);
}

static int dict_size(int i)
{
    uint64_t entries;

    (void)i;
    return troupe_dict_size(board.dict, &entries);
}

static int dict_clear(int i)
{
    (void)i;
    return troupe_dict_clear(board.dict);
}

static int dict_create(int i)
{
    static troupe_dict made[TIMES];

    return i < TIMES ? troupe_dict_create(NULL, &made[i]) : troupe_dict_destroy(made[i - TIMES]);
}

static int dict_destroy(int i)
{
    return dict_create(i + TIMES);
}

static int queue_put(int i)
{
    return troupe_queue_put(board.queue, &numbers[i], 8, TROUPE_FOREVER);
}

static int queue_get(int i)
{
    uint64_t value;

    (void)i;
    return troupe_queue_get(board.queue, &value, sizeof value, NULL, TROUPE_NO_WAIT);
}

static int queue_put_many(int i)
{
    size_t done;

    (void)i;
    return troupe_queue_put_many(board.queue, views, MANY, &done, TROUPE_FOREVER);
}

static int queue_get_many(int i)
{
    unsigned char buffer[16 * MANY];
    troupe_bytes messages[MANY];
    size_t count;
    int result = troupe_queue_get_many(board.queue, buffer, sizeof buffer, messages, MANY, &count,
                                       TROUPE_NO_WAIT);

    (void)i;
    return result == TROUPE_OK && count != MANY ? TROUPE_EMPTY : result;
}

static int queue_lease(int i)
{
    uint64_t value;
    troupe_lease lease;
    int result =
        troupe_queue_lease(board.queue, &value, sizeof value, NULL, &lease, TROUPE_NO_WAIT);

    (void)i;
    return result == TROUPE_OK ? troupe_queue_done(board.queue, lease) : result;
}

static int list_append(int i)
{
    return troupe_list_append(board.list, troupe_bytes_of(&numbers[i], 8));
}

static int list_get(int i)
{
    uint64_t value;

    return troupe_list_get(board.list, i, &value, sizeof value, NULL);
}

static int lock_turn(int i)
{
    int result = troupe_lock_acquire(board.lock, TROUPE_FOREVER);

    (void)i;
    return result == TROUPE_OK ? troupe_lock_release(board.lock) : result;
}

static const struct {
    const char *name;
    int (*once)(int i);
    int times;
} calls[] = {
    { "dict.set", dict_set, TIMES },
    { "dict.get", dict_get, TIMES },
    { "dict.add", dict_add, TIMES },
    { "dict.set_many", dict_set_many, TIMES },
    { "dict.get_many", dict_get_many, TIMES },
    { "dict.size", dict_size, TIMES },
    { "dict.clear", dict_clear, TIMES },
    { "dict.create", dict_create, TIMES },
    { "dict.destroy", dict_destroy, TIMES },
    { "queue.put", queue_put, 2 * TIMES },
    { "queue.get", queue_get, TIMES },
    { "queue.lease+done", queue_lease, TIMES },
    { "queue.put_many", queue_put_many, TIMES },
    { "queue.get_many", queue_get_many, TIMES },
    { "list.append", list_append, TIMES },
    { "list.get", list_get, TIMES },
    { "lock.acquire+release", lock_turn, TIMES },
};

/* Keys of the dict that live on other nodes: to set one twice is two calls. */
static int keys_choose(void)
{
    int result = TROUPE_OK;

    for (int key = 0, found = 0; found < MANY && result == TROUPE_OK; key++) {
        uint64_t before = tally_read().messages;

        keys[found] = key;
        views[found] = troupe_bytes_of(&keys[found], sizeof keys[found]);
        for (int i = 0; i < 2 && result == TROUPE_OK; i++)
            result = troupe_dict_set(board.dict, views[found], troupe_text("12345678"));
        found += tally_read().messages >= before + 4;
    }
    return result;
}

static int ask(const void *argument, size_t bytes)
{
    int result;

    memcpy(&board, argument, bytes);
    result = keys_choose();
    for (size_t call = 0; call < sizeof calls / sizeof *calls && result == TROUPE_OK; call++) {
        struct tally before = tally_read();

        for (int i = 0; i < calls[call].times && result == TROUPE_OK; i++)
            result = calls[call].once(i);
        report(calls[call].name, calls[call].times, tally_between(before, tally_read()));
        if (result != TROUPE_OK)
            fprintf(stderr, "%s: %s\n", calls[call].name, troupe_last_error());
    }
    return result != TROUPE_OK;
}

/* ---- what the parent does ------------------------------------------------------------------- */

static int nothing(const void *argument, size_t bytes)
{
    (void)argument, (void)bytes;
    return 0;
}

static int meet(const void *argument, size_t bytes)
{
    int result = TROUPE_OK;

    memcpy(&board, argument, bytes);
    for (int i = 0; i < board.waits && result == TROUPE_OK; i++)
        result = troupe_barrier_wait(board.barrier, TROUPE_FOREVER, NULL);
    return result != TROUPE_OK;
}

/* Runs a target on ranks from first to the last, and waits for them. */
static bool run(troupe_target target, int first)
{
    int ranks = troupe_world_size();
    troupe_process *crew = calloc((size_t)ranks, sizeof *crew);
    troupe_process_status status;
    bool good = crew != NULL;

    for (int rank = first; good && rank < ranks; rank++) {
        troupe_process_options options = { .where = TROUPE_ON_RANK, .place = rank };

        good = troupe_process_start(target, &board, sizeof board, &options, &crew[rank]) == 0;
    }
    for (int rank = first; good && rank < ranks; rank++)
        good = troupe_process_join(crew[rank], TROUPE_FOREVER) == 0 &&
               troupe_process_status_get(crew[rank], &status) == 0 && status.exit_code == 0 &&
               troupe_process_close(crew[rank]) == 0;
    free(crew);
    return good;
}

static int stay(const void *argument, size_t bytes)
{
    (void)argument, (void)bytes;
    tally_gate_pass();
    return 0;
}

/* As many processes as there are ranks, each on whichever is idle, and all of them stay. */
static bool count_search(void)
{
    int ranks = troupe_world_size();
    troupe_process *crew = calloc((size_t)ranks, sizeof *crew);
    struct tally before = tally_read();
    bool good = crew != NULL;

    for (int i = 0; good && i < ranks; i++)
        good = troupe_process_start(stay, NULL, 0, NULL, &crew[i]) == TROUPE_OK;
    report("process.start.idle", ranks, tally_between(before, tally_read()));
    tally_gate_open();
    for (int i = 0; good && i < ranks; i++)
        good = troupe_process_join(crew[i], TROUPE_FOREVER) == TROUPE_OK &&
               troupe_process_close(crew[i]) == TROUPE_OK;
    free(crew);
    settle();
    return good;
}

static struct tally sent_by_meeting(int waits, bool *good)
{
    struct tally before = tally_read();

    board.waits = waits;
    *good = *good && run(meet, 0);
    settle();
    return tally_between(before, tally_read());
}

static bool count_processes(void)
{
    int last = troupe_world_size() - 1;
    struct tally before, few;
    bool good = run(nothing, 0); /* from here on every rank has looked the targets up */

    settle();
    before = tally_read();
    for (int i = 0; i < STARTS && good; i++)
        good = run(nothing, last);
    settle();
    report("process.start+join", STARTS, tally_between(before, tally_read()));
    good = good && count_search();
    few = sent_by_meeting(0, &good);
    report("barrier.wait", TIMES, tally_between(few, sent_by_meeting(TIMES, &good)));
    return good;
}

static int square(const void *input, size_t input_bytes, void *output, size_t output_bytes)
{
    uint64_t number;

    memcpy(&number, input, input_bytes);
    number *= number;
    memcpy(output, &number, output_bytes);
    return 0;
}

/* The same world's pool, with so many tasks for a worker's claim. */
static bool count_tasks(const char *name, troupe_pool pool, size_t chunk)
{
    troupe_map_options options = { .chunksize = chunk };
    struct tally before = tally_read();
    troupe_result result;
    bool good = troupe_pool_map_async(pool, square, numbers, 8, TASKS, 8, &options, &result) == 0 &&
                troupe_result_get(result, squares, sizeof squares, TROUPE_FOREVER) == 0 &&
                troupe_result_close(result) == 0;

    settle();
    report(name, TASKS, tally_between(before, tally_read()));
    return good;
}

static bool count_pool(void)
{
    struct tally before = tally_read();
    troupe_pool pool;
    bool good = troupe_pool_create(NULL, &pool) == TROUPE_OK;

    settle();
    report("pool.create", 1, tally_between(before, tally_read()));
    good = good && count_tasks("pool.task", pool, 1) && count_tasks("pool.task.chunks", pool, MANY);
    before = tally_read();
    good = good && troupe_pool_close(pool) == TROUPE_OK &&
           troupe_pool_join(pool, TROUPE_FOREVER) == TROUPE_OK &&
           troupe_pool_destroy(pool) == TROUPE_OK;
    settle();
    report("pool.end", 1, tally_between(before, tally_read()));
    return good;
}

static bool make(void)
{
    return troupe_dict_create(NULL, &board.dict) == 0 &&
           troupe_queue_create(NULL, &board.queue) == 0 &&
           troupe_list_create(NULL, &board.list) == 0 &&
           troupe_lock_create(NULL, &board.lock) == 0 &&
           troupe_barrier_create((uint32_t)troupe_world_size(), &board.barrier) == 0;
}

int main(int argc, char **argv)
{
    struct tally before;
    bool good;

    for (uint64_t i = 0; i < TASKS; i++)
        numbers[i] = i;
    if (argc != 2 || tally_open(argv[1]) != 0 || troupe_init(&argc, &argv) != TROUPE_OK)
        return troupe_finalize(1);
    alarm(LIMIT_S); /* the watchdog */
    settle();
    report("world.start", 1, tally_read());
    good = make() && run(ask, troupe_world_size() - 1) && count_processes() && count_pool();
    if (!good)
        fprintf(stderr, "%s\n", troupe_last_error());
    before = tally_read();
    int status = troupe_finalize(!good);
    report("world.end", 1, tally_between(before, tally_read()));
    return status;
}
