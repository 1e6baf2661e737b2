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

struct stay_places {
    troupe_queue gate; /* first: wait_for_ever looks for no more */
    troupe_queue ready;
};

/* All ranks block, and the last has a fork and a fresh process that do, too. */
static int stay_on_rank(const void *argument, size_t bytes)
{
    troupe_process_options fork = { .method = TROUPE_METHOD_FORK };
    troupe_process_options spawn = { .method = TROUPE_METHOD_SPAWN };
    troupe_process process;

    if (troupe_rank() < troupe_world_size() - 1)
        return wait_for_ever(argument, bytes);
    if (troupe_process_start(wait_for_ever, argument, bytes, &fork, &process) != TROUPE_OK ||
        troupe_process_start(wait_for_ever, argument, bytes, &spawn, &process) != TROUPE_OK)
        puts(troupe_last_error());
    troupe_queue_put(((const struct stay_places *)argument)->ready, "", 1, TROUPE_FOREVER);
    return wait_for_ever(argument, bytes);
}

/* A world that stays until it is ended from outside: prints the parent's pid, and blocks. */
static void stay(void)
{
    struct stay_places places;
    char text[8];

    if (troupe_queue_create(NULL, &places.gate) != TROUPE_OK ||
        troupe_queue_create(NULL, &places.ready) != TROUPE_OK)
        return;
    start_on_every_rank(stay_on_rank, &places, sizeof places);
    troupe_queue_get(places.ready, text, sizeof text, NULL, TROUPE_FOREVER);
    printf("launcher %d\nparent %d\n", (int)getppid(), (int)getpid());
    fflush(stdout);
    troupe_queue_get(places.gate, text, sizeof text, NULL, TROUPE_FOREVER);
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

/* ---- what happens to fresh processes ------------------------------------------------------ */

/* Into the control group whose folder is the argument, and then as much memory as there is. */
static int eat_memory(const void *argument, size_t bytes)
{
    enum { BITE = 1 << 20 };
    char path[256];
    FILE *file;

    (void)bytes;
    snprintf(path, sizeof path, "%s/cgroup.procs", (const char *)argument);
    file = fopen(path, "w");
    if (file == NULL || fprintf(file, "%d", (int)getpid()) < 0 || fclose(file) != 0)
        return 1;
    for (char *bite; (bite = malloc(BITE)) != NULL;)
        memset(bite, 1, BITE);
    return 2;
}

static void fresh_run(troupe_target target, const void *argument, size_t bytes)
{
    troupe_process_options options = { .name = "fresh", .method = TROUPE_METHOD_SPAWN };
    troupe_process_status status;
    troupe_process process;

    if (troupe_process_start(target, argument, bytes, &options, &process) != TROUPE_OK ||
        troupe_process_join(process, TROUPE_FOREVER) != TROUPE_OK ||
        troupe_process_status_get(process, &status) != TROUPE_OK)
        puts(troupe_last_error());
    else
        printf("state %d signal %d %s\n", status.state, status.signal, status.reason);
}

/* One that somebody asked to end is no loss. */
static void fresh_kill(void)
{
    troupe_process_options options = { .method = TROUPE_METHOD_SPAWN };
    troupe_process process;
    troupe_queue gate;

    if (troupe_queue_create(NULL, &gate) == TROUPE_OK &&
        troupe_process_start(wait_for_ever, &gate, sizeof gate, &options, &process) == TROUPE_OK &&
        troupe_process_kill(process) == TROUPE_OK)
        troupe_process_join(process, TROUPE_FOREVER);
}

/* In each argument one word is an address: of the heap, the stack, and the program's data. */
static void pointers_send(void)
{
    static int number;
    struct {
        uint64_t plain;
        const void *address;
    } argument = { 4711, malloc(1) };

    fresh_run(nothing, &argument, sizeof argument);
    free((void *)argument.address);
    argument.address = &argument;
    fresh_run(nothing, &argument, sizeof argument);
    argument.address = &number;
    fresh_run(nothing, &argument, sizeof argument);
    argument.address = NULL;
    fresh_run(nothing, &argument, sizeof argument);
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
    if (strcmp(way, "crash") == 0)
        fresh_run(raise_kill, NULL, 0);
    if (strcmp(way, "asked") == 0)
        fresh_kill();
    if (strcmp(way, "pointers") == 0)
        pointers_send();
    if (strcmp(way, "eat") == 0)
        fresh_run(eat_memory, argv[2], strlen(argv[2]) + 1);
    if (strcmp(way, "fork") == 0)
        call_from_fork();
    if (strcmp(way, "handles") == 0)
        call_with_bad_handles();
    if (strcmp(way, "start") == 0)
        start_badly();
    fflush(stdout);
    return end(way, strcmp(way, "return") == 0 || strcmp(way, "exit") == 0 ? number : 0);
}
