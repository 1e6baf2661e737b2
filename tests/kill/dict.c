/* The dict, killed at every instruction of its changes, its growth, its making and its end; and of
 * what wakes those who wait for a key.
 *
 * Keys are numbers with hashes that the cases choose, so that they know which bucket holds them.
 * After every recovery each dict is walked through: every bucket at rest, every entry where its
 * hash belongs, the count right, and every linked block of the heap reachable.
 *
 * With TROUPE_REMOTE_READ=get entries are sealed: then what lies where the first entry was and is
 * proves nothing but the value that the dict has. */
#include "harness.h"

#include "core/recover.h"
#include "counts.h"
#include "object/dict_held.h"
#include "object/dict_seal.h"

#define BUCKET_LATE 10u  /* a bucket that is split after some others */
#define BYTES_VALUE 100u /* an entry larger than the smallest block */
#define NUMBER_BEFORE 1000
#define NUMBER_ADDED 234

/* memo: the dict; blocks and bytes that are no dict's; the buckets and entries prepared; what a
 * waiter's bell showed. */
enum {
    MEMO_DICT,
    MEMO_BLOCKS,
    MEMO_BYTES,
    MEMO_BUCKETS,
    MEMO_ENTRIES,
    MEMO_BELL,
    MEMO_FIRST, /* the hash of the first entry, and where it was */
    MEMO_PLACE,
    MEMO_PLACE_BYTES
};

/* ---- what stands -------------------------------------------------------------------------- */

struct reach {
    uint64_t blocks, bytes, dicts;
};

static void reach_block(struct kill_world *world, uint64_t offset, struct reach *reach)
{
    reach->blocks++;
    reach->bytes += heap_block_bytes(&world->arena, offset);
}

static void share_of(struct kill_world *world, struct record *record, struct share *share)
{
    share->actor = &world->bystander;
    share->record = record;
    share->dict = (struct dict *)record->body;
    share->handle = record->handle;
}

static bool bucket_sound(struct kill_world *world, const struct share *share, uint64_t index,
                         struct reach *reach)
{
    struct bucket *bucket = dict_bucket(share, index);
    uint32_t count = more_count(bucket->more);
    _Atomic uint64_t *outside = arena_at(&world->arena, more_cells(bucket->more));

    if (!kill_expect(world, bucket->version % 2 == 0, "bucket %u is amid a change",
                     (unsigned)index) ||
        !kill_expect(world, (count > DICT_INLINE) == (more_cells(bucket->more) != 0),
                     "bucket %u has %u entries and the wrong cells", (unsigned)index, count))
        return false;
    if (more_cells(bucket->more) != 0)
        reach_block(world, more_cells(bucket->more), reach);
    for (uint32_t at = 0; at < count; at++) {
        uint64_t cell = at < DICT_INLINE ? bucket->cells[at] : outside[at - DICT_INLINE];
        struct entry *entry = arena_at(&world->arena, cell_entry(cell));

        if (!kill_expect(world, dict_index(share->dict->state, entry->hash) == index,
                         "bucket %u holds an entry that is not its own", (unsigned)index))
            return false;
        reach_block(world, cell_entry(cell), reach);
    }
    return true;
}

static bool dict_sound(struct kill_world *world, const struct share *share, struct reach *reach)
{
    uint64_t buckets = share->dict->state, before = reach->blocks, entries;

    reach->dicts++;
    if (!kill_expect(world, dict_lives(buckets), "a dict is ending that nobody ends"))
        return false;
    for (uint64_t index = 0; index < buckets; index++)
        if (!bucket_sound(world, share, index, reach))
            return false;
    entries = reach->blocks - before;
    for (uint64_t index = 0; index < buckets; index++)
        entries -= more_cells(dict_bucket(share, index)->more) != 0;
    for (uint64_t chunk = 0; chunk * DICT_CHUNK < buckets; chunk++) {
        reach_block(world, *dict_chunk(share, chunk), reach);
        if (chunk == dict_page_first(dict_page_of(chunk)))
            reach_block(world, share->dict->pages[dict_page_of(chunk)], reach);
    }
    reach_block(world, share->dict->counts, reach);
    return dict_share_size(share, &before) == TROUPE_OK &&
           kill_expect(world, before == entries, "%u entries are counted and %u are there",
                       (unsigned)before, (unsigned)entries);
}

static bool dicts_sound(struct kill_world *world, struct reach *reach)
{
    uint64_t index = 0;
    struct record *record;
    struct share share;

    *reach = (struct reach){ 0 };
    while ((record = table_next(&world->arena, &index)) != NULL) {
        share_of(world, record, &share);
        if (!dict_sound(world, &share, reach))
            return false;
    }
    return true;
}

/* ---- what another node would read --------------------------------------------------------- */

static bool are_sealed(void)
{
    const char *word = getenv("TROUPE_REMOTE_READ");

    return word != NULL && strcmp(word, "get") == 0;
}

/* Whether what lies there is refused, or proves the value. */
static bool place_tells_truth(struct kill_world *world, const struct dict_place *place,
                              const struct dict_key *key, const struct dict_buffer *value)
{
    uint64_t copy[SEAL_MOST / sizeof(uint64_t)];
    troupe_bytes read;

    memcpy(copy, arena_at(&world->arena, place->offset), place->bytes);
    if (!seal_proves(copy, place->bytes, world->memo[MEMO_DICT], key, &read))
        return kill_expect(world,
                           value == NULL || place->offset == world->memo[MEMO_PLACE] ||
                               copy[place->bytes / sizeof(uint64_t) - 2] == 0,
                           "the first entry's seal is broken");
    return kill_expect(world,
                       value != NULL && read.size == value->size &&
                           memcmp(read.data, value->data, value->size) == 0,
                       "another node would read what is not so");
}

static bool readers_told_truth(struct kill_world *world)
{
    const struct dict_place was = { world->memo[MEMO_PLACE], world->memo[MEMO_PLACE_BYTES] };
    unsigned char bytes[BYTES_VALUE];
    struct dict_key key = { &world->memo[MEMO_FIRST], sizeof(uint64_t), world->memo[MEMO_FIRST] };
    struct dict_buffer buffer = { .data = bytes, .capacity = sizeof bytes };
    struct dict_place is = { 0, 0 };
    struct share share;
    bool there = dict_share_find(&world->bystander, world->memo[MEMO_DICT], &share) == TROUPE_OK &&
                 dict_share_get(&share, &key, &buffer) == TROUPE_OK;

    if (was.offset == 0)
        return true;
    if (there)
        dict_share_locate(&share, &key, &is);
    return kill_expect(world, !there || is.offset != 0, "the first entry has no seal") &&
           place_tells_truth(world, &was, &key, there ? &buffer : NULL) &&
           (is.offset == 0 || place_tells_truth(world, &is, &key, &buffer));
}

/* Every block is a dict's, or was there before and is none's. */
static bool nothing_lost(struct kill_world *world, struct reach *reach)
{
    struct heap_usage now;

    if (!dicts_sound(world, reach) || !readers_told_truth(world))
        return false;
    heap_usage_get(&world->arena, &now);
    return kill_expect(world,
                       now.linked_blocks == world->memo[MEMO_BLOCKS] + reach->blocks &&
                           now.linked_bytes == world->memo[MEMO_BYTES] + reach->bytes,
                       "%u blocks are linked, of which dicts have %u and others %u",
                       (unsigned)now.linked_blocks, (unsigned)reach->blocks,
                       (unsigned)world->memo[MEMO_BLOCKS]);
}

/* ---- entries ------------------------------------------------------------------------------ */

static void put(struct actor *actor, uint64_t dict, uint64_t hash, uint64_t size)
{
    unsigned char value[BYTES_VALUE];
    struct dict_key key = { &hash, sizeof hash, hash };
    struct share share;

    memset(value, (int)size, sizeof value);
    if (dict_share_find(actor, dict, &share) == TROUPE_OK)
        dict_share_put(&share,
                       &(struct dict_put){ &key, { value, size }, DICT_ALWAYS, { NULL, 0 } });
}

/* The size of a key's value, which is as many bytes of that number; 0 without the key. */
static uint64_t value_of(struct kill_world *world, uint64_t hash)
{
    unsigned char value[BYTES_VALUE];
    struct dict_key key = { &hash, sizeof hash, hash };
    struct dict_buffer buffer = { value, sizeof value, 0, 0 };
    struct share share;

    if (dict_share_find(&world->bystander, world->memo[MEMO_DICT], &share) != TROUPE_OK ||
        dict_share_get(&share, &key, &buffer) != TROUPE_OK || value[0] != buffer.size ||
        value[buffer.size - 1] != buffer.size)
        return 0;
    return buffer.size;
}

/* Hashes of one bucket that no split parts, and of BUCKET_LATE, which splits part three to one. */
static uint64_t hash_together(uint64_t number)
{
    return number << 40 | 1;
}

static uint64_t hash_parted(uint64_t number)
{
    return (number * 2 + (number % 4 == 0)) * DICT_CHUNK + BUCKET_LATE;
}

/* The prepared entries: `count` by `hash`, each a value of one byte. */
static bool all_stand(struct kill_world *world, uint64_t (*hash)(uint64_t), uint64_t but)
{
    for (uint64_t i = 0; i < world->memo[MEMO_ENTRIES]; i++)
        if (i != but && !kill_expect(world, value_of(world, hash(i)) == 1,
                                     "entry %u is not there or wrong", (unsigned)i))
            return false;
    return true;
}

/* ---- preparing ---------------------------------------------------------------------------- */

static void remember_rest(struct kill_world *world)
{
    struct reach reach;
    struct heap_usage usage;

    dicts_sound(world, &reach);
    heap_usage_get(&world->arena, &usage);
    world->memo[MEMO_BLOCKS] = usage.linked_blocks - reach.blocks;
    world->memo[MEMO_BYTES] = usage.linked_bytes - reach.bytes;
}

static void place_remember(struct kill_world *world)
{
    struct dict_key key = { &world->memo[MEMO_FIRST], sizeof(uint64_t), world->memo[MEMO_FIRST] };
    struct dict_place place = { 0, 0 };
    struct share share;

    if (dict_share_find(&world->bystander, world->memo[MEMO_DICT], &share) == TROUPE_OK)
        dict_share_locate(&share, &key, &place);
    world->memo[MEMO_PLACE] = place.offset;
    world->memo[MEMO_PLACE_BYTES] = place.bytes;
}

static void prepare(struct kill_world *world, uint64_t (*hash)(uint64_t), uint64_t entries)
{
    recover_register(RESUME_DICT_END, dict_share_end);
    table_format(&world->bystander, 0);
    if (are_sealed())
        dict_seals_begin(&world->bystander);
    dict_share_create(&world->bystander, 0, 0, &world->memo[MEMO_DICT]);
    for (uint64_t i = 0; i < entries; i++)
        put(&world->bystander, world->memo[MEMO_DICT], hash(i), 1);
    world->memo[MEMO_ENTRIES] = entries;
    world->memo[MEMO_FIRST] = hash(0);
    place_remember(world);
    remember_rest(world);
}

static void three_together(struct kill_world *world)
{
    prepare(world, hash_together, 3);
}

/* The first is a number. */
static void three_with_number(struct kill_world *world)
{
    uint64_t hash = hash_together(0);
    const int64_t number = NUMBER_BEFORE;
    struct dict_key key = { &hash, sizeof hash, hash };
    struct dict_put put = { .key = &key, .value = troupe_bytes_of(&number, sizeof number) };
    struct share share;

    three_together(world);
    if (dict_share_find(&world->bystander, world->memo[MEMO_DICT], &share) == TROUPE_OK)
        dict_share_put(&share, &put);
    place_remember(world);
}

/* Somebody waits for a key. */
static void await(struct kill_world *world, uint64_t hash)
{
    struct dict_key key = { &hash, sizeof hash, hash };
    struct share share;
    struct bell *bell;

    if (dict_share_find(&world->bystander, world->memo[MEMO_DICT], &share) != TROUPE_OK ||
        dict_share_wait_try(&share, &key, &bell) != TROUPE_TIMEOUT)
        return;
    world->memo[MEMO_BELL] = (uint64_t)bell->word << 32 | arena_offset(&world->arena, bell) >> 3;
}

static void three_awaited(struct kill_world *world)
{
    three_together(world);
    await(world, hash_together(world->memo[MEMO_ENTRIES]));
}

static void bucket_full(struct kill_world *world)
{
    prepare(world, hash_together, DICT_INLINE);
}

static void one_outside(struct kill_world *world)
{
    prepare(world, hash_together, DICT_INLINE + 1);
}

static void cells_full(struct kill_world *world)
{
    prepare(world, hash_together, 2 * DICT_INLINE + 2);
}

/* The next bucket to be split is BUCKET_LATE, with as many entries as told. */
static void next_is_late(struct kill_world *world, uint64_t entries)
{
    struct share share;

    prepare(world, hash_parted, entries);
    dict_share_find(&world->bystander, world->memo[MEMO_DICT], &share);
    while (share.dict->state < DICT_CHUNK + BUCKET_LATE)
        dict_grow(&share);
    world->memo[MEMO_BUCKETS] = share.dict->state;
    remember_rest(world);
}

static void split_of_few(struct kill_world *world)
{
    next_is_late(world, DICT_INLINE);
}

static void split_awaited(struct kill_world *world)
{
    next_is_late(world, DICT_INLINE);
    await(world, hash_parted(world->memo[MEMO_ENTRIES]));
}

static void split_of_many(struct kill_world *world)
{
    next_is_late(world, 2 * DICT_INLINE);
}

static void split_of_first(struct kill_world *world)
{
    prepare(world, hash_together, 2);
    world->memo[MEMO_BUCKETS] = DICT_CHUNK;
}

/* ---- operations --------------------------------------------------------------------------- */

static void set_next(struct kill_world *world)
{
    put(&world->victim, world->memo[MEMO_DICT], hash_together(world->memo[MEMO_ENTRIES]), 2);
}

static void set_again(struct kill_world *world)
{
    put(&world->victim, world->memo[MEMO_DICT], hash_together(0), BYTES_VALUE);
}

/* On a condition that holds. */
static void put_if(struct kill_world *world, uint64_t hash, enum dict_when when)
{
    const unsigned char is = 1, becomes[2] = { 2, 2 }, other[BYTES_VALUE] = { 0 };
    struct dict_key key = { &hash, sizeof hash, hash };
    struct dict_put put = { &key, troupe_bytes_of(becomes, sizeof becomes), when,
                            troupe_bytes_of(&is, sizeof is) };
    struct share share;

    if (dict_share_find(&world->victim, world->memo[MEMO_DICT], &share) != TROUPE_OK)
        return;
    put.expected.data = other;
    dict_share_put(&share, &put); /* on one that does not */
    put.expected.data = &is;
    dict_share_put(&share, &put);
}

static void set_default(struct kill_world *world)
{
    uint64_t hash = hash_together(world->memo[MEMO_ENTRIES]);
    const unsigned char value[2] = { 2, 2 };
    struct dict_key key = { &hash, sizeof hash, hash };
    struct dict_put put = { &key, troupe_bytes_of(value, sizeof value), DICT_IF_ABSENT, { 0 } };
    struct dict_buffer found = { .data = NULL };
    struct share share;
    bool stored;

    if (dict_share_find(&world->victim, world->memo[MEMO_DICT], &share) == TROUPE_OK)
        dict_share_default(&share, &put, &found, &stored);
}

static void compare_and_set(struct kill_world *world)
{
    put_if(world, hash_together(0), DICT_IF_EQUAL);
}

static void compare_and_delete(struct kill_world *world)
{
    uint64_t hash = hash_together(0);
    const unsigned char is = 1;
    const troupe_bytes expected = troupe_bytes_of(&is, sizeof is);
    struct dict_key key = { &hash, sizeof hash, hash };
    struct share share;

    if (dict_share_find(&world->victim, world->memo[MEMO_DICT], &share) == TROUPE_OK)
        dict_share_delete(&share, &key, &expected);
}

/* Reads the first value by one of the calls that do. */
static void first_by(struct kill_world *world,
                     int (*call)(const struct share *share, const struct dict_key *key,
                                 struct dict_buffer *value))
{
    uint64_t hash = hash_together(0);
    unsigned char value[BYTES_VALUE];
    struct dict_key key = { &hash, sizeof hash, hash };
    struct dict_buffer buffer = { .data = value, .capacity = sizeof value };
    struct share share;

    if (dict_share_find(&world->victim, world->memo[MEMO_DICT], &share) == TROUPE_OK)
        call(&share, &key, &buffer);
}

static void pop_first(struct kill_world *world)
{
    first_by(world, dict_share_pop);
}

static void get_first(struct kill_world *world)
{
    first_by(world, dict_share_get);
}

static void add(struct kill_world *world, uint64_t hash)
{
    struct dict_key key = { &hash, sizeof hash, hash };
    struct share share;
    int64_t sum;

    if (dict_share_find(&world->victim, world->memo[MEMO_DICT], &share) == TROUPE_OK)
        dict_share_add(&share, &key, NUMBER_ADDED, &sum);
}

static void add_first(struct kill_world *world)
{
    add(world, hash_together(0));
}

static void add_next(struct kill_world *world)
{
    add(world, hash_together(world->memo[MEMO_ENTRIES]));
}

static void clear(struct kill_world *world)
{
    struct share share;
    uint64_t bucket = 0;

    if (dict_share_find(&world->victim, world->memo[MEMO_DICT], &share) == TROUPE_OK)
        dict_share_clear(&share, &bucket);
}

static void wait_try(struct kill_world *world)
{
    uint64_t hash = hash_together(world->memo[MEMO_ENTRIES]);
    struct dict_key key = { &hash, sizeof hash, hash };
    struct share share;
    struct bell *bell;

    if (dict_share_find(&world->victim, world->memo[MEMO_DICT], &share) == TROUPE_OK)
        dict_share_wait_try(&share, &key, &bell);
}

/* A whole walk, and the size. */
static void walk(struct kill_world *world)
{
    unsigned char key_room[sizeof(uint64_t)], value_room[BYTES_VALUE];
    struct dict_buffer key = { .data = key_room, .capacity = sizeof key_room };
    struct dict_buffer value = { .data = value_room, .capacity = sizeof value_room };
    struct dict_position position = { 0 };
    struct share share;
    uint64_t entries;

    if (dict_share_find(&world->victim, world->memo[MEMO_DICT], &share) != TROUPE_OK)
        return;
    while (dict_share_next(&share, &position, &key, &value) == TROUPE_OK)
        ;
    dict_share_size(&share, &entries);
}

static void delete_first(struct kill_world *world)
{
    uint64_t hash = hash_together(0);
    struct dict_key key = { &hash, sizeof hash, hash };
    struct share share;

    if (dict_share_find(&world->victim, world->memo[MEMO_DICT], &share) == TROUPE_OK)
        dict_share_delete(&share, &key, NULL);
}

static void split(struct kill_world *world)
{
    struct share share;

    if (dict_share_find(&world->victim, world->memo[MEMO_DICT], &share) == TROUPE_OK)
        dict_grow(&share);
}

static void create(struct kill_world *world)
{
    uint64_t handle;

    dict_share_create(&world->victim, 0, 0, &handle);
}

static void destroy(struct kill_world *world)
{
    dict_share_destroy(&world->victim, world->memo[MEMO_DICT]);
}

/* ---- checks ------------------------------------------------------------------------------- */

static bool was_set(struct kill_world *world, bool done)
{
    struct reach reach;
    uint64_t size = value_of(world, hash_together(world->memo[MEMO_ENTRIES]));

    return nothing_lost(world, &reach) && all_stand(world, hash_together, UINT64_MAX) &&
           kill_expect(world, size == (done ? 2 : 0), "the new value has %u bytes", (unsigned)size);
}

/* Whoever waits was woken if there is something to see; else the mark that wakes it stands. */
static bool was_rung(struct kill_world *world, uint64_t hash, bool done)
{
    const struct bell *bell = arena_at(&world->arena, (uint32_t)world->memo[MEMO_BELL] << 3);
    struct share share;
    struct held held;
    bool rung = bell->word != world->memo[MEMO_BELL] >> 32, marked;
    struct lock *lock;
    uint64_t index;

    if (dict_share_find(&world->bystander, world->memo[MEMO_DICT], &share) != TROUPE_OK)
        return false;
    index = dict_index(done ? DICT_CHUNK : share.dict->state, hash);
    lock = dict_lock_of(&share, index);
    held_view(&share, index, lock, &held);
    marked = (*held.count & COUNT_AWAITED) != 0;
    return kill_expect(world, done ? rung : rung || marked, "a waiter is neither woken nor marked");
}

static bool was_set_awaited(struct kill_world *world, bool done)
{
    return was_set(world, done) && was_rung(world, hash_together(world->memo[MEMO_ENTRIES]), done);
}

static bool number_is(struct kill_world *world, uint64_t hash, int64_t number)
{
    struct dict_key key = { &hash, sizeof hash, hash };
    int64_t is = 0;
    struct dict_buffer buffer = { .data = &is, .capacity = sizeof is };
    struct share share;

    if (dict_share_find(&world->bystander, world->memo[MEMO_DICT], &share) == TROUPE_OK)
        dict_share_get(&share, &key, &buffer);
    return kill_expect(world, is == number, "the number is %lld", (long long)is);
}

static bool was_added(struct kill_world *world, bool done)
{
    struct reach reach;

    return nothing_lost(world, &reach) && all_stand(world, hash_together, 0) &&
           number_is(world, hash_together(0), NUMBER_BEFORE + (done ? NUMBER_ADDED : 0));
}

static bool first_was_added(struct kill_world *world, bool done)
{
    struct reach reach;

    return nothing_lost(world, &reach) && all_stand(world, hash_together, UINT64_MAX) &&
           number_is(world, hash_together(world->memo[MEMO_ENTRIES]), done ? NUMBER_ADDED : 0);
}

static bool was_compared(struct kill_world *world, bool done)
{
    struct reach reach;
    uint64_t size = value_of(world, hash_together(0));

    return nothing_lost(world, &reach) && all_stand(world, hash_together, 0) &&
           kill_expect(world, size == (done ? 2 : 1), "the value has %u bytes", (unsigned)size);
}

static bool was_cleared(struct kill_world *world, bool done)
{
    struct reach reach;

    return nothing_lost(world, &reach) &&
           (done ? kill_expect(world, value_of(world, hash_together(0)) == 0, "an entry is left")
                 : all_stand(world, hash_together, UINT64_MAX));
}

/* A look leaves nothing but, where it waits, a mark. */
static bool was_looked(struct kill_world *world, bool done)
{
    struct reach reach;

    (void)done;
    return nothing_lost(world, &reach) && all_stand(world, hash_together, UINT64_MAX);
}

static bool was_set_again(struct kill_world *world, bool done)
{
    struct reach reach;
    uint64_t size = value_of(world, hash_together(0));

    return nothing_lost(world, &reach) && all_stand(world, hash_together, 0) &&
           kill_expect(world, size == (done ? BYTES_VALUE : 1), "the value has %u bytes",
                       (unsigned)size);
}

static bool was_deleted(struct kill_world *world, bool done)
{
    struct reach reach;
    uint64_t size = value_of(world, hash_together(0));

    return nothing_lost(world, &reach) && all_stand(world, hash_together, 0) &&
           kill_expect(world, size == (done ? 0 : 1), "the value has %u bytes", (unsigned)size);
}

static bool was_split_by(struct kill_world *world, bool done, uint64_t (*hash)(uint64_t))
{
    struct reach reach;
    struct share share;

    return nothing_lost(world, &reach) && all_stand(world, hash, UINT64_MAX) &&
           dict_share_find(&world->bystander, world->memo[MEMO_DICT], &share) == TROUPE_OK &&
           kill_expect(world, share.dict->state == world->memo[MEMO_BUCKETS] + done,
                       "there are %u buckets", (unsigned)share.dict->state);
}

static bool was_split(struct kill_world *world, bool done)
{
    return was_split_by(world, done, hash_parted);
}

static bool was_split_awaited(struct kill_world *world, bool done)
{
    return was_split(world, done) && was_rung(world, hash_parted(world->memo[MEMO_ENTRIES]), done);
}

static bool first_was_split(struct kill_world *world, bool done)
{
    return was_split_by(world, done, hash_together);
}

static bool was_created(struct kill_world *world, bool done)
{
    struct reach reach;

    return nothing_lost(world, &reach) && all_stand(world, hash_together, UINT64_MAX) &&
           kill_expect(world, reach.dicts == 1u + done, "there are %u dicts",
                       (unsigned)reach.dicts);
}

static bool was_destroyed(struct kill_world *world, bool done)
{
    struct reach reach;

    return nothing_lost(world, &reach) && (done || all_stand(world, hash_together, UINT64_MAX)) &&
           kill_expect(world, reach.dicts == !done, "there are %u dicts", (unsigned)reach.dicts);
}

static struct kill_case cases[] = {
    { .name = "dict_set_new", .prepare = three_together, .operation = set_next, .check = was_set },
    { .name = "dict_set_outgrows",
      .prepare = bucket_full,
      .operation = set_next,
      .check = was_set },
    { .name = "dict_set_moves_cells",
      .prepare = cells_full,
      .operation = set_next,
      .check = was_set },
    { .name = "dict_set_again",
      .prepare = three_together,
      .operation = set_again,
      .check = was_set_again },
    { .name = "dict_set_awaited",
      .prepare = three_awaited,
      .operation = set_next,
      .check = was_set_awaited },
    { .name = "dict_set_default",
      .prepare = three_together,
      .operation = set_default,
      .check = was_set },
    { .name = "dict_compare_and_set",
      .prepare = three_together,
      .operation = compare_and_set,
      .check = was_compared },
    { .name = "dict_compare_and_delete",
      .prepare = three_together,
      .operation = compare_and_delete,
      .check = was_deleted },
    { .name = "dict_pop", .prepare = three_together, .operation = pop_first, .check = was_deleted },
    { .name = "dict_add",
      .prepare = three_with_number,
      .operation = add_first,
      .check = was_added },
    { .name = "dict_add_new",
      .prepare = three_together,
      .operation = add_next,
      .check = first_was_added },
    { .name = "dict_wait", .prepare = three_together, .operation = wait_try, .check = was_looked },
    { .name = "dict_get", .prepare = one_outside, .operation = get_first, .check = was_looked },
    { .name = "dict_walk", .prepare = one_outside, .operation = walk, .check = was_looked },
    { .name = "dict_clear", .prepare = one_outside, .operation = clear, .check = was_cleared },
    { .name = "dict_delete",
      .prepare = three_together,
      .operation = delete_first,
      .check = was_deleted },
    { .name = "dict_delete_shrinks",
      .prepare = one_outside,
      .operation = delete_first,
      .check = was_deleted },
    { .name = "dict_split_few", .prepare = split_of_few, .operation = split, .check = was_split },
    { .name = "dict_split_awaited",
      .prepare = split_awaited,
      .operation = split,
      .check = was_split_awaited },
    { .name = "dict_split_many", .prepare = split_of_many, .operation = split, .check = was_split },
    { .name = "dict_split_chunk",
      .prepare = split_of_first,
      .operation = split,
      .check = first_was_split },
    { .name = "dict_create", .prepare = three_together, .operation = create, .check = was_created },
    { .name = "dict_destroy",
      .prepare = one_outside,
      .operation = destroy,
      .check = was_destroyed },
};

int main(int argc, char **argv)
{
    cases[0].literally = test_count(0, 1) != 0; /* a minute of real kills */
    return kill_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
