/* Lines for people. The level is read from the environment once. */
#include "base/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *name = "troupe";
static enum log_level threshold = LOG_LEVEL_WARNING;

static void threshold_read(void)
{
    static const char *const words[] = { "error", "warning", "info", "debug" };
    const char *chosen = getenv("TROUPE_LOG");

    for (int level = LOG_LEVEL_ERROR; chosen != NULL && level <= LOG_LEVEL_DEBUG; level++)
        if (strcmp(chosen, words[level]) == 0)
            threshold = (enum log_level)level;
}

void log_set_name(const char *new_name)
{
    name = new_name;
}

void log_line(enum log_level level, const char *format, ...)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    char line[1024];
    int used;
    va_list arguments;

    pthread_once(&once, threshold_read);
    if (level > threshold)
        return;
    used = snprintf(line, sizeof line - 1, "%s: ", name);
    va_start(arguments, format);
    vsnprintf(line + used, sizeof line - 1 - (size_t)used, format, arguments);
    va_end(arguments);
    used = (int)strlen(line);
    line[used] = '\n';
    if (write(STDERR_FILENO, line, (size_t)used + 1) < 0)
        return; /* standard error is gone: there is nobody to tell */
}
