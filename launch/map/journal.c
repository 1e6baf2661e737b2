/* The journal's two sides: the caller, who notes, and the thread, which makes safe. The file is
 * written under one lock; what waits to be made safe lies in two arrays that change places. */
#include "journal.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "job/stdio.h"
#include "journal_file.h"

/* Ends that may wait; more make the caller wait. Their files are open, so it stays well below the
 * usual limit of descriptors. */
enum { ENDS_MOST = 256, BEGINNINGS_MOST = 1024 };

struct end {
    struct journal_record record;
    struct journal_file files[JOURNAL_FILES];
};

struct batch {
    struct end ends[ENDS_MOST];
    size_t count;
};

struct journal {
    struct journal_options options;
    struct journal_file_state file;
    pthread_mutex_t file_lock;
    struct journal_record begun[BEGINNINGS_MOST]; /* the caller's alone */
    size_t begun_count;
    pthread_t thread;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    struct batch batches[2];
    struct batch *filling; /* the other one is the thread's */
    bool leaves;
    int failed;
    char sentence[512]; /* of the failure */
};

/* ---- the thread ------------------------------------------------------------------------------ */

/* After a failure only closes. */
static int output_make_safe(struct end *end, int result)
{
    for (size_t i = 0; i < JOURNAL_FILES; i++) {
        struct journal_file *file = &end->files[i];

        if (file->descriptor < 0)
            continue;
        if (result == TROUPE_OK && fdatasync(file->descriptor) != 0)
            result = fail_errno(TROUPE_SYSTEM, "cannot make %s safe", file->from);
        close(file->descriptor);
        file->descriptor = -1;
        if (result == TROUPE_OK && rename(file->from, file->to) != 0)
            result = fail_errno(TROUPE_SYSTEM, "cannot rename %s", file->from);
        free(file->from);
        free(file->to);
    }
    return result;
}

static int records_write(struct journal *journal, const struct batch *batch)
{
    struct journal_record records[ENDS_MOST];
    int result;

    for (size_t i = 0; i < batch->count; i++)
        records[i] = batch->ends[i].record;
    pthread_mutex_lock(&journal->file_lock);
    result = journal_file_append(&journal->file, records, batch->count);
    pthread_mutex_unlock(&journal->file_lock);
    if (result == TROUPE_OK && fdatasync(journal->file.descriptor) != 0)
        result = fail_errno(TROUPE_SYSTEM, "cannot make the journal %s safe", journal->file.path);
    return result;
}

/* What was printed has left this process and its supervisor when its record is written. */
static int batch_make_safe(struct journal *journal, struct batch *batch, int result)
{
    for (size_t i = 0; i < batch->count; i++)
        result = output_make_safe(&batch->ends[i], result);
    if (result == TROUPE_OK && journal->options.folder >= 0 && fsync(journal->options.folder) != 0)
        result = fail_errno(TROUPE_SYSTEM, "cannot make the folder of outputs safe");
    if (journal->options.folder < 0)
        job_stdio_settle();
    return result == TROUPE_OK ? records_write(journal, batch) : result;
}

static void failure_keep(struct journal *journal, int result)
{
    if (result == TROUPE_OK || journal->failed != TROUPE_OK)
        return;
    journal->failed = result;
    snprintf(journal->sentence, sizeof journal->sentence, "%s", troupe_last_error());
}

static void *journal_thread(void *argument)
{
    struct journal *journal = argument;

    pthread_mutex_lock(&journal->lock);
    for (;;) {
        struct batch *batch = journal->filling;
        int result = journal->failed;

        if (batch->count == 0 && journal->leaves)
            break;
        if (batch->count == 0) {
            pthread_cond_wait(&journal->changed, &journal->lock);
            continue;
        }
        journal->filling =
            batch == &journal->batches[0] ? &journal->batches[1] : &journal->batches[0];
        pthread_cond_broadcast(&journal->changed);
        pthread_mutex_unlock(&journal->lock);
        result = batch_make_safe(journal, batch, result);
        pthread_mutex_lock(&journal->lock);
        batch->count = 0;
        failure_keep(journal, result);
    }
    pthread_mutex_unlock(&journal->lock);
    return NULL;
}

/* ---- the caller ------------------------------------------------------------------------------ */

/* The first failure, told again by the caller's thread. */
static int failure_tell(struct journal *journal)
{
    int result;

    pthread_mutex_lock(&journal->lock);
    result =
        journal->failed != TROUPE_OK ? fail_text(journal->failed, journal->sentence) : TROUPE_OK;
    pthread_mutex_unlock(&journal->lock);
    return result;
}

static int run_begin(struct journal *journal)
{
    struct journal_record record = { .kind = JOURNAL_RUN };
    struct journal_file_state *file = &journal->file;
    int result = TROUPE_OK;

    if (file->size > 0 && !journal->options.resume) {
        if (!file->is_complete)
            return fail(TROUPE_ALREADY,
                        "%s is of a run that has not come to its end, and knows %llu tasks; go on "
                        "with --resume, or remove it",
                        file->path, (unsigned long long)file->ended);
        result = journal_file_restart(file);
    }
    return result == TROUPE_OK ? journal_file_append(file, &record, 1) : result;
}

int journal_open(const struct journal_options *options, struct journal **journal)
{
    struct journal *made = calloc(1, sizeof *made);
    int result;

    if (made == NULL)
        return fail(TROUPE_NO_MEMORY, "no memory for a journal");
    made->options = *options;
    made->filling = &made->batches[0];
    pthread_mutex_init(&made->lock, NULL);
    pthread_mutex_init(&made->file_lock, NULL);
    pthread_cond_init(&made->changed, NULL);
    result = journal_file_open(options->path, &made->file);
    if (result != TROUPE_OK)
        goto no_file;
    result = run_begin(made);
    if (result == TROUPE_OK &&
        (errno = pthread_create(&made->thread, NULL, journal_thread, made)) != 0)
        result = fail_errno(TROUPE_SYSTEM, "no thread for the journal %s", options->path);
    if (result != TROUPE_OK)
        goto no_thread;
    *journal = made;
    return TROUPE_OK;

no_thread:
    journal_file_close(&made->file);
no_file:
    free(made);
    return result;
}

static uint64_t number_give(struct journal *journal, struct key_entry *entry)
{
    uint64_t seq = entry != NULL ? entry->seq : 0;

    if (seq == 0)
        return ++journal->file.last_seq;
    entry->seq = 0;
    return seq;
}

bool journal_knows(struct journal *journal, struct map_key key, struct journal_known *known)
{
    struct key_entry *entry = keys_find(&journal->file.keys, key);
    bool runs_failed = journal->options.resume_failed;

    *known = (struct journal_known){ .seq = 0 };
    if (entry != NULL) {
        if (entry->seen++ < entry->good + (runs_failed ? 0 : entry->bad))
            return true;
        known->attempts = entry->attempts;
        known->is_again = runs_failed && entry->seen <= entry->good + entry->bad;
    }
    known->seq = number_give(journal, entry);
    return false;
}

int journal_beginnings_write(struct journal *journal)
{
    int result = failure_tell(journal);

    if (journal->begun_count == 0 || result != TROUPE_OK)
        return result;
    pthread_mutex_lock(&journal->file_lock);
    result = journal_file_append(&journal->file, journal->begun, journal->begun_count);
    pthread_mutex_unlock(&journal->file_lock);
    journal->begun_count = 0;
    return result;
}

int journal_begin(struct journal *journal, struct map_key key, uint64_t seq, uint32_t attempt)
{
    if (journal->begun_count == BEGINNINGS_MOST) {
        int result = journal_beginnings_write(journal);

        if (result != TROUPE_OK)
            return result;
    }
    journal->begun[journal->begun_count++] = (struct journal_record){
        .key = key, .seq = seq, .attempt = attempt, .kind = JOURNAL_BEGUN
    };
    return TROUPE_OK;
}

int journal_end(struct journal *journal, struct map_key key, const struct map_record *record,
                bool is_again, const struct journal_file *files)
{
    struct end *end;
    int result;

    pthread_mutex_lock(&journal->lock);
    while (journal->filling->count == ENDS_MOST)
        pthread_cond_wait(&journal->changed, &journal->lock);
    end = &journal->filling->ends[journal->filling->count++];
    end->record = (struct journal_record){
        .key = key,
        .seq = record->seq,
        .start_us = record->start_us,
        .run_us = record->run_us,
        .attempt = record->attempt,
        .rank = record->rank,
        .exit_code = (int16_t)record->exit_code,
        .signal = (uint8_t)record->signal,
        .kind = JOURNAL_ENDED,
        .state = (uint8_t)record->state,
        .is_again = is_again,
    };
    for (size_t i = 0; i < JOURNAL_FILES; i++)
        end->files[i] = files != NULL ? files[i] : (struct journal_file){ .descriptor = -1 };
    result = journal->failed;
    pthread_cond_broadcast(&journal->changed);
    pthread_mutex_unlock(&journal->lock);
    return result == TROUPE_OK ? TROUPE_OK : failure_tell(journal);
}

int journal_close(struct journal *journal, bool complete)
{
    struct journal_record record = { .kind = JOURNAL_COMPLETE };
    int result;

    if (journal == NULL)
        return TROUPE_OK;
    result = journal_beginnings_write(journal);
    pthread_mutex_lock(&journal->lock);
    journal->leaves = true;
    pthread_cond_broadcast(&journal->changed);
    pthread_mutex_unlock(&journal->lock);
    pthread_join(journal->thread, NULL);
    if (result == TROUPE_OK)
        result = failure_tell(journal);
    if (result == TROUPE_OK && complete)
        result = journal_file_append(&journal->file, &record, 1);
    journal_file_close(&journal->file);
    free(journal);
    return result;
}
