/* Every variable that Troupe reads or gives to Open MPI, with its default and meaning: one table,
 * which `troupe doctor` prints and docs/environment.md is held against.
 *
 * It stands on the lowest floor because all floors read variables, and a table on a higher one
 * would have to include them all. It tells of the variables and reads none: each room reads its
 * own, when it needs it, and judges it there. */
#ifndef TROUPE_BASE_SETTINGS_H
#define TROUPE_BASE_SETTINGS_H

#include <stddef.h>

enum settings_kind {
    SETTINGS_OURS,    /* read by Troupe */
    SETTINGS_OPEN_MPI /* set by Troupe for Open MPI, unless somebody has set it */
};

struct settings_row {
    const char *name;
    enum settings_kind kind;
    const char *fallback; /* what holds when it is not set */
    const char *meaning;
};

extern const struct settings_row settings_table[];
extern const size_t settings_count;

#endif
