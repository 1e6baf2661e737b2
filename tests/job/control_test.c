/* A supervisor's address: it is good on its host alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <unistd.h>

#include "job/control.h"
#include "job/stdio.h"

static void an_address_made_here_is_of_here(void **state)
{
    char address[CONTROL_ADDRESS_SIZE];
    int listener, connection;

    (void)state;
    assert_int_equal(control_address_make(address), TROUPE_OK);
    assert_true(control_is_here(address));
    assert_int_equal(control_listen(address, &listener), TROUPE_OK);
    assert_int_equal(control_connect(address, &connection), TROUPE_OK);
    close(connection);
    close(listener);
    assert_int_equal(control_connect(address, &connection), TROUPE_LOST);
    assert_string_equal(control_token("unix:@troupe-00,gpu-1"), "00,gpu-1");
    assert_true(control_is_here("unix:@troupe-00"));
    assert_false(control_is_here("unix:@troupe-00,another-host"));
}

/* srun carries it to hosts where nobody listens: a rank there has no supervisor, and is silent. */
static void an_address_of_another_host_is_dropped(void **state)
{
    (void)state;
    setenv(CONTROL_ENVIRONMENT, "unix:@troupe-00", 1);
    assert_int_equal(job_stdio_attach(JOB_ROLE_RANK, 0), TROUPE_LOST);
    setenv(CONTROL_ENVIRONMENT, "unix:@troupe-00,another-host", 1);
    assert_int_equal(job_stdio_attach(JOB_ROLE_RANK, 0), TROUPE_OK);
    assert_false(job_stdio_attached());
    assert_null(getenv(CONTROL_ENVIRONMENT));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_made_here_is_of_here),
        cmocka_unit_test(an_address_of_another_host_is_dropped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
