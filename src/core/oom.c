/* The count is the machine's (/proc/vmstat), which takes in every control group: those of other
 * users too, where they share the kernel. So what is told of it says "probably". */
#include "core/oom.h"

#include <pthread.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/procfs.h"

#define MOMENT_MS 1000 /* one death is asked about by several threads */
#define NOT_WATCHED UINT64_MAX

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t seen = NOT_WATCHED;
static uint64_t struck_until;

/* 0 on a kernel that does not count (before 4.13). */
static uint64_t kills_read(void)
{
    int64_t kills = 0;

    return procfs_number("/proc/vmstat", "oom_kill ", &kills) ? (uint64_t)kills : 0;
}

/* A thread that held the lock is not in a forked child, which does not watch. */
static void forget_in_child(void)
{
    pthread_mutex_init(&lock, NULL);
    seen = NOT_WATCHED;
}

static void hook_install(void)
{
    pthread_atfork(NULL, NULL, forget_in_child);
}

void oom_watch(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, hook_install);
    pthread_mutex_lock(&lock);
    seen = kills_read();
    pthread_mutex_unlock(&lock);
}

bool oom_struck(void)
{
    uint64_t kills;
    bool struck = false;

    pthread_mutex_lock(&lock);
    if (seen != NOT_WATCHED) {
        kills = kills_read();
        if (kills > seen)
            struck_until = clock_deadline(MOMENT_MS);
        seen = kills;
        struck = clock_left(struck_until) > 0;
    }
    pthread_mutex_unlock(&lock);
    return struck;
}
