/* What the tests of a running world share: cmocka in the parent, a watchdog, and short ways to
 * start a process and to learn its end. Assertions are the parent's; a target tells by its exit
 * code. */
#ifndef TROUPE_TESTS_WORLD_HARNESS_H
#define TROUPE_TESTS_WORLD_HARNESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "troupe/troupe.h"

/* No end that a test waits for takes this long: it only stops a test that has failed. */
#define HARNESS_LIMIT_MS 60000

/* Starts the watchdog: after so many seconds it prints what each process of the world is doing, and
 * ends the parent. Called after troupe_init. */
void harness_watch(unsigned seconds);

/* Starts a process; the test fails when that fails. options may be NULL. */
troupe_process harness_start(troupe_target target, const void *argument, size_t bytes,
                             const troupe_process_options *options);
troupe_process harness_start_on(int rank, troupe_target target, const void *argument, size_t bytes);
troupe_process harness_spawn(troupe_target target, const void *argument, size_t bytes);

/* Waits for its end, closes it, and tells how it ended. */
troupe_process_status harness_end(troupe_process process);

/* The same for a process that must be DONE with this exit code. */
void harness_done(troupe_process process, int exit_code);

/* A target that ends its process by the signal whose number, an int, is its argument: without a
 * core file, and past what MPI or a sanitizer installed. */
int harness_raise(const void *argument, size_t bytes);

/* Sends a signal to a process by its number, from outside and on whatever node it is: there by a
 * process of its own, since a number means nothing on another host. Returns what kill did. The
 * process may still be on its way to running. */
int harness_signal(troupe_process process, int number);
int harness_signal_at(int node, int pid, int number);

/* That with SIGKILL, and it must be there. */
void harness_kill(troupe_process process);

/* Where a file is seen by all nodes: TROUPE_TEST_SHARED, else TMPDIR, else /tmp. */
const char *harness_folder(void);

troupe_queue harness_queue(void);
void harness_put_int(troupe_queue queue, int value);
int harness_get_int(troupe_queue queue);

#endif
