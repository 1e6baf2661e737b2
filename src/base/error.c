/* The calling thread's last failure. A sentence that does not fit is cut, never dropped. */
#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static _Thread_local char last[sizeof((struct error_kept *)0)->sentence];
static _Thread_local unsigned count;

static void record(const char *format, va_list arguments)
{
    vsnprintf(last, sizeof last, format, arguments);
    count++;
}

int fail(int result, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    record(format, arguments);
    va_end(arguments);
    return result;
}

int fail_errno(int result, const char *format, ...)
{
    char reason[128];
    const char *text = strerror_r(errno, reason, sizeof reason);
    va_list arguments;
    size_t used;

    va_start(arguments, format);
    record(format, arguments);
    va_end(arguments);
    used = strlen(last);
    snprintf(last + used, sizeof last - used, ": %s", text);
    return result;
}

int fail_text(int result, const char *sentence)
{
    return fail(result, "%s", sentence);
}

/* Up to the zero: mostly there is no sentence, and every request of another node comes here. */
static void sentence_copy(char *to, const char *from)
{
    memcpy(to, from, strlen(from) + 1);
}

void error_keep(struct error_kept *kept)
{
    sentence_copy(kept->sentence, last);
}

void error_restore(const struct error_kept *kept)
{
    sentence_copy(last, kept->sentence);
}

const char *troupe_last_error(void)
{
    return last;
}

unsigned error_count(void)
{
    return count;
}

const char *troupe_version(void)
{
    return TROUPE_VERSION;
}

const char *troupe_result_name(int result)
{
    static const char *const names[] = {
        "TROUPE_OK",         "TROUPE_EMPTY",        "TROUPE_FULL",        "TROUPE_CLOSED",
        "TROUPE_TOO_LONG",   "TROUPE_NOT_FOUND",    "TROUPE_TIMEOUT",     "TROUPE_BAD_ARGUMENT",
        "TROUPE_BAD_HANDLE", "TROUPE_NO_MEMORY",    "TROUPE_NOT_RUNNING", "TROUPE_ALREADY",
        "TROUPE_FORKED",     "TROUPE_LOST",         "TROUPE_SYSTEM",      "TROUPE_LAUNCH",
        "TROUPE_MISMATCH",   "TROUPE_NO_RANK",      "TROUPE_GPU",         "TROUPE_NO_GPU",
        "TROUPE_EFORKED",    "TROUPE_CUDA_STARTED", "TROUPE_CANCELLED",   "TROUPE_OWNER_DIED",
        "TROUPE_BROKEN",     "TROUPE_DEADLOCK",     "TROUPE_DIFFERS",     "TROUPE_BUSY",
        "TROUPE_GIVEN_UP",   "TROUPE_FAILED",
    };
    int known = (int)(sizeof names / sizeof *names);

    return result <= 0 && -result < known ? names[-result] : "TROUPE_UNKNOWN";
}
