/* What /proc says of processes, those with odd names among them. */
#include "sandbox.h"

#include "base/procfs.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *program;

/* Nothing of the fields is taken from the name. */
static void of_oneself(void **state)
{
    const char *names[] = { "plain", "a b", "a) Z 1 (b", ")", "(", "two\nlines) X 7" };
    struct procfs_process self;

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        prctl(PR_SET_NAME, names[i]);
        assert_true(procfs_process(getpid(), &self));
        assert_int_equal(self.state, 'R');
        assert_int_equal(self.parent, getppid());
        assert_string_equal((const char *)self.arguments, program);
        assert_true(self.arguments_end > self.arguments);
        assert_true(procfs_is_busy(getpid()));
    }
}

static pid_t child_start(bool spins)
{
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        alarm(60);
        if (!spins)
            raise(SIGSTOP);
        for (;;)
            __asm__ volatile("");
    }
    return child;
}

static void child_end(pid_t child)
{
    struct procfs_process process;

    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    assert_false(procfs_process(child, &process));
    assert_false(procfs_is_busy(child));
}

static void of_one_that_is_stopped(void **state)
{
    struct procfs_process before, after;
    pid_t child = child_start(false);

    (void)state;
    assert_int_equal(waitpid(child, NULL, WUNTRACED), child);
    assert_true(procfs_process(child, &before));
    assert_int_equal(before.state, 'T');
    assert_int_equal(before.parent, getpid());
    assert_false(procfs_is_busy(child));
    assert_true(procfs_process(child, &after));
    assert_int_equal(after.cpu, before.cpu);
    child_end(child);
}

/* Ends when it has been seen to use a core; the child's alarm stops a test that has failed. */
static void of_one_that_runs(void **state)
{
    pid_t child = child_start(true);
    struct procfs_process process = { .state = 'R' };

    (void)state;
    assert_true(procfs_is_busy(child));
    while (process.state == 'R' && process.cpu == 0)
        assert_true(procfs_process(child, &process));
    assert_true(process.cpu > 0);
    child_end(child);
}

static void of_a_file(void **state)
{
    int64_t number = 7;

    (void)state;
    assert_true(procfs_number("/proc/self/status", "Pid:", &number));
    assert_int_equal(number, getpid());
    assert_true(procfs_number("/proc/sys/kernel/pid_max", NULL, &number));
    assert_true(number >= getpid());
    number = 7;
    assert_false(procfs_number("/proc/self/status", "Nothing:", &number));
    assert_false(procfs_number("/proc/self/nothing", NULL, &number));
    assert_false(procfs_number("/proc/self/comm", NULL, &number));
    assert_int_equal(number, 7);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_oneself),
        cmocka_unit_test(of_one_that_is_stopped),
        cmocka_unit_test(of_one_that_runs),
        cmocka_unit_test(of_a_file),
    };

    (void)argc;
    program = argv[0];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
