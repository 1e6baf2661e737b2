/* What the environment asks of the stand-in: how many devices, and which calls fail. */
#include "inside.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#define CALLS_MOST 128
#define CALL_NAME 48
#define MEMORY_DEFAULT (1ULL << 30)
#define CODE_LOST LAUNCH_FAILED

/* How often each call was made; new names are appended. */
static struct {
    char name[CALL_NAME];
    unsigned long made;
} calls[CALLS_MOST];

static size_t calls_count;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_uint failures;
static atomic_int initialised_by; /* a pid; 0 before cuInit */
static int lost;                  /* the code of every call from now on */

static unsigned long number_of(const char *name, unsigned long otherwise)
{
    const char *text = getenv(name);

    return text != NULL && *text != '\0' ? strtoul(text, NULL, 10) : otherwise;
}

int standin_devices(void)
{
    return (int)number_of("STANDIN_DEVICES", 1);
}

uint64_t standin_memory(void)
{
    return number_of("STANDIN_MEMORY", MEMORY_DEFAULT);
}

bool standin_mig(void)
{
    return number_of("STANDIN_MIG", 0) != 0;
}

/* Counts the call and returns which one of its name it is, from 1. */
static unsigned long call_count(const char *call)
{
    size_t i = 0;

    while (i < calls_count && strcmp(calls[i].name, call) != 0)
        i++;
    if (i == CALLS_MOST)
        return 0;
    if (i == calls_count)
        snprintf(calls[calls_count++].name, CALL_NAME, "%s", call);
    return ++calls[i].made;
}

/* The code that a list like "cuMemAlloc_v2:2:3,cuInit:1:100" has for this call; OK when none. */
static int code_listed(const char *list, const char *call, unsigned long number, int otherwise)
{
    size_t length = strlen(call);

    while (list != NULL && *list != '\0') {
        if (strncmp(list, call, length) == 0 && list[length] == ':') {
            char *end;
            unsigned long wanted = strtoul(list + length + 1, &end, 10);

            if (wanted == number)
                return *end == ':' ? (int)strtol(end + 1, NULL, 10) : otherwise;
        }
        list = strchr(list, ',');
        list += list != NULL;
    }
    return OK;
}

/* A lost device still tells what its errors are called. */
static int turn_locked(const char *call)
{
    unsigned long number = call_count(call);

    if (lost == OK)
        lost = code_listed(getenv("STANDIN_LOST"), call, number, CODE_LOST);
    if (lost != OK && strncmp(call, "cuGetError", strlen("cuGetError")) != 0)
        return lost;
    return code_listed(getenv("STANDIN_FAIL"), call, number, INVALID_VALUE);
}

int standin_turn(const char *call)
{
    int code;

    pthread_mutex_lock(&lock);
    code = turn_locked(call);
    pthread_mutex_unlock(&lock);
    if (code != OK)
        atomic_fetch_add(&failures, 1);
    return code;
}

void standin_initialised(void)
{
    atomic_store(&initialised_by, (int)getpid());
}

int standin_enter(const char *call)
{
    int by = atomic_load(&initialised_by);

    if (by != 0 && by != (int)getpid())
        return NOT_INITIALIZED; /* CUDA does not survive a fork */
    if (by == 0 && strcmp(call, "cuInit") != 0)
        return NOT_INITIALIZED;
    return standin_turn(call);
}

unsigned standin_failures(void)
{
    return atomic_load(&failures);
}
