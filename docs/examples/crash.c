/* Processes that end badly, one in each way, and what their starter learns. The others go on, and
 * so does main. The ways: an exit code with a sentence, a failed call, exit(), a signal, an address
 * that there is not, a target that blocks for ever and is killed. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <troupe/troupe.h>

static int crash(const void *argument, size_t bytes)
{
    const char *way = argument;
    troupe_queue none = { 0 };
    struct rlimit no_core = { 0, 0 };
    volatile int *volatile nowhere = NULL;

    (void)bytes;
    setrlimit(RLIMIT_CORE, &no_core);
    if (strcmp(way, "sentence") == 0)
        return troupe_process_fail("no model in %s", "/data");
    if (strcmp(way, "call") == 0)
        return troupe_queue_close(none) == TROUPE_OK ? 0 : 2;
    if (strcmp(way, "exit") == 0)
        exit(3);
    if (strcmp(way, "abort") == 0)
        abort();
    if (strcmp(way, "address") == 0)
        *nowhere = 1;
    for (;;)
        pause();
}

static void tell(const char *way, const troupe_process_status *status)
{
    if (status->state == TROUPE_STATE_DONE)
        printf("%s: exit code %d%s%s\n", way, status->exit_code, *status->reason ? ": " : "",
               status->reason);
    else
        printf("%s: signal %d (%s)\n", way, status->signal, strsignal(status->signal));
}

int main(int argc, char **argv)
{
    static const char *const ways[] = {
        "sentence", "call", "exit", "abort", "address", "for ever"
    };
    troupe_process_options options = { .method = TROUPE_METHOD_SPAWN };
    troupe_process_status status;
    troupe_process process;

    if (troupe_init(&argc, &argv) != TROUPE_OK)
        return troupe_finalize(1);
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        if (troupe_process_start(crash, ways[i], strlen(ways[i]) + 1, &options, &process) !=
            TROUPE_OK)
            return troupe_finalize(1);
        if (troupe_process_join(process, strcmp(ways[i], "for ever") == 0 ? 500 : TROUPE_FOREVER) ==
            TROUPE_TIMEOUT) {
            troupe_process_kill(process);
            troupe_process_join(process, TROUPE_FOREVER);
        }
        troupe_process_status_get(process, &status);
        tell(ways[i], &status);
        troupe_process_close(process);
    }
    puts("main goes on");
    return troupe_finalize(0);
}
