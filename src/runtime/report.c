/* A report is below PIPE_BUF, so it is written at once or not at all. */
#include "runtime/report.h"

#include <errno.h>
#include <limits.h>
#include <unistd.h>

_Static_assert(sizeof(struct report) <= PIPE_BUF, "a report is one write");

void report_send(int descriptor, const struct report *report)
{
    while (write(descriptor, report, sizeof *report) < 0 && errno == EINTR)
        ;
}

bool report_receive(int descriptor, struct report *report)
{
    ssize_t got;

    do
        got = read(descriptor, report, sizeof *report);
    while (got < 0 && errno == EINTR);
    return got == sizeof *report;
}
