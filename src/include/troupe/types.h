/* What every header of Troupe shares: results, timeouts, views of bytes, cursors. */
#ifndef TROUPE_TYPES_H
#define TROUPE_TYPES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TROUPE_API __attribute__((visibility("default")))

/* ---- results ---------------------------------------------------------------------------- */

enum {
    TROUPE_OK = 0,
    TROUPE_EMPTY = -1,         /* nothing came in time */
    TROUPE_FULL = -2,          /* no room: queue limit or arena; what is in it stays */
    TROUPE_CLOSED = -3,        /* closed and drained, or closed for puts */
    TROUPE_TOO_LONG = -4,      /* does not fit the caller's buffer or a limit */
    TROUPE_NOT_FOUND = -5,     /* no such key */
    TROUPE_TIMEOUT = -6,       /* not finished in time */
    TROUPE_BAD_ARGUMENT = -7,  /* an argument outside what the block allows */
    TROUPE_BAD_HANDLE = -8,    /* of another kind, destroyed, or never made */
    TROUPE_NO_MEMORY = -9,     /* the calling process is out of its own memory */
    TROUPE_NOT_RUNNING = -10,  /* before troupe_init or after troupe_finalize */
    TROUPE_ALREADY = -11,      /* a second troupe_init */
    TROUPE_FORKED = -12,       /* in a process made by a bare fork() */
    TROUPE_LOST = -13,         /* the node or rank that held the answer is gone */
    TROUPE_SYSTEM = -14,       /* the operating system refused; the sentence names the call */
    TROUPE_LAUNCH = -15,       /* the world could not be started */
    TROUPE_MISMATCH = -16,     /* ranks run different binaries or versions */
    TROUPE_NO_RANK = -17,      /* no rank can run it */
    TROUPE_GPU = -18,          /* a CUDA call failed; the sentence has CUDA's name for it */
    TROUPE_NO_GPU = -19,       /* no device to do it with: do it on the CPU */
    TROUPE_EFORKED = -20,      /* CUDA in a child of a process that used it: spawn instead. Such a
                                 child may belong to the world; TROUPE_FORKED: it does not */
    TROUPE_CUDA_STARTED = -21, /* CUDA_VISIBLE_DEVICES would change where CUDA already runs */
    TROUPE_CANCELLED = -22,    /* troupe_process_cancel woke the call */
    TROUPE_OWNER_DIED = -23,   /* the lock is yours; its last owner died with it: look at what it
                                  guards */
    TROUPE_BROKEN = -24,       /* a party of the barrier died, or gave up, or broke it */
    TROUPE_DEADLOCK = -25,     /* everybody waits for somebody who waits */
    TROUPE_DIFFERS = -26,      /* the value is not the expected one; nothing was changed */
    TROUPE_BUSY = -27,         /* no rank is idle, and the options say not to wait */
    TROUPE_GIVEN_UP = -28,     /* the task's workers died too often */
    TROUPE_FAILED = -29        /* the task failed; the sentence is its own */
};

/* Names a result, "TROUPE_EMPTY" for TROUPE_EMPTY.
 *
 * Returns     a static string; "TROUPE_UNKNOWN" for anything else
 * Threads     any */
TROUPE_API const char *troupe_result_name(int result);

/* The sentence of the calling thread's last failure: what happened, to what, what to do.
 *
 * Returns     a string owned by the thread, valid until its next failure; "" before the first
 * Threads     any; each has its own */
TROUPE_API const char *troupe_last_error(void);

/* The library's version, "0.1.0". */
TROUPE_API const char *troupe_version(void);

/* Timeouts: milliseconds, or one of these. */
#define TROUPE_NO_WAIT 0L
#define TROUPE_FOREVER (-1L)

/* ---- names ------------------------------------------------------------------------------ */

/* The characters of a name that an _open call takes, without the final zero: 1 to this many. */
#define TROUPE_OBJECT_NAME_MAX 255

/* ---- bytes ------------------------------------------------------------------------------ */

/* A view of somebody else's bytes; never owned, never kept beyond the call. */
typedef struct troupe_bytes {
    const void *data;
    size_t size;
} troupe_bytes;

/* Views size bytes at data. */
static inline troupe_bytes troupe_bytes_of(const void *data, size_t size)
{
    troupe_bytes view;
    view.data = data;
    view.size = size;
    return view;
}

/* Views a string without its final zero. */
static inline troupe_bytes troupe_text(const char *text)
{
    return troupe_bytes_of(text, strlen(text));
}

/* ---- cursors ---------------------------------------------------------------------------- */

/* Where a walk over a dict or a list stands. Start with all zero: troupe_cursor cursor = { 0 }; */
typedef struct troupe_cursor {
    uint64_t position[4];
} troupe_cursor;

#ifdef __cplusplus
}
#endif

#endif
