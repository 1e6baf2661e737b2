/* The dict's protocol in the small: readers without a lock, on the node and from another one by a
 * read of the entry alone, against every story of a few changes to one and two buckets, with every
 * value that each of their loads may return.
 *
 * Memory is weaker here than any processor's that keeps the C language's promises: a load may
 * return any write that the thread must not know to be overwritten. What a thread must know comes
 * by release and acquire alone: a write carries all that its writer knew, whoever reads it knows
 * that from then on, and a lock hands it from owner to owner. Entries, blocks and buckets are used
 * again at once; a block that somebody else writes to looks just like an entry of the key.
 *
 * What is looked for: two halves of different values; a value, or an absence, that the key did not
 * have at any moment of the look; and, of two looks in a row, the second one older than the first.
 * Variants of the protocol with something left out show that these are found.
 *
 * A read from another node copies an entry's words in any order, so its loads tell it nothing of
 * each other; what the copy's version belonged to is known to it once the copy proves.
 *
 * The steps are those of dict_read.h (reading_try) and dict_read.c (get_look), dict_write.c,
 * dict_remove.c, dict_add.c, dict_seal.c, dict_grow.c (split_commit), dict_share.c (the end and the
 * beginning) and of core/tx.c for a writer that dies: all its writes come again. */
#include "counts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum {
    BUCKETS = 2,
    CELLS = 2,
    BLOCKS = 3,
    CHANGES_MOST = 4,
    WRITES_MOST = 40, /* of one word in one story */
    LOADS_MOST = 32,  /* of two looks */
    VERSIONS_MOST = 32,
    ENDING = 128,
    NOBODY = 0,
    UNPROVEN = 253,
    GONE = 254,
    TORN = 255
};

/* The words that all share. A bucket has CELLS cells, a block holds an entry. */
enum word {
    STATE,
    HANDLE,
    VERSION,
    COUNT = VERSION + BUCKETS,
    CELL = COUNT + BUCKETS,
    KEY = CELL + BUCKETS * CELLS,
    VALUE = KEY + BLOCKS,
    VALUE_AGAIN = VALUE + BLOCKS,
    SEAL = VALUE_AGAIN + BLOCKS, /* the entry's version, 0 while it is nobody's */
    CHECK = SEAL + BLOCKS,       /* the version that the entry's other words were sealed with */
    WORDS = CHECK + BLOCKS
};

/* Keys: the first stays in bucket 0 when that is split, the second goes to bucket 1. */
enum key { STAYS = 1, GOES = 2 };

enum change {
    SET_STAYS,
    SET_GOES,
    DELETE_GOES,
    ADD_GOES,
    SPLIT,
    FOREIGN, /* somebody else uses a free block */
    END,     /* the dict goes, and its record is used again by another one */
    CHANGES
};

enum variant {
    WHOLE,
    NO_ODD,         /* a change does not begin with an odd version */
    NO_NEXT,        /* a change does not end with a new version */
    NO_SECOND_LOOK, /* at the state, after the version */
    NO_LAST_STATE,  /* at the state and the handle, in the end */
    NO_LAST_LOOK,   /* at the version, in the end */
    PLAIN_WORDS,    /* blocks are written without release */
    NO_KILL,        /* an entry that goes keeps its version */
    LATE_KILL,      /* it loses it when the bucket is whole again */
    EARLY_SEAL,     /* an entry has its version before it is linked */
    NO_CHECK        /* whoever reads from another node believes the version alone */
};

/* For each word, the oldest of its writes that may still be read. */
struct view {
    uint8_t at[WORDS];
};

struct write {
    uint8_t value;
    uint8_t change; /* the number in the story, from 1 on */
    struct view view;
};

struct story {
    enum variant variant;
    struct write writes[WORDS][WRITES_MOST];
    uint8_t count[WORDS];
    struct view locks[BUCKETS], heap, now; /* what each lock hands on; what the writer knows */
    struct view after[CHANGES_MOST + 1];   /* what who begins after so many changes knows */
    uint8_t truth[CHANGES_MOST + 1];       /* of the key that is read */
    uint8_t free[BLOCKS];                  /* the last one that was freed is taken first */
    int frees;
    uint8_t
        sealed[VERSIONS_MOST]; /* the value that each version was given to, of this dict's key */
    int versions;
    int change;
    bool dies; /* the writer of the last change, after its first write, or before its last one */
};

/* ---- memory ------------------------------------------------------------------------------ */

static void learn(struct view *view, const struct view *news)
{
    for (int word = 0; word < WORDS; word++)
        if (news->at[word] > view->at[word])
            view->at[word] = news->at[word];
}

static uint8_t latest(const struct story *story, int word)
{
    return story->writes[word][story->count[word] - 1].value;
}

static void write_view(struct story *story, int word, uint8_t value, bool release)
{
    struct write *write = &story->writes[word][story->count[word]];

    assert_true(story->count[word] < WRITES_MOST);
    *write = (struct write){ .value = value, .change = (uint8_t)story->change };
    story->now.at[word] = story->count[word]++;
    if (release)
        write->view = story->now;
    write->view.at[word] = story->now.at[word];
}

static void put(struct story *story, int word, uint8_t value)
{
    write_view(story, word, value, true);
}

static void put_in_block(struct story *story, int word, uint8_t value)
{
    write_view(story, word, value, story->variant != PLAIN_WORDS);
}

/* ---- changes ----------------------------------------------------------------------------- */

/* A transaction's writes, in order. */
struct transaction {
    int words[16];
    uint8_t values[16];
    int count;
};

static void note(struct transaction *changes, int word, uint8_t value)
{
    changes->words[changes->count] = word;
    changes->values[changes->count++] = value;
}

/* A writer that dies in the midst of it is recovered: all of its writes once more. */
static void commit(struct story *story, const struct transaction *changes)
{
    for (int i = 0; story->dies && i < changes->count - 1; i++)
        put(story, changes->words[i], changes->values[i]);
    for (int i = 0; i < changes->count; i++)
        put(story, changes->words[i], changes->values[i]);
}

static void change_begin(struct story *story, int bucket, struct transaction *changes)
{
    *changes = (struct transaction){ .count = 0 };
    if (story->variant != NO_ODD)
        note(changes, VERSION + bucket, latest(story, VERSION + bucket) + 1);
}

static void change_end(struct story *story, int bucket, struct transaction *changes)
{
    uint8_t version = latest(story, VERSION + bucket);

    note(changes, VERSION + bucket, story->variant != NO_NEXT ? version + 2 : version);
    commit(story, changes);
}

static void lock(struct story *story, struct view *handed)
{
    learn(&story->now, handed);
}

static void unlock(const struct story *story, struct view *handed)
{
    *handed = story->now;
}

static int block_take(struct story *story)
{
    int block = story->free[--story->frees];

    lock(story, &story->heap);
    unlock(story, &story->heap);
    return block;
}

static void block_free(struct story *story, int block)
{
    lock(story, &story->heap);
    unlock(story, &story->heap);
    story->free[story->frees++] = (uint8_t)block;
}

/* A version, never given before. What it proves is the value of the key that is read; of other
 * keys, and of the next dict, it proves nothing. */
static uint8_t version_make(struct story *story, uint8_t key, uint8_t value)
{
    assert_true(story->versions + 1 < VERSIONS_MOST);
    story->sealed[++story->versions] = key == GOES ? value : UNPROVEN;
    return (uint8_t)story->versions;
}

/* The words of an entry, and the version that it is to have. */
static uint8_t block_fill(struct story *story, int block, uint8_t key, uint8_t value)
{
    uint8_t version = version_make(story, key, value);

    put_in_block(story, KEY + block, key);
    put_in_block(story, VALUE + block, value);
    put_in_block(story, VALUE_AGAIN + block, value);
    put_in_block(story, SEAL + block, story->variant == EARLY_SEAL ? version : 0);
    put_in_block(story, CHECK + block, version);
    return version;
}

static void kill_seal(struct story *story, int block, bool late)
{
    if (story->variant != NO_KILL && late == (story->variant == LATE_KILL))
        put(story, SEAL + block, 0);
}

static int bucket_of(int buckets, int key)
{
    return buckets == 2 && key == GOES ? 1 : 0;
}

static int cell_word(int bucket, int at)
{
    return CELL + bucket * CELLS + at;
}

/* The cell of the key, or the number of cells. */
static int find(const struct story *story, int bucket, int key)
{
    int at = 0, count = latest(story, COUNT + bucket);

    while (at < count && latest(story, KEY + latest(story, cell_word(bucket, at))) != key)
        at++;
    return at;
}

static void set(struct story *story, int key, uint8_t value)
{
    int bucket = bucket_of(latest(story, STATE), key), block = block_take(story), at, old;
    uint8_t version = block_fill(story, block, (uint8_t)key, value);
    struct transaction changes;

    lock(story, &story->locks[bucket]);
    at = find(story, bucket, key);
    old = at < latest(story, COUNT + bucket) ? latest(story, cell_word(bucket, at)) : -1;
    if (old >= 0)
        kill_seal(story, old, false);
    change_begin(story, bucket, &changes);
    note(&changes, cell_word(bucket, at), (uint8_t)block);
    note(&changes, SEAL + block, version);
    if (old < 0)
        note(&changes, COUNT + bucket, latest(story, COUNT + bucket) + 1);
    change_end(story, bucket, &changes);
    if (old >= 0) {
        kill_seal(story, old, true);
        block_free(story, old);
    }
    unlock(story, &story->locks[bucket]);
}

static void delete (struct story *story, int key)
{
    int bucket = bucket_of(latest(story, STATE), key), at, last, old;
    struct transaction changes;

    lock(story, &story->locks[bucket]);
    at = find(story, bucket, key);
    last = latest(story, COUNT + bucket) - 1;
    if (at <= last) {
        old = latest(story, cell_word(bucket, at));
        kill_seal(story, old, false);
        change_begin(story, bucket, &changes);
        if (at != last)
            note(&changes, cell_word(bucket, at), latest(story, cell_word(bucket, last)));
        note(&changes, COUNT + bucket, (uint8_t)last);
        change_end(story, bucket, &changes);
        kill_seal(story, old, true);
        block_free(story, old);
    }
    unlock(story, &story->locks[bucket]);
}

/* A number is one word in truth; here it is two, as a longer entry that changed in place would be,
 * so that the version alone protects it. */
static void add(struct story *story, int key, uint8_t value)
{
    int bucket = bucket_of(latest(story, STATE), key), at, block;
    struct transaction changes;
    uint8_t version;

    lock(story, &story->locks[bucket]);
    at = find(story, bucket, key);
    if (at < latest(story, COUNT + bucket)) {
        block = latest(story, cell_word(bucket, at));
        version = version_make(story, (uint8_t)key, value);
        kill_seal(story, block, false);
        change_begin(story, bucket, &changes);
        note(&changes, VALUE + block, value);
        note(&changes, VALUE_AGAIN + block, value);
        note(&changes, CHECK + block, version);
        note(&changes, SEAL + block, version);
        change_end(story, bucket, &changes);
    }
    unlock(story, &story->locks[bucket]);
}

/* Bucket 1 is filled out of everybody's reach, then the state leads to it. */
static void split(struct story *story)
{
    struct transaction changes;
    uint8_t stays = 0, goes = 0;

    if (latest(story, STATE) != 1)
        return;
    lock(story, &story->locks[0]);
    lock(story, &story->locks[1]);
    change_begin(story, 0, &changes);
    for (int at = 0; at < latest(story, COUNT); at++) {
        uint8_t block = latest(story, cell_word(0, at));

        if (latest(story, KEY + block) == GOES)
            put(story, cell_word(1, goes++), block);
        else
            note(&changes, cell_word(0, stays++), block);
    }
    put(story, COUNT + 1, goes);
    put(story, VERSION + 1, latest(story, VERSION) + 2);
    note(&changes, COUNT, stays);
    note(&changes, STATE, 2);
    change_end(story, 0, &changes);
    unlock(story, &story->locks[0]);
    unlock(story, &story->locks[1]);
}

static void foreign(struct story *story)
{
    int block = block_take(story);
    uint8_t version = block_fill(story, block, GOES, 99);

    story->sealed[version] = UNPROVEN;
    put_in_block(story, SEAL + block, version);
    kill_seal(story, block, story->variant == LATE_KILL);
    block_free(story, block);
}

static void bucket_empty(struct story *story, int bucket)
{
    struct transaction changes;

    lock(story, &story->locks[bucket]);
    while (latest(story, COUNT + bucket) > 0) {
        uint8_t last = latest(story, COUNT + bucket) - 1;
        uint8_t block = latest(story, cell_word(bucket, last));

        kill_seal(story, block, false);
        change_begin(story, bucket, &changes);
        note(&changes, COUNT + bucket, last);
        change_end(story, bucket, &changes);
        kill_seal(story, block, true);
        block_free(story, block);
    }
    unlock(story, &story->locks[bucket]);
}

/* Another dict takes the record and the very same memory for its bucket, whose version is where it
 * was: the worst that may happen. It has another value for the key. */
static void end(struct story *story)
{
    uint8_t version;
    int block;

    if (latest(story, STATE) >= ENDING || latest(story, HANDLE) != 1)
        return;
    put(story, STATE, ENDING | latest(story, STATE));
    bucket_empty(story, 1);
    bucket_empty(story, 0);
    put(story, STATE, ENDING);
    put(story, HANDLE, 0);
    block = block_take(story);
    version = block_fill(story, block, GOES, 98);
    story->sealed[version] = UNPROVEN; /* for another handle */
    put(story, SEAL + block, version);
    put(story, cell_word(0, 0), (uint8_t)block);
    put(story, COUNT, 1);
    put(story, VERSION, 2);
    put(story, STATE, 1);
    put(story, HANDLE, 2);
}

static void change(struct story *story, enum change which)
{
    uint8_t value = (uint8_t)(10 + story->change);

    if (latest(story, HANDLE) != 1 && which != FOREIGN)
        return;
    switch (which) {
    case SET_STAYS:
        set(story, STAYS, value);
        break;
    case SET_GOES:
        set(story, GOES, value);
        break;
    case DELETE_GOES:
        delete (story, GOES);
        break;
    case ADD_GOES:
        add(story, GOES, value);
        break;
    case SPLIT:
        split(story);
        break;
    case FOREIGN:
        foreign(story);
        break;
    default:
        end(story);
    }
}

/* What a reader with the lock would find. */
static uint8_t truth(const struct story *story)
{
    int bucket = bucket_of(latest(story, STATE), GOES), at;

    if (latest(story, HANDLE) != 1)
        return GONE;
    at = find(story, bucket, GOES);
    if (at == latest(story, COUNT + bucket))
        return NOBODY;
    return latest(story, VALUE + latest(story, cell_word(bucket, at)));
}

/* The dict has both keys at the beginning. Each change is another thread's, which knows only what
 * the locks that it takes, and what began it, hand on: nothing at all began it. */
static void story_write(const enum change *changes, int count, enum variant variant, bool dies,
                        struct story *story)
{
    memset(story, 0, sizeof *story);
    story->variant = variant;
    for (int word = 0; word < WORDS; word++)
        put(story, word, word == STATE || word == HANDLE ? 1 : 0);
    for (int block = BLOCKS - 1; block >= 0; block--)
        story->free[story->frees++] = (uint8_t)block;
    set(story, STAYS, 1);
    set(story, GOES, 2);
    story->after[0] = story->now;
    story->truth[0] = truth(story);
    for (int i = 1; i <= count; i++) {
        story->change = i;
        story->dies = dies && i == count;
        story->now = story->after[0];
        change(story, changes[i - 1]);
        story->after[i] = story->after[i - 1];
        learn(&story->after[i], &story->now);
        story->truth[i] = truth(story);
    }
}

/* ---- looks ------------------------------------------------------------------------------- */

/* A run of the reader: which of the possible values each load returns. */
struct run {
    const struct story *story;
    struct view view;
    int newest; /* change that anything was read of */
    int loads, known;
    uint8_t choice[LOADS_MOST], choices[LOADS_MOST];
};

/* One of the writes that a load may return. */
static const struct write *choose(struct run *run, int word)
{
    int oldest = run->view.at[word];
    const struct write *write;

    assert_true(run->loads < LOADS_MOST);
    if (run->loads == run->known)
        run->choice[run->known++] = 0;
    run->choices[run->loads] = (uint8_t)(run->story->count[word] - oldest);
    write = &run->story->writes[word][oldest + run->choice[run->loads++]];
    if (write->change > run->newest)
        run->newest = write->change;
    return write;
}

static uint8_t load(struct run *run, int word)
{
    const struct write *write = choose(run, word);

    learn(&run->view, &write->view);
    return write->value;
}

static bool lives(uint8_t state)
{
    return state > 0 && state < ENDING;
}

static bool holds(struct run *run, int bucket, uint8_t version)
{
    enum variant variant = run->story->variant;

    if (variant != NO_LAST_LOOK && load(run, VERSION + bucket) != version)
        return false;
    return variant == NO_LAST_STATE || (lives(load(run, STATE)) && load(run, HANDLE) == 1);
}

/* The value of the key, NOBODY, GONE or TORN; false when the look was in vain. */
static bool look(struct run *run, uint8_t *found)
{
    uint8_t state = load(run, STATE), version, count;
    int bucket;

    *found = GONE;
    if (!lives(state))
        return true;
    bucket = bucket_of(state, GOES);
    version = load(run, VERSION + bucket);
    if (run->story->variant != NO_SECOND_LOOK)
        state = load(run, STATE);
    if (version % 2 != 0 || !lives(state) || bucket_of(state, GOES) != bucket)
        return false;
    count = load(run, COUNT + bucket);
    *found = NOBODY;
    for (int at = 0; at < count && *found == NOBODY; at++) {
        uint8_t block = load(run, cell_word(bucket, at)), value;

        if (load(run, KEY + block) != GOES)
            continue;
        value = load(run, VALUE + block);
        *found = load(run, VALUE_AGAIN + block) == value ? value : TORN;
    }
    return holds(run, bucket, version);
}

/* The same from another node, which knows where the key's entry once lay: in this block. */
static bool look_from_afar(struct run *run, int block, uint8_t *found)
{
    bool checks = run->story->variant != NO_CHECK;
    const struct write *version = choose(run, SEAL + block);
    uint8_t key = choose(run, KEY + block)->value, value = choose(run, VALUE + block)->value;
    uint8_t again = choose(run, VALUE_AGAIN + block)->value;
    uint8_t check = choose(run, CHECK + block)->value;

    if (version->value == 0 || key != GOES)
        return false;
    if (checks &&
        (check != version->value || value != again || run->story->sealed[version->value] != value))
        return false;
    learn(&run->view, &version->view);
    *found = value == again ? value : TORN;
    return true;
}

/* Who looks: 0 on the node, else from afar at the block before that number. */
static bool look_by(struct run *run, int who, uint8_t *found)
{
    return who == 0 ? look(run, found) : look_from_afar(run, who - 1, found);
}

/* The first, or the last, moment of the run at which the key was what was found; -1: none. */
static int moment(const struct run *run, int begin, uint8_t found, bool last)
{
    int which = -1;

    for (int i = begin; i <= run->newest; i++)
        if (run->story->truth[i] == found && (which < 0 || last))
            which = i;
    return which;
}

/* A look, and another one by who knows what the first one knew. While a dict ends, it may be read
 * from afar by who knows that: the read that finds nothing more comes when the end is over. */
static const char *judge(struct run *run, int begin, const int who[2])
{
    uint8_t found;
    int first, last;

    run->view = run->story->after[begin];
    run->newest = begin;
    run->loads = 0;
    if (!look_by(run, who[0], &found))
        return NULL;
    first = moment(run, begin, found, false);
    if (first < 0)
        return found == TORN ? "halves of two values" : "a value that was not there then";
    if ((found == GONE && who[1] != 0) || !look_by(run, who[1], &found))
        return NULL;
    last = moment(run, begin, found, true);
    return last < first ? "the second look found what is older than the first" : NULL;
}

/* The next run; false when each was made. */
static bool run_next(struct run *run)
{
    run->known = run->loads;
    while (run->known > 0 && run->choice[run->known - 1] + 1 >= run->choices[run->known - 1])
        run->known--;
    if (run->known == 0)
        return false;
    run->choice[run->known - 1]++;
    return true;
}

struct total {
    uint64_t stories, runs;
};

static const char *read_by(const struct story *story, int begin, const int who[2],
                           struct total *total)
{
    struct run run = { .story = story };
    const char *fault;

    do {
        fault = judge(&run, begin, who);
        total->runs++;
    } while (fault == NULL && run_next(&run));
    return fault;
}

static const char *read_story(const struct story *story, int count, struct total *total)
{
    const char *fault = NULL;
    int who[2];

    total->stories++;
    for (int begin = 0; begin <= count && fault == NULL; begin++)
        for (who[0] = 0; who[0] <= BLOCKS && fault == NULL; who[0]++)
            for (who[1] = 0; who[1] <= BLOCKS && fault == NULL; who[1]++)
                fault = read_by(story, begin, who, total);
    return fault;
}

/* All stories of so many changes. */
static const char *read_all(int count, enum variant variant, struct total *total)
{
    static struct story story;
    enum change changes[CHANGES_MOST] = { 0 };
    const char *fault = NULL;
    int at = 0;

    while (at >= 0 && fault == NULL) {
        for (int dies = 0; dies < 2 && fault == NULL; dies++) {
            story_write(changes, count, variant, dies, &story);
            fault = read_story(&story, count, total);
        }
        for (at = count - 1; at >= 0 && ++changes[at] == CHANGES; at--)
            changes[at] = 0;
    }
    return fault;
}

/* ---- tests ------------------------------------------------------------------------------- */

static void no_look_is_wrong(void **state)
{
    struct total total = { 0 };
    int most = (int)test_count(3, CHANGES_MOST);

    (void)state;
    for (int count = 1; count <= most; count++) {
        const char *fault = read_all(count, WHOLE, &total);

        if (fault != NULL)
            fail_msg("%s", fault);
    }
    print_message("%llu stories, %llu runs of two looks\n", (unsigned long long)total.stories,
                  (unsigned long long)total.runs);
}

static void what_is_left_out_is_missed(void **state)
{
    (void)state;
    for (int variant = NO_ODD; variant <= NO_CHECK; variant++) {
        struct total total = { 0 };
        const char *fault = NULL;

        for (int count = 1; count <= 3 && fault == NULL; count++)
            fault = read_all(count, (enum variant)variant, &total);
        print_message("variant %d: %s\n", variant, fault != NULL ? fault : "nothing found");
        assert_non_null(fault);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_look_is_wrong),
        cmocka_unit_test(what_is_left_out_is_missed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
