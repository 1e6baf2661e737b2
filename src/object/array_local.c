/* Memory orders: single elements are read and written sequentially consistent, words of a range
 * with acquire and release. The pair of names and ending is told in recover.h. */
#include "object/array_local.h"

#include "base/error.h"
#include "core/lock.h"
#include "core/recover.h"
#include "core/root.h"
#include "core/tx.h"
#include "object/mutex.h"
#include "object/word.h"
#include "object/words.h"

enum array_state { ARRAY_OPEN = 0, ARRAY_ENDING = 1 };

#define WORD sizeof(uint64_t)

/* A record's body. The mutex comes first: the record is the array's lock as well. */
struct array {
    struct mutex mutex;
    _Atomic uint64_t state;
    _Atomic uint64_t block;
    uint64_t length;
    int type;
};
_Static_assert(sizeof(struct array) <= RECORD_ROOM, "an array fits its record");

static struct array *array_of(struct record *record)
{
    return (struct array *)record->body;
}

static size_t element_bytes(int type)
{
    return type == TROUPE_BYTE ? 1 : WORD;
}

static int is_gone(uint64_t handle)
{
    return fail(TROUPE_BAD_HANDLE, "the array %016llx was destroyed; destroy it after its last use",
                (unsigned long long)handle);
}

/* ---- making ----------------------------------------------------------------------------- */

static int options_check(const struct actor *actor, const troupe_array_options *options)
{
    uint64_t most = actor->arena.header->bytes;

    if (options->type != TROUPE_INT64 && options->type != TROUPE_DOUBLE &&
        options->type != TROUPE_BYTE)
        return fail(TROUPE_BAD_ARGUMENT,
                    "array: type %d is none; use TROUPE_INT64, TROUPE_DOUBLE or TROUPE_BYTE",
                    options->type);
    if (options->length > most / element_bytes(options->type))
        return fail(TROUPE_FULL,
                    "array: %llu elements can never fit an arena of %llu bytes; start with a "
                    "larger one (TROUPE_ARENA)",
                    (unsigned long long)options->length, (unsigned long long)most);
    return TROUPE_OK;
}

/* The elements are zeroed before anybody else has to wait for us. */
static int block_make(struct actor *actor, uint64_t bytes, uint64_t *block)
{
    int result = tx_alloc(actor, bytes, block);

    if (result != TROUPE_OK)
        return result;
    memset(arena_at(&actor->arena, *block), 0, bytes);
    tx_set_aside(actor, *block);
    return TROUPE_OK;
}

int array_make(struct actor *actor, const void *options, uint64_t *handle)
{
    troupe_array_options chosen = { .type = TROUPE_INT64 };
    struct record *record;
    uint64_t block;
    int result;

    if (options != NULL)
        chosen = *(const troupe_array_options *)options;
    chosen.length = chosen.length > 0 ? chosen.length : 1;
    result = options_check(actor, &chosen);
    if (result == TROUPE_OK)
        result = block_make(actor, chosen.length * element_bytes(chosen.type), &block);
    if (result != TROUPE_OK)
        return result;
    result = table_reserve(actor, &record);
    if (result != TROUPE_OK) {
        tx_abort(actor);
        return result;
    }
    array_of(record)->type = chosen.type;
    array_of(record)->length = chosen.length;
    tx_enlist(actor, block);
    tx_write(actor, &array_of(record)->block, block);
    word_begin(actor, record, 0);
    table_publish(actor, record, OBJECT_ARRAY, 0, handle);
    return TROUPE_OK;
}

/* ---- using ------------------------------------------------------------------------------ */

static void use_end(struct actor *actor, struct record *record)
{
    uint64_t place = arena_offset(&actor->arena, record);

    resume_begin(actor, RESUME_ARRAY_LEAVE, place);
    if (atomic_load(&array_of(record)->state) == ARRAY_ENDING)
        array_end(actor, place);
    resume_end(actor);
}

/* Until use_end the elements stay. */
static int use_begin(struct actor *actor, uint64_t handle, struct record **record)
{
    int result = table_find(actor, handle, OBJECT_ARRAY, record);

    if (result != TROUPE_OK)
        return result;
    resume_begin(actor, RESUME_ARRAY_USE, arena_offset(&actor->arena, *record));
    if (atomic_load(&array_of(*record)->state) == ARRAY_OPEN &&
        atomic_load(&(*record)->handle) == handle)
        return TROUPE_OK;
    use_end(actor, *record);
    return is_gone(handle);
}

static void *elements_of(const struct actor *actor, struct record *record)
{
    return arena_at(&actor->arena,
                    atomic_load_explicit(&array_of(record)->block, memory_order_acquire));
}

static int misses(const struct array *array, uint64_t index, uint64_t count)
{
    return fail(TROUPE_NOT_FOUND, "array: elements %llu to %llu of %llu; use those that are there",
                (unsigned long long)index, (unsigned long long)(index + count - 1),
                (unsigned long long)array->length);
}

/* A range comes from another node, too: nothing of it is sure. */
static int range_check(const struct array *array, const struct array_range *range)
{
    size_t element = element_bytes(array->type);
    uint64_t count = range->whole / element;

    if (range->whole % element != 0 || range->skip % element != 0 || range->bytes % element != 0)
        return fail(TROUPE_BAD_ARGUMENT,
                    "array: %llu bytes are no whole elements of %zu; pass int64_t, double or bytes",
                    (unsigned long long)range->whole, element);
    if (range->index > array->length || count > array->length - range->index ||
        range->skip > range->whole || range->bytes > range->whole - range->skip)
        return misses(array, range->index, count);
    return TROUPE_OK;
}

/* The place of a checked range. */
static void *range_at(const struct actor *actor, struct record *record,
                      const struct array_range *range)
{
    return (unsigned char *)elements_of(actor, record) +
           range->index * element_bytes(array_of(record)->type) + range->skip;
}

int array_get(struct actor *actor, uint64_t handle, const struct array_range *range, void *to)
{
    struct record *record;
    int result = use_begin(actor, handle, &record);

    if (result != TROUPE_OK)
        return result;
    result = range_check(array_of(record), range);
    if (result == TROUPE_OK) {
        const void *from = range_at(actor, record, range);

        if (array_of(record)->type == TROUPE_BYTE)
            memcpy(to, from, range->bytes);
        else if (range->bytes == WORD) {
            uint64_t word = atomic_load((const _Atomic uint64_t *)from);

            memcpy(to, &word, sizeof word);
        } else
            words_load(to, from, range->bytes);
    }
    use_end(actor, record);
    return result;
}

int array_set(struct actor *actor, uint64_t handle, const struct array_range *range,
              const void *from)
{
    struct record *record;
    int result = use_begin(actor, handle, &record);

    if (result != TROUPE_OK)
        return result;
    result = range_check(array_of(record), range);
    if (result == TROUPE_OK) {
        void *to = range_at(actor, record, range);

        if (array_of(record)->type == TROUPE_BYTE)
            memcpy(to, from, range->bytes);
        else if (range->bytes == WORD) {
            uint64_t word;

            memcpy(&word, from, sizeof word);
            atomic_store((_Atomic uint64_t *)to, word);
        } else
            words_store(to, from, range->bytes);
    }
    use_end(actor, record);
    return result;
}

/* ---- one element ------------------------------------------------------------------------ */

static uint64_t int64_add(_Atomic uint64_t *element, uint64_t amount)
{
    return atomic_fetch_add(element, amount) + amount;
}

static uint64_t double_add(_Atomic uint64_t *element, uint64_t amount)
{
    uint64_t seen = atomic_load(element), sum;
    double more, value;

    memcpy(&more, &amount, sizeof more);
    do {
        memcpy(&value, &seen, sizeof value);
        value += more;
        memcpy(&sum, &value, sizeof sum);
    } while (!atomic_compare_exchange_weak(element, &seen, sum));
    return sum;
}

static int add_check(const struct array *array, uint64_t index, int type)
{
    if (array->type != type)
        return fail(TROUPE_BAD_ARGUMENT, "array: its elements are no %s; use %s",
                    type == TROUPE_DOUBLE ? "double" : "int64_t",
                    array->type == TROUPE_INT64    ? "troupe_array_add"
                    : array->type == TROUPE_DOUBLE ? "troupe_array_add_double"
                                                   : "troupe_array_compare_and_set");
    return index < array->length ? TROUPE_OK : misses(array, index, 1);
}

int array_add(struct actor *actor, uint64_t handle, uint64_t index, int type, uint64_t amount,
              uint64_t *sum)
{
    struct record *record;
    int result = use_begin(actor, handle, &record);

    if (result != TROUPE_OK)
        return result;
    result = add_check(array_of(record), index, type);
    if (result == TROUPE_OK) {
        _Atomic uint64_t *element = (_Atomic uint64_t *)elements_of(actor, record) + index;

        *sum = type == TROUPE_DOUBLE ? double_add(element, amount) : int64_add(element, amount);
    }
    use_end(actor, record);
    return result;
}

static bool element_swap(void *element, uint64_t expected, uint64_t desired, uint64_t bytes)
{
    unsigned char byte = (unsigned char)expected;

    if (bytes == WORD)
        return atomic_compare_exchange_strong((_Atomic uint64_t *)element, &expected, desired);
    return atomic_compare_exchange_strong((_Atomic unsigned char *)element, &byte,
                                          (unsigned char)desired);
}

int array_compare_and_set(struct actor *actor, uint64_t handle, uint64_t index, uint64_t expected,
                          uint64_t desired, uint64_t bytes)
{
    struct array_range range = { index, bytes, 0, bytes };
    struct record *record;
    int result = use_begin(actor, handle, &record);

    if (result != TROUPE_OK)
        return result;
    result = range_check(array_of(record), &range);
    if (result == TROUPE_OK && bytes != element_bytes(array_of(record)->type))
        result = fail(TROUPE_BAD_ARGUMENT, "array: %llu bytes are not one element; pass one",
                      (unsigned long long)bytes);
    if (result == TROUPE_OK &&
        !element_swap(range_at(actor, record, &range), expected, desired, bytes))
        result = TROUPE_DIFFERS;
    use_end(actor, record);
    return result;
}

/* ---- the whole -------------------------------------------------------------------------- */

int array_length(struct actor *actor, uint64_t handle, uint64_t *length)
{
    struct record *record;
    int result = use_begin(actor, handle, &record);

    if (result != TROUPE_OK)
        return result;
    *length = array_of(record)->length;
    use_end(actor, record);
    return TROUPE_OK;
}

int array_pointer(struct actor *actor, uint64_t handle, void **pointer)
{
    struct record *record;
    int result = use_begin(actor, handle, &record);

    if (result != TROUPE_OK)
        return result;
    *pointer = elements_of(actor, record);
    use_end(actor, record);
    return TROUPE_OK;
}

/* The record may be another object's by now, or have been ended by somebody else. */
void array_end(struct actor *actor, uint64_t place)
{
    struct record *record = arena_at(&actor->arena, place);
    struct array *array = array_of(record);

    lock_take(actor, &record->lock);
    if (handle_kind(atomic_load(&record->handle)) != OBJECT_ARRAY ||
        atomic_load(&array->state) != ARRAY_ENDING ||
        resume_is_named(actor, RESUME_ARRAY_USE, place)) {
        lock_give(actor, &record->lock);
        return;
    }
    if (atomic_load(&array->block) != 0) {
        tx_retire(actor, atomic_load(&array->block));
        tx_write(actor, &array->block, 0);
        tx_commit(actor);
    }
    table_retire(actor, record);
}

int array_destroy(struct actor *actor, uint64_t handle)
{
    struct record *record;
    uint64_t place;
    int result = table_lock(actor, handle, OBJECT_ARRAY, &record);

    if (result != TROUPE_OK)
        return result;
    if (atomic_load(&array_of(record)->state) == ARRAY_ENDING) {
        lock_give(actor, &record->lock);
        return is_gone(handle);
    }
    place = arena_offset(&actor->arena, record);
    resume_begin(actor, RESUME_ARRAY_LEAVE, place);
    atomic_store(&array_of(record)->state, ARRAY_ENDING);
    lock_give(actor, &record->lock);
    array_end(actor, place);
    resume_end(actor);
    return TROUPE_OK;
}
