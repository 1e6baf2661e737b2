/* The three start methods side by side: what a process sees of the one that starts it.
 *
 * main changes a variable, loads a library and opens a file, and starts one process by each method.
 * The fork sees all three, the fresh process none, the rank what older targets left in its memory:
 * nothing, for the first one. What a process changes stays its own. Prints one line for each. */
#include <dlfcn.h>
#include <stdio.h>
#include <unistd.h>
#include <troupe/troupe.h>

static int variable = 1;
static void *library;
static int file = -1;

static int look(const void *argument, size_t bytes)
{
    (void)bytes;
    printf("%s: variable %d, library %s, file %s\n", (const char *)argument, variable,
           library != NULL ? "loaded" : "not loaded", file >= 0 ? "open" : "not open");
    variable = 99;
    return 0;
}

static int run(int method, const char *name, size_t bytes)
{
    troupe_process_options options = { .method = method };
    troupe_process process;

    if (troupe_process_start(look, name, bytes, &options, &process) != TROUPE_OK ||
        troupe_process_join(process, TROUPE_FOREVER) != TROUPE_OK) {
        fprintf(stderr, "%s: %s\n", name, troupe_last_error());
        return 1;
    }
    troupe_process_close(process);
    return 0;
}

int main(int argc, char **argv)
{
    int failed = 0;

    if (troupe_init(&argc, &argv) != TROUPE_OK)
        return troupe_finalize(1);
    variable = 2;
    library = dlopen("libm.so.6", RTLD_NOW);
    file = dup(STDOUT_FILENO);
    failed |= run(TROUPE_METHOD_FORK, "fork", sizeof "fork");
    failed |= run(TROUPE_METHOD_SPAWN, "spawn", sizeof "spawn");
    failed |= run(TROUPE_METHOD_RANK, "rank", sizeof "rank");
    printf("main: variable %d\n", variable);
    return troupe_finalize(failed);
}
