/* Reading and judging --halt. */
#include "halt.h"

#include <stdlib.h>
#include <string.h>

#define PERCENT_FROM 3 /* ends */

static bool what_read(const char **text, enum halt_what *what)
{
    static const char *const names[] = {
        [HALT_FAIL] = "fail=", [HALT_SUCCESS] = "success=", [HALT_DONE] = "done="
    };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        size_t length = strlen(names[i]);

        if (strncmp(*text, names[i], length) == 0) {
            *what = (enum halt_what)i;
            *text += length;
            return true;
        }
    }
    return false;
}

bool halt_read(const char *text, struct halt_rule *rule)
{
    struct halt_rule read = { .what = HALT_FAIL, .limit = 1 };
    char *end;

    read.how = strncmp(text, "now", 3) == 0 ? HALT_NOW : HALT_SOON;
    if (read.how == HALT_SOON && strncmp(text, "soon", 4) != 0)
        return false;
    text += read.how == HALT_NOW ? 3 : 4;
    if (*text != '\0') {
        if (*text++ != ',' || !what_read(&text, &read.what) || *text < '0' || *text > '9')
            return false;
        read.limit = strtod(text, &end);
        read.is_percent = *end == '%';
        if (end[read.is_percent] != '\0' || !(read.limit > 0) ||
            (read.is_percent && read.limit > 100))
            return false;
    }
    *rule = read;
    return true;
}

enum halt_how halt_judge(const struct halt_rule *rule, uint64_t good, uint64_t bad)
{
    double count = (double)(rule->what == HALT_FAIL      ? bad
                            : rule->what == HALT_SUCCESS ? good
                                                         : good + bad);

    if (rule->how == HALT_NEVER)
        return HALT_NEVER;
    if (!rule->is_percent)
        return count >= rule->limit ? rule->how : HALT_NEVER;
    if (good + bad < PERCENT_FROM)
        return HALT_NEVER;
    return count * 100 >= rule->limit * (double)(good + bad) ? rule->how : HALT_NEVER;
}
