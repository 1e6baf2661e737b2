/* The file of a journal; journal.c's own helper. */
#ifndef TROUPE_LAUNCH_MAP_JOURNAL_FILE_H
#define TROUPE_LAUNCH_MAP_JOURNAL_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "keys.h"

enum journal_kind {
    JOURNAL_RUN = 1,     /* a run begins; the first record of every journal */
    JOURNAL_BEGUN = 2,   /* an attempt is about to begin */
    JOURNAL_ENDED = 3,   /* a task has ended, and its output is safe */
    JOURNAL_COMPLETE = 4 /* a run came to the end of its list */
};

/* As it lies in the file, in the machine's own byte order. */
struct journal_record {
    uint64_t checksum; /* of the rest */
    struct map_key key;
    uint64_t seq;
    int64_t start_us, run_us;
    uint32_t attempt, rank;
    int16_t exit_code;
    uint8_t kind, state, signal;
    uint8_t is_again; /* counts in place of an end that failed */
    uint8_t version;
    uint8_t padding;
};

struct journal_file_state {
    int descriptor;
    const char *path;
    off_t size;        /* of whole records */
    bool is_complete;  /* as the last run left it */
    uint64_t ended;    /* tasks that it knows the end of */
    uint64_t last_seq; /* the highest number that was given */
    struct keys keys;
};

/* Opens the file, alone, reads its records into keys and cuts off a torn one. */
int journal_file_open(const char *path, struct journal_file_state *file);

/* Appends records, sealing them. All or none of them are in the file after it. */
int journal_file_append(struct journal_file_state *file, struct journal_record *records,
                        size_t count);

/* Forgets what is in it. */
int journal_file_restart(struct journal_file_state *file);

void journal_file_close(struct journal_file_state *file);

#endif
