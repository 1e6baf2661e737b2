#include "cases.h"

#include <sys/wait.h>
#include <unistd.h>

#define BLOCK 256

const char cases_ptx[] = ".version 8.0\n.target sm_75\n";

void cases_check(bool holds, const char *text, const char *file, int line)
{
    if (holds)
        return;
    fprintf(stderr, "%s:%d: not so: %s; last error: %s\n", file, line, text, troupe_last_error());
    _exit(1);
}

void cases_result(int result, int wanted, const char *file, int line)
{
    if (result == wanted)
        return;
    fprintf(stderr, "%s:%d: %s, wanted %s; last error: %s\n", file, line,
            troupe_result_name(result), troupe_result_name(wanted), troupe_last_error());
    _exit(1);
}

void cases_says(const char *text, const char *file, int line)
{
    if (strstr(troupe_last_error(), text) != NULL)
        return;
    fprintf(stderr, "%s:%d: '%s' does not say '%s'\n", file, line, troupe_last_error(), text);
    _exit(1);
}

static void environment_set(const char *const *environment)
{
    for (; environment != NULL && *environment != NULL; environment++) {
        size_t name = strcspn(*environment, "=");
        char copy[64];

        snprintf(copy, sizeof copy, "%.*s", (int)name, *environment);
        if ((*environment)[name] == '=')
            setenv(copy, *environment + name + 1, 1);
        else
            unsetenv(copy);
    }
}

int cases_status(const char *const *environment, void (*body)(const void *), const void *argument)
{
    pid_t child = fork();
    int status;

    if (child == 0) {
        environment_set(environment);
        body(argument);
        exit(0);
    }
    if (child < 0 || waitpid(child, &status, 0) != child)
        return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void cases_run(const char *const *environment, void (*body)(const void *), const void *argument)
{
    assert_int_equal(cases_status(environment, body, argument), 0);
}

troupe_gpu cases_open(int device)
{
    troupe_gpu gpu;

    CHECK_RESULT(troupe_gpu_open(device, &gpu), TROUPE_OK);
    return gpu;
}

/* ---- the kernel ------------------------------------------------------------------------- */

static void add_reference(const struct standin_launch *launch, void *const *arguments)
{
    const float *from = *(float *const *)arguments[0];
    float add = *(const float *)arguments[1];
    int n = *(const int *)arguments[2];
    float *to = *(float *const *)arguments[3];

    CHECK(launch->grid[0] * launch->block[0] >= (unsigned)n);
    for (int i = 0; i < n; i++)
        to[i] = from[i] + add;
}

void cases_kernel_register(void)
{
    CHECK(standin_register("cases_add", add_reference));
}

troupe_gpu_function cases_kernel(troupe_gpu gpu, troupe_gpu_module *module)
{
    troupe_gpu_function function;

    cases_kernel_register();
    CHECK_RESULT(troupe_gpu_module_load(gpu, cases_ptx, strlen(cases_ptx), module), TROUPE_OK);
    CHECK_RESULT(troupe_gpu_function_get(gpu, *module, "cases_add", &function), TROUPE_OK);
    return function;
}

int cases_kernel_launch(troupe_gpu gpu, troupe_gpu_function function, troupe_gpu_stream stream,
                        troupe_gpu_memory from, float add, int n, troupe_gpu_memory to)
{
    void *arguments[] = { &from.address, &add, &n, &to.address };
    troupe_gpu_shape shape = { .grid = { (uint32_t)(n + BLOCK - 1) / BLOCK },
                               .block = { BLOCK },
                               .stream = stream };

    return troupe_gpu_launch(gpu, function, &shape, arguments);
}
