/* Reading and appending records. */
#include "journal_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/error.h"
#include "base/log.h"
#include "launch/map/record.h"

enum { VERSION = 1, READ_RECORDS = 1024 };

_Static_assert(sizeof(struct journal_record) == 64, "a record has no holes");

static uint64_t checksum_of(const struct journal_record *record)
{
    return XXH64((const char *)record + sizeof record->checksum,
                 sizeof *record - sizeof record->checksum, VERSION);
}

static bool is_whole(const struct journal_record *record)
{
    return record->checksum == checksum_of(record) && record->version == VERSION;
}

/* ---- reading --------------------------------------------------------------------------------- */

static int record_learn(struct journal_file_state *file, const struct journal_record *record)
{
    struct key_entry *entry;

    file->is_complete = record->kind == JOURNAL_COMPLETE;
    if (record->kind != JOURNAL_BEGUN && record->kind != JOURNAL_ENDED)
        return TROUPE_OK;
    entry = keys_put(&file->keys, record->key);
    if (entry == NULL)
        return fail(TROUPE_NO_MEMORY, "no memory for the tasks of %s", file->path);
    if (entry->attempts < record->attempt)
        entry->attempts = record->attempt;
    entry->seq = record->seq;
    if (file->last_seq < record->seq)
        file->last_seq = record->seq;
    if (record->kind == JOURNAL_BEGUN)
        return TROUPE_OK;
    file->ended += !record->is_again;
    if (record->is_again && entry->bad > 0)
        entry->bad--;
    if (record->state == MAP_DONE)
        entry->good++;
    else
        entry->bad++;
    return TROUPE_OK;
}

/* Learns whole records from the beginning up to the first that is not. */
static int records_read(struct journal_file_state *file, off_t size)
{
    struct journal_record *records = malloc(READ_RECORDS * sizeof *records);
    int result = TROUPE_OK;
    bool torn = false;

    if (records == NULL)
        return fail(TROUPE_NO_MEMORY, "no memory to read %s", file->path);
    while (result == TROUPE_OK && !torn && file->size < size) {
        ssize_t got = pread(file->descriptor, records, READ_RECORDS * sizeof *records, file->size);

        if (got < 0 && errno != EINTR)
            result = fail_errno(TROUPE_SYSTEM, "cannot read the journal %s", file->path);
        torn = got >= 0 && (size_t)got < sizeof *records;
        for (ssize_t i = 0; result == TROUPE_OK && !torn && i < got / (ssize_t)sizeof *records;
             i++) {
            torn = !is_whole(&records[i]);
            if (!torn) {
                result = record_learn(file, &records[i]);
                file->size += (off_t)sizeof *records;
            }
        }
    }
    free(records);
    return result;
}

/* A journal begins with a run; what else does is somebody's file, and is left alone. */
static int beginning_check(const struct journal_file_state *file, off_t size)
{
    struct journal_record first;

    if (size < (off_t)sizeof first)
        return size == 0
                   ? TROUPE_OK
                   : fail(TROUPE_BAD_ARGUMENT, "%s is no journal; name another file", file->path);
    if (pread(file->descriptor, &first, sizeof first, 0) != (ssize_t)sizeof first)
        return fail_errno(TROUPE_SYSTEM, "cannot read the journal %s", file->path);
    if (!is_whole(&first) || first.kind != JOURNAL_RUN)
        return fail(TROUPE_BAD_ARGUMENT, "%s is no journal; name another file", file->path);
    return TROUPE_OK;
}

static int content_read(struct journal_file_state *file)
{
    struct stat status;
    int result;

    if (fstat(file->descriptor, &status) != 0)
        return fail_errno(TROUPE_SYSTEM, "cannot look at the journal %s", file->path);
    result = beginning_check(file, status.st_size);
    if (result == TROUPE_OK)
        result = records_read(file, status.st_size);
    if (result != TROUPE_OK || file->size == status.st_size)
        return result;
    log_warning("%s: its last %lld bytes are not whole and are cut off: the run ended in the "
                "middle of them",
                file->path, (long long)(status.st_size - file->size));
    return ftruncate(file->descriptor, file->size) == 0
               ? TROUPE_OK
               : fail_errno(TROUPE_SYSTEM, "cannot cut %s", file->path);
}

int journal_file_open(const char *path, struct journal_file_state *file)
{
    struct journal_file_state opened = { .path = path };
    int result;

    opened.descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (opened.descriptor < 0)
        return fail_errno(TROUPE_SYSTEM, "cannot open the journal %s", path);
    if (flock(opened.descriptor, LOCK_EX | LOCK_NB) != 0)
        result =
            errno == EWOULDBLOCK
                ? fail(TROUPE_BUSY,
                       "another run holds the journal %s; wait for its end, or name another", path)
                : fail_errno(TROUPE_SYSTEM, "cannot lock the journal %s", path);
    else
        result = content_read(&opened);
    if (result != TROUPE_OK)
        journal_file_close(&opened);
    else
        *file = opened;
    return result;
}

/* ---- writing --------------------------------------------------------------------------------- */

int journal_file_append(struct journal_file_state *file, struct journal_record *records,
                        size_t count)
{
    size_t bytes = count * sizeof *records, done = 0;

    for (size_t i = 0; i < count; i++) {
        records[i].version = VERSION;
        records[i].checksum = checksum_of(&records[i]);
    }
    while (done < bytes) {
        ssize_t put = pwrite(file->descriptor, (const char *)records + done, bytes - done,
                             file->size + (off_t)done);

        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0) {
            fail_errno(TROUPE_SYSTEM, "cannot write the journal %s", file->path);
            if (ftruncate(file->descriptor, file->size) != 0)
                log_warning("%s ends in the middle of a record, which --resume cuts off",
                            file->path);
            return TROUPE_SYSTEM;
        }
        done += (size_t)put;
    }
    file->size += (off_t)bytes;
    return TROUPE_OK;
}

int journal_file_restart(struct journal_file_state *file)
{
    if (ftruncate(file->descriptor, 0) != 0)
        return fail_errno(TROUPE_SYSTEM, "cannot begin %s anew", file->path);
    file->size = 0;
    file->ended = file->last_seq = 0;
    file->is_complete = false;
    keys_free(&file->keys);
    return TROUPE_OK;
}

void journal_file_close(struct journal_file_state *file)
{
    close(file->descriptor);
    keys_free(&file->keys);
}
