/* When a list is to be stopped before its end: --halt now|soon[,fail=N|N%|success=…|done=…]. */
#ifndef TROUPE_LAUNCH_MAP_HALT_H
#define TROUPE_LAUNCH_MAP_HALT_H

#include <stdbool.h>
#include <stdint.h>

enum halt_how {
    HALT_NEVER,
    HALT_SOON, /* begin nothing more, let finish what runs */
    HALT_NOW   /* end what runs, too */
};

enum halt_what { HALT_FAIL, HALT_SUCCESS, HALT_DONE };

struct halt_rule {
    enum halt_how how;
    enum halt_what what;
    bool is_percent; /* of the tasks that have ended */
    double limit;
};

/* Reads a rule; false when it is none. "now" alone means the first failure. */
bool halt_read(const char *text, struct halt_rule *rule);

/* What the rule says after so many good and bad ends. A percentage counts from three ends on: the
 * first one alone would be 0 or 100. */
enum halt_how halt_judge(const struct halt_rule *rule, uint64_t good, uint64_t bad);

#endif
