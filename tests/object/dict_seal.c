/* Seals of entries: whatever a reader of another node may find where an entry once lay, it believes
 * nothing but what the key's value is at that moment. Copies are forged: each bit turned, mixtures
 * of two versions, entries that were replaced, removed, given to others; and taken in random order,
 * word by word, while others write. */
#include "solo.h"

#include "counts.h"
#include "object/dict_held.h"
#include "object/dict_seal.h"

#include <pthread.h>

enum { ARENA_BYTES = 16 << 20, VALUE_BYTES = 24, FILLERS = 40 };

static struct solo solo;

/* A dict with one key, its entry's place, and a copy of what lies there. */
struct scene {
    troupe_dict dict;
    struct share share;
    struct dict_key key;
    struct dict_place place;
    uint64_t copy[SEAL_MOST / sizeof(uint64_t)];
};

static const char name[] = "a key of odd size";

static troupe_bytes value_of(int number)
{
    static unsigned char value[VALUE_BYTES];

    memset(value, number, sizeof value);
    return troupe_bytes_of(value, sizeof value);
}

static void copy(struct scene *scene)
{
    memcpy(scene->copy, arena_at(&solo.actor->arena, scene->place.offset), scene->place.bytes);
}

static void locate(struct scene *scene)
{
    dict_share_locate(&scene->share, &scene->key, &scene->place);
    assert_true(scene->place.offset != 0 && scene->place.bytes <= SEAL_MOST);
    copy(scene);
}

static void set(const struct scene *scene, int number)
{
    assert_int_equal(troupe_dict_set(scene->dict, troupe_text(name), value_of(number)), TROUPE_OK);
}

static bool proves(const struct scene *scene, troupe_bytes *value)
{
    return seal_proves(scene->copy, scene->place.bytes, scene->share.handle, &scene->key, value);
}

static void expect_proof(struct scene *scene, int number)
{
    troupe_bytes value;

    copy(scene);
    assert_true(proves(scene, &value));
    assert_int_equal(value.size, VALUE_BYTES);
    assert_memory_equal(value.data, value_of(number).data, VALUE_BYTES);
}

/* Nothing that lies at the old place is the key's any more. */
static void expect_refusal(struct scene *scene)
{
    troupe_bytes value;

    copy(scene);
    assert_false(proves(scene, &value));
}

static void scene_make(struct scene *scene)
{
    assert_int_equal(troupe_dict_create(NULL, &scene->dict), TROUPE_OK);
    assert_int_equal(dict_share_find(solo.actor, scene->dict.id, &scene->share), TROUPE_OK);
    dict_key_make(name, sizeof name - 1, &scene->key);
    set(scene, 1);
    locate(scene);
}

static int begin(void **state)
{
    (void)state;
    solo_begin(&solo, ARENA_BYTES);
    return dict_seals_begin(solo.actor) == TROUPE_OK ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    solo_end(&solo);
    return 0;
}

/* ---- copies that are forged --------------------------------------------------------------- */

static void a_turned_bit_is_seen(void **state)
{
    unsigned char *bytes;
    struct scene scene;
    troupe_bytes value;

    (void)state;
    scene_make(&scene);
    expect_proof(&scene, 1);
    bytes = (unsigned char *)scene.copy;
    for (uint64_t bit = 0; bit < scene.place.bytes * 8; bit++) {
        bool of_order = bit / 64 == 1 && bit % 64 >= ENTRY_VALUE_BITS && bit % 64 < 48;

        bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
        assert_int_equal(proves(&scene, &value), of_order);
        bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
    }
    for (uint64_t bytes_read = 0; bytes_read <= SEAL_MOST + 8; bytes_read += 8)
        assert_int_equal(
            seal_proves(scene.copy, bytes_read, scene.share.handle, &scene.key, &value),
            bytes_read == scene.place.bytes);
}

/* Two versions that differ in value, checksum and version, parted at every word: those that are
 * whole prove, and no other. */
static void a_mixture_is_seen(void **state)
{
    uint64_t one[SEAL_MOST / sizeof(uint64_t)], words;
    struct scene scene;
    troupe_bytes value;

    (void)state;
    scene_make(&scene);
    memcpy(one, scene.copy, scene.place.bytes);
    set(&scene, 2);
    locate(&scene);
    words = scene.place.bytes / sizeof(uint64_t);
    for (uint64_t mask = 0; mask < (uint64_t)1 << (words - 5); mask++) { /* not the key's five */
        uint64_t mixed[SEAL_MOST / sizeof(uint64_t)];

        memcpy(mixed, scene.copy, scene.place.bytes);
        for (uint64_t i = 5; i < words; i++)
            if ((mask >> (i - 5) & 1) != 0)
                mixed[i] = one[i];
        assert_int_equal(
            seal_proves(mixed, scene.place.bytes, scene.share.handle, &scene.key, &value),
            mask == 0 || mask == ((uint64_t)1 << (words - 5)) - 1);
    }
}

static void another_dict_or_key_is_refused(void **state)
{
    struct dict_key other;
    struct scene scene;
    troupe_bytes value;

    (void)state;
    scene_make(&scene);
    assert_false(
        seal_proves(scene.copy, scene.place.bytes, scene.share.handle + 1, &scene.key, &value));
    other = scene.key;
    other.data = "A key of odd size";
    assert_false(seal_proves(scene.copy, scene.place.bytes, scene.share.handle, &other, &value));
    other = scene.key;
    other.size--;
    assert_false(seal_proves(scene.copy, scene.place.bytes, scene.share.handle, &other, &value));
}

/* ---- entries that went -------------------------------------------------------------------- */

static void change_set(const struct scene *scene)
{
    set(scene, 2);
}

static void change_compare(const struct scene *scene)
{
    unsigned char old[VALUE_BYTES];

    memcpy(old, value_of(1).data, sizeof old);
    assert_int_equal(troupe_dict_compare_and_set(scene->dict, troupe_text(name),
                                                 troupe_bytes_of(old, sizeof old), value_of(2)),
                     TROUPE_OK);
}

static void change_delete(const struct scene *scene)
{
    assert_int_equal(troupe_dict_delete(scene->dict, troupe_text(name)), TROUPE_OK);
}

static void change_pop(const struct scene *scene)
{
    unsigned char value[VALUE_BYTES];

    assert_int_equal(troupe_dict_pop(scene->dict, troupe_text(name), value, sizeof value, NULL),
                     TROUPE_OK);
}

static void change_clear(const struct scene *scene)
{
    assert_int_equal(troupe_dict_clear(scene->dict), TROUPE_OK);
}

static void change_destroy(const struct scene *scene)
{
    assert_int_equal(troupe_dict_destroy(scene->dict), TROUPE_OK);
}

/* Afterwards, and while the blocks become others' of the same size and key, in another dict. */
static void what_went_is_refused(void **state)
{
    static void (*const changes[])(const struct scene *) = { change_set,    change_compare,
                                                             change_delete, change_pop,
                                                             change_clear,  change_destroy };
    troupe_dict other;

    (void)state;
    assert_int_equal(troupe_dict_create(NULL, &other), TROUPE_OK);
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        struct scene scene;

        scene_make(&scene);
        expect_proof(&scene, 1);
        changes[i](&scene);
        expect_refusal(&scene);
        for (int filler = 0; filler < FILLERS; filler++) {
            assert_int_equal(troupe_dict_set(other, troupe_text(name), value_of(1)), TROUPE_OK);
            expect_refusal(&scene);
        }
        assert_int_equal(troupe_dict_clear(other), TROUPE_OK);
    }
    assert_int_equal(troupe_dict_destroy(other), TROUPE_OK);
}

/* The block comes back to the key itself, with the value that it had. */
static void the_same_again_is_new(void **state)
{
    uint64_t before[SEAL_MOST / sizeof(uint64_t)];
    struct scene scene;
    bool came_back = false;

    (void)state;
    scene_make(&scene);
    memcpy(before, scene.copy, scene.place.bytes);
    for (int i = 0; i < FILLERS; i++) {
        struct dict_place old = scene.place;

        change_delete(&scene);
        expect_refusal(&scene);
        set(&scene, 1);
        locate(&scene);
        came_back |= scene.place.offset == old.offset;
        expect_proof(&scene, 1);
        assert_memory_not_equal(before, scene.copy, scene.place.bytes);
    }
    assert_true(came_back); /* else nothing was shown */
}

static void a_split_moves_no_entry(void **state)
{
    struct scene scene;

    (void)state;
    scene_make(&scene);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(troupe_dict_set(scene.dict, troupe_bytes_of(&i, sizeof i), value_of(i)),
                         TROUPE_OK);
    expect_proof(&scene, 1);
}

static void a_number_proves_after_each_addition(void **state)
{
    struct scene scene;
    troupe_bytes value;
    int64_t sum = 0;

    (void)state;
    scene_make(&scene);
    change_delete(&scene);
    for (int64_t i = 1; i <= FILLERS; i++) {
        assert_int_equal(troupe_dict_add(scene.dict, troupe_text(name), 1, &sum), TROUPE_OK);
        locate(&scene);
        assert_true(proves(&scene, &value));
        assert_int_equal(value.size, sizeof sum);
        assert_memory_equal(value.data, &i, sizeof i);
    }
}

/* What whoever dies between the two leaves: the value stays, and the next change brings a seal. */
static void a_dead_entry_is_asked_for(void **state)
{
    unsigned char value[VALUE_BYTES];
    struct scene scene;

    (void)state;
    scene_make(&scene);
    seal_kill(arena_at(&solo.actor->arena, scene.place.offset));
    expect_refusal(&scene);
    assert_int_equal(troupe_dict_get(scene.dict, troupe_text(name), value, sizeof value, NULL),
                     TROUPE_OK);
    assert_memory_equal(value, value_of(1).data, sizeof value);
    set(&scene, 2);
    locate(&scene);
    expect_proof(&scene, 2);
}

static void large_ones_have_none(void **state)
{
    static unsigned char large[SEAL_MOST];
    uint64_t most = SEAL_MOST - ENTRY_HEADER - sizeof(struct seal) - words_for(sizeof name) * 8;
    struct scene scene;

    (void)state;
    scene_make(&scene);
    for (uint64_t size = most - 16; size <= most + 16; size++) {
        assert_int_equal(
            troupe_dict_set(scene.dict, troupe_text(name), troupe_bytes_of(large, size)),
            TROUPE_OK);
        dict_share_locate(&scene.share, &scene.key, &scene.place);
        assert_int_equal(scene.place.offset != 0, size <= most);
    }
}

/* ---- while others write ------------------------------------------------------------------- */

/* A counter that one thread sets, sets anew or adds to; others copy it. */
struct play {
    struct scene scene;
    _Atomic int64_t begun, done;
    _Atomic uint64_t offset, bytes; /* of the last place that was told */
    _Atomic bool over;
};

static void *writer(void *argument)
{
    struct play *play = argument;
    long rounds = test_count(20000, 400000);
    uint64_t random = 88172645463325252u;
    struct dict_place place;
    int64_t sum;

    for (int64_t i = atomic_load(&play->done) + 1; i <= rounds; i++) {
        int kind = (int)(solo_random(&random) >> 32 & 3);

        atomic_store(&play->begun, i);
        if (kind == 0)
            troupe_dict_set(play->scene.dict, troupe_text(name), troupe_bytes_of(&i, sizeof i));
        else
            troupe_dict_add(play->scene.dict, troupe_text(name), 1, &sum);
        if (kind == 1) { /* whoever sees it amid this sees one of the two */
            troupe_dict_delete(play->scene.dict, troupe_text(name));
            troupe_dict_add(play->scene.dict, troupe_text(name), i, &sum);
        }
        atomic_store(&play->done, i);
        dict_share_locate(&play->scene.share, &play->scene.key, &place);
        atomic_store(&play->offset, place.offset);
        atomic_store(&play->bytes, place.bytes);
    }
    atomic_store(&play->over, true);
    return NULL;
}

/* As a transport may: from any word on, and not from left to right. */
static void copy_anyhow(uint64_t offset, uint64_t bytes, uint64_t random, uint64_t *to)
{
    const _Atomic uint64_t *from = arena_at(&solo.actor->arena, offset);
    uint64_t words = bytes / sizeof *to, first = random % words, step = random >> 32 & 1;

    for (uint64_t i = 0; i < words; i++) {
        uint64_t at = (first + (step != 0 ? i : words - i)) % words;

        to[at] = atomic_load_explicit(&from[at], memory_order_relaxed);
    }
}

static void *reader(void *argument)
{
    struct play *play = argument;
    uint64_t random = 1234567u + (uint64_t)(uintptr_t)&random, seen = 0;

    while (!atomic_load(&play->over) || seen == 0) {
        uint64_t offset = atomic_load(&play->offset), bytes = atomic_load(&play->bytes);
        uint64_t copied[SEAL_MOST / sizeof(uint64_t)];
        int64_t least = atomic_load(&play->done), number;
        troupe_bytes value;

        if (offset == 0 || bytes == 0)
            continue;
        copy_anyhow(offset, bytes, solo_random(&random), copied);
        if (!seal_proves(copied, bytes, play->scene.share.handle, &play->scene.key, &value))
            continue;
        seen++;
        memcpy(&number, value.data, sizeof number);
        if (value.size != sizeof number || number < least || number > atomic_load(&play->begun))
            return (void *)1;
    }
    return NULL;
}

static void readers_see_what_is_true(void **state)
{
    enum { READERS = 2 };
    static struct play play;
    pthread_t threads[READERS + 1];
    int64_t zero = 0;
    void *fault;

    (void)state;
    scene_make(&play.scene);
    assert_int_equal(
        troupe_dict_set(play.scene.dict, troupe_text(name), troupe_bytes_of(&zero, sizeof zero)),
        TROUPE_OK);
    locate(&play.scene);
    atomic_store(&play.offset, play.scene.place.offset);
    atomic_store(&play.bytes, play.scene.place.bytes);
    for (int i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&threads[i + 1], NULL, reader, &play), 0);
    assert_int_equal(pthread_create(&threads[0], NULL, writer, &play), 0);
    for (int i = 0; i <= READERS; i++) {
        assert_int_equal(pthread_join(threads[i], &fault), 0);
        assert_null(fault);
    }
}

/* Without them an entry is as it was. */
static void nobody_pays_without_seals(void **state)
{
    struct scene scene;

    (void)state;
    assert_int_equal(troupe_dict_create(NULL, &scene.dict), TROUPE_OK);
    assert_int_equal(dict_share_find(solo.actor, scene.dict.id, &scene.share), TROUPE_OK);
    dict_key_make(name, sizeof name - 1, &scene.key);
    set(&scene, 1);
    dict_share_locate(&scene.share, &scene.key, &scene.place);
    assert_int_equal(scene.place.offset, 0);
}

static int begin_without(void **state)
{
    (void)state;
    solo_begin(&solo, ARENA_BYTES);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_turned_bit_is_seen, begin, end),
        cmocka_unit_test_setup_teardown(a_mixture_is_seen, begin, end),
        cmocka_unit_test_setup_teardown(another_dict_or_key_is_refused, begin, end),
        cmocka_unit_test_setup_teardown(what_went_is_refused, begin, end),
        cmocka_unit_test_setup_teardown(the_same_again_is_new, begin, end),
        cmocka_unit_test_setup_teardown(a_split_moves_no_entry, begin, end),
        cmocka_unit_test_setup_teardown(a_number_proves_after_each_addition, begin, end),
        cmocka_unit_test_setup_teardown(a_dead_entry_is_asked_for, begin, end),
        cmocka_unit_test_setup_teardown(large_ones_have_none, begin, end),
        cmocka_unit_test_setup_teardown(readers_see_what_is_true, begin, end),
        cmocka_unit_test_setup_teardown(nobody_pays_without_seals, begin_without, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
