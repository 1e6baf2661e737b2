/* A node's leader dies at a named point of a request: before its handler runs, and after it has had
 * its effect, before anything is answered or written down by the service. With sixteen ranks on two
 * nodes, 8 to 15 are node 1, whose leader dies again and again; the objects are there. The caller
 * gets its answer from the next leader, and the effect is there once.
 *
 * Linked with --wrap for service_register: each handler runs inside one that looks for a trap. A
 * trap is a word of the node's arena that a process there sets; it is taken out when it is used. */
#include "world/harness.h"

#include "core/arena.h"
#include "core/service.h"
#include "core/world.h"
#include "object/dict_key.h"
#include "object/dict_remote.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define WATCH_S 200
#define CALL_MS 40000
#define TRAP_ROOT (ARENA_ROOTS - 1)

enum { THERE = 1, CALLER = 1, HELPER = 15, LEADERS = 7, LARGE = 200000, MANY = 30 };
enum point { BEFORE = 1, AFTER = 2 };

static service_handler handlers[SERVICE_OPS];

void __real_service_register(enum service_op op, service_handler handler);
void __wrap_service_register(enum service_op op, service_handler handler);

/* ---- traps ---------------------------------------------------------------------------------- */

static uint64_t trap_make(enum service_op op, enum point point)
{
    return (uint64_t)point << 32 | (uint64_t)op;
}

static void trap_step(enum service_op op, enum point point)
{
    uint64_t trap = trap_make(op, point);

    if (atomic_compare_exchange_strong(&world_here.arena.header->roots[TRAP_ROOT], &trap, 0))
        kill(getpid(), SIGKILL);
}

static int trapped(struct actor *actor, const struct request *request, bool last,
                   struct answer *answer, struct bell **bell)
{
    int result;

    trap_step(request->op, BEFORE);
    result = handlers[request->op](actor, request, last, answer, bell);
    if (result != SERVICE_PARK)
        trap_step(request->op, AFTER);
    return result;
}

void __wrap_service_register(enum service_op op, service_handler handler)
{
    handlers[op] = handler;
    __real_service_register(op, trapped);
}

static int sets_trap(const void *argument, size_t bytes)
{
    uint64_t trap;

    memcpy(&trap, argument, bytes);
    atomic_store(&world_here.arena.header->roots[TRAP_ROOT], trap);
    return 0;
}

static int looks_for_trap(const void *argument, size_t bytes)
{
    (void)argument, (void)bytes;
    return atomic_load(&world_here.arena.header->roots[TRAP_ROOT]) == 0;
}

static void trap_set(enum service_op op, enum point point)
{
    uint64_t trap = trap_make(op, point);

    harness_done(harness_start_on(HELPER, sets_trap, &trap, sizeof trap), 0);
}

/* The leader has died in it. */
static void trap_was_used(void)
{
    harness_done(harness_start_on(HELPER, looks_for_trap, NULL, 0), 1);
}

/* ---- what is asked of node 1 ---------------------------------------------------------------- */

static struct objects {
    troupe_dict dict;
    troupe_queue queue;
    troupe_lock lock;
    troupe_array array;
} objects;

static unsigned char room[LARGE];

/* What the maker is told. */
struct wanted {
    troupe_queue reply;
    troupe_dict dict;
};

static int maker(const void *argument, size_t bytes)
{
    const troupe_array_options array = { .type = TROUPE_INT64, .length = 1 };
    struct wanted wanted;
    struct objects made;

    memcpy(&wanted, argument, bytes);
    made.dict = wanted.dict;
    if (troupe_queue_create(NULL, &made.queue) != TROUPE_OK ||
        troupe_lock_create(NULL, &made.lock) != TROUPE_OK ||
        troupe_array_create(&array, &made.array) != TROUPE_OK)
        return 1;
    return troupe_queue_put(wanted.reply, &made, sizeof made, CALL_MS) == TROUPE_OK ? 0 : 1;
}

/* A key whose home is node 1. */
static troupe_bytes key_there(void)
{
    static char name[16];
    struct dict_key key;

    for (int i = 0;; i++) {
        snprintf(name, sizeof name, "key %d", i);
        dict_key_make(name, strlen(name), &key);
        if (dict_home(key.hash) == THERE)
            return troupe_text(name);
    }
}

static uint64_t queue_size(void)
{
    uint64_t messages = UINT64_MAX;

    troupe_queue_size(objects.queue, &messages);
    return messages;
}

static bool add_once(void)
{
    int64_t before = 0, sum = 0;

    troupe_dict_get(objects.dict, key_there(), &before, sizeof before, NULL);
    return troupe_dict_add(objects.dict, key_there(), 5, &sum) == TROUPE_OK && sum == before + 5 &&
           troupe_dict_get(objects.dict, key_there(), &before, sizeof before, NULL) == TROUPE_OK &&
           before == sum;
}

static bool pop_once(void)
{
    int64_t value = 77, popped = 0;
    int result;

    troupe_dict_set(objects.dict, key_there(), troupe_bytes_of(&value, sizeof value));
    result = troupe_dict_pop(objects.dict, key_there(), &popped, sizeof popped, NULL);
    return result == TROUPE_OK && popped == value &&
           troupe_dict_get(objects.dict, key_there(), &popped, sizeof popped, NULL) ==
               TROUPE_NOT_FOUND;
}

static bool put_once(size_t size)
{
    uint64_t before = queue_size();

    memset(room, 'p', size);
    return troupe_queue_put(objects.queue, room, size, CALL_MS) == TROUPE_OK &&
           queue_size() == before + 1;
}

static bool get_once(size_t size)
{
    uint64_t before = queue_size();
    size_t got = 0;

    memset(room, 0, size);
    if (troupe_queue_get(objects.queue, room, sizeof room, &got, CALL_MS) != TROUPE_OK ||
        got != size || queue_size() != before - 1)
        return false;
    while (got > 0 && room[got - 1] == 'p')
        got--;
    return got == 0;
}

static bool small_message(void)
{
    return put_once(50) && get_once(50);
}

static bool large_message(void)
{
    return put_once(LARGE) && get_once(LARGE);
}

static bool put_many(void)
{
    troupe_bytes views[MANY];
    uint64_t before = queue_size();
    size_t done = 0;

    for (int i = 0; i < MANY; i++)
        views[i] = troupe_bytes_of(room, 10);
    if (troupe_queue_put_many(objects.queue, views, MANY, &done, CALL_MS) != TROUPE_OK ||
        done != MANY || queue_size() != before + MANY)
        return false;
    for (int i = 0; i < MANY; i++)
        if (troupe_queue_get(objects.queue, room, sizeof room, NULL, CALL_MS) != TROUPE_OK)
            return false;
    return queue_size() == before;
}

static bool lease_and_done(void)
{
    troupe_lease lease;
    size_t size = 0;

    return put_once(LARGE) &&
           troupe_queue_lease(objects.queue, room, sizeof room, &size, &lease, CALL_MS) ==
               TROUPE_OK &&
           size == LARGE && room[LARGE - 1] == 'p' && queue_size() == 0 &&
           troupe_queue_done(objects.queue, lease) == TROUPE_OK &&
           troupe_queue_done(objects.queue, lease) == TROUPE_NOT_FOUND;
}

static bool lock_once(void)
{
    int result = troupe_lock_acquire(objects.lock, CALL_MS);

    return (result == TROUPE_OK || result == TROUPE_OWNER_DIED) &&
           troupe_lock_release(objects.lock) == TROUPE_OK &&
           troupe_lock_release(objects.lock) == TROUPE_BAD_ARGUMENT;
}

static int returns_seven(const void *argument, size_t bytes)
{
    (void)argument, (void)bytes;
    return 7;
}

static bool start_once(void)
{
    const troupe_process_options options = { .method = TROUPE_METHOD_SPAWN,
                                             .where = TROUPE_ON_NODE,
                                             .place = THERE };
    troupe_process_status status;
    troupe_process process;

    return troupe_process_start(returns_seven, NULL, 0, &options, &process) == TROUPE_OK &&
           troupe_process_join(process, CALL_MS) == TROUPE_OK &&
           troupe_process_status_get(process, &status) == TROUPE_OK && status.exit_code == 7 &&
           troupe_process_close(process) == TROUPE_OK;
}

/* What is no transaction of one object is in doubt: the caller is told so, and looks. */
static bool array_add_or_doubt(void)
{
    int64_t before = 0, sum = 0, after = 0;
    int result;

    troupe_array_get(objects.array, 0, &before, sizeof before);
    result = troupe_array_add(objects.array, 0, 3, &sum);
    troupe_array_get(objects.array, 0, &after, sizeof after);
    return result == TROUPE_LOST ? after == before || after == before + 3
                                 : result == TROUPE_OK && sum == before + 3 && after == sum;
}

static const struct step {
    const char *name;
    enum service_op op;
    bool (*run)(void);
} steps[] = {
    { "dict add", SERVICE_DICT_ADD, add_once },
    { "dict set", SERVICE_DICT_SET, pop_once },
    { "dict pop", SERVICE_DICT_POP, pop_once },
    { "queue put", SERVICE_QUEUE_PUT, small_message },
    { "queue get", SERVICE_QUEUE_GET, small_message },
    { "queue put, large", SERVICE_QUEUE_PUT, large_message },
    { "queue get, large", SERVICE_QUEUE_GET, large_message },
    { "queue put many", SERVICE_QUEUE_PUT_MANY, put_many },
    { "queue lease", SERVICE_QUEUE_LEASE, lease_and_done },
    { "queue done", SERVICE_QUEUE_DONE, lease_and_done },
    { "lock acquire", SERVICE_LOCK_ACQUIRE, lock_once },
    { "lock release", SERVICE_LOCK_RELEASE, lock_once },
    { "process start", SERVICE_PROCESS_START, start_once },
    { "array add", SERVICE_ARRAY_ADD, array_add_or_doubt },
};
enum { STEPS = sizeof steps / sizeof *steps };

struct run {
    struct objects objects;
    int step;
};

/* By a rank, which sends for itself. */
static int runs_step(const void *argument, size_t bytes)
{
    struct run run;

    memcpy(&run, argument, bytes);
    objects = run.objects;
    return steps[run.step].run() ? 0 : 1;
}

/* ---- tests ---------------------------------------------------------------------------------- */

static int steps_from = 0, steps_to = LEADERS, point = AFTER;

static int objects_make(void **state)
{
    struct wanted wanted = { .reply = harness_queue() };

    (void)state;
    assert_int_equal(troupe_dict_create(NULL, &wanted.dict), TROUPE_OK);
    harness_done(harness_start_on(HELPER, maker, &wanted, sizeof wanted), 0);
    return troupe_queue_get(wanted.reply, &objects, sizeof objects, NULL, CALL_MS);
}

/* The parent has no MPI, and asks through its node's leader; the rank asks itself. */
static void at_named_points(void **state)
{
    (void)state;
    for (int i = steps_from; i < steps_to; i++) {
        struct run run = { objects, i };

        trap_set(steps[i].op, (enum point)point);
        if ((i + point) % 2 == 0)
            harness_done(harness_start_on(CALLER, runs_step, &run, sizeof run), 0);
        else if (!steps[i].run())
            fail_msg("%s, point %d: %s", steps[i].name, point, troupe_last_error());
        trap_was_used();
    }
}

/* [FROM TO POINT]: which steps, and 1 for before the handler, 2 for after it. No more steps than
 * the node has leaders to lose. */
int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test_setup(at_named_points, objects_make) };

    if (troupe_init(&argc, &argv) != TROUPE_OK)
        return troupe_finalize(1);
    if (argc == 4) {
        steps_from = atoi(argv[1]);
        steps_to = atoi(argv[2]) < STEPS ? atoi(argv[2]) : STEPS;
        point = atoi(argv[3]);
    }
    harness_watch(WATCH_S);
    return troupe_finalize(cmocka_run_group_tests(tests, NULL, NULL));
}
