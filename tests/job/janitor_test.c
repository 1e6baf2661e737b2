/* The janitor of a keeper under a launcher of the user's: it cleans only after both are dead, and
 * not at all when it was dismissed. The supervisor's way is tested from outside, by run.bats. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "job/janitor.h"
#include "job/leftovers.h"
#include "troupe/troupe.h"

/* A launcher, its keeper and the keeper's janitor, with a session folder and a segment. */
struct scene {
    char base[64], session[96], inside[128];
    pid_t launcher, keeper, janitor;
    int segment;
};

struct told {
    pid_t keeper, janitor;
    int segment;
};

static _Noreturn void keeper_live(int tell, bool dismiss)
{
    struct janitor_options options = { .output = -1, .error = -1, .awaited = getppid() };
    struct janitor janitor;
    struct told told = { .keeper = getpid(),
                         .segment = shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600) };

    if (janitor_start(&options, &janitor) != TROUPE_OK)
        _exit(1);
    janitor_note(&janitor, getpid());
    told.janitor = janitor.pid;
    if (dismiss)
        janitor_dismiss(&janitor);
    if (write(tell, &told, sizeof told) != (ssize_t)sizeof told)
        _exit(1);
    for (;;)
        pause();
}

static _Noreturn void launcher_live(const char *base, int tell, bool dismiss)
{
    char session[96];

    snprintf(session, sizeof session, "%s/pid.%d", base, (int)getpid());
    setenv("OMPI_MCA_orte_jobfam_session_dir", session, 1);
    if (fork() == 0)
        keeper_live(tell, dismiss);
    for (;;)
        pause();
}

static void scene_open(struct scene *scene, bool dismiss)
{
    struct told told;
    int tell[2];

    snprintf(scene->base, sizeof scene->base, "/tmp/janitor-test.XXXXXX");
    assert_non_null(mkdtemp(scene->base));
    assert_int_equal(pipe(tell), 0);
    scene->launcher = fork();
    if (scene->launcher == 0)
        launcher_live(scene->base, tell[1], dismiss);
    close(tell[1]);
    assert_int_equal(read(tell[0], &told, sizeof told), sizeof told);
    close(tell[0]);
    scene->keeper = told.keeper;
    scene->janitor = told.janitor;
    scene->segment = told.segment;
    snprintf(scene->session, sizeof scene->session, "%s/pid.%d", scene->base, (int)scene->launcher);
    snprintf(scene->inside, sizeof scene->inside, "%s/inside", scene->session);
    assert_int_equal(mkdir(scene->session, 0700), 0);
    assert_int_equal(mkdir(scene->inside, 0700), 0);
}

/* Waits for a process that need not be our child. */
static void await_end(pid_t pid)
{
    int handle = (int)syscall(SYS_pidfd_open, pid, 0);
    struct pollfd end = { .fd = handle, .events = POLLIN };

    if (handle < 0)
        return;
    assert_int_equal(poll(&end, 1, -1), 1);
    close(handle);
}

static bool segment_exists(int segment)
{
    struct shmid_ds status;

    return shmctl(segment, IPC_STAT, &status) == 0;
}

static void both_dead_and_nothing_is_left(void **state)
{
    struct scene scene;

    (void)state;
    scene_open(&scene, false);
    kill(scene.keeper, SIGKILL);
    await_end(scene.keeper);
    assert_int_equal(kill(scene.janitor, 0), 0);
    assert_int_equal(access(scene.inside, F_OK), 0);
    kill(scene.launcher, SIGKILL);
    assert_int_equal(waitpid(scene.launcher, NULL, 0), scene.launcher);
    await_end(scene.janitor);
    assert_int_not_equal(access(scene.session, F_OK), 0);
    assert_int_not_equal(access(scene.base, F_OK), 0);
    assert_false(segment_exists(scene.segment));
}

static void a_dismissed_janitor_touches_nothing(void **state)
{
    struct scene scene;

    (void)state;
    scene_open(&scene, true);
    await_end(scene.janitor);
    kill(scene.keeper, SIGKILL);
    kill(scene.launcher, SIGKILL);
    assert_int_equal(waitpid(scene.launcher, NULL, 0), scene.launcher);
    assert_int_equal(access(scene.inside, F_OK), 0);
    assert_true(segment_exists(scene.segment));
    shmctl(scene.segment, IPC_RMID, NULL);
    leftovers_remove_folder(scene.base);
    assert_int_not_equal(access(scene.base, F_OK), 0);
}

static void links_are_removed_and_not_followed(void **state)
{
    char outside[] = "/tmp/janitor-test.XXXXXX", folder[] = "/tmp/janitor-test.XXXXXX";
    char kept[64], name[64];

    (void)state;
    assert_non_null(mkdtemp(outside));
    assert_non_null(mkdtemp(folder));
    snprintf(kept, sizeof kept, "%s/kept", outside);
    snprintf(name, sizeof name, "%s/link", folder);
    assert_int_equal(mkdir(kept, 0700), 0);
    assert_int_equal(symlink(outside, name), 0);
    leftovers_remove_folder(folder);
    assert_int_not_equal(access(folder, F_OK), 0);
    assert_int_equal(access(kept, F_OK), 0);
    leftovers_remove_folder(outside);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_dead_and_nothing_is_left),
        cmocka_unit_test(a_dismissed_janitor_touches_nothing),
        cmocka_unit_test(links_are_removed_and_not_followed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
