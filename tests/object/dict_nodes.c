/* A dict over two nodes, in one process: the second node is another arena, and the calls between
 * them go straight to the handlers that the dict registers. */
#include "solo.h"

#include "core/service.h"
#include "object/dict.h"

enum { NODES = 2, ENTRIES = 3000 };
#define ARENA_BYTES (16u << 20)

static struct solo solo;     /* node 0, where the calls are made */
static struct actor service; /* of node 1 */
static service_handler handlers[SERVICE_OPS];
static int calls;
static bool lost; /* node 1 answers no more */

void __wrap_service_register(enum service_op op, service_handler handler);
int __wrap_service_call(struct actor *actor, int node, const struct request *request,
                        uint64_t deadline, struct answer *answer);

void __wrap_service_register(enum service_op op, service_handler handler)
{
    handlers[op] = handler;
}

int __wrap_service_call(struct actor *actor, int node, const struct request *request,
                        uint64_t deadline, struct answer *answer)
{
    struct bell *bell = NULL;
    int result;

    assert_ptr_equal(actor, solo.actor);
    assert_int_equal(node, 1);
    assert_int_equal(deadline, BELL_NO_WAIT);
    memset(answer, 0, sizeof *answer);
    calls++;
    if (lost)
        return TROUPE_LOST;
    result = handlers[request->op](&service, request, true, answer, &bell);
    if (result == TROUPE_OK || result == TROUPE_TOO_LONG)
        return result;
    free(answer->data);
    memset(answer, 0, sizeof *answer);
    return result;
}

static int begin(void **state)
{
    struct arena arena;
    void *base = mmap(NULL, ARENA_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    (void)state;
    solo_begin(&solo, ARENA_BYTES);
    world_here.nodes = NODES;
    assert_true(base != MAP_FAILED);
    assert_int_equal(arena_format(base, ARENA_BYTES, NULL, &arena), TROUPE_OK);
    assert_int_equal(actor_open(&arena, SLOT_NONE, &service), TROUPE_OK);
    assert_int_equal(table_format(&service, 1), TROUPE_OK);
    dict_register();
    solo_warm();
    return 0;
}

static int end(void **state)
{
    (void)state;
    actor_close(&service);
    munmap(service.arena.base, ARENA_BYTES);
    solo_end(&solo);
    return 0;
}

static uint64_t linked_there(void)
{
    struct heap_usage usage;

    heap_usage_get(&service.arena, &usage);
    assert_int_equal(usage.flight_blocks, 0);
    return usage.linked_bytes;
}

/* Values of 0 to 299 bytes, told by their number. */
static troupe_bytes value_of(int number)
{
    static unsigned char value[300];

    memset(value, number, sizeof value);
    return troupe_bytes_of(value, (size_t)number % sizeof value);
}

static void fill(troupe_dict dict)
{
    for (int i = 0; i < ENTRIES; i++)
        assert_int_equal(troupe_dict_set(dict, troupe_bytes_of(&i, sizeof i), value_of(i)),
                         TROUPE_OK);
}

static void expect(troupe_dict dict, int number)
{
    troupe_bytes value = value_of(number), key = troupe_bytes_of(&number, sizeof number);
    unsigned char back[300];
    size_t size = SIZE_MAX;

    assert_int_equal(troupe_dict_get(dict, key, back, sizeof back, &size), TROUPE_OK);
    assert_int_equal(size, value.size);
    assert_memory_equal(back, value.data, size);
    if (size == 0)
        return;
    assert_int_equal(troupe_dict_get(dict, key, back, size - 1, &size), TROUPE_TOO_LONG);
    assert_int_equal(size, value.size);
}

static void spreads_over_nodes(void **state)
{
    uint64_t here = solo_linked(&solo), there = linked_there(), entries;
    troupe_dict dict;

    (void)state;
    assert_int_equal(troupe_dict_create(NULL, &dict), TROUPE_OK);
    calls = 0;
    fill(dict);
    assert_in_range(calls, ENTRIES / 3, ENTRIES * 2 / 3);
    for (int i = 0; i < ENTRIES; i++)
        expect(dict, i);
    assert_int_equal(troupe_dict_size(dict, &entries), TROUPE_OK);
    assert_int_equal(entries, ENTRIES);
    for (int i = 0; i < ENTRIES; i += 2)
        assert_int_equal(troupe_dict_delete(dict, troupe_bytes_of(&i, sizeof i)), TROUPE_OK);
    for (int i = 0; i < ENTRIES; i += 2)
        assert_int_equal(troupe_dict_delete(dict, troupe_bytes_of(&i, sizeof i)), TROUPE_NOT_FOUND);
    for (int i = 1; i < ENTRIES; i += 2)
        expect(dict, i);
    assert_int_equal(troupe_dict_size(dict, &entries), TROUPE_OK);
    assert_int_equal(entries, ENTRIES / 2);
    assert_int_equal(troupe_dict_destroy(dict), TROUPE_OK);
    assert_int_equal(solo_linked(&solo), here);
    assert_int_equal(linked_there(), there);
}

static void walks_over_nodes(void **state)
{
    static bool shown[ENTRIES];
    troupe_cursor cursor = { { 0 } };
    unsigned char value[300];
    size_t key_size, size;
    troupe_dict dict;
    int key, steps = 0, result;

    (void)state;
    assert_int_equal(troupe_dict_create(NULL, &dict), TROUPE_OK);
    fill(dict);
    while ((result = troupe_dict_next(dict, &cursor, &key, sizeof key, &key_size, value, 1,
                                      &size)) != TROUPE_EMPTY) {
        if (result == TROUPE_TOO_LONG) {
            assert_true(size > 1);
            result = troupe_dict_next(dict, &cursor, &key, sizeof key, &key_size, value,
                                      sizeof value, &size);
        }
        assert_int_equal(result, TROUPE_OK);
        assert_int_equal(key_size, sizeof key);
        assert_in_range(key, 0, ENTRIES - 1);
        assert_false(shown[key]);
        shown[key] = true;
        assert_int_equal(size, value_of(key).size);
        assert_memory_equal(value, value_of(key).data, size);
        steps++;
    }
    assert_int_equal(steps, ENTRIES);
    assert_int_equal(troupe_dict_destroy(dict), TROUPE_OK);
}

/* A node without room refuses its share: then there is no dict anywhere. */
static void is_made_everywhere_or_nowhere(void **state)
{
    static unsigned char filler[4096];
    uint64_t here, there;
    troupe_dict dict, more = { 7 };

    (void)state;
    assert_int_equal(troupe_dict_create(NULL, &dict), TROUPE_OK);
    for (size_t size = 4000, number = 0; size > 16; size /= 2)
        for (int result = TROUPE_OK; result == TROUPE_OK; number++) {
            struct request request = { .op = SERVICE_DICT_SET, .object = dict.id };
            struct answer answer;

            memcpy(filler, &number, sizeof number);
            request.words[0] = number * 0x9e3779b97f4a7c15u;
            request.words[1] = sizeof number;
            request.data = filler;
            request.size = size;
            result = __wrap_service_call(solo.actor, 1, &request, BELL_NO_WAIT, &answer);
            assert_true(result == TROUPE_OK || result == TROUPE_FULL);
        }
    here = solo_linked(&solo);
    there = linked_there();
    assert_int_equal(troupe_dict_create(NULL, &more), TROUPE_FULL);
    assert_non_null(strstr(troupe_last_error(), "free"));
    assert_int_equal(more.id, 7);
    assert_int_equal(solo_linked(&solo), here);
    assert_int_equal(linked_there(), there);
    assert_int_equal(troupe_dict_destroy(dict), TROUPE_OK);
}

static void a_malformed_request_is_refused(void **state)
{
    static const enum service_op ops[] = { SERVICE_DICT_SET, SERVICE_DICT_GET,
                                           SERVICE_DICT_DELETE };
    struct request request = { .data = "key", .size = 0 };
    struct answer answer;
    troupe_dict dict;

    (void)state;
    assert_int_equal(troupe_dict_create(NULL, &dict), TROUPE_OK);
    request.object = dict.id;
    request.words[1] = 4; /* a key longer than the data */
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        request.op = ops[i];
        request.size = ops[i] == SERVICE_DICT_SET ? 3 : 0;
        assert_int_equal(__wrap_service_call(solo.actor, 1, &request, BELL_NO_WAIT, &answer),
                         TROUPE_MISMATCH);
    }
    assert_int_equal(troupe_dict_destroy(dict), TROUPE_OK);
}

static void a_lost_node_is_told(void **state)
{
    int results[2] = { 0, 0 }, other = 0;
    uint64_t entries = 7;
    troupe_dict dict;

    (void)state;
    assert_int_equal(troupe_dict_create(NULL, &dict), TROUPE_OK);
    lost = true;
    for (int i = 0; i < 100; i++) {
        int result = troupe_dict_set(dict, troupe_bytes_of(&i, sizeof i), value_of(i));

        results[0] += result == TROUPE_OK;
        results[1] += result == TROUPE_LOST;
        other += result != TROUPE_OK && result != TROUPE_LOST;
    }
    assert_int_equal(other, 0);
    assert_true(results[0] > 0 && results[1] > 0);
    assert_int_equal(troupe_dict_size(dict, &entries), TROUPE_LOST);
    assert_int_equal(entries, 7);
    assert_int_equal(troupe_dict_destroy(dict), TROUPE_OK);
    lost = false;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spreads_over_nodes),
        cmocka_unit_test(walks_over_nodes),
        cmocka_unit_test(is_made_everywhere_or_nowhere),
        cmocka_unit_test(a_malformed_request_is_refused),
        cmocka_unit_test(a_lost_node_is_told),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
