/* The journal: what has been begun and what has ended, so that a killed run can be resumed.
 *
 * A file of records of one size, each with a checksum. What always holds: a record of an end is
 * written only after the task's output is safe on its disk, and the record of a beginning before
 * the task may run. A record that a death tore is cut off by the next run. One run at a time holds
 * the file. A thread of the journal's own makes things safe, as many at once as have come together
 * while it was at the last ones. */
#ifndef TROUPE_LAUNCH_MAP_JOURNAL_H
#define TROUPE_LAUNCH_MAP_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "keys.h"
#include "launch/map/record.h"

/* A file that is to take its place once it is safe. Paths are freed by the journal. */
struct journal_file {
    int descriptor; /* -1: none; closed by the journal */
    char *from, *to;
};

enum { JOURNAL_FILES = 2 }; /* of a task */

struct journal_options {
    const char *path;
    bool resume;        /* go on with what is in it */
    bool resume_failed; /* and run again what failed */
    int folder;         /* that the files are in, a descriptor; -1: none */
};

struct journal;

/* Opens a journal, and reads what is in it.
 *
 * Returns     TROUPE_OK
 *             TROUPE_BUSY          another run holds it
 *             TROUPE_ALREADY       an unfinished run is in it, and resume was not asked
 *             TROUPE_BAD_ARGUMENT  it is no journal
 *             TROUPE_SYSTEM, TROUPE_NO_MEMORY */
int journal_open(const struct journal_options *options, struct journal **journal);

/* What an earlier run leaves to a task. */
struct journal_known {
    uint64_t seq;      /* the number it goes by */
    uint32_t attempts; /* how often it was begun before */
    bool is_again;     /* its record will take the place of one that failed */
};

/* Whether the next task of this key need not run. Call it once for each input, in order. A task
 * keeps its number from run to run; one that is new to a changed list gets a number that none has
 * had, so that no result takes the place of another's. */
bool journal_knows(struct journal *journal, struct map_key key, struct journal_known *known);

/* Notes that a task will be begun, or, with an end's record, that it has ended. Both wait for room
 * if much is under way.
 *
 * files       [JOURNAL_FILES] the task's output, or NULL
 * Returns     TROUPE_OK; TROUPE_SYSTEM once anything could not be written: nothing is noted then */
int journal_begin(struct journal *journal, struct map_key key, uint64_t seq, uint32_t attempt);
int journal_end(struct journal *journal, struct map_key key, const struct map_record *record,
                bool is_again, const struct journal_file *files);

/* Writes the beginnings, before their tasks may run. Returns as journal_begin. */
int journal_beginnings_write(struct journal *journal);

/* Makes everything safe and closes; NULL is allowed.
 *
 * complete    the whole list was run, so that the next run need not resume
 * Returns     as journal_begin */
int journal_close(struct journal *journal, bool complete);

#endif
