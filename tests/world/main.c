/* A program whose main ends in the way that its first argument names. Outside of tests of its
 * end it is what a user's smallest program is: it includes the public header alone. */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <troupe/troupe.h>

#ifndef BAD_PLACE
#define BAD_PLACE 4711 /* the second program of a world of two has another */
#endif

static int nothing(const void *argument, size_t bytes)
{
    (void)argument, (void)bytes;
    return 0;
}

static int wait_for_ever(const void *argument, size_t bytes)
{
    char text[8];

    (void)bytes;
    return -troupe_queue_get(*(const troupe_queue *)argument, text, sizeof text, NULL,
                             TROUPE_FOREVER);
}

static int raise_kill(const void *argument, size_t bytes)
{
    (void)argument, (void)bytes;
    return raise(SIGKILL);
}

/* Says how a call that must fail failed, on one line. */
static void say(const char *call, int result)
{
    printf("%s: %s: %s\n", call, troupe_result_name(result),
           result < 0 ? troupe_last_error() : "-");
}

static void start_on_every_rank(troupe_target target, const void *argument, size_t bytes)
{
    for (int rank = 0; rank < troupe_world_size(); rank++) {
        troupe_process_options options = { .where = TROUPE_ON_RANK, .place = rank };
        troupe_process process;

        if (troupe_process_start(target, argument, bytes, &options, &process) != TROUPE_OK)
            puts(troupe_last_error());
    }
}

/* Ends rank by rank, the given number of them, and waits for each. */
static void lose_ranks(int count)
{
    for (int rank = troupe_world_size() - 1; rank >= troupe_world_size() - count; rank--) {
        troupe_process_options options = { .where = TROUPE_ON_RANK, .place = rank };
        troupe_process_status status;
        troupe_process process;

        if (troupe_process_start(raise_kill, NULL, 0, &options, &process) != TROUPE_OK ||
            troupe_process_join(process, TROUPE_FOREVER) != TROUPE_OK ||
            troupe_process_status_get(process, &status) != TROUPE_OK)
            puts(troupe_last_error());
        else
            printf("state %d signal %d\n", status.state, status.signal);
    }
}

/* A world that stays until it is ended from outside: prints the parent's pid, and blocks. */
static void stay(void)
{
    troupe_queue gate;
    char text[8];

    if (troupe_queue_create(NULL, &gate) != TROUPE_OK)
        return;
    start_on_every_rank(wait_for_ever, &gate, sizeof gate);
    printf("launcher %d\nparent %d\n", (int)getppid(), (int)getpid());
    fflush(stdout);
    troupe_queue_get(gate, text, sizeof text, NULL, TROUPE_FOREVER);
}

static void call_from_fork(void)
{
    troupe_queue queue;
    pid_t child = fork();

    if (child == 0) {
        say("create in a fork", troupe_queue_create(NULL, &queue));
        fflush(stdout);
        _exit(0);
    }
    waitpid(child, NULL, 0);
}

static void call_with_bad_handles(void)
{
    troupe_dict no_dict;
    troupe_queue queue, destroyed;
    troupe_process no_process;
    uint64_t count;

    if (troupe_queue_create(NULL, &queue) != TROUPE_OK ||
        troupe_queue_create(NULL, &destroyed) != TROUPE_OK ||
        troupe_queue_destroy(destroyed) != TROUPE_OK)
        return;
    no_dict.id = no_process.id = queue.id;
    say("a queue as a dict", troupe_dict_size(no_dict, &count));
    say("a queue as a process", troupe_process_join(no_process, 0));
    say("destroyed", troupe_queue_size(destroyed, &count));
    say("destroyed twice", troupe_queue_destroy(destroyed));
    say("zero", troupe_queue_size((troupe_queue){ 0 }, &count));
    say("any number", troupe_queue_size((troupe_queue){ UINT64_MAX }, &count));
    say("zero process", troupe_process_join((troupe_process){ 0 }, 0));
}

static void start_badly(void)
{
    troupe_process_options options = { .where = TROUPE_ON_RANK, .place = BAD_PLACE };
    troupe_process process;
    char long_name[2 * TROUPE_NAME_SIZE];
    static int no_function;
    troupe_target target;
    void *address = &no_function;

    memcpy(&target, &address, sizeof target);
    say("no function", troupe_process_start(target, NULL, 0, NULL, &process));
    say("NULL", troupe_process_start(NULL, NULL, 0, NULL, &process));
    say("no rank", troupe_process_start(nothing, NULL, 0, &options, &process));
    say("no argument", troupe_process_start(nothing, NULL, 5, NULL, &process));
    memset(long_name, 'x', sizeof long_name);
    long_name[sizeof long_name - 1] = '\0';
    options = (troupe_process_options){ .name = long_name };
    say("long name", troupe_process_start(nothing, NULL, 0, &options, &process));
    options = (troupe_process_options){ .method = BAD_PLACE };
    say("no method", troupe_process_start(nothing, NULL, 0, &options, &process));
}

static int end(const char *way, int status)
{
    troupe_queue queue;

    if (strcmp(way, "exit") == 0)
        exit(status);
    status = troupe_finalize(status);
    if (strcmp(way, "after") == 0)
        say("after finalize", troupe_queue_create(NULL, &queue));
    if (strcmp(way, "twice") == 0)
        return troupe_finalize(status);
    return status;
}

int main(int argc, char **argv)
{
    const char *way = argc > 1 ? argv[1] : "return";
    int number = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 0;
    troupe_queue queue;

    if (strcmp(way, "early") == 0) { /* every process of the world comes here */
        troupe_finalize(0);
        say("before init", troupe_queue_create(NULL, &queue));
        return 3;
    }
    if (troupe_init(&argc, &argv) != TROUPE_OK)
        return troupe_finalize(1);
    if (strcmp(way, "again") == 0) {
        say("second init", troupe_init(&argc, &argv));
        say("attach", troupe_attach());
    }
    if (strcmp(way, "stay") == 0)
        stay();
    if (strcmp(way, "lose") == 0)
        lose_ranks(number);
    if (strcmp(way, "fork") == 0)
        call_from_fork();
    if (strcmp(way, "handles") == 0)
        call_with_bad_handles();
    if (strcmp(way, "start") == 0)
        start_badly();
    fflush(stdout);
    return end(way, strcmp(way, "return") == 0 || strcmp(way, "exit") == 0 ? number : 0);
}
