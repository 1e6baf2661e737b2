/* One sentence for the first failure, kept for the thread that met it. */
#ifndef TROUPE_BASE_ERROR_H
#define TROUPE_BASE_ERROR_H

#include "troupe/troupe.h"

/* Records a sentence for the calling thread and returns result, so that a caller writes
 * return fail(TROUPE_FULL, "arena: %zu bytes asked, %zu free", asked, free_bytes).
 * Results that are answers rather than failures (EMPTY, NOT_FOUND, TIMEOUT) may use it too: it
 * formats only, and costs a microsecond. */
int fail(int result, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same with ": " and the text of errno appended; errno is read first. */
int fail_errno(int result, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Records an already written sentence, for failures that another process or node reported. */
int fail_text(int result, const char *sentence);

/* The calling thread's sentence, put aside while it works for somebody else. */
struct error_kept {
    char sentence[512];
};
void error_keep(struct error_kept *kept);
void error_restore(const struct error_kept *kept);

/* How many failures the calling thread has recorded. */
unsigned error_count(void);

#endif
