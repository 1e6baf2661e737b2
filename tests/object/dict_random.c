/* Random operations by several threads, and by several processes, against a reference.
 *
 * Each worker owns every WORKERS-th key and knows exactly what must stand under it. All of them
 * also write the same few keys, whose values tell by themselves whether they are whole. */
#include "solo.h"

#include "core/recover.h"

#include <pthread.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    WORKERS = 4,
    KEYS = 4000,
    SHARED_KEYS = 8,
    OPERATIONS = 60000,
    VALUE_MOST = 600,
    VALUE_RARE = 70000 /* now and then one larger than a span */
};
#define ARENA_BYTES (128u << 20)

/* In memory that all processes share: the edition that stands under each key, 0 for none. */
struct reference {
    uint64_t editions[KEYS];
    uint64_t faults[WORKERS];
};

struct worker {
    troupe_dict dict;
    struct reference *reference;
    int number;
};

static struct solo solo;

static size_t value_size(uint64_t key, uint64_t edition)
{
    uint64_t mixed = (key + 1) * 0x9e3779b97f4a7c15u ^ edition * 0xbf58476d1ce4e5b9u;

    return mixed % 500 == 0 ? VALUE_RARE : mixed >> 20 & 1 ? mixed % 9 : mixed % VALUE_MOST;
}

/* The value of a key's edition is its edition's bytes, over and over. */
static void value_fill(unsigned char *value, uint64_t key, uint64_t edition, size_t size)
{
    uint64_t word = key << 40 ^ edition;

    for (size_t at = 0; at < size; at++)
        value[at] = (unsigned char)(word >> at % 8 * 8);
}

static size_t key_make(uint64_t key, unsigned char bytes[32])
{
    memset(bytes, (int)(key * 7), 32);
    memcpy(bytes, &key, sizeof key);
    return 8 + key % 24;
}

static bool owned_set(const struct worker *worker, uint64_t key, unsigned char *buffer)
{
    uint64_t edition = ++worker->reference->editions[key];
    size_t size = value_size(key, edition);
    unsigned char bytes[32];

    value_fill(buffer, key, edition, size);
    return troupe_dict_set(worker->dict, troupe_bytes_of(bytes, key_make(key, bytes)),
                           troupe_bytes_of(buffer, size)) == TROUPE_OK;
}

static bool owned_delete(const struct worker *worker, uint64_t key)
{
    unsigned char bytes[32];
    int result = troupe_dict_delete(worker->dict, troupe_bytes_of(bytes, key_make(key, bytes)));
    bool stood = worker->reference->editions[key] != 0;

    worker->reference->editions[key] = 0;
    return result == (stood ? TROUPE_OK : TROUPE_NOT_FOUND);
}

static bool owned_get(const struct worker *worker, uint64_t key, unsigned char *buffer,
                      unsigned char *expected)
{
    uint64_t edition = worker->reference->editions[key];
    size_t wanted = value_size(key, edition), size = 0;
    unsigned char bytes[32];
    int result = troupe_dict_get(worker->dict, troupe_bytes_of(bytes, key_make(key, bytes)), buffer,
                                 VALUE_RARE, &size);

    if (edition == 0)
        return result == TROUPE_NOT_FOUND;
    value_fill(expected, key, edition, wanted);
    return result == TROUPE_OK && size == wanted && memcmp(buffer, expected, size) == 0;
}

/* Everybody's keys: a value is one byte repeated, as often as its first byte says in words. */
static bool shared_step(const struct worker *worker, uint64_t random, unsigned char *buffer)
{
    uint64_t key = KEYS + random % SHARED_KEYS;
    unsigned char letter = (unsigned char)(random >> 16 | 1);
    size_t size = (size_t)letter * 8;
    troupe_bytes name = troupe_bytes_of(&key, sizeof key);
    int result;

    if (random >> 60 < 6) {
        memset(buffer, letter, size);
        return troupe_dict_set(worker->dict, name, troupe_bytes_of(buffer, size)) == TROUPE_OK;
    }
    if (random >> 60 == 6) {
        result = troupe_dict_delete(worker->dict, name);
        return result == TROUPE_OK || result == TROUPE_NOT_FOUND;
    }
    result = troupe_dict_get(worker->dict, name, buffer, VALUE_RARE, &size);
    if (result == TROUPE_NOT_FOUND)
        return true;
    for (size_t at = 0; at < size; at++)
        if (buffer[at] != buffer[0])
            return false;
    return result == TROUPE_OK && size == (size_t)buffer[0] * 8;
}

static bool owned_step(const struct worker *worker, uint64_t random, unsigned char *buffer,
                       unsigned char *expected)
{
    uint64_t key = random % (KEYS / WORKERS) * WORKERS + (uint64_t)worker->number;

    switch (random >> 62) {
    case 0:
        return owned_delete(worker, key);
    case 1:
        return owned_get(worker, key, buffer, expected);
    default:
        return owned_set(worker, key, buffer);
    }
}

static void work(const struct worker *worker)
{
    unsigned char *buffer = malloc(VALUE_RARE), *expected = malloc(VALUE_RARE);
    uint64_t random = 88172645463325252u + (uint64_t)worker->number * 977;

    for (int i = 0; i < OPERATIONS; i++) {
        uint64_t drawn = solo_random(&random);
        bool fine = drawn >> 30 & 1 ? owned_step(worker, drawn, buffer, expected)
                                    : shared_step(worker, drawn, buffer);

        if (!fine && worker->reference->faults[worker->number]++ == 0)
            fprintf(stderr, "worker %d, operation %d: %s\n", worker->number, i,
                    troupe_last_error());
    }
    free(buffer);
    free(expected);
}

static void *work_as_thread(void *worker)
{
    work(worker);
    return NULL;
}

/* Every entry that the walk shows is in the reference, every one of the reference is shown once,
 * and the size agrees. */
static void compare(troupe_dict dict, const struct reference *reference)
{
    unsigned char key_bytes[64], *value = malloc(VALUE_RARE), *expected = malloc(VALUE_RARE);
    static bool shown[KEYS + SHARED_KEYS];
    troupe_cursor cursor = { { 0 } };
    uint64_t entries, walked = 0, key;
    size_t key_size, size;

    memset(shown, 0, sizeof shown);
    while (troupe_dict_next(dict, &cursor, key_bytes, sizeof key_bytes, &key_size, value,
                            VALUE_RARE, &size) == TROUPE_OK) {
        memcpy(&key, key_bytes, sizeof key);
        assert_true(key < KEYS + SHARED_KEYS);
        assert_false(shown[key]);
        shown[key] = true;
        walked++;
        if (key >= KEYS)
            continue;
        assert_int_not_equal(reference->editions[key], 0);
        assert_int_equal(size, value_size(key, reference->editions[key]));
        value_fill(expected, key, reference->editions[key], size);
        assert_memory_equal(value, expected, size);
    }
    for (key = 0; key < KEYS; key++)
        assert_int_equal(shown[key], reference->editions[key] != 0);
    assert_int_equal(troupe_dict_size(dict, &entries), TROUPE_OK);
    assert_int_equal(entries, walked);
    free(value);
    free(expected);
}

static struct reference *reference_make(void)
{
    struct reference *reference =
        mmap(NULL, sizeof *reference, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    assert_true(reference != MAP_FAILED);
    return reference;
}

/* Starts the workers by begin, waits for them by end, and looks at what they left. */
static void run(void (*begin)(struct worker *workers), void (*end)(void))
{
    struct reference *reference = reference_make();
    struct worker workers[WORKERS];
    troupe_dict dict;
    uint64_t nothing;

    assert_int_equal(troupe_dict_create(NULL, &dict), TROUPE_OK);
    assert_int_equal(troupe_dict_destroy(dict), TROUPE_OK);
    nothing = solo_linked(&solo);
    assert_int_equal(troupe_dict_create(NULL, &dict), TROUPE_OK);
    for (int i = 0; i < WORKERS; i++)
        workers[i] = (struct worker){ dict, reference, i };
    begin(workers);
    end();
    for (int i = 0; i < WORKERS; i++)
        assert_int_equal(reference->faults[i], 0);
    compare(dict, reference);
    assert_int_equal(troupe_dict_destroy(dict), TROUPE_OK);
    assert_int_equal(solo_linked(&solo), nothing);
    munmap(reference, sizeof *reference);
}

static pthread_t threads[WORKERS];

static void threads_begin(struct worker *workers)
{
    for (int i = 0; i < WORKERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, work_as_thread, &workers[i]), 0);
}

static void threads_end(void)
{
    for (int i = 0; i < WORKERS; i++)
        pthread_join(threads[i], NULL);
}

static void by_threads(void **state)
{
    (void)state;
    run(threads_begin, threads_end);
}

static void child(const struct worker *worker)
{
    struct actor *actor;

    if (solo_join_child(&actor) != TROUPE_OK)
        _exit(1);
    work(worker);
    world_leave();
    _exit(0);
}

static void processes_begin(struct worker *workers)
{
    for (int i = 0; i < WORKERS; i++) {
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid == 0)
            child(&workers[i]);
    }
}

static void processes_end(void)
{
    int status;

    while (wait(&status) > 0)
        assert_int_equal(status, 0);
}

static void by_processes(void **state)
{
    (void)state;
    run(processes_begin, processes_end);
}

/* Processes that are killed in the middle: what they acknowledged stands, the rest is whole or
 * absent, no lock stays and no block is lost. The edition after the acknowledged one may stand. */
static void killed(void **state)
{
    enum { ROUNDS = 40 };
    uint64_t random = 362436069, nothing, entries;
    troupe_dict dict;

    (void)state;
    assert_int_equal(troupe_dict_create(NULL, &dict), TROUPE_OK);
    assert_int_equal(troupe_dict_destroy(dict), TROUPE_OK);
    nothing = solo_linked(&solo);
    assert_int_equal(troupe_dict_create(NULL, &dict), TROUPE_OK);
    for (int round = 0; round < ROUNDS; round++) {
        struct reference *reference = reference_make();
        uint32_t *party = (uint32_t *)&reference->faults[0];
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid == 0) {
            struct worker worker = { dict, reference, 1 };
            struct actor *actor;

            if (solo_join_child(&actor) == TROUPE_OK) {
                *party = actor->party;
                work(&worker);
            }
            _exit(0);
        }
        usleep((useconds_t)(2000 + solo_random(&random) % 8000));
        kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        slots_bury(&solo.actor->arena, *party);
        recover_all(solo.actor);
        for (uint64_t key = 0; key < KEYS + SHARED_KEYS; key++) {
            unsigned char bytes[32];
            size_t size = key < KEYS ? key_make(key, bytes) : sizeof key;
            int result;

            memcpy(bytes, &key, sizeof key);
            result = troupe_dict_delete(dict, troupe_bytes_of(bytes, size));
            assert_true(result == TROUPE_OK || result == TROUPE_NOT_FOUND);
        }
        assert_int_equal(troupe_dict_size(dict, &entries), TROUPE_OK);
        assert_int_equal(entries, 0);
        munmap(reference, sizeof *reference);
    }
    assert_int_equal(troupe_dict_destroy(dict), TROUPE_OK);
    assert_int_equal(solo_linked(&solo), nothing);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_threads),
        cmocka_unit_test(by_processes),
        cmocka_unit_test(killed),
    };
    int failed;

    solo_begin(&solo, ARENA_BYTES);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    solo_end(&solo);
    return failed;
}
