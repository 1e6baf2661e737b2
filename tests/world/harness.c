/* The watchdog knows the world from outside, by /proc: all keepers are children of the parent's own
 * parent, so it sees every simulated node, too. */
#include "world/harness.h"

#include "core/node.h"
#include "core/world.h"

#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define WATCHDOG_STATUS 124

static unsigned limit_s;

/* Reads one small file of /proc/<pid>; "" when it is gone. */
static void proc_read(int pid, const char *name, char *text, size_t capacity)
{
    char path[64];
    size_t got = 0;
    FILE *file;

    snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
    file = fopen(path, "r");
    if (file != NULL) {
        got = fread(text, 1, capacity - 1, file);
        fclose(file);
    }
    text[got] = '\0';
}

static int parent_of(int pid, char *state)
{
    char text[512];
    const char *end;
    int parent = -1;

    proc_read(pid, "stat", text, sizeof text);
    end = strrchr(text, ')');
    return end != NULL && sscanf(end + 1, " %c %d", state, &parent) == 2 ? parent : -1;
}

static void process_print(int pid, int ancestor)
{
    char state = '?', above_state, comm[64], place[128];
    int parent = parent_of(pid, &state);

    if (parent != ancestor && (parent <= 1 || parent_of(parent, &above_state) != ancestor))
        return;
    proc_read(pid, "comm", comm, sizeof comm);
    comm[strcspn(comm, "\n")] = '\0';
    proc_read(pid, "wchan", place, sizeof place);
    fprintf(stderr, "  %s %d (%s) of %d: state %c, in %s\n",
            parent == ancestor ? "keeper" : "rank or fresh process", pid, comm, parent, state,
            place[0] != '\0' ? place : "?");
}

static void *watchdog(void *unused)
{
    struct dirent *entry;
    DIR *folder;

    sleep(limit_s);
    fprintf(stderr, "watchdog: not finished after %u s; the parent is %d\n", limit_s,
            (int)getpid());
    folder = opendir("/proc");
    while (folder != NULL && (entry = readdir(folder)) != NULL)
        if (atoi(entry->d_name) > 0)
            process_print(atoi(entry->d_name), (int)getppid());
    _exit(WATCHDOG_STATUS);
    return unused;
}

void harness_watch(unsigned seconds)
{
    pthread_t thread;

    limit_s = seconds;
    assert_int_equal(pthread_create(&thread, NULL, watchdog, NULL), 0);
    pthread_detach(thread);
}

troupe_process harness_start(troupe_target target, const void *argument, size_t bytes,
                             const troupe_process_options *options)
{
    troupe_process process = { 0 };
    int result = troupe_process_start(target, argument, bytes, options, &process);

    if (result != TROUPE_OK)
        fail_msg("start: %s: %s", troupe_result_name(result), troupe_last_error());
    return process;
}

troupe_process harness_start_on(int rank, troupe_target target, const void *argument, size_t bytes)
{
    return harness_start(target, argument, bytes,
                         &(troupe_process_options){ .where = TROUPE_ON_RANK, .place = rank });
}

troupe_process harness_spawn(troupe_target target, const void *argument, size_t bytes)
{
    return harness_start(target, argument, bytes,
                         &(troupe_process_options){ .method = TROUPE_METHOD_SPAWN });
}

troupe_process_status harness_end(troupe_process process)
{
    troupe_process_status status;

    assert_int_equal(troupe_process_join(process, HARNESS_LIMIT_MS), TROUPE_OK);
    assert_int_equal(troupe_process_status_get(process, &status), TROUPE_OK);
    assert_int_equal(troupe_process_close(process), TROUPE_OK);
    return status;
}

void harness_done(troupe_process process, int exit_code)
{
    troupe_process_status status = harness_end(process);

    if (status.state != TROUPE_STATE_DONE || status.exit_code != exit_code)
        fail_msg("ended in state %d with code %d, signal %d, not with code %d: %s", status.state,
                 status.exit_code, status.signal, exit_code, status.reason);
}

int harness_raise(const void *argument, size_t bytes)
{
    struct rlimit none = { 0, 0 };
    int number = *(const int *)argument;

    (void)bytes;
    setrlimit(RLIMIT_CORE, &none);
    signal(number, SIG_DFL);
    raise(number);
    return 1;
}

struct aim {
    int pid, number;
};

static int strike(const void *argument, size_t bytes)
{
    const struct aim *aim = argument;

    (void)bytes;
    return kill(aim->pid, aim->number) == 0 ? 0 : 1;
}

int harness_signal_at(int node, int pid, int number)
{
    struct aim aim = { pid, number };
    troupe_process_options there = { .method = TROUPE_METHOD_SPAWN,
                                     .where = TROUPE_ON_NODE,
                                     .place = node };

    if (node == troupe_node() || getenv("TROUPE_SIMULATED_NODES") != NULL)
        return kill(pid, number);
    return harness_end(harness_start(strike, &aim, sizeof aim, &there)).exit_code == 0 ? 0 : -1;
}

int harness_signal(troupe_process process, int number)
{
    troupe_process_status status;
    int node, local;

    do
        assert_int_equal(troupe_process_status_get(process, &status), TROUPE_OK);
    while (status.state == TROUPE_STATE_WAITING);
    node_place(&world_here.arena, status.rank, &node, &local);
    return harness_signal_at(node, status.pid, number);
}

void harness_kill(troupe_process process)
{
    assert_int_equal(harness_signal(process, SIGKILL), 0);
}

const char *harness_folder(void)
{
    const char *shared = getenv("TROUPE_TEST_SHARED"), *own = getenv("TMPDIR");

    return shared != NULL ? shared : own != NULL ? own : "/tmp";
}

troupe_queue harness_queue(void)
{
    troupe_queue queue = { 0 };

    assert_int_equal(troupe_queue_create(NULL, &queue), TROUPE_OK);
    return queue;
}

void harness_put_int(troupe_queue queue, int value)
{
    assert_int_equal(troupe_queue_put(queue, &value, sizeof value, HARNESS_LIMIT_MS), TROUPE_OK);
}

int harness_get_int(troupe_queue queue)
{
    int value = -1;

    assert_int_equal(troupe_queue_get(queue, &value, sizeof value, NULL, HARNESS_LIMIT_MS),
                     TROUPE_OK);
    return value;
}
