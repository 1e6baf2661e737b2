#include "launch/map/report/duration.h"

#include <stdio.h>

enum {
    US_EACH_MS = 1000,
    US_EACH_S = 1000000,
    S_EACH_MINUTE = 60,
    S_EACH_HOUR = 3600,
    S_EACH_DAY = 86400
};

static void figures_write(double value, const char *unit, char *text)
{
    int digits = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;

    snprintf(text, DURATION_BYTES, "%.*f %s", digits, value, unit);
}

const char *duration_write(int64_t us, char text[DURATION_BYTES])
{
    long long seconds = (us + US_EACH_S / 2) / US_EACH_S;

    if (us < 0)
        us = seconds = 0;
    if (us < US_EACH_MS)
        snprintf(text, DURATION_BYTES, "%d us", (int)us);
    else if (us < (int64_t)(0.9995 * US_EACH_S))
        figures_write((double)us / US_EACH_MS, "ms", text);
    else if (seconds < S_EACH_MINUTE)
        figures_write((double)us / US_EACH_S, "s", text);
    else if (seconds < S_EACH_HOUR)
        snprintf(text, DURATION_BYTES, "%lld m %02lld s", seconds / S_EACH_MINUTE,
                 seconds % S_EACH_MINUTE);
    else if (seconds < S_EACH_DAY)
        snprintf(text, DURATION_BYTES, "%lld h %02lld m", seconds / S_EACH_HOUR,
                 seconds % S_EACH_HOUR / S_EACH_MINUTE);
    else
        snprintf(text, DURATION_BYTES, "%lld d %02lld h", seconds / S_EACH_DAY,
                 seconds % S_EACH_DAY / S_EACH_HOUR);
    return text;
}
