/* The table of records. Its lock guards the free list, the chains and the segments; it is taken
 * inside a record's lock (table_retire), never the other way round. */
#include "core/table.h"

#include "base/error.h"
#include "core/futex.h"
#include "core/lock.h"
#include "core/root.h"
#include "core/tx.h"

#include <string.h>

#define TABLE_SEGMENTS 19
#define TABLE_FIRST 32u /* records of the first segment; each next one doubles */
#define TABLE_REUSE 64u
#define TABLE_CHAINS 256u
#define INDEX_MASK 0xffffffu

struct table {
    struct lock lock;
    uint64_t node;
    _Atomic uint64_t fresh; /* records ever used */
    _Atomic uint64_t free_first, free_last, free_count;
    _Atomic uint64_t segments[TABLE_SEGMENTS];
    _Atomic uint64_t chains[TABLE_CHAINS];
    _Atomic uint64_t orphans; /* a bit for each kind of which there may be any */
};

static struct table *table_of(const struct arena *arena)
{
    return arena_at(arena,
                    atomic_load_explicit(&arena->header->roots[ROOT_TABLE], memory_order_acquire));
}

int table_format(struct actor *actor, int node)
{
    uint64_t offset;
    struct table *table;
    int result = tx_alloc(actor, sizeof *table, &offset);

    if (result != TROUPE_OK)
        return result;
    table = arena_at(&actor->arena, offset);
    memset(table, 0, sizeof *table);
    table->node = (uint64_t)node;
    tx_write(actor, &actor->arena.header->roots[ROOT_TABLE], offset);
    tx_commit(actor);
    return TROUPE_OK;
}

int table_node(const struct arena *arena)
{
    return (int)table_of(arena)->node;
}

/* ---- indexes ---------------------------------------------------------------------------- */

static uint32_t segment_of(uint64_t index)
{
    return 63u - (uint32_t)__builtin_clzll(index / TABLE_FIRST + 1);
}

static uint64_t segment_first(uint32_t segment)
{
    return (uint64_t)TABLE_FIRST * (((uint64_t)1 << segment) - 1);
}

static struct record *record_at(const struct arena *arena, uint64_t index)
{
    uint32_t segment = segment_of(index);
    uint64_t place;

    if (segment >= TABLE_SEGMENTS)
        return NULL;
    place = atomic_load_explicit(&table_of(arena)->segments[segment], memory_order_acquire);
    if (place == 0)
        return NULL;
    return (struct record *)arena_at(arena, place) + (index - segment_first(segment));
}

static uint64_t index_of(const struct arena *arena, const struct record *record)
{
    struct table *table = table_of(arena);
    uint64_t place = arena_offset(arena, record);

    for (uint32_t segment = 0; segment < TABLE_SEGMENTS; segment++) {
        uint64_t first = atomic_load(&table->segments[segment]);
        uint64_t bytes = ((uint64_t)TABLE_FIRST << segment) * RECORD_BYTES;

        if (first != 0 && place >= first && place < first + bytes)
            return segment_first(segment) + (place - first) / RECORD_BYTES;
    }
    return INDEX_MASK;
}

static _Atomic uint64_t *chain_of(struct table *table, uint64_t handle)
{
    return &table->chains[(handle * 0x9e3779b97f4a7c15ull) >> 56];
}

/* ---- making ----------------------------------------------------------------------------- */

/* Links one more segment when the fresh records are used up. */
static int segment_ensure(struct actor *actor, struct table *table, uint64_t index)
{
    uint32_t segment = segment_of(index);
    uint64_t bytes = ((uint64_t)TABLE_FIRST << segment) * RECORD_BYTES, offset;
    int result;

    if (segment >= TABLE_SEGMENTS)
        return fail(TROUPE_FULL, "this node holds %llu objects, the most it can; destroy some",
                    (unsigned long long)index);
    if (atomic_load(&table->segments[segment]) != 0)
        return TROUPE_OK;
    result = tx_alloc(actor, bytes, &offset);
    if (result != TROUPE_OK)
        return result;
    memset(arena_at(&actor->arena, offset), 0, bytes);
    tx_write(actor, &table->segments[segment], offset);
    tx_commit(actor);
    return TROUPE_OK;
}

/* Word by word, for somebody with a stale handle may be reading the body without a lock; that the
 * handle is another one, it sees afterwards. */
static void body_clear(struct record *record)
{
    _Atomic uint64_t *words = (_Atomic uint64_t *)record->body;

    for (size_t i = 0; i < RECORD_ROOM / sizeof *words; i++)
        atomic_store_explicit(&words[i], 0, memory_order_release);
}

int table_reserve(struct actor *actor, struct record **record)
{
    struct table *table = table_of(&actor->arena);
    uint64_t fresh, count;
    int result = TROUPE_OK;

    lock_take(actor, &table->lock);
    fresh = atomic_load(&table->fresh);
    count = atomic_load(&table->free_count);
    if (count < TABLE_REUSE)
        result = segment_ensure(actor, table, fresh);
    if (count >= TABLE_REUSE || (result != TROUPE_OK && count > 0))
        *record = arena_at(&actor->arena, atomic_load(&table->free_first));
    else if (result == TROUPE_OK)
        *record = record_at(&actor->arena, fresh);
    else {
        lock_give(actor, &table->lock);
        return result;
    }
    body_clear(*record);
    return TROUPE_OK;
}

void table_drop(struct actor *actor, struct record *record)
{
    (void)record;
    lock_give(actor, &table_of(&actor->arena)->lock);
}

static void free_list_pop(struct actor *actor, struct table *table, struct record *record)
{
    uint64_t next = atomic_load(&record->next);

    if (atomic_load(&table->free_first) != arena_offset(&actor->arena, record)) {
        tx_write(actor, &table->fresh, atomic_load(&table->fresh) + 1);
        return;
    }
    tx_write(actor, &table->free_first, next);
    if (next == 0)
        tx_write(actor, &table->free_last, 0);
    tx_write(actor, &table->free_count, atomic_load(&table->free_count) - 1);
}

void table_publish(struct actor *actor, struct record *record, enum object_kind kind,
                   uint64_t foreign, uint64_t *handle)
{
    struct table *table = table_of(&actor->arena);
    uint64_t generation = atomic_load(&record->generation);
    uint64_t own = (uint64_t)kind << 60 | table->node << 44 | (generation & GENERATION_MASK) << 24 |
                   (index_of(&actor->arena, record) + 1);

    free_list_pop(actor, table, record);
    if (foreign != 0) {
        tx_write(actor, &record->next, atomic_load(chain_of(table, foreign)));
        tx_write(actor, chain_of(table, foreign), arena_offset(&actor->arena, record));
    } else
        tx_write(actor, &record->next, 0);
    if (foreign == 0 && atomic_load(&actor->slot->opened) == (uint64_t)kind)
        tx_write(actor, &actor->slot->opened, own);
    tx_write(actor, &record->generation, generation + 1);
    tx_write(actor, &record->handle, foreign != 0 ? foreign : own);
    tx_commit(actor);
    lock_give(actor, &table->lock);
    *handle = foreign != 0 ? foreign : own;
}

/* ---- finding ---------------------------------------------------------------------------- */

static struct record *foreign_find(struct actor *actor, struct table *table, uint64_t handle)
{
    uint64_t place;
    struct record *record = NULL;

    lock_take(actor, &table->lock);
    for (place = atomic_load(chain_of(table, handle)); place != 0;
         place = atomic_load(&record->next)) {
        record = arena_at(&actor->arena, place);
        if (atomic_load(&record->handle) == handle)
            break;
    }
    lock_give(actor, &table->lock);
    return place != 0 ? record : NULL;
}

static struct record *seen_find(struct actor *actor, uint64_t handle)
{
    struct actor_seen *seen = &actor->seen[handle % ACTOR_SEEN];

    return seen->handle == handle ? arena_at(&actor->arena, seen->place) : NULL;
}

static const char *const kind_names[] = {
    "nothing", "process",   "queue",   "dict", "list", "array", "lock",   "semaphore",
    "event",   "condition", "barrier", "pipe", "pool", "group", "result",
};

int table_refuse(uint64_t handle, enum object_kind kind)
{
    return fail(TROUPE_BAD_HANDLE,
                "handle %016llx is no handle of a %s; pass one that its create or start call made",
                (unsigned long long)handle, kind_names[kind]);
}

int table_find_slowly(struct actor *actor, uint64_t handle, enum object_kind kind,
                      struct record **record)
{
    struct table *table = table_of(&actor->arena);
    struct record *found = seen_find(actor, handle);

    if (handle_kind(handle) != kind)
        return table_refuse(handle, kind);
    if (found == NULL) {
        if (handle_node(handle) == (int)table->node)
            found = record_at(&actor->arena, (handle & INDEX_MASK) - 1);
        else
            found = foreign_find(actor, table, handle);
    }
    if (found == NULL || atomic_load_explicit(&found->handle, memory_order_acquire) != handle)
        return fail(TROUPE_BAD_HANDLE,
                    "the %s %016llx was destroyed or never made; make it before, and destroy it "
                    "after, its last use",
                    kind_names[kind], (unsigned long long)handle);
    actor->seen[handle % ACTOR_SEEN].handle = handle;
    actor->seen[handle % ACTOR_SEEN].place = arena_offset(&actor->arena, found);
    *record = found;
    return TROUPE_OK;
}

int table_lock(struct actor *actor, uint64_t handle, enum object_kind kind, struct record **record)
{
    int result = table_find(actor, handle, kind, record);

    if (result != TROUPE_OK)
        return result;
    lock_take(actor, &(*record)->lock);
    if (atomic_load_explicit(&(*record)->handle, memory_order_acquire) == handle)
        return TROUPE_OK;
    lock_give(actor, &(*record)->lock);
    return table_find(actor, handle, kind, record);
}

struct record *table_next(const struct arena *arena, uint64_t *index)
{
    uint64_t fresh = atomic_load(&table_of(arena)->fresh);

    while (*index < fresh) {
        struct record *record = record_at(arena, (*index)++);

        if (record != NULL && atomic_load(&record->handle) != 0)
            return record;
    }
    return NULL;
}

void table_bells_doubt(const struct arena *arena)
{
    uint64_t fresh = atomic_load(&table_of(arena)->fresh);

    for (uint64_t index = 0; index < fresh; index++) {
        struct record *record = record_at(arena, index);

        if (record == NULL)
            continue;
        bell_doubt(&record->bell);
        bell_doubt(&record->room);
        bell_doubt(&record->idle);
    }
}

/* ---- orphans --------------------------------------------------------------------------- */

/* A handle is larger than any kind. */
void table_open_begin(struct actor *actor, enum object_kind kind)
{
    atomic_store(&actor->slot->opened, (uint64_t)kind);
}

void table_open_end(struct actor *actor)
{
    atomic_store(&actor->slot->opened, 0);
}

static struct record *record_of(const struct arena *arena, uint64_t handle)
{
    struct record *record = record_at(arena, (handle & INDEX_MASK) - 1);

    return record != NULL && atomic_load(&record->handle) == handle ? record : NULL;
}

/* One that had made nothing may have been looking for orphans of its kind. */
void table_open_bury(const struct arena *arena, struct slot *slot)
{
    uint64_t opened = atomic_load(&slot->opened);
    struct record *record = opened < OBJECT_KINDS ? NULL : record_of(arena, opened);
    enum object_kind kind = opened < OBJECT_KINDS ? (enum object_kind)opened : handle_kind(opened);

    if (opened == 0)
        return;
    if (record != NULL)
        atomic_store(&record->orphan, opened);
    atomic_fetch_or(&table_of(arena)->orphans, (uint64_t)1 << kind);
    atomic_store(&slot->opened, 0);
}

bool table_orphans_any(struct actor *actor, enum object_kind kind)
{
    _Atomic uint64_t *orphans = &table_of(&actor->arena)->orphans;
    uint64_t bit = (uint64_t)1 << kind;

    return (atomic_load(orphans) & bit) != 0 && (atomic_fetch_and(orphans, ~bit) & bit) != 0;
}

uint64_t table_orphan_next(struct actor *actor, enum object_kind kind, uint64_t *index)
{
    struct record *record;
    uint64_t handle;

    while ((record = table_next(&actor->arena, index)) != NULL) {
        handle = atomic_load(&record->handle);
        if (handle != 0 && handle_kind(handle) == kind && atomic_load(&record->orphan) == handle)
            return handle;
    }
    return 0;
}

void table_orphan_settle(struct actor *actor, uint64_t handle)
{
    struct record *record = record_of(&actor->arena, handle);

    if (record != NULL)
        atomic_compare_exchange_strong(&record->orphan, &handle, 0);
}

/* ---- ending ----------------------------------------------------------------------------- */

static void chain_unlink(struct actor *actor, struct table *table, struct record *record)
{
    uint64_t own = arena_offset(&actor->arena, record);
    _Atomic uint64_t *link = chain_of(table, atomic_load(&record->handle));

    while (atomic_load(link) != 0 && atomic_load(link) != own)
        link = &((struct record *)arena_at(&actor->arena, atomic_load(link)))->next;
    if (atomic_load(link) == own)
        tx_write(actor, link, atomic_load(&record->next));
}

void table_retire(struct actor *actor, struct record *record)
{
    struct table *table = table_of(&actor->arena);
    uint64_t own = arena_offset(&actor->arena, record), last;

    bell_promise(actor, &record->bell);
    bell_promise(actor, &record->room);
    lock_take(actor, &table->lock);
    if (handle_node(atomic_load(&record->handle)) != (int)table->node)
        chain_unlink(actor, table, record);
    last = atomic_load(&table->free_last);
    if (last != 0)
        tx_write(actor, &((struct record *)arena_at(&actor->arena, last))->next, own);
    else
        tx_write(actor, &table->free_first, own);
    tx_write(actor, &table->free_last, own);
    tx_write(actor, &table->free_count, atomic_load(&table->free_count) + 1);
    tx_write(actor, &record->next, 0);
    tx_write(actor, &record->word, 0);
    tx_write(actor, &record->handle, 0);
    tx_commit(actor);
    lock_give(actor, &table->lock);
    lock_give(actor, &record->lock);
    bell_redeem(actor, FUTEX_ALL);
}
